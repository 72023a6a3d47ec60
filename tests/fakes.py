"""Stand-ins for models, described by what they are to say: shared by the tests of everything above them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from audio.diarize.identity import Identity
from audio.engines import RecognitionOptions, RecognizedSegment, RecognizedWindow
from audio.recognizer import Batch
from audio.speech import Samples, Scores, Word
from pipeline.events import Event
from pipeline.journal import ResumePoint
from pipeline.meeting import Recognized

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


SILENCE_S = 0.8  # between two lines of a script: longer than any pause that the segmenter lets pass
LINE_S = 1.0


def play(lines: Sequence[str]) -> Samples:
    """Sound of which a ScriptedTranscriber knows the words: line n is noise whose loudest sample says n."""
    rng = np.random.default_rng(5)
    pause = np.zeros(round(SILENCE_S * 16_000), np.float32)
    said = [rng.choice([-1, 1], round(LINE_S * 16_000)) * _peak(n) for n in range(len(lines))]
    return np.concatenate([part for line in said for part in (pause, line.astype(np.float32))] + [pause])


def _peak(line: int) -> float:
    return 0.2 + 0.02 * line


@dataclass
class ScriptedTranscriber:
    """Says of each window the line that its loudest sample stands for; at most 35 lines."""

    lines: Sequence[str]
    name: str = "fake"
    model: str = "fake"
    multilingual: bool = False

    def __call__(self, windows: Sequence[Samples], options: RecognitionOptions) -> list[RecognizedWindow]:
        return [RecognizedWindow("en", (self._segment(window),)) for window in windows]

    def draft(self, window: Samples, options: RecognitionOptions, *, timed: bool, whole: bool) -> RecognizedSegment:
        return self._segment(window)

    def _segment(self, window: Samples) -> RecognizedSegment:
        loudest = float(np.abs(window).max(initial=0.0))
        number = min(len(self.lines) - 1, max(0, round((loudest - _peak(0)) / 0.02)))
        return RecognizedSegment(f" {self.lines[number]}", 0.0, len(window) / 16_000, (1, 2), SURE)


@dataclass(frozen=True)
class KnownVoices:
    """Tells who says each line of a script, and whose voiceprint a speaker's voice is."""

    speakers: Mapping[str, str]  # line -> label
    people: Mapping[str, str]  # label -> name

    def __call__(self, found: Iterable[Recognized], resume: ResumePoint, past: Iterable[Event]) -> Iterator[Recognized]:
        for one in found:
            if not isinstance(one, Batch):
                yield one
                continue
            told = tuple(replace(u, speaker=self.speakers[u.text.strip()]) for u in one.utterances)
            known = tuple(Identity(u.speaker, self.people[u.speaker], 0.9) for u in told if u.speaker in self.people)
            yield replace(one, utterances=told, identities=known)


def unit(*values: float) -> NDArray[np.float64]:
    """The values as a vector of length one."""
    vector: NDArray[np.float64] = np.array(values) / np.linalg.norm(values)
    return vector
