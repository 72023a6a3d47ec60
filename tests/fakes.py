"""Stand-ins for models, described by what they are to say: shared by the tests of everything above them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from audio.engines import RecognitionOptions, RecognizedSegment, RecognizedWindow
from audio.speech import Samples, Scores, Word

SURE = Scores(avg_logprob=-0.1, no_speech_prob=0.01, compression_ratio=1.2, temperature=0.0)


@dataclass
class FakeTranscriber:
    """Says of each window how long and how loud it is, so that every text follows from the sound alone."""

    name: str = "fake"
    model: str = "fake"
    multilingual: bool = False
    heard: list[int] = field(default_factory=list)  # the lengths of all windows it was given

    def __call__(self, windows: Sequence[Samples], options: RecognitionOptions) -> list[RecognizedWindow]:
        self.heard += [len(window) for window in windows]
        return [RecognizedWindow("en", (_segment(window),)) for window in windows]

    def draft(self, window: Samples, options: RecognitionOptions, *, timed: bool, whole: bool) -> RecognizedSegment:
        """Counts whole tenths of a second; the last count is unsure of itself."""
        tenths = len(window) // 1600
        words = [Word(f" {i}", (i - 1) / 10, i / 10, 1.0) for i in range(1, tenths)]
        words.append(Word(f" {tenths}?", (tenths - 1) / 10, tenths / 10, 1.0))
        text = "".join(word.text for word in words)
        return RecognizedSegment(text, 0.0, tenths / 10, (1,), SURE, tuple(words))


def _segment(window: Samples) -> RecognizedSegment:
    length_s = len(window) / 16_000
    loudness = round(1000 * float(np.sqrt(np.mean(window**2))))
    return RecognizedSegment(f" It lasts {length_s:.2f} seconds at {loudness}.", 0.0, length_s, (1, 2), SURE)


class FakeVad:
    """Hears speech wherever a frame is not digital silence."""

    frame = 512

    def __call__(self, frames: Samples) -> Samples:
        return (np.abs(frames).max(axis=1) > 1e-4).astype(np.float32) if len(frames) else np.zeros(0, np.float32)
