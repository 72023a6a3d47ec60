"""A recording played as if it were live: the same chunks as from the file, each when its last sample is due."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from threading import Condition

import numpy as np

from audio.live import Level, dbfs
from audio.sources import Channels, file_source
from audio.speech import SAMPLE_RATE, AudioChunk, Samples

CHUNK = SAMPLE_RATE // 10  # 100 ms, about what a sound card hands over
SILENT = Level(float("-inf"), float("-inf"))


class PacedFile:
    """A LiveInput that plays a recording `pace` times as fast as it was recorded; 0 = as fast as it is taken.

    Raises AudioError, already when it is made, as `file_source` does.
    """

    def __init__(self, path: Path | str, *, pace: float = 1.0, channels: Channels = "mix") -> None:
        assert pace >= 0
        self._path, self._pace, self._channels = path, pace, channels
        self._changed = Condition()
        self._paused_at: float | None = None  # seconds of time.monotonic
        self._stood_still_s = 0.0  # in pauses that are over
        self._stopped = False
        self.names: tuple[str, ...] = tuple(chunk.source for chunk in next(self._instants(), [])) or ("",)
        self._levels = dict.fromkeys(self.names, SILENT)

    def chunks(self) -> Iterator[AudioChunk]:
        """Every sample of the recording, in pieces of at most 100 ms, those of several sources in turn."""
        began = time.monotonic()
        for chunks in self._instants():
            for at in range(0, len(chunks[0].samples), CHUNK):
                pieces = [AudioChunk(c.samples[at : at + CHUNK], c.start + at, c.source) for c in chunks]
                if not self._wait_until(began, pieces[0].stop):
                    return
                self._levels = {piece.source: level_of(piece.samples) for piece in pieces}
                yield from pieces

    def pause(self) -> None:
        with self._changed:
            self._paused_at = self._paused_at or time.monotonic()
            self._changed.notify_all()

    def resume(self) -> None:
        with self._changed:
            if self._paused_at is not None:
                self._stood_still_s += time.monotonic() - self._paused_at
            self._paused_at = None
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def levels(self) -> Mapping[str, Level]:
        return dict.fromkeys(self.names, SILENT) if self._paused_at is not None else dict(self._levels)

    def _wait_until(self, began: float, sample: int) -> bool:
        """Sleep until this sample is due; False when the input was stopped."""
        with self._changed:
            while not self._stopped:
                if self._paused_at is not None:
                    self._changed.wait()
                    continue
                due = began + self._stood_still_s + (sample / SAMPLE_RATE / self._pace if self._pace else 0.0)
                left_s = due - time.monotonic()
                if left_s <= 0:
                    return True
                self._changed.wait(left_s)
            return False

    def _instants(self) -> Iterator[list[AudioChunk]]:
        """The chunks of all sources that begin at the same sample."""
        for _, chunks in groupby(file_source(self._path, channels=self._channels), key=lambda chunk: chunk.start):
            yield list(chunks)


def level_of(samples: Samples) -> Level:
    """How loud some samples are."""
    if not len(samples):
        return SILENT
    rms, peak = float(np.sqrt(np.mean(np.square(samples)))), float(np.abs(samples).max())
    return Level(dbfs(rms), dbfs(peak))
