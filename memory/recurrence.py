"""One step of the memory: a state and a segment in, a state and logits out; and the loop over segments.

Letters of shapes as in model.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from memory.model import BACK, MemoryTransformer, Rows, Segment, Switches, delta_weights
from memory.state import (
    BAG,
    CREATED,
    HITS,
    ITEM_SLOTS,
    ITEMS,
    NEVER,
    PINNED,
    READ,
    SLOTS,
    SPEAKER_SLOTS,
    SPEAKERS,
    WRITTEN,
    MemoryState,
)

ALL_ON = Switches()
READS = ("slots", "archive", "attention")
SAME_ITEM = 0.7  # cosine of keys from which two mentions are one item
READ_FROM = 0.1  # share of an utterance's attention from which a slot counts as read
WRITE_FROM = 0.5  # write gate from which an utterance gets an item slot


@dataclass(frozen=True)
class Output:
    """What a step makes of a segment."""

    logits: dict[str, Tensor]  # task -> (B, S, classes)
    h: Tensor  # (B, S, d) for the topic pointer
    told: Tensor  # (B, S, v) what each utterance adds to the slot of its topic
    memory_mass: Tensor  # (B, S, R) attention on memory tokens, speaker slots, item slots
    archive_rows: Tensor  # (B, S, top) which were read, an index into the archive before the step
    archive_mass: Tensor  # (B, S, top)
    item_writes: Tensor  # (B, writes, 3) position in the segment, slot, 1 where it was given anew; -1 = none
    gate: Tensor  # (B, M) how much the memory tokens let in
    strength: Tensor  # (B, S) how much each utterance is worth an item slot
    read_ms: dict[str, float]  # by READS: the slots, the archive, the attention on cache, tokens, slots and segment


def empty(model: MemoryTransformer, streams: int = 1, *, archive: int | None = None) -> MemoryState:
    """A memory that has heard nothing; the memory tokens start where training put them."""
    z = model.sizes
    rows = z.archive if archive is None else archive
    clock = torch.zeros(streams, SLOTS, 5)
    clock[..., CREATED : READ + 1] = NEVER
    return MemoryState(
        cache=torch.zeros(streams, z.layers, z.cache, z.d),
        cache_s=torch.zeros(streams, z.cache),
        cache_filled=torch.zeros(streams, z.cache, dtype=torch.bool),
        tokens=model.tokens.start.expand(streams, -1, -1),
        slot_key=torch.zeros(streams, SLOTS, z.key),
        slot_value=torch.zeros(streams, SLOTS, z.value),
        slot_clock=clock,
        said=torch.zeros(streams, SPEAKERS, BAG, dtype=torch.uint8),
        archive=torch.zeros(streams, rows, z.archived),
        archive_filled=torch.zeros(streams, rows, dtype=torch.bool),
        archive_at=torch.zeros(streams, rows),
        position=torch.zeros(streams),
    )


def step(
    model: MemoryTransformer, state: MemoryState, segment: Segment, *, switches: Switches = ALL_ON
) -> tuple[MemoryState, Output]:
    """Read one segment. The state that goes in stays as it is; which banks are read, `switches` says."""
    x, own_words = model.encoder(segment)  # (B, S, d)
    size = x.shape[1]
    live, probes = segment.valid[:, :size], segment.probes[:, :size]
    told = model.slots.written(x, probes)
    items = model.slots.items(x, own_words, live)
    ms = dict.fromkeys(READS, 0.0)
    with _timed(ms, "slots"):
        own, count = _own(model, state, segment, x, told, switches)
        found, recalled = model.slots.recall(items, *_items(state, switches))
    entered = x + model.slots.own(torch.cat([own, torch.log1p(count).unsqueeze(-1) / 4], -1)) + found
    entered = entered + (model.slots.names[segment.speaker] * segment.known.unsqueeze(-1))
    inputs, h = [entered], model.nearby(_past(state, switches), entered)
    with _timed(ms, "attention"):
        rows = _rows(model, state, segment, switches)
        h, mass = model.layers[0](h, state.cache[:, 0], rows)
    with _timed(ms, "archive"):
        h, which, weight = model.archive(h, state.archive, state.archive_filled & switches.archive)
    with _timed(ms, "attention"):
        for number, layer in enumerate(model.layers[1:], 1):
            inputs.append(h)
            h, mass = layer(h, state.cache[:, number], rows)
    h = model.norm(h)
    logits = model.heads(h, probes, own, count)
    tokens, gate = model.tokens(state.tokens, h, live)
    new = _cached(replace(state, tokens=tokens), torch.stack(inputs, 1), segment)
    new = _archived(new, F.normalize(model.archive.row(x.detach()), dim=-1).detach(), live)
    new = _touch(new, torch.maximum(mass[..., -ITEMS:], recalled), live)
    new = _write_speakers(model, new, x, told, segment)
    new, writes = _write_items(model, new, items) if switches.slots else (new, _unwritten(model, items[2]))
    new = replace(new, position=state.position + live.sum(1))
    return new, Output(logits, h, torch.tanh(model.topics.told(h)), mass, which, weight, writes, gate, items[2], ms)


def run(
    model: MemoryTransformer,
    state: MemoryState,
    segments: Iterable[Segment],
    *,
    switches: Switches = ALL_ON,
    truncate: int = 0,
) -> Iterator[tuple[MemoryState, Output]]:
    """Segment after segment; every `truncate` segments (0: never) the way back for gradients ends."""
    for number, segment in enumerate(segments, 1):
        state, output = step(model, state, segment, switches=switches)
        if truncate and number % truncate == 0:
            state = state.detach()
        yield state, output


@contextmanager
def _timed(ms: dict[str, float], what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    ms[what] += (time.perf_counter() - began) * 1000


def _own(
    model: MemoryTransformer, state: MemoryState, segment: Segment, x: Tensor, told: Tensor, switches: Switches
) -> tuple[Tensor, Tensor]:
    """Each utterance's speaker as their slot knows them then, (B, S, v), and after how many utterances (B, S)."""
    hits = state.slot_clock[:, SPEAKER_SLOTS, HITS] * switches.slots
    value = state.slot_value[:, SPEAKER_SLOTS] * switches.slots
    return model.slots.read_own(x, told, segment, value, hits)


