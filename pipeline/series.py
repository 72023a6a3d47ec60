"""A series of meetings: which ones belong to it, and what one leaves open for the next."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from memory.notes import Item
from pipeline.events import PipelineError
from pipeline.library import Library, slug
from pipeline.minutes import carried_over, minutes_of

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

    def carried(self, before: str = "") -> tuple[Item, ...]:
        """What the meeting before this one left open; of the last one where `before` is no member yet."""
        joined = self.meetings()
        earlier = joined[: joined.index(before)] if before in joined else joined
        if not earlier:
            return ()
        last = self.library.meeting(earlier[-1])
        return carried_over(minutes_of(self.library.events(last)), self.name, len(earlier))
