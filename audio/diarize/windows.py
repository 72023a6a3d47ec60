"""What the encoder hears in a segment: overlapping windows of speech, and the moments where the voice changes.

The windows never cross a pause, for a pause in a window spoils its embedding, and all are brought to one level.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.diarize.encoder import HOP, LEVEL_DB, SHORTEST, Embeddings, Mel, VoiceEncoder, mel_power
from audio.speech import SAMPLE_RATE, SpeechSegment

WINDOW = 160  # frames, 1.6 s: what the encoder was trained on
STEP = 25  # frames, 0.25 s, from window to window; half as many windows find fewer short turns
JOINED = SAMPLE_RATE // 5  # a shorter pause does not end a run of speech
CHANGE = 0.358  # 1 - cosine of the windows before and after a moment, from which the voice changes there
REACHES = 16  # frames: as far, the detector may be late or early with a real voice
QUIET = 0.1  # of the way, in dB, from the quietest sound near a run to its voice: below that nobody speaks
NEAR = 150  # frames before and after a run in which the quietest is looked for
NEIGHBOURS = 2  # windows on either side within which only the greatest change counts
LONG = 1.6 * SAMPLE_RATE  # stretches of one voice that are this long decide how many speakers there are


@dataclass(frozen=True)
class Heard:
    """The windows of one segment, in order; positions in samples of the source."""

    source: str
    start: int  # of the segment
    starts: NDArray[np.int64]  # (n,)
    stops: NDArray[np.int64]  # (n,)
    runs: NDArray[np.int64]  # (n,): which run of speech each lies in
    embeddings: Embeddings  # (n, d)
    reach: NDArray[np.int64] | None = None  # (n, 2): so much more is speech before and after, at a run's ends; None = 0

    @property
    def windows(self) -> int:
        """How many."""
        return len(self.starts)


@dataclass(frozen=True)
class Stretch:
    """A stretch of one voice, as far as can be told without knowing the others; samples of the source."""

    source: str
    start: int
    stop: int
    mean: NDArray[Any]  # of its windows' embeddings, (d,), not of unit length: the shorter, the less they agree

    @property
    def length(self) -> int:
        """Samples."""
        return self.stop - self.start


def listen(segment: SpeechSegment, encoder: VoiceEncoder) -> Heard:
    """Embed the segment's speech; a run that is shorter than a window is one of its own."""
    mel = mel_power(segment.samples)
    power = np.concatenate([[0.0], np.cumsum(np.square(segment.samples, dtype=np.float64))])
    loud = _loudness(power)
    spans: list[tuple[int, int, int]] = []  # run, first frame, frame after the last
    reach: list[tuple[int, int]] = []
    for run, (start, stop) in enumerate(_runs(segment)):
        begin, end = (start - segment.start) // HOP, (stop - segment.start) // HOP
        own = _spans(begin, end)
        spans += [(run, *span) for span in own]
        reach += [_beside(loud, begin, end)] * len(own)
    embeddings = encoder([_levelled(mel, power, begin, end) for _, begin, end in spans])
    runs, begins, ends = (np.array(column, np.int64) for column in zip(*spans, strict=True)) if spans else (_NONE,) * 3
    return Heard(
        segment.source,
        segment.start,
        segment.start + begins * HOP,
        np.minimum(segment.start + ends * HOP, segment.stop),
        runs,
        embeddings,
        HOP * np.array(reach, np.int64).reshape(-1, 2),
    )


