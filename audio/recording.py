"""Sound is on disk before anyone hears it: raw, unbuffered, synced every second, watching the room that is left."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from audio.live import Incident, Notify
from audio.speech import SAMPLE_RATE, AudioChunk, AudioError
from audio.stretches import (
    BOOK,
    CONTENTS,
    FOLDER,
    RESERVE,
    SAMPLE,
    Stretch,
    book_line,
    heard,
    quantized,
    stretches,
    sync_folder,
)

LONGEST = 3600 * SAMPLE_RATE  # of a stretch: what a damaged file can cost at most
LOOK_S = 5.0  # between looks at the room that is left

Free = Callable[[Path], int]  # bytes


def free_bytes(folder: Path) -> int:
    """The room left on the folder's disk."""
    return shutil.disk_usage(folder).free


@dataclass(frozen=True)
class RecordingOptions:
    """How the sound is kept; CaptureSettings says more."""

    fsync_s: float = 1.0
    warn_free_bytes: int = 1_000_000_000
    stop_free_bytes: int = 200_000_000
    reserve_bytes: int = 4_000_000  # a minute of two sources


def record(
    chunks: Iterable[AudioChunk],
    folder: Path,
    options: RecordingOptions | None = None,
    *,
    stop: Callable[[], None],
    notify: Notify,
    free: Free = free_bytes,
) -> Iterator[AudioChunk]:
    """Write each chunk to the meeting's folder and pass it on, as it will be read back.

    `stop` ends the input and is called when the disk is nearly full; what comes until it ends is written still.
    Where even that does not fit, the recording ends and `notify` says so. Raises AudioError where it cannot begin.
    """
    wanted = options or RecordingOptions()
    with closing(_Recorder(folder / FOLDER, wanted, _Disk(folder, wanted, free, notify, stop))) as recorder:
        for chunk in chunks:
            kept = recorder.write(chunk)
            if kept is None:
                return
            yield kept


class _Disk:
    """The room that is left."""

    def __init__(
        self, folder: Path, options: RecordingOptions, free: Free, notify: Notify, stop: Callable[[], None]
    ) -> None:
        self._folder, self._options, self._free, self._notify, self._stop = folder, options, free, notify, stop
        self._next_s = -1.0
        self._warned = self._stopped = False

    def begin(self) -> None:
        left = self._free(self._folder)
        if left < self._options.stop_free_bytes:
            raise AudioError(f"only {_megabytes(left)} are free for recordings at {self._folder}; make room first")

    def look(self, at: AudioChunk) -> None:
        """Warn, or stop, once; now and then."""
        if (now_s := time.monotonic()) < self._next_s:
            return
        self._next_s = now_s + LOOK_S
        try:
            left = self._free(self._folder)
        except OSError:  # as of a network disk that is away for a moment; the writing itself says what is lost
            return
        if left < self._options.stop_free_bytes:
            self.end(at, f"the recording stops: only {_megabytes(left)} are free; all of it is kept")
        elif left < self._options.warn_free_bytes and not self._warned:
            self._warned = True
            hours = (left - self._options.stop_free_bytes) / (SAMPLE_RATE * SAMPLE.itemsize * 3600)
            self._notify(Incident(f"only {_megabytes(left)} are free, {hours:.1f} h of one source", at.source, at.stop))

    def end(self, at: AudioChunk, message: str, *, again: bool = False) -> None:
        """Stop the input, and say why; once, or `again` where it is worse than was said."""
        if again or not self._stopped:
            self._stopped = True
            self._notify(Incident(message, at.source, at.start))
            self._stop()


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


@dataclass
class _Open:
    """The stretch of a source that is being written."""

    file: BinaryIO
    start: int
    stop: int


