"""Keeps a meeting's events: one JSON line each, appended and fsynced. The journal is the meeting."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from audio.recognizer import spoken_language
from audio.stretches import sync_folder
from pipeline.events import Concluded, Event, Hearing, PipelineError, Reached, Said, Trouble, from_line, to_line

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

JOURNAL = "journal.jsonl"  # in the meeting's folder
LOCK = "journal.lock"  # empty; held by the process that writes


@dataclass(frozen=True)
class ResumePoint:
    """Where an interrupted meeting goes on."""

    reached: Mapping[str, int]  # source -> its first sample (16 kHz) that is not done yet
    next_utterance: int  # 7 where "u6" is the last that counts
    language: str | None = None  # that was spoken so far; None where nothing was said


class Journal:
    """The one writer of a meeting, in its folder.

    Opening cuts what a break left behind: a torn last line, and utterances that no Reached of their source confirms,
    for their audio will be heard again. Raises PipelineError where another process writes or the disk fails.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        self._lock = lock(folder)
        try:
            self.resume_point = _mend(self.path)
            self._file = self.path.open("ab", buffering=0)
            sync_folder(folder)
            sync_folder(folder.parent)
        except OSError as error:
            self._lock.close()
            raise _unwritable(self.path, error) from error

    def append(self, *events: Event) -> None:
        """Keeps the events before it returns, together: one write, one fsync. Hearing events are passed over.

        Where that fails none of them is kept, and all that was kept before stays readable.
        """
        lines = "".join(f"{to_line(event)}\n" for event in events if not isinstance(event, Hearing)).encode()
        size = os.fstat(self._file.fileno()).st_size
        try:
            _write(self._file, lines)
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(size)
            raise _unwritable(self.path, error) from error

    def close(self) -> None:
        """Lets others write. What was appended is on disk already."""
        self._file.close()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read(path: Path) -> Iterator[Event]:
    """All events of a journal, also of one that is still written.

    A torn last line is left out. A line that is damaged elsewhere becomes a Trouble that names it.
    """
    try:
        for _, event in _lines(path):
            yield event
    except OSError as error:
        raise PipelineError(
            f"the journal {path} cannot be read ({error.strerror}); check that it is there and yours to read"
        ) from error


def lock(folder: Path, *, wait: bool = False) -> BinaryIO:
    """The right to write this folder, held until the returned file is closed or the process ends, however it ends.

    Where another has it: PipelineError for a meeting, which may take hours, or with `wait` once it is free.
    """
    path = folder / LOCK
    try:
        file = path.open("ab")
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)  # waits 10 s
        else:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:  # as Unix and Windows call a lock that is taken
        file.close()
        raise PipelineError(
            f"the meeting {folder.name} is being written by another rapporteur; wait until it ends, or stop it"
        ) from error
    except OSError as error:
        file.close()
        raise PipelineError(
            f"{path} cannot be locked ({error.strerror}); set library.home to a folder on a disk that knows locks"
        ) from error
    return file


def rewrite(folder: Path, change: Callable[[Event], Event | None], *, dry: bool = False) -> int:
    """Every event of a meeting as `change` wants it, None = gone; returns how many are no longer as they were.

    `dry` only counts them, and shows that nobody else is writing.
    The new journal takes the place of the old one at once, whose bytes are then overwritten where the disk writes in
    place (not on Windows). Damaged lines, which nobody can check, go. Raises PipelineError as `Journal` does.
    """
    path = folder / JOURNAL
    with lock(folder):
        try:
            before = path.read_bytes()
            there = list(_lines(path))
            kept = [(line, event, change(event)) for line, event in there if _undamaged(line, event)]
            lines = b"".join(
                line if new == old else to_line(new).encode() + b"\n" for line, old, new in kept if new is not None
            )
            if lines == before:
                return 0
            count = sum(old != new for _, old, new in kept) or 1
            if dry:
                return count
            fresh = path.with_suffix(".mended")
            with fresh.open("wb", buffering=0) as file:
                _write(file, lines)
            if sys.platform == "win32":  # which replaces no file that is open
                fresh.replace(path)
            else:
                with path.open("r+b", buffering=0) as file:
                    fresh.replace(path)
                    _write(file, b"\0" * len(before))
            sync_folder(folder)
        except OSError as error:
            raise _unwritable(path, error) from error
    return count


def _undamaged(line: bytes, event: Event) -> bool:
    """A damaged line is given as a Trouble that the journal does not hold."""
    return not isinstance(event, Trouble) or to_line(event).encode() + b"\n" == line


def _lines(path: Path) -> Iterator[tuple[bytes, Event]]:
    """Each whole line and its event; one line is held back, because a broken last line is torn, not damaged."""
    damaged: tuple[bytes, Event] | None = None
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if damaged:
                yield damaged
                damaged = None
            try:
                event = from_line(line.decode(errors="replace"))
            except PipelineError:
                damaged = line, Trouble(f"line {number} of {path} is damaged and was skipped; a backup may have it")
                continue
            if line.endswith(b"\n"):
                yield line, event


def _mend(path: Path) -> ResumePoint:
    """Cuts the journal back to what is settled; a new file takes its place at once, or not at all."""
    if not path.exists():
        return ResumePoint({}, 1)
    lines = _settled(list(_lines(path)))
    whole = b"".join(line for line, _ in lines)
    if len(whole) != path.stat().st_size:
        mended = path.with_suffix(".mended")
        with mended.open("wb", buffering=0) as file:
            _write(file, whole)
        mended.replace(path)
    said = [event.utterance for _, event in lines if isinstance(event, Said)]
    numbers = [int(utterance.id[1:]) for utterance in said if utterance.id[1:].isdecimal()]
    reached = {e.source: e.sample for _, e in lines if isinstance(e, Reached)}
    return ResumePoint(reached, 1 + max(numbers, default=0), spoken_language(said))


def _settled(lines: list[tuple[bytes, Event]]) -> list[tuple[bytes, Event]]:
    """Without the utterances after the last Reached of their source; all other events stay."""
    kept: list[tuple[bytes, Event]] = []
    confirmed: set[str] = set()
    concluded = any(isinstance(event, Concluded) for _, event in lines)
    for line, event in reversed(lines):
        if isinstance(event, Reached):
            confirmed.add(event.source)
        if concluded or not isinstance(event, Said) or event.utterance.source in confirmed:
            kept.append((line, event))
    return kept[::-1]


def _write(file: BinaryIO, data: bytes) -> None:
    """All of `data` onto the disk; the system may take it in parts when the disk is nearly full."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


def _unwritable(path: Path, error: OSError) -> PipelineError:
    return PipelineError(
        f"{path} could not be written ({error.strerror}); make room or give access, then run the same command again "
        "(what was written before is kept)"
    )
