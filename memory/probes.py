"""TF-IDF + logistic regression: the baseline of every task, and what the recurrent model starts from.

All tasks are columns of one weight matrix; using it needs NumPy alone. Training is minibatch Adam on the exact
logistic losses, a few passes, with a decay of the weights; that is what the network sees. The yes-no marks have
a second column each, taken to its minimum (`memory.exact`): their LR in the tables, and what is shipped for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from memory.corpora import ACTS, MISSING, ROLES, Annotated
from memory.exact import FITTED, fit_marks, widened
from memory.words import OWN_BUCKETS, TIME_BUCKETS, WIDTH, Floats, Ints, Sparse, Weights

FLAGS = ("action", "decision", "problem", "salient", "opens", "turns")
OWNERS = len(ROLES) + 2  # the roles, the group, somebody else
GROUPS = {  # task -> its columns; a softmax over several, a logistic loss for one
    "act": slice(0, 15),
    "role": slice(15, 19),
    "owner": slice(19, 25),
    **{name: slice(25 + i, 26 + i) for i, name in enumerate(FLAGS)},
}
COLUMNS = 31  # what the network sees
MARKS = {name: slice(COLUMNS + i, COLUMNS + 1 + i) for i, name in enumerate(FITTED)}  # flags, each to its minimum
WIDE = COLUMNS + len(MARKS)
_TEXT_ONLY = ("act", "role")  # the words around are no help for these, measured


@dataclass(frozen=True)
class Probes:
    """Fitted weights: (WIDTH, WIDE) and (WIDE,), and how telling each n-gram is."""

    matrix: Floats
    bias: Floats
    weights: Weights

    def logits(self, rows: Sparse) -> Floats:
        """(n, WIDE) log-odds or unnormalised log-probabilities."""
        out = np.zeros((len(rows), self.matrix.shape[1]), np.float32)
        ends = np.append(rows.offsets[1:], len(rows.ids))
        for i, (start, stop) in enumerate(zip(rows.offsets, ends, strict=True)):
            picked = self.matrix[rows.ids[start:stop]].astype(np.float32)
            out[i] = rows.weights[start:stop] @ picked
        return out + self.bias.astype(np.float32)


def targets(meeting: Annotated) -> dict[str, Ints]:
    """Labels by task, (n,) each, MISSING where none."""
    owner = np.full(len(meeting.heard), MISSING)
    for item in meeting.items:
        for place in item.evidence:  # the first item of a sentence that gives out several
            owner[place] = item.owner if owner[place] == MISSING else owner[place]
    flags = {name: getattr(meeting, name) for name in FLAGS}
    return {"act": meeting.act, "role": meeting.role, "owner": owner, **flags}


def mark_targets(meeting: Annotated) -> dict[str, Ints]:
    """What each column of MARKS is taught, (n,) each, MISSING where nobody annotated."""
    return {name: widened(getattr(meeting, fitted.task), fitted) for name, fitted in FITTED.items()}


def loss_of(logits: torch.Tensor, labels: dict[str, torch.Tensor]) -> torch.Tensor:
    """Sum over the tasks of the mean loss where labels are; (n, COLUMNS) and (n,) each."""
    total = logits.sum() * 0
    for task, columns in GROUPS.items():
        known = labels[task] != MISSING
        if not bool(known.any()):
            continue
        mine, wanted = logits[:, columns][known], labels[task][known]
        if mine.shape[1] == 1:
            total = total + F.binary_cross_entropy_with_logits(mine[:, 0], wanted.float())
        elif task == "owner":  # few of them in a batch: weigh each like the others
            total = total + F.cross_entropy(mine, wanted, reduction="sum") / len(logits) * 20
        else:
            total = total + F.cross_entropy(mine, wanted)
    return total


@dataclass(frozen=True)
class Fit:
    """How the probes are trained."""

    epochs: int = 3
    batch: int = 1024
    rate: float = 0.025
    decay: float = 1e-3  # of the weights, a step
    seed: int = 0


def fit(rows: Sparse, labels: dict[str, Ints], weights: Weights, options: Fit = Fit()) -> Probes:
    """Train the columns of the network, all tasks at once; deterministic under the seed."""
    matrix = torch.zeros(WIDTH, COLUMNS, requires_grad=True)
    bias = torch.tensor(_prior(labels), requires_grad=True)
    allowed = torch.ones(WIDTH, COLUMNS)
    for task in _TEXT_ONLY:
        allowed[OWN_BUCKETS : WIDTH - TIME_BUCKETS, GROUPS[task]] = 0
    wanted = {task: torch.from_numpy(values) for task, values in labels.items()}
    optimizer = torch.optim.Adam([matrix, bias], lr=options.rate)
    steps = options.epochs * (len(rows) // options.batch + 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    rng = np.random.default_rng(options.seed)
    for _ in range(options.epochs):
        for picked in np.array_split(rng.permutation(len(rows)), len(rows) // options.batch + 1):
            part = take(rows, picked)
            logits = score(part, matrix) + bias
            loss = loss_of(logits, {task: values[picked] for task, values in wanted.items()})
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                matrix.mul_(allowed).mul_(1 - options.decay)
    return Probes(matrix.detach().numpy(), bias.detach().numpy(), weights)


def with_marks(probes: Probes, rows: Sparse, labels: dict[str, Ints], *, adapted: bool = False) -> Probes:
    """The columns of the network as they are, and the marks fitted to these utterances; labels as `mark_targets`.

    Adapted: the marks that are there, drawn some way towards these utterances.
    """
    known_by = (probes.matrix[:, COLUMNS:WIDE], probes.bias[COLUMNS:WIDE]) if adapted else None
    marks, bias = fit_marks(rows, labels, known_by=known_by)
    matrix = np.concatenate([probes.matrix[:, :COLUMNS], marks], 1)
    return Probes(matrix, np.append(probes.bias[:COLUMNS], bias).astype(np.float32), probes.weights)


def score(rows: Sparse, matrix: torch.Tensor) -> torch.Tensor:
    """Rows times matrix, (n, COLUMNS)."""
    ids, offsets, weights = map(torch.from_numpy, (rows.ids, rows.offsets, rows.weights))
    return F.embedding_bag(ids, matrix, offsets, mode="sum", per_sample_weights=weights)


def take(rows: Sparse, picked: Ints) -> Sparse:
    """Some rows of many."""
    ends = np.append(rows.offsets[1:], len(rows.ids))
    counts = (ends - rows.offsets)[picked]
    offsets = np.concatenate([[0], np.cumsum(counts)[:-1]])
    flat = np.repeat(rows.offsets[picked] - offsets, counts) + np.arange(counts.sum())
    return Sparse(rows.ids[flat], rows.weights[flat], offsets)


def join(parts: Sequence[Sparse]) -> Sparse:
    """Rows of several meetings, one after another."""
    starts = np.cumsum([0, *(len(p.ids) for p in parts)])
    offsets = [part.offsets + start for part, start in zip(parts, starts, strict=False)]
    ids, weights = (np.concatenate([getattr(p, name) for p in parts]) for name in ("ids", "weights"))
    return Sparse(ids, weights, np.concatenate(offsets))


def _prior(labels: dict[str, Ints]) -> Floats:
    """Bias that predicts how often each label is."""
    bias = np.zeros(COLUMNS, np.float32)
    for task, columns in GROUPS.items():
        known = labels[task][labels[task] != MISSING]
        size = columns.stop - columns.start
        counts = np.bincount(known, minlength=max(size, 2)).astype(np.float32) + 1
        bias[columns] = np.log(counts[1] / counts[0]) if size == 1 else np.log(counts / counts.sum())
    return bias


ACT_COUNT = len(ACTS)