class _Recorder:
    """The writer of one recording."""

    def __init__(self, audio: Path, options: RecordingOptions, disk: _Disk) -> None:
        self._audio, self._disk = audio, disk
        self._open: dict[str, _Open] = {}
        try:
            audio.mkdir(parents=True, exist_ok=True)
            disk.begin()
            if (audio / CONTENTS).exists():
                raise AudioError(f"{audio} holds a recording that is finished; begin another meeting")
            known = stretches(audio) if (audio / BOOK).exists() else []
            self._count = len(known)
            self._book: BinaryIO = (audio / BOOK).open("ab", buffering=0)
            self._book.truncate(sum(len(book_line(stretch)) for stretch in known))  # a torn line would tear the next
            _hold(audio / RESERVE, options.reserve_bytes)
            sync_folder(audio)
            sync_folder(audio.parent)
        except OSError as error:
            raise AudioError(
                f"nothing can be recorded in {audio} ({error.strerror}); make room or give access"
            ) from error
        self._syncer = _Syncer(options.fsync_s)

    def write(self, chunk: AudioChunk) -> AudioChunk | None:
        """The chunk as it is on disk; None where the disk is full to the last byte."""
        self._disk.look(chunk)
        pcm = quantized(chunk.samples)
        try:
            self._written(chunk, memoryview(pcm.tobytes()))
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            why = "the disk is full" if full else f"the disk refuses ({error.strerror})"
            self._disk.end(chunk, f"the recording ends here: {why}; all that was heard before is kept", again=True)
            return None
        return AudioChunk(heard(pcm), chunk.start, chunk.source)

    def close(self) -> None:
        """All is synced, and the reserve given back."""
        self._syncer.close()
        for stretch in self._open.values():
            stretch.file.close()
        self._book.close()
        (self._audio / RESERVE).unlink(missing_ok=True)

    def _written(self, chunk: AudioChunk, rest: memoryview) -> None:
        while True:
            try:
                stretch = self._stretch(chunk)
                while rest:
                    rest = rest[stretch.file.write(rest) :]
                stretch.stop = chunk.stop
                return
            except OSError as error:
                reserve = self._audio / RESERVE
                if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not reserve.exists():
                    raise
                if not reserve.stat().st_size:
                    raise
                reserve.unlink()
                self._disk.end(chunk, "the recording stops: the disk is full; all of it is kept")

    def _stretch(self, chunk: AudioChunk) -> _Open:
        """The open one where the chunk continues it, else a new one: first in the book, then on disk."""
        stretch = self._open.get(chunk.source)
        if stretch and stretch.stop == chunk.start and chunk.start - stretch.start < LONGEST:
            return stretch
        if stretch:
            del self._open[chunk.source]  # first: where the disk refuses what follows, it is tried once more
            self._syncer.release(stretch.file)
            stretch.file.close()
        name = f"{self._count + 1:04}.s16le"
        line = book_line(Stretch(name, chunk.source, chunk.start, datetime.now().astimezone().isoformat()))
        size = os.fstat(self._book.fileno()).st_size
        if self._book.write(line) < len(line):
            self._book.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(self._book.fileno())
        file = (self._audio / name).open("xb", buffering=0)
        self._count += 1
        sync_folder(self._audio)
        self._open[chunk.source] = _Open(file, chunk.start, chunk.start)
        self._syncer.add(file)
        return self._open[chunk.source]


def _hold(path: Path, size: int) -> None:
    """Take this much room now; with noise, for some file systems store zeros in no room at all."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        for _ in range(0, size, 1 << 20):
            file.write(os.urandom(min(size, 1 << 20)))


class _Syncer:
    """Syncs what was written, less than `every_s` apart, in a thread: a slow disk does not hold up the writer."""

    def __init__(self, every_s: float) -> None:
        self._files: list[BinaryIO] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._every_s = 0.8 * every_s  # the sync itself takes time, too
        self._thread = threading.Thread(target=self._run, name="fsync", daemon=True)
        self._thread.start()

    def add(self, file: BinaryIO) -> None:
        with self._lock:
            self._files.append(file)

    def release(self, file: BinaryIO) -> None:
        """A last time, and no more."""
        with self._lock:
            self._files.remove(file)
        os.fsync(file.fileno())

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._sync()

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            self._sync()

    def _sync(self) -> None:
        with self._lock:
            files = [(file, os.dup(file.fileno())) for file in self._files]
        for _, handle in files:
            with suppress(OSError):  # a disk that fails says so to the writer, too
                os.fsync(handle)
            os.close(handle)
