"""Documents for what was noted: at the end of a meeting each task and decision is looked up on the shelf."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from memory.notes import WITHDRAWN
from pipeline.events import Concluded, Event, Learned
from pipeline.shelf import content_of
from retrieval.search import quoted, search
from retrieval.shelf import Shelf

SURE = 0.5  # score from which a document that nobody named counts as about the task; calibrated by the shelf
LOOKED_UP = ("action", "decision")


class ItemPassages:
    """A stage after the one that notes: adds a Learned "passage" for every item that a document speaks of."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def __call__(self, past: Iterable[Event], events: Iterable[Event]) -> Iterator[Event]:
        noted: dict[object, Learned] = {}
        known = [e for e in past if isinstance(e, Learned) and e.kind in LOOKED_UP]
        noted.update((e.content.get("id"), e) for e in known)
        for event in events:
            if isinstance(event, Concluded):
                yield from (
                    found
                    for item in noted.values()
                    if item.content.get("status") != WITHDRAWN
                    for found in self._look_up(item)
                )
            if isinstance(event, Learned) and event.kind in LOOKED_UP:
                noted[event.content.get("id")] = event
            yield event

    def _look_up(self, item: Learned) -> Iterator[Learned]:
        what = str(item.content.get("what", ""))
        for hit in search(self._shelf, what, most=1, kind="document"):
            if hit.score >= SURE and item.evidence:
                content = content_of(quoted(self._shelf, what, hit))
                yield Learned("passage", {**content, "by": "item", "item": item.content.get("id")}, item.evidence)
