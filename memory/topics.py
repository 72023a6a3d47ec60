"""Topics: what each is about, when one begins, when one comes back; titles from its own words, nothing invented."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from memory.model import MemoryTransformer
from memory.state import CREATED, HITS, NEVER, PINNED, READ, TOPIC_SLOTS, TOPICS, WRITTEN, MemoryState


def write(state: MemoryState, told: Tensor, topic: Tensor) -> MemoryState:
    """Every utterance joins the running mean of its topic's slot.

    told (B, S, v), topic (B, S) number of the slot, negative where none. `state.position` is that before the segment.
    """
    place = F.one_hot(topic.clamp(0, TOPICS - 1), TOPICS).float() * ((topic >= 0) & (topic < TOPICS)).unsqueeze(-1)
    clock, value = state.slot_clock[:, TOPIC_SLOTS], state.slot_value[:, TOPIC_SLOTS]
    hits = clock[..., HITS]
    total = hits + place.sum(1)
    mean = (hits.unsqueeze(-1) * value + place.transpose(1, 2) @ told) / total.clamp(min=1).unsqueeze(-1)
    at = state.position.view(-1, 1, 1) + torch.arange(told.shape[1]).view(1, -1, 1)
    first, last = (torch.where(place > 0, at, far) for far in (torch.inf, -1.0))
    created = torch.where((hits == 0) & (place.sum(1) > 0), first.amin(1), clock[..., CREATED])
    written = torch.maximum(clock[..., WRITTEN], last.amax(1))
    new_clock = torch.stack([created, written, clock[..., READ], total, clock[..., PINNED]], -1)
    start, stop = TOPIC_SLOTS.start, TOPIC_SLOTS.stop
    return replace(
        state,
        slot_value=torch.cat([state.slot_value[:, :start], mean, state.slot_value[:, stop:]], 1),
        slot_clock=torch.cat([state.slot_clock[:, :start], new_clock, state.slot_clock[:, stop:]], 1),
    )


def closed(state: MemoryState) -> MemoryState:
    """Without topics: a meeting's topics are its own."""
    start, stop = TOPIC_SLOTS.start, TOPIC_SLOTS.stop
    value, clock = state.slot_value.clone(), state.slot_clock.clone()
    value[:, start:stop], clock[:, start:stop] = 0.0, torch.tensor([NEVER, NEVER, NEVER, 0.0, 0.0])
    return replace(state, slot_value=value, slot_clock=clock)


def point(
    model: MemoryTransformer, state: MemoryState, h: Tensor, told: Tensor, topic: Tensor, where: Tensor
) -> tuple[Tensor, Tensor]:
    """Which topic begins at some utterances, from what was there before each.

    h (B, S, d), told (B, S, v), topic (B, S) slots so far, where (n, 2) rows of (stream, utterance of the segment) ->
    logits (n, 1 + TOPICS), the first "a new one", and whether each topic was there before (n, TOPICS).
    """
    stream, column = where[:, 0], where[:, 1]
    earlier = torch.arange(h.shape[1]).view(1, -1) < column.view(-1, 1)  # (n, S)
    place = F.one_hot(topic.clamp(0, TOPICS - 1), TOPICS).float() * ((topic >= 0) & (topic < TOPICS)).unsqueeze(-1)
    place = place[stream] * earlier.unsqueeze(-1)  # (n, S, TOPICS)
    clock, value = state.slot_clock[stream][:, TOPIC_SLOTS], state.slot_value[stream][:, TOPIC_SLOTS]
    total = clock[..., HITS] + place.sum(1)
    mean = (clock[..., HITS : HITS + 1] * value + place.transpose(1, 2) @ told[stream]) / total.clamp(min=1).unsqueeze(
        -1
    )
    at = (state.position[stream].view(-1, 1) + column.view(-1, 1)).float()
    here = torch.where(place > 0, torch.arange(h.shape[1]).view(1, -1, 1), -torch.inf).amax(1)
    last = torch.maximum(clock[..., WRITTEN], state.position[stream].view(-1, 1) + here)
    age = (at - last).clamp(min=0)
    return model.topics(h[stream, column], mean, age, total, age == 1), total > 0
