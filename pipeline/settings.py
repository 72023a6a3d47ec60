"""The settings as types: one frozen dataclass a section of config.yaml, which says what each is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from audio.engines import RecognitionOptions


@dataclass(frozen=True)
class Range:
    """What a number, or the length of a list, may be; both ends included."""

    low: float
    high: float


Share = Annotated[float, Range(0, 1)]
Count = Annotated[int, Range(0, 10_000)]


@dataclass(frozen=True)
class RecognitionSettings:
    """How speech becomes text."""

    engine: Literal["auto", "openai-whisper", "faster-whisper"]
    model: str
    download: str
    language: str
    task: Literal["transcribe", "translate"]
    device: str
    compute_type: str
    threads: Count
    batch_size: Annotated[int, Range(1, 256)]
    beam_size: Annotated[int, Range(1, 100)]
    temperatures: Annotated[tuple[Share, ...], Range(1, 20)]
    word_timestamps: bool
    initial_prompt: str
    hotwords: str
    compression_ratio_threshold: Annotated[float, Range(0, 100)]
    logprob_threshold: Annotated[float, Range(-100, 0)]
    no_speech_threshold: Share
    offline: bool

    def options(self) -> RecognitionOptions:
        """What an engine is told."""
        return RecognitionOptions(
            language=None if self.language in ("", "auto") else self.language,
            task=self.task,
            initial_prompt=self.initial_prompt or None,
            hotwords=self.hotwords or None,
            word_timestamps=self.word_timestamps,
            temperatures=self.temperatures,
            beam_size=self.beam_size,
            compression_ratio_threshold=self.compression_ratio_threshold,
            logprob_threshold=self.logprob_threshold,
            no_speech_threshold=self.no_speech_threshold,
        )


@dataclass(frozen=True)
class AudioSettings:
    """What is heard."""

    channels: Literal["mix", "separate"]


@dataclass(frozen=True)
class VadSettings:
    """Which audio holds speech."""

    detector: Literal["gated", "silero", "webrtcvad"]
    windows: Literal["auto", "full", "sentences"]
    speech_threshold: Share
    silence_threshold: Share
    min_speech_ms: Count
    pad_ms: Count
    webrtc_mode: Annotated[int, Range(0, 3)]


@dataclass(frozen=True)
class LibrarySettings:
    """Where meetings are kept."""

    home: str


@dataclass(frozen=True)
class ExportSettings:
    """Files written beside the library."""

    formats: tuple[Literal["txt", "srt", "vtt", "tsv", "json", "md", "html"], ...]
    minutes: tuple[Literal["md", "html", "json", "docx", "pdf", "csv", "ics"], ...]
    output_dir: str
    max_line_width: Count
    max_line_count: Count
    max_words_per_line: Count
    highlight_words: bool


@dataclass(frozen=True)
class RetrievalSettings:
    """What documents are kept at hand, and how they are searched."""

    model: str
    download: bool
    folders: tuple[str, ...]
    passages: bool
    prompt_terms: Annotated[int, Range(0, 200)]


@dataclass(frozen=True)
class Settings:
    """All settings; config.yaml says what each is for, its unit and its default."""

    recognition: RecognitionSettings
    audio: AudioSettings
    vad: VadSettings
    library: LibrarySettings
    export: ExportSettings
    retrieval: RetrievalSettings
