"""Where sound comes from, as contiguous AudioChunks on the sample clock: recordings and folders of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from audio.decode import Report, decode, log_loss
from audio.speech import AudioChunk, AudioError

Channels = Literal["mix", "separate"]

STDIN = Path("-")
SUFFIXES = frozenset(
    ".wav .w64 .flac .mp3 .m4a .m4b .aac .ogg .oga .opus .webm .mp4 .m4v .mkv .mka .mov .3gp .aif .aiff .caf .amr"
    " .wma .wmv .asf".split()
)


def file_source(path: Path | str, *, channels: Channels = "mix", report: Report = log_loss) -> Iterator[AudioChunk]:
    """The recording at `path` ("-": standard input) in chunks of at most one second.

    "mix" gives one source "", the mean of all channels; "separate" gives one source a channel ("left",
    "right", "channel 3", ...), their chunks in turn, all on one clock. Raises AudioError as `decode` does.
    """
    start = 0
    names: tuple[str, ...] = ()
    for planes in decode(sys.stdin.buffer if Path(path) == STDIN else Path(path), report=report):
        names = names or _names(len(planes) if channels == "separate" else 1)
        if len(planes) != len(names):  # to be mixed, or the recording changed its layout midway
            planes = np.broadcast_to(planes.mean(axis=0), (len(names), planes.shape[1]))
        for samples, name in zip(planes, names, strict=True):
            yield AudioChunk(samples, start, name)
        start += planes.shape[1]


def _names(count: int) -> tuple[str, ...]:
    return ("",) if count == 1 else ("left", "right", *(f"channel {n}" for n in range(3, count + 1)))


def expand(paths: Iterable[Path | str]) -> list[Path]:
    """Files as they are named, folders as the recordings below them, sorted; each once, "-" among them.

    Raises AudioError for what is not there and for a folder without recordings.
    """
    found = [file for path in paths for file in _recordings(Path(path))]
    return list(dict.fromkeys(found))


def _recordings(path: Path) -> list[Path]:
    if path == STDIN:
        return [path]
    if not path.exists():
        raise AudioError(f"{path} does not exist; check the name.")
    if not path.is_dir():
        return [path]
    below = [Path(folder, name) for folder, _, names in os.walk(path, onerror=_refuse) for name in names]
    recordings = sorted(file for file in below if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))
    if not recordings:
        raise AudioError(f"{path} and its folders hold no recording; name a file, or a folder that holds one.")
    return recordings


def _refuse(error: OSError) -> None:
    raise AudioError(f"{error.filename} cannot be opened ({error.strerror}); change its permissions or leave it out.")
