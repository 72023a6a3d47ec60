"""What the arguments of a command name: recordings, folders of them, standard input."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from audio.checksum import sha256_of
from audio.sources import expand
from pipeline.events import PipelineError
from pipeline.library import Library


def recordings(named: Sequence[str], library: Library) -> list[Path]:
    """The files that the arguments mean; standard input is kept in the library first, like all audio."""
    if "" in named:  # an empty variable of a script, not the folder that Path("") is
        raise PipelineError("a recording is named by nothing; give a file, a folder or -")
    files = expand([Path(name) for name in named if name != "-"]) if any(name != "-" for name in named) else []
    return [*files, *([_received(library)] if "-" in named else [])]


def _received(library: Library) -> Path:
    """Standard input as a file named after its content."""
    if sys.stdin is None:
        raise PipelineError("standard input is closed; name a file, or pipe a recording into the command")
    folder = library.home / "received"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as unfinished:
            part = Path(unfinished, "part")
            with part.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
            if not part.stat().st_size:
                raise PipelineError("standard input held nothing; pipe a recording into the command")
            path = folder / f"stdin-{sha256_of(part)[:12]}"
            part.replace(path)
    except OSError as error:
        raise PipelineError(
            f"standard input could not be kept in {folder} ({error.strerror}); make room there"
        ) from error
    return path
