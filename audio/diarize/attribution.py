"""Batches of utterances get their speakers: online as they come, and all of them once more at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from audio.diarize.diarizer import Concluded, DiarizeOptions, Voices, conclude, follow, voiced
from audio.diarize.encoder import VoiceEncoder
from audio.diarize.identity import ALIKE, Identity, Voiceprint, identify
from audio.diarize.shelf import Kept, Shelf
from audio.diarize.turns import NEAR_S, Schedule, Turn, renamed, talk_s
from audio.diarize.windows import Heard, listen
from audio.diarize.words import attributed
from audio.recognizer import Batch
from audio.speech import SAMPLE_RATE, Utterance

KNOWN_AFTER_S = 8.0  # of speech, before a voice is compared with the known ones while the meeting runs
Other = TypeVar("Other")
RECENT_S = 40.0  # of turns that a new utterance may overlap: a segment and the recogniser's delay


@dataclass(frozen=True)
class Diarizer:
    """What attribution needs; shared by all meetings, for the state is `Attribution`."""

    encoder: VoiceEncoder
    options: DiarizeOptions = field(default_factory=DiarizeOptions)
    known: Sequence[Voiceprint] = ()
    alike: float = ALIKE  # cosine from which a voice is that of a known person
    whole: Callable[[], list[Turn]] | None = None  # another engine's turns of the whole meeting, asked at its end


@dataclass(frozen=True, slots=True)
class _Part:
    """Who said an utterance, and when: what may still be put right."""

    id: str
    speaker: str
    start_s: float
    end_s: float
    source: str
    shown: bool

    @staticmethod
    def of(it: Utterance) -> _Part:
        return _Part(it.id, it.speaker, it.start_s, it.end_s, it.source, not it.suppressed)


@dataclass(frozen=True)
class Attribution:
    """The state of one meeting: its voices, what was said so far, and who was recognised."""

    next_id: int = 1
    voices: Voices = field(default_factory=Voices)
    said: tuple[_Part, ...] = ()
    identities: dict[str, Identity] = field(default_factory=dict)


def attribute(
    found: Iterable[Batch | Other], diarizer: Diarizer, *, first_id: int, past: Iterable[Utterance] = ()
) -> Iterator[Batch | Other]:
    """Batches with speakers, one for one, and a last one without utterances that has the final word.

    Whatever else comes between them, live, is passed on.

    `past` are the utterances from before a break, with the speakers they have. If the batches then bring their segments
    again, the state is made again from them; if not, new labels follow the old ones.
    """
    before = tuple(_Part.of(u) for u in past)
    state = Attribution(next_id=first_id, said=before)
    begun = False
    with Shelf() as shelf:
        for batch in found:
            if not isinstance(batch, Batch):
                yield batch
                continue
            if not begun and not _heard_again(batch, before):  # the voices behind the old labels are unknown here
                state = replace(state, voices=Voices(taken=tuple(sorted({u.speaker for u in before if u.speaker}))))
            begun = True
            state, attributed_batch = attribute_batch(state, batch, diarizer, laid=shelf.laid)
            yield attributed_batch
        if state.voices.heard:
            yield final_batch(state, diarizer)


def _heard_again(batch: Batch, before: Sequence[_Part]) -> bool:
    last_s = max((utterance.start_s for utterance in before), default=-1.0)
    return any(segment.start / SAMPLE_RATE <= last_s for segment in batch.segments)


def attribute_batch(
    state: Attribution, batch: Batch, diarizer: Diarizer, *, laid: Callable[[Heard], Kept]
) -> tuple[Attribution, Batch]:
    """One batch: its segments are heard first, then its utterances divided among the speakers.

    `laid` may put aside what is not needed before the end.
    """
    voices, merged = state.voices, dict[str, str]()
    for segment in batch.segments:
        step = follow(voices, listen(segment, diarizer.encoder), diarizer.options, laid=laid)
        voices = step.voices
        merged = {old: step.merged.get(now, now) for old, now in merged.items()} | step.merged
    schedule = Schedule(_recent(voices, batch))
    parts = [part for utterance in batch.utterances for part in attributed(utterance, schedule)]
    parts.sort(key=lambda utterance: utterance.start_s)
    said = tuple(replace(part, id=f"u{state.next_id + n}") for n, part in enumerate(parts))
    relabelled = {u.id: merged[u.speaker] for u in state.said if u.speaker in merged}
    earlier = state.said
    if relabelled:
        earlier = tuple(replace(u, speaker=relabelled.get(u.id, u.speaker)) for u in earlier)
    found = _recognised(state, voices, diarizer)
    kept = tuple(_Part.of(u) for u in said)
    state = Attribution(state.next_id + len(said), voices, (*earlier, *kept), found)
    return state, replace(batch, utterances=said, relabelled=relabelled, identities=tuple(found.values()))


def final_batch(state: Attribution, diarizer: Diarizer) -> Batch:
    """What the whole meeting says about who spoke."""
    decided = _decided(state.voices, diarizer)
    schedule = Schedule(decided.turns)
    heard_s = {(heard.source, heard.start) for heard in state.voices.heard}
    first_s = {source: min(s for o, s in heard_s if o == source) / SAMPLE_RATE for source, _ in heard_s}
    relabelled = {}
    for utterance in state.said:
        if not utterance.shown or utterance.end_s <= first_s.get(utterance.source, float("inf")):
            continue
        near_s = NEAR_S if utterance.speaker in decided.centroids else float("inf")  # a voice that is none after all
        found = schedule.speakers(utterance.start_s, utterance.end_s, utterance.source, near_s=near_s)
        if found and found[0] != utterance.speaker:
            relabelled[utterance.id] = found[0]
    found_people = identify(decided.centroids, diarizer.known, encoder=diarizer.encoder.name, alike=diarizer.alike)
    gone = [
        Identity(i.speaker, "", 0.0)
        for i in state.identities.values()
        if i.speaker not in {f.speaker for f in found_people}
    ]
    return Batch((), {}, relabelled=relabelled, identities=(*gone, *found_people))


def _decided(voices: Voices, diarizer: Diarizer) -> Concluded:
    if diarizer.whole is None:
        return conclude(voices, diarizer.options)
    found = renamed(diarizer.whole(), voices.turns, voices.taken)
    return Concluded(tuple(found), voiced(voices, found))


def _recent(voices: Voices, batch: Batch) -> list[Turn]:
    since_s = min((u.start_s for u in batch.utterances), default=0.0) - RECENT_S
    return [turn for turn in voices.turns if turn.end_s >= since_s]


def _recognised(state: Attribution, voices: Voices, diarizer: Diarizer) -> dict[str, Identity]:
    """Speakers that have spoken enough to be compared with the known voices."""
    if not diarizer.known or not voices.labels:
        return {}
    spoken_s = talk_s(voices.turns)
    sums = voices.groups.sums
    enough = {
        label: sums[k] / (sum(sums[k] ** 2) ** 0.5)
        for k, label in enumerate(voices.labels)
        if spoken_s.get(label, 0.0) >= KNOWN_AFTER_S
    }
    return {i.speaker: i for i in identify(enough, diarizer.known, encoder=diarizer.encoder.name, alike=diarizer.alike)}
