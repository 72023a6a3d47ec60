"""Files that are about to be replaced: those that rapporteur wrote may go, those of the user's own are kept beside."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from audio.checksum import sha256_of
from pipeline.events import PipelineError

LIST = "written.txt"  # in the library's home: checksums of all files written so far, one a line


class Written:
    """What rapporteur wrote, by content: a name says nothing of who wrote a file or changed it since."""

    def __init__(self, home: Path) -> None:
        self._list = home / LIST
        self._known: set[str] | None = None  # None = not read yet

    def keep(self, path: Path) -> Path | None:
        """Move a file of the user's own out of the way; returns where it is now, None where there was none.

        Raises PipelineError where a disk refuses.
        """
        try:
            if not path.is_file() or not path.stat().st_size or sha256_of(path) in self._all():
                return None
            names = (path.with_name(f"{path.name}.{n}~" if n > 1 else f"{path.name}~") for n in count(1))
            return path.rename(next(name for name in names if not name.exists()))
        except OSError as error:
            raise PipelineError(f"{path} is not ours and could not be kept ({error.strerror}); move it away") from error

    def add(self, path: Path) -> None:
        """Remember a file that was just written. Raises PipelineError where a disk refuses."""
        checksum = sha256_of(path)
        try:
            if checksum not in self._all():
                self._list.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with self._list.open("a", encoding="ascii") as file:
                    file.write(f"{checksum}\n")
                self._all().add(checksum)
        except OSError as error:
            raise PipelineError(f"{self._list} could not be written ({error.strerror}); make room") from error

    def _all(self) -> set[str]:
        if self._known is None:
            text = self._list.read_text("ascii", errors="replace") if self._list.exists() else ""
            self._known = set(text.split())
        return self._known