def _items(state: MemoryState, switches: Switches) -> tuple[Tensor, Tensor, Tensor]:
    """Keys, values and age (0 to 1, infinite where empty or off) of the item slots."""
    clock, now = state.slot_clock[:, ITEM_SLOTS], state.position.view(-1, 1)
    age = (now - clock[..., WRITTEN]) / now.clamp(min=1)
    age = torch.where((clock[..., HITS] > 0) & switches.slots, age, torch.inf)
    return state.slot_key[:, ITEM_SLOTS], state.slot_value[:, ITEM_SLOTS], age


def _past(state: MemoryState, switches: Switches) -> Tensor:
    """The last BACK utterances as they entered the first layer, (B, BACK, d), zero where there are none."""
    last = state.cache[:, 0, -BACK:] * (state.cache_filled[:, -BACK:, None] & switches.cache)
    return F.pad(last, (0, 0, BACK - last.shape[1], 0))


def _rows(model: MemoryTransformer, state: MemoryState, segment: Segment, switches: Switches) -> Rows:
    streams, size = segment.start_s.shape
    slots, full = model.slots.readable(state.slot_key, state.slot_value, state.slot_clock[..., HITS])
    tokens_on = torch.full((streams, state.tokens.shape[1]), switches.tokens)
    cached = state.cache.shape[2]
    place = torch.arange(cached + size, dtype=torch.float32)
    distance = (place[cached:].view(-1, 1) - place.view(1, -1)).expand(streams, -1, -1)
    when = torch.cat([state.cache_s, segment.start_s], 1)
    minutes = ((segment.start_s.unsqueeze(2) - when.unsqueeze(1)) / 60).clamp(0, 60)
    cache_ok = state.cache_filled & switches.cache & (place[:cached] >= cached - (model.sizes.reach or cached))
    usable = torch.cat([cache_ok, segment.valid[:, :size]], 1).unsqueeze(1) & (distance >= 0)
    oneself = torch.eye(size, dtype=torch.bool)  # an empty position sees at least itself
    usable = torch.cat([usable[..., :cached], usable[..., cached:] | oneself], -1)
    kinds = [0] * state.tokens.shape[1] + [1] * SPEAKERS + [2] * ITEMS
    return Rows(
        memory=torch.cat([state.tokens, slots], 1),
        readable=torch.cat([tokens_on, full & switches.slots], 1),
        kind=torch.tensor(kinds),
        cache_ok=cache_ok,
        distance=distance.clamp(min=0),
        minutes=minutes,
        seen=usable,
        recency=model.sizes.recency,
    )


