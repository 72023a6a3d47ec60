"""One source's blocks, on a clock of its own and late by turns, as contiguous 16 kHz sound on the meeting's time line.

A block may come late and never early, so the earliest of many tell the source's clock. Its drift is taken out by
resampling a little faster or slower (soxr's variable rate). Sound that is missing is found by counting samples
against the clock, since no driver says so reliably, and silence of the same length takes its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import soxr

from audio.speech import SAMPLE_RATE, AudioChunk, Samples

SETTLE_S = 0.3  # a stretch is placed when for so long no block has come earlier than those before
PROVE_S = 1.0  # sound that is late for so long is lost, not delayed: a device that was held up delivers in a burst
LATE_S = 0.25  # and is not looked at before it is later than a busy machine makes it
CREPT_S = 0.06  # small losses that have added up to this are made good at once, smaller ones by resampling
EARLIER_S = 0.02  # by how much a block must come earlier to count as progress
OVERLAP_S = 0.1  # sound that comes for a place already filled by more than this is left out
MAX_WARP = 1e-3  # of the speed; clocks of real devices are within 2e-4
RUSH_WARP = 2e-2  # for a device that delivers at another rate than it says
HEADROOM = 1.05  # soxr is told the highest speed beforehand

Lost = Callable[[int, float], None]  # sample at which sound is missing, and for how many seconds


class Steering:
    """How much longer a second of the source's clock is than a real one, from when its blocks came."""

    WINDOW_S = 10.0  # of which the earliest block counts
    LEAST, MOST = 6, 360  # windows: fewer say nothing, more are the past
    PULL_S = 60.0  # in which a remaining error is taken out

    def __init__(self) -> None:
        self.warp = 0.0
        self._slope = 0.0  # kept over stretches: it is the same device
        self.restart()

    def restart(self) -> None:
        """Forget when blocks came: a new stretch has a new delay."""
        self._points: deque[tuple[float, float]] = deque(maxlen=self.MOST)  # (source's clock, delay) in s
        self._began_s = 0.0
        self._earliest = (0.0, np.inf)
        self._floor_s = np.inf  # of the lateness
        self.warp = self._slope

    def note(self, clock_s: float, arrived_s: float, late_s: float) -> float | None:
        """A block's end by the source's clock and by ours, and how late it is on the track.

        At the end of a window gives how late the track is at the least, else None.
        """
        delay_s = arrived_s - clock_s
        if delay_s < self._earliest[1]:
            self._earliest = (clock_s, delay_s)
        self._floor_s = min(self._floor_s, late_s)
        if clock_s - self._began_s < self.WINDOW_S:
            return None
        floor_s = float(self._floor_s)
        self._points.append(self._earliest)
        self._began_s, self._earliest, self._floor_s = clock_s, (clock_s, np.inf), np.inf
        if len(self._points) >= self.LEAST:
            clocks, delays = np.array(self._points).T
            self._slope = float(np.polyfit(clocks - clocks[0], delays, 1)[0])
        most = MAX_WARP if abs(floor_s) < LATE_S else RUSH_WARP
        self._slope = min(max(self._slope, -RUSH_WARP), RUSH_WARP)
        self.warp = self._slope + min(max(floor_s / self.PULL_S, -most), most)
        return floor_s


@dataclass
class _Settling:
    """Blocks are held back until it is clear where they belong."""

    since_s: float
    needed_s: float
    floor_s: float = np.inf  # the least lateness so far


