"""The seam between what captures and what keeps time: devices, streams, and what happens on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from audio.speech import Samples

Kind = Literal["microphone", "far side"]


@dataclass(frozen=True)
class Device:
    """Something that can be recorded, in words that its owner knows."""

    name: str  # "Built-in Audio Analog Stereo"
    kind: Kind  # far side = what the computer plays: the others of a call
    port: str | None  # PortAudio's name of the device, None for its default, whichever that is when it is opened
    host_api: str = ""  # PortAudio's name of the system below: "ALSA", "Windows WASAPI", "Core Audio"
    channels: int = 1
    rate_hz: float = 48_000.0
    pulse_source: str = ""  # name in PulseAudio or PipeWire, which PortAudio sees as one device
    default: bool = False
    follows: bool = False  # opened again it is another device, where the default has changed
    silent_when_idle: bool = False  # gives no blocks while nothing is played, as a WASAPI loopback


@dataclass(frozen=True)
class Started:
    """The stream is open; its first block may still take a while."""

    rate_hz: float


@dataclass(frozen=True)
class Block:
    """What the callback got, mixed to one channel, at the stream's own rate."""

    samples: Samples
    arrived_s: float  # when, by the monotonic clock; never before its last sample was heard


@dataclass(frozen=True)
class Ended:
    """The stream is over and nothing follows; `reason` is "" where it was closed."""

    reason: str


Happening = Started | Block | Ended
Post = Callable[[Happening], None]  # called from any thread


class Stream(Protocol):
    """A device that was asked to deliver."""

    def finish(self) -> None:
        """Stop capturing; what was captured still comes, then Ended."""
        ...

    def kill(self) -> None:
        """Be gone at once, however the device behaves; nothing more need come."""
        ...


OpenStream = Callable[[Device, Post], Stream]
"""Returns at once; whether it works is told by Started and Block, or by Ended."""
