"""`python -m memory.calibrate`: how model and probe are mixed, made probabilities, and from where a mark counts.

All of it is chosen on meetings that neither was trained on. Where the probe alone is better, the model has no share.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from memory import cases
from memory.cases import SHARES, Case
from memory.corpora import MISSING, load
from memory.metrics import average_precision, best_threshold, boundary_counts, f1, peaks, sigmoid
from memory.probes import FLAGS
from memory.weights import SHIPPED, Calibration, save
from memory.weights import load as load_weights
from memory.words import Floats, Ints


def calibrations(read: Sequence[Case]) -> dict[str, Calibration]:
    """One for each task, by average precision, or accuracy for the classes."""
    found = {task: _flag(read, task) for task in FLAGS}
    acts = max(SHARES.values(), key=lambda share: cases.accuracy(read, "act", share).value)
    owners = max(SHARES.values(), key=lambda share: cases.owners(read, share).value)
    return {**found, "act": Calibration(share=acts), "owner": Calibration(share=owners)}


def _flag(read: Sequence[Case], task: str) -> Calibration:
    usable = [c for c in read if getattr(c.meeting, task)[0] != MISSING]
    wanted = np.concatenate([getattr(c.meeting, task) for c in usable])

    def logits(share: float) -> Floats:
        return np.concatenate([c.logit(task, share)[:, 0] for c in usable])

    share = max(SHARES.values(), key=lambda s: average_precision(logits(s), wanted))
    slope, offset = _platt(logits(share), wanted)
    chance = sigmoid(slope * logits(share) + offset)
    threshold = best_threshold(chance, wanted)
    if task == "opens":
        parts = [sigmoid(slope * c.logit(task, share)[:, 0] + offset) for c in usable]
        threshold = _boundary_threshold(usable, parts)
    return Calibration(share=share, slope=slope, offset=offset, threshold=threshold)


def _boundary_threshold(usable: Sequence[Case], chances: Sequence[Floats]) -> float:
    def merit(threshold: float) -> float:
        rows = zip(usable, chances, strict=True)
        counts = [boundary_counts(peaks(p, threshold), np.flatnonzero(c.meeting.opens == 1)) for c, p in rows]
        return f1(np.sum(counts, 0))

    grid = np.quantile(np.concatenate(chances), np.linspace(0.95, 0.999, 20))
    return float(max(grid, key=merit))


def _platt(logits: Floats, wanted: Ints) -> tuple[float, float]:
    """Slope and offset of the likeliest logistic curve (Platt 1999), by Newton's steps."""
    x = np.c_[logits, np.ones(len(logits))].astype(np.float64)
    w = np.array([1.0, 0.0])
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(2)
        w = w + np.linalg.solve(hessian, x.T @ (wanted - p))
    return float(w[0]), float(w[1])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m memory.calibrate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="annotated meetings that were not trained on")
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="to read and to write")
    given = parser.parse_args()
    shipped = load_weights(given.weights)
    found = calibrations(cases.read(shipped, load(given.data)))
    save(given.weights, replace(shipped, calibrations=found))
    for task, how in found.items():
        print(f"{task:>10}: model's share {how.share}, threshold {how.threshold:.3f}, slope {how.slope:.2f}")


if __name__ == "__main__":
    main()