class Track:
    """A source on the time line: `begin` a stretch, `push` its blocks, `end` it; all it gives is contiguous from 0.

    Times are seconds on the line. Between stretches `fill` keeps it going.
    """

    def __init__(self, name: str, lost: Lost) -> None:
        self.name = name
        self.position = 0  # samples given so far
        self._lost = lost
        self._steering = Steering()
        self._rate_hz = 0.0
        self._resampler: soxr.ResampleStream | None = None
        self._held: list[Samples] = []
        self._held_s = 0.0
        self._clock_s = 0.0  # of the source since the stretch began, silence that stands in included
        self._due_s = 0.0  # where on the line the sound given to the resampler ends
        self._settling: _Settling | None = None
        self._stood_in: int | None = None  # samples of silence since the last sound; None before the first

    def begin(self, rate_hz: float) -> list[AudioChunk]:
        """A new stretch at this rate, placed by when its blocks come; gives what was left of the one before."""
        rest = self.end()
        self._rate_hz = rate_hz
        return rest

    def push(self, samples: Samples, arrived_s: float) -> list[AudioChunk]:
        """Sound at the stretch's rate, whose last sample was heard before `arrived_s`."""
        if self._resampler is None:
            self._open(arrived_s)
        self._held.append(samples)
        self._held_s += len(samples) / self._rate_hz
        late_s = arrived_s - self._due_s - self._held_s
        if self._settling is None:
            if late_s <= LATE_S:
                return self._heard(arrived_s, late_s)
            self._settling = _Settling(arrived_s, PROVE_S)
        return self._settle(self._settling, arrived_s, late_s)

    def fill(self, until_s: float) -> list[AudioChunk]:
        """Silence up to `until_s`, for a source that has given nothing for a while."""
        missing = round(until_s * SAMPLE_RATE) - self.position
        if missing <= 0:
            return []
        return [*self.end(), *self._silence(round(until_s * SAMPLE_RATE) - self.position)]

    def end(self) -> list[AudioChunk]:
        """The stretch is over; gives the rest of it."""
        if self._resampler is None:
            return []
        chunks = list(self._placed()) if self._held else []
        chunks += self._chunks(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        self._resampler = self._settling = None
        return chunks

    def _open(self, arrived_s: float) -> None:
        resampler = soxr.ResampleStream(self._rate_hz * HEADROOM, SAMPLE_RATE, 1, vr=True)
        self._resampler = resampler
        self._steering.restart()
        self._clock_s, self._due_s = 0.0, self.position / SAMPLE_RATE
        self._held, self._held_s = [], 0.0
        self._settling = _Settling(arrived_s, SETTLE_S)

    def _settle(self, settling: _Settling, arrived_s: float, late_s: float) -> list[AudioChunk]:
        if late_s < settling.floor_s - EARLIER_S:
            settling.since_s = arrived_s
        settling.floor_s = min(settling.floor_s, late_s)
        caught_up = bool(self._clock_s) and settling.floor_s <= LATE_S / 2
        if not caught_up and arrived_s - settling.since_s < settling.needed_s:
            return []
        return list(self._placed())

    def _placed(self) -> Iterator[AudioChunk]:
        """What was held, where it belongs."""
        late_s = self._settling.floor_s if self._settling else 0.0
        self._settling = None
        if not self._clock_s:  # the stretch begins
            yield from self._silence(round(late_s * SAMPLE_RATE))
            self._due_s = self.position / SAMPLE_RATE
            if self._stood_in is not None and self._stood_in > CREPT_S * SAMPLE_RATE:
                self._lost(self.position - self._stood_in, self._stood_in / SAMPLE_RATE)
            self._stood_in = 0
            early_s = -late_s if late_s < -OVERLAP_S else 0.0
            held = np.concatenate(self._held)[round(early_s * self._rate_hz) :]
            self._held, self._held_s = [held], len(held) / self._rate_hz
        elif late_s > LATE_S / 2:
            yield from self._missing(late_s)
        yield from self._feed()

    def _heard(self, arrived_s: float, late_s: float) -> list[AudioChunk]:
        """A block that comes when it is due."""
        chunks = list(self._feed())
        floor_s = self._steering.note(self._clock_s, arrived_s, late_s)
        if floor_s is not None and floor_s > CREPT_S:
            chunks += self._missing(floor_s)
        return chunks

    def _missing(self, length_s: float) -> Iterator[AudioChunk]:
        """Silence inside a stretch, through the resampler so that nothing is cut off."""
        self._lost(self.position, length_s)
        held, self._held = self._held, [np.zeros(round(length_s * self._rate_hz), np.float32)]
        yield from self._feed()
        self._held, self._held_s = held, sum(map(len, held)) / self._rate_hz

    def _feed(self) -> Iterator[AudioChunk]:
        assert self._resampler is not None, "a stretch is open"
        warp = self._steering.warp
        self._resampler.set_io_ratio(self._rate_hz / (1 + warp), SAMPLE_RATE)
        for samples in self._held:
            length_s = len(samples) / self._rate_hz
            self._clock_s += length_s
            self._due_s += length_s * (1 + warp)
            yield from self._chunks(self._resampler.resample_chunk(samples))
        self._held, self._held_s = [], 0.0

    def _silence(self, length: int) -> Iterator[AudioChunk]:
        if self._stood_in is not None:
            self._stood_in += max(length, 0)
        for start in range(0, length, SAMPLE_RATE):
            yield from self._chunks(np.zeros(min(SAMPLE_RATE, length - start), np.float32))

    def _chunks(self, samples: Samples) -> Iterator[AudioChunk]:
        """At most a second each."""
        for start in range(0, len(samples), SAMPLE_RATE):
            piece = samples[start : start + SAMPLE_RATE].clip(-1.0, 1.0)
            yield AudioChunk(piece, self.position, self.name)
            self.position += len(piece)
