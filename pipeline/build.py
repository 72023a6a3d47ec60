"""Settings become a running meeting; the only file that names concrete engines."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from importlib import metadata
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from audio.checksum import sha256_of
from audio.decode import duration_s
from audio.engines import Transcriber, models
from audio.recognizer import Batch, recognize
from audio.segmenter import FILE, SENTENCES, segment
from audio.sources import expand, file_source
from audio.speech import SAMPLE_RATE, AudioError, SpeechSegment
from audio.vad import DETECTORS, WebrtcVad
from memory.notes import Item
from pipeline.config import settings_fingerprint
from pipeline.events import Event, Opened, PipelineError
from pipeline.export import ExportOptions
from pipeline.export.page import PageOptions
from pipeline.export.subtitles import SubtitleOptions
from pipeline.item_passages import ItemPassages
from pipeline.journal import Journal, ResumePoint, read
from pipeline.library import Library
from pipeline.meeting import Parts, Stage, keep, meet
from pipeline.minutes import MinutesStage
from pipeline.series import Series
from pipeline.settings import Settings
from pipeline.shelf import PassageStage, open_shelf, refresh
from retrieval.passage import ShelfError
from retrieval.shelf import Shelf

VERSION = metadata.version("rapporteur")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """One recording on its way to a transcript."""

    title: str
    events: Iterator[Event]  # all of the meeting's, those from before a break included
    total_s: float | None  # length of the recording where its container tells
    from_s: float  # where an interrupted run goes on
    found: bool  # it was transcribed before, nothing is recognised again


@dataclass(frozen=True)
class Chosen:
    """The engine and model that "auto" became."""

    engine: models.Engine
    model: models.ModelFile
    device: str
    compute_type: str


class Run:
    """One command's jobs: they share one engine, which is loaded when the first of them needs it."""

    def __init__(self, settings: Settings, library: Library, *, warn: Say) -> None:
        self._settings, self._library, self._warn = settings, library, warn
        if settings.recognition.offline:
            models.go_offline()

    def open(self, recording: Path, *, again: bool, began: datetime | None, series: str = "") -> Job:
        """Find, resume or start the meeting of this recording, in a series where one is named.

        Raises AudioError, PipelineError or MindError.
        """
        self._listen_in(recording)
        opened = self._opened(recording, began)
        if not again and (found := self._library.find(opened.audio_sha256, opened.settings_sha256)) and found.finished:
            return Job(found.title, self._library.events(found), found.duration_s, found.duration_s, True)
        journal = self._library.create(opened) if again else self._library.open_or_resume(opened)
        from_s = max(journal.resume_point.reached.values(), default=0) / SAMPLE_RATE
        return Job(opened.title, self._events(recording, journal, series), duration_s(recording), from_s, False)

    def _listen_in(self, recording: Path) -> None:
        """Refuse what holds no sound before a meeting is made of it or a model loaded."""
        chunks = file_source(recording, channels=self._settings.audio.channels)
        if next(chunks, None) is None:
            raise AudioError(f"{recording} holds no sound; check that it is the right file and was copied whole")

    def _events(self, recording: Path, journal: Journal, series: str) -> Iterator[Event]:
        """What the journal has already, at least Opened, then what is heard now."""
        with journal:
            past = list(read(journal.path))
            yield from past
            chunks = file_source(recording, channels=self._settings.audio.channels)
            parts = replace(self._parts, stages=(*self._parts.stages, *self._stages(journal.path.parent.name, series)))
            yield from keep(meet(chunks, parts, journal.resume_point, past), journal)

    def _stages(self, meeting: str, series: str) -> tuple[Stage, ...]:
        """What listens to the words: the shelf where it holds documents, then the taker of notes."""
        carried: tuple[Item, ...] = ()
        if series:
            belongs = Series(series, self._library)
            carried = belongs.carried(before=meeting)
            belongs.join(meeting)
        notes = MinutesStage(carried)
        shelf = self._shelf()
        return (PassageStage(shelf), notes, ItemPassages(shelf)) if shelf else (notes,)

    def _shelf(self) -> Shelf | None:
        wanted = self._settings.retrieval
        if not wanted.passages or not (wanted.folders or (self._library.home / "shelf").exists()):
            return None
        try:
            shelf = open_shelf(wanted, self._library.home)
            refresh(shelf, wanted)
        except ShelfError as error:
            self._warn(f"no passages of documents in this meeting: {error}")
            return None
        return shelf

    def _opened(self, recording: Path, began: datetime | None) -> Opened:
        moment = began or datetime.fromtimestamp(recording.stat().st_mtime).astimezone()
        chosen = self.chosen
        recognition = replace(self._settings.recognition, engine=chosen.engine, model=chosen.model.name)
        settings = replace(self._settings, recognition=replace(recognition, compute_type=chosen.compute_type))
        return Opened(
            meeting="",  # the library names it
            title=recording.stem,
            began=moment.isoformat(timespec="seconds"),
            source=str(recording.absolute()),
            audio_sha256=sha256_of(recording),
            settings_sha256=settings_fingerprint(settings),
            engine=chosen.engine,
            model=chosen.model.name,
            version=VERSION,
        )

    @cached_property
    def chosen(self) -> Chosen:
        """Engine, model, device and number type; a model that is missing is downloaded here."""
        wanted = self._settings.recognition
        engine: models.Engine = _engine(wanted.engine, wanted.model)
        device, compute_type = models.device_and_compute(engine, device=wanted.device, compute_type=wanted.compute_type)
        language = None if wanted.language == "auto" else wanted.language
        with download_bar(wanted.model) as progress:
            if wanted.model != "auto":
                model = models.resolve(wanted.model, engine=engine, offline=wanted.offline, progress=progress)
                return Chosen(engine, model, device, compute_type)
            choice = models.auto(
                wanted.download,
                engine=engine,
                device=device,
                language=language,
                offline=wanted.offline,
                progress=progress,
            )
        if choice.warning:
            self._warn(f"{choice.reason}. {choice.warning}")
        return Chosen(engine, choice.model, device, compute_type)

    @cached_property
    def _parts(self) -> Parts:
        wanted, vad = self._settings.recognition, self._settings.vad
        transcriber, options = load_engine(self.chosen, wanted.threads or os.cpu_count() or 1), wanted.options()

        def recognized(segments: Iterable[SpeechSegment], resume: ResumePoint) -> Iterator[Batch]:
            return recognize(
                segments,
                transcriber,
                options=replace(options, language=options.language or resume.language),
                batch_size=wanted.batch_size,
                done=resume.reached,
                first_id=resume.next_utterance,
            )

        short = vad.windows == "sentences" or (vad.windows == "auto" and self.chosen.model.name == "embedded")
        endpoints = replace(
            SENTENCES if short else FILE,
            speech_on=vad.speech_threshold,
            speech_off=vad.silence_threshold,
            min_speech_ms=vad.min_speech_ms,
            pad_before_ms=vad.pad_ms,
            pad_after_ms=vad.pad_ms,
        )
        strict = partial(WebrtcVad, vad.webrtc_mode)
        make = strict if vad.detector == "webrtcvad" else DETECTORS[vad.detector]
        return Parts(partial(segment, vad=make, options=endpoints), recognized)


