"""Settings become a running meeting; with `loading`, the only file that names concrete engines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from audio.captions import attend, caption
from audio.checksum import sha256_of
from audio.decode import duration_s
from audio.diarize.attribution import Diarizer, attribute
from audio.diarize.diarizer import DiarizeOptions
from audio.diarize.encoder import ENCODER_ADVICE, Ge2eEncoder, weights
from audio.diarize.turns import Turn
from audio.engines import LiveTranscriber, RecognitionOptions, models
from audio.leaks import Leaks
from audio.live import LiveInput
from audio.portaudio import is_played
from audio.recognizer import Recognizer, recognize
from audio.segmenter import FILE, LIVE, SENTENCES, SegmenterOptions, segment
from audio.sources import file_source
from audio.speech import SAMPLE_RATE, AudioChunk, AudioError, SpeechSegment
from audio.stretches import recording
from audio.vad import Vad, detector
from memory.notes import Item
from pipeline.abstraction import abstraction
from pipeline.config import settings_fingerprint
from pipeline.events import Concluded, Event, Opened, PipelineError
from pipeline.item_passages import ItemPassages
from pipeline.journal import Journal, ResumePoint, read
from pipeline.library import Library
from pipeline.live import Session, Wanted
from pipeline.loading import (
    Chosen,
    download_bar,
    engine_of,
    load_engine,
    load_mind,
    return_memory,
    returning_memory,
    warm_up,
)
from pipeline.meeting import Attribute, Heard, Parts, Recognized, Stage, hear, keep, meet, names_follow, staged
from pipeline.mind import Carry, remember
from pipeline.minutes import MinutesStage
from pipeline.series import Series
from pipeline.settings import Settings
from pipeline.shelf import PassageStage, open_shelf, prompted, refresh
from pipeline.transcript import said_before
from pipeline.voiceprints import Voiceprints
from retrieval.passage import ShelfError
from retrieval.shelf import Shelf

if TYPE_CHECKING:
    from memory.mind import Mind

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
class LiveJob:
    """A meeting that is held now."""

    title: str
    events: Iterator[Event]  # recording begins with the first that is taken
    session: Session  # for who shows it
    folder: Path  # where it is kept


def _read_from(source: str, events: Iterable[Event]) -> Iterator[Event]:
    """A meeting's events, with the recording where the user has it now: files are named after it and play it."""
    return (replace(event, source=source) if isinstance(event, Opened) else event for event in events)


def diarize_options(settings: Settings) -> DiarizeOptions:
    """How many speakers there may be."""
    wanted = settings.speakers
    if wanted.speakers:
        if not wanted.min_speakers <= wanted.speakers <= (wanted.max_speakers or wanted.speakers):
            raise PipelineError(
                "speakers.speakers is not between speakers.min_speakers and speakers.max_speakers; leave those out"
            )
        return DiarizeOptions(least=wanted.speakers, most=wanted.speakers)
    if wanted.max_speakers and wanted.min_speakers > wanted.max_speakers:
        raise PipelineError("speakers.min_speakers is above speakers.max_speakers; make it smaller or leave one out")
    return DiarizeOptions(least=max(1, wanted.min_speakers), most=wanted.max_speakers or None)


