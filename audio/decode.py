"""Any recording to blocks of 16 kHz float samples, as a stream: memory does not grow with its length.

Recordings come from strangers. FFmpeg therefore gets an open file and never a name, may use only the containers
listed here, and may open nothing by itself, neither a file nor a connection.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard
from numpy.typing import NDArray

from audio.speech import SAMPLE_RATE, AudioError

Planes = NDArray[np.float32]  # in [-1, 1], shape (channels, n)
Report = Callable[[str, float], None]  # what was lost, and where in seconds

LONGEST_S = 24 * 3600
MOST_CHANNELS = 8
RATES_HZ = range(8_000, 192_001)
JITTER_S, LONGEST_GAP_S = 0.1, 3600.0  # time stamps that jump ahead by less are rough, by more are wrong
RESTART_S = 1.0  # time stamps that jump back by more begin anew, as in joined Ogg files
CUT_OFF_S = 1.0  # sound missing at the end, by the container's own claim, that is worth a word

_CONTAINERS = "wav,w64,aiff,caf,flac,mp3,aac,ogg,matroska,webm,mov,mp4,m4a,3gp,amr,asf"
_GUESSING = ("mp3", "aac", "amr")  # these estimate their length from the bit rate
_READABLE = "wav, flac, mp3, m4a, aac, ogg, opus, webm, mp4, mkv, mov, aiff, caf, amr or wma"
# What PyAV raises on broken media: found by feeding it mutated files.
_BROKEN = (av.FFmpegError, OSError, EOFError, UnicodeDecodeError, IndexError, NotImplementedError)


def log_loss(message: str, at_s: float) -> None:
    """The Report of those who do not listen themselves."""
    logging.getLogger(__name__).warning("%s (at %.1f s)", message, at_s)


def decode(source: Path | BinaryIO, *, report: Report = log_loss) -> Iterator[Planes]:
    """Blocks of at most one second, shape (channels of the recording, n).

    Sound lost inside becomes silence of equal length and is reported, so that a sample's number stays
    its place in any player. Raises AudioError where the source cannot be read or holds no sound.
    """
    heard = 0  # samples
    with _opened(source) as recording:
        for block in _blocks(recording, report):
            heard += block.shape[1]
            if heard > LONGEST_S * SAMPLE_RATE:
                raise AudioError(f"{recording.name} is longer than {LONGEST_S / 3600:g} hours; split it.")
            yield block
        if not heard:
            raise AudioError(f"{recording.name} holds no sound; it was perhaps cut off at its very start.")
        claimed_s = recording.claimed_s
        if claimed_s is not None and claimed_s - heard / SAMPLE_RATE > CUT_OFF_S:
            report(f"{recording.name} is cut off: {claimed_s:.0f} s were promised", heard / SAMPLE_RATE)


def duration_s(source: Path) -> float | None:
    """Seconds that the container claims to hold, None where it does not say: for progress, not for trust."""
    with _opened(source) as recording:
        claimed = recording.container.duration
    return None if claimed is None else claimed / av.time_base


@dataclass(frozen=True)
class _Recording:
    name: str  # for messages
    container: InputContainer
    stream: AudioStream

    @property
    def claimed_s(self) -> float | None:
        """Length of the sound by the container's books, None where there are none."""
        length, unit = self.stream.duration, self.stream.time_base
        if length is None or unit is None or self.container.format.name in _GUESSING:
            return None
        return float(length * unit)


class _Bytes:
    """A source's bytes as PyAV asks for them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.read: Callable[[int], bytes] = getattr(file, "read1", file.read)  # of a pipe: what is there, at once
        self.seekable, self.tell = file.seekable, file.tell

    def seek(self, offset: int, whence: int) -> int:
        """FFmpeg's way to say that there is no such place; PyAV would print an exception and go on."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return -errno.EINVAL


@contextmanager
def _opened(source: Path | BinaryIO) -> Iterator[_Recording]:
    """The source and its main audio stream; whatever breaks while it is open becomes an AudioError."""
    name = _name(source)
    limits = {"format_whitelist": _CONTAINERS, "protocol_whitelist": ""}  # "": no protocol at all
    try:
        with (
            source.open("rb") if isinstance(source, Path) else nullcontext(source) as file,
            av.open(_Bytes(file), "r", container_options=limits, metadata_errors="replace") as container,
        ):
            yield _Recording(name, container, _main_stream(container, name))
    except _BROKEN as error:
        raise AudioError(_why(source, error)) from None


