"""A series of meetings: which ones belong to it, and what one leaves open for the next."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memory.notes import Item
from pipeline.events import Named, PipelineError
from pipeline.library import Library, slug
from pipeline.mind import heard_again
from pipeline.minutes import carried_over, minutes_of

if TYPE_CHECKING:
    from memory.mind import Mind
    from memory.state import MemoryState

FOLDER = "series"  # in the library's home


@dataclass(frozen=True)
class Series:
    """One series of the library; its meetings in the order in which they joined."""

    name: str
    library: Library

    @property
    def path(self) -> Path:
        """The file that lists its meetings; the memory's state lies beside it, in a folder of that name."""
        return self.library.home / FOLDER / f"{slug(self.name)}.json"

    @property
    def state_path(self) -> Path:
        """Where the memory keeps its state between two meetings of the series."""
        return self.path.with_suffix("") / "memory.safetensors"

    def meetings(self) -> list[str]:
        """The ids of its meetings; those that were deleted since are left out. Raises PipelineError."""
        if not self.path.exists():
            return []
        try:
            listed = json.loads(self.path.read_text(encoding="utf-8"))["meetings"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PipelineError(
                f"{self.path} cannot be read; put a backup in its place or remove it to begin the series anew"
            ) from error
        there = {meeting.id for meeting in self.library.meetings()}
        return [id for id in listed if id in there]

    def join(self, meeting: str) -> None:
        """This meeting belongs to the series from now on. Raises PipelineError where the disk refuses."""
        joined = self.meetings()
        if meeting in joined:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            unfinished = self.path.with_suffix(".part")
            unfinished.write_text(json.dumps({"name": self.name, "meetings": [*joined, meeting]}), encoding="utf-8")
            unfinished.replace(self.path)
        except OSError as error:
            raise PipelineError(
                f"{self.path} cannot be written ({error.strerror}); make room or give access"
            ) from error

    def heard_without(self, person: str, load: Callable[[], Mind]) -> MemoryState | None:
        """The memory as if this person had never been heard, made before their name goes from the journals; None
        where there is no memory or they were never named. Raises MindError."""
        meetings = [(id, list(self.library.events(self.library.meeting(id)))) for id in self.meetings()]
        wanted = person.strip().casefold()
        named = any(isinstance(e, Named) and e.name.strip().casefold() == wanted for _, es in meetings for e in es)
        return heard_again(load(), meetings, without=person) if named and self.state_path.exists() else None

    def carried(self, before: str = "") -> tuple[Item, ...]:
        """What the meeting before this one left open; of the last one where `before` is no member yet."""
        joined = self.meetings()
        earlier = joined[: joined.index(before)] if before in joined else joined
        if not earlier:
            return ()
        last = self.library.meeting(earlier[-1])
        return carried_over(minutes_of(self.library.events(last)), self.name, len(earlier))


def all_series(library: Library) -> Iterator[Series]:
    """Every series of the library. Raises PipelineError where a file of one cannot be read."""
    for path in sorted((library.home / FOLDER).glob("*.json")):
        try:
            name = json.loads(path.read_text(encoding="utf-8"))["name"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PipelineError(f"{path} cannot be read; put a backup in its place or remove it") from error
        yield Series(str(name), library)


def memories_without(library: Library, person: str, load: Callable[[], Mind]) -> list[tuple[Path, MemoryState]]:
    """The memories of all series that this person was named in, without them, and where they are kept."""
    made = [(series.state_path, series.heard_without(person, load)) for series in all_series(library)]
    return [(path, state) for path, state in made if state is not None]
