"""The notes of one meeting while they are made: items, what waits for an answer, and which item a statement means."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from memory.notes import NOBODY, OPEN, WITHDRAWN, Change, Cue, Due, Item, Owner
from memory.wording import Sentence, content, content_of, likeness

PUBLISHED = 0.5  # confidence from which an item is shown
SAME = 0.5  # likeness from which two statements are about one thing
Fits = Callable[[Item], bool]  # whether an item is one of those looked for
LETTERS = {"action": "a", "decision": "d", "question": "q", "risk": "r"}


@dataclass(frozen=True)
class Asked:
    """A request or a question that waits for an answer."""

    cue: Cue
    sentence: Sentence
    at: int  # number of the sentence in the meeting
    also: tuple[str, ...] = ()  # utterances that belong to it


@dataclass
class Notebook:
    """All that the rules remember of a meeting; made again from its utterances, it is the same."""

    items: dict[int, Item] = field(default_factory=dict)  # by number of creation
    at: int = 0  # sentences heard
    recent: deque[Sentence] = field(default_factory=lambda: deque(maxlen=12))
    request: Asked | None = None
    offered: Asked | None = None  # help that somebody may welcome
    questions: deque[Asked] = field(default_factory=lambda: deque(maxlen=40))
    wavering: Asked | None = None  # "I change my mind": belongs to the reversal that follows
    decided: tuple[int, int] | None = None  # the last decision and the sentence of it
    wondered: tuple[int, int] | None = None  # the task of the last "who does that?" and the sentence of it
    released: dict[int, tuple[str, ...]] = field(default_factory=dict)  # item -> utterances in which its owner let go
    touched: dict[int, int] = field(default_factory=dict)  # item -> the last sentence that was about it
    objects: dict[int, frozenset[str]] = field(default_factory=dict)  # item -> stems of all that was said of it
    changed: list[int] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def carry(self, items: Iterable[Item]) -> None:
        """Take over what an earlier meeting left open."""
        for item in items:
            number = self._number()
            self.items[number] = item
            self.objects[number] = content_of(item.what)
            self.changed.append(number)

    def add(self, kind: str, what: str, sentence: Sentence, change: Change, **more: object) -> int:
        """A new item; it is shown once its confidence suffices."""
        number = self._number()
        item = Item("", kind, what, OPEN, change.evidence, (change,), quote_ids=(sentence.utterance_id,))
        self.items[number] = replace(item, **more)  # type: ignore[arg-type]
        self.objects[number] = content_of(what)
        self._touch(number)
        return number

    def change(self, number: int, change: Change, **now: object) -> None:
        """One more step of an item; what it says of itself replaces what was."""
        item = self.items[number]
        self.items[number] = item.changed(change, **now)
        self.objects[number] |= content_of(change.what)
        self._touch(number)

    def support(self, number: int, evidence: Iterable[str], confidence: float = 0.0, **now: object) -> None:
        """More evidence for the last step of an item."""
        item = self.items[number]
        last = item.history[-1]
        more = tuple(e for e in dict.fromkeys(evidence) if e not in last.evidence)
        last = replace(last, evidence=(*last.evidence, *more))
        all_of_it = (*item.evidence, *(e for e in more if e not in item.evidence))
        raised = min(0.95, item.confidence + confidence)
        self.items[number] = replace(
            item,
            history=(*item.history[:-1], last),
            evidence=all_of_it,
            confidence=raised,
            **now,  # type: ignore[arg-type]
        )
        self._touch(number)

    def unsay(self, within: int) -> None:
        """What was new at most so many sentences ago was not meant."""
        self.request = self.offered = None
        for number, item in self.items.items():
            if self.at - self.touched.get(number, -within - 1) <= within and len(item.history) == 1 and not item.series:
                self.items[number] = replace(item, status=WITHDRAWN, confidence=0.0)
                self.changed.append(number)

    def taken(self) -> list[Item]:
        """The items that changed since the last call and may be shown, with their final names."""
        shown: list[Item] = []
        for number in dict.fromkeys(self.changed):
            item = self.items[number]
            if not item.id and item.confidence >= PUBLISHED:
                self.counts[item.kind] = self.counts.get(item.kind, 0) + 1
                item = replace(item, id=f"{LETTERS[item.kind]}{self.counts[item.kind]}")
                self.items[number] = item
            if item.id:
                shown.append(item)
        self.changed.clear()
        return shown

    def find(self, kind: str, words: frozenset[str], *, least: float = SAME, fits: Fits = lambda _: True) -> int | None:
        """The open item, or any decision, that is most about these words."""
        best, score = None, least
        for number, item in self.items.items():
            if item.kind != kind or not fits(item) or (kind != "decision" and item.status != OPEN):
                continue
            alike = max(likeness(words, content_of(item.what)), likeness(words, self.objects[number]))
            if alike >= score:
                best, score = number, alike
        return best

    def latest(self, kind: str, within: int, fits: Fits = lambda _: True) -> int | None:
        """The item that was talked of last, at most so many sentences ago."""
        fitting = [
            (at, number)
            for number, at in self.touched.items()
            if self.items[number].kind == kind and self.items[number].status == OPEN
            and self.at - at <= within and fits(self.items[number])
        ]  # fmt: skip
        return max(fitting)[1] if fitting else None

    def context(self, sentence: Sentence, back: int = 2) -> frozenset[str]:
        """The stems of the last few sentences: what "that" and "it" stand for."""
        words = [word for earlier in list(self.recent)[-back:] for word in earlier.words]
        return content(words) | content(sentence.words)

    def heard(self, sentence: Sentence) -> None:
        """The sentence is done."""
        self.recent.append(sentence)
        self.at += 1

    def _touch(self, number: int) -> None:
        self.touched[number] = self.at
        self.changed.append(number)

    def _number(self) -> int:
        return max(self.items, default=-1) + 1


def merged_due(item: Item, due: Due) -> Due:
    """The later word on a date counts where it says a day, or where there was none."""
    return due if due and (due.date or not item.due.date) else item.due


def same_owner(one: Owner, other: Owner) -> bool:
    """Whether both name the same one."""
    return one == other or (one == NOBODY and other == NOBODY)
