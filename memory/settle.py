"""What is noted while a meeting runs and what a second hearing of the whole makes of it, each under one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from memory.notebook import LETTERS
from memory.notes import WITHDRAWN, Item


def settled(told: Iterable[Item], final: Iterable[Item]) -> list[Item]:
    """What changes: the final items under the names that were told before, and what does not hold any more, withdrawn.

    Two are the same where they were carried here under one name, or rest on the same utterances.
    """
    left = {item.id: item for item in told if item.status != WITHDRAWN}
    counts = Counter({letter: _highest(left, letter) for letter in LETTERS.values()})
    changes: list[Item] = []
    fresh: list[Item] = []
    for item in final:
        same = _same(item, left)
        if same is None:
            fresh.append(item)
            continue
        del left[same.id]
        if (kept := replace(item, id=same.id)) != same:
            changes.append(kept)
    for item in fresh:
        letter = LETTERS[item.kind]
        counts[letter] += 1
        changes.append(replace(item, id=f"{letter}{counts[letter]}"))
    return [*changes, *(replace(item, status=WITHDRAWN) for item in left.values())]


def _same(item: Item, told: dict[str, Item]) -> Item | None:
    if item.series:
        return told.get(item.id)
    own = set(item.evidence)
    alike = [other for other in told.values() if other.kind == item.kind and not other.series]
    best = max(alike, key=lambda other: len(own & set(other.evidence)), default=None)
    return best if best and own & set(best.evidence) else None


def _highest(items: Iterable[str], letter: str) -> int:
    return max((int(id[1:]) for id in items if id[:1] == letter and id[1:].isdecimal()), default=0)
