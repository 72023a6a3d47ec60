"""Where a meeting's embeddings wait for its end: four an uttered second, 1 kB each, are 15 MB an hour of memory."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from audio.diarize.encoder import Embeddings
from audio.diarize.windows import Heard


@dataclass(frozen=True)
class _Laid:
    """Embeddings on disk; called, they are read."""

    file: BinaryIO
    at: int  # bytes
    shape: tuple[int, ...]

    def __call__(self) -> Embeddings:
        self.file.seek(self.at)
        found = np.frombuffer(self.file.read(4 * int(np.prod(self.shape))), np.float32)
        return found.reshape(self.shape)


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

    def laid(self, heard: Heard) -> Heard:
        """The same, its embeddings on disk; unchanged where the disk is full."""
        if self._file is None:
            return heard
        embeddings = heard.embeddings
        at = self._file.seek(0, 2)
        try:
            written = self._file.write(embeddings.astype(np.float32).tobytes())
        except OSError:
            return heard
        return replace(heard, kept=_Laid(self._file, at, embeddings.shape)) if written == embeddings.nbytes else heard
