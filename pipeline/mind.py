"""The memory as a stage of the meeting: it hears what is said and adds topics, marks and what its banks did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from audio.speech import Utterance
from memory.corpora import Heard, MindError
from memory.marks import GROUP, UNKNOWN, Marks
from memory.stretch import TASKS, Minute
from memory.titles import keywords, title
from memory.words import LOOKAHEAD
from pipeline.events import REREAD, Concluded, Corrected, Event, Learned, Named, Said, Trouble

if TYPE_CHECKING:  # torch takes a second to import, also where no memory is wanted
    from memory.mind import Heed, Mind
    from memory.state import MemoryState

STATE = "memory.safetensors"  # beside the journal, once the meeting is over
BEFORE = "memory-before.safetensors"  # what the meeting took over from the series
EVERY = 8  # utterances that are heard in one step: a seventh of the work, and the same marks some seconds later
_EVIDENCE = 8  # utterances that an event of a topic names
_TOLD = 4  # decimals of a probability in the journal


@dataclass
class _Spoken:
    """What was said, and the utterances of every topic."""

    said: Mapping[str, Heard]
    topics: dict[int, list[str]] = field(default_factory=dict)

    def learned(self, topic: int, kind: str, mind: Mind) -> Learned:
        """The topic as it stands: its title and keywords are words that were said in it."""
        ids = self.topics[topic]
        inside = [self.said[i].text for i in ids]
        outside = [self.said[i].text for number, others in self.topics.items() if number != topic for i in others]
        named, words = title(inside, outside, mind.weights), keywords(inside, outside, mind.weights)
        proof = list(self._proof(ids, [term for term in (*named.lower().split(", "), *words) if term]))
        content = {
            "topic": topic,
            "state": kind,  # "opens", "returns", "closes"
            "title": named,
            "keywords": words,
            "start_s": self.said[ids[0]].start_s,
            "utterances": len(ids),
        }
        return Learned("subject", content, tuple(dict.fromkeys([ids[0], *proof]))[:_EVIDENCE])

    def _proof(self, ids: Sequence[str], terms: Sequence[str]) -> Iterator[str]:
        """Where each term was said first, and then the others that say one."""
        texts = {id: self.said[id].text.lower() for id in ids}
        for term in terms:
            yield from [id for id in ids if term in texts[id]][:1]
        yield from (id for id in ids if any(term in texts[id] for term in terms))


@dataclass(frozen=True)
class Carry:
    """Where a series keeps its memory between two meetings."""

    path: Path
    meeting: str  # the id of the one that is held now


def remember(
    load: Callable[[], Mind], folder: Path, carry: Carry | None = None
) -> Callable[[Iterable[Event], Iterable[Event]], Iterator[Event]]:
    """The stage of one meeting, whose memory lies in `folder`; `load` is called when the first words come.

    With `carry` the memory begins as the series' last meeting left it, and is left there for the next.
    """

    def stage(past: Iterable[Event], coming: Iterable[Event]) -> Iterator[Event]:
        return _Listener(load, folder, carry).listen(list(past), coming)

    return stage


def _in_steps(said: int, segment: int) -> int:
    """How many of so many utterances a listener has heard that hears EVERY at once, and always up to a full segment."""
    heard = pending = 0
    while heard + (step := min(EVERY, segment + LOOKAHEAD - pending)) <= said:
        heard, pending = heard + step, pending + step
        pending = LOOKAHEAD if pending == segment + LOOKAHEAD else pending
    return heard


def person(name: str) -> str:
    """What a series' memory calls somebody: the same for the same name, which cannot be read from it."""
    return "p" + sha256(name.strip().casefold().encode()).hexdigest()[:16]


