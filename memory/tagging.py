"""`python -m memory.tagging`: teaches the tagger of dialogue acts, on short stretches of many meetings, mixed.

A third of them is damaged as a recogniser damages. What the LR makes of an utterance, which the tagger sees too, comes
from probes that never saw the meeting's series.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from memory import cases, material
from memory.cases import Score
from memory.corpora import MISSING, folds, load
from memory.material import Readable
from memory.metrics import interval
from memory.probes import GROUPS
from memory.tagger import Scene, Tagger, scene, stretches, tagged
from memory.train import prepared
from memory.weights import SHIPPED, load_network, save_marks
from memory.words import Floats, Ints

_SMOOTHED = 0.05  # share of the target that all acts have: people agree on seven of ten


@dataclass(frozen=True)
class Lessons:
    """How long and how fast; set on one fifth of the training meetings (LOG.md)."""

    epochs: int = 5
    stretch: int = 32  # utterances
    batch: int = 12  # stretches
    rate: float = 2e-3
    decay: float = 0.01
    readings: tuple[float, ...] = (0.65, 0.2, 0.15)  # how often each of material.READINGS is taken
    seed: int = 0


def teach(scenes: Sequence[Sequence[Scene]], acts: Sequence[Ints], lessons: Lessons = Lessons()) -> Tagger:
    """A tagger of these meetings: every reading of each, and its utterances' acts. Deterministic under the seed."""
    torch.manual_seed(lessons.seed)
    rng = np.random.default_rng(lessons.seed)
    tagger = Tagger().train()
    optimizer = torch.optim.AdamW(tagger.parameters(), lr=lessons.rate, weight_decay=lessons.decay, betas=(0.9, 0.98))
    places = [_places(scenes, acts, lessons, rng) for _ in range(lessons.epochs)]
    total, step = sum(-(-len(p) // lessons.batch) for p in places), 0
    for epoch in places:
        for start in range(0, len(epoch), lessons.batch):
            share = min(1.0, (step + 1) / 50) * max(0.02, 0.5 * (1 + math.cos(math.pi * step / total)))
            for group in optimizer.param_groups:
                group["lr"] = lessons.rate * share
            _step(tagger, optimizer, scenes, acts, epoch[start : start + lessons.batch], lessons, rng)
            step += 1
    return tagger.eval()


def _places(
    scenes: Sequence[Sequence[Scene]], acts: Sequence[Ints], lessons: Lessons, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """(meeting, first utterance) of the stretches of a pass, mixed; where they are cut is drawn anew each pass."""
    places = []
    for number, labels in enumerate(acts):
        if (labels != MISSING).any():
            begin = -int(rng.integers(lessons.stretch))
            places += [(number, first) for first in range(begin, len(scenes[number][0]), lessons.stretch)]
    return [places[i] for i in rng.permutation(len(places))]


def _step(
    tagger: Tagger,
    optimizer: torch.optim.Optimizer,
    scenes: Sequence[Sequence[Scene]],
    acts: Sequence[Ints],
    places: Sequence[tuple[int, int]],
    lessons: Lessons,
    rng: np.random.Generator,
) -> None:
    shares = np.array(lessons.readings[: len(scenes[0])])
    picked = [(scenes[m][int(rng.choice(len(shares), p=shares / shares.sum()))], first) for m, first in places]
    wanted = np.full((len(places), lessons.stretch), MISSING)
    for row, (meeting, first) in enumerate(places):
        part = acts[meeting][max(0, first) : first + lessons.stretch]
        wanted[row, max(0, -first) : max(0, -first) + len(part)] = part
    labels = torch.from_numpy(wanted)
    logits = tagger(stretches(picked, lessons.stretch))
    loss = F.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=MISSING, label_smoothing=_SMOOTHED, reduction="sum"
    ) / max(1, int((labels != MISSING).sum()))
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(tagger.parameters(), 2.0)
    optimizer.step()


def scenes_of(ready: Sequence[Readable]) -> list[list[Scene]]:
    """Every meeting in every reading."""
    vocabulary = material.vocabulary_of([r.meeting for r in ready])
    out = []
    for each in ready:
        said = material.disguised(each.meeting, material.seed_of(each.meeting), vocabulary)
        pairs = zip(said, each.readings, strict=True)
        out.append([scene(each.meeting.heard, words, reading.probes) for words, reading in pairs])
    return out


def folded(ready: Sequence[Readable], scenes: Sequence[Sequence[Scene]], count: int) -> Iterable[tuple[str, Score]]:
    """Accuracy of acts in folds by series: the LR, the tagger, and the tagger without punctuation."""
    place = {r.meeting.name: i for i, r in enumerate(ready)}
    rows: dict[str, list[tuple[float, float]]] = {"LR": [], "tagger": [], "tagger, no punctuation": []}
    for rest, held in folds([r.meeting for r in ready], count):
        learnt = [place[m.name] for m in rest]
        tagger = teach([scenes[i] for i in learnt], [ready[i].meeting.act for i in learnt])
        for i in (place[m.name] for m in held):
            linear = ready[i].readings[0].probes[:, GROUPS["act"]]
            found = linear, tagged(tagger, scenes[i][0]), tagged(tagger, scenes[i][1])
            for name, logits in zip(rows, found, strict=True):
                rows[name].append(_right(logits, ready[i].meeting.act))
    for name, counts in rows.items():
        table = np.array(counts)
        yield name, Score(_share(table.sum(0)), *interval(table, _share))


def _right(logits: Floats, wanted: Ints) -> tuple[float, float]:
    known = wanted != MISSING
    return float((logits.argmax(1) == wanted)[known].sum()), float(known.sum())


def _share(sums: Floats) -> float:
    return float(sums[0] / max(sums[1], 1.0))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m memory.tagging", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="annotated meetings to learn from, the network's own")
    parser.add_argument("--held", type=Path, help="meetings to measure on")
    parser.add_argument("--folds", type=int, default=0, help="measure in so many folds by series and write nothing")
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="of the network; the tagger lies beside them")
    parser.add_argument("--cache", type=Path, help="as of memory.train: the fitted probes")
    given = parser.parse_args()
    torch.set_num_threads(1)
    say = partial(print, flush=True)
    _, ready = prepared(load(given.data), cache=given.cache, say=say)
    scenes = scenes_of(ready)
    if given.folds:
        for name, score in folded(ready, scenes, given.folds):
            say(f"| dialogue acts, accuracy, {name} | {score} |")
        return
    tagger = teach(scenes, [r.meeting.act for r in ready])
    shipped = replace(load_network(given.weights), tagger=tagger)
    save_marks(given.weights, shipped)
    if given.held:
        for bare in (False, True):
            read = cases.read(shipped, load(given.held), bare=bare)
            say(f"no punctuation: {bare}; tagger {cases.acts(read)}, network {cases.accuracy(read, 'act', 1.0)}")


if __name__ == "__main__":
    main()
