"""Text as numbers without a learned part: words, hashed n-grams with TF-IDF weights, times, noise.

Letters of shapes: n utterances, f features of one utterance.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from memory.corpora import Heard

OWN_BUCKETS = 2**16  # hashed words and word pairs of the utterance itself
NEAR_BUCKETS = 2**13  # hashed words of the utterances before it, and as many for those after it
WORD_BUCKETS = 2**13  # hashed words for the learned embedding
TIME_BUCKETS = 64
LOOKAHEAD = 3  # utterances that a decision may wait for
LOOKBACK = 3  # utterances before it whose words the probes see
WIDTH = OWN_BUCKETS + 2 * NEAR_BUCKETS + TIME_BUCKETS
_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+|[.,?!]")
_MARKS = frozenset(".,?!")
_NEAR_WEIGHT = 0.6  # length of the vector of the neighbours' words, where that of the own words is 1
_TIME_WEIGHT = 0.4
TIMES = 11  # numbers of `times`

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def tokens(text: str) -> list[str]:
    """Words and the four marks, in lower case: case never counts, so its loss costs nothing."""
    return _TOKEN.findall(text.lower().replace("’", "'"))


def stripped(words: Sequence[str]) -> list[str]:
    """Without punctuation, as some recognisers write."""
    return [word for word in words if word not in _MARKS]


def noisy(words: Sequence[str], rng: np.random.Generator, *, rate: float, vocabulary: Sequence[str]) -> list[str]:
    """As a recogniser mishears: `rate` of the words lost or replaced, half each."""
    kept = []
    for word, chance in zip(words, rng.random(len(words)), strict=True):
        if chance >= rate:
            kept.append(word)
        elif chance < rate / 2:
            kept.append(vocabulary[int(rng.integers(len(vocabulary)))])
    return kept


@dataclass(frozen=True)
class Sparse:
    """Sparse rows as `embedding_bag` takes them."""

    ids: Ints  # all rows' features, one after another
    weights: Floats  # as long
    offsets: Ints  # (n,) where each row begins

    def __len__(self) -> int:
        return len(self.offsets)


def stack(rows: Sequence[tuple[list[int], list[float]]]) -> Sparse:
    """Rows of (features, weights) as one value."""
    counts = [len(ids) for ids, _ in rows]
    offsets = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64) if rows else np.zeros(0, np.int64)
    flat = [i for ids, _ in rows for i in ids]
    weights = [w for _, row in rows for w in row]
    return Sparse(np.array(flat, np.int64), np.array(weights, np.float32), offsets)


def bucket(word: str, size: int) -> int:
    """A word as a number below `size`, the same everywhere."""
    return crc32(word.encode()) % size


def word_buckets(words: Sequence[str]) -> list[int]:
    """Feature of each word for the learned embedding."""
    return [bucket(word, WORD_BUCKETS) for word in words]


def own_buckets(words: Sequence[str]) -> list[int]:
    """Words and pairs of neighbours, begin and end included."""
    framed = ["<", *words, ">"]
    pairs = [f"{a} {b}" for a, b in pairwise(framed)]
    return [bucket(gram, OWN_BUCKETS) for gram in (*words, *pairs)]


@dataclass(frozen=True)
class Weights:
    """How telling each own and near feature is: log(n / utterances that have it), 0 where it is too rare."""

    own: Floats  # (OWN_BUCKETS,)
    near: Floats  # (NEAR_BUCKETS,)

    @staticmethod
    def of(texts: Sequence[Sequence[str]], *, rare: int = 3) -> Weights:
        """Counted over tokenised utterances."""
        own, near = np.zeros(OWN_BUCKETS, np.int64), np.zeros(NEAR_BUCKETS, np.int64)
        for words in texts:
            own[list(set(own_buckets(words)))] += 1
            near[list({bucket(word, NEAR_BUCKETS) for word in words})] += 1
        return Weights(_idf(own, len(texts), rare), _idf(near, len(texts), 2 * rare))


def _idf(counts: Ints, total: int, rare: int) -> Floats:
    return np.where(counts >= rare, np.log(max(total, 1) / np.maximum(counts, 1)), 0.0).astype(np.float32)


def features(
    window: Sequence[Sequence[str]], at: int, clock: Floats, weights: Weights
) -> tuple[list[int], list[float]]:
    """Sparse features of utterance `at` of a few tokenised neighbours; `clock` is its row of `times`."""
    ids, values = _block(own_buckets(window[at]), weights.own, 0, 1.0)
    before = [bucket(w, NEAR_BUCKETS) for words in window[max(0, at - LOOKBACK) : at] for w in words]
    after = [bucket(w, NEAR_BUCKETS) for words in window[at + 1 : at + 1 + LOOKAHEAD] for w in words]
    for start, bag in ((OWN_BUCKETS, before), (OWN_BUCKETS + NEAR_BUCKETS, after)):
        more, theirs = _block(bag, weights.near, start, _NEAR_WEIGHT)
        ids += more
        values += theirs
    clocks = _clock_buckets(clock)
    return ids + clocks, values + [_TIME_WEIGHT] * len(clocks)


def _block(buckets: list[int], weights: Floats, start: int, norm: float) -> tuple[list[int], list[float]]:
    counts: dict[int, int] = {}
    for bucket in buckets:
        counts[bucket] = counts.get(bucket, 0) + 1
    values = {b: (1 + math.log(c)) * float(weights[b]) for b, c in counts.items() if weights[b]}
    length = math.sqrt(sum(v * v for v in values.values())) or 1.0
    return [start + b for b in values], [norm * v / length for v in values.values()]


def _clock_buckets(clock: Floats) -> list[int]:
    """Numbers of `times` in steps: eight each of gap, duration, words, elapsed, next gap; then three flags."""
    start = OWN_BUCKETS + 2 * NEAR_BUCKETS
    stepped = [int(min(max(float(clock[k] * 2 + 1), 0.0), 7.0)) + 8 * k for k in range(5)]
    return [start + b for b in (*stepped, *(40 + k for k in range(5, 8) if clock[k] > 0.5))]


def times(heard: Sequence[Heard], at: int, words: int) -> Floats:
    """Numbers of the clock, (TIMES,): of the past and up to LOOKAHEAD utterances after, never of the meeting's end.

    log gap before, log duration, log words, log minutes since the start, log gap after, same speaker as before,
    same speaker after, overlap with the one before, sine and cosine of the elapsed time, log minutes since last heard.
    """
    now = heard[at]
    before = heard[at - 1] if at else None
    after = heard[at + 1] if at + 1 < len(heard) else None
    elapsed_min = now.start_s / 60
    return np.array(
        [
            math.log1p(max(0.0, now.start_s - before.end_s)) if before else 0.0,
            math.log1p(max(0.0, now.end_s - now.start_s)),
            math.log1p(words),
            math.log1p(elapsed_min),
            math.log1p(max(0.0, after.start_s - now.end_s)) if after else 0.0,
            bool(before and before.speaker == now.speaker),
            bool(after and after.speaker == now.speaker),
            bool(before and before.end_s > now.start_s),
            math.sin(elapsed_min / 10),
            math.cos(elapsed_min / 10),
            1.0 if before is None else 0.0,
        ],
        np.float32,
    )
