"""What the memory did in a segment, in numbers: for the events, the screen and the plot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from memory.recurrence import Output
from memory.state import HITS, ITEM_SLOTS, ITEMS, PINNED, SPEAKER_SLOTS, SPEAKERS, TOPIC_SLOTS, MemoryState


@dataclass(frozen=True)
class Statistics:
    """One segment that went into the banks."""

    at: int  # utterances in the banks now
    hit_rate: float  # share of the utterances that read an archived utterance or a slot of more than a tenth
    age_p50: float  # utterances between what was read in the archive and its reader, median
    age_p95: float
    write_rate: float  # item slots written an utterance
    gate_open: float  # how much the memory tokens let in, mean, 0 to 1
    mass_tokens: float  # share of the attention of the last layer that went to each bank
    mass_speakers: float
    mass_items: float
    mass_archive: float  # weight of the best archive row, mean
    speakers: int  # slots in use
    topics: int
    items: int
    archived: int
    pinned: int
    evicted: int  # since the start
    step_ms: float  # the whole segment
    slots_ms: float  # of it, reading the slots of speakers and items
    archive_ms: float  # the archive
    attention_ms: float  # and the layers' attention: cache, tokens and slots in one, with the segment itself
    state_bytes: int


def statistics(before: MemoryState, after: MemoryState, output: Output, count: int, took_ms: float) -> Statistics:
    """Of the `count` utterances of one step of one stream."""
    mass = output.memory_mass[0, :count]
    tokens = mass.shape[1] - SPEAKERS - ITEMS
    weight, rows = output.archive_mass[0, :count], output.archive_rows[0, :count]
    best = weight.max(-1).values if weight.numel() else torch.zeros(count)
    slots = mass[:, tokens:].max(-1).values
    ages = (
        before.position[0]
        + torch.arange(count)
        - before.archive_at[0][rows.gather(1, weight.argmax(-1, keepdim=True)).squeeze(1)]
    )
    ages = ages[best > 0]
    used = after.slot_clock[0, :, HITS] > 0
    return Statistics(
        at=int(after.position[0]),
        hit_rate=round(float(((best > 0.1) | (slots > 0.1)).float().mean()), 4),
        age_p50=_quantile(ages, 0.5),
        age_p95=_quantile(ages, 0.95),
        write_rate=round(float((output.item_writes[0, :, 0] >= 0).sum()) / max(count, 1), 4),
        gate_open=round(float(output.gate[0].mean()), 4),
        mass_tokens=round(float(mass[:, :tokens].sum(-1).mean()), 4),
        mass_speakers=round(float(mass[:, tokens : tokens + SPEAKERS].sum(-1).mean()), 4),
        mass_items=round(float(mass[:, tokens + SPEAKERS :].sum(-1).mean()), 4),
        mass_archive=round(float(best.mean()), 4),
        speakers=int(used[SPEAKER_SLOTS].sum()),
        topics=int(used[TOPIC_SLOTS].sum()),
        items=int(used[ITEM_SLOTS].sum()),
        archived=int(after.archive_filled[0].sum()),
        pinned=int(after.slot_clock[0, :, PINNED].sum()),
        evicted=after.ledger.evicted,
        step_ms=round(took_ms, 1),
        **{f"{read}_ms": round(ms, 2) for read, ms in output.read_ms.items()},
        state_bytes=after.bytes(),
    )


def _quantile(values: torch.Tensor, share: float) -> float:
    return float(np.quantile(values.numpy(), share)) if len(values) else 0.0
