"""The memory as a stage of the meeting: it hears what is said and adds topics, marks and what its banks did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from audio.speech import Utterance
from memory.corpora import Heard, MindError
from memory.marks import Marks
from memory.titles import keywords, title
from pipeline.events import Concluded, Event, Learned, Said, Trouble

if TYPE_CHECKING:  # torch takes a second to import, also where no memory is wanted
    from memory.mind import Heed, Mind
    from memory.state import MemoryState

STATE = "memory.safetensors"  # beside the journal
_EVIDENCE = 8  # utterances that an event of a topic names
_TOLD = 4  # decimals of a probability in the journal


@dataclass
class _Spoken:
    """Texts by utterance, and the utterances of every topic."""

    texts: dict[str, str] = field(default_factory=dict)
    starts: dict[str, float] = field(default_factory=dict)
    topics: dict[int, list[str]] = field(default_factory=dict)

    def learned(self, topic: int, kind: str, mind: Mind) -> Learned:
        """The topic as it stands: its title and keywords are words that were said in it."""
        ids = self.topics[topic]
        inside = [self.texts[i] for i in ids]
        outside = [self.texts[i] for number, others in self.topics.items() if number != topic for i in others]
        words = keywords(inside, outside, mind.weights)
        proof = [i for i in ids if any(word in self.texts[i].lower() for word in words)][: _EVIDENCE - 1]
        content = {
            "topic": topic,
            "state": kind,  # "opens", "returns", "closes"
            "title": title(inside, outside, mind.weights),
            "keywords": words,
            "start_s": self.starts[ids[0]],
            "utterances": len(ids),
        }
        return Learned("subject", content, tuple(dict.fromkeys([ids[0], *proof])))


def remember(load: Callable[[], Mind], folder: Path) -> Callable[[Iterable[Event], Iterable[Event]], Iterator[Event]]:
    """The stage of one meeting, whose memory lies in `folder`; `load` is called when the first words come."""

    def stage(past: Iterable[Event], coming: Iterable[Event]) -> Iterator[Event]:
        return _Listener(load, folder / STATE).listen(list(past), coming)

    return stage


class _Listener:
    """One meeting's memory while it runs."""

    def __init__(self, load: Callable[[], Mind], path: Path) -> None:
        self._load, self._path = load, path
        self._mind: Mind | None = None
        self._state: MemoryState | None = None
        self._spoken = _Spoken()
        self._topic = -1
        self._marks: list[Marks] = []

    def listen(self, past: list[Event], coming: Iterable[Event]) -> Iterator[Event]:
        """All that comes, and after an utterance what the memory makes of it; the last of it before Concluded."""
        ready, concluded = False, any(isinstance(e, Concluded) for e in past)
        for event in coming:
            if concluded or not isinstance(event, Said | Concluded):
                yield event
                continue
            if not ready:
                ready = True
                try:
                    self._begin([e.utterance for e in past if isinstance(e, Said) and not e.utterance.suppressed])
                except MindError as error:
                    yield Trouble(f"{error} (the meeting goes on without its memory)")
            if isinstance(event, Concluded):
                yield from self._end()
                yield event
                continue
            yield event
            if not event.utterance.suppressed:
                yield from self._hear(_heard(event.utterance))

    def _begin(self, past: list[Utterance]) -> None:
        """The memory as the break left it; where the journal knows less or more, it is heard again from the first."""
        self._mind = self._load()
        self._state = self._mind.empty()
        for utterance in past:
            for _ in self._hear(_heard(utterance)):
                pass  # the journal has it

    def _hear(self, heard: Heard) -> Iterator[Event]:
        if self._mind is None or self._state is None:
            return
        self._spoken.texts[heard.id], self._spoken.starts[heard.id] = heard.text, heard.start_s
        yield from self._heed(self._mind, self._mind.hear(self._state, heard))

    def _end(self) -> Iterator[Event]:
        if self._mind is None or self._state is None:
            return
        yield from self._heed(self._mind, self._mind.finish(self._state))
        if self._topic >= 0:
            yield self._spoken.learned(self._topic, "closes", self._mind)
        self._state.save(self._path)

    def _heed(self, mind: Mind, heed: Heed) -> Iterator[Event]:
        self._state = heed.state
        for mark in heed.marks:
            self._marks.append(mark)
            self._spoken.topics.setdefault(mark.topic, []).append(mark.utterance_id)
            if mark.boundary:
                if self._topic >= 0 and self._topic != mark.topic:
                    yield self._spoken.learned(self._topic, "closes", mind)
                self._topic = mark.topic
                yield self._spoken.learned(mark.topic, "returns" if mark.boundary == "return" else "opens", mind)
        if heed.statistics is not None:
            yield Learned(
                "marks", {"marks": [_compact(m) for m in self._marks]}, tuple(m.utterance_id for m in self._marks)
            )
            self._marks = []
            evicted = [asdict(e) for e in heed.state.ledger.evictions if e.at > heed.statistics.at - 2 * mind.segment]
            yield Learned("memory", {**asdict(heed.statistics), "evictions": evicted}, ())
            heed.state.save(self._path)


def marks_of(events: Iterable[Event]) -> Iterator[Marks]:
    """The marks that a journal keeps."""
    for event in events:
        if isinstance(event, Learned) and event.kind == "marks":
            for mark in event.content["marks"]:
                yield Marks(**{**mark, "read_ids": tuple(mark["read_ids"])})


def _compact(mark: Marks) -> dict[str, object]:
    plain = {k: round(v, _TOLD) if isinstance(v, float) else v for k, v in asdict(mark).items()}
    return {**plain, "read_ids": list(mark.read_ids)}


def _heard(utterance: Utterance) -> Heard:
    return Heard(utterance.id, utterance.text, utterance.speaker, utterance.start_s, utterance.end_s)
