"""Voices known from before: which speaker of a meeting is whom, or that none of them is.

Another room or noise moves an embedding much as another voice does. So it is projected to where voices differ most
against one voice in several places, as for a PLDA (Prince and Elder, ICCV 2007), and its traits (`traits.py`) likewise;
the directions are those of very many made voices, `python -m bench.rooms`. A person who was enrolled in several
meetings is compared by the mean of the voiceprints, in which rooms cancel out; where one of them is of the time before
there were traits, by the embeddings alone.

How near a stranger comes depends on the voiceprint: one that had a neighbour in the meeting it was enrolled from has
others, too. The cosine of that neighbour is noted with it (a number, not the neighbour's voice), and a part of it is
taken from all that are compared: normalisation by a cohort, as z-norm does it (Auckenthaler, Carey and Lloyd-Thomas,
Digital Signal Processing 2000), by the most like instead of mean and deviation, for few speak in a meeting.

Letters: n voiceprints, d dimensions, r directions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.diarize.encoder import OLDER, PLAIN, Ge2eEncoder
from audio.diarize.traits import embedding, traits_of, unit

ALIKE = 0.66  # cosine from which a voice is known: the least that named nobody unknown, made or real, in development
USUAL = 0.45  # cosine of the most like other speaker of a meeting: the median of real and of made ones
CROWDED = 0.3  # part of what is above or below that, taken from every cosine with the voiceprint
APART = 0.04  # by which the best known voice must be nearer than the second
SLOPE = 20.0  # of the confidence over the cosine: 0.5 at ALIKE - APART, 0.69 at ALIKE
PLAIN_SHARE = 0.65  # of the embedding in that cosine; from 0.5 to 0.8 much the same
ROOMS = Path(__file__).with_name("rooms.npz")


@dataclass(frozen=True)
class Voiceprint:
    """The voice of a person who agreed that it is kept."""

    person: str
    encoder: str  # only embeddings of the same encoder can be compared
    embedding: NDArray[Any]  # unit vector (d,)
    nearest: float = USUAL  # cosine of the most like other speaker where it was enrolled, `nearest`


@dataclass(frozen=True)
class Identity:
    """A speaker of the meeting is a known person."""

    speaker: str
    person: str
    confidence: float  # 0 to 1


def identify(
    voices: Mapping[str, NDArray[Any]], known: Sequence[Voiceprint], *, encoder: str, alike: float = ALIKE
) -> list[Identity]:
    """Who is recognised for sure; a person is at most one speaker. Prints of other encoders are passed over."""
    usable = [print_ for print_ in known if comparable(print_.encoder, encoder)]
    if not usable or not voices:
        return []
    spelled = {print_.person.casefold(): print_.person for print_ in usable}  # "anna" and "Anna" are no rivals
    labels, people = list(voices), sorted(spelled)
    near = np.zeros((len(labels), len(people)))
    for column, person in enumerate(people):
        own = [print_ for print_ in usable if print_.person.casefold() == person]
        kind = encoder if all(print_.encoder == encoder for print_ in own) else PLAIN
        mean = np.mean([point(print_.embedding, kind) for print_ in own], axis=0)  # (d,)
        heard = np.array([point(voice, kind) for voice in voices.values()])  # (n, d)
        crowd = CROWDED * (max(print_.nearest for print_ in own) - USUAL)
        near[:, column] = heard @ mean / max(float(np.linalg.norm(mean)), 1e-9) - crowd
    found: list[Identity] = []
    for i, j in sorted(np.ndindex(near.shape), key=lambda at: -near[at]):
        rivals = np.delete(near[i], j)
        sure = near[i, j] >= alike and (not len(rivals) or near[i, j] - rivals.max() >= APART)
        if sure and labels[i] not in {f.speaker for f in found} and spelled[people[j]] not in {f.person for f in found}:
            found.append(Identity(labels[i], spelled[people[j]], confidence(float(near[i, j]))))
    return found


def nearest(voice: NDArray[Any], others: Iterable[NDArray[Any]], encoder: str) -> float:
    """Cosine of a voice and the most like of other speakers of its meeting, from 0; USUAL where there are none."""
    own = point(voice, encoder)
    return max((max(0.0, float(own @ point(other, encoder))) for other in others), default=USUAL)


def comparable(kept: str, encoder: str) -> bool:
    """Whether a voiceprint of the encoder `kept` can be compared with voices of `encoder`."""
    return kept == encoder or (kept in OLDER and encoder == Ge2eEncoder.name)


def point(voice: NDArray[Any], encoder: str) -> NDArray[Any]:
    """A unit vector (d,) for comparing, from a voice of this encoder or, where that is PLAIN, one with traits, too."""
    if encoder not in (PLAIN, Ge2eEncoder.name):
        return voice
    known = _rooms()
    plain = unit((embedding(voice) - known["mean"]) @ known["directions"])
    if encoder == PLAIN:
        return plain
    traits = unit((traits_of(voice) - known["traits_mean"]) @ known["traits_directions"])
    return np.concatenate([np.sqrt(PLAIN_SHARE) * plain, np.sqrt(1 - PLAIN_SHARE) * traits])


@cache
def _rooms() -> dict[str, NDArray[Any]]:
    """Of the embedding and of the traits: the mean voice (d,) and the directions (d, r) that outlast another place."""
    with np.load(ROOMS) as file:
        return {name: file[name].astype(float) for name in file if name != "encoder"}


def confidence(cosine: float) -> float:
    """0 to 1, grows with the cosine and is not calibrated: no probability."""
    return round(float(1 / (1 + np.exp(-SLOPE * (cosine - ALIKE + APART)))), 3)
