"""Which of a sentence's cues count: they were read one by one, and some of them are two views of one thing."""

from __future__ import annotations

from dataclasses import replace

from memory import verdicts
from memory.notes import Cue
from memory.standing import doubted
from memory.wording import Sentence, stem

LEAST = 0.3  # strength below which words say nothing


def reconciled(found: list[Cue], sentence: Sentence) -> list[Cue]:
    """One reading a sentence: a sure decision is no task of "we", a sure task is no decision, a move no commitment."""
    found = [replace(cue, strength=cue.strength - doubted(cue, sentence)) for cue in found]
    found = [cue for cue in found if cue.strength > LEAST]
    kinds = {cue.kind for cue in found}
    decision = max((cue.strength for cue in found if cue.kind == "decide"), default=0.0)
    task = max((cue.strength for cue in found if cue.kind in ("commit", "assign", "ask")), default=0.0)
    kept: list[Cue] = []
    for cue in found:
        ours = cue.kind == "need" and cue.owner.kind == "group"
        if ours and decision and not (cue.due.date and decision < 0.6):
            continue
        if cue.kind == "decide" and (cue.strength < decision or any(other.kind == "decide" for other in kept)):
            continue
        if cue.kind == "decide" and ("reverse" in kinds or "move" in kinds or (task >= 0.55 and cue.strength < 0.6)):
            continue
        if cue.kind == "decide" and any(c.kind == "need" and c.due.date and cue.strength < 0.6 for c in found):
            continue
        if cue.kind in ("commit", "assign", "offer", "need") and "move" in kinds and "instead" not in cue.details:
            continue
        if cue.kind in ("asked", "accept") and kinds & {"ask", "reverse", "propose"}:
            continue
        if cue.kind == "welcome" and kinds & {"commit", "ask", "assign"}:
            continue
        if cue.kind == "park" and decision >= verdicts.EXPLICIT:
            continue
        if cue.kind == "drop" and kinds & {"reverse", "decide"}:
            continue
        kept.append(cue)
    order = {"accept": 0, "claim": 1, "refuse": 1, "release": 2, "move": 3}
    return sorted(kept, key=lambda cue: order.get(cue.kind, 4))


def same_doing(one: str, other: str) -> bool:
    """Whether both texts begin with the same verb, in whatever form: "booked the hall", "book the hall"."""
    first, second = one.lower().split()[:1], other.lower().split()[:1]
    return bool(first and second) and (
        stem(first[0])[:4] == stem(second[0])[:4] or first[0] in ("the", "this", "that", "it")
    )
