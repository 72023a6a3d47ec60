"""The minutes of a meeting: one value that holds all that is written down, each line with what proves it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audio.speech import Utterance
from memory.notes import Item, Owner, Passage, Topic


@dataclass(frozen=True)
class Person:
    """Who took part."""

    label: str  # "S1"; "" where nobody told the speakers apart
    name: str  # the label where no name is known
    talk_s: float


@dataclass(frozen=True)
class Line:
    """A sentence of the summary."""

    text: str
    evidence: tuple[str, ...]
    rewritten: bool = False  # by a language model; else the words that were said
    quotes: tuple[tuple[str, str], ...] = ()  # of a rewritten one: utterance id and the words that prove it


@dataclass(frozen=True)
class Cited:
    """A passage of a document, and who referred to it."""

    passage: Passage
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Minutes:
    """All of it; made again from the journal whenever it is shown."""

    meeting: str
    title: str
    began: str  # ISO 8601 with offset
    duration_s: float
    language: str
    audio_sha256: str
    people: tuple[Person, ...]
    summary: tuple[Line, ...]
    topics: tuple[Topic, ...]
    items: tuple[Item, ...]
    references: tuple[Cited, ...]
    utterances: tuple[Utterance, ...]  # shown ones: what the evidence names
    notice: str = ""  # why there is little: nothing said, a language that the rules do not know

    def of_kind(self, kind: str) -> tuple[Item, ...]:
        """The items of one kind that this meeting made or changed, and those it took over."""
        return tuple(item for item in self.items if item.kind == kind)

    @property
    def carried(self) -> tuple[Item, ...]:
        """What was still open from last time."""
        return tuple(item for item in self.items if item.series)

    def said_by(self, owner: Owner) -> str:
        """An owner as people read it: a name where there is one, the words that were said else, "" for nobody."""
        if owner.kind == "speaker":
            return next((p.name for p in self.people if p.label == owner.name), owner.name)
        return "" if owner.kind == "nobody" else owner.name

    def start_s(self, evidence: Sequence[str]) -> float | None:
        """When the first of these utterances was said; None where none of them is of this meeting."""
        starts = {u.id: u.start_s for u in self.utterances}
        return min((starts[id] for id in evidence if id in starts), default=None)


def people_of(utterances: Iterable[Utterance], names: dict[str, str]) -> tuple[Person, ...]:
    """The speakers by how long they spoke, in seconds."""
    talk: dict[str, float] = {}
    for utterance in utterances:
        if utterance.speaker:
            talk[utterance.speaker] = talk.get(utterance.speaker, 0.0) + utterance.end_s - utterance.start_s
    ranked = sorted(talk.items(), key=lambda pair: -pair[1])
    return tuple(Person(label, names.get(label, label), round(talk_s, 1)) for label, talk_s in ranked)
