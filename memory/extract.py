"""Utterances become notes: each sentence's cues are joined with what was said before, rules first, marks beside them.

Owners are never guessed: "I" is the speaker, a request counts for who accepts it, and what nobody took has nobody.
Works on any recogniser's text: without capitals and commas, and with a wrong word here and there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date

from audio.speech import Utterance
from memory import asking, choices, cues, endings, favours, outcomes, replies, risks, verdicts
from memory.cues import Hearing
from memory.ledger import Ledger
from memory.marks import Marks
from memory.notebook import Notebook
from memory.notes import Cue, Item
from memory.people import People
from memory.reconcile import reconciled
from memory.rulings import Rulings
from memory.seen import Seen
from memory.waiting import Waiting
from memory.wording import Sentence, sentences

UNKNOWN_PEOPLE = People()
POLICIES = (
    *cues.POLICIES,
    *endings.POLICIES,
    *replies.POLICIES,
    *favours.POLICIES,
    *verdicts.POLICIES,
    *risks.POLICIES,
    *outcomes.POLICIES,
    *choices.POLICIES,
    *asking.POLICIES,
)
LANGUAGES = ("en",)  # whose forms of speech the rules know


class Extractor:
    """Hears a meeting utterance by utterance and gives the items that each one changes."""

    def __init__(
        self,
        day: date,
        *,
        people: People = UNKNOWN_PEOPLE,
        language: str = "en",
        carried: Iterable[Item] = (),
        believed: frozenset[str] = frozenset(),
    ) -> None:
        self._day, self._language = day, language
        self.book = Notebook()
        self._rulings = Rulings(self.book)
        self._ledger = Ledger(self.book, people)
        self._waiting = Waiting(self.book, self._ledger)
        self._seen = Seen(self.book, self._ledger.hand_over, believed)
        self.book.carry(carried)
        tasks, asked = self._ledger, self._waiting
        self._handlers: dict[str, Callable[[Cue, Sentence], object]] = {
            "commit": asked.commit, "assign": asked.commit, "offer": asked.offer, "claim": asked.accept,
            "accept": asked.accept, "ask": asked.ask, "refuse": asked.refuse, "did": asked.did, "ready": asked.ready,
            "propose": asked.propose, "inquire": asked.inquire, "welcome": asked.welcome, "when": asked.date,
            "redate": asked.redate, "joke": asked.unsay,
            "need": tasks.need, "move": tasks.move, "release": tasks.release, "done": tasks.close, "drop": tasks.close,
        }  # fmt: skip

    @property
    def people(self) -> People:
        """Who is there, as far as it is known by now."""
        return self._ledger.people

    @people.setter
    def people(self, people: People) -> None:
        self._ledger.people = people

    def hear(self, utterance: Utterance, marks: Marks | None = None) -> list[Item]:
        """The items that this utterance made or changed, each as a whole."""
        if utterance.suppressed:
            return self.book.taken()
        hearing = Hearing(self.people, self._day, self._language)
        before = set(self.book.changed)
        known = (utterance.language or self._language).split("-")[0] in LANGUAGES  # also all that the memory learnt
        if known:
            for sentence in sentences(utterance):
                found = [cue for policy in POLICIES for cue in policy(sentence, hearing)]
                waiting, dated = self._waiting.for_yes(), False
                for cue in self._waiting.one_answer(reconciled(found, sentence), sentence):
                    if (cue.kind == "agree" and waiting) or (cue.kind == "decide" and dated):
                        continue  # that yes answers the request, that day is the task's
                    dated = self._apply(cue, sentence) is True and cue.kind == "when"
                self.book.heard(sentence)
        if marks is not None and known:
            self._seen.mark(utterance, marks, [n for n in self.book.changed if n not in before])
        return self.book.taken()

    def finish(self) -> list[Item]:
        """The items that the end of the meeting settles: a request that was never answered has no owner."""
        self._waiting.lapse()
        return self.book.taken()

    def _apply(self, cue: Cue, sentence: Sentence) -> object:
        self._waiting.expire()
        return self._handlers.get(cue.kind, self._rulings.hear)(cue, sentence)
