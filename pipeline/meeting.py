"""The meeting: audio in, events out, each kept before anybody sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from audio.recognizer import Batch
from audio.speech import SAMPLE_RATE, AudioChunk, SpeechSegment
from pipeline.events import Concluded, Corrected, Event, Named, Reached, Said
from pipeline.journal import Journal, ResumePoint

Stage = Callable[[Iterable[Event], Iterable[Event]], Iterator[Event]]
"""(what the journal held before a break, what comes) -> all that comes, and what the stage adds to it.

A stage makes its state again from the first; what it concludes of the whole meeting it gives before Concluded.
"""


@dataclass(frozen=True)
class Parts:
    """The stages of a meeting, each a generator over the one before."""

    segment: Callable[[Iterable[AudioChunk]], Iterator[SpeechSegment]]
    recognize: Callable[[Iterable[SpeechSegment], ResumePoint], Iterator[Batch]]
    attribute: Callable[[Iterable[Batch], ResumePoint, Iterable[Event]], Iterator[Batch]] | None = None  # who spoke
    stages: tuple[Stage, ...] = ()  # the mind and what else listens to the words


def meet(
    chunks: Iterable[AudioChunk], parts: Parts, resume: ResumePoint, past: Iterable[Event] = ()
) -> Iterator[Event]:
    """What is heard, and what the stages make of it; `past` is what the journal held before a break."""
    events: Iterator[Event] = hear(chunks, parts, resume, past)
    for stage in parts.stages:
        events = stage(past, events)
    return events


def hear(
    chunks: Iterable[AudioChunk], parts: Parts, resume: ResumePoint, past: Iterable[Event] = ()
) -> Iterator[Event]:
    """THE FLOW: chunks, segments, batches of utterances, events; the end of the input is the end of the loop."""
    heard: dict[str, int] = {}
    speech: Counter[str] = Counter()
    named: dict[str, str] = {}
    segments = _measured(parts.segment(_clocked(chunks, heard)), speech)
    batches = parts.recognize(segments, resume)
    for batch in parts.attribute(batches, resume, past) if parts.attribute else batches:
        yield from (Said(utterance) for utterance in batch.utterances)
        yield from (Reached(source, sample) for source, sample in batch.reached.items())
        yield from speakers_found(batch, named)
    yield from (Reached(source, sample) for source, sample in heard.items())
    duration_s, speech_s = (max(counts.values(), default=0) / SAMPLE_RATE for counts in (heard, speech))
    yield Concluded(duration_s, speech_s)


def speakers_found(batch: Batch, named: dict[str, str]) -> Iterator[Event]:
    """What a batch says of earlier utterances' speakers and of known people; `named` holds what was said before."""
    yield from (Corrected(id, "speaker", label, "speakers") for id, label in batch.relabelled.items())
    for identity in batch.identities:
        if named.get(identity.speaker, "") != identity.person:
            named[identity.speaker] = identity.person
            yield Named(identity.speaker, identity.person, "voiceprint", identity.confidence)


def keep(events: Iterable[Event], journal: Journal) -> Iterator[Event]:
    """Pass the events on once they are on disk: a batch of utterances with the Reached that confirms it."""
    waiting: list[Event] = []
    for event in events:
        waiting.append(event)
        if not isinstance(event, Said):
            journal.append(*waiting)
            yield from waiting
            waiting.clear()
    journal.append(*waiting)
    yield from waiting


def _clocked(chunks: Iterable[AudioChunk], heard: dict[str, int]) -> Iterator[AudioChunk]:
    for chunk in chunks:
        heard[chunk.source] = chunk.stop
        yield chunk


def _measured(segments: Iterable[SpeechSegment], speech: Counter[str]) -> Iterator[SpeechSegment]:
    for segment in segments:
        speech[segment.source] += round(len(segment.samples) * segment.speech_share)
        yield segment
