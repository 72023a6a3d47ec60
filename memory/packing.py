"""Utterances become the numbers of segments, with the way back to their ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from memory.corpora import Heard
from memory.model import Segment
from memory.probes import MARKS, WIDE, Probes
from memory.state import SPEAKERS
from memory.stretch import COLUMNS
from memory.words import (
    LOOKAHEAD,
    LOOKBACK,
    TIMES,
    Floats,
    Ints,
    Sparse,
    Weights,
    features,
    stack,
    times,
    tokens,
    word_buckets,
)


@dataclass(frozen=True)
class Packed:
    """A stretch of n utterances as numbers."""

    ids: tuple[str, ...]  # of the utterances
    words: tuple[Ints, ...]  # word buckets of each
    probes: Floats  # (n, WIDE)
    times: Floats  # (n, TIMES)
    start_s: Floats  # (n,)
    speaker: Ints  # (n,) slot by first appearance; the last slot where there are more speakers than slots
    known: Ints  # (n,) 1 where the speaker is known

    def __len__(self) -> int:
        return len(self.ids)


def slots_of(heard: Sequence[Heard], labels: tuple[str, ...] = ()) -> tuple[tuple[str, ...], Ints]:
    """(all labels by slot, the slot of each utterance): who is new gets the next slot."""
    numbers = {label: i for i, label in enumerate(labels)}
    slots = [numbers.setdefault(u.speaker, len(numbers)) if u.speaker else 0 for u in heard]
    return tuple(numbers), np.minimum(np.array(slots, np.int64).reshape(-1), SPEAKERS - 1)


def logits_of(probes: Floats) -> Floats:
    """Of (n, WIDE), the marks' own columns (n, COLUMNS)."""
    return probes[:, [MARKS[name].start for name in COLUMNS]]


def sparse(heard: Sequence[Heard], texts: Sequence[Sequence[str]], weights: Weights) -> Sparse:
    """Rows of the probes' features for tokenised utterances."""
    rows = []
    for at in range(len(heard)):
        first = max(0, at - LOOKBACK)
        clock = times(heard, at, len(texts[at]))
        rows.append(features(texts[first : at + 1 + LOOKAHEAD], at - first, clock, weights))
    return stack(rows)


def pack(
    heard: Sequence[Heard],
    probes: Probes,
    *,
    texts: Sequence[Sequence[str]] | None = None,
    labels: tuple[str, ...] = (),
) -> tuple[Packed, tuple[str, ...]]:
    """Numbers of the utterances, and the labels of all speaker slots now."""
    said = [tokens(u.text) for u in heard] if texts is None else texts
    rows = sparse(heard, said, probes.weights)
    return packed(heard, said, probes.logits(rows), labels=labels)


def packed(
    heard: Sequence[Heard], said: Sequence[Sequence[str]], logits: Floats, *, labels: tuple[str, ...] = ()
) -> tuple[Packed, tuple[str, ...]]:
    """As `pack`, where the probes' logits (n, WIDE) are known already."""
    labels, speaker = slots_of(heard, labels)
    clocks = [times(heard, i, len(said[i])) for i in range(len(heard))]
    value = Packed(
        ids=tuple(u.id for u in heard),
        words=tuple(np.array(word_buckets(words), np.int64) for words in said),
        probes=logits.astype(np.float32),
        times=np.stack(clocks) if clocks else np.zeros((0, TIMES), np.float32),
        start_s=np.array([u.start_s for u in heard], np.float32),
        speaker=speaker,
        known=np.array([bool(u.speaker) for u in heard], np.int64),
    )
    return value, labels


def segment(stretches: Sequence[tuple[Packed, int] | None], size: int) -> Segment:
    """`size` utterances of each stretch from the given one on, and the LOOKAHEAD after; None is an empty stream."""
    count, span = len(stretches), size + LOOKAHEAD
    probes = np.zeros((count, span, WIDE), np.float32)
    clock = np.zeros((count, span, TIMES), np.float32)
    start_s = np.zeros((count, size), np.float32)
    speaker, known = np.zeros((count, size), np.int64), np.zeros((count, size), bool)
    valid = np.zeros((count, span), bool)
    words: list[Ints] = [_NO_WORDS] * (count * span)
    for row, stretch in enumerate(stretches):
        if stretch is None:
            continue
        said, first = stretch
        n, full = min(size, len(said) - first), min(span, len(said) - first)
        probes[row, :full], clock[row, :full] = said.probes[first : first + full], said.times[first : first + full]
        start_s[row, :n], speaker[row, :n] = said.start_s[first : first + n], said.speaker[first : first + n]
        known[row, :n], valid[row, :full] = said.known[first : first + n] > 0, True
        words[row * span : row * span + full] = said.words[first : first + full]
    lengths = np.array([len(w) for w in words], np.int64)
    return Segment(
        words=torch.from_numpy(np.concatenate(words)),
        offsets=torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)[:-1]])),
        probes=torch.from_numpy(probes),
        times=torch.from_numpy(clock),
        start_s=torch.from_numpy(start_s),
        speaker=torch.from_numpy(speaker),
        valid=torch.from_numpy(valid),
        known=torch.from_numpy(known),
    )


_NO_WORDS = np.zeros(0, np.int64)
