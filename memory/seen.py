"""The memory's marks beside the rules: they raise and lower what was found, name owners, and add what was missed."""

from __future__ import annotations

from typing import Protocol

from audio.speech import Utterance
from memory import votes
from memory.marks import Marks
from memory.notebook import PUBLISHED, Notebook
from memory.notes import DECIDED, NOBODY, Change, Owner
from memory.wording import content_of, sentences, tidy


class HandOver(Protocol):
    """Gives an item an owner."""

    def __call__(self, number: int, owner: Owner, evidence: tuple[str, ...], *, sure: float) -> None: ...


class Seen:
    """Writes what the memory sees into the notebook; `believed` are the kinds of items whose absence it can tell."""

    def __init__(self, book: Notebook, hand_over: HandOver, believed: frozenset[str]) -> None:
        self.book, self._hand_over, self._believed = book, hand_over, believed

    def mark(self, utterance: Utterance, marks: Marks, changed: list[int]) -> None:
        """After the rules: `changed` are the items that they made of this utterance, or changed by it."""
        book = self.book
        views = votes.views(marks)
        for number in dict.fromkeys(changed):
            item = book.items[number] = votes.weighed(book.items[number], views, self._believed)
            if item.kind == "action" and not item.owner and (owner := votes.pointed(marks)):
                self._hand_over(number, owner, (utterance.id,), sure=marks.owner_probability - 0.1)
        kinds = {book.items[number].kind for number in changed}
        for kind in ("action", "decision"):
            if views[kind] >= votes.WEIGHTS[kind].item and kind not in kinds and len(content_of(utterance.text)) > 2:
                self._add(kind, utterance, views[kind], votes.pointed(marks) if kind == "action" else NOBODY)

    def _add(self, kind: str, utterance: Utterance, sure: float, owner: Owner) -> None:
        book, what = self.book, tidy(utterance.text)
        number = book.find(kind, content_of(what), least=0.6)
        if number is not None:
            book.support(number, (utterance.id,), 0.05)
            return
        change = Change(
            "decided" if kind == "decision" else "assigned" if owner else "raised", (utterance.id,), what, owner
        )
        status = {"status": DECIDED} if kind == "decision" else {}
        confidence = min(0.9, max(PUBLISHED, sure))
        book.add(kind, what, sentences(utterance)[0], change, owner=owner, confidence=confidence, **status)
