"""Devices as a live input: several at once, each with a clock and a rate of its own, on one time line."""

from __future__ import annotations

import logging
import math
import queue
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from audio.link import Link, WatchOptions
from audio.live import Incident, Level, Notify, dbfs
from audio.speech import AudioChunk, Samples
from audio.streams import Block, Device, Happening, OpenStream
from audio.timeline import Track

TICK_S = 0.1  # between looks at what does not happen
FILL_LAG_S = 5.0  # a source that is silent for longer gets silence; so long a held-up device may still deliver all
IDLE_LAG_S = 0.5  # the same where silence is no failure
SLEPT_S = 3.0  # by which the wall clock outruns the monotonic one while a computer sleeps
DRAIN_S = 2.0  # for what was captured to come out when stopping
LEVEL_S = 0.1


class Clock(Protocol):
    """Seconds: `monotonic` for everything, `wall` to notice sleep."""

    def monotonic(self) -> float: ...

    def wall(self) -> float: ...


class SystemClock:
    """The clocks of the machine."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


@dataclass(frozen=True)
class _Post:
    """A happening of a source's stream."""

    source: int
    number: int
    happening: Happening


@dataclass(frozen=True)
class _Command:
    """What the user wants, and when he said so."""

    what: Literal["pause", "resume", "stop"]
    at_s: float


Message = _Post | _Command


class Inbox(Protocol):
    """A queue.SimpleQueue, or a test's."""

    def put(self, item: Message) -> None: ...

    def get(self, *, timeout: float) -> Message:
        """Raises queue.Empty."""
        ...

    def empty(self) -> bool: ...


def log_incident(incident: Incident) -> None:
    """The Notify of those who do not listen themselves."""
    logging.getLogger(__name__).warning("%s: %s (sample %d)", incident.source, incident.message, incident.at)


class _Meter:
    """The level of the last tenth of a second."""

    def __init__(self) -> None:
        self._blocks: deque[tuple[int, float, float]] = deque()  # length, sum of squares, peak

    def push(self, samples: Samples, rate_hz: float) -> Level:
        self._blocks.append((len(samples), float(samples @ samples), float(np.abs(samples).max(initial=0.0))))
        while len(self._blocks) > 1 and sum(n for n, _, _ in self._blocks) - self._blocks[0][0] >= LEVEL_S * rate_hz:
            self._blocks.popleft()
        lengths, squares, peaks = zip(*self._blocks, strict=True)
        return Level(dbfs(math.sqrt(sum(squares) / max(sum(lengths), 1))), dbfs(max(peaks)))


@dataclass
class _Source:
    """A device on its way to a track."""

    name: str
    link: Link
    track: Track
    meter: _Meter = field(default_factory=_Meter)
    rate_hz: float = 0.0
    heard_s: float = 0.0  # on the line: when the last block arrived


