"""Cues of decisions, open questions and risks, joined with what was said before."""

from __future__ import annotations

import re
from dataclasses import replace

from memory.choices import chooses, put
from memory.notebook import PUBLISHED, SAME, Asked, Notebook
from memory.notes import DECIDED, DONE, REPLACED, REVERSED, Change, Cue, Item
from memory.wording import Sentence, content, content_of, likeness, tidy

AGREED_WITHIN = 4  # sentences
CHOSEN, VOTED, AGAIN = 0.55, 0.36, 0.15  # confidence of a choice by who put the question, by another, and by the next
CHOSEN_WITHIN_S = 60.0  # of the question
MURMURED, AGREED, SETTLED = 0.06, 0.12, 0.25  # what agreement adds to the confidence of a decision


class Rulings:
    """Writes decisions, questions and risks into the notebook of a meeting."""

    def __init__(self, book: Notebook) -> None:
        self.book = book
        self._moved: set[int] = set()  # decisions that are only a motion so far

    def hear(self, cue: Cue, sentence: Sentence) -> None:
        """What this cue decides, reverses, asks or leaves open."""
        book = self.book
        match cue.kind:
            case "decide":
                self._decide(cue, sentence)
            case "choose":
                self._choose(cue, sentence)
            case "follows":
                self._follows(cue, sentence)
            case "waver":
                book.wavering = Asked(cue, sentence, book.at)
            case "reverse":
                self._reverse(cue, sentence)
            case "agree" | "settle":
                self._agree(sentence, warmly="warmly" in cue.details, settled=cue.kind == "settle")
            case "object":
                self._object(sentence)
            case "asked":
                book.questions.append(Asked(cue, sentence, book.at))
            case "park" | "unknown":
                self._leave_open(cue, sentence)
            case "question" | "risk":
                number = book.find(cue.kind, content_of(cue.what), least=0.6)
                if number is None:
                    change = Change("raised", (sentence.utterance_id,), cue.what)
                    book.add(cue.kind, cue.what, sentence, change, confidence=cue.strength)
                else:
                    book.support(number, (sentence.utterance_id,), 0.1)

    def _decide(self, cue: Cue, sentence: Sentence) -> None:
        book, words = self.book, content_of(cue.what)
        number = book.find("decision", words, least=SAME)
        wavered = self._wavered(sentence)
        evidence = (*wavered, sentence.utterance_id)
        if number is None:
            number = book.add(
                "decision",
                cue.what,
                sentence,
                Change("decided", evidence, cue.what),
                status=DECIDED,
                confidence=cue.strength,
            )
        elif not book.items[number].id:  # what was never sure, or only moved, is replaced without a trace
            item = book.items[number]
            if "motion" not in cue.details:
                sure = max(item.confidence, cue.strength)
                book.items[number] = replace(item, what=cue.what, quote_ids=evidence, confidence=sure)
            book.support(number, evidence, 0.05)
        elif _negated(cue.what) != _negated(book.items[number].what) or (
            words - content_of(book.items[number].what) and likeness(words, content_of(book.items[number].what)) < 0.85
        ):
            if "motion" in cue.details:
                return  # only moved: it changes nothing yet
            book.change(
                number, Change("changed", evidence, cue.what), what=cue.what, status=REPLACED, quote_ids=evidence
            )
        else:
            book.support(number, evidence, 0.1)
        if "motion" in cue.details and not book.items[number].id:
            self._moved.add(number)
        else:
            self._moved.discard(number)
        book.decided = number, book.at
        answered = book.find("question", words)
        if answered is not None:
            book.change(answered, Change("answered", (sentence.utterance_id,)), status=DONE)

    def _choose(self, cue: Cue, sentence: Sentence) -> None:
        """ "Hazer." to "the hazer or dry ice?": decided by who asked, else by the second who says so."""
        book = self.book
        asked = next(
            (
                s
                for s in reversed(book.recent)
                if s.asks and chooses(cue.what, s) and sentence.start_s - s.start_s < CHOSEN_WITHIN_S
            ),
            None,
        )
        if asked is None:
            return
        number = next(
            (n for n, i in book.items.items() if i.kind == "decision" and asked.utterance_id in i.evidence), None
        )
        if number is None or not content_of(cue.what) <= content_of(book.items[number].what):
            number = book.find("decision", content_of(cue.what), least=SAME)
        sure = CHOSEN if asked.speaker == sentence.speaker else VOTED
        if number is None:
            evidence = (asked.utterance_id, sentence.utterance_id)
            number = book.add("decision", f"{cue.what} ({put(asked)})", sentence, Change("decided", evidence, cue.what),
                              status=DECIDED, confidence=sure, quote_ids=evidence)  # fmt: skip
        else:
            book.support(number, (sentence.utterance_id,), sure - VOTED + AGAIN)
        book.decided = number, book.at

    def _follows(self, cue: Cue, sentence: Sentence) -> None:
        """ "What if they don't come?" "Then we can't open.": a risk in two voices."""
        asked = next(
            (s for s in list(self.book.recent)[-2:] if s.asks and re.search(r"(?<!\S)(?:if|when)(?!\S)", s.plain)), None
        )
        if asked is not None:
            evidence = (asked.utterance_id, sentence.utterance_id)
            why = asked.plain[re.search(r"(?<!\S)(?:if|when)(?!\S)", asked.plain).start() :]  # type: ignore[union-attr]
            first = asked.word_at(len(asked.plain) - len(why))
            what = f"{cue.what}, {tidy(asked.original(first, len(asked.words)))}"
            self.book.add("risk", what, sentence, Change("raised", evidence, what), confidence=0.6, quote_ids=evidence)

    def _reverse(self, cue: Cue, sentence: Sentence) -> None:
        """The decision that these words are about, else, where one is named as such, the last one."""
        book = self.book
        words = content_of(cue.what) | content(sentence.words)
        shown = lambda item: bool(item.id) or (bool(cue.what) and self._recent(item))
        number = book.find("decision", words, least=0.15, fits=shown)
        if number is None and "named" in cue.details:
            number = book.find("decision", book.context(sentence, 8), least=0.1, fits=shown)
        if number is None and "named" in cue.details:
            number = max((n for n, item in book.items.items() if item.kind == "decision" and item.id), default=None)
        if number is None:
            if cue.what:  # "let's do Leipzig instead": of what was never noted, so it is a motion
                self._decide(Cue("decide", cue.what, strength=0.42, details={"motion": "yes"}), sentence)
            return
        evidence = (*self._wavered(sentence), sentence.utterance_id)
        what = cue.what or book.items[number].what
        if not book.items[number].id:  # who takes it back says that it was one
            book.items[number] = replace(book.items[number], confidence=max(PUBLISHED, book.items[number].confidence))
        book.change(number, Change("reversed", evidence, cue.what), what=what, status=REVERSED,
                    quote_ids=evidence if cue.what else book.items[number].quote_ids)  # fmt: skip
        book.decided = number, book.at

    def _recent(self, item: Item) -> bool:
        """Whether it was said in the last sentences."""
        return any(s.utterance_id in item.history[-1].evidence for s in self.book.recent)

    def _wavered(self, sentence: Sentence) -> tuple[str, ...]:
        wavering, self.book.wavering = self.book.wavering, None
        near = (
            wavering is not None and self.book.at - wavering.at <= 3 and wavering.sentence.speaker == sentence.speaker
        )
        return (
            (wavering.sentence.utterance_id,)
            if wavering and near and wavering.sentence.utterance_id != sentence.utterance_id
            else ()
        )

    def _agree(self, sentence: Sentence, *, warmly: bool = False, settled: bool = False) -> None:
        """Somebody else agrees with what was decided or moved just before; `settled`: it is called decided, by anybody.
        What was only moved needs more than a murmured "yeah"."""
        book = self.book
        if book.decided is None or book.at - book.decided[1] > AGREED_WITHIN or book.at == book.decided[1]:
            return
        if book.questions and book.questions[-1].at > book.decided[1] and not settled:
            return  # that yes answers the question
        number = book.decided[0]
        said = next(
            (s for s in reversed(book.recent) if s.utterance_id in book.items[number].history[-1].evidence), None
        )
        if settled or said is None or not said.speaker or said.speaker != sentence.speaker:
            moved = not book.items[number].id and number in self._moved
            more = SETTLED if settled else AGREED
            if moved and not warmly and not settled:  # however often it is murmured
                more = max(0.0, min(MURMURED, PUBLISHED - 0.01 - book.items[number].confidence))
            book.support(number, (sentence.utterance_id,), more)

    def _object(self, sentence: Sentence) -> None:
        """What was only moved, and is contradicted, is not decided by the next yes."""
        book = self.book
        if book.decided and book.at - book.decided[1] <= AGREED_WITHIN and not book.items[book.decided[0]].id:
            book.decided = None

    def _leave_open(self, cue: Cue, sentence: Sentence) -> None:
        """The question that was left open, with who asked it; "let us come back to that" without one is no item."""
        book = self.book
        words = content_of(cue.what)
        near = [q for q in book.questions if book.at - q.at <= (2 if cue.kind == "unknown" else 4) and q.at < book.at]
        if cue.kind == "unknown":
            near = [q for q in near if q.sentence.speaker != sentence.speaker or not q.sentence.speaker][-1:]
            near = [q for q in near if not re.match(r"who (?:is|will|can|could)\b", q.cue.what.lower())]
        elif not cue.about:
            near = [q for q in book.questions if words & content_of(q.cue.what)]
        if near:
            asked = near[-1]
            evidence = (asked.sentence.utterance_id, sentence.utterance_id)
            if book.find("question", content_of(asked.cue.what), least=0.8) is None:
                change = Change("raised", evidence, asked.cue.what)
                book.add(
                    "question",
                    asked.cue.what,
                    asked.sentence,
                    change,
                    confidence=0.55 if cue.kind == "unknown" else 0.75,
                )
        elif cue.kind == "park" and not cue.about and words and not self._known(words):
            change = Change("raised", (sentence.utterance_id,), tidy(sentence.text))
            book.add("question", tidy(sentence.text), sentence, change, confidence=0.5)

    def _known(self, words: frozenset[str]) -> bool:
        return self.book.find("question", words) is not None or self.book.find("action", words) is not None


def _negated(what: str) -> bool:
    return bool(re.search(r"\b(?:not|no|never|nobody|without)\b|n['’]t\b", what.lower()))