def _shifted(old: Tensor, new: Tensor, counts: Tensor) -> Tensor:
    """The last rows of old + the first `counts` (B,) of new, rows along axis 1, as many as old has."""
    both = torch.cat([old, new], 1)
    pick = torch.arange(old.shape[1]).view(1, -1) + counts.view(-1, 1)
    return both.gather(1, pick.view(*pick.shape, *[1] * (old.dim() - 2)).expand(-1, -1, *old.shape[2:]))


def _cached(state: MemoryState, inputs: Tensor, segment: Segment) -> MemoryState:
    """inputs (B, N, S, d); no gradient goes into the cache, as in Transformer-XL."""
    live = segment.valid[:, : inputs.shape[2]]
    counts = live.sum(1)
    cache = _shifted(state.cache.transpose(1, 2), inputs.detach().transpose(1, 2), counts).transpose(1, 2)
    return replace(
        state,
        cache=cache,
        cache_s=_shifted(state.cache_s, segment.start_s, counts),
        cache_filled=_shifted(state.cache_filled, live, counts),
    )


def _archived(state: MemoryState, rows: Tensor, live: Tensor) -> MemoryState:
    if not state.archive.shape[1]:
        return state
    counts = live.sum(1)
    at = state.position.view(-1, 1) + torch.arange(live.shape[1])
    return replace(
        state,
        archive=_shifted(state.archive, rows, counts),
        archive_filled=_shifted(state.archive_filled, live, counts),
        archive_at=_shifted(state.archive_at, at, counts),
    )


def _write_speakers(
    model: MemoryTransformer, state: MemoryState, x: Tensor, told: Tensor, segment: Segment
) -> MemoryState:
    """Every utterance goes to its speaker's slot by the delta rule."""
    live = segment.valid[:, : x.shape[1]] & segment.known
    place = F.one_hot(segment.speaker, SPEAKERS).float() * live.unsqueeze(-1)  # (B, S, SPEAKERS)
    clock = state.slot_clock[:, SPEAKER_SLOTS]
    hits = clock[..., HITS]
    before = (place.cumsum(1) - place + hits.unsqueeze(1)).gather(2, segment.speaker.unsqueeze(-1)).squeeze(-1)
    worth, left = delta_weights(model.slots.beta(x, before) * live, place)
    value = left.unsqueeze(-1) * state.slot_value[:, SPEAKER_SLOTS] + worth.transpose(1, 2) @ told
    at = state.position.view(-1, 1, 1) + torch.arange(x.shape[1]).view(1, -1, 1)
    spoke = place > 0
    first = torch.where(spoke, at, torch.inf).amin(1)
    last = torch.where(spoke, at, NEVER).amax(1)
    created = torch.where((clock[..., CREATED] == NEVER) & spoke.any(1), first, clock[..., CREATED])
    written, read = torch.maximum(clock[..., WRITTEN], last), torch.maximum(clock[..., READ], last)
    new_clock = torch.stack([created, written, read, hits + place.sum(1), clock[..., PINNED]], -1)
    return replace(
        state,
        slot_value=torch.cat([value, state.slot_value[:, SPEAKERS:]], 1),
        slot_clock=torch.cat([new_clock, state.slot_clock[:, SPEAKERS:]], 1),
    )