class DeviceInput:
    """A LiveInput of devices. Pull `chunks` from a thread that does little else, such as writing them to disk.

    `levels` has a source from its first block on and only while it delivers: before that nothing is recorded.
    """

    def __init__(
        self,
        devices: Mapping[str, Device],
        options: WatchOptions | None = None,
        *,
        open_stream: OpenStream,
        notify: Notify = log_incident,
        clock: Clock | None = None,
        inbox: Inbox | None = None,
    ) -> None:
        """`devices` maps the name of each track to what is recorded there."""
        self.names = tuple(devices)
        self._clock: Clock = clock or SystemClock()
        self._inbox: Inbox = inbox or queue.SimpleQueue()
        self._notify = notify
        self._zero_s: float | None = None  # where the line begins, by the monotonic clock
        self._stood_s = 0.0  # how long the line stood still
        self._paused_s: float | None = None
        self._resumed_s = -np.inf
        self._stopping_s: float | None = None
        self._ticked_s = self._wall_ahead_s = 0.0
        self._levels: Mapping[str, Level] = {}
        watch = options or WatchOptions()
        self._sources = [self._source(i, *named, watch, open_stream) for i, named in enumerate(devices.items())]

    def _source(self, i: int, name: str, device: Device, options: WatchOptions, open_stream: OpenStream) -> _Source:
        def post(number: int, happening: Happening) -> None:
            self._inbox.put(_Post(i, number, happening))

        track = Track(name, lambda at, lost_s: self._missing(name, at, lost_s))
        say = lambda message: self._notify(Incident(message, name, track.position))
        return _Source(name, Link(device, options, open_stream=open_stream, post=post, say=say), track)

    def chunks(self) -> Iterator[AudioChunk]:
        """All sound until `stop`. Raises AudioError where a device cannot be opened at the beginning."""
        self._ticked_s = self._clock.monotonic()
        self._wall_ahead_s = self._clock.wall() - self._ticked_s
        try:
            for source in self._sources:
                source.link.start(self._ticked_s)
            while not self._over():
                yield from self._turn()
            for source in self._sources:
                yield from source.track.end()
                if source.link.only_zeros:
                    self._say(source, "there was nothing but digital silence in all of it; was it the right device?")
        finally:
            self._levels = {}
            for source in self._sources:
                source.link.kill()

    def pause(self) -> None:
        """From now on nothing is kept, and the time line stands still."""
        self._inbox.put(_Command("pause", self._clock.monotonic()))

    def resume(self) -> None:
        """Go on after `pause`."""
        self._inbox.put(_Command("resume", self._clock.monotonic()))

    def stop(self) -> None:
        """End `chunks` once all that was captured is out."""
        self._inbox.put(_Command("stop", self._clock.monotonic()))

    def levels(self) -> Mapping[str, Level]:
        """The sources that are being recorded now, and how loud they are."""
        return self._levels

    def _over(self) -> bool:
        if self._stopping_s is None:
            return False
        drained = all(source.link.ended for source in self._sources) and self._inbox.empty()
        return drained or self._clock.monotonic() - self._stopping_s > DRAIN_S

    def _turn(self) -> Iterator[AudioChunk]:
        """One message or a moment without any, and a look around when one is due."""
        try:
            message = self._inbox.get(timeout=TICK_S)
        except queue.Empty:
            message = None
        if isinstance(message, _Command):
            yield from self._obey(message)
        elif message:
            source = self._sources[message.source]
            for rate_hz, block in source.link.take(message.number, message.happening, self._clock.monotonic()):
                yield from self._keep(source, rate_hz, block)
        now_s = self._clock.monotonic()
        if now_s - self._ticked_s >= TICK_S and self._inbox.empty() and self._stopping_s is None:
            yield from self._tick(now_s)

    def _keep(self, source: _Source, rate_hz: float, block: Block) -> Iterator[AudioChunk]:
        if rate_hz:
            source.rate_hz = rate_hz
            yield from source.track.begin(rate_hz)
        if not self._wanted(block.arrived_s):
            return
        if self._zero_s is None:
            self._zero_s, self._stood_s = block.arrived_s - len(block.samples) / source.rate_hz, 0.0
        source.heard_s = self._on_line(block.arrived_s)
        self._levels = {**self._levels, source.name: source.meter.push(block.samples, source.rate_hz)}
        yield from source.track.push(block.samples, source.heard_s)

    def _tick(self, now_s: float) -> Iterator[AudioChunk]:
        self._ticked_s = now_s
        yield from self._notice_sleep(now_s)
        for source in self._sources:
            for rate_hz, block in source.link.tick(now_s):
                yield from self._keep(source, rate_hz, block)
            if not source.link.delivering:
                self._levels = {name: level for name, level in self._levels.items() if name != source.name}
            if self._zero_s is not None and self._paused_s is None:
                lag_s = IDLE_LAG_S if source.link.device.silent_when_idle else FILL_LAG_S
                if self._on_line(now_s) - source.heard_s > lag_s:
                    yield from source.track.fill(self._on_line(now_s) - lag_s)

    def _obey(self, command: _Command) -> Iterator[AudioChunk]:
        match command.what:
            case "pause" if self._paused_s is None:
                self._paused_s, self._levels = command.at_s, {}
            case "resume" if self._paused_s is not None:
                self._stood_s += command.at_s - self._paused_s
                self._paused_s, self._resumed_s = None, command.at_s
                yield from self._new_stretch(command.at_s)
            case "stop" if self._stopping_s is None:
                self._stopping_s = command.at_s
                for source in self._sources:
                    source.link.finish()

    def _notice_sleep(self, now_s: float) -> Iterator[AudioChunk]:
        """The monotonic clock stands still while the computer sleeps, and with it the time line; the other does not."""
        ahead_s = self._clock.wall() - now_s
        slept_s, self._wall_ahead_s = ahead_s - self._wall_ahead_s, ahead_s
        if slept_s < SLEPT_S:
            return
        for source in self._sources:
            source.link.woke(now_s)
            self._say(source, f"the computer slept for {slept_s:.0f} s, of which nothing is recorded; it goes on now")
        yield from self._new_stretch(now_s)

    def _new_stretch(self, now_s: float) -> Iterator[AudioChunk]:
        for source in self._sources:
            yield from source.track.end()
            if self._zero_s is not None:
                source.heard_s = max(source.heard_s, self._on_line(now_s))

    def _wanted(self, arrived_s: float) -> bool:
        """Whether a block came outside a pause."""
        return arrived_s > self._resumed_s and (self._paused_s is None or arrived_s <= self._paused_s)

    def _on_line(self, at_s: float) -> float:
        return at_s - (self._zero_s or 0.0) - self._stood_s

    def _missing(self, name: str, at: int, lost_s: float) -> None:
        self._notify(Incident(f"{lost_s:.2f} s of {name} are missing; silence stands in for them", name, at))

    def _say(self, source: _Source, message: str) -> None:
        self._notify(Incident(message, source.name, source.track.position))
