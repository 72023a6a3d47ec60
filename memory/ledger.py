"""The tasks of a meeting: raised, taken on, handed over, let go, done and dropped."""

from __future__ import annotations

import re
from dataclasses import replace

from memory.antecedents import PRONOUN, meant
from memory.notebook import Fits, Notebook, merged_due
from memory.notes import DONE, DROPPED, Change, Cue, Due, Item, Owner
from memory.people import People
from memory.reconcile import same_doing
from memory.sounds import homophones, shared
from memory.wording import Sentence, content, content_of, likeness, stem, tidy

NO_DUE = Due()
OTHERS = 0.75  # likeness from which a task that somebody has is taken from him
LOOSELY = 0.3  # likeness that is enough where the context narrows the choice


class Ledger:
    """Writes tasks into the notebook of a meeting. Owners are never guessed."""

    def __init__(self, book: Notebook, people: People) -> None:
        self.book, self.people = book, people

    def take_on(self, cue: Cue, sentence: Sentence, *, also: tuple[str, ...] = (), adds: str = "") -> None:
        """A task with an owner: a new one, or one that was raised before and now has him."""
        if not cue.what:
            return
        book = self.book
        number = self.same(cue)
        evidence = tuple(dict.fromkeys((*also, sentence.utterance_id)))
        what, context = self._whole(cue.what, sentence)
        what = tidy(f"{what} {adds}")
        if number is None:
            change = Change(
                "assigned" if cue.owner else "raised", (*context, *evidence), what, cue.owner, cue.due or None
            )
            book.add("action", what, sentence, change, owner=cue.owner, due=cue.due, confidence=cue.strength,
                     quote_ids=(*context, *evidence))  # fmt: skip
            return
        self.hand_over(number, cue.owner, evidence, due=cue.due, sure=cue.strength)

    def same(self, cue: Cue) -> int | None:
        """The open task that a statement is about."""
        return self.book.find("action", content_of(cue.what), fits=lambda item: self._one_task(cue, item))

    def hand_over(
        self, number: int, owner: Owner, evidence: tuple[str, ...], *, due: Due = NO_DUE, sure: float = 0.6
    ) -> None:
        """The item goes to this owner, with the steps that led there."""
        book, item = self.book, self.book.items[number]
        due = merged_due(item, due)
        let_go = book.released.pop(number, ())
        same = self.people.known(owner) == self.people.known(item.owner)
        if not owner or same or self._vaguer(owner, item.owner):
            changes = {"due": due} if due != item.due else {}
            if changes:
                book.change(number, Change("due", evidence, due=due), **changes)
            else:
                book.support(number, (*let_go, *evidence), 0.05)
            return
        change = Change(
            "reassigned" if item.owner else "assigned",
            (*let_go, *evidence),
            owner=owner,
            due=due if due != item.due else None,
        )
        book.change(number, change, owner=owner, due=due, confidence=max(item.confidence, min(0.9, sure + 0.1)))

    def _one_task(self, cue: Cue, item: Item) -> bool:
        """Whether a statement may be about this task: of more than its verb, and of nearly all of it where another
        speaker has it, as two who each send something have two tasks."""
        words, its = content_of(cue.what), content_of(item.what)
        same_verb = {stem(cue.what.lower().split()[0])} if same_doing(cue.what, item.what) else set()
        if not shared(words - same_verb, its - same_verb) and len(words | its) > 2:
            return not item.owner and same_verb == set()
        taken = item.owner.kind == "speaker" and cue.owner.kind == "speaker" and item.owner != cue.owner
        return not taken or likeness(words, its) >= OTHERS

    def _vaguer(self, owner: Owner, than: Owner) -> bool:
        """ "We" says less than a name, and a name whose speaker is not known may be the speaker who took the task."""
        return owner.kind == "group" and than.kind in ("speaker", "person")

    def need(self, cue: Cue, sentence: Sentence) -> None:
        """A task that nobody has taken: raised, or raised again."""
        book = self.book
        asks_who, context = "asks_who" in cue.details, tuple[str, ...]()
        if doing := cue.details.get("doing", ""):  # "who sends it?"
            found = meant(doing, book.recent, self.people)
            what = PRONOUN.sub(found[0], doing, count=1) if found else doing
            cue = replace(cue, what=what, about="", strength=cue.strength if found else 0.35)
            context = found[1:] if found else ()
        if cue.about and not cue.what:
            number = book.latest("action", 12, lambda item: not item.owner)
        else:
            taken: Fits = lambda item: asks_who and item.owner.kind == "speaker"  # "I'll read it, and who sends it?"
            number = book.find("action", content_of(cue.what), fits=lambda item: not taken(item))
            if number is None and not doing:
                points_back = bool({"that", "it", "this"} & set(sentence.words))
                words = book.context(sentence) if points_back else content_of(cue.what)
                number = book.find("action", words, least=LOOSELY, fits=lambda item: not item.owner)
        if number is not None:
            again = Change(
                "raised", (*self._why(number), sentence.utterance_id), due=merged_due(book.items[number], cue.due)
            )
            if asks_who and not book.items[number].owner:
                book.change(number, replace(again, due=None))
                book.wondered = number, book.at
            else:
                self.hand_over(number, cue.owner, (sentence.utterance_id,), due=cue.due)
            return
        if cue.what and not cue.about:
            evidence = (*context, sentence.utterance_id)
            change = Change("assigned" if cue.owner else "raised", evidence, cue.what, cue.owner, cue.due or None)
            sure = cue.strength - (0.1 if asks_who else 0.0)
            number = book.add("action", cue.what, sentence, change, owner=cue.owner, due=cue.due, confidence=sure,
                              quote_ids=evidence)  # fmt: skip
            if not cue.owner:
                book.wondered = number, book.at

    def _why(self, number: int) -> tuple[str, ...]:
        """The sentence before, where it speaks of the same thing."""
        before = self.book.recent[-1] if self.book.recent else None
        return (before.utterance_id,) if before and len(content(before.words) & self.book.objects[number]) > 1 else ()

    def move(self, cue: Cue, sentence: Sentence) -> None:
        book = self.book
        named = content_of(cue.what)
        fits = lambda item: not other_thing(named, item.what)
        number = book.latest("action", 8) if cue.about else book.find("action", named, least=LOOSELY, fits=fits)
        if number is None:
            if cue.owner and cue.what and len(content_of(cue.what)) > 1:
                change = Change("assigned", (sentence.utterance_id,), cue.what, cue.owner)
                book.add("action", cue.what, sentence, change, owner=cue.owner, confidence=0.4)
            return
        item = book.items[number]
        unnamed = (
            cue.owner.kind == "person" and item.owner.kind == "speaker" and item.owner.name not in self.people.names
        )
        just_taken = unnamed and item.history[-1].change in ("assigned", "reassigned") and len(item.history) > 1
        self.hand_over(number, item.owner if just_taken else cue.owner, (sentence.utterance_id,))

    def release(self, cue: Cue, sentence: Sentence) -> None:
        book = self.book
        mine = lambda item: item.owner == cue.owner or item.owner.kind == "person"
        number = book.find("action", content_of(cue.what), least=LOOSELY, fits=mine)
        number = book.latest("action", 8, mine) if number is None and cue.about else number
        if number is not None:
            book.released[number] = (*book.released.get(number, ()), sentence.utterance_id)

    def close(self, cue: Cue, sentence: Sentence) -> None:
        """Done or dropped: only what is an open task already, and for done the same doing."""
        book = self.book
        words = content_of(cue.what)
        fits = lambda item: cue.kind == "drop" or same_doing(cue.what, item.what) or item.series != ""
        number = book.find("action", words, fits=fits)
        if number is None and cue.about:
            number = book.latest("action", 2)
        if number is None and cue.kind == "drop":
            number = book.find("question", words)
        if number is None or book.touched.get(number) == book.at:
            return
        status = DONE if cue.kind == "done" else DROPPED
        book.change(
            number, Change("done" if cue.kind == "done" else "dropped", (sentence.utterance_id,)), status=status
        )

    def _whole(self, what: str, sentence: Sentence) -> tuple[str, tuple[str, ...]]:
        """The task with what the sentence before says of its object: "book the hall" after "the hall at the museum";
        behind it and in doubt where the object only sounds like it: "book the whole (the hall at the museum?)"."""
        before = self.book.recent[-1] if self.book.recent else None
        head = re.fullmatch(r"\w+ (?:the|this|that) (\w+)", what)
        if before is None or head is None or before.speaker != sentence.speaker:
            return what, ()
        said = head[1].lower()
        if stem(said) in content(before.words) & content_of(what):
            more = _with_its_place(said, before)
            return (tidy(what[: -len(said)] + more) if more else what), (before.utterance_id,)
        meant = next(
            (more for word in before.words if homophones(said, word) and (more := _with_its_place(word, before))), ""
        )
        return (f"{what} (the {meant}?)", (before.utterance_id,)) if meant else (what, ())


def other_thing(named: frozenset[str], what: str) -> bool:
    """Whether words name another thing than a task does: each has one that the other lacks, its verb aside."""
    verb = what.lower().split()[:1]
    its = content_of(what) - {stem(word) for word in verb}
    return bool(named - its and its - named)


def _with_its_place(noun: str, sentence: Sentence) -> str:
    """The noun as the sentence has it with where or whose it is, "hall at the museum"; "" where it does not say."""
    more = re.search(rf"\b{re.escape(noun)} (?:at|in|of|on|for|from) (?:the )?\w+", sentence.plain)
    if not more:
        return ""
    first = sentence.word_at(more.start())
    return tidy(sentence.original(first, first + len(more[0].split())))
