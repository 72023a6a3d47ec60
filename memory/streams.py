"""Meetings side by side: each stream reads one after another, segment by segment, as it would live."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from memory.corpora import MISSING
from memory.material import READINGS, Readable
from memory.model import Segment
from memory.packing import Packed, segment
from memory.probes import GROUPS
from memory.state import SPEAKERS
from memory.words import Ints

READING_SHARES = (0.7, 0.15, 0.15)  # how often each of READINGS is taken
SWAPPED_SHARE = 0.3  # of the meetings in which some utterances are given to a wrong speaker
SWAPPED = 0.1  # of the utterances in these
TASKS = (*GROUPS, "swapped", "topic")


@dataclass(frozen=True)
class Sheet:
    """A meeting to be read: numbers and labels, speakers already permuted."""

    packed: Packed
    labels: dict[str, Ints]


@dataclass(frozen=True)
class Batch:
    """A step of all streams."""

    segment: Segment
    labels: dict[str, Tensor]  # task -> (B, S), MISSING where none
    begins: Tensor  # (B,) bool: the stream's memory is emptied before


def epoch(ready: Sequence[Readable], rng: np.random.Generator, *, streams: int, size: int) -> Iterator[Batch]:
    """Every meeting once, in an order and a disguise that `rng` draws."""
    queue = [_sheet(ready[i], rng) for i in rng.permutation(len(ready))]
    rows: list[tuple[Sheet, int] | None] = [None] * streams
    while True:
        begins = np.zeros(streams, bool)
        for i, row in enumerate(rows):
            if row is None and queue:
                sheet = queue.pop()
                rows[i] = (sheet, int(rng.integers(size)) if rng.random() < 0.5 else 0)
                begins[i] = True
        if not any(rows):
            return
        yield Batch(*_batch(rows, size), torch.from_numpy(begins))
        for i, row in enumerate(rows):
            if row is not None:
                sheet, first = row
                rows[i] = (sheet, first + size) if first + size < len(sheet.packed) else None


def _sheet(ready: Readable, rng: np.random.Generator) -> Sheet:
    said = ready.readings[int(rng.choice(len(READINGS), p=READING_SHARES))]
    order = rng.permutation(SPEAKERS)
    speaker, swapped = said.speaker.copy(), np.zeros(len(said), np.int64)
    if rng.random() < SWAPPED_SHARE:
        speaker, swapped = mistaken(speaker, rng, share=SWAPPED)
    labels = {**ready.labels, "swapped": swapped, "topic": ready.meeting.topic}
    labels["role"] = np.where(swapped == 1, MISSING, labels["role"])
    return Sheet(replace(said, speaker=order[speaker]), labels)


def mistaken(speaker: Ints, rng: np.random.Generator, *, share: float) -> tuple[Ints, Ints]:
    """Speakers of which about `share` are somebody else of the meeting, and 1 where they are."""
    others = rng.permutation(speaker)
    swapped = ((rng.random(len(speaker)) < share) & (others != speaker)).astype(np.int64)
    return np.where(swapped == 1, others, speaker), swapped


def _batch(rows: Sequence[tuple[Sheet, int] | None], size: int) -> tuple[Segment, dict[str, Tensor]]:
    labels = {task: np.full((len(rows), size), MISSING) for task in TASKS}
    for i, row in enumerate(rows):
        if row is not None:
            sheet, first = row
            for task in TASKS:
                part = sheet.labels[task][first : first + size]
                labels[task][i, : len(part)] = part
    pieces = [None if row is None else (row[0].packed, row[1]) for row in rows]
    return segment(pieces, size), {t: torch.from_numpy(v) for t, v in labels.items()}
