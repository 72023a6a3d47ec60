"""Scores: F1 with thresholds that never saw what they judge, windows, boundaries, roles one a person, intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory.words import Floats, Ints

TOLERANCE = 8  # utterances that a boundary may be off
APART = 12  # utterances that a topic has at least; chosen in five folds of the training meetings (LOG.md)
TRAIL = 3  # log-odds of a boundary are the mean of so many utterances, its own the last
WINDOW_S = 60.0


def sigmoid(logits: Floats) -> Floats:
    """Probabilities."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float32)


def f1(counts: NDArray[Any]) -> float:
    """F1 of (true positive, false positive, false negative), the last axis."""
    tp, fp, fn = (float(c) for c in counts)
    return 2 * tp / max(2 * tp + fp + fn, 1e-9)


def best_threshold(scores: Floats, wanted: Ints) -> float:
    """The score from which F1 is largest."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(wanted[order])
    curve = 2 * hits / (np.arange(1, len(order) + 1) + wanted.sum())
    best = int(np.argmax(curve))
    after = scores[order[min(best + 1, len(order) - 1)]]
    return float(scores[order[best]] + after) / 2


def steady_threshold(chances: Floats, _: Ints) -> float:
    """The probability from which F1 would be largest, were the probabilities true (Lipton et al. 2014, 3).

    It asks for no labels: where positives are few, the best threshold of one part of the meetings is chance.
    """
    order = np.sort(chances)[::-1].astype(np.float64)
    curve = 2 * order.cumsum() / (np.arange(1, len(order) + 1) + order.sum())
    return float(order[int(np.argmax(curve))])


def average_precision(scores: Floats, wanted: Ints) -> float:
    """Area under precision over recall, as steps."""
    order = np.argsort(-scores, kind="stable")
    hits = wanted[order]
    precision = np.cumsum(hits) / np.arange(1, len(order) + 1)
    return float((precision * hits).sum() / max(hits.sum(), 1))


def ranked(scores: Floats, wanted: Ints) -> float:
    """Chance that a positive scores above a negative: the area under the ROC curve (Hanley and McNeil 1982)."""
    place = np.searchsorted(np.sort(scores), scores, "left") + np.searchsorted(np.sort(scores), scores, "right")
    positives = int(wanted.sum())
    beaten = (place[wanted == 1] / 2).sum() - positives**2 / 2
    return float(beaten / max(positives * (len(wanted) - positives), 1))


def confusion(scores: Floats, wanted: Ints, threshold: float) -> Floats:
    """(true positive, false positive, false negative)."""
    said = scores >= threshold
    return np.array(
        [(said & (wanted == 1)).sum(), (said & (wanted == 0)).sum(), (~said & (wanted == 1)).sum()], np.float32
    )


def minutes_of(start_s: Floats) -> Ints:
    """Which minute each began in (n,)."""
    return (start_s // WINDOW_S).astype(np.int64)


def windows(scores: Floats, wanted: Ints, start_s: Floats) -> tuple[Floats, Ints]:
    """The largest score and label of every WINDOW_S seconds in which something was said."""
    numbers = minutes_of(start_s)
    kinds = np.unique(numbers)
    return (
        np.array([scores[numbers == k].max() for k in kinds], np.float32),
        np.array([wanted[numbers == k].max() for k in kinds]),
    )


def trailed(logits: Floats) -> Floats:
    """Mean of each (n,) and the TRAIL - 1 before it, fewer at the beginning: nothing later is asked."""
    return np.array([logits[max(0, i + 1 - TRAIL) : i + 1].mean() for i in range(len(logits))], np.float32)


def peaks(scores: Floats, threshold: float, *, apart: int = APART) -> Ints:
    """Utterances whose score reaches the threshold; each mutes the `apart` after it, as the first of all does."""
    found = [0]
    for i in np.flatnonzero(scores >= threshold):
        if i - found[-1] > apart:
            found.append(int(i))
    return np.array(found[1:], np.int64)


def boundary_counts(found: Ints, wanted: Ints) -> Floats:
    """(tp, fp, fn) where each true boundary is met by one found within TOLERANCE utterances."""
    left = list(found)
    met = 0
    for true in wanted:
        near = min(left, key=lambda f: abs(f - true), default=None)
        if near is not None and abs(near - true) <= TOLERANCE:
            left.remove(near)
            met += 1
    return np.array([met, len(found) - met, len(wanted) - met], np.float32)


def pk_and_window_diff(found: Ints, wanted: Ints, size: int) -> tuple[float, float]:
    """Pk (Beeferman et al. 1999) and WindowDiff (Pevzner and Hearst 2002), k = half the mean true length."""
    k = max(2, round(size / (len(wanted) + 1) / 2))
    flags = np.zeros((2, size + 1))
    flags[0, found], flags[1, wanted] = 1, 1
    sums = flags.cumsum(1)
    inside = sums[:, k:size] - sums[:, : size - k]  # boundaries within every window of k
    pk = float(((inside[0] > 0) != (inside[1] > 0)).mean())
    return pk, float((inside[0] != inside[1]).mean())


def one_each(roles: Floats, speaker: Ints) -> Ints:
    """Role of every utterance's speaker when no two share one: roles (n, 4) log-probabilities as they stand then."""
    latest: dict[int, Floats] = {}
    out = np.zeros(len(roles), np.int64)
    for i, (row, who) in enumerate(zip(roles, speaker, strict=True)):
        latest[int(who)] = row
        people = list(latest)[: roles.shape[1]]
        if int(who) not in people:
            out[i] = int(row.argmax())
            continue
        best = max(
            permutations(range(roles.shape[1]), len(people)),
            key=lambda p: sum(latest[s][r] for s, r in zip(people, p, strict=True)),
        )
        out[i] = best[people.index(int(who))]
    return out


def interval(per_meeting: NDArray[Any], score: Callable[[Any], float], *, draws: int = 2000) -> tuple[float, float]:
    """95 % of the bootstrap over meetings; per_meeting (m, c) counts whose sum `score` takes."""
    rng = np.random.default_rng(0)
    picks = rng.integers(len(per_meeting), size=(draws, len(per_meeting)))
    scores = [score(per_meeting[p].sum(0)) for p in picks]
    low, high = np.quantile(scores, [0.025, 0.975])
    return float(low), float(high)


def cross_fit(names: Sequence[str]) -> list[tuple[Ints, Ints]]:
    """(all meetings of other groups, meetings of one group) for each group named: thresholds never see their own."""
    groups = np.array(names)
    return [(np.flatnonzero(groups != g), np.flatnonzero(groups == g)) for g in sorted(set(names))]
