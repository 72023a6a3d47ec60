"""Voices enrolled from one made meeting and met again in others: who is recognised, and who is taken for somebody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.diarize.encoder import PLAIN, Ge2eEncoder
from audio.diarize.identity import ALIKE, Voiceprint, identify, nearest
from audio.diarize.traits import embedding, traits_of
from audio.diarize.turns import Schedule, Turn, talk_s

THRESHOLDS = tuple(sorted({*(n / 100 for n in range(40, 83, 3)), ALIKE}))
KEPT, KEPT_TRAITS = 128, 48  # directions, of the embedding and of the traits; with 200 and 64 much the same
SHRUNK = 0.05  # part of the variance from place to place that is taken as equal in all directions
CURVE = ("cosine", "enrolled voices recognised", "taken for another", "unknown voices given a name")
_ENOUGH_S = 5.0  # of speech, as enrolment asks for
_PURE = 0.8  # of a speaker's time that is one voice's; a mixture is nobody to be recognised


@dataclass(frozen=True)
class Voiced:
    """A meeting's speakers as vectors, and whose voice each is."""

    vectors: Mapping[str, NDArray[Any]]
    voices: Mapping[str, str]  # label -> the program's name of the voice


def voiced(
    reference: Sequence[Turn], found: Sequence[Turn], vectors: Mapping[str, NDArray[Any]], cast: list[str]
) -> Voiced:
    """Speakers who speak long enough, and mostly with one of the `cast`, whose turns in `reference` are V0, V1, ..."""
    voices: dict[str, str] = {}
    schedule, spoken_s = Schedule(reference), talk_s(found)
    for label in vectors:
        votes: dict[str, float] = {}
        for turn in found:
            if turn.speaker == label:
                for who in schedule.speakers(turn.start_s, turn.end_s, "")[:1]:
                    votes[who] = votes.get(who, 0.0) + turn.end_s - turn.start_s
        if votes and spoken_s[label] >= _ENOUGH_S and max(votes.values()) > _PURE * sum(votes.values()):
            voices[label] = cast[int(max(votes, key=lambda who: votes[who])[1:])]
    return Voiced({label: vectors[label] for label in voices}, voices)


def learn_rooms(heard: Mapping[str, Sequence[NDArray[Any]]], file: Path) -> None:
    """Write where voices differ most against one voice in several places: each voice by its name, (d,) in each."""
    plain = outlasting([embedding(np.array(voice)) for voice in heard.values()], KEPT)
    traits = outlasting([traits_of(np.array(voice)) for voice in heard.values()], KEPT_TRAITS)
    learnt = dict(zip(("mean", "directions", "traits_mean", "traits_directions"), (*plain, *traits), strict=True))
    known = {name: value.astype(np.float32) for name, value in learnt.items()}
    np.savez(file, allow_pickle=False, encoder=np.array(PLAIN), **known)


def outlasting(voices: Sequence[NDArray[Any]], kept: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean (d,) and directions (d, kept), of voices (places, d): two-covariance model, its discriminants.

    Prince and Elder, "Probabilistic linear discriminant analysis" (ICCV 2007), with full rank: x = voice + place, both
    normal. Directions are scaled by the root of between / (within + between), as those of the traits are.
    """
    means = np.array([voice.mean(axis=0) for voice in voices])
    apart = np.concatenate([voice - mean for voice, mean in zip(voices, means, strict=True)])
    within = apart.T @ apart / (len(apart) - len(voices))
    between = np.cov(means.T) - within * len(voices) / len(apart)  # a mean of few places still holds a part of them
    within = (1 - SHRUNK) * within + SHRUNK * np.eye(len(within)) * np.trace(within) / len(within)
    sizes, axes = np.linalg.eigh(within)
    white = axes / np.sqrt(sizes)
    worth, turned = np.linalg.eigh(white.T @ between @ white)
    best = np.maximum(worth[::-1][:kept], 0)
    return means.mean(axis=0), white @ turned[:, ::-1][:, :kept] * np.sqrt(best / (1 + best))


def curve(meetings: Sequence[Voiced], encoder: str = Ge2eEncoder.name, *, enrolled_in: int = 1) -> Iterator[list[str]]:
    """Half of the voices are enrolled in the first meetings they have, the others never; then the halves change places.

    A voice that stands in a meeting as two speakers can be recognised once. It is looked for from its second meeting
    on, by what was enrolled until then, also where several meetings are to be `enrolled_in`.
    """
    names = sorted({voice for meeting in meetings for voice in meeting.voices.values()})
    for alike in THRESHOLDS:
        counts = [_trials(meetings, set(names[half::2]), alike, encoder, enrolled_in) for half in (0, 1)]
        hits, wrong, known, named, unknown = (sum(column) for column in zip(*counts, strict=True))
        yield [f"{alike:.2f}", f"{hits} of {known}", str(wrong), f"{named} of {unknown}"]


def _trials(
    meetings: Sequence[Voiced], enrolled: set[str], alike: float, encoder: str, enrolled_in: int
) -> tuple[int, int, int, int, int]:
    prints = list[Voiceprint]()
    hits = wrong = known = named = unknown = 0
    for meeting in meetings:
        who = {i.speaker: i.person for i in identify(meeting.vectors, prints, encoder=encoder, alike=alike)}
        there, people = set(meeting.voices.values()), {print_.person for print_ in prints}
        known += len(there & people)
        hits += len({voice for label, voice in meeting.voices.items() if who.get(label) == voice})
        wrong += sum(voice in people and who.get(label, voice) != voice for label, voice in meeting.voices.items())
        unknown += sum(voice not in people for voice in meeting.voices.values())
        named += sum(voice not in people and label in who for label, voice in meeting.voices.items())
        for voice in sorted(there & enrolled):
            if sum(print_.person == voice for print_ in prints) < enrolled_in:
                label = next(label for label, own in meeting.voices.items() if own == voice)
                others = [meeting.vectors[other] for other, own in meeting.voices.items() if own != voice]
                crowd = nearest(meeting.vectors[label], others, encoder)
                prints.append(Voiceprint(voice, encoder, meeting.vectors[label], crowd))
    return hits, wrong, known, named, unknown
