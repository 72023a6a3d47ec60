"""Utterances become notes: each sentence's cues are joined with what was said before, rules first, marks beside them.

Owners are never guessed: "I" is the speaker, a request counts for who accepts it, and what nobody took has nobody.
Works on any recogniser's text: without capitals and commas, and with a wrong word here and there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date

from audio.speech import Utterance
from memory import asking, cues, endings, favours, outcomes, replies, verdicts
from memory.cues import Hearing
from memory.doing import does_something
from memory.marks import Marks
from memory.notebook import PUBLISHED, SAME, Asked, Notebook, merged_due
from memory.notes import DONE, DROPPED, NOBODY, Change, Cue, Due, Item, Owner
from memory.people import People
from memory.reconcile import reconciled, same_doing
from memory.rulings import Rulings
from memory.seen import Seen
from memory.sounds import shared
from memory.wording import POINTS_AT, Sentence, content, content_of, last_thing, likeness, read, sentences, stem, tidy

UNKNOWN_PEOPLE, NO_DUE = People(), Due()
POLICIES = (
    *cues.POLICIES,
    *endings.POLICIES,
    *replies.POLICIES,
    *favours.POLICIES,
    *verdicts.POLICIES,
    *outcomes.POLICIES,
    *asking.POLICIES,
)
LANGUAGES = ("en",)  # whose forms of speech the rules know
ANSWERED_WITHIN = 6  # sentences
WELCOMED_WITHIN = 2  # sentences
CLAIMED_WITHIN = 3  # sentences: what nobody had yet, and somebody then takes without naming it
YES_WITHIN, BARE_WITHIN = 3, 2  # sentences after which a mere yes answers something else
OTHERS = 0.75  # likeness from which a task that somebody has is taken from him
LOOSELY = 0.3  # likeness that is enough where the context narrows the choice


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
        self.people, self._day, self._language = people, day, language
        self.book = Notebook()
        self._rulings = Rulings(self.book)
        self._seen = Seen(self.book, self._hand_over, believed)
        self.book.carry(carried)
        self._handlers: dict[str, Callable[[Cue, Sentence], object]] = {
            "commit": self._take_on, "assign": self._take_on, "offer": self._offer, "claim": self._accept,
            "accept": self._accept, "ask": self._ask, "refuse": self._refuse, "need": self._need, "move": self._move,
            "release": self._release, "done": self._close, "drop": self._close, "ready": self._ready,
            "propose": self._propose, "welcome": self._welcome, "when": self._date, "joke": self._unsay, "did": self._did,
        }  # fmt: skip

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
                waiting = self.book.request is not None
                for cue in self._one_answer(reconciled(found, sentence), sentence):
                    if cue.kind != "agree" or not waiting:  # that yes answers the request
                        self._apply(cue, sentence)
                self.book.heard(sentence)
        if marks is not None and known:
            self._seen.mark(utterance, marks, [n for n in self.book.changed if n not in before])
        return self.book.taken()

    def finish(self) -> list[Item]:
        """The items that the end of the meeting settles: a request that was never answered has no owner."""
        self._lapse()
        return self.book.taken()

    def _one_answer(self, found: list[Cue], sentence: Sentence) -> list[Cue]:
        """ "Can somebody tell the parents?" "Yes, I'll send a message tonight.": how it is done is no second task."""
        request = self.book.request
        yes = next((cue for cue in found if cue.kind == "accept"), None)
        how = next((cue for cue in found if cue.kind == "commit" and cue.what), None)
        more = re.search(r"(?<!\S)(?:and|also|too|as well|then|but)(?!\S)", sentence.plain)
        if not (request and request.cue.what and yes and how) or more or self.book.at - request.at > 1:
            return found
        if request.sentence.speaker == sentence.speaker or "bare" in request.cue.details:
            return found
        answer = replace(yes, due=how.due or yes.due, strength=0.75)
        return [answer if cue is yes else cue for cue in found if cue is not how]

    def _apply(self, cue: Cue, sentence: Sentence) -> None:
        book = self.book
        if book.request and book.at - book.request.at > ANSWERED_WITHIN:
            self._lapse()
        self._handlers.get(cue.kind, self._rulings.hear)(cue, sentence)

    # Tasks -----------------------------------------------------------------------------------------------------------

    def _take_on(self, cue: Cue, sentence: Sentence, *, also: tuple[str, ...] = (), adds: str = "") -> None:
        """A task with an owner: a new one, or one that was raised before and now has him."""
        if not cue.what:
            return
        book = self.book
        words = content_of(cue.what)
        number = book.find("action", words, fits=lambda item: self._one_task(cue, item))
        if number is None and book.request and book.at - book.request.at <= ANSWERED_WITHIN:
            asked = content_of(book.request.cue.what)
            again = likeness(words, asked) >= SAME or (
                _only_points(cue.what) and same_doing(cue.what, book.request.cue.what)
            )
            if again and sentence.speaker != book.request.sentence.speaker:
                self._settle(book.request, cue, sentence)
                return
        evidence = (*also, sentence.utterance_id)
        what, context = self._whole(cue.what, sentence)
        what = tidy(f"{what} {adds}")
        if number is None:
            change = Change(
                "assigned" if cue.owner else "raised", (*context, *evidence), what, cue.owner, cue.due or None
            )
            book.add("action", what, sentence, change, owner=cue.owner, due=cue.due, confidence=cue.strength,
                     quote_ids=(*context, *evidence))  # fmt: skip
            return
        self._hand_over(number, cue.owner, evidence, due=cue.due, sure=cue.strength)

    def _hand_over(
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

    def _offer(self, cue: Cue, sentence: Sentence) -> None:
        """Counts for a task that waits for an owner, or whose owner let go of it."""
        book = self.book
        recent = book.latest("action", ANSWERED_WITHIN)
        number = book.find("action", content_of(cue.what), least=SAME)
        if number is None and recent is not None:  # what was just named, in other words
            number = book.find(
                "action", content_of(cue.what), least=LOOSELY, fits=lambda item: item == book.items[recent]
            )
        if number is not None:
            item = book.items[number]
            free = not item.owner or number in book.released or (cue.details.get("instead") and item.owner != cue.owner)
            if free or item.owner == cue.owner:
                self._hand_over(number, cue.owner, (sentence.utterance_id,), due=cue.due)
            return
        request = book.request
        if request and request.sentence.speaker != sentence.speaker:
            if likeness(content_of(cue.what), content_of(request.cue.what)) >= LOOSELY:
                self._settle(request, cue, sentence)
            return
        if cue.strength >= PUBLISHED:
            self._take_on(cue, sentence)
        else:
            book.offered = Asked(cue, sentence, book.at)

    def _ask(self, cue: Cue, sentence: Sentence) -> None:
        waits = self.book.request
        if "bare" in cue.details and waits and self.book.at - waits.at <= WELCOMED_WITHIN and waits.cue.what:
            return  # "Take the stairs": hardly a new request
        self._lapse()
        self.book.request = Asked(cue, sentence, self.book.at)

    def _refuse(self, cue: Cue, sentence: Sentence) -> None:
        request = self.book.request
        if request and sentence.speaker != request.sentence.speaker:
            if "do not forget" in request.sentence.plain and "i will not" in sentence.plain:
                self._settle(request, cue, sentence)  # "I won't": forget it, that is
                return
            self._lapse(also=sentence.utterance_id)

    def _did(self, cue: Cue, sentence: Sentence) -> None:
        """What was asked is done already: it is no task."""
        request = self.book.request
        if request and self.book.at - request.at <= WELCOMED_WITHIN and request.sentence.speaker != sentence.speaker:
            self.book.request = None

    def _propose(self, cue: Cue, sentence: Sentence) -> None:
        self.book.offered = Asked(cue, sentence, self.book.at)

    def _unsay(self, cue: Cue, sentence: Sentence) -> None:
        self.book.unsay(WELCOMED_WITHIN)

    def _welcome(self, cue: Cue, sentence: Sentence) -> bool:
        """What somebody else has just offered to do is wanted: now it is his."""
        offered = self.book.offered
        if (
            offered is None
            or self.book.at - offered.at > WELCOMED_WITHIN
            or offered.sentence.speaker == sentence.speaker
        ):
            return False
        self.book.offered = None
        cue, also = offered.cue, (offered.sentence.utterance_id,)  # what was offered counts, not the thanks
        if cue.what:
            settled = replace(cue, kind="commit", strength=max(cue.strength, 0.6))
            self._take_on(settled, sentence, also=also)
            return True
        number = self.book.latest("action", ANSWERED_WITHIN, lambda item: not item.owner)
        if number is not None:
            self._hand_over(number, cue.owner, (*also, sentence.utterance_id), due=cue.due)
        return number is not None

    def _ready(self, cue: Cue, sentence: Sentence) -> None:
        """ "It will be done by Monday": the speaker's word on what was asked, or on what he has just promised."""
        if self.book.request:
            self._accept(cue, sentence)
            return
        if not cue.due:
            return
        number = self.book.latest("action", WELCOMED_WITHIN, lambda item: item.owner == cue.owner and not item.due.date)
        if number is not None:
            self.book.change(number, Change("due", (sentence.utterance_id,), due=cue.due), due=cue.due)
        elif cue.details.get("thing"):
            self._spell_out(replace(cue, strength=0.6, details={"doing": cue.details["thing"]}), sentence)

    def _date(self, cue: Cue, sentence: Sentence) -> None:
        """A date by itself, said just after a task that has none."""
        number = self.book.latest("action", WELCOMED_WITHIN, lambda item: not item.due.date)
        if self.book.request and not self.book.request.cue.due.date:
            request = self.book.request
            self.book.request = replace(request, cue=replace(request.cue, due=cue.due),
                                        also=(*request.also, sentence.utterance_id))  # fmt: skip
        elif number is not None:
            self.book.change(number, Change("due", (sentence.utterance_id,), due=cue.due), due=cue.due)

    def _accept(self, cue: Cue, sentence: Sentence) -> None:
        """ "Yes, I will do that": the request that waits, else the task that was just raised and has nobody."""
        book = self.book
        request = book.request
        if request and (request.sentence.speaker != sentence.speaker or not sentence.speaker):
            late = book.at - request.at > (BARE_WITHIN if "bare" in request.cue.details else YES_WITHIN)
            merely = cue.kind == "accept" and cue.strength < 0.7
            bare = "bare" in request.cue.details and not request.cue.owner and not cue.due.date
            if merely and (late or bare):
                return  # "press the button" "yeah": told how, not asked to
            asked = request.cue.owner
            someone_else = asked.kind == "speaker" and sentence.speaker not in ("", asked.name)
            steps_in = (cue.kind == "claim" or "myself" in cue.details) and not late
            if not someone_else or steps_in:
                self._settle(request, cue, sentence)
            return
        proposed = book.offered and book.offered.cue.kind == "propose"
        if cue.kind == "accept" and ((proposed and self._welcome(cue, sentence)) or cue.strength < 0.7):
            return
        number = book.latest("action", CLAIMED_WITHIN, lambda item: not item.owner)
        if number is not None and sentence.speaker:
            self._hand_over(number, Owner("speaker", sentence.speaker), (sentence.utterance_id,), due=cue.due)
        elif cue.details.get("doing"):
            self._spell_out(cue, sentence)
        elif cue.kind == "claim" and sentence.speaker:
            self._carry_out(cue, sentence)

    def _carry_out(self, cue: Cue, sentence: Sentence) -> None:
        """ "Then we order twenty more." "I'll do that.": what was decided, or moved, is the speaker's to do."""
        book = self.book
        if book.decided is None or book.at - book.decided[1] > WELCOMED_WITHIN:
            return
        decided = book.items[book.decided[0]]
        said = next((s for s in reversed(book.recent) if s.utterance_id in decided.evidence), None)
        if said is not None and said.speaker != sentence.speaker and does_something(read(decided.what).words):
            self._take_on(replace(cue, kind="commit", what=decided.what, about=""), sentence, also=(said.utterance_id,))

    def _spell_out(self, cue: Cue, sentence: Sentence) -> None:
        """ "I'll send it to you": what "it" is stands in what was said just before, or nothing is noted."""
        for before in reversed(list(self.book.recent)[-2:]):
            thing = last_thing(before)
            if thing and before.speaker != sentence.speaker:
                what = POINTS_AT.sub(thing, cue.details["doing"], count=1)
                self._take_on(replace(cue, kind="commit", what=what), sentence, also=(before.utterance_id,))
                return

    def _settle(self, request: Asked, cue: Cue, sentence: Sentence) -> None:
        """Somebody accepts what was asked: it is his, whoever was asked, unless a group was."""
        book = self.book
        book.request = None
        asked = request.cue
        owner = Owner("speaker", sentence.speaker) if sentence.speaker else asked.owner
        owner = asked.owner if asked.owner.kind == "group" else owner
        also = (*request.also, request.sentence.utterance_id)
        adds = cue.details.get("adds", "")
        if not asked.what:  # "Can you do that?"
            asker = Owner("speaker", request.sentence.speaker)  # who may pass on what he has just taken
            number = book.latest("action", WELCOMED_WITHIN, lambda item: item.owner == asker)
            if number is None:
                number = book.latest("action", 2 * ANSWERED_WITHIN, lambda item: not item.owner)
            if number is not None:
                self._hand_over(number, owner, (*also, sentence.utterance_id), due=cue.due or asked.due)
            return
        settled = Cue(
            "assign",
            asked.what,
            owner,
            cue.due if cue.due.date else asked.due,
            asked.strength + (0.2 if cue.strength >= 0.7 else 0.1),
        )
        self._take_on(settled, sentence, also=also, adds=adds)

    def _lapse(self, also: str = "") -> None:
        """Nobody took what was asked: it stays a task without an owner, if the words are clear."""
        request, self.book.request = self.book.request, None
        if request is None or not request.cue.what or request.cue.strength < PUBLISHED:
            return
        cue, evidence = request.cue, (request.sentence.utterance_id, *filter(None, (also,)))
        group = cue.owner if cue.owner.kind == "group" else NOBODY
        if self.book.find("action", content_of(cue.what)) is None:
            change = Change("assigned" if group else "raised", evidence, cue.what, group, cue.due or None)
            sure = cue.strength if cue.due else cue.strength - 0.15
            self.book.add("action", cue.what, request.sentence, change, owner=group, due=cue.due, confidence=sure)

    def _need(self, cue: Cue, sentence: Sentence) -> None:
        """A task that nobody has taken: raised, or raised again."""
        book = self.book
        asks_who = "asks_who" in cue.details
        if cue.about and not cue.what:
            number = book.latest("action", 12, lambda item: not item.owner)
        else:
            number = book.find("action", content_of(cue.what))
            if number is None:
                points_back = bool({"that", "it", "this"} & set(sentence.words))
                words = book.context(sentence) if points_back else content_of(cue.what)
                number = book.find("action", words, least=LOOSELY, fits=lambda item: not item.owner)
        if number is not None:
            again = Change(
                "raised", (*self._why(number), sentence.utterance_id), due=merged_due(book.items[number], cue.due)
            )
            if asks_who and not book.items[number].owner:
                book.change(number, replace(again, due=None))
            else:
                self._hand_over(number, cue.owner, (sentence.utterance_id,), due=cue.due)
            return
        if cue.what and not cue.about:
            change = Change(
                "assigned" if cue.owner else "raised", (sentence.utterance_id,), cue.what, cue.owner, cue.due or None
            )
            sure = cue.strength - (0.1 if asks_who else 0.0)
            book.add("action", cue.what, sentence, change, owner=cue.owner, due=cue.due, confidence=sure)

    def _why(self, number: int) -> tuple[str, ...]:
        """The sentence before, where it speaks of the same thing."""
        before = self.book.recent[-1] if self.book.recent else None
        return (before.utterance_id,) if before and len(content(before.words) & self.book.objects[number]) > 1 else ()

    def _move(self, cue: Cue, sentence: Sentence) -> None:
        book = self.book
        number = book.latest("action", 8) if cue.about else book.find("action", content_of(cue.what), least=LOOSELY)
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
        self._hand_over(number, item.owner if just_taken else cue.owner, (sentence.utterance_id,))

    def _release(self, cue: Cue, sentence: Sentence) -> None:
        book = self.book
        mine = lambda item: item.owner == cue.owner or item.owner.kind == "person"
        number = book.find("action", content_of(cue.what), least=LOOSELY, fits=mine)
        number = book.latest("action", 8, mine) if number is None and cue.about else number
        if number is not None:
            book.released[number] = (*book.released.get(number, ()), sentence.utterance_id)

    def _close(self, cue: Cue, sentence: Sentence) -> None:
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
        """The task with what the sentence before says of its object: "book the hall" after "the hall at the museum"."""
        before = self.book.recent[-1] if self.book.recent else None
        if before is None or before.speaker != sentence.speaker:
            return what, ()
        head = re.fullmatch(r"\w+ (?:the|this|that) (\w+)", what)
        shared = content_of(what) & content(before.words)
        if not head or stem(head[1].lower()) not in shared:
            return what, ()
        more = re.search(rf"\b{re.escape(head[1].lower())} (?:at|in|of|on|for|from) (?:the )?\w+", before.plain)
        if not more:
            return what, (before.utterance_id,)
        first = before.word_at(more.start())
        whole = before.original(first, first + len(more[0].split()))
        return tidy(what[: -len(head[1])] + whole), (before.utterance_id,)


def _only_points(what: str) -> bool:
    """Whether the task is a verb and a pronoun: "call him"."""
    words = what.lower().split()
    return len(words) > 1 and words[1] in ("it", "them", "that", "him", "her", "one", "those")
