"""Speech that one source picks up from another is shown once: the copy is left out, what is its own stays.

A microphone hears the speakers that play the far side, and two microphones in a room hear each other. A copy follows
the original's spectrum in time, later and changed by the room; people who merely speak at the same time do not. What
is found to be a copy is dropped only when the original is kept as speech of its own source, so that nothing is lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from audio.speech import SAMPLE_RATE, AudioChunk, Samples, SpeechSegment

HOP = SAMPLE_RATE // 100
WINDOW = 400
BANDS = 18
LOWEST_HZ, HIGHEST_HZ = 150.0, 6000.0
RANGE_DB = 35.0  # below the loudest: what is softer is background
QUIETEST_DB = -85.0  # of a band: what is softer is nothing
AUDIBLE_DB = -55.0  # of all bands: what is softer is no speech of the original that another source might pick up
LONGEST_LAG = 45  # frames: of loudspeakers over radio, and of an echo from the far end
LEAST_SPEECH = 30  # frames of the original within a segment, below which nothing is claimed
# Correlation of the spectra from which it is a copy. Of 300 pairs of unrelated speech, made and real, the most alike
# had 0.50. Of copies through made-up rooms, into noise of -66 dB, it finds all down to 18 dB below the original, three
# of four at 25 and two of three at 32 dB; nearly all that it misses copy real, faint speech and drown in the noise.
ALIKE = 0.55
TIE = 3  # frames by which clocks may be apart
CLEAN_TIE = 8  # frames: so much earlier must a microphone be for the far side to be its echo
TAIL_DB = 1.5  # by which a room's echo falls in a frame
OWN_DB = 10.0  # by which own speech stands out from the copy, and from the background
OWN_LEAST_DB = -60.0  # of all bands: what is softer is not own speech
BACKGROUND = 0.1  # of a segment's frames are at most as loud as its background
OWN_FRAMES = 40  # of own speech that make it worth keeping
EDGE = SAMPLE_RATE // 4  # kept around own speech
COVERED = 0.6  # of the copy, that segments of the original must hold
REMEMBERED_S = 75.0  # of sound: two of the longest segments
PATIENCE = 31 * SAMPLE_RATE  # until a segment of the original must have ended

Bands = NDArray[np.float32]  # dB, shape (frames, BANDS)
T = TypeVar("T")


class Likeness(NamedTuple):
    """How a segment relates to another source."""

    correlation: float  # of the spectra, -1 to 1, at the best lag
    lag: int  # frames by which the segment is later
    louder_db: float  # than the other


def bands(samples: Samples) -> Bands:
    """Power of the bands, a frame each 10 ms."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, (0, WINDOW)), WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW).astype(np.float32), 512)) ** 2 / (WINDOW * WINDOW / 4)
    mel = np.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), BANDS + 1)
    edges = np.rint((700 * (10 ** (mel / 2595) - 1)) * 512 / SAMPLE_RATE).astype(int)
    summed = np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1)
    return np.asarray(np.maximum(10 * np.log10(summed + 1e-12), QUIETEST_DB), np.float32)


def _mel(hz: float) -> float:
    return float(2595 * np.log10(1 + hz / 700))


def likeness(segment: Bands, other: Bands) -> Likeness | None:
    """`other` reaches LONGEST_LAG frames before and after the segment. None where it holds too little speech."""
    best: Likeness | None = None
    levels, loudness = _level(other), _level(segment)
    for lag in range(-LONGEST_LAG, LONGEST_LAG + 1):
        part = slice(LONGEST_LAG - lag, LONGEST_LAG - lag + len(segment))
        shifted, active = other[part], _active(levels[part])
        if active.sum() < LEAST_SPEECH:
            continue
        a, b = segment[active], shifted[active]
        a, b = np.maximum(a, a.max() - 40), np.maximum(b, b.max() - 40)
        a, b = a - a.mean(axis=0), b - b.mean(axis=0)
        correlation = float((a * b).sum() / max(np.sqrt(float((a * a).sum()) * float((b * b).sum())), 1e-6))
        if best is None or correlation > best.correlation:
            best = Likeness(correlation, lag, float(loudness[active].mean() - levels[part][active].mean()))
    return best


def own_frames(segment: Bands, other: Bands, lag: int) -> NDArray[np.bool_]:
    """Where the segment holds more than its copy of the other, which is known by its usual gain in each band."""
    shifted = other[LONGEST_LAG - lag : LONGEST_LAG - lag + len(segment)]
    gain_db = np.median((segment - shifted)[_active(_level(shifted))], axis=0)
    echo = shifted + gain_db
    for i in range(1, len(echo)):
        np.maximum(echo[i], echo[i - 1] - TAIL_DB, out=echo[i])
    level = _level(segment)
    stands_out = (level > _level(echo) + OWN_DB) & (level > level.max() - RANGE_DB)
    return np.asarray(stands_out & (level > max(OWN_LEAST_DB, float(np.quantile(level, BACKGROUND)) + OWN_DB)))


def _level(spectrum: Bands) -> NDArray[np.float32]:
    """dB of all bands together, shape (frames,)."""
    return np.asarray(10 * np.log10(np.sum(10 ** (spectrum / 10), axis=1)), np.float32)


