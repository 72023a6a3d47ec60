"""The meeting: audio in, events out, each kept before anybody sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from audio.captions import Late, Now
from audio.recognizer import Batch
from audio.speech import SAMPLE_RATE, AudioChunk, Hypothesis, SpeechSegment
from pipeline.events import Concluded, Corrected, Event, Hearing, Named, Reached, Said, Trouble
from pipeline.journal import Journal, ResumePoint

Heard = SpeechSegment | Now  # live, also how things stand between two segments
Recognized = Batch | Hypothesis | Late  # live, also what is provisional and what has to wait
Attribute = Callable[[Iterable[Recognized], ResumePoint, Iterable[Event]], Iterator[Recognized]]
Stage = Callable[[Iterable[Event], Iterable[Event]], Iterator[Event]]
"""(what the journal held before a break, what comes) -> all that comes, and what the stage adds to it.

A stage makes its state again from the first; what it concludes of the whole meeting it gives before Concluded.
"""


@dataclass(frozen=True)
class Parts:
    """The stages of a meeting, each a generator over the one before.

    Those of a live meeting differ from those of a recording in what they tell between the final texts.
    """

    segment: Callable[[Iterable[AudioChunk]], Iterator[Heard]]
    recognize: Callable[[Iterable[Heard], ResumePoint], Iterator[Recognized]]
    attribute: Attribute | None = None  # who spoke
    stages: tuple[Stage, ...] = ()  # the mind and what else listens to the words


def meet(
    chunks: Iterable[AudioChunk], parts: Parts, resume: ResumePoint, past: Iterable[Event] = ()
) -> Iterator[Event]:
    """What is heard, and what the stages make of it; `past` is what the journal held before a break."""
    return staged(hear(chunks, parts, resume, past), parts, past)


def staged(events: Iterator[Event], parts: Parts, past: Iterable[Event] = ()) -> Iterator[Event]:
    """The events through all stages."""
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
    recognized = parts.recognize(segments, resume)
    for found in parts.attribute(recognized, resume, past) if parts.attribute else recognized:
        yield from _events(found)
        if isinstance(found, Batch):
            yield from speakers_found(found, named)
    yield from (Reached(source, sample) for source, sample in heard.items())
    duration_s, speech_s = (max(counts.values(), default=0) / SAMPLE_RATE for counts in (heard, speech))
    yield Concluded(duration_s, speech_s)


def _events(found: Recognized) -> Iterator[Event]:
    match found:
        case Batch():
            yield from (Said(utterance) for utterance in found.utterances)
            yield from (Reached(source, sample) for source, sample in found.reached.items())
            if found.utterances and not found.reached:
                # Earlier speech is still to be done. `keep` holds a Said back until another event comes: here is one.
                yield Hearing(Hypothesis("", 0.0, 0.0))
        case Hypothesis():
            yield Hearing(found)
        case Late():
            yield Trouble(
                f"the captions are {found.behind_s:.0f} s behind, this machine is too slow for them; nothing is lost: "
                "what is missing is written when there is time, at the latest after the end"
            )


def speakers_found(batch: Batch, named: dict[str, str]) -> Iterator[Event]:
    """What a batch says of earlier utterances' speakers and of known people; `named` holds what was said before."""
    yield from (Corrected(id, "speaker", label, "speakers") for id, label in batch.relabelled.items())
    for identity in batch.identities:
        if named.get(identity.speaker, "") != identity.person:
            named[identity.speaker] = identity.person
            yield Named(identity.speaker, identity.person, "voiceprint", identity.confidence)


def names_follow(past: Iterable[Event], events: Iterable[Event]) -> Iterator[Event]:
    """A stage: a speaker whom the user named keeps the name where the last word gives all that he said to another.

    Not where the user named that other one, too.
    """
    first: dict[str, str] = {}  # utterance -> its speaker when it was said
    moved: dict[str, str] = {}  # utterance -> its speaker by the last word, where that is another
    names: dict[str, str] = {}

    def note(event: Event) -> None:
        match event:
            case Said(utterance):
                first[utterance.id] = utterance.speaker
            case Corrected(field="speaker"):
                moved[event.utterance_id] = event.value
            case Named(by="user"):
                names[event.speaker] = event.name

    for event in past:
        note(event)
    for event in events:
        if isinstance(event, Concluded):
            speakers = set((first | moved).values())
            for label in [label for label, name in names.items() if name and label not in speakers]:
                now = Counter(moved.get(id, speaker) for id, speaker in first.items() if speaker == label)
                if now and not names.get(into := now.most_common(1)[0][0]):
                    names[into] = names[label]
                    yield Named(into, names[label], "user")
        note(event)
        yield event


def keep(events: Iterable[Event], journal: Journal) -> Iterator[Event]:
    """Pass the events on once they are on disk: a batch of utterances with the Reached that confirms it."""
    waiting: list[Event] = []
    for event in events:
        waiting.append(event)
        if isinstance(event, Hearing) and len(waiting) == 1:  # never kept, and too frequent to wait for the disk
            yield waiting.pop()
        elif not isinstance(event, Said):
            journal.append(*waiting)
            yield from waiting
            waiting.clear()
    journal.append(*waiting)
    yield from waiting


def _clocked(chunks: Iterable[AudioChunk], heard: dict[str, int]) -> Iterator[AudioChunk]:
    for chunk in chunks:
        heard[chunk.source] = chunk.stop
        yield chunk


def _measured(heard: Iterable[Heard], speech: Counter[str]) -> Iterator[Heard]:
    for item in heard:
        if isinstance(item, SpeechSegment):
            speech[item.source] += round(len(item.samples) * item.speech_share)
        yield item
