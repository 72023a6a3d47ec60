"""Where what the encoder heard waits for a meeting's end: four embeddings an uttered second are 15 MB an hour."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from audio.diarize.windows import Heard

_SPANS = 5  # starts, stops, runs, and the reach on both sides


@dataclass(frozen=True, slots=True)
class Laid:
    """The windows of one segment, on disk. Slots: there are some 700 an hour, and each counts."""

    file: BinaryIO
    at: int  # bytes
    source: str
    start: int  # of the segment
    windows: int
    width: int  # of an embedding

    def __call__(self) -> Heard:
        """Read again."""
        self.file.seek(self.at)
        spans = np.frombuffer(self.file.read(8 * _SPANS * self.windows), np.int64)
        starts, stops, runs, *reach = spans.reshape(_SPANS, self.windows)
        embeddings = np.frombuffer(self.file.read(4 * self.windows * self.width), np.float32)
        return Heard(
            self.source,
            self.start,
            starts,
            stops,
            runs,
            embeddings.reshape(self.windows, self.width),
            np.stack(reach, 1),
        )


Kept = Heard | Laid


def taken_up(kept: Kept) -> Heard:
    """As it was laid down."""
    return kept() if isinstance(kept, Laid) else kept


class Shelf:
    """A file without a name, gone with the process; where there is no room for it, memory has to do."""

    def __init__(self) -> None:
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        with suppress(OSError):
            self._file = tempfile.TemporaryFile(buffering=0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def laid(self, heard: Heard) -> Kept:
        """The same on disk; unchanged where the disk is full."""
        if self._file is None:
            return heard
        reach = np.zeros((heard.windows, 2), np.int64) if heard.reach is None else heard.reach
        spans = np.stack([heard.starts, heard.stops, heard.runs, *reach.T]).astype(np.int64)
        data = spans.tobytes() + heard.embeddings.astype(np.float32).tobytes()
        at = self._file.seek(0, 2)
        try:
            written = self._file.write(data)
        except OSError:
            return heard
        laid = Laid(self._file, at, heard.source, heard.start, *heard.embeddings.shape)
        return laid if written == len(data) else heard
