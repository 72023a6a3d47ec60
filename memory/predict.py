"""Reads whole annotated meetings side by side, with the memory as it is or tampered with: what the proofs run on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from memory import topics
from memory.corpora import MISSING, away
from memory.model import MemoryTransformer, Switches
from memory.packing import Packed, segment
from memory.recurrence import ALL_ON, Output, empty, step
from memory.state import TOPICS, MemoryState
from memory.words import Floats, Ints

Tampering = Literal["full", "zeroed", "swapped", "frozen"]
RETURN = "return"  # (switches, 1 + TOPICS) logits beside the logits of the tasks


@dataclass(frozen=True)
class Tampered:
    """What is done to the memory before every segment."""

    how: Tampering = "full"
    freeze_after: int = 2  # segments, where how is "frozen"
    horizon: int = 0  # segments back that the memory may have heard; 0 = all
    switches: Switches = ALL_ON


@dataclass(frozen=True)
class Reading:
    """Logits of one meeting."""

    logits: dict[str, Floats]  # task -> (n, classes)
    probes: Floats  # (n, WIDE)
    switches: Ints  # (s,) utterances where the annotated topic changes
    back: Floats  # (s, 1 + TOPICS) logits of the topic pointer there


@torch.no_grad()
def predict(
    model: MemoryTransformer,
    said: Sequence[Packed],
    topic: Sequence[Ints],
    *,
    tampered: Tampered = Tampered(),
    start: MemoryState | None = None,
) -> tuple[list[Reading], MemoryState]:
    """Logits of every meeting, and the memories after them; `start` carries memories over from before."""
    model.eval()
    size, count = model.sizes.segment, len(said)
    state = start or empty(model, count, archive=1024)
    steps = -(-max(map(len, said)) // size)
    kept: list[dict[str, list[Floats]]] = [{} for _ in said]
    pointed: list[list[tuple[int, Floats]]] = [[] for _ in said]
    turned = [np.flatnonzero(away(t)) for t in topic]
    for number in range(steps):
        first = number * size
        before = _tamper(model, state, said, tampered, number)
        batch = segment([(p, first) if first < len(p) else None for p in said], size)
        labels = _part(topic, first, size)
        after, output = step(model, before, batch, switches=tampered.switches)
        here = [t[(t >= first) & (t < first + size)] - first for t in turned]
        for i, at, back in _point(model, before, output, labels, here):
            pointed[i].append((first + at, back))
        live = batch.valid[:, :size]
        after = topics.write(replace(after, position=before.position), output.told, torch.where(live, labels, MISSING))
        state = replace(after, position=before.position + live.sum(1)) if _moves(tampered, number) else state
        for i in range(count):
            n = int(live[i].sum())
            for task, logits in output.logits.items():
                kept[i].setdefault(task, []).append(logits[i, :n].numpy())
    return [_reading(k, p, s) for k, p, s in zip(kept, pointed, said, strict=True)], state


def _moves(tampered: Tampered, number: int) -> bool:
    return tampered.how != "frozen" or number < tampered.freeze_after


def _tamper(
    model: MemoryTransformer, state: MemoryState, said: Sequence[Packed], tampered: Tampered, number: int
) -> MemoryState:
    fresh = empty(model, len(said), archive=1024)
    if tampered.how == "zeroed":
        return fresh
    if tampered.how == "swapped":  # another meeting's memory at the same point; the topics stay for the pointer
        return state.map(lambda t: t.roll(1, 0))
    if tampered.horizon and number:
        size = model.sizes.segment
        for earlier in range(max(0, number - tampered.horizon), number):
            batch = segment([(p, earlier * size) if earlier * size < len(p) else None for p in said], size)
            fresh, _ = step(model, fresh, batch, switches=tampered.switches)
        return fresh
    return state


def _part(topic: Sequence[Ints], first: int, size: int) -> torch.Tensor:
    rows = np.full((len(topic), size), MISSING)
    for i, numbers in enumerate(topic):
        part = numbers[first : first + size]
        rows[i, : len(part)] = np.where(part < TOPICS, part, MISSING)
    return torch.from_numpy(rows)


def _point(
    model: MemoryTransformer, state: MemoryState, output: Output, labels: torch.Tensor, turned: Sequence[Ints]
) -> list[tuple[int, int, Floats]]:
    """(stream, utterance of the segment, logits) of each change of topic, `turned` by stream."""
    where = [(i, at) for i, places in enumerate(turned) for at in places.tolist() if labels[i, at] != MISSING]
    if not where:
        return []
    logits, _ = topics.point(model, state, output.h, output.told, labels, torch.tensor(where))
    return [(i, at, row.numpy()) for (i, at), row in zip(where, logits, strict=True)]


def _reading(kept: dict[str, list[Floats]], pointed: list[tuple[int, Floats]], said: Packed) -> Reading:
    return Reading(
        logits={task: np.concatenate(parts) for task, parts in kept.items()},
        probes=said.probes,
        switches=np.array([p for p, _ in pointed], np.int64),
        back=np.stack([z for _, z in pointed]) if pointed else np.zeros((0, 1 + TOPICS), np.float32),
    )
