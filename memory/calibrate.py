"""`python -m memory.calibrate`: fits the marks, says how each becomes a probability, and from where it counts.

Marks of rare things are the LR's: on held-out meetings the network is not better at them. Every threshold is chosen on
meetings as they are read by columns that never saw their series (five parts). With `--also` more meetings are learnt
from than the network saw; what is then measured on them by `memory.evaluate` is not held out, so the five folds stand
for it. With `--held` nothing is written: all is fitted on `--data`, and measured on the meetings of `--held`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memory import cases, end_cases, ends, material, roles
from memory.cases import Case, Scored
from memory.corpora import MISSING, Annotated, folds, load
from memory.ends import Ends
from memory.material import Counted
from memory.metrics import best_threshold, boundary_counts, f1, peaks, pk_and_window_diff, sigmoid, steady_threshold
from memory.packing import packed
from memory.predict import Reading
from memory.probes import FLAGS, GROUPS, Probes
from memory.roles import Roles
from memory.stretch import FEATURES, TASKS, Minutes
from memory.weights import SHIPPED, Calibration, Shipped, load_network, save_marks
from memory.words import Floats, Ints

MODEL = {"act": 1.0, "owner": 0.0}  # share of the network's logits in a choice among classes; all flags are the LR's
PARTS = 5
_MINUTE_DECAY = 100.0  # L2 of a minute's standardised weights against the sum of its losses; set in five folds (LOG.md)
_END_DECAY = 10.0  # the same of what is read anew at the end, its own log-odds free; of 10, 30 and 100 in five folds
_LEAST_SPREAD = 0.05  # of a number that is standardised: one that hardly varies says nothing, and is not blown up
Say = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """All that is fitted to some meetings, and the meetings as columns that never saw their series read them."""

    probes: Probes
    minutes: Minutes
    ends: Ends
    calibrations: dict[str, Calibration]
    read: list[Case]
    roles: Roles | None
    scored: dict[str, Scored]  # minutes by task, by weights that never saw the series
    anew: dict[str, Scored]  # the same at the end: "action", "action windows", ...


def found(counted: Sequence[Counted], network: Probes, say: Say) -> Found:
    """Marks of these meetings, the columns of the network as they are."""
    by_name = {c.meeting.name: c for c in counted}
    groups: list[list[Case]] = []
    for number, (rest, held) in enumerate(folds([c.meeting for c in counted], PARTS), 1):
        part = material.marked(network, [by_name[m.name] for m in rest])
        people = roles.taught(rest)
        groups.append([probed(by_name[m.name], part, people) for m in held])
        say(f"marks {number} of {PARTS + 1}")
    read = [case for group in groups for case in group]
    scored: dict[str, Scored] = {task: [] for task in TASKS}
    anew: dict[str, Scored] = {}
    for group in groups:
        others = [case for other in groups if other is not group for case in other]
        minutes, over = _minutes(others), _ends(others)
        for task in TASKS:
            scored[task] += [row for case in group for row in cases.minute_scores(case, task, minutes)]
        for name, rows in end_cases.reread(group, over).items():
            anew[name] = anew.get(name, []) + rows
    how = calibrations(read) | {f"{task} windows": _threshold(rows) for task, rows in scored.items()}
    how |= {f"{name} anew": Calibration(share=0.0, threshold=_steady(rows)) for name, rows in anew.items()}
    probes, people = material.marked(network, counted), roles.taught([c.meeting for c in counted])
    return Found(probes, _minutes(read), _ends(read), how, read, people, scored, anew)


def _steady(rows: Scored) -> float:
    return steady_threshold(np.concatenate([row[0] for row in rows]), np.concatenate([row[1] for row in rows]))


def probed(counted: Counted, probes: Probes, people: Roles | None) -> Case:
    """A meeting as these probes read it; the network has no say."""
    meeting = counted.meeting
    said, _ = packed(meeting.heard, counted.said[0], probes.logits(counted.rows[0]))
    nothing = np.zeros(0, np.int64), np.zeros((0, 1), np.float32)
    reading = Reading({}, said.probes, *nothing)
    known = people.heard(counted.said[0], said.speaker) if people else None
    return Case(meeting, said, reading, meeting.series, probes.bias[GROUPS["role"]], people=known)


def calibrations(read: Sequence[Case]) -> dict[str, Calibration]:
    """One for each task."""
    return {task: _flag(read, task) for task in FLAGS} | {
        task: Calibration(share=share) for task, share in MODEL.items()
    }


def _flag(read: Sequence[Case], task: str) -> Calibration:
    usable = [c for c in read if getattr(c.meeting, task)[0] != MISSING]
    wanted = np.concatenate([getattr(c.meeting, task) for c in usable])
    logits = [cases.settled(c, task, 0.0) for c in usable]
    slope, offset = logistic(np.concatenate(logits)[:, None], wanted, 1e-6)
    chances = [sigmoid(np.asarray(slope * z + offset, np.float32)) for z in logits]
    boundary = task in ("opens", "turns")
    threshold = (
        _boundary_threshold(usable, chances, task) if boundary else steady_threshold(np.concatenate(chances), wanted)
    )
    return Calibration(share=0.0, slope=float(slope), offset=float(offset), threshold=threshold)


def _boundary_threshold(usable: Sequence[Case], chances: Sequence[Floats], task: str) -> float:
    """Where F1 - Pk is largest."""

    def merit(threshold: float) -> float:
        counts, pks = np.zeros(3), []
        for case, chance in zip(usable, chances, strict=True):
            wanted, found = np.flatnonzero(getattr(case.meeting, task) == 1), peaks(chance, threshold)
            counts += boundary_counts(found, wanted)
            pks.append(pk_and_window_diff(found, wanted, len(chance))[0])
        return f1(counts) - float(np.mean(pks))

    grid = np.quantile(np.concatenate(chances), cases.GRID)
    return float(max(grid, key=merit))


def _minutes(read: Sequence[Case]) -> Minutes:
    """A logistic regression for each of TASKS, its decay on standardised numbers."""
    weights, bias = np.zeros((len(TASKS), FEATURES)), np.zeros(len(TASKS))
    for row, task in enumerate(TASKS):
        usable = [c for c in read if getattr(c.meeting, task)[0] != MISSING]
        numbers = np.concatenate([c.minutes() for c in usable]).astype(np.float64)
        wanted = np.concatenate([cases.minute_labels(c, task) for c in usable])
        mean, spread = numbers.mean(0), numbers.std(0) + 1e-6
        fitted = logistic((numbers - mean) / spread, wanted, _MINUTE_DECAY)
        weights[row] = fitted[:-1] / spread
        bias[row] = fitted[-1] - weights[row] @ mean
    return Minutes(weights.astype(np.float32), bias.astype(np.float32))


def _ends(read: Sequence[Case]) -> Ends:
    """A logistic regression for each of TASKS, of all annotated meetings as columns that never saw them read them."""
    weights, bias, means, spreads = [], [], [], []
    for task in TASKS:
        usable = [c for c in read if getattr(c.meeting, task)[0] != MISSING]
        numbers = np.concatenate([ends.numbers_of(c.packed, c.people, task) for c in usable])
        wanted = np.concatenate([getattr(c.meeting, task) for c in usable])
        mean, spread = numbers.mean(0), np.maximum(numbers.std(0), _LEAST_SPREAD)
        held = np.append(1e-3, np.full(ends.NUMBERS - 1, _END_DECAY))
        fitted = logistic(ends.bounded(numbers, mean, spread), wanted, held)
        weights.append(fitted[:-1])
        bias.append(fitted[-1])
        means.append(mean)
        spreads.append(spread)
    return Ends(*(np.array(rows, np.float32) for rows in (weights, bias, means, spreads)))


def _threshold(scored: Scored) -> Calibration:
    scores, wanted = (np.concatenate([row[k] for row in scored]) for k in (0, 1))
    return Calibration(share=0.0, threshold=best_threshold(scores, wanted))


def logistic(numbers: NDArray[np.floating], wanted: Ints, decay: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights and, last, the bias (k + 1,) of a logistic regression of (n, k), by Newton's steps; the bias is free.

    With one number and hardly a decay this is Platt's curve (1999).
    """
    x: NDArray[np.float64] = np.c_[numbers, np.ones(len(numbers))].astype(np.float64)
    held = np.append(np.broadcast_to(decay, x.shape[1] - 1), 1e-6)
    w = np.zeros(x.shape[1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.diag(held)
        w = w + np.linalg.solve(hessian, x.T @ (wanted - p) - held * w)
    return w


def folded(fitted: Found) -> list[tuple[str, str]]:
    """Cross-validation by series, thresholds from other series too."""
    rows = [
        (
            f"{task}, utterances, F1",
            str(cases.flag_score(cases.chances(fitted.read, task, how), choose=steady_threshold)),
        )
        for task, how in fitted.calibrations.items()
        if task in ("action", "decision", "problem", "salient")
    ]
    rows += [(f"{task}, 60-s windows, F1", str(cases.flag_score(scored))) for task, scored in fitted.scored.items()]
    anew = end_cases.rows(fitted.anew)
    rows += [(name, str(cases.flag_score(scored, choose=steady_threshold))) for name, _, scored in anew]
    for task, level in (("opens", "top level"), ("turns", "all levels")):
        scores = cases.boundaries(fitted.read, task, 0.0)
        rows += [(f"topics, {level}: {name}", str(score)) for name, score in scores.items()]
    return rows + _people(fitted.read)


def _people(read: Sequence[Case]) -> list[tuple[str, str]]:
    """Roles by the LR alone, where they are annotated. (Owners are not: what points to them is the network's.)"""
    known = [c for c in read if (c.meeting.role != MISSING).any()]
    if not known:
        return []
    ways = (("role", False), ("role, one each", True))
    return [(name, str(cases.roles(known, 0.0, assign=one))) for name, one in ways]


def measured(fitted: Found, held: Sequence[Counted]) -> list[tuple[str, str]]:
    """The same on other meetings, with the thresholds of those that were learnt from."""
    read, how = [probed(c, fitted.probes, fitted.roles) for c in held], fitted.calibrations
    rows = [
        (f"{task}, utterances, F1", str(cases.shipped_flag(read, task, how[task])))
        for task in ("action", "decision", "problem", "salient")
    ]
    rows += [
        (f"{task}, 60-s windows, F1", str(cases.shipped_minutes(read, task, fitted.minutes, how[f"{task} windows"])))
        for task in TASKS
    ]
    anew = end_cases.rows(end_cases.reread(read, fitted.ends))
    rows += [(name, str(cases.precise(scored, how[key]))) for name, key, scored in anew]
    for task, level in (("opens", "top level"), ("turns", "all levels")):
        scores = cases.shipped_boundaries(read, task, how[task])
        rows += [(f"topics, {level}: {name}", str(score)) for name, score in scores.items()]
    return rows + _people(read)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m memory.calibrate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="annotated meetings to learn from")
    parser.add_argument("--also", type=Path, help="more of them")
    parser.add_argument("--held", type=Path, help="meetings to measure on; nothing is written")
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="of the network; the marks lie beside them")
    given = parser.parse_args()
    say = partial(print, file=sys.stderr, flush=True)
    shipped = load_network(given.weights)

    def counted(meetings: Sequence[Annotated]) -> list[Counted]:
        return material.count(meetings, shipped.probes.weights)

    meetings = load(given.data) + (load(given.also) if given.also else [])
    fitted = found(counted(meetings), shipped.probes, say)
    for task, how in fitted.calibrations.items():
        print(f"{task}: share {how.share}, slope {how.slope:.2f}, from {how.threshold:.3f}")
    print(f"\n| {len(meetings)} meetings, {PARTS} folds by series | |\n|---|---|")
    for name, score in folded(fitted):
        print(f"| {name} | {score} |", flush=True)
    if given.held:
        print("\n| fitted on these, measured on others | |\n|---|---|")
        for name, score in measured(fitted, counted(load(given.held))):
            print(f"| {name} | {score} |")
        return
    names = frozenset(m.name for m in meetings)
    save_marks(given.weights, with_found(shipped, fitted, names))


def with_found(shipped: Shipped, fitted: Found, names: frozenset[str]) -> Shipped:
    """The same network with these marks."""
    return replace(
        shipped,
        probes=fitted.probes,
        minutes=fitted.minutes,
        ends=fitted.ends,
        roles=fitted.roles,
        calibrations=fitted.calibrations,
        fitted=names,
    )


if __name__ == "__main__":
    main()
