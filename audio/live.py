"""Inputs that run on the clock: what a live meeting needs of devices, and of recordings played as if live."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from audio.speech import AudioChunk


@dataclass(frozen=True)
class Level:
    """How loud a source was over its last tenth of a second, in dBFS; -inf is digital silence."""

    rms_db: float
    peak_db: float


def dbfs(amplitude: float) -> float:
    """An amplitude of 0 to 1 in dB of full scale."""
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf


@dataclass(frozen=True)
class Incident:
    """Something happened to a source while it ran; `message` says what, and what is done or to do about it."""

    message: str
    source: str
    at: int  # sample of the source's clock


Notify = Callable[[Incident], None]


class LiveInput(Protocol):
    """One or several sources that run on the clock, each named, all on one time line that begins at 0.

    Chunks of a source are contiguous: lost audio comes as silence of the same length. While paused the time line
    stands still. `stop` ends the iterator after all that was captured has been given out.
    """

    names: tuple[str, ...]

    def chunks(self) -> Iterator[AudioChunk]: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def stop(self) -> None: ...

    def levels(self) -> Mapping[str, Level]: ...
