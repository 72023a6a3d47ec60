"""Who has which role, by all that a person said so far: a linear model of whole people instead of single utterances.

What a person said is a bag of words and pairs of neighbours, hashed and counted; its logarithms, weighted by how
telling they are, as a vector of length one, go into a logistic regression for each role. It is taught people at many
moments of a meeting. No two people of a meeting have one role: `joint` weighs all ways to give them out.

Letters of shapes: n utterances, k people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations

import numpy as np
import torch
from numpy.typing import NDArray

from memory.corpora import MISSING, ROLES, Annotated
from memory.exact import curve, descended
from memory.packing import slots_of
from memory.state import BAG, SPEAKERS
from memory.words import Floats, Ints, Sparse, bucket, tokens

Counts = NDArray[np.uint8]
ROLE_SHARE = 0.5  # of the network in a role, the rest is this model's; set beforehand, not searched
_MOST = 255  # a count stays there
_LOG = np.log1p(np.arange(_MOST + 1, dtype=np.float32))
_GROWTH = 1.25  # from one moment of a person that is taught to the next: so many times the utterances
_RARE = 4  # people who have a word; below, it tells nothing
_DECAY = 0.1  # L2 of the weights against the sum of the losses; 0.1 to 1 are alike in five folds (LOG.md)


@dataclass(frozen=True)
class Roles:
    """Weights (BAG, 4), biases (4,), and how telling each bucket is (BAG,)."""

    weights: Floats
    bias: Floats
    telling: Floats

    def logits(self, counts: Counts) -> Floats:
        """Log-probabilities (4,) of a person's roles by what they said (BAG,)."""
        said = _LOG[counts] * self.telling
        odds = said @ self.weights / max(float(np.sqrt(said @ said)), 1e-6) + self.bias
        return np.asarray(odds - np.logaddexp.reduce(odds), np.float32)

    def heard(self, said: Sequence[Sequence[str]], speaker: Ints) -> Floats:
        """(n, 4) of each utterance's speaker, by all of theirs up to it; `said` are the words."""
        bags = np.zeros((SPEAKERS, BAG), np.uint8)
        out = np.zeros((len(said), len(ROLES)), np.float32)
        for at, (words, who) in enumerate(zip(said, speaker.tolist(), strict=True)):
            bags[who] = with_more(bags[who], words)
            out[at] = self.logits(bags[who])
        return out


def with_more(counts: Counts, words: Sequence[str]) -> Counts:
    """A person's bag (BAG,) after one more utterance."""
    grams = (*words, *(f"{a} {b}" for a, b in pairwise(["<", *words, ">"])))
    more = np.bincount([bucket(gram, BAG) for gram in grams], minlength=BAG)
    return np.asarray(np.minimum(counts + more, _MOST), np.uint8)


def joint(chances: Floats) -> Floats:
    """(k, 4) probabilities of everybody's role, from those of each alone, where no two of the first four share one."""
    some = np.asarray(chances[: len(ROLES)], np.float64) + 1e-9
    ways = np.array(list(permutations(range(len(ROLES)), len(some))), np.int64)  # (w, k)
    weight = some[np.arange(len(some)), ways].prod(1)
    shared = np.zeros(some.shape)
    for person, column in enumerate(ways.T):
        shared[person] = np.bincount(column, weight, len(ROLES)) / weight.sum()
    return np.concatenate([shared, chances[len(ROLES) :]]).astype(np.float32)


def taught(meetings: Sequence[Annotated]) -> Roles | None:
    """`fit` to annotated meetings."""
    return fit([([tokens(u.text) for u in m.heard], slots_of(m.heard)[1], m.role) for m in meetings])


def fit(meetings: Sequence[tuple[Sequence[Sequence[str]], Ints, Ints]]) -> Roles | None:
    """Taught by meetings: the words of each utterance, the slot of its speaker, their role. None without roles."""
    moments = [moment for meeting in meetings for moment in _moments(*meeting)]
    if not moments:
        return None
    bags, last = np.stack([m[0] for m in moments]), np.array([m[2] for m in moments])
    wanted = np.eye(len(ROLES), dtype=np.float32)[[m[1] for m in moments]]
    people = (bags[last] > 0).sum(0)
    telling = np.sqrt(np.log(last.sum() / np.maximum(people, 1)).clip(0.1)) * (people >= _RARE)
    rows = _sparse(bags, telling.astype(np.float32))
    start = torch.zeros(BAG + 1, len(ROLES))
    positive = torch.from_numpy(wanted)
    decay = torch.full((len(ROLES),), _DECAY)
    found = descended(curve(rows, torch.ones_like(positive), positive, decay, width=BAG), start).numpy()
    return Roles(found[:-1], found[-1], telling.astype(np.float32))


def _moments(said: Sequence[Sequence[str]], speaker: Ints, role: Ints) -> list[tuple[Counts, int, bool]]:
    """(bag, role, whether it is their last) of each person, every _GROWTH times as many utterances."""
    out = []
    for who in np.unique(speaker[role != MISSING]).tolist():
        places, bag, due = np.flatnonzero(speaker == who), np.zeros(BAG, np.uint8), 1.0
        for number, at in enumerate(places.tolist(), 1):
            bag = with_more(bag, said[at])
            if number >= round(due) or number == len(places):
                out.append((bag, int(role[at]), number == len(places)))
                while round(due) <= number:
                    due *= _GROWTH
    return out


def _sparse(bags: Counts, telling: Floats) -> Sparse:
    used = (bags > 0) & (telling > 0)
    row, ids = used.nonzero()
    weights = _LOG[bags[row, ids]] * telling[ids]
    length = np.sqrt(np.bincount(row, weights.astype(np.float64) ** 2, len(bags)))
    offsets = np.append(0, used.sum(1).cumsum()[:-1]).astype(np.int64)
    return Sparse(ids.astype(np.int64), (weights / np.maximum(length[row], 1e-6)).astype(np.float32), offsets)
