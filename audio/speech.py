"""The values that the ear passes on: chunks, segments, words, hypotheses, utterances.

Inside `audio` time is an integer sample count at 16 kHz since the start of the source; `Word`,
`Hypothesis` and `Utterance`, which leave the package, carry seconds. `recognizer.py` converts once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000  # Hz; what Whisper, silero-vad and webrtcvad all accept
Samples = NDArray[np.float32]  # mono, in [-1, 1], shape (n,)


class AudioError(Exception):
    """Sound could not be read, captured or recognised. The message says what happened and what to do."""


@dataclass(frozen=True)
class AudioChunk:
    """A contiguous piece of one source; the next chunk starts where this one stops."""

    samples: Samples  # (n,)
    start: int  # in samples since the start of the source
    source: str = ""  # "" where there is only one

    @property
    def stop(self) -> int:
        """First sample after the chunk."""
        return self.start + len(self.samples)


@dataclass(frozen=True)
class SpeechSegment:
    """A stretch that holds speech, cut by the segmenter and not longer than Whisper's 30 s."""

    samples: Samples  # (n,)
    start: int  # in samples since the start of the source
    source: str = ""
    speech_share: float = 1.0  # part of the frames that the detector called speech, 0 to 1
    spoken: tuple[tuple[int, int], ...] = ()  # runs of such frames as (start, stop), in samples of the source; () = all

    @property
    def stop(self) -> int:
        """First sample after the segment."""
        return self.start + len(self.samples)


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; `text` keeps its leading space as Whisper writes it."""

    text: str
    start_s: float
    end_s: float
    probability: float
    speaker: str = ""  # label such as "S1"; "S1+S2" where S2 speaks at the same time; "" = that of the utterance


@dataclass(frozen=True, slots=True)
class Scores:
    """What the engine thinks of its own text; the names and meanings are openai-whisper's."""

    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    temperature: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Provisional text of a segment that still grows; the next one replaces it whole, but keeps its firm words."""

    text: str  # all words; "" = nothing is being said, or what was shown has become final
    start_s: float
    end_s: float
    words: tuple[Word, ...] = ()
    source: str = ""
    firm: int = 0  # this many leading words stay as they are in all later hypotheses of the segment


@dataclass(frozen=True, slots=True)
class Utterance:
    """Final text: it never changes. A correction is an event that names `id`."""

    id: str  # "u1", "u2", ... in the order of the meeting
    text: str
    start_s: float
    end_s: float
    language: str
    scores: Scores
    words: tuple[Word, ...] = ()
    tokens: tuple[int, ...] = ()
    source: str = ""
    suppressed: str = ""  # why it is not shown ("no speech", "repetition", ...); "" = shown
    flags: tuple[str, ...] = field(default=())  # what was mended ("repetition collapsed")
    speaker: str = ""  # label within the meeting, "S1" by first appearance; "" = not known. A Named event gives a name
