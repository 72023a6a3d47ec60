"""Which groups of stretches are somebody: those that explain what is heard in them better than two others together do.

A window in which two people speak is embedded between their voices, and where the same two often meet such windows make
a group of their own. So each group, the longest first, stands against all points between two of those found before: its
windows are somebody's if they lie nearer to the group's mean than to such points by enough evidence. The mean is taken
without the windows that share sound with the one it is held against, for else a group of scraps would explain itself.

Letters: n groups, m windows of a group, d dimensions, p points between two voices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from audio.diarize.clusters import UNIT_S, WITHIN, Groups, Matrix
from audio.diarize.encoder import HOP
from audio.diarize.windows import STEP, Heard, Stretch
from audio.speech import SAMPLE_RATE

# Both set on made meetings of the tuning voices and of those that rooms were learnt from
SHORTEST_SHARE, SHORTEST_S = 0.02, (3.0, 5.0)  # of the speech, within these bounds: less is noise or a scrap
SURE = 1.0  # evidence from which a group is somebody; 0.75 finds too many, 1.5 too few where voices are like
SHARED = 0.3 * SAMPLE_RATE  # samples that two windows may have in common and still count as apart
ALONE = 0.7  # of a group's mean, where all its windows share sound: what is left of it in other stretches of a voice
STEPS = np.linspace(0, 1, 9)  # from one voice to another
BESIDE = 8  # voices, the nearest, between which points are taken
MOST = 400  # windows of a group that are looked at


@dataclass(frozen=True)
class Windows:
    """Those of one group, by their start."""

    starts: Matrix  # (m,) samples, those of a further source after all of the one before
    stops: Matrix  # (m,)
    embeddings: Matrix  # (m, d)


def somebody(groups: Groups, windows: Sequence[Windows]) -> list[int]:
    """The groups that are somebody, the longest first; that one always is."""
    means = groups.sums / groups.counts[:, None]
    shortest_s, longest_s = SHORTEST_S
    wanted = min(longest_s, max(shortest_s, SHORTEST_SHARE * UNIT_S * float(groups.counts.sum()))) / UNIT_S
    kept: list[int] = []
    for k in (int(k) for k in np.argsort(-groups.counts, kind="stable")):
        if not kept or (groups.counts[k] >= wanted and _gain(windows[k], means[k], means[kept]) >= SURE):
            kept.append(k)
    return kept


def _gain(own: Windows, mean: Matrix, others: Matrix) -> float:
    """Evidence for a voice of its own, against the `others` (n, d) and what lies between two of them."""
    if not len(own.starts):
        return 0.0
    nearest = others[np.argsort(((others - mean) ** 2).sum(axis=1), kind="stable")[:BESIDE]]
    between = [STEPS[:, None] * a + (1 - STEPS)[:, None] * b for a, b in combinations(nearest, 2)]
    points = np.concatenate(between) if between else nearest  # (p, d)
    chosen = np.linspace(0, len(own.starts) - 1, min(MOST, len(own.starts))).astype(int)
    heard = own.embeddings[chosen]
    far = (heard**2).sum(axis=1)[:, None] - 2 * heard @ points.T + (points**2).sum(axis=1)  # (m, p)
    near = ((heard - _others_mean(own, chosen, ALONE * mean)) ** 2).sum(axis=1)
    observations = len(own.starts) * STEP * HOP / SAMPLE_RATE / UNIT_S
    return float((far.min(axis=1) - near).mean() * observations / WITHIN)


def _others_mean(own: Windows, chosen: Matrix, otherwise: Matrix) -> Matrix:
    """(m, d): for each of the `chosen` windows the mean of those of the group that share no sound with it."""
    first = np.searchsorted(own.stops, own.starts[chosen] + SHARED, side="left")
    last = np.searchsorted(own.starts, own.stops[chosen] - SHARED, side="right")
    total = np.concatenate([np.zeros((1, own.embeddings.shape[1])), np.cumsum(own.embeddings, axis=0)])
    left = len(own.starts) - np.maximum(0, last - first)
    mean = (total[-1] - total[last] + total[first]) / np.maximum(left, 1)[:, None]
    found: Matrix = np.where(left[:, None] >= 2, mean, otherwise)
    return found


def windows_of(heard: Sequence[Heard], parts: Sequence[Sequence[Stretch]]) -> list[Windows]:
    """The windows that lie in the stretches of each group."""
    order = sorted(heard, key=lambda one: (one.source, one.start))
    sources = {source: n for n, source in enumerate(dict.fromkeys(one.source for one in order))}
    apart = 1 + max((int(one.stops[-1]) for one in order if len(one.stops)), default=0)  # from source to source
    starts = np.concatenate([one.starts + sources[one.source] * apart for one in order])
    stops = np.concatenate([one.stops + sources[one.source] * apart for one in order])
    embeddings = np.concatenate([one.embeddings for one in order]).astype(float)
    slack, found = STEP * HOP // 2, list[Windows]()
    for part in parts:
        spans = sorted((s.start + sources[s.source] * apart, s.stop + sources[s.source] * apart) for s in part)
        inside = [
            np.arange(np.searchsorted(starts, a - slack), np.searchsorted(stops, b + slack, side="right"))
            for a, b in spans
        ]
        own = np.unique(np.concatenate(inside)) if inside else np.zeros(0, int)
        found.append(Windows(starts[own], stops[own], embeddings[own]))
    return found
