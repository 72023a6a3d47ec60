"""Logistic regressions of the yes-no marks, each to its minimum: batched L-BFGS (Nocedal 1980) on all utterances.

The probes (`memory.probes`) take a few passes over all tasks at once; for marks of one utterance in two hundred that is
far from the minimum, and these columns are what is shipped for them (LOG.md, 27 November). The columns share nothing
but their features: every column has its own curvature pairs, step lengths and decay.

Letters of shapes: n utterances, f features (WIDTH), c columns (one a mark).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from memory.corpora import MISSING
from memory.words import WIDTH, Floats, Ints, Sparse


@dataclass(frozen=True)
class Fitted:
    """What a column is taught: the positives of a task, and the utterances just before and after one."""

    task: str
    decay: float  # L2 of the weights, against the sum of the losses; set by hand, not searched
    before: int = 0  # utterances before a positive that count as positive too
    after: int = 0


FITTED = {
    "action": Fitted("action", 0.5),
    "decision": Fitted("decision", 1.0),
    "problem": Fitted("problem", 1.0),
    "salient": Fitted("salient", 2.0),
    "opens": Fitted("opens", 2.0, before=2, after=6),  # where people put a border is a matter of a few utterances
    "turns": Fitted("turns", 2.0, after=3),
    "rulings": Fitted("decision", 2.0, before=4, after=4),  # talk around a decision, for whole minutes
}
PAIRS = 8  # curvature pairs that are kept
PULL = 10.0  # how much more than to zero the decay draws to columns that other meetings taught
STEPS = 40  # at most; most fits stop before
_ENOUGH = 2e-4  # share of the loss that a step must gain in some column, else it is the last
_SHORTER, _TRIES = 0.4, 12  # a step that does not descend is cut to this share of itself, so many times

Curve = Callable[[Tensor], tuple[Tensor, Tensor]]  # weights (f + 1, c) -> losses (c,), gradients (f + 1, c)


def fit_marks(
    rows: Sparse, labels: dict[str, Ints], *, known_by: tuple[Floats, Floats] | None = None, pull: float = PULL
) -> tuple[Floats, Floats]:
    """Weights (f, c) and biases (c,) in the order of FITTED; what has no label for a mark does not count in it.

    labels (n,) by column, as `widened` makes them. With `known_by`, weights and biases of other meetings, the decay
    draws towards these, and `pull` times as much: the most probable columns under a Gaussian around them (Chelba and
    Acero 2004, "Adaptation of Maximum Entropy Capitalizer"). The biases stay, for how frequent a mark is in the
    meetings of one team says little of the next team's (a small difference, LOG.md).
    """
    wanted = torch.from_numpy(np.stack([labels[name] for name in FITTED], 1))
    known, positive = (wanted != MISSING).float(), (wanted == 1).float()
    decay = torch.tensor([fitted.decay for fitted in FITTED.values()])
    if known_by:
        start = torch.from_numpy(np.vstack(known_by).astype(np.float32))
        losses = curve(rows, known, positive, pull * decay, centre=start)
    else:
        start = torch.zeros(WIDTH + 1, len(FITTED))
        start[-1] = ((positive.sum(0) + 1) / (known.sum(0) - positive.sum(0) + 1)).log()
        losses = curve(rows, known, positive, decay)
    found = descended(losses, start).numpy()
    return found[:-1], found[-1]


def widened(labels: Ints, fitted: Fitted) -> Ints:
    """One meeting's labels (n,) of the task with the neighbours of a positive as positives."""
    out = labels.copy()
    for at in np.flatnonzero(labels == 1):
        out[max(0, at - fitted.before) : at + fitted.after + 1] = 1
    return out