def _main_stream(container: InputContainer, name: str) -> AudioStream:
    stream = container.streams.best("audio")
    if not isinstance(stream, AudioStream):
        raise AudioError(f"{name} holds no sound: it has no audio stream, or was cut off; choose another file.")
    if stream.codec_context is None:
        raise AudioError(f"{name} holds sound in a coding that is unknown here; convert it to flac or wav.")
    if not _in_bounds(stream.sample_rate, stream.channels):
        raise AudioError(
            f"{name} has {stream.channels} channels at {stream.sample_rate} Hz; convert it to at most "
            f"{MOST_CHANNELS} channels at {RATES_HZ[0]} to {RATES_HZ[-1]} Hz."
        )
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all  # video is not even read where the container lets us skip it
    return stream


def _in_bounds(rate_hz: int, channels: int) -> bool:
    return rate_hz in RATES_HZ and 1 <= channels <= MOST_CHANNELS


def _frames(recording: _Recording, report: Report) -> Iterator[AudioFrame]:
    """All frames that can be decoded; a damaged packet costs itself and no other."""
    damaged, first_s = 0, 0.0
    for packet in recording.container.demux(recording.stream):
        try:
            frames = packet.decode()
        except _BROKEN:
            if packet.size and not damaged:
                first_s = float((packet.pts or 0) * packet.time_base)
            damaged += packet.size > 0  # an empty packet only flushes the decoder
            continue
        yield from (frame for frame in frames if _in_bounds(frame.sample_rate, frame.layout.nb_channels))
    if damaged:
        report(f"{recording.name} is damaged: {damaged} packet(s) are left out", first_s)


class _Clock:
    """The player's clock: when the next frame is due."""

    def __init__(self, start: int | None) -> None:
        self.zero_s = None if start is None else start / av.time_base  # time stamp of the first sample
        self.due_s = 0.0

    def gap_s(self, frame: AudioFrame) -> float:
        """Seconds of sound missing before `frame`; the clock moves on behind it."""
        if self.zero_s is None:
            self.zero_s = frame.time or 0.0
        gap_s = 0.0 if frame.time is None else frame.time - self.zero_s - self.due_s
        if not -RESTART_S <= gap_s <= LONGEST_GAP_S:
            self.zero_s += gap_s
            gap_s = 0.0
        gap_s = gap_s if gap_s > JITTER_S else 0.0
        self.due_s += gap_s + frame.samples / frame.sample_rate
        return gap_s


def _blocks(recording: _Recording, report: Report) -> Iterator[Planes]:
    """The frames as blocks of a second at 16 kHz, silence where some are missing."""
    clock = _Clock(recording.container.start_time)
    resampler, setup = AudioResampler(), None
    for frame in _frames(recording, report):
        at_s, gap_s = clock.due_s, clock.gap_s(frame)
        previous, setup = setup, (frame.sample_rate, frame.layout.name, frame.format.name)
        if gap_s and at_s:  # a gap before the first frame is no loss: the picture began before the sound
            report(f"{gap_s:.1f} s of {recording.name} are missing; silence stands in for them", at_s)
        if gap_s or setup != previous:
            yield from _resampled(resampler, None)
            yield from _silence(gap_s, frame.layout.nb_channels)
            resampler = AudioResampler("flt", rate=SAMPLE_RATE, frame_size=SAMPLE_RATE)
        yield from _resampled(resampler, frame)
    yield from _resampled(resampler, None)


def _resampled(resampler: AudioResampler, frame: AudioFrame | None) -> Iterator[Planes]:
    """What comes out when `frame` goes in; None empties the resampler."""
    for out in resampler.resample(frame):
        # Packed samples, because PyAV crashes on eight planes; NaN and loudness beyond 1 occur in float WAVs.
        packed = np.nan_to_num(np.asarray(out.to_ndarray(), np.float32))
        yield np.ascontiguousarray(packed.reshape(-1, out.layout.nb_channels).T.clip(-1.0, 1.0))


def _silence(length_s: float, channels: int) -> Iterator[Planes]:
    for start in range(0, stop := round(length_s * SAMPLE_RATE), SAMPLE_RATE):
        yield np.zeros((channels, min(SAMPLE_RATE, stop - start)), np.float32)


def _name(source: Path | BinaryIO) -> str:
    return str(source) if isinstance(source, Path) else "standard input"


def _why(source: Path | BinaryIO, error: Exception) -> str:
    """One sentence: what is wrong with the source and what to do."""
    name = _name(source)
    match error:
        case av.FFmpegError():  # some of these are OSErrors too, but speak of what is inside
            pass
        case FileNotFoundError():
            return f"{name} does not exist; check the name."
        case IsADirectoryError():
            return f"{name} is a folder; name a recording."
        case PermissionError():
            return f"{name} may not be read by this user; change its permissions."
        case OSError():
            return f"{name} could not be read ({error.strerror}); copy it to another disk and try again."
    if isinstance(source, Path) and not source.stat().st_size:
        return f"{name} is empty; record or copy it again."
    hint = "" if isinstance(source, Path) else ", and mp4 or m4a only as a file"
    return f"{name} is damaged or not a recording; readable are {_READABLE}{hint}."
