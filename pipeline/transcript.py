"""What a meeting said, as every export and every listing shows it: corrections applied, suppressed text apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from audio.speech import SAMPLE_RATE, Utterance
from pipeline.events import Concluded, Corrected, Event, Opened, Reached, Said


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

    @classmethod
    def of(cls, events: Iterable[Event]) -> Transcript:
        """The transcript of a meeting that is over, still runs or was cut off; events it does not show are skipped."""
        opened = Opened("", "", "", "", "", "", "", "", "")  # all that a journal without its head can say
        said: dict[str, Utterance] = {}
        texts: dict[str, Corrected] = {}
        duration_s = 0.0
        for event in events:
            match event:
                case Opened():
                    opened = event
                case Said(utterance):
                    said[utterance.id] = utterance  # made again after a break: the last one counts
                    duration_s = max(duration_s, utterance.end_s)
                case Corrected(field="text"):
                    texts[event.utterance_id] = event
                case Reached():
                    duration_s = max(duration_s, event.sample / SAMPLE_RATE)
                case Concluded():
                    duration_s = event.duration_s
        spoken = sorted((_corrected(u, texts) for u in said.values()), key=lambda u: u.start_s)
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
        )


def _corrected(utterance: Utterance, texts: Mapping[str, Corrected]) -> Utterance:
    """With the corrected text; the words and tokens of the old text go, for they no longer spell it."""
    correction = texts.get(utterance.id)
    if correction is None or correction.value == utterance.text:
        return utterance
    why = utterance.suppressed if correction.value.strip() else f"emptied by {correction.by}"
    return replace(utterance, text=correction.value, words=(), tokens=(), suppressed=why)


def _most_common(languages: Iterable[str]) -> str:
    return next((language for language, _ in Counter(languages).most_common(1)), "")
