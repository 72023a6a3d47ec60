"""What a meeting said, as every export and every listing shows it: corrections applied, suppressed text apart."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from audio.speech import SAMPLE_RATE, Utterance
from memory.marks import Marks
from memory.votes import read_anew
from pipeline.events import RECORDING, REREAD, Concluded, Corrected, Event, Learned, Named, Opened, Reached, Said


@dataclass(frozen=True)
class Transcript:
    """The readable form of a journal; made again from its events whenever it is shown."""

    meeting: str  # folder name, unique in the library
    title: str
    began: str  # ISO 8601 with offset
    language: str  # of most shown utterances
    duration_s: float  # audio heard, in seconds
    source: str  # what the user named: a path, "-", a device
    audio_sha256: str
    engine: str
    model: str
    utterances: tuple[Utterance, ...]  # shown, by start
    suppressed: tuple[Utterance, ...]  # kept but not shown, by start; each says why
    speakers: Mapping[str, str] = field(default_factory=dict)  # label -> name to show, S1 before S2 before S10
    recognised: Mapping[str, float] = field(default_factory=dict)  # label -> confidence, where a voiceprint named it

    def talk_s(self) -> dict[str, float]:
        """Seconds that each speaker speaks, by label; what two say at once counts for both."""
        total = dict.fromkeys(self.speakers, 0.0)
        for utterance in self.utterances:
            if utterance.speaker:
                total[utterance.speaker] += utterance.end_s - utterance.start_s
        return total

    @classmethod
    def of(cls, events: Iterable[Event]) -> Transcript:
        """The transcript of a meeting that is over, still runs or was cut off; events it does not show are skipped."""
        opened = Opened("", "", "", "", "", "", "", "", "")  # all that a journal without its head can say
        said: dict[str, Utterance] = {}
        texts: dict[str, Corrected] = {}
        labels: dict[str, str] = {}
        names: dict[str, Named] = {}
        duration_s = 0.0
        for event in events:
            match event:
                case Opened():
                    opened = event
                case Said(utterance):
                    said[utterance.id] = utterance  # made again after a break: the last one counts
                    duration_s = max(duration_s, utterance.end_s)
                case Learned() if event.kind == RECORDING:
                    told = (str(event.content.get(key, "")) for key in ("source", "sha256"))
                    opened = replace(opened, **dict(zip(("source", "audio_sha256"), told, strict=True)))
                case Corrected(field="text"):
                    texts[event.utterance_id] = event
                case Corrected(field="speaker"):
                    labels[event.utterance_id] = event.value
                case Named():
                    names[event.speaker] = _outranking(names.get(event.speaker), event)
                case Reached():
                    duration_s = max(duration_s, event.sample / SAMPLE_RATE)
                case Concluded():
                    duration_s = event.duration_s
        spoken = sorted((_labelled(_corrected(u, texts), labels) for u in said.values()), key=lambda u: u.start_s)
        present = sorted({u.speaker for u in spoken if u.speaker and not u.suppressed}, key=_counted)
        by_voice = {label: names[label].confidence for label in present if label in names and names[label].name}
        return cls(
            meeting=opened.meeting,
            title=opened.title,
            began=opened.began,
            language=_most_common(u.language for u in spoken if not u.suppressed),
            duration_s=duration_s,
            source=opened.source,
            audio_sha256=opened.audio_sha256,
            engine=opened.engine,
            model=opened.model,
            utterances=tuple(u for u in spoken if not u.suppressed),
            suppressed=tuple(u for u in spoken if u.suppressed),
            speakers={label: display_name(label, names.get(label)) for label in present},
            recognised={label: sure for label, sure in by_voice.items() if names[label].by == "voiceprint"},
        )


def display_name(label: str, named: Named | None = None) -> str:
    """The name, or "Speaker 3" for an "S3" that has none."""
    unnamed = f"Speaker {label[1:]}" if label[:1] == "S" and label[1:].isdecimal() else label
    return named.name if named and named.name else unnamed


def _counted(label: str) -> tuple[int, str]:
    """Sorts labels as one counts: who came second may be the third to speak, and "S3" before "S2" looks like a slip."""
    return (int(label[1:]), "") if label[:1] == "S" and label[1:].isdecimal() else (sys.maxsize, label)


def said_before(past: Iterable[Event]) -> list[Utterance]:
    """The utterances of a journal, with the speakers that they have by its end."""
    said: dict[str, Utterance] = {}
    for event in past:
        match event:
            case Said(utterance):
                said[utterance.id] = utterance
            case Corrected(field="speaker") if event.utterance_id in said:
                said[event.utterance_id] = replace(said[event.utterance_id], speaker=event.value)
    return list(said.values())


def _outranking(before: Named | None, now: Named) -> Named:
    """What a user says of a name counts more than a voiceprint, however late that comes."""
    return before if before and before.by == "user" and before.name and now.by != "user" else now


def _labelled(utterance: Utterance, labels: Mapping[str, str]) -> Utterance:
    label = labels.get(utterance.id, utterance.speaker)
    if label == utterance.speaker:
        return utterance
    words = tuple(replace(word, speaker="") if word.speaker else word for word in utterance.words)
    return replace(utterance, speaker=label, words=words)


def _corrected(utterance: Utterance, texts: Mapping[str, Corrected]) -> Utterance:
    """With the corrected text; the words and tokens of the old text go, for they no longer spell it."""
    correction = texts.get(utterance.id)
    if correction is None or correction.value == utterance.text:
        return utterance
    why = utterance.suppressed if correction.value.strip() else f"emptied by {correction.by}"
    return replace(utterance, text=correction.value, words=(), tokens=(), suppressed=why)


def _most_common(languages: Iterable[str]) -> str:
    return next((language for language, _ in Counter(languages).most_common(1)), "")


def marks_of(events: Iterable[Event]) -> Iterator[Marks]:
    """The marks that a journal keeps; of a meeting that is over as its end read them anew."""
    marks: dict[str, Marks] = {}
    anew: dict[str, list[float]] = {}
    for event in events:
        if isinstance(event, Learned) and event.kind == "marks":
            told = (Marks(**{**mark, "read_ids": tuple(mark["read_ids"])}) for mark in event.content["marks"])
            marks |= {mark.utterance_id: mark for mark in told}
        elif isinstance(event, Learned) and event.kind == REREAD:
            anew = event.content["marks"]
    yield from read_anew(marks, anew).values()
