"""Files for people and programs: a transcript in, one file out, in one step or not at all."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path, PurePath

from pipeline.events import PipelineError
from pipeline.export import markdown, page, subtitles
from pipeline.export.page import PageOptions
from pipeline.export.subtitles import SubtitleOptions
from pipeline.export.text import tidied
from pipeline.transcript import Transcript

__all__ = ["FORMATS", "ExportOptions", "OutputFolder", "PageOptions", "SubtitleOptions", "replace_file", "write"]


@dataclass(frozen=True)
class ExportOptions:
    """What some formats can do in more than one way."""

    subtitles: SubtitleOptions = field(default_factory=SubtitleOptions)
    page: PageOptions = field(default_factory=PageOptions)


Render = Callable[[Transcript, ExportOptions, Path], str]  # a tidied transcript, options, the folder to be -> file text


def _as_whisper(format: str) -> Render:
    return lambda transcript, options, _: subtitles.render(transcript, format, options.subtitles)


FORMATS: dict[str, Render] = {
    **{format: _as_whisper(format) for format in ("txt", "srt", "vtt", "tsv", "json")},
    "md": lambda transcript, _options, _folder: markdown.render(transcript),
    "html": lambda transcript, options, folder: page.render(transcript, options.page, folder),
}


def write(transcript: Transcript, format: str, path: Path, options: ExportOptions = ExportOptions()) -> None:
    """Write the transcript to `path`, whose folder is made where it is missing; what was there is replaced.

    Raises PipelineError for an unknown format or a refusing disk, AudioError for a recording that cannot be read.
    """
    if format not in FORMATS:
        raise PipelineError(f'there is no format "{format}"; choose one of {", ".join(FORMATS)}')
    replace_file(path, FORMATS[format](tidied(transcript), options, path.parent).encode("utf-8"))


class OutputFolder:
    """The names of one run's files: after the source as whisper names them, and never the same for two meetings."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owners: dict[str, str] = {}  # name without ending, in lower case as some disks compare -> meeting

    def prepare(self) -> None:
        """Refuse a folder that cannot be written before the work is done, not after."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder):
                pass
        except OSError as error:
            raise PipelineError(
                f"nothing can be written to {self._folder} ({error.strerror}); name another folder with --output-dir"
            ) from error

    def path(self, transcript: Transcript, format: str) -> Path:
        """`talk.srt` for talk.wav; `talk-2.srt` for the talk.mp3 after it; the meeting's name where none gave one."""
        source = PurePath(transcript.source)
        live = transcript.source == "-" or not transcript.audio_sha256 or transcript.meeting in source.parts
        stem = name = transcript.meeting if live else source.stem
        for number in count(2):
            if self._owners.setdefault(name.lower(), transcript.meeting) == transcript.meeting:
                break
            name = f"{stem}-{number}"
        return self._folder / f"{name}.{format}"


def replace_file(path: Path, content: bytes) -> None:
    """One step: whoever opens `path` finds the old file or the whole new one, also after a crash."""
    unfinished = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise PipelineError(
            f"{path} could not be written ({error.strerror}); choose another folder or make room"
        ) from error
