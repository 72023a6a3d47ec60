"""What the memory keeps and what it lets go: each policy is a function from a state to a state.

Initialise and update are `recurrence.empty` and `recurrence.step`; how an item slot is chosen to be given away is
`recurrence.least_useful`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from memory.corpora import ROLES
from memory.state import (
    CREATED,
    HITS,
    ITEM_SLOTS,
    PINNED,
    PROVENANCE,
    READ,
    SLOTS,
    SPEAKER_SLOTS,
    SPEAKERS,
    WRITTEN,
    Eviction,
    Ledger,
    MemoryState,
)

SAME = 0.9  # cosine of value and key from which two item slots hold the same
_LISTED = 200  # evictions that the ledger lists


def pin(state: MemoryState, slots: Iterable[int], *, pinned: bool = True) -> MemoryState:
    """These slots hold open action items and are the last to go, or no longer."""
    clock = state.slot_clock.clone()
    clock[:, list(slots), PINNED] = float(pinned)
    return replace(state, slot_clock=clock)


def noted(ledger: Ledger, evictions: Sequence[Eviction]) -> Ledger:
    """The ledger with more evictions."""
    return replace(
        ledger,
        evictions=(*ledger.evictions, *evictions)[-_LISTED:],
        evicted=ledger.evicted + len(evictions),
    )


def came_from(ledger: Ledger, slot: int, ids: Sequence[str], *, anew: bool = False) -> Ledger:
    """The ledger with the utterances that a slot was written from."""
    provenance = list(ledger.provenance)
    provenance[slot] = (*(() if anew else provenance[slot]), *ids)[-PROVENANCE:]
    return replace(ledger, provenance=tuple(provenance))


def clear(state: MemoryState, slots: Sequence[int], reason: str) -> MemoryState:
    """Empty slots; the ledger says when and why."""
    now = int(state.position[0])
    clock = state.slot_clock[0]
    gone = [
        Eviction(slot, now, now - int(clock[slot, WRITTEN]), int(clock[slot, HITS]), reason)
        for slot in slots
        if clock[slot, HITS] > 0
    ]
    kept = torch.ones(SLOTS, dtype=torch.bool)
    kept[list(slots)] = False
    empty = torch.tensor([-1.0, -1.0, -1.0, 0.0, 0.0])
    ledger = noted(state.ledger, gone)
    for slot in slots:
        ledger = came_from(ledger, slot, (), anew=True)
    return replace(
        state,
        slot_key=_masked(state.slot_key, kept),
        slot_value=_masked(state.slot_value, kept),
        slot_clock=torch.where(kept.view(1, -1, 1), state.slot_clock, empty),
        said=state.said * kept[SPEAKER_SLOTS].view(1, -1, 1),
        ledger=ledger,
    )


def handed_on(state: MemoryState, meeting: str, known: Iterable[str]) -> MemoryState:
    """For the next meeting of a series: the speakers that it can know again keep a slot, the slots of all others are
    free; utterance ids get their meeting before them, for every meeting counts its own from one."""
    wanted = set(known)
    kept = [i for i, label in enumerate(state.ledger.speakers[:SPEAKERS]) if label in wanted]
    lost = [i for i in range(SPEAKERS) if i not in kept]
    state = clear(state, lost, "unknown")
    order = [*kept, *lost, *range(SPEAKERS, SLOTS)]
    ledger = state.ledger
    roles = [ledger.roles[i] if i < len(ledger.roles) else _NO_ROLES for i in kept]
    told = [tuple(_of(meeting, id) for id in ledger.provenance[i]) for i in order]
    ledger = replace(
        ledger,
        speakers=tuple(ledger.speakers[i] for i in kept),
        roles=tuple(roles),
        provenance=tuple(told),
        archive=tuple(_of(meeting, id) for id in ledger.archive),
    )
    parts = {name: getattr(state, name)[:, order] for name in ("slot_key", "slot_value", "slot_clock")}
    return replace(state, said=state.said[:, order[:SPEAKERS]], ledger=ledger, **parts)


_NO_ROLES = (0.0,) * len(ROLES)


def _of(meeting: str, id: str) -> str:
    return id if "/" in id else f"{meeting}/{id}"


def evict(state: MemoryState, *, older_than: int) -> MemoryState:
    """Let go of item slots neither written nor read for so many utterances; pinned ones stay."""
    clock = state.slot_clock[0, ITEM_SLOTS]
    age = state.position[0] - torch.maximum(clock[:, WRITTEN], clock[:, READ])
    old = (age > older_than) & (clock[:, HITS] > 0) & (clock[:, PINNED] == 0)
    return clear(state, [ITEM_SLOTS.start + int(i) for i in old.nonzero()], "old")


def prune(state: MemoryState) -> MemoryState:
    """Item slots that hold the same become one: the newer value, all hits, both provenances, the earlier creation."""
    slots = range(ITEM_SLOTS.start, ITEM_SLOTS.stop)
    held = [s for s in slots if state.slot_clock[0, s, HITS] > 0]
    for first in held:
        for second in (s for s in held if s > first):
            if all(state.slot_clock[0, s, HITS] > 0 for s in (first, second)) and _alike(state, first, second) > SAME:
                state = _merged(state, first, second)
    return state


def _alike(state: MemoryState, first: int, second: int) -> float:
    both = (state.slot_key[0], state.slot_value[0])
    return min(float(F.cosine_similarity(t[first], t[second], 0)) for t in both)


def _merged(state: MemoryState, first: int, second: int) -> MemoryState:
    """Both slots in `first`."""
    a, b = state.slot_clock[0, first], state.slot_clock[0, second]
    newer = second if b[WRITTEN] > a[WRITTEN] else first
    value, clock = state.slot_value.clone(), state.slot_clock.clone()
    value[0, first] = value[0, newer]
    clock[0, first] = torch.maximum(a, b)
    clock[0, first, CREATED] = torch.minimum(a[CREATED], b[CREATED])
    clock[0, first, HITS] = a[HITS] + b[HITS]
    ids = sorted({*state.ledger.provenance[first], *state.ledger.provenance[second]}, key=lambda i: (len(i), i))
    state = clear(replace(state, slot_value=value, slot_clock=clock), [second], "merged")
    return replace(state, ledger=came_from(state.ledger, first, ids, anew=True))


def _masked(values: Tensor, kept: Tensor) -> Tensor:
    return torch.where(kept.view(1, -1, 1), values, torch.zeros(()))