class _Listener:
    """One meeting's memory while it runs."""

    def __init__(self, load: Callable[[], Mind], folder: Path, carry: Carry | None) -> None:
        self._load, self._folder, self._carry = load, folder, carry
        self._mind: Mind | None = None
        self._deaf = False  # the weights could not be loaded
        self._start: MemoryState | None = None  # before the first word
        self._state: MemoryState | None = None
        self._topic = -1
        self._marks: list[Marks] = []
        self._minutes: list[Minute] = []  # over, but not told: they are told with the marks
        self._waiting: list[str] = []  # utterances that the next step hears
        self._said: dict[str, Heard] = {}  # with speakers and texts as they are known now
        self._spoken = _Spoken(self._said)
        self._names: dict[str, str] = {}
        self._stale = False  # what is in the banks was said by others, or otherwise, than is known now

    def listen(self, past: list[Event], coming: Iterable[Event]) -> Iterator[Event]:
        """All that comes, and after an utterance what the memory makes of it; the last of it before Concluded."""
        concluded = any(isinstance(e, Concluded) for e in past)
        for event in past:
            self._know(event)
        for event in coming:
            if concluded:
                yield event
                continue
            if self._mind is None and not self._deaf and isinstance(event, Said | Concluded):
                yield from self._begin()
            if isinstance(event, Concluded):
                yield from self._end()
            yield event
            self._know(event)
            if isinstance(event, Said) and event.utterance.id in self._said:
                yield from self._hear(event.utterance.id)

    def _know(self, event: Event) -> None:
        """Who said what, by all that was told so far."""
        match event:
            case Said(utterance) if not utterance.suppressed:
                self._said[utterance.id] = _heard(utterance)
            case Corrected(id, "speaker" | "text" as field, value) if id in self._said:
                before = self._said[id]
                changed = replace(before, text=value) if field == "text" else replace(before, speaker=value)
                self._stale |= changed != before
                self._said[id] = changed
            case Named(label, name) if self._carry:
                self._stale |= self._names.get(label, "") != name
                self._names[label] = name

    def known(self, events: Iterable[Event]) -> Iterator[tuple[Mapping[str, str], Heard]]:
        """All that a journal says was said, with the names that its speakers have by its end."""
        for event in events:
            self._know(event)
        yield from ((self._names, heard) for heard in self._said.values())

    def _begin(self) -> Iterator[Event]:
        """The memory as the meeting began with it, and then all that the journal has, as it is known now."""
        self._stale = False
        try:
            self._mind = self._load()
        except MindError as error:
            self._deaf = True
            yield Trouble(f"{error} (the meeting goes on without its memory)")
            return
        self._start = self._mind.empty()
        try:
            self._start = self._inherited(self._mind)
        except MindError as error:
            yield Trouble(f"{error} (the meeting goes on with an empty memory)")
        late = list(self._said)[_in_steps(len(self._said), self._mind.segment) :]
        waiting = {id: self._said.pop(id) for id in late}
        if heed := self._again():
            self._take_up(heed)
        self._wait(waiting)

    def _inherited(self, mind: Mind) -> MemoryState:
        """Kept beside the journal too: after a break it begins as before, whatever the series holds by then."""
        if self._carry is None:
            return mind.empty()
        kept = self._folder / BEFORE
        if not kept.exists() and self._carry.path.exists():
            mind.load_state(self._carry.path).save(kept)
        return mind.load_state(kept) if kept.exists() else mind.empty()

    def _again(self) -> Heed | None:
        """All that was said, heard from the start by what is known now; of its marks those stand that were told."""
        if self._mind is None or self._start is None:
            return None
        heed = self._mind.absorb(self._start, [self._keyed(u) for u in self._said.values()])
        self._state, self._stale = heed.state, False
        return heed

    def _take_up(self, heed: Heed) -> None:
        """After a break: the journal has these marks, but nobody here does."""
        for mark in heed.marks:
            self._spoken.topics.setdefault(mark.topic, []).append(mark.utterance_id)
            self._topic = mark.topic if mark.boundary else self._topic
        waiting = len(heed.state.ledger.topics)
        self._marks = self._told(heed.marks[len(heed.marks) - waiting :])
        late = {mark.utterance_id for mark in self._marks}
        self._minutes = [minute for minute in heed.minutes if minute.told_by in late]

    def _keyed(self, heard: Heard) -> Heard:
        """With the speaker as the memory calls them: in a series who has a name is the same in every meeting."""
        if self._carry is None or not heard.speaker:
            return heard
        return _keyed(heard, self._names, self._carry.meeting)

    def _told(self, marks: Iterable[Marks]) -> list[Marks]:
        """With this meeting's labels and utterances only."""
        if self._carry is None:
            return list(marks)
        labels = {self._keyed(u).speaker: u.speaker for u in self._said.values()} | {GROUP: GROUP, UNKNOWN: UNKNOWN}
        return [
            replace(
                mark,
                owner=labels.get(mark.owner, UNKNOWN),
                read_ids=tuple(id for id in mark.read_ids if id in self._said),
            )
            for mark in marks
        ]

    def _hear(self, id: str) -> Iterator[Event]:
        if self._mind is None or self._state is None:
            return
        self._wait({id: self._said[id]})
        full = len(self._state.ledger.pending) + len(self._waiting) >= self._mind.segment + LOOKAHEAD
        if full or len(self._waiting) >= EVERY:
            yield from self._step(self._mind, self._state, full)

    def _wait(self, more: Mapping[str, Heard]) -> None:
        for id, heard in more.items():
            self._said[id] = heard
            self._waiting.append(id)

    def _step(self, mind: Mind, state: MemoryState, full: bool) -> Iterator[Event]:
        """What waits is heard; where that fills a segment, what was corrected is put right before."""
        new = {id: self._said.pop(id) for id in self._waiting}
        self._waiting = []
        if self._stale and full:
            self._again()
        self._said |= new
        yield from self._heed(mind, mind.absorb(self._state or state, [self._keyed(u) for u in new.values()]))

    def _end(self) -> Iterator[Event]:
        if self._mind is None or self._state is None:
            return
        if self._waiting:
            yield from self._step(self._mind, self._state, full=False)
        if self._stale:
            self._again()
        yield from self._heed(self._mind, self._mind.finish(self._state))
        yield from self._anew(self._mind)
        if self._topic >= 0:
            yield self._spoken.learned(self._topic, "closes", self._mind)
        yield from self._leave(self._state)

    def _anew(self, mind: Mind) -> Iterator[Event]:
        """What the whole meeting makes of its utterances and minutes; what was told while it ran stays in the journal.

        By texts and speakers alone as they are known at the end, so a break changes nothing of it.
        """
        reread = mind.reread(list(self._said.values()))
        if reread is None:
            return
        marks = {id: [round(chance, _TOLD) for chance in both] for id, both in reread.marks.items()}
        told = [minute for minute in reread.minutes if _tells(minute, mind, " anew")]
        minutes = [{**_content(minute), "evidence": list(minute.evidence)} for minute in told]
        yield Learned(REREAD, {"marks": marks, "minutes": minutes}, tuple(id for m in told for id in m.evidence))

    def _leave(self, state: MemoryState) -> Iterator[Event]:
        """The memory beside the journal, and for the next meeting of the series; a full disk costs only these."""
        try:
            state.save(self._folder / STATE)
            if self._carry:
                self._carry.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                left(state, self._carry.meeting).save(self._carry.path)
        except (MindError, OSError) as error:
            yield Trouble(f"{error} (the next meeting of the series does without this one's memory)")

    def _heed(self, mind: Mind, heed: Heed) -> Iterator[Event]:
        self._state = heed.state
        self._marks += self._told(heed.marks)
        for mark in heed.marks:
            self._spoken.topics.setdefault(mark.topic, []).append(mark.utterance_id)
            if mark.boundary:
                if self._topic >= 0 and self._topic != mark.topic:
                    yield self._spoken.learned(self._topic, "closes", mind)
                self._topic = mark.topic
                yield self._spoken.learned(mark.topic, "returns" if mark.boundary == "return" else "opens", mind)
        self._minutes += heed.minutes
        if heed.statistics is not None:
            yield from (Learned("minute", _content(m), m.evidence) for m in self._minutes if _tells(m, mind))
            self._minutes = []
            yield Learned(
                "marks", {"marks": [_compact(m) for m in self._marks]}, tuple(m.utterance_id for m in self._marks)
            )
            self._marks = []
            evicted = [asdict(e) for e in heed.state.ledger.evictions if e.at > heed.statistics.at - 2 * mind.segment]
            yield Learned("memory", {**asdict(heed.statistics), "evictions": evicted}, ())


