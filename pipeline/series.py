"""A series of meetings: which ones belong to it, and what one leaves open for the next."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio.stretches import replace_whole
from memory.notes import Item
from pipeline.events import Named, PipelineError
from pipeline.journal import lock
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
        return self.library.home / FOLDER / f"{_file_name(self.name)}.json"

    @property
    def state_path(self) -> Path:
        """Where the memory keeps its state between two meetings of the series."""
        return self.path.with_suffix("") / "memory.safetensors"

    def meetings(self) -> list[str]:
        """The ids of its meetings; those that were deleted since are left out. Raises PipelineError."""
        if not self.path.exists():
            return []
        there = {meeting.id for meeting in self.library.meetings()}
        return [id for id in read_list(self.path)["meetings"] if id in there]

    def join(self, meeting: str) -> None:
        """This meeting belongs to the series from now on. Raises PipelineError where the disk refuses."""
        if meeting in self.meetings():
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with lock(self.path.parent, wait=True):  # another meeting may join at the same moment
                listed = {"name": self.name, "meetings": [*self.meetings(), meeting]}
                replace_whole(self.path, json.dumps(listed).encode())
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


def _file_name(name: str) -> str:
    """The slug, and a checksum where it leaves out letters: 週次 and 月次 are two series."""
    whole, short = unicodedata.normalize("NFKD", " ".join(name.casefold().split())), slug(name)
    if "".join(filter(str.isalnum, whole)) == short.replace("-", ""):
        return short
    return f"{short}-{sha256(whole.encode('utf-8', 'replace')).hexdigest()[:8]}"


def read_list(path: Path) -> dict[str, Any]:
    """What the file of a series says: "name", and "meetings" by id. Raises PipelineError where it is damaged."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(listed["name"], str) and isinstance(listed["meetings"], list):
            return {**listed, "meetings": [str(id) for id in listed["meetings"]]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    raise PipelineError(f"{path} cannot be read; put a backup in its place or remove it to begin the series anew")


def lists(home: Path, warn: Callable[[str], None]) -> Iterator[tuple[Path, dict[str, Any] | None]]:
    """The files of all series and what they say; a damaged one is told, and None: the others must not wait for it."""
    for path in sorted((home / FOLDER).glob("*.json")):
        try:
            yield path, read_list(path)
        except PipelineError as error:
            warn(str(error))
            yield path, None


def all_series(library: Library, warn: Callable[[str], None]) -> Iterator[Series]:
    """Every series of the library whose file can be read; the others are told."""
    return (Series(listed["name"], library) for _, listed in lists(library.home, warn) if listed)


def memories_without(
    library: Library, person: str, load: Callable[[], Mind], warn: Callable[[str], None]
) -> list[tuple[Path, MemoryState]]:
    """The memories of all series that this person was named in, without them, and where they are kept."""
    made = [(series.state_path, series.heard_without(person, load)) for series in all_series(library, warn)]
    return [(path, state) for path, state in made if state is not None]
