"""Speech recognisers behind one seam: windows of audio in, recognised segments out.

An engine holds a model and nothing else, so one engine can serve many meetings at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from audio.speech import Samples, Scores, Word


@dataclass(frozen=True)
class RecognitionOptions:
    """How to decode; names and defaults are openai-whisper's `transcribe` unless a comment says why not."""

    language: str | None = None  # code like "en"; None = detect
    task: str = "transcribe"  # or "translate" (to English)
    initial_prompt: str | None = None
    hotwords: str | None = None  # words to expect, put in front of every window's prompt
    word_timestamps: bool = False
    temperatures: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # tried in turn while a text looks wrong
    beam_size: int = 1  # the whisper command uses 5; greedy is several times faster on a CPU
    compression_ratio_threshold: float = 2.4
    logprob_threshold: float = -1.0
    no_speech_threshold: float = 0.6
    max_tokens: int | None = None  # a window's token budget; None = half of the model's text context

    def hears_silence(self, scores: Scores) -> bool:
        """Whisper's own rule: the model expects no speech and does not believe in its text either."""
        return scores.no_speech_prob > self.no_speech_threshold and scores.avg_logprob < self.logprob_threshold


@dataclass(frozen=True)
class RecognizedSegment:
    """One segment of one window; times in seconds from the start of the window, words likewise."""

    text: str
    start_s: float
    end_s: float
    tokens: tuple[int, ...]
    scores: Scores
    words: tuple[Word, ...] = ()


@dataclass(frozen=True)
class RecognizedWindow:
    """What an engine found in one window."""

    language: str
    segments: tuple[RecognizedSegment, ...]


class Transcriber(Protocol):
    """An engine: `windows` are mono 16 kHz arrays of at most 30 s, decoded together as one batch.

    Returns one RecognizedWindow per window, in order. Raises AudioError where the model cannot do
    what `options` ask (a language it does not know, say).
    """

    name: str  # "openai-whisper" or "faster-whisper"
    model: str  # the model's name or path, for the record
    multilingual: bool

    def __call__(self, windows: Sequence[Samples], options: RecognitionOptions) -> list[RecognizedWindow]: ...


class Drafter(Protocol):
    """An engine that also writes down quickly what a growing window, at most 30 s, says so far.

    One greedy pass; `timed`: the words' `end_s` is the newest audio that the decoder attended to, else they are spread
    by their letters; `whole`: the encoder sees 30 s, padded, instead of just the audio there is.
    """

    def draft(self, window: Samples, options: RecognitionOptions, *, timed: bool, whole: bool) -> RecognizedSegment: ...


class LiveTranscriber(Transcriber, Drafter, Protocol):
    """What a live meeting needs of an engine."""