def _loudness(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of frames in dB, over three of them, from the sum of all squares up to each sample."""
    frames = np.diff(power[::HOP]) / HOP
    return np.convolve(np.pad(10 * np.log10(frames + 1e-10), 1, "edge"), np.full(3, 1 / 3), "valid")


def _beside(loud: NDArray[np.float64], begin: int, end: int) -> tuple[int, int]:
    """Frames before and after a run that are speech, too, as they are not as quiet as it gets there."""
    near, own = loud[max(0, begin - NEAR) : end + NEAR], loud[begin:end]
    if not len(own):
        return 0, 0
    floor = float(np.quantile(near, 0.05))
    quiet = floor + QUIET * (float(np.quantile(own, 0.8)) - floor)
    sides = loud[max(0, begin - REACHES) : begin][::-1], loud[end : end + REACHES]
    before, after = (int(np.argmin(np.append(side > quiet, False))) for side in sides)
    return before, after


_NONE = np.zeros(0, np.int64)


def _runs(segment: SpeechSegment) -> list[list[int]]:
    joined: list[list[int]] = []
    for start, stop in segment.spoken or ((segment.start, segment.stop),):
        if joined and start - joined[-1][1] < JOINED:
            joined[-1][1] = stop
        else:
            joined.append([start, stop])
    return joined


def _spans(begin: int, end: int) -> list[tuple[int, int]]:
    """Windows over the frames of a run; the last one ends with it."""
    if end - begin <= WINDOW:
        return [(begin, end)] if end - begin >= SHORTEST else []
    begins = list(range(begin, end - WINDOW + 1, STEP))
    if begins[-1] != end - WINDOW:
        begins.append(end - WINDOW)
    return [(b, b + WINDOW) for b in begins]


def _levelled(mel: Mel, power: NDArray[np.float64], begin: int, end: int) -> Mel:
    """Frames at LEVEL_DB; digital silence stays as it is."""
    first, last = begin * HOP, min(end * HOP, len(power) - 1)
    mean = (power[last] - power[first]) / max(1, last - first)
    return mel[begin:end] * np.float32(10 ** (LEVEL_DB / 10) / mean) if mean > 0 else mel[begin:end]


def stretches(heard: Heard, *, changes: bool = True) -> list[Stretch]:
    """The runs, cut where the voice changes; `changes` False leaves them whole."""
    found: list[Stretch] = []
    for run in np.unique(heard.runs):
        own = np.flatnonzero(heard.runs == run)
        found += _cut(heard, own, _changes(heard, own) if changes else [])
    return found


def labelled(heard: Heard, labels: NDArray[np.int64]) -> list[Stretch]:
    """The runs, cut between the windows (n,) whose labels differ."""
    middles = (heard.starts + heard.stops) // 2
    found: list[Stretch] = []
    for run in np.unique(heard.runs):
        own = np.flatnonzero(heard.runs == run)
        found += _cut(
            heard, own, [int(middles[i] + middles[j]) // 2 for i, j in pairwise(own) if labels[i] != labels[j]]
        )
    return found


def _cut(heard: Heard, own: NDArray[np.int64], cuts: list[int]) -> list[Stretch]:
    """One run, cut at these samples; a piece in which no window lies is nothing."""
    found: list[Stretch] = []
    embeddings = heard.embeddings
    for start, stop in pairwise([int(heard.starts[own[0]]), *cuts, int(heard.stops[own[-1]])]):
        slack = STEP * HOP // 2
        inside = own[(heard.starts[own] >= start - slack) & (heard.stops[own] <= stop + slack)]
        if len(inside):
            found.append(Stretch(heard.source, start, stop, embeddings[inside].mean(axis=0)))
    return found


def _changes(heard: Heard, own: NDArray[np.int64]) -> list[int]:
    """Where neighbouring windows of one run differ most and enough."""
    moments: list[tuple[int, float]] = []
    embeddings = heard.embeddings
    for i in own:
        j = own[0] + int(np.searchsorted(heard.starts[own], heard.stops[i]))
        if j <= own[-1] and heard.starts[j] - heard.stops[i] < STEP * HOP:
            moment = int(heard.stops[i] + heard.starts[j]) // 2
            moments.append((moment, 1 - float(embeddings[i] @ embeddings[j])))
    return [
        moment
        for n, (moment, change) in enumerate(moments)
        if change > CHANGE and change >= max(c for _, c in moments[max(0, n - NEIGHBOURS) : n + NEIGHBOURS + 1])
    ]
