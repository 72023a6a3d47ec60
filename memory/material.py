"""Meetings ready for training and measuring: several readings of each, with probes that never saw its series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from memory.corpora import Annotated, folds
from memory.packing import Packed, packed, sparse
from memory.probes import GROUPS, MARKS, Fit, Probes, fit, join, mark_targets, targets, with_marks
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
class Counted:
    """Sparse rows of one meeting in every reading."""

    meeting: Annotated
    said: tuple[list[list[str]], ...]
    rows: tuple[Sparse, ...]
    mixed: Sparse  # half of the utterances without punctuation: what the probes are trained on
    labels: dict[str, Ints]


def weights_of(meetings: Sequence[Annotated]) -> Weights:
    """N-gram weights of these meetings' texts; labels play no part."""
    return Weights.of([tokens(u.text) for m in meetings for u in m.heard])


def count(meetings: Sequence[Annotated], weights: Weights) -> list[Counted]:
    """Tokenise and count all readings; a second for every two meetings."""
    vocabulary = vocabulary_of(meetings)
    return [_count(m, weights, vocabulary) for m in meetings]


def vocabulary_of(meetings: Sequence[Annotated]) -> list[str]:
    """What a word may be taken for: the words of some of the meetings."""
    return sorted({w for m in meetings[:20] for u in m.heard for w in tokens(u.text)})


def disguised(
    meeting: Annotated, rng: np.random.Generator, vocabulary: Sequence[str]
) -> tuple[list[list[str]], list[list[str]], list[list[str]]]:
    """A meeting's words in each of READINGS."""
    clean = [tokens(u.text) for u in meeting.heard]
    bare = [stripped(words) for words in clean]
    return clean, bare, [noisy(words, rng, rate=WORD_ERRORS, vocabulary=vocabulary) for words in bare]


def seed_of(meeting: Annotated) -> np.random.Generator:
    """The same disguise for a meeting every time."""
    return np.random.default_rng([ord(c) for c in meeting.name])


def _count(meeting: Annotated, weights: Weights, vocabulary: list[str]) -> Counted:
    rng = seed_of(meeting)
    said = disguised(meeting, rng, vocabulary)
    clean, bare, _ = said
    mixed = [a if coin else b for a, b, coin in zip(clean, bare, rng.random(len(clean)) < 0.5, strict=True)]
    rows = tuple(sparse(meeting.heard, words, weights) for words in said)
    return Counted(meeting, said, rows, sparse(meeting.heard, mixed, weights), targets(meeting))


def probes_for(counted: Sequence[Counted], weights: Weights, options: Fit | None = None) -> Probes:
    """Probes trained on these meetings."""
    labels = {task: np.concatenate([c.labels[task] for c in counted]) for task in GROUPS}
    return marked(fit(join([c.mixed for c in counted]), labels, weights, options or Fit()), counted)


def marked(probes: Probes, counted: Sequence[Counted], *, adapted: bool = False) -> Probes:
    """The same with the marks fitted, or those there are adapted, to these meetings."""
    labels = [mark_targets(c.meeting) for c in counted]
    return with_marks(
        probes,
        join([c.mixed for c in counted]),
        {name: np.concatenate([each[name] for each in labels]) for name in MARKS},
        adapted=adapted,
    )


def prepare(
    counted: Sequence[Counted], held: Sequence[Counted], weights: Weights, *, say: Say = lambda _: None
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


def read(counted: Counted, probes: Probes) -> Readable:
    """Every reading of a meeting as these probes see it."""

    def reading(said: list[list[str]], rows: Sparse) -> Packed:
        logits: Floats = probes.logits(rows)
        return packed(counted.meeting.heard, said, logits)[0]

    readings = tuple(reading(s, r) for s, r in zip(counted.said, counted.rows, strict=True))
    return Readable(counted.meeting, readings, counted.labels)
