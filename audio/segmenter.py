"""Probabilities of speech to stretches of speech: pure rules, the endpoint policy as rows of data.

Frames become decisions (two thresholds, a shortest run), decisions open and close segments, and a segment that
would outgrow the recogniser's window is cut where there is least speech. All positions are samples.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from audio.speech import SAMPLE_RATE, AudioChunk, AudioError, Samples, SpeechSegment
from audio.vad import Vad


class Endpoint(NamedTuple):
    """A segment that is `after_s` long ends at the first pause of `pause_ms`."""

    pause_ms: int
    after_s: float = 0.0


@dataclass(frozen=True)
class SegmenterOptions:
    """When a segment begins and ends; any of the endpoints suffices."""

    endpoints: tuple[Endpoint, ...]
    speech_on: float = 0.5  # probability at which speech begins
    speech_off: float = 0.35  # and below which it ends
    min_speech_ms: int = 96  # shorter runs are clicks, not speech
    pad_before_ms: int = 250  # kept before and after speech, for soft onsets and endings
    pad_after_ms: int = 250
    longest_s: float = 30.0  # Whisper's window
    cut_within_s: float = 5.0  # a segment of `longest_s` is cut in this last part

    def __post_init__(self) -> None:
        if not 0 < self.speech_off <= self.speech_on <= 1:
            raise AudioError(
                f"speech cannot begin at a probability of {self.speech_on} and end below {self.speech_off}; "
                "choose 0 < end <= begin <= 1."
            )
        room_s = self.longest_s - self.cut_within_s - (self.pad_before_ms + self.pad_after_ms) / 1000
        if room_s < 0.1 or self.cut_within_s <= 0 or self.longest_s > 30:
            raise AudioError(
                f"a segment of {self.longest_s} s (30 at most) has no room for pads of {self.pad_before_ms} and "
                f"{self.pad_after_ms} ms beside its last {self.cut_within_s} s, where it may be cut; shorten them."
            )


# For recordings: windows as full as they get without long silence; 74 % full on 6 hours of AMI meetings, and 18 % more
# of them than if all pauses were cut out.
FILE = SegmenterOptions((Endpoint(3000), Endpoint(2000, after_s=15)))
# A segment a sentence, for a model that follows only short windows: 13 % instead of 56 % of words wrong on the sample.
SENTENCES = SegmenterOptions((Endpoint(220),), longest_s=10.0, cut_within_s=4.0)
LIVE = SegmenterOptions((Endpoint(800), Endpoint(500, after_s=8), Endpoint(300, after_s=16)))  # for captions

SMOOTHING_MS = 160  # of the probabilities before the lowest is sought; of 100 to 500 ms it found the quietest cuts


class _Mark(NamedTuple):
    """The decision on a frame."""

    probability: float
    speech: bool


@dataclass
class _Growing:
    """The open segment."""

    start: int  # where its sound begins
    first: int  # where its first frame begins, which is speech
    spoken: int  # where its last speech so far ends
    marks: list[_Mark] = field(default_factory=list)  # from `first` on


class Segmenter:
    """The segmenter of one source: `push` all its chunks in order, then `flush`.

    How the sound is spread over chunks makes no difference. Memory is bounded by a segment and a chunk.
    """

    def __init__(self, vad: Vad, options: SegmenterOptions = FILE) -> None:
        self._vad = vad
        self._frame = vad.frame
        self._decider = _Decider(options, _frames(options.min_speech_ms, vad))
        self._endpoints = [(_samples(row.pause_ms), _samples(1000 * row.after_s)) for row in options.endpoints]
        self._pad_before, self._pad_after = _samples(options.pad_before_ms), _samples(options.pad_after_ms)
        self._longest = _samples(1000 * options.longest_s)
        self._cut_frames = _frames(1000 * options.cut_within_s, vad)
        self._chunks: deque[AudioChunk] = deque()  # the sound that a segment may still need
        self._rest: Samples = np.zeros(0, np.float32)  # of a frame that is not yet whole
        self._source = ""
        self._heard: int | None = None  # end of the last chunk
        self._decided = 0  # end of the last frame that has a mark
        self._ended = 0  # end of the last segment
        self._growing: _Growing | None = None

    def push(self, chunk: AudioChunk) -> list[SpeechSegment]:
        """The segments that this chunk completes."""
        if self._heard is None:
            self._source, self._heard = chunk.source, chunk.start
            self._decided = self._ended = chunk.start
        assert (chunk.start, chunk.source) == (self._heard, self._source), "chunks must follow each other"
        self._heard = chunk.stop
        self._chunks.append(chunk)
        samples = np.concatenate([self._rest, chunk.samples])
        whole = len(samples) // self._frame * self._frame
        self._rest = samples[whole:].copy()
        segments = self._listen(samples[:whole])
        self._forget()
        return segments

    def flush(self) -> list[SpeechSegment]:
        """The segments that the end of the sound completes; nothing can be pushed after it."""
        segments = self._listen(np.pad(self._rest, (0, -len(self._rest) % self._frame)))
        segments += [segment for mark in self._decider.rest() for segment in self._advance(mark)]
        if self._growing:
            segments.append(self._close(self._growing, self._decided))
        return segments

    @property
    def open_segment(self) -> SpeechSegment | None:
        """The stretch of speech that is still growing, as far as it goes."""
        return self._cut_out(self._growing, self._decided) if self._growing else None

    def _listen(self, samples: Samples) -> list[SpeechSegment]:
        probabilities = self._vad(samples.reshape(-1, self._frame)).tolist()
        return [
            segment
            for probability in probabilities
            for mark in self._decider.marks(probability)
            for segment in self._advance(mark)
        ]

    def _advance(self, mark: _Mark) -> list[SpeechSegment]:
        """Moves on by a frame; the segments that this completes."""
        begin, self._decided = self._decided, self._decided + self._frame
        if self._growing is None:
            if not mark.speech:
                return []
            self._growing = _Growing(max(self._ended, begin - self._pad_before), begin, self._decided)
        growing = self._growing
        growing.marks.append(mark)
        growing.spoken = self._decided if mark.speech else growing.spoken
        pause, length = self._decided - growing.spoken, growing.spoken - growing.start
        if any(pause >= enough and length >= after for enough, after in self._endpoints):
            return [self._close(growing, self._decided)]
        if self._decided + self._frame - growing.start > self._longest:
            return self._cut(growing)
        return []

    def _cut(self, growing: _Growing) -> list[SpeechSegment]:
        """Closes where speech is least probable in the last part; what follows is segmented anew."""
        width = _frames(SMOOTHING_MS, self._vad) | 1  # odd, so that the middle is a frame
        probabilities = np.pad([mark.probability for mark in growing.marks], width // 2, mode="edge")
        smooth = np.convolve(probabilities, np.hanning(width + 2)[1:-1], mode="valid")
        n = len(growing.marks) - self._cut_frames + int(smooth[-self._cut_frames :].argmin())
        before, after = growing.marks[:n], growing.marks[n:]
        growing.marks = before
        growing.spoken = growing.first + self._frame * max(i + 1 for i, mark in enumerate(before) if mark.speech)
        self._decided = growing.first + self._frame * n
        segment = self._close(growing, self._decided)
        return [segment, *(later for mark in after for later in self._advance(mark))]

    def _close(self, growing: _Growing, stop: int) -> SpeechSegment:
        segment = self._cut_out(growing, stop)
        self._growing, self._ended = None, segment.stop
        return segment

    def _cut_out(self, growing: _Growing, stop: int) -> SpeechSegment:
        """The segment with its sound, up to `stop` or the pad after its last speech."""
        start, stop = growing.start, min(stop, growing.spoken + self._pad_after)
        pieces = [c.samples[max(start - c.start, 0) : max(stop - c.start, 0)] for c in self._chunks]
        samples = np.concatenate(pieces)
        share = sum(mark.speech for mark in growing.marks) * self._frame / len(samples)
        return SpeechSegment(samples, start, self._source, min(share, 1.0), self._spoken(growing, start + len(samples)))

    def _spoken(self, growing: _Growing, stop: int) -> tuple[tuple[int, int], ...]:
        """The runs of speech in the segment, as (start, stop)."""
        speech = np.array([False, *(mark.speech for mark in growing.marks), False])
        edges = growing.first + self._frame * np.flatnonzero(speech[1:] != speech[:-1])
        runs = edges.reshape(-1, 2).tolist()
        return tuple((begin, min(end, stop)) for begin, end in runs if begin < stop)

    def _forget(self) -> None:
        """Lets go of the sound that no segment can reach any more."""
        needed = self._growing.start if self._growing else max(self._ended, self._decided - self._pad_before)
        while self._chunks and self._chunks[0].stop <= needed:
            self._chunks.popleft()


class _Decider:
    """Probabilities to decisions: speech begins at one threshold, ends below another, and lasts a while."""

    def __init__(self, options: SegmenterOptions, shortest: int) -> None:
        self._options = options
        self._shortest = shortest  # frames
        self._speaking = False
        self._unsure: list[float] = []  # the run of speech that is too short so far

    def marks(self, probability: float) -> list[_Mark]:
        """What this frame decides: itself and the unsure ones before it, or nothing yet."""
        sure = self._speaking and not self._unsure
        self._speaking = probability >= (self._options.speech_off if self._speaking else self._options.speech_on)
        self._unsure.append(probability)
        if self._speaking and not sure and len(self._unsure) < self._shortest:
            return []
        return self.rest(speech=self._speaking)

    def rest(self, *, speech: bool = False) -> list[_Mark]:
        """Decides on the frames that were left unsure."""
        marks = [_Mark(probability, speech) for probability in self._unsure]
        self._unsure.clear()
        return marks


def segment(
    chunks: Iterable[AudioChunk], vad: Callable[[], Vad], options: SegmenterOptions = FILE
) -> Iterator[SpeechSegment]:
    """The speech in `chunks`: ordered, without overlap and at most `longest_s` long in every source.

    `vad` makes the detector of a source.
    """
    segmenters: dict[str, Segmenter] = {}
    for chunk in chunks:
        if chunk.source not in segmenters:
            segmenters[chunk.source] = Segmenter(vad(), options)
        yield from segmenters[chunk.source].push(chunk)
    for segmenter in segmenters.values():
        yield from segmenter.flush()


def _samples(length_ms: float) -> int:
    return round(length_ms * SAMPLE_RATE / 1000)


def _frames(length_ms: float, vad: Vad) -> int:
    return max(1, round(_samples(length_ms) / vad.frame))
