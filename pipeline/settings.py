"""The settings as types: one frozen dataclass a section of config.yaml, which says what each is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from audio.agreement import ALIGN_ATT, AlignAtt, LocalAgreement
from audio.captions import CaptionOptions
from audio.engines import RecognitionOptions
from audio.link import WatchOptions
from audio.recording import RecordingOptions


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
    raise_db: Annotated[int, Range(0, 40)]
    webrtc_mode: Annotated[int, Range(0, 3)]


@dataclass(frozen=True)
class MemorySettings:
    """What is remembered of a meeting while it runs."""

    enabled: bool
    banks: tuple[Literal["cache", "tokens", "slots", "archive"], ...]
    segment: Annotated[int, Range(4, 256)]
    cache: Annotated[int, Range(4, 128)]
    recency: Annotated[float, Range(0, 4)]
    weights: str


@dataclass(frozen=True)
class SpeakersSettings:
    """Who spoke."""

    engine: Literal["auto", "embedded", "pyannote", "off"]
    speakers: Annotated[int, Range(0, 100)]
    min_speakers: Annotated[int, Range(0, 100)]
    max_speakers: Annotated[int, Range(0, 100)]
    recognise: bool
    recognise_from: Share
    pipeline: str
    sha256: tuple[str, ...]


@dataclass(frozen=True)
class ListenSettings:
    """How a meeting is shown while it is held."""

    policy: Literal["local-agreement", "align-att"]
    agreeing: Annotated[int, Range(2, 10)]
    margin_ms: Count
    interval_ms: Count
    share: Annotated[float, Range(0.05, 1)]
    window: Literal["audio", "full"]
    context_words: Annotated[int, Range(0, 100)]
    hold_back: Annotated[int, Range(0, 100)]
    defer_after_s: Count
    stop_after_silence_min: Count

    def options(self) -> CaptionOptions:
        """What the captions are told."""
        by_attention = self.policy == ALIGN_ATT
        return CaptionOptions(
            policy=AlignAtt(self.margin_ms / 1000) if by_attention else LocalAgreement(self.agreeing),
            timed=by_attention,
            whole=self.window == "full",
            interval_s=self.interval_ms / 1000,
            share=self.share,
            context_words=self.context_words,
            hold_back=self.hold_back,
            defer_after_s=self.defer_after_s,
        )


@dataclass(frozen=True)
class CaptureSettings:
    """Which devices a live meeting is heard from, and how it is recorded."""

    devices: Annotated[tuple[str, ...], Range(1, 8)]
    block_ms: Annotated[int, Range(5, 1000)]
    stalled_ms: Annotated[int, Range(200, 60_000)]
    late_ms: Annotated[int, Range(200, 60_000)]
    zeros_s: Annotated[float, Range(1, 3600)]
    fsync_ms: Annotated[int, Range(10, 60_000)]
    warn_free_mb: Annotated[int, Range(0, 1_000_000)]
    stop_free_mb: Annotated[int, Range(0, 1_000_000)]
    keep_raw: bool

    def watch(self) -> WatchOptions:
        """What counts as a failing device."""
        return WatchOptions(self.stalled_ms / 1000, self.late_ms / 1000, self.zeros_s)

    def recording(self) -> RecordingOptions:
        """How the sound is written down."""
        return RecordingOptions(self.fsync_ms / 1000, self.warn_free_mb * 1_000_000, self.stop_free_mb * 1_000_000)


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
    speaker_labels: bool


@dataclass(frozen=True)
class AbstractionSettings:
    """Which language model, if any, may put the summary into other words."""

    url: str
    model: str
    key_variable: str
    context_tokens: Annotated[int, Range(2048, 10_000_000)]
    timeout_s: Annotated[float, Range(1, 3600)]


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
    memory: MemorySettings
    speakers: SpeakersSettings
    listen: ListenSettings
    capture: CaptureSettings
    library: LibrarySettings
    export: ExportSettings
    abstraction: AbstractionSettings
    retrieval: RetrievalSettings
