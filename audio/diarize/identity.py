"""Voices known from before: which speaker of a meeting is whom, or that none of them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIKE = 0.84  # cosine from which a voice is taken for a known one; a first guess, not measured yet
APART = 0.04  # by which the best known voice must be nearer than the second
SLOPE = 40.0  # of the confidence over the cosine: 0.5 at ALIKE - APART, 0.83 at ALIKE


@dataclass(frozen=True)
class Voiceprint:
    """The voice of a person who agreed that it is kept."""

    person: str
    encoder: str  # only embeddings of the same encoder can be compared
    embedding: NDArray[Any]  # unit vector (d,)


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
    usable = [print_ for print_ in known if print_.encoder == encoder]
    if not usable or not voices:
        return []
    labels, people = list(voices), sorted({print_.person for print_ in usable})
    near = np.full((len(labels), len(people)), -1.0)
    for print_ in usable:
        column = people.index(print_.person)
        own = np.array([float(voices[label] @ print_.embedding) for label in labels])
        near[:, column] = np.maximum(near[:, column], own)
    found: list[Identity] = []
    for i, j in sorted(np.ndindex(near.shape), key=lambda at: -near[at]):
        rivals = np.delete(near[i], j)
        sure = near[i, j] >= alike and (not len(rivals) or near[i, j] - rivals.max() >= APART)
        if sure and labels[i] not in {f.speaker for f in found} and people[j] not in {f.person for f in found}:
            found.append(Identity(labels[i], people[j], confidence(float(near[i, j]))))
    return found


def confidence(cosine: float) -> float:
    """0 to 1, grows with the cosine and is not calibrated: no probability."""
    return round(float(1 / (1 + np.exp(-SLOPE * (cosine - ALIKE + APART)))), 3)
