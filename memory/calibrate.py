"""`python -m memory.calibrate`: what each mark is made of, how it becomes a probability, and from where it counts.

Marks of rare things are the LR's: on held-out meetings the model is not better at them, and at equal scores the
simpler one is taken. Their thresholds are chosen on training meetings as read by probes that never saw their series
(five parts); nothing here looks at development meetings. It prints what that LR reaches, a five-fold cross-validation.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memory import cases
from memory.cases import Case
from memory.corpora import MISSING, load
from memory.material import Readable
from memory.metrics import best_threshold, boundary_counts, f1, peaks, pk_and_window_diff, sigmoid, windows
from memory.predict import Reading
from memory.probes import FLAGS, GROUPS, Probes
from memory.train import prepared
from memory.weights import SHIPPED, Calibration, save
from memory.weights import load as load_weights
from memory.words import Floats, Ints

MODEL = {"act": 1.0, "owner": 0.0}  # share of the model's logits in a choice among classes; all flags are the LR's
WINDOWED = ("action", "decision")


def calibrations(read: Sequence[Case]) -> dict[str, Calibration]:
    """One for each task; of WINDOWED tasks another for windows of a minute, named "action windows"."""
    found = {task: _flag(read, task) for task in FLAGS}
    found |= {f"{task} windows": _windowed(read, task, found[task]) for task in WINDOWED}
    return found | {task: Calibration(share=share) for task, share in MODEL.items()}


def probed(ready: Sequence[Readable], probes: Probes) -> list[Case]:
    """Training meetings as the probes that never saw their series read them; the model has no say."""
    nothing = np.zeros((0, 1), np.float32), np.zeros(0, np.int64)
    out = []
    for each in ready:
        said = each.readings[0]
        logits = {task: said.probes[:, columns] for task, columns in GROUPS.items()}
        reading = Reading(logits, said.probes, nothing[1], nothing[0], nothing[1])
        out.append(Case(each.meeting, said, reading, each.meeting.series, probes.bias[GROUPS["role"]]))
    return out


def _usable(read: Sequence[Case], task: str) -> list[Case]:
    return [c for c in read if getattr(c.meeting, task)[0] != MISSING]


def _flag(read: Sequence[Case], task: str) -> Calibration:
    usable = _usable(read, task)
    wanted = np.concatenate([getattr(c.meeting, task) for c in usable])
    logits = np.concatenate([c.logit(task, 0.0)[:, 0] for c in usable])
    slope, offset = _platt(logits, wanted)
    chances = [sigmoid(slope * c.logit(task, 0.0)[:, 0] + offset) for c in usable]
    boundary = task in ("opens", "turns")
    threshold = (
        _boundary_threshold(usable, chances, task) if boundary else best_threshold(np.concatenate(chances), wanted)
    )
    return Calibration(share=0.0, slope=slope, offset=offset, threshold=threshold)


def _windowed(read: Sequence[Case], task: str, how: Calibration) -> Calibration:
    pairs = [
        windows(cases.chance(c, task, how), getattr(c.meeting, task), c.packed.start_s) for c in _usable(read, task)
    ]
    scores, wanted = (np.concatenate([pair[k] for pair in pairs]) for k in (0, 1))
    return replace(how, threshold=best_threshold(scores, wanted))


def _boundary_threshold(usable: Sequence[Case], chances: Sequence[Floats], task: str) -> float:
    """Where F1 - Pk is largest."""

    def merit(threshold: float) -> float:
        counts, pks = np.zeros(3), []
        for case, chance in zip(usable, chances, strict=True):
            wanted, found = np.flatnonzero(getattr(case.meeting, task) == 1), peaks(chance, threshold)
            counts += boundary_counts(found, wanted)
            pks.append(pk_and_window_diff(found, wanted, len(chance))[0])
        return f1(counts) - float(np.mean(pks))

    grid = np.quantile(np.concatenate(chances), np.linspace(0.93, 0.9995, 25))
    return float(max(grid, key=merit))


def _platt(logits: Floats, wanted: Ints) -> tuple[float, float]:
    """Slope and offset of the likeliest logistic curve (Platt 1999), by Newton's steps."""
    x: NDArray[np.float64] = np.c_[logits, np.ones(len(logits))].astype(np.float64)
    w = np.array([1.0, 0.0])
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(2)
        w = w + np.linalg.solve(hessian, x.T @ (wanted - p))
    return float(w[0]), float(w[1])


def folded(read: Sequence[Case]) -> list[tuple[str, str]]:
    """What the LR reaches in cross-validation by series, thresholds from other series too."""
    rows = []
    for task, wide in (
        ("action", False),
        ("action", True),
        ("decision", False),
        ("decision", True),
        ("salient", False),
    ):
        name = f"{task}, {'60-s windows' if wide else 'utterances'}, F1"
        rows.append((name, str(cases.flag_score(cases.flagged(read, task, 0.0, windowed=wide)))))
    rows += [(f"topics, top level: {name}", str(score)) for name, score in cases.boundaries(read, "opens", 0.0).items()]
    rows.append(("dialogue acts, accuracy", str(cases.accuracy(read, "act", 0.0))))
    rows += [
        (f"role{', one per person' if assign else ''}", str(cases.roles(read, 0.0, assign=assign)))
        for assign in (False, True)
    ]
    return rows


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m memory.calibrate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the annotated meetings that were trained on")
    parser.add_argument("--cache", type=Path, help="as of memory.train: the fitted probes")
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="to read and to write")
    given = parser.parse_args()
    probes, ready = prepared(load(given.data), cache=given.cache, say=partial(print, file=sys.stderr, flush=True))
    read = probed(ready, probes)
    shipped = load_weights(given.weights)
    found = calibrations(read)
    save(given.weights, replace(shipped, calibrations=found))
    for task, how in found.items():
        print(f"{task}: share {how.share}, slope {how.slope:.2f}, from {how.threshold:.3f}")
    print("\n| LR, five folds by series | |\n|---|---|")
    for name, score in folded(read):
        print(f"| {name} | {score} |")


if __name__ == "__main__":
    main()
