"""How much the memory's marks count beside the rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from memory.marks import GROUP, Marks
from memory.notes import NOBODY, Item, Owner

SURE_OWNER = 0.7  # probability from which a mark names an owner


@dataclass(frozen=True)
class Weight:
    """How much the memory's probability of an item counts beside the rules; chosen on AMI dev (bench/README.md)."""

    item: float  # from here on it is one without any rule
    lifts: float  # from here on it adds LIFT to the confidence
    doubts: float  # below, it takes `sinks` away
    sinks: float


WEIGHTS = {
    "action": Weight(item=0.2, lifts=0.3, doubts=0.03, sinks=0.2),
    "decision": Weight(item=0.2, lifts=0.1, doubts=0.0, sinks=0.0),
    "question": Weight(item=1.1, lifts=0.3, doubts=0.01, sinks=0.08),
}
LIFT = 0.12


def views(marks: Marks) -> dict[str, float]:
    """The probability of each kind of item."""
    return {"action": marks.action, "decision": marks.decision, "question": marks.question}


def believing(marks: Iterable[Marks]) -> frozenset[str]:
    """The kinds of items that the memory does not doubt everywhere in a meeting. Where it does, the talk is
    unlike what it was trained on, and that it does not believe a task says nothing."""
    seen = [views(mark) for mark in marks]
    return frozenset(kind for kind, weight in WEIGHTS.items() if any(view[kind] >= weight.doubts for view in seen))


def read_anew(marks: Mapping[str, Marks], told: Mapping[str, Sequence[float]]) -> dict[str, Marks]:
    """The marks by utterance id with the probabilities (action, decision) that the whole meeting `told` at its end.

    They stay as they were for a kind that was doubted everywhere: the best of a meeting is only then worth something
    where anything was. And nothing is doubted that was not doubted before: an item of the rules is not taken away for
    standing alone.
    """
    believed, anew = believing(marks.values()), dict(marks)

    def now(mark: Marks, kind: str, chance: float) -> float:
        before = views(mark)[kind]
        return max(chance, min(before, WEIGHTS[kind].doubts)) if kind in believed else before

    for id, (action, decision) in told.items():
        if (mark := marks.get(id)) is not None:
            anew[id] = replace(mark, action=now(mark, "action", action), decision=now(mark, "decision", decision))
    return anew


def weighed(item: Item, found: Mapping[str, float], believed: frozenset[str]) -> Item:
    """The item after the memory's view of what was just said of it; one that is shown already stays as it is. Its
    doubt counts for the kinds that it `believed` in."""
    view, weight = found.get(item.kind), WEIGHTS.get(item.kind)
    if view is None or weight is None or item.id:
        return item
    shift = LIFT if view >= weight.lifts else -weight.sinks if view < weight.doubts and item.kind in believed else 0.0
    return replace(item, confidence=min(0.95, item.confidence + shift))


def pointed(marks: Marks) -> Owner:
    """The owner that the model points at where it is sure; NOBODY where it is not."""
    if not marks.owner or marks.owner_probability < SURE_OWNER:
        return NOBODY
    return Owner("group", "the group") if marks.owner == GROUP else Owner("speaker", marks.owner)
