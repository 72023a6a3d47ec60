"""What waits for an answer: requests, offers and proposals, and what becomes of them."""

from __future__ import annotations

import re
from dataclasses import replace

from memory.antecedents import PRONOUN, meant
from memory.doing import base_form, does_something
from memory.ledger import LOOSELY, Ledger
from memory.notebook import PUBLISHED, SAME, Asked, Fits, Notebook
from memory.notes import NOBODY, OPEN, Change, Cue, Owner
from memory.reconcile import same_doing
from memory.wording import Sentence, content, content_of, likeness, read, stem, tidy

ANSWERED_WITHIN = 6  # sentences
WELCOMED_WITHIN = 2  # sentences
CLAIMED_WITHIN = 3  # sentences: what nobody had yet, and somebody then takes without naming it
NAMED_WITHIN = 6  # sentences: what "that" may be, from its naming to the yes
YES_WITHIN, BARE_WITHIN = 3, 2  # sentences after which a mere yes answers something else

_HIMSELF = re.compile(  # somebody does by himself what he has just asked of others
    r"(?<!\S)i (?:will|can|could) (?:just )?(?:do|handle|take) (?:it|that|this)(?: one)? (?:myself|then)(?!\S)"
)


class Waiting:
    """Joins answers with what was asked or offered; what is settled goes into the ledger."""

    def __init__(self, book: Notebook, ledger: Ledger) -> None:
        self.book, self._ledger = book, ledger

    def for_yes(self) -> bool:
        """Whether a yes, said now, is the answer to a request."""
        request = self.book.request
        return request is not None and ("bare" not in request.cue.details or self.book.at - request.at <= BARE_WITHIN)

    def commit(self, cue: Cue, sentence: Sentence) -> None:
        """Somebody says what he, or another, will do: that may be the answer to what was asked."""
        request = self.book.request
        near = request is not None and self.book.at - request.at <= ANSWERED_WITHIN
        if cue.what and request and near and request.sentence.speaker != sentence.speaker:
            next_to = self.book.at - request.at <= WELCOMED_WITHIN and request.cue.owner in (NOBODY, cue.owner)
            again = likeness(content_of(cue.what), content_of(request.cue.what)) >= SAME or (
                _only_points(cue.what) and (next_to or same_doing(cue.what, request.cue.what))
            )
            if again and self._ledger.same(cue) is None:
                self._settle(request, cue, sentence)
                return
        if self._answers_who(cue, sentence):
            return
        found = (
            meant(cue.what, self._before(sentence, cue.what), self._ledger.people) if _only_points(cue.what) else None
        )
        what = PRONOUN.sub(found[0], cue.what, count=1) if found else cue.what  # "borrow one from the school"
        self._ledger.take_on(replace(cue, what=what), sentence, also=found[1:] if found else ())

    def _answers_a_who(self, owner: Owner, sentence: Sentence) -> bool:
        """ "Who drives the van?" ... "I could.": the task that was asked about last, some sentences ago."""
        number, at = self.book.wondered or (-1, 0)
        if number < 0 or self.book.at - at > ANSWERED_WITHIN or self.book.items[number].owner:
            return False
        self._ledger.hand_over(number, owner, (sentence.utterance_id,))
        return True

    def _answers_who(self, cue: Cue, sentence: Sentence) -> bool:
        """ "Who tests it?" "I can run it on Monday.": who answers with "it" takes that task."""
        number, at = self.book.wondered or (-1, 0)
        if number < 0 or self.book.at - at > WELCOMED_WITHIN or not _only_points(cue.what):
            return False
        if self.book.items[number].owner or sentence.utterance_id in self.book.items[number].evidence:
            return False
        self._ledger.hand_over(number, cue.owner, (sentence.utterance_id,), due=cue.due)
        return True

    def offer(self, cue: Cue, sentence: Sentence) -> None:
        """Counts for a task that waits for an owner, or whose owner let go of it."""
        book = self.book
        if self._answers_who(cue, sentence):
            return
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
                self._ledger.hand_over(number, cue.owner, (sentence.utterance_id,), due=cue.due)
            return
        request = book.request
        if request and request.sentence.speaker != sentence.speaker:
            if likeness(content_of(cue.what), content_of(request.cue.what)) >= LOOSELY:
                self._settle(request, cue, sentence)
            return
        if cue.strength >= PUBLISHED:
            self._ledger.take_on(cue, sentence)
        else:
            book.offered = Asked(cue, sentence, book.at)

    def ask(self, cue: Cue, sentence: Sentence) -> None:
        waits = self.book.request
        if "bare" in cue.details and waits and self.book.at - waits.at <= WELCOMED_WITHIN and waits.cue.what:
            return  # "Take the stairs": hardly a new request
        if not cue.what and not cue.details.get("doing") and self._has_it(sentence):
            return  # "Would you?", to who has just taken it: that is thanks
        self.lapse()
        self.book.request = Asked(cue, sentence, self.book.at)

    def _has_it(self, sentence: Sentence) -> bool:
        """Whether another speaker has just taken what was talked of."""
        number = self.book.latest("action", 1)
        owner = self.book.items[number].owner if number is not None else NOBODY
        return owner.kind == "speaker" and owner.name != sentence.speaker

    def refuse(self, cue: Cue, sentence: Sentence) -> None:
        request = self.book.request
        if request and sentence.speaker != request.sentence.speaker:
            if "do not forget" in request.sentence.plain and "i will not" in sentence.plain:
                self._settle(request, cue, sentence)  # "I won't": forget it, that is
                return
            self.lapse(also=sentence.utterance_id)

    def did(self, cue: Cue, sentence: Sentence) -> None:
        """What was asked is done already: it is no task."""
        request = self.book.request
        if request and self.book.at - request.at <= WELCOMED_WITHIN and request.sentence.speaker != sentence.speaker:
            self.book.request = None

    def propose(self, cue: Cue, sentence: Sentence) -> None:
        self.book.offered = Asked(cue, sentence, self.book.at)

    def inquire(self, cue: Cue, sentence: Sentence) -> None:
        """ "What does a stand cost?" "Let me find out.": promised, or offered and then wanted."""
        book = self.book
        asked = next((s for s in list(book.recent)[: -CLAIMED_WITHIN - 1 : -1] if s.asks), None)
        if (
            asked is None
            or not content(asked.words)
            or "you" in asked.words
            or (asked is book.recent[-1] and asked.speaker == sentence.speaker)
        ):
            return
        question = re.sub(r"^(?:and|so|but|okay|well|oh|right),? ", "", tidy(asked.text), flags=re.IGNORECASE)
        told = replace(cue, kind="commit", what=f"find out: {question[:1].lower()}{question[1:]}")
        if "sure" in cue.details:
            self._ledger.take_on(told, sentence, also=(asked.utterance_id,))
        else:
            book.offered = Asked(told, sentence, book.at, (asked.utterance_id,))

    def unsay(self, cue: Cue, sentence: Sentence) -> None:
        self.book.unsay(WELCOMED_WITHIN)

    def welcome(self, cue: Cue, sentence: Sentence) -> bool:
        """What somebody else has just offered to do is wanted: now it is his."""
        offered = self.book.offered
        if (
            offered is None
            or self.book.at - offered.at > WELCOMED_WITHIN
            or offered.sentence.speaker == sentence.speaker
            or offered.cue.details.get("from", sentence.speaker) != sentence.speaker
        ):
            return False
        self.book.offered = None
        also = (*offered.also, offered.sentence.utterance_id)  # what was offered counts, not the thanks
        cue = replace(offered.cue, due=cue.due or offered.cue.due)
        if cue.what:
            settled = replace(cue, kind="commit", strength=max(cue.strength, 0.6))
            self._ledger.take_on(settled, sentence, also=also)
            return True
        return self._take_up(cue, cue.owner, (*also, sentence.utterance_id), offered.sentence, within=ANSWERED_WITHIN)

    def ready(self, cue: Cue, sentence: Sentence) -> None:
        """ "It will be done by Monday": the speaker's word on what was asked, or on what he has just promised."""
        if self.book.request:
            self.accept(cue, sentence)
            return
        if not cue.due:
            return
        number = self.book.latest("action", NAMED_WITHIN, lambda item: item.owner == cue.owner and not item.due.date)
        if number is not None:
            self.book.change(number, Change("due", (sentence.utterance_id,), due=cue.due), due=cue.due)
        elif found := meant(f"get {cue.details.get('thing', '')}", self._before(sentence), self._ledger.people):
            what = Cue("commit", found[0], cue.owner, cue.due, 0.6)
            self._ledger.take_on(what, sentence, also=found[1:])

    def date(self, cue: Cue, sentence: Sentence) -> bool:
        """A date by itself, said just after a task: its day, or another than before. Whether it was that."""
        book, request = self.book, self.book.request
        if request and not request.cue.due.date:
            also = (*request.also, sentence.utterance_id)
            book.request = replace(request, cue=replace(request.cue, due=cue.due), also=also)
            return True
        number = book.latest("action", CLAIMED_WITHIN, lambda item: not item.due.date)
        number = book.latest("action", CLAIMED_WITHIN) if number is None and self._of_a_task() else number
        if number is not None and book.items[number].due.date != cue.due.date:
            book.change(number, Change("due", (sentence.utterance_id,), due=cue.due), due=cue.due)
        return number is not None

    def _of_a_task(self) -> bool:
        """Whether no question of another kind than "when do you need it?" has just been asked."""
        asked = self.book.questions[-1] if self.book.questions else None
        if asked is None or self.book.at - asked.at > CLAIMED_WITHIN:
            return True
        return bool(re.match(r"(?:by )?when\b", asked.cue.what.lower())) and "you" in asked.sentence.words

    def redate(self, cue: Cue, sentence: Sentence) -> None:
        """ "I said Thursday, it's Wednesday": the one task that has the old day, else the only one of who is told."""
        items = [(n, item) for n, item in self.book.items.items() if item.kind == "action" and item.status == OPEN]
        his = [(n, item) for n, item in items if item.id and (not cue.owner or item.owner == cue.owner)]
        fitting = [n for n, item in his if item.due.date == cue.details["old"]]
        fitting = fitting or [n for n, item in his if cue.owner and not item.due.date]
        if len(fitting) == 1:
            self.book.change(fitting[0], Change("due", (sentence.utterance_id,), due=cue.due), due=cue.due)

    def accept(self, cue: Cue, sentence: Sentence) -> None:
        """ "Yes, I will do that": the request that waits, else the task that was just raised and has nobody."""
        book = self.book
        request = book.request
        if request and request.sentence.speaker == sentence.speaker and _HIMSELF.search(sentence.plain):
            # "Would you write to them?" "I'd rather not." "I'll do it myself then."
            self._settle(request, cue, sentence)
            return
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
        if cue.kind == "accept" and ((proposed and self.welcome(cue, sentence)) or cue.strength < 0.7):
            return
        if not sentence.speaker:
            return
        mine = Owner("speaker", sentence.speaker)
        if self._take_up(cue, mine, (sentence.utterance_id,), sentence):
            return
        if "myself" in cue.details and self._answers_a_who(mine, sentence):
            return
        if cue.kind == "claim" and not self._carry_out(cue, sentence) and not cue.details:
            self._step_in(cue, mine, sentence)

    def _step_in(self, cue: Cue, owner: Owner, sentence: Sentence) -> None:
        """ "I'll do it", of what another has: his once that one agrees."""
        book = self.book
        number = book.latest(
            "action", CLAIMED_WITHIN, lambda item: item.owner.kind == "speaker" and item.owner != owner
        )
        if number is not None:
            held = book.items[number]
            wanted = replace(cue, what=held.what, owner=owner, details={"from": held.owner.name})
            book.offered = Asked(wanted, sentence, book.at)

    def _carry_out(self, cue: Cue, sentence: Sentence) -> bool:
        """ "Then we order twenty more." "I'll do that.": what was decided, or moved, is the speaker's to do."""
        book = self.book
        if book.decided is None or book.at - book.decided[1] > WELCOMED_WITHIN:
            return False
        decided = book.items[book.decided[0]]
        said = next((s for s in reversed(book.recent) if s.utterance_id in decided.evidence), None)
        doing = said is not None and said.speaker != sentence.speaker and does_something(read(decided.what).words)
        if said is not None and doing:
            self._ledger.take_on(
                replace(cue, kind="commit", what=decided.what, about=""), sentence, also=(said.utterance_id,)
            )
        return doing

    def _before(self, sentence: Sentence, doing: str = "") -> list[Sentence]:
        """What was said before a sentence, and in it before these words."""
        words = doing.lower().split()
        last = next((i for i in range(len(sentence.words)) if words and sentence.words[i] == words[0]), 0)
        before = [s for s in self.book.recent if s.start_s <= sentence.start_s and s.text != sentence.text]
        return [*before, sentence.part(0, last)]

    def _take_up(
        self, cue: Cue, owner: Owner, evidence: tuple[str, ...], sentence: Sentence, *, within: int = CLAIMED_WITHIN
    ) -> bool:
        """ "I'll write it", "would you call them?": the task of that verb or thing that waits for an owner, else a new
        one, in whose place "it" stood; a mere "I'll do that" takes what was named last."""
        book, doing = self.book, cue.details.get("doing", "")
        free: Fits = lambda item: not item.owner or (item.owner.kind == "group" and item.owner.name == "we")
        if not doing:
            number = book.latest("action", within, lambda item: not item.owner)
        else:
            number = book.latest("action", NAMED_WITHIN, lambda item: free(item) and _same_verb(doing, item.what))
        found = meant(doing, self._before(sentence, doing), self._ledger.people) if number is None and doing else None
        if found:
            thing = content_of(found[0])
            his: Fits = lambda item: (
                free(item) or (item.owner == owner and sentence.utterance_id in item.history[-1].evidence)
            )
            number = book.latest("action", within, lambda item: his(item) and bool(thing & content_of(item.what)))
        elif doing and number is None:
            number = book.latest("action", WELCOMED_WITHIN, lambda item: not item.owner)
        if number is not None:
            self._ledger.hand_over(number, owner, evidence, due=cue.due)
        elif found:
            what = PRONOUN.sub(found[0], doing, count=1)
            said = Cue("commit", what, owner, cue.due, max(cue.strength, 0.6))
            self._ledger.take_on(said, sentence, also=(*found[1:], *evidence))
        return number is not None or found is not None

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
            due, evidence = cue.due or asked.due, (*also, sentence.utterance_id)
            if number is not None:
                self._ledger.hand_over(number, owner, evidence, due=due)
                return
            told = replace(asked, due=due, details=cue.details if "doing" in cue.details else asked.details)
            self._take_up(told, owner, evidence, request.sentence, within=NAMED_WITHIN)
            return
        settled = Cue(
            "assign",
            asked.what,
            owner,
            cue.due if cue.due.date else asked.due,
            asked.strength + (0.2 if cue.strength >= 0.7 else 0.1),
        )
        self._ledger.take_on(settled, sentence, also=also, adds=adds)

    def expire(self) -> None:
        """A request that nobody answered for long is not waiting any more."""
        if self.book.request and self.book.at - self.book.request.at > ANSWERED_WITHIN:
            self.lapse()

    def lapse(self, also: str = "") -> None:
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

    def one_answer(self, found: list[Cue], sentence: Sentence) -> list[Cue]:
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


def _same_verb(doing: str, what: str) -> bool:
    """Whether both name the same doing, as "order it" and "order more"."""
    return stem(base_form(doing.split()[0].lower())) == stem(base_form(what.split()[0].lower()))


def _only_points(what: str) -> bool:
    """Whether the task is a verb and a pronoun: "call him"."""
    words = what.lower().split()
    return len(words) > 1 and words[1] in ("it", "them", "that", "him", "her", "one", "those", "some")
