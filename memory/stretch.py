"""Whole minutes of a meeting: how probable it is that in this one something was decided, or a task given out.

A decision takes several sentences, of which people linked one or two; what is asked of a memory is which minute to hear
again. A logistic regression of the marks of all utterances of a minute and of the minutes beside it, so that a minute
is told once the one after it is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memory.metrics import WINDOW_S, minutes_of, sigmoid
from memory.words import Floats

TASKS = ("action", "decision")
COLUMNS = ("action", "decision", "rulings", "salient", "problem", "opens")  # marks of an utterance, as log-odds
_POOLED = ("action", "decision", "rulings")  # by their three largest, their sum as log-odds, and their mean
_BESIDE = ("action", "rulings", "salient")  # the largest of the minutes before and after
_NOTHING = -6.0  # log-odds where nothing was said
FEATURES = 5 * len(_POOLED) + 7 + 2 * len(_BESIDE)
PROOF = 3  # utterances that stand for a minute


@dataclass(frozen=True)
class Row:
    """An utterance that was marked."""

    id: str
    minute: int
    logits: tuple[float, ...]  # by COLUMNS


@dataclass(frozen=True)
class Minute:
    """A minute that is over."""

    start_s: float
    action: float  # probability that a task was given out in it
    decision: float  # that something was decided
    evidence: tuple[str, ...]  # utterances that look most like it
    told_by: str  # the utterance after which it could be told, "" = the end


@dataclass(frozen=True)
class Minutes:
    """Weights (TASKS, FEATURES) and biases (TASKS,)."""

    weights: Floats
    bias: Floats

    def chances(self, numbers: Floats) -> Floats:
        """(m, FEATURES) -> (m, TASKS)"""
        return sigmoid(np.asarray(numbers @ self.weights.T + self.bias, np.float32))


def minute_of(start_s: float) -> int:
    """Which minute this is."""
    return int(start_s // WINDOW_S)


def features(before: Floats, now: Floats, after: Floats, minute: int) -> Floats:
    """Numbers (FEATURES,) of a minute: logits (k, COLUMNS) of its utterances and of those of its neighbours."""
    at = {name: i for i, name in enumerate(COLUMNS)}
    pooled = [number for name in _POOLED for number in _pooled(now[:, at[name]])]
    salient, problem = now[:, at["salient"]], now[:, at["problem"]]
    rest = [_sum(salient), salient.max(), _sum(problem), now[:, at["opens"]].max()]
    clock = [np.log1p(minute), minute / 20, len(now) / 20]
    beside = [float(rows[:, at[name]].max()) if len(rows) else _NOTHING for name in _BESIDE for rows in (before, after)]
    return np.array([*pooled, *rest, *clock, *beside], np.float32)


def _pooled(logits: Floats) -> list[float]:
    best = np.sort(logits)[::-1]
    return [*(float(best[min(k, len(best) - 1)]) for k in range(3)), _sum(logits), float(logits.mean())]


def _sum(logits: Floats) -> float:
    """Log of what softplus adds up to: near the largest where one stands out, more where many agree."""
    return float(np.log(np.logaddexp(0.0, logits).sum() + 1e-6))


def table(logits: Floats, start_s: Floats) -> Floats:
    """Of a whole meeting, logits (n, COLUMNS) and when each began (n,): numbers of its minutes (m, FEATURES)."""
    minute = minutes_of(start_s)
    parts = {int(m): logits[minute == m] for m in np.unique(minute)}
    nothing = np.zeros((0, len(COLUMNS)), np.float32)
    return np.stack(
        [features(parts.get(m - 1, nothing), part, parts.get(m + 1, nothing), m) for m, part in parts.items()]
    )


def _numbers(rows: Sequence[Row], minute: int) -> Floats:
    parts = [
        np.array([row.logits for row in rows if row.minute == m], np.float32).reshape(-1, len(COLUMNS))
        for m in (minute - 1, minute, minute + 1)
    ]
    return features(parts[0], parts[1], parts[2], minute)


def told(
    minutes: Minutes, rows: tuple[Row, ...], new: Row | None, *, last_told: int
) -> tuple[tuple[Row, ...], list[Minute]]:
    """The rows that are still needed with a `new` one, and the minutes that are over with it; all of them at the end,
    where it is None. An utterance that began before the one before it counts to that one's minute.
    """
    if new is not None:
        new = Row(new.id, max(new.minute, rows[-1].minute if rows else 0), new.logits)
        rows = (*rows, new)
    open_from = rows[-1].minute - 1 if new is not None else rows[-1].minute + 1 if rows else 0
    done = sorted({row.minute for row in rows if last_told < row.minute < open_from})
    found = [_minute(minutes, rows, minute, new.id if new is not None else "") for minute in done]
    return tuple(row for row in rows if row.minute >= open_from - 1), found


def _minute(minutes: Minutes, rows: Sequence[Row], minute: int, told_by: str) -> Minute:
    action, decision = minutes.chances(_numbers(rows, minute)[None])[0]
    inside = [row for row in rows if row.minute == minute]
    column = COLUMNS.index("action" if action > decision else "decision")
    best = sorted(inside, key=lambda row: -row.logits[column])[:PROOF]
    evidence = tuple(row.id for row in inside if row in best)
    return Minute(minute * WINDOW_S, float(action), float(decision), evidence, told_by)