def _engine(wanted: str, model: str) -> models.Engine:
    """ "auto" is faster-whisper, but for a GPU of Apple, which only openai-whisper uses."""
    if wanted == "openai-whisper" or (wanted == "auto" and sys.platform == "darwin" and not Path(model).is_dir()):
        return "openai-whisper"
    return "faster-whisper"


def load_engine(chosen: Chosen, threads: int) -> Transcriber:
    """The loaded engine; a checkpoint is converted for faster-whisper once and found again by its hash."""
    if chosen.engine == "openai-whisper":
        from audio.engines.openai_whisper import OpenAIWhisper

        return OpenAIWhisper(chosen.model.path, device=chosen.device, compute_type=chosen.compute_type, threads=threads)
    from audio.engines.convert import ct2_folder
    from audio.engines.faster_whisper import FasterWhisper

    folder = chosen.model.path
    if chosen.model.kind == "pt":
        folder = ct2_folder(folder, cache=models.cache_folder().parent / "rapporteur", quantization=chosen.compute_type)
    return FasterWhisper(folder, device=chosen.device, compute_type=chosen.compute_type, threads=threads)


def recordings(named: Sequence[str], library: Library) -> list[Path]:
    """The files that the arguments mean; standard input is kept in the library first, like all audio."""
    files = expand([Path(name) for name in named if name != "-"]) if any(name != "-" for name in named) else []
    return [*files, *([_received(library)] if "-" in named else [])]


def _received(library: Library) -> Path:
    """Standard input as a file named after its content."""
    folder = library.home / "received"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as part:
            shutil.copyfileobj(sys.stdin.buffer, part)
        path = folder / f"stdin-{sha256_of(Path(part.name))[:12]}"
        Path(part.name).replace(path)
    except OSError as error:
        raise PipelineError(
            f"standard input could not be kept in {folder} ({error.strerror}); make room there"
        ) from error
    return path


def export_options(settings: Settings) -> ExportOptions:
    """What the exporters are told; 0 means unlimited in the settings and None in whisper's writers."""
    wanted = settings.export
    return ExportOptions(
        SubtitleOptions(
            max_line_width=wanted.max_line_width or None,
            max_line_count=wanted.max_line_count or None,
            max_words_per_line=wanted.max_words_per_line or None,
            highlight_words=wanted.highlight_words,
        ),
        PageOptions(),
    )


@contextmanager
def download_bar(name: str) -> Iterator[models.Progress]:
    """A bar on stderr that shows itself once bytes come."""
    from rich.console import Console

    columns = (TextColumn(f"{name}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)