def _unwritten(model: MemoryTransformer, strength: Tensor) -> Tensor:
    return torch.full((len(strength), min(model.sizes.writes, strength.shape[1]), 3), -1)


def _write_items(
    model: MemoryTransformer, state: MemoryState, items: tuple[Tensor, Tensor, Tensor]
) -> tuple[MemoryState, Tensor]:
    """The few utterances that the gate lets through each go to the item slot of their key, or to a free one."""
    keys, values, strength = items
    streams = torch.arange(len(keys))
    picked = strength.topk(min(model.sizes.writes, keys.shape[1]), 1).indices.sort(1).values
    key, value, clock = (t[:, ITEM_SLOTS] for t in (state.slot_key, state.slot_value, state.slot_clock))
    done = []
    for column in picked.unbind(1):
        force, mine = strength[streams, column], keys[streams, column]
        likeness = (key @ mine.unsqueeze(-1)).squeeze(-1).masked_fill(clock[..., HITS] == 0, -2.0)
        near, where = likeness.max(1)
        fresh = near < SAME_ITEM
        where = torch.where(fresh, _least_useful(clock, state.position), where)
        writes = force.detach() >= WRITE_FROM
        place = (F.one_hot(where, ITEMS).bool() & writes.unsqueeze(1)).unsqueeze(-1)  # (B, ITEMS, 1)
        at = (state.position + column).view(-1, 1)
        moved = torch.where(
            fresh.view(-1, 1, 1),
            values[streams, column].unsqueeze(1) * force.view(-1, 1, 1),
            value + force.view(-1, 1, 1) * (values[streams, column].unsqueeze(1) - value),
        )
        value = torch.where(place, moved, value)
        key = torch.where(place & fresh.view(-1, 1, 1), mine.unsqueeze(1), key)
        created = torch.where(fresh.view(-1, 1), at.float(), clock[..., CREATED])
        hits = torch.where(fresh.view(-1, 1), 1.0, clock[..., HITS] + 1)
        now = at.float().expand_as(created)
        clock = torch.where(place, torch.stack([created, now, now, hits, clock[..., PINNED]], -1), clock)
        done.append(torch.stack([torch.where(writes, column, -1), where, fresh.long()], -1))
    parts = {"slot_key": key, "slot_value": value, "slot_clock": clock}
    changed = {n: torch.cat([getattr(state, n)[:, : ITEM_SLOTS.start], part], 1) for n, part in parts.items()}
    state = replace(state, slot_key=changed["slot_key"], slot_value=changed["slot_value"])
    return replace(state, slot_clock=changed["slot_clock"]), torch.stack(done, 1)


def _least_useful(clock: Tensor, position: Tensor) -> Tensor:
    """Item slot (B,) to give away: an empty one, else the least of log(1 + hits) - age; a pinned one comes last.

    clock (B, ITEMS, 5); age in lengths of 256 utterances, some ten minutes, since it was last written or read.
    """
    used = torch.maximum(clock[..., WRITTEN], clock[..., READ])
    worth = torch.log1p(clock[..., HITS]) - (position.view(-1, 1) - used) / 256 + 1e6 * clock[..., PINNED]
    return torch.where(clock[..., HITS] == 0, -torch.inf, worth).argmin(1)


def _touch(state: MemoryState, mass: Tensor, live: Tensor) -> MemoryState:
    """Item slots that an utterance gave READ_FROM of its attention count as read; mass (B, S, ITEMS)."""
    seen = mass.detach() * live.unsqueeze(-1) >= READ_FROM  # (B, S, ITEMS)
    at = state.position.view(-1, 1, 1) + torch.arange(mass.shape[1]).view(1, -1, 1)
    last = torch.where(seen, at, NEVER).amax(1)
    clock = state.slot_clock[:, ITEM_SLOTS].clone()
    clock[..., READ] = torch.maximum(clock[..., READ], last)
    clock[..., HITS] = clock[..., HITS] + seen.any(1)
    return replace(state, slot_clock=torch.cat([state.slot_clock[:, : ITEM_SLOTS.start], clock], 1))
