"""Keeps one source delivering: notices when its stream dies or falls silent without an error, and opens it again.

A stream that only stopped delivering may come back with all it missed, so it is kept while another is tried in its
place; the first that delivers wins, the old one being preferred for a moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from audio.speech import AudioError
from audio.streams import Block, Device, Ended, Happening, OpenStream, Started, Stream

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 8.0  # between attempts to open a device, doubled each time
GIVE_UP_S = 5.0  # for a stream that was opened and gives no block
GRACE_S = 0.3  # in which the old stream may still come back
PATIENCE = 2  # attempts beside the old stream; then it is closed, for some devices open only once

Say = Callable[[str], None]


@dataclass(frozen=True)
class WatchOptions:
    """After how many seconds what is called a failure; CaptureSettings says more."""

    stalled_s: float = 1.0  # without a block
    late_s: float = 1.5  # without the first block
    zeros_s: float = 10.0  # of digital silence


@dataclass
class _Attempt:
    """A stream and what it gave before it was trusted."""

    number: int
    stream: Stream
    opened_s: float
    rate_hz: float = 0.0
    blocks: list[Block] = field(default_factory=list)


Accepted = tuple[float, Block]  # the rate of a new stretch, 0 where the stretch goes on; and the block
PostNumbered = Callable[[int, Happening], None]


class Link:
    """The connection to one device. `take` what happens, `tick` often; both give blocks to be kept."""

    def __init__(
        self, device: Device, options: WatchOptions, *, open_stream: OpenStream, post: PostNumbered, say: Say
    ) -> None:
        self.device = device
        self._options, self._open_stream, self._post, self._say = options, open_stream, post, say
        self._current: _Attempt | None = None
        self._candidate: _Attempt | None = None
        self._numbers = 0
        self._failures = 0
        self._retry_s: float | None = None
        self._last_block_s: float | None = None
        self._new_rate_hz = 0.0  # to be told with the next block
        self._ever = False  # delivered
        self._told_s: float | None = None  # when an outage was told
        self._zeros_s = 0.0
        self._sounded = False  # anything but zeros was heard
        self._zeros_told = False

    @property
    def delivering(self) -> bool:
        """Blocks come: what is said now is kept."""
        return self._current is not None and self._last_block_s is not None and self._told_s is None

    @property
    def only_zeros(self) -> bool:
        """Blocks came, and nothing was ever in them."""
        return self._ever and not self._sounded

    @property
    def ended(self) -> bool:
        """No stream is left that could give anything."""
        return self._current is None and self._candidate is None

    def start(self, now_s: float) -> None:
        """Open the device for the first time."""
        self._current = self._attempt(now_s)

    def take(self, number: int, happening: Happening, now_s: float) -> list[Accepted]:
        """What a stream tells. Raises AudioError where the device could not be opened in the first place."""
        if self._current and number == self._current.number:
            return self._from_current(self._current, happening, now_s)
        if self._candidate and number == self._candidate.number:
            return self._from_candidate(self._candidate, happening, now_s)
        return []  # from a stream that was given up

    def tick(self, now_s: float) -> list[Accepted]:
        """Look for what does not happen."""
        if self._candidate:
            return self._judge_candidate(self._candidate, now_s)
        if self._current is None:
            if self._retry_s is not None and now_s >= self._retry_s:
                self._current, self._last_block_s = self._attempt(now_s), None
        elif self._last_block_s is None:
            self._await_first(self._current, now_s)
        elif now_s - self._last_block_s > self._options.stalled_s and not self.device.silent_when_idle:
            self._stalled(now_s)
        return []

    def woke(self, now_s: float) -> None:
        """The computer slept: nothing can have come meanwhile."""
        if self._last_block_s is not None:
            self._last_block_s = now_s
        if self._current:
            self._new_rate_hz = self._current.rate_hz

    def finish(self) -> None:
        """Stop; what was captured still comes."""
        self._retry_s = None
        if self._candidate:
            self._candidate.stream.kill()
            self._candidate = None
        if self._current:
            self._current.stream.finish()

    def kill(self) -> None:
        """Let go of the device at once."""
        self._retry_s = None
        for attempt in (self._current, self._candidate):
            if attempt:
                attempt.stream.kill()
        self._current = self._candidate = None

    def _attempt(self, now_s: float) -> _Attempt:
        self._numbers += 1
        number = self._numbers
        stream = self._open_stream(self.device, lambda happening: self._post(number, happening))
        self._retry_s = None
        return _Attempt(number, stream, now_s)

    def _from_current(self, current: _Attempt, happening: Happening, now_s: float) -> list[Accepted]:
        match happening:
            case Started(rate_hz):
                current.rate_hz = self._new_rate_hz = rate_hz
                return []
            case Block():
                self._drop_candidate()
                return [self._accept(happening)]
            case Ended(reason):
                self._current = None
                if reason and not self._ever and not self._failures:
                    raise AudioError(f"{self.device.name} cannot be recorded: {reason}")
                if reason:
                    self._fail(now_s, f"{self.device.name} is lost ({reason}); trying to open it again")
        return []

    def _from_candidate(self, candidate: _Attempt, happening: Happening, now_s: float) -> list[Accepted]:
        match happening:
            case Started(rate_hz):
                candidate.rate_hz = rate_hz
            case Block():
                candidate.blocks.append(happening)
            case Ended():
                self._candidate = None
                self._failed_beside(now_s)
        return []

    def _judge_candidate(self, candidate: _Attempt, now_s: float) -> list[Accepted]:
        if candidate.blocks and (self._current is None or now_s - candidate.blocks[0].arrived_s >= GRACE_S):
            if self._current:
                self._current.stream.kill()
            self._current, self._candidate = candidate, None
            self._new_rate_hz = candidate.rate_hz
            return [self._accept(block) for block in candidate.blocks]
        if not candidate.blocks and now_s - candidate.opened_s > GIVE_UP_S:
            candidate.stream.kill()
            self._candidate = None
            self._failed_beside(now_s)
        return []

    def _accept(self, block: Block) -> Accepted:
        rate_hz, self._new_rate_hz = self._new_rate_hz, 0.0
        if self._told_s is not None:
            self._say(f"{self.device.name} gives sound again")
        self._last_block_s, self._failures, self._told_s, self._ever = block.arrived_s, 0, None, True
        self._count_zeros(block, self._current.rate_hz if self._current else 0.0)
        return rate_hz, block

    def _count_zeros(self, block: Block, rate_hz: float) -> None:
        if np.any(block.samples):
            self._zeros_s, self._zeros_told, self._sounded = 0.0, False, True
            return
        self._zeros_s += len(block.samples) / rate_hz if rate_hz else 0.0
        if self._zeros_s < self._options.zeros_s or self._zeros_told:
            return
        self._zeros_told = True
        if self.device.kind == "far side":
            self._say(f"nothing has been played on {self.device.name} for {self._zeros_s:.0f} s; is it the right one?")
            if self.device.follows:
                self._reopen()
            return
        self._say(
            f"{self.device.name} has given nothing but digital silence for {self._zeros_s:.0f} s; it is opened again, "
            "but check that it is not muted and that this program may use the microphone"
        )
        self._reopen()

    def _reopen(self) -> None:
        """Close a stream that gives nothing of worth; the next tick opens another."""
        if self._current:
            self._current.stream.kill()
        self._current, self._retry_s = None, 0.0

    def _await_first(self, current: _Attempt, now_s: float) -> None:
        waited_s = now_s - current.opened_s
        if waited_s > self._options.late_s and self._told_s is None and not self.device.silent_when_idle:
            self._told_s = now_s
            self._say(f"{self.device.name} is open but has given no sound for {waited_s:.1f} s; waiting for it")
        if waited_s > GIVE_UP_S and not self.device.silent_when_idle:
            current.stream.kill()
            self._current = None
            self._fail(now_s, "")

    def _stalled(self, now_s: float) -> None:
        if self._told_s is None:
            self._told_s = now_s
            stalled_s = now_s - (self._last_block_s or now_s)
            self._say(f"{self.device.name} has stopped giving sound {stalled_s:.1f} s ago; it is opened again")
            self._retry_s = now_s
        if self._retry_s is not None and now_s >= self._retry_s:
            self._candidate = self._attempt(now_s)

    def _failed_beside(self, now_s: float) -> None:
        """The stream tried in place of a silent one failed too."""
        self._fail(now_s, "")
        if self._failures >= PATIENCE and self._current:
            self._current.stream.kill()
            self._current = None

    def _fail(self, now_s: float, told: str) -> None:
        if told and self._told_s is None:
            self._told_s = now_s
            self._say(told)
        self._retry_s = now_s + min(FIRST_WAIT_S * 2**self._failures, LONGEST_WAIT_S)
        self._failures += 1

    def _drop_candidate(self) -> None:
        if self._candidate:
            self._candidate.stream.kill()
            self._candidate = None