class Run:
    """One command's jobs: they share one engine, which is loaded when the first of them needs it."""

    def __init__(self, settings: Settings, library: Library, *, warn: Say) -> None:
        self._settings, self._library, self._warn = settings, library, warn
        try:
            self._settings = prompted(settings, library.home)
        except ShelfError as error:
            warn(f"the recogniser expects no names of documents: {error}")
        self._long = False  # a recording of more than one window is to be transcribed
        if settings.recognition.offline:
            models.go_offline()

    def open(self, recording: Path, *, again: bool, began: datetime | None, series: str = "") -> Job:
        """Find, resume or start the meeting of a recording. Raises AudioError, PipelineError or MindError."""
        self._listen_in(recording)
        opened = self._opened(recording, began)
        if not again and (found := self._library.find(opened.audio_sha256, opened.settings_sha256)) and found.finished:
            events = _read_from(opened.source, self._library.events(found))
            return Job(found.title, events, found.duration_s, found.duration_s, True)
        length_s = duration_s(recording)
        self._long = (length_s or 0) > FILE.longest_s
        self._able()
        attribute = self.attribution(recording)  # refuses before there is a meeting, as the next does
        self._series(series)
        journal = self._library.create(opened) if again else self._library.open_or_resume(opened)
        from_s = max(journal.resume_point.reached.values(), default=0) / SAMPLE_RATE
        events = self._events(recording, journal, attribute=attribute, series=series)
        return Job(opened.title, events, length_s, from_s, False)

    def _listen_in(self, recording: Path) -> None:
        """Refuse what holds no sound before a meeting is made of it or a model loaded."""
        chunks = file_source(recording, channels=self._settings.audio.channels)
        if next(chunks, None) is None:
            raise AudioError(f"{recording} holds no sound; check that it is the right file and was copied whole")

    def _events(
        self, recording: Path, journal: Journal, *, attribute: Attribute | None, series: str
    ) -> Iterator[Event]:
        """What the journal has already, at least Opened, then what is heard now."""
        with journal:
            past = list(read(journal.path))
            yield from _read_from(str(recording.absolute()), past)
            chunks = file_source(recording, channels=self._settings.audio.channels)
            stages = self._stages(journal.path.parent, series)
            parts = replace(self._parts, attribute=attribute, stages=stages)
            yield from keep(meet(chunks, parts, journal.resume_point, past), journal)

    def attribution(self, recording: Path | None) -> Attribute | None:
        """Who speaks in this recording; None where the settings do not want to know. Without a recording (live) the
        embedded engine has the last word, too. Raises AudioError where an engine that was asked for is missing."""
        wanted = self._settings.speakers
        if wanted.engine == "off":
            return None
        if wanted.engine == "pyannote":
            from audio.diarize import pyannote

            pyannote.named(wanted.pipeline)  # before a recording is heard to its end, not after
            if recording:
                offline = self._settings.recognition.offline
                pyannote.ready(wanted.pipeline, allowed=wanted.sha256, offline=offline)
        if wanted.engine == "auto" and not weights().is_file():
            self._warn(f"speakers are not told apart, for the voice encoder is missing; {ENCODER_ADVICE}")
            return None
        prints = Voiceprints(self._library.home)
        known = prints.all(warn=self._warn) if wanted.recognise else []
        whole = partial(self._whole, recording) if recording and wanted.engine == "pyannote" else None
        diarizer = Diarizer(Ge2eEncoder(), diarize_options(self._settings), known, wanted.recognise_from, whole)

        def attributed(found: Iterable[Recognized], resume: ResumePoint, past: Iterable[Event]) -> Iterator[Recognized]:
            return attribute(found, diarizer, first_id=resume.next_utterance, past=said_before(past))

        return attributed

    def _whole(self, recording: Path) -> list[Turn]:
        from audio.diarize.pyannote import diarize

        wanted = self._settings.speakers
        offline = self._settings.recognition.offline
        chunks = file_source(recording)
        return diarize(chunks, wanted.pipeline, diarize_options(self._settings), allowed=wanted.sha256, offline=offline)

    def _stages(self, folder: Path, series: str = "") -> tuple[Stage, ...]:
        """What hears the meeting in this folder: who keeps the names, the memory, the shelf, the taker of notes."""
        carried: tuple[Item, ...] = ()
        carry = None
        if belongs := self._series(series):
            carried = belongs.carried(before=folder.name)
            belongs.join(folder.name)
            carry = Carry(belongs.state_path, folder.name)
        memory = (remember(lambda: self._mind, folder, carry),) if self._settings.memory.enabled else ()
        passages = (PassageStage(self._shelf),) if self._shelf is not None else ()
        return (names_follow, *memory, *passages, MinutesStage(carried), *self.after_notes())

    def _series(self, name: str) -> Series | None:
        """The series of that name, None for ""; PipelineError where its file is damaged."""
        series = Series(name, self._library) if name else None
        if series:
            series.meetings()
        return series

    def after_notes(self) -> tuple[Stage, ...]:
        """What works on notes that were taken."""
        passages = (ItemPassages(self._shelf),) if self._shelf is not None else ()
        return (*abstraction(self._settings.abstraction), *passages)

    @cached_property
    def _mind(self) -> Mind:
        """The memory's model, shared by all meetings of this run."""
        return load_mind(self._settings)

    @cached_property
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
        opened = self._opened_now(recording.stem)
        return replace(
            opened,
            began=moment.isoformat(timespec="seconds"),
            source=str(recording.absolute()),
            audio_sha256=sha256_of(recording),
        )

    def _opened_now(self, title: str) -> Opened:
        chosen = self.chosen
        recognition = replace(self._settings.recognition, engine=chosen.engine, model=chosen.model.name)
        settings = replace(self._settings, recognition=replace(recognition, compute_type=chosen.compute_type))
        return Opened(
            meeting="",  # the library names it
            title=title,
            began=datetime.now().astimezone().isoformat(timespec="seconds"),
            source="",
            audio_sha256="",
            settings_sha256=settings_fingerprint(settings),
            engine=chosen.engine,
            model=chosen.model.name,
            version=VERSION,
        )

    @cached_property
    def chosen(self) -> Chosen:
        """Engine, model, device and number type; a model that is missing is downloaded here."""
        wanted = self._settings.recognition
        engine: models.Engine = engine_of(wanted.engine, wanted.model)
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

    def listen(
        self, source: LiveInput, tape: Callable[[Path], Iterable[AudioChunk]], wanted: Wanted, *, room: int
    ) -> LiveJob:
        """Start the meeting that this source hears. `tape` records it in the meeting's folder before anyone hears it.

        `room` chunks may wait to be heard before the tape has to wait. Raises AudioError, PipelineError or MindError.
        """
        return_memory()
        transcriber = self._able()
        warm_up(transcriber)
        opened = replace(self._opened_now(wanted.title), source=wanted.source)
        if wanted.began:
            opened = replace(opened, began=wanted.began.isoformat(timespec="seconds"))
        attribute = self.attribution(None)  # refuses before there is a meeting, as the next does
        self._series(wanted.series)
        journal = self._library.create(opened)
        folder = journal.path.parent
        session = Session(source, tape(folder), room=room)
        parts = self._live_parts(session, transcriber)
        parts = replace(parts, attribute=attribute, stages=self._stages(folder, wanted.series))
        return LiveJob(wanted.title, self._live_events(session, parts, journal), session, folder)

    def complete(self, folder: Path, chunks: Iterable[AudioChunk]) -> Iterator[Event]:
        """Finish a live meeting that was cut off, from its recording: as it would have been, without hypotheses."""

        def recognized(heard: Iterable[Heard], resume: ResumePoint) -> Iterator[Recognized]:
            segments = (item for item in heard if isinstance(item, SpeechSegment))
            wanted = self._options
            wanted = replace(wanted, language=wanted.language or resume.language)
            done, first = resume.reached, resume.next_utterance
            yield from recognize(segments, self._transcriber, options=wanted, batch_size=1, done=done, first_id=first)

        def segmented(chunks: Iterable[AudioChunk]) -> Iterator[Heard]:
            found = recording(folder)
            leaks = Leaks(filter(is_played, found.reached if found else ()))
            return leaks.filtered(segment(leaks.tapped(chunks), self._vad, self._endpoints(live=True)))

        parts = Parts(segmented, recognized, self.attribution(None), self._stages(folder))
        with Journal(folder) as journal:
            past = list(read(journal.path))
            yield from past
            if not any(isinstance(event, Concluded) for event in past):
                yield from keep(meet(chunks, parts, journal.resume_point, past), journal)

    def _live_events(self, session: Session, parts: Parts, journal: Journal) -> Iterator[Event]:
        with journal:
            past = list(read(journal.path))
            yield from past
            heard = session.events(lambda: hear(session.chunks(), parts, journal.resume_point, past))
            yield from keep(staged(returning_memory(heard), parts, past), journal)

    def _live_parts(self, session: Session, engine: LiveTranscriber) -> Parts:
        options = self._settings.listen
        limit_s = 60 * options.stop_after_silence_min

        def segmented(chunks: Iterable[AudioChunk]) -> Iterator[Heard]:
            leaks = Leaks(filter(is_played, session.names))
            heard = attend(leaks.tapped(chunks), self._vad, self._endpoints(live=True), waiting=session.waiting)
            return session.until_silent(leaks.filtered(heard), limit_s=limit_s)

        def recognized(heard: Iterable[Heard], resume: ResumePoint) -> Iterator[Recognized]:
            recognizer = Recognizer(engine, self._options, first_id=resume.next_utterance)
            return caption(heard, recognizer, engine, options=options.options(), behind_s=session.behind_s)

        return Parts(segmented, recognized)

    @cached_property
    def _transcriber(self) -> LiveTranscriber:
        threads = self._settings.recognition.threads or os.cpu_count() or 1
        return load_engine(self.chosen, threads, batches=self._long)

    def _able(self) -> LiveTranscriber:
        """The engine; AudioError before a meeting is made where the model does not know the language."""
        self._transcriber([], self._options)
        return self._transcriber

    @property
    def _options(self) -> RecognitionOptions:
        """How to decode: the embedded model says what it doubts with other numbers than published ones."""
        wanted = self._settings.recognition.options()
        if self.chosen.model.name != "embedded":
            return wanted
        return replace(wanted, logprob_threshold=max(wanted.logprob_threshold, models.EMBEDDED_LOGPROB))

    @cached_property
    def _parts(self) -> Parts:
        wanted, transcriber = self._settings.recognition, self._transcriber
        options = self._options

        def recognized(heard: Iterable[Heard], resume: ResumePoint) -> Iterator[Recognized]:
            return recognize(
                (item for item in heard if isinstance(item, SpeechSegment)),
                transcriber,
                options=replace(options, language=options.language or resume.language),
                batch_size=wanted.batch_size,
                done=resume.reached,
                first_id=resume.next_utterance,
            )

        return Parts(partial(segment, vad=self._vad, options=self._endpoints(live=False)), recognized)

    def _endpoints(self, *, live: bool) -> SegmenterOptions:
        """Where speech is cut: the embedded model follows short windows only, and captions want them anyway."""
        vad = self._settings.vad
        short = vad.windows == "sentences" or (vad.windows == "auto" and self.chosen.model.name == "embedded")
        return replace(
            SENTENCES if short else LIVE if live else FILE,
            speech_on=vad.speech_threshold,
            speech_off=vad.silence_threshold,
            min_speech_ms=vad.min_speech_ms,
            pad_before_ms=vad.pad_ms,
            pad_after_ms=vad.pad_ms,
        )

    @property
    def _vad(self) -> Callable[[], Vad]:
        vad = self._settings.vad
        return partial(detector, vad.detector, webrtc_mode=vad.webrtc_mode, raise_db=vad.raise_db)
