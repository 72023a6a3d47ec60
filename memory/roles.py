"""Who has which role, by all that a person said so far: a linear model of whole people instead of single utterances.

What a person said is a bag of words, hashed and counted; its logarithms, weighted by how
telling they are of a role, as a vector of length one, go into a logistic regression for each role. It is taught people
at many moments of a meeting. No two people of a meeting have one role: `joint` weighs all ways to give them out.

Letters of shapes: n utterances, k people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

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
_DECAY = 8.0  # L2 of the weights against the sum of the losses; this and _SHARPER chosen in folds of train (LOG.md)
_SHARPER = 3.0  # so held down the log-odds are right in their order, but too small


@dataclass(frozen=True)
class Roles:
    """Weights (BAG, 4), biases (4,), and how telling each bucket is (BAG,)."""

    weights: Floats
    bias: Floats
    telling: Floats

    def logits(self, counts: Counts) -> Floats:
        """Log-probabilities (4,) of a person's roles by what they said (BAG,)."""
        used = np.flatnonzero(counts > 0)
        said = _LOG[counts[used]] * self.telling[used]
        odds = said @ self.weights[used] / max(float(np.sqrt(said @ said)), 1e-6) + self.bias
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
    buckets, more = np.unique(np.array([bucket(word, BAG) for word in words], np.int64), return_counts=True)
    bag = counts.copy()
    bag[buckets] = np.minimum(bag[buckets] + more, _MOST)
    return bag


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
    return fit([([tokens(u.text) for u in m.heard], slots_of(m.heard)[1], m.role, m.series) for m in meetings])


def fit(meetings: Sequence[tuple[Sequence[Sequence[str]], Ints, Ints, str]]) -> Roles | None:
    """Taught by meetings: each utterance's words, its speaker's slot and role, and the team. None without roles."""
    moments = [moment for meeting in meetings for moment in _moments(*meeting)]
    if not moments:
        return None
    telling = _telling([m for m in moments if m.last])
    start = torch.zeros(BAG + 1, len(ROLES))
    positive = torch.from_numpy(np.eye(len(ROLES), dtype=np.float32)[[m.role for m in moments]])
    decay = torch.full((len(ROLES),), _DECAY)
    losses = curve(_sparse(moments, telling), torch.ones_like(positive), positive, decay, width=BAG)
    found = descended(losses, start) * _SHARPER
    return Roles(found[:-1].numpy(), found[-1].numpy(), telling)


@dataclass(frozen=True)
class _Moment:
    """What somebody had said by then: how often (k,) the words of which buckets (k,)."""

    buckets: Ints
    counts: Counts
    team: str
    role: int
    last: bool  # of this person in this meeting


def _telling(people: Sequence[_Moment]) -> Floats:
    """How telling each bucket is (BAG,): said by few, and unevenly spread over the roles.

    The spread is that of its log-odds from role to role (the weights of Wang and Manning 2012, 2.1, for four classes).
    It counts a team's four people once, for what one of them says in all of their meetings is theirs, not a role's.
    """
    sayers, ever = np.zeros(BAG), {(p.team, p.role): np.zeros(BAG, bool) for p in people}
    for person in people:
        sayers[person.buckets] += 1
        ever[person.team, person.role][person.buckets] = True
    share = np.full((len(ROLES), BAG), 0.5)  # where nobody has the role
    for role in {role for _, role in ever}:
        rows = [said for (_, of), said in ever.items() if of == role]
        share[role] = (np.sum(rows, 0) + 1) / (len(rows) + 2)
    spread = np.log(share / (1 - share)).std(0)
    rare = np.sqrt(np.log(len(people) / np.maximum(sayers, 1)).clip(0.1))
    return np.asarray(rare * spread * (sayers >= _RARE), np.float32)


def _moments(said: Sequence[Sequence[str]], speaker: Ints, role: Ints, team: str) -> list[_Moment]:
    """Of each person, every _GROWTH times as many utterances."""
    out = []
    for who in np.unique(speaker[role != MISSING]).tolist():
        places, bag, due = np.flatnonzero(speaker == who), np.zeros(BAG, np.uint8), 1.0
        for number, at in enumerate(places.tolist(), 1):
            bag = with_more(bag, said[at])
            if number >= round(due) or number == len(places):
                used = np.flatnonzero(bag > 0)
                out.append(_Moment(used, bag[used], team, int(role[at]), last=number == len(places)))
                while round(due) <= number:
                    due *= _GROWTH
    return out


def _sparse(moments: Sequence[_Moment], telling: Floats) -> Sparse:
    ids, weights = [], []
    for moment in moments:
        row = _LOG[moment.counts] * telling[moment.buckets]
        told = row > 0
        ids.append(moment.buckets[told])
        weights.append(row[told] / max(float(np.sqrt(row @ row)), 1e-6))
    offsets = np.append(0, np.cumsum([len(row) for row in ids])[:-1]).astype(np.int64)
    return Sparse(np.concatenate(ids).astype(np.int64), np.concatenate(weights).astype(np.float32), offsets)