def curve(
    rows: Sparse,
    known: Tensor,
    positive: Tensor,
    decay: Tensor,
    *,
    width: int = WIDTH,
    centre: Tensor | None = None,
) -> Curve:
    """Sum of the logistic losses and half the decay (c,) times the squared weights; the bias, the last row, is free.

    With a centre (f + 1, c) the squares are of what differs from it, and the bias stays as it begins.
    """
    turned = _turned(rows, width)
    free = torch.ones(()) if centre is None else torch.zeros(())
    middle = torch.zeros(1, 1) if centre is None else centre[:-1]

    def losses(weights: Tensor) -> tuple[Tensor, Tensor]:
        logits = _times(rows, weights[:-1]) + weights[-1]  # (n, c)
        losses = ((F.softplus(logits) - positive * logits) * known).sum(0)
        slope = (torch.sigmoid(logits) - positive) * known
        away = weights[:-1] - middle
        gradient = torch.cat([_times(turned, slope) + decay * away, free * slope.sum(0, keepdim=True)])
        return losses + decay / 2 * away.square().sum(0), gradient

    return losses


def _turned(rows: Sparse, width: int) -> Sparse:
    """The same matrix with a row for every feature: which utterances have it, and how much."""
    order = np.argsort(rows.ids, kind="stable")
    of = np.repeat(np.arange(len(rows)), np.diff(np.append(rows.offsets, len(rows.ids))))
    starts = np.append(0, np.bincount(rows.ids, minlength=width).cumsum()[:-1])
    return Sparse(of[order], rows.weights[order], starts)


def _times(rows: Sparse, dense: Tensor) -> Tensor:
    """Sparse (a, b) times dense (b, c)."""
    ids, offsets, weights = map(torch.from_numpy, (rows.ids, rows.offsets, rows.weights))
    product: Tensor = F.embedding_bag(ids, dense, offsets, mode="sum", per_sample_weights=weights)
    return product


def descended(curve: Curve, weights: Tensor) -> Tensor:
    """Where every column's loss is least, from `weights` on."""
    loss, gradient = curve(weights)
    pairs: list[tuple[Tensor, Tensor, Tensor]] = []  # change of weights, of gradient, 1 / their product (c,)
    for _ in range(STEPS):
        way = _direction(gradient, pairs)
        new, new_loss, new_gradient = _searched(curve, weights, loss, gradient, way)
        moved, bent = new - weights, new_gradient - gradient
        product = (moved * bent).sum(0)
        pairs = [*pairs, (moved, bent, torch.where(product > 1e-12, 1 / product.clamp(min=1e-12), 0.0))][-PAIRS:]
        gain = ((loss - new_loss) / loss.clamp(min=1e-9)).max()
        weights, loss, gradient = new, new_loss, new_gradient
        if float(gain) < _ENOUGH:
            break
    return weights


def _direction(gradient: Tensor, pairs: list[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """Gradient times the inverse curvature that the pairs tell of (f + 1, c): the two loops of L-BFGS."""
    if not pairs:
        return gradient / gradient.square().sum(0).sqrt().clamp(min=1e-9)
    way, shares = gradient.clone(), []
    for moved, bent, inverse in reversed(pairs):
        shares.append(inverse * (moved * way).sum(0))
        way -= shares[-1] * bent
    moved, bent, _ = pairs[-1]
    way *= (moved * bent).sum(0) / bent.square().sum(0).clamp(min=1e-20)
    for (moved, bent, inverse), share in zip(pairs, reversed(shares), strict=True):
        way += moved * (share - inverse * (bent * way).sum(0))
    return way


def _searched(
    curve: Curve, weights: Tensor, loss: Tensor, gradient: Tensor, way: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(weights, losses, gradients) after a step that descends in every column; a column where none does stays."""
    length, slope = torch.ones_like(loss), (gradient * way).sum(0)
    for _ in range(_TRIES):
        new = weights - length * way
        new_loss, new_gradient = curve(new)
        rises = new_loss > loss - 1e-4 * length * slope
        if not bool(rises.any()):
            break
        length = torch.where(rises, length * _SHORTER, length)
    stays = new_loss > loss
    return (
        torch.where(stays, weights, new),
        torch.where(stays, loss, new_loss),
        torch.where(stays, gradient, new_gradient),
    )
