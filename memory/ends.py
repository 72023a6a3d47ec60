"""Marks read anew when a meeting is over: of each utterance by all the marks of the whole meeting, and of each minute.

While a meeting runs nobody knows whether a better candidate is still to come. Once it is over, the marks around an
utterance, how much of the kind follows it, how it stands among the best of the meeting and which role its speaker seems
to have tell action items apart better than its words alone (LOG.md). Nothing is asked of the clock: how late it is
counts by how many candidates follow, so that a meeting of five minutes, or one that was broken off, is read like one of
an hour. A logistic regression, fitted to log-odds of columns that never saw the series (stacking, Wolpert 1992).

Letters of shapes: n utterances, m minutes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory.corpora import ROLES, Heard
from memory.metrics import WINDOW_S, minutes_of, sigmoid
from memory.packing import Packed, logits_of, pack
from memory.probes import Probes
from memory.roles import Roles, joint
from memory.stretch import COLUMNS, PROOF, TASKS, Minute
from memory.words import Floats, tokens

_BESIDE = 5  # utterances before and after whose own log-odds count
_WITHIN_S = (30.0, 60.0, 120.0, 300.0)  # seconds around an utterance in which marks are added up
_BURST_S = 60.0
_NOTHING = -6.0  # log-odds where nothing was said
_MOST = 3.0  # standard deviations; a number further out than that is taken to be that far out
NUMBERS = 1 + 2 * _BESIDE + len(_WITHIN_S) + 4 + (len(COLUMNS) - 1) * 2 + len(ROLES)


@dataclass(frozen=True)
class Ends:
    """For each of TASKS: weights and biases of standardised numbers, their means and spreads (TASKS, NUMBERS)."""

    weights: Floats
    bias: Floats  # (TASKS,)
    mean: Floats
    spread: Floats

    def chances(self, numbers: Floats, task: str) -> Floats:
        """(n, NUMBERS) of a task -> probabilities (n,)."""
        row = TASKS.index(task)
        inside = bounded(numbers, self.mean[row], self.spread[row])
        return sigmoid(np.asarray(inside @ self.weights[row] + self.bias[row], np.float32))


def bounded(numbers: Floats, mean: Floats, spread: Floats) -> Floats:
    """Standardised; all but the utterance's own log-odds kept within what the meetings that taught it looked like."""
    out = (numbers - mean) / spread
    out[:, 1:] = out[:, 1:].clip(-_MOST, _MOST)
    return out


def numbers(logits: Floats, start_s: Floats, roles: Floats, task: str) -> Floats:
    """(n, NUMBERS) of a meeting: logits (n, COLUMNS) of its marks, when each began, its speaker's roles (n, 4)."""
    at = COLUMNS.index(task)
    mass = np.logaddexp(0.0, logits.astype(np.float64))  # near nothing below even odds, the log-odds above
    own, mine = logits[:, at], mass[:, at]
    beside = [_shifted(own, by) for k in range(1, _BESIDE + 1) for by in (k, -k)]
    within = [np.log(_around(start_s, mine, reach) - mine + 1e-3) for reach in _WITHIN_S]
    others = [i for i in range(len(COLUMNS)) if i != at]
    near = [np.log(_around(start_s, mass[:, i], _BURST_S) - mass[:, i] + 1e-3) for i in others]
    upto, total, burst = mine.cumsum(), mine.sum(), _around(start_s, mine, _BURST_S)
    rank = np.argsort(np.argsort(-own, kind="stable"), kind="stable")
    standing = [np.log(np.maximum(total - upto, 0) + 1e-2), upto / total]
    standing += [np.log((burst + 1e-3) / (burst.max() + 1e-3)), np.log1p(rank)]
    columns = [own, *beside, *within, *standing, *logits[:, others].T, *near, *roles.T]
    return np.stack(columns, 1).astype(np.float32)


def _shifted(values: Floats, by: int) -> Floats:
    """What stood `by` places earlier."""
    out = np.full_like(values, _NOTHING)
    if by > 0:
        out[by:] = values[:-by]
    else:
        out[:by] = values[-by:]
    return out


def _around(start_s: Floats, values: NDArray[np.float64], reach_s: float) -> NDArray[np.float64]:
    """Sum of the values (n,) of all that began at most so many seconds before or after each, itself too."""
    order = np.argsort(start_s, kind="stable")
    when, sums = start_s[order], np.append(0.0, values[order].cumsum())
    first = np.searchsorted(when, start_s - reach_s, "left")
    return np.asarray(np.maximum(sums[np.searchsorted(when, start_s + reach_s, "right")] - sums[first], values))


def roles_by_end(packed: Packed, people: Floats | None) -> Floats:
    """(n, 4) probabilities of each utterance's speaker's role by all that they said in the meeting, no two of the first
    four alike; `people` as `Roles.heard` gives them. Who is not known may have any role, everybody where nothing is.
    """
    out = np.full((len(packed), len(ROLES)), 1 / len(ROLES), np.float32)
    slots = list(dict.fromkeys(packed.speaker[packed.known == 1].tolist()))
    if people is None or not slots:
        return out
    theirs = [(packed.speaker == who) & (packed.known == 1) for who in slots]
    for where, row in zip(theirs, joint(np.exp(np.stack([people[where][-1] for where in theirs]))), strict=True):
        out[where] = row
    return out


def numbers_of(packed: Packed, people: Floats | None, task: str) -> Floats:
    """The same of a packed meeting."""
    return numbers(logits_of(packed.probes), packed.start_s, roles_by_end(packed, people), task)


def by_minute(chances: Floats, start_s: Floats) -> Floats:
    """Probability (m,) of every minute in which something was said that one of its utterances is it: a noisy or."""
    minute = minutes_of(start_s)
    return np.array([1 - np.prod(1 - chances[minute == m]) for m in np.unique(minute)], np.float32)


@dataclass(frozen=True)
class Reread:
    """A meeting that is over: the probabilities (action, decision) of each utterance by id, and of all its minutes."""

    marks: dict[str, tuple[float, float]]
    minutes: tuple[Minute, ...]


def reread(ends: Ends, probes: Probes, roles: Roles | None, said: Sequence[Heard]) -> Reread:
    """Everything at once, by its texts and speakers as they are known at the end; nothing of the state is asked."""
    texts = [tokens(heard.text) for heard in said]
    packed, _ = pack(said, probes, texts=texts)
    people = roles.heard(texts, packed.speaker) if roles else None
    chances = np.stack([ends.chances(numbers_of(packed, people, task), task) for task in TASKS], 1)
    marks = {id: (float(a), float(d)) for id, (a, d) in zip(packed.ids, chances, strict=True)}
    whole = np.stack([by_minute(column, packed.start_s) for column in chances.T], 1)
    return Reread(marks, tuple(_minutes(packed, chances, whole)))


def _minutes(packed: Packed, chances: Floats, whole: Floats) -> Iterator[Minute]:
    minute = minutes_of(packed.start_s)
    for number, (action, decision) in zip(np.unique(minute).tolist(), whole.tolist(), strict=True):
        inside = np.flatnonzero(minute == number)
        column = chances[inside, int(decision >= action)]
        best = sorted(inside[np.argsort(-column, kind="stable")][:PROOF])
        yield Minute(number * WINDOW_S, action, decision, tuple(packed.ids[i] for i in best), "")