def _active(level: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where there is speech rather than background."""
    return np.asarray((level > level.max(initial=QUIETEST_DB) - RANGE_DB) & (level > AUDIBLE_DB))


@dataclass(frozen=True)
class _Copy:
    """A segment that copies another source; `own` is what remains of it without the copy."""

    segment: SpeechSegment
    original: str
    first: int  # where the original must be kept as speech
    last: int
    own: SpeechSegment | None


class Leaks:
    """What several sources said lately. Let it hear the `tapped` chunks, and take its `filtered` segments.

    One source alone passes through untouched and at once.
    """

    def __init__(self, clean: Iterable[str] = ()) -> None:
        """`clean` are sources that no room reaches: what the computer plays."""
        self._clean = frozenset(clean)
        self._sound: dict[str, deque[AudioChunk]] = {}
        self._reached: dict[str, int] = {}
        self._kept: dict[str, deque[tuple[int, int]]] = {}
        self._held: dict[str, deque[_Copy | SpeechSegment]] = {}

    def tapped(self, chunks: Iterable[AudioChunk]) -> Iterator[AudioChunk]:
        """Pass the chunks on, remembering them."""
        for chunk in chunks:
            recent = self._sound.setdefault(chunk.source, deque())
            recent.append(chunk)
            self._reached[chunk.source] = chunk.stop
            while recent[0].stop < chunk.stop - REMEMBERED_S * SAMPLE_RATE:
                recent.popleft()
            yield chunk

    def filtered(self, heard: Iterable[T]) -> Iterator[T | SpeechSegment]:
        """Segments without what they copy, in order within each source; whatever else comes passes."""
        for item in heard:
            if isinstance(item, SpeechSegment):
                self._held.setdefault(item.source, deque()).append(self._judged(item))
            else:
                yield item
            yield from self._released(final=False)
        yield from self._released(final=True)

    def _judged(self, segment: SpeechSegment) -> _Copy | SpeechSegment:
        mine = bands(segment.samples)
        for source in [name for name in self._sound if name != segment.source]:
            margin = LONGEST_LAG * HOP
            other = bands(self._between(source, segment.start - margin, segment.stop + margin))
            other = np.pad(other, ((0, max(0, len(mine) + 2 * LONGEST_LAG - len(other))), (0, 0)), mode="edge")
            found = likeness(mine, other)
            if found and found.correlation >= ALIKE and self._copies(segment.source, source, found):
                return self._as_copy(segment, source, own_frames(mine, other, found.lag), found.lag)
        return segment

    def _copies(self, mine: str, other: str, found: Likeness) -> bool:
        """Whether mine is the copy and not the original: the later one, or the softer where they come together."""
        if (mine in self._clean) != (other in self._clean):
            return found.lag > CLEAN_TIE if mine in self._clean else found.lag > -CLEAN_TIE
        if abs(found.lag) > TIE:
            return found.lag > 0
        return found.louder_db < 0 or (found.louder_db == 0 and mine > other)

    def _as_copy(self, segment: SpeechSegment, original: str, own: NDArray[np.bool_], lag: int) -> _Copy:
        shift = lag * HOP
        copied = np.flatnonzero(~own)
        first = segment.start + (int(copied[0]) if len(copied) else 0) * HOP - shift
        last = segment.start + (int(copied[-1]) if len(copied) else 0) * HOP - shift
        return _Copy(segment, original, first, last, _muted(segment, own))

    def _between(self, source: str, start: int, stop: int) -> Samples:
        """The sound of this part, silence where it is not remembered."""
        sound = np.zeros(stop - start, np.float32)
        for chunk in self._sound[source]:
            first, last = max(start, chunk.start), min(stop, chunk.stop)
            if first < last:
                sound[first - start : last - start] = chunk.samples[first - chunk.start : last - chunk.start]
        return sound

    def _released(self, *, final: bool) -> Iterator[SpeechSegment]:
        """What need not wait any more; a copy's release may let another's go."""
        progress = True
        while progress:
            progress = False
            for held in self._held.values():
                while held and (segments := self._decided(held[0], final=final)) is not None:
                    held.popleft()
                    progress = True
                    for segment in segments:
                        self._keep(segment)
                        yield segment

    def _decided(self, item: _Copy | SpeechSegment, *, final: bool) -> list[SpeechSegment] | None:
        """What is kept of it, None while that is open."""
        if isinstance(item, SpeechSegment):
            return [item]
        if self._covers(item):
            return [item.own] if item.own else []
        waiting = self._reached.get(item.original, 0) < item.segment.stop + PATIENCE
        return None if waiting and not final else [item.segment]

    def _covers(self, copy: _Copy) -> bool:
        """Whether the original is kept as speech."""
        held = sum(max(0, min(copy.last, b) - max(copy.first, a)) for a, b in self._kept.get(copy.original, ()))
        return held >= COVERED * max(copy.last - copy.first, 1)

    def _keep(self, segment: SpeechSegment) -> None:
        kept = self._kept.setdefault(segment.source, deque())
        kept.append((segment.start, segment.stop))
        while kept[0][1] < segment.stop - REMEMBERED_S * SAMPLE_RATE:
            kept.popleft()


def _muted(segment: SpeechSegment, own: NDArray[np.bool_]) -> SpeechSegment | None:
    """The segment from its first own speech to its last, silent where it copies; None where too little is its own."""
    runs = np.convolve(own, np.ones(11), "same") >= 6  # single frames are chance
    if (own & runs).sum() < OWN_FRAMES:
        return None
    loud = np.zeros(len(segment.samples), np.float32)
    for frame in np.flatnonzero(own & runs):
        loud[max(0, frame * HOP - EDGE) : frame * HOP + EDGE] = 1.0
    fade = np.hanning(321).astype(np.float32)
    gain = np.convolve(loud, fade / fade.sum(), "same")
    places = np.flatnonzero(loud)
    first, last = int(places[0]), int(places[-1]) + 1
    return replace(segment, samples=(segment.samples * gain)[first:last], start=segment.start + first)
