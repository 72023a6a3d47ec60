"""How many voices there are and which stretches are whose: Bayesian agglomeration, and a path through the voices.

Model: a voice is a point m ~ N(0, b I); each 1.6 s of it is heard as x ~ N(m, w I). Two groups of stretches are one
voice where the evidence of their union exceeds that of both apart, so the number of voices needs no threshold of its
own and grows surer with more speech. The dimension of the space scales all evidence alike and drops out.
Compare Brümmer and de Villiers, "The speaker partitioning problem" (Odyssey 2010).

Letters: n groups, d dimensions, k voices, t windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.diarize.windows import Heard, Stretch
from audio.speech import SAMPLE_RATE

WITHIN = 0.183  # w, summed over dimensions: half the squared distance of two 1.6 s windows of one voice
BETWEEN = 2.5 * WITHIN  # b, likewise; results change little from 1.7 to 2.5
UNIT_S = 1.45  # seconds that count as one independent observation; set on made meetings, as are the two below
OTHER_SOURCE = 1.5  # evidence against one voice on two source tracks, as a microphone a person suggests
SWITCH = 0.164  # cosine that a change of the voice costs on the path; half of it over a pause, nothing over a long one
LONG_PAUSE = SAMPLE_RATE
Matrix = NDArray[Any]


@dataclass(frozen=True)
class Groups:
    """Groups of stretches by what the model needs of them."""

    sums: Matrix  # (n, d): observations summed
    counts: Matrix  # (n,): how many
    sources: tuple[frozenset[str], ...]  # the tracks they were heard on

    @classmethod
    def of(cls, stretches: Sequence[Stretch]) -> Groups:
        """Each stretch by itself."""
        counts = np.array([max(0.4, stretch.length / SAMPLE_RATE / UNIT_S) for stretch in stretches])
        means = np.array([stretch.mean for stretch in stretches], float)
        return cls(means * counts[:, None], counts, tuple(frozenset({s.source}) for s in stretches))

    def some(self, chosen: Sequence[int]) -> Groups:
        """Only these."""
        return Groups(self.sums[chosen], self.counts[chosen], tuple(self.sources[i] for i in chosen))

    def summed(self, parts: Sequence[Sequence[int]]) -> Groups:
        """Each part as one group."""
        return Groups(
            np.array([self.sums[part].sum(axis=0) for part in parts]),
            np.array([self.counts[part].sum() for part in parts]),
            tuple(frozenset().union(*(self.sources[i] for i in part)) for part in parts),
        )


def evidence(counts: Matrix, squares: Matrix) -> Matrix:
    """Of groups with so many observations and such squared sums, up to what cancels in differences."""
    ratio = BETWEEN / WITHIN
    found: Matrix = -np.log1p(counts * ratio) + ratio / (1 + counts * ratio) * squares / WITHIN
    return found


def gains(groups: Groups, *, one: int) -> Matrix:
    """(n,): what evidence gains where each group is one voice with group `one`; -inf for itself."""
    squares = np.einsum("nd,nd->n", groups.sums, groups.sums)
    together = squares + squares[one] + 2 * groups.sums @ groups.sums[one]
    own = evidence(groups.counts, squares)
    gain = evidence(groups.counts + groups.counts[one], together) - own - own[one]
    here = groups.sources[one]
    apart = np.array([not (here & there) for there in groups.sources])
    final: Matrix = gain - OTHER_SOURCE * apart
    final[one] = -np.inf
    return final


def agglomerate(groups: Groups, *, least: int = 1, most: int | None = None) -> list[list[int]]:
    """Groups of one voice, as indices: joined while evidence gains, but to no fewer than `least`, at most `most`."""
    n = len(groups.counts)
    sums, counts, sources = groups.sums.copy(), groups.counts.copy(), list(groups.sources)
    members = [[i] for i in range(n)]
    gain = np.array([gains(groups, one=i) for i in range(n)]).reshape(n, n)
    left = n
    while left > max(1, least):
        i, j = divmod(int(gain.argmax()), n)
        if gain[i, j] <= 0 and (most is None or left <= most):
            break
        sums[i], counts[i], sources[i] = sums[i] + sums[j], counts[i] + counts[j], sources[i] | sources[j]
        members[i] += members[j]
        members[j] = []
        gain[j], gain[:, j] = -np.inf, -np.inf
        row = gains(Groups(sums, counts, tuple(sources)), one=i)
        row[[k for k in range(n) if not members[k]]] = -np.inf
        gain[i], gain[:, i] = row, row
        left -= 1
    return [group for group in members if group]


def centroids(embeddings: Matrix, labels: Matrix, before: Matrix) -> Matrix:
    """(k, d) of unit length: the mean of each voice's windows, or what it was `before` where it has none."""
    means = np.array([embeddings[labels == k].mean(axis=0) if (labels == k).any() else c for k, c in enumerate(before)])
    unit: Matrix = means / np.linalg.norm(means, axis=1, keepdims=True)
    return unit


def path(heard: Sequence[Heard], voices: Matrix) -> NDArray[np.int64]:
    """(t,): the voice of every window, by the likeliest path through all segments of a source (Viterbi)."""
    windows = [(segment, i) for segment in heard for i in range(len(segment.starts))]
    if not windows:
        return np.zeros(0, np.int64)
    near = np.concatenate([segment.embeddings for segment in heard]) @ voices.T  # (t, k)
    best, origins = near[0].copy(), np.zeros(near.shape, np.int64)
    for t in range(1, len(windows)):
        cost = _cost(*windows[t - 1], *windows[t])
        top = int(best.argmax())
        origins[t] = np.where(best >= best[top] - cost, np.arange(len(voices)), top)
        best = np.maximum(best, best[top] - cost) + near[t]
    labels = np.zeros(len(windows), np.int64)
    labels[-1] = int(best.argmax())
    for t in range(len(windows) - 1, 0, -1):
        labels[t - 1] = origins[t, labels[t]]
    return labels


def _cost(before: Heard, i: int, after: Heard, j: int) -> float:
    if before is after and before.runs[i] == after.runs[j]:
        return SWITCH
    return SWITCH / 2 if after.starts[j] - before.stops[i] < LONG_PAUSE else 0.0