def _tells(minute: Minute, mind: Mind, when: str = "") -> bool:
    """Whether the memory would show this minute to who looks for decisions or tasks; `when`: read anew, or not."""
    return any(getattr(minute, task) >= mind.threshold(f"{task} windows{when}") for task in TASKS)


def _content(minute: Minute) -> dict[str, float]:
    return {"start_s": minute.start_s, **{task: round(getattr(minute, task), _TOLD) for task in TASKS}}


def left(state: MemoryState, meeting: str) -> MemoryState:
    """What a finished meeting leaves to the next of its series: of the speakers those who have a name."""
    from memory.policy import handed_on

    return handed_on(state, meeting, [label for label in state.ledger.speakers if "@" not in label])


def heard_again(mind: Mind, meetings: Iterable[tuple[str, Iterable[Event]]], *, without: str = "") -> MemoryState:
    """The memory of a series from its meetings' ids and journals, as it is left to the next; `without` a person, it
    is what it would be had they never been heard."""
    state, gone = mind.empty(), person(without)
    for meeting, events in meetings:
        listener = _Listener(lambda: mind, Path(), Carry(Path(), meeting))
        said = [_keyed(heard, names, meeting) for names, heard in listener.known(events)]
        state = mind.absorb(state, [heard for heard in said if not without or heard.speaker != gone]).state
        state = left(mind.finish(state).state, meeting)
    return state


def _keyed(heard: Heard, names: Mapping[str, str], meeting: str) -> Heard:
    name = names.get(heard.speaker, "")
    return replace(heard, speaker=(person(name) if name else f"{heard.speaker}@{meeting}") if heard.speaker else "")


def _compact(mark: Marks) -> dict[str, object]:
    plain = {k: round(v, _TOLD) if isinstance(v, float) else v for k, v in asdict(mark).items()}
    return {**plain, "read_ids": list(mark.read_ids)}


def _heard(utterance: Utterance) -> Heard:
    return Heard(utterance.id, utterance.text, utterance.speaker, utterance.start_s, utterance.end_s)
