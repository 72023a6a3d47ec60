"""What the arguments of a command name: recordings, folders of them, standard input."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from audio.checksum import sha256_of
from audio.sources import expand, file_source
from audio.speech import AudioError
from pipeline.events import PipelineError
from pipeline.library import Library


def recordings(named: Sequence[str], library: Library) -> list[Path]:
    """The files that the arguments mean; standard input is kept in the library first, like all audio."""
    if "" in named:  # an empty variable of a script, not the folder that Path("") is
        raise PipelineError("a recording is named by nothing; give a file, a folder or -")
    if address := next((name for name in named if re.match(r"\w{2,}://", name)), ""):
        raise AudioError(f"{address} is an address, and nothing is fetched from the network; download it first")
    files = expand([Path(name) for name in named if name != "-"]) if any(name != "-" for name in named) else []
    return [*files, *([_received(library)] if "-" in named else [])]


def received(library: Library) -> Path:
    """Where recordings lie that came by standard input."""
    return library.home / "received"


def _received(library: Library) -> Path:
    """Standard input as a file named after its content."""
    if sys.stdin is None:
        raise PipelineError("standard input is closed; name a file, or pipe a recording into the command")
    folder = received(library)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as unfinished:
            part = Path(unfinished, "part")
            with part.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
            if not part.stat().st_size:
                raise PipelineError("standard input held nothing; pipe a recording into the command")
            _hearable(part)  # else it would lie there for ever, and no meeting would tell of it
            path = folder / f"stdin-{sha256_of(part)[:12]}"
            part.replace(path)
    except OSError as error:
        raise PipelineError(
            f"standard input could not be kept in {folder} ({error.strerror}); make room there"
        ) from error
    return path


def _hearable(part: Path) -> None:
    """Refuse what is no recording, by the name that the user gave it."""
    try:
        next(file_source(part), None)
    except AudioError as error:
        raise AudioError(str(error).replace(str(part), "standard input")) from error
