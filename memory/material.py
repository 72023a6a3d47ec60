"""Meetings ready for training and measuring: several readings of each, with probes that never saw its series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from memory.corpora import Annotated, folds
from memory.packing import Packed, packed, sparse
from memory.probes import GROUPS, Fit, Probes, fit, join, targets
from memory.words import Floats, Ints, Sparse, Weights, noisy, stripped, tokens

READINGS = ("clean", "stripped", "noisy")  # as written; without punctuation; without it and 12 % of words wrong
WORD_ERRORS = 0.12
INNER = 5  # folds for the probes of the training meetings
Say = Callable[[str], None]


@dataclass(frozen=True)
class Readable:
    """A meeting as the model sees it, once for each of READINGS, and what is to be predicted."""

    meeting: Annotated
    readings: tuple[Packed, ...]
    labels: dict[str, Ints]


@dataclass(frozen=True)
class _Counted:
    """Sparse rows of one meeting in every reading."""

    meeting: Annotated
    said: tuple[list[list[str]], ...]
    rows: tuple[Sparse, ...]
    mixed: Sparse  # half of the utterances without punctuation: what the probes are trained on
    labels: dict[str, Ints]


def weights_of(meetings: Sequence[Annotated]) -> Weights:
    """N-gram weights of these meetings' texts; labels play no part."""
    return Weights.of([tokens(u.text) for m in meetings for u in m.heard])


def count(meetings: Sequence[Annotated], weights: Weights) -> list[_Counted]:
    """Tokenise and count all readings; a second for every two meetings."""
    vocabulary = sorted({w for m in meetings[:20] for u in m.heard for w in tokens(u.text)})
    return [_count(m, weights, vocabulary) for m in meetings]


def _count(meeting: Annotated, weights: Weights, vocabulary: list[str]) -> _Counted:
    rng = np.random.default_rng([ord(c) for c in meeting.name])
    clean = [tokens(u.text) for u in meeting.heard]
    bare = [stripped(words) for words in clean]
    wrong = [noisy(words, rng, rate=WORD_ERRORS, vocabulary=vocabulary) for words in bare]
    mixed = [a if coin else b for a, b, coin in zip(clean, bare, rng.random(len(clean)) < 0.5, strict=True)]
    said = (clean, bare, wrong)
    rows = tuple(sparse(meeting.heard, words, weights) for words in said)
    return _Counted(meeting, said, rows, sparse(meeting.heard, mixed, weights), targets(meeting))


def probes_for(counted: Sequence[_Counted], weights: Weights, options: Fit | None = None) -> Probes:
    """Probes trained on these meetings."""
    labels = {task: np.concatenate([c.labels[task] for c in counted]) for task in GROUPS}
    return fit(join([c.mixed for c in counted]), labels, weights, options or Fit())


def prepare(
    counted: Sequence[_Counted], held: Sequence[_Counted], weights: Weights, *, say: Say = lambda _: None
) -> tuple[Probes, list[Readable], list[Readable]]:
    """(probes of all of `counted`, `counted` read by probes of other series, `held` read by the probes of all)."""
    by_name = {c.meeting.name: c for c in counted}
    ready: dict[str, Readable] = {}
    for number, (rest, out) in enumerate(folds([c.meeting for c in counted], INNER), 1):
        inner = probes_for([by_name[m.name] for m in rest], weights)
        ready.update({m.name: read(by_name[m.name], inner) for m in out})
        say(f"probes {number} of {INNER + 1}")
    probes = probes_for(counted, weights)
    return probes, [ready[c.meeting.name] for c in counted], [read(c, probes) for c in held]


def read(counted: _Counted, probes: Probes) -> Readable:
    """Every reading of a meeting as these probes see it."""

    def reading(said: list[list[str]], rows: Sparse) -> Packed:
        logits: Floats = probes.logits(rows)
        return packed(counted.meeting.heard, said, logits)[0]

    readings = tuple(reading(s, r) for s, r in zip(counted.said, counted.rows, strict=True))
    return Readable(counted.meeting, readings, counted.labels)
