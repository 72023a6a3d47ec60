"""A recording on disk: raw stretches while it runs, one FLAC file when it is over, readable after any end.

In the meeting's folder `audio/` holds `stretches.jsonl`, a line for each raw file (int16, little endian, 16 kHz, one
source) with where on the time line it begins. `finish` makes `recording.flac` of them, a channel a source, and
`recording.json` with the sources' names. As long as `stretches.jsonl` is there, the raw files are what counts.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio.speech import SAMPLE_RATE, AudioChunk, AudioError, Samples

FOLDER, BOOK = "audio", "stretches.jsonl"
ENCODED, CONTENTS = "recording.flac", "recording.json"
KEPT = "kept.jsonl"  # the book of raw files that are kept beside the encoded one
RESERVE = "reserve"  # a file that gives its place to the last seconds when the disk is full
SAMPLE = np.dtype("<i2")
FULL_SCALE = 32_768  # as decoders divide by it
MOST_SOURCES = 8  # channels of FLAC
_BLOCK = 10 * SAMPLE_RATE

Pcm = NDArray[np.int16]


@dataclass(frozen=True)
class Stretch:
    """One raw file."""

    file: str
    source: str
    start: int  # sample on the time line
    began: str  # ISO 8601, by the wall clock


@dataclass(frozen=True)
class Recording:
    """What a folder holds: its sources by first appearance, and how far each goes."""

    reached: Mapping[str, int]  # source -> first sample after its sound
    encoded: bool  # recording.flac is what counts

    @property
    def samples(self) -> int:
        """Length of the whole."""
        return max(self.reached.values(), default=0)


def quantized(samples: Samples) -> Pcm:
    """As they are written: 16 bits."""
    return np.rint(samples * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype(SAMPLE)


def heard(pcm: Pcm) -> Samples:
    """As they are read back, bit for bit what a decoder gives."""
    return pcm.astype(np.float32) / np.float32(FULL_SCALE)


def recording(folder: Path) -> Recording | None:
    """What was recorded in this meeting's folder, None where nothing was. Raises AudioError where it cannot be read."""
    audio = folder / FOLDER
    try:
        if (audio / BOOK).exists():
            return Recording({source: tape.stop for source, tape in _tapes(audio).items()}, encoded=False)
        if (audio / CONTENTS).exists():
            contents = json.loads((audio / CONTENTS).read_text("utf-8"))
            return Recording(dict.fromkeys(contents["sources"], contents["samples"]), encoded=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AudioError(f"the recording in {audio} cannot be read ({error}); look at the files there") from error
    return None


def recorded(folder: Path, since: Mapping[str, int] | None = None) -> Iterator[AudioChunk]:
    """The recording as it was heard, a second of each source in turn, each from its sample in `since` on."""
    found = recording(folder)
    if found is None:
        return
    planes = _decoded(folder / FOLDER) if found.encoded else _raw(folder / FOLDER, _BLOCK)
    sources, begin = tuple(found.reached), dict(since or {})
    position = 0
    for block in planes:
        for offset in range(0, block.shape[1], SAMPLE_RATE):
            for source, plane in zip(sources, block, strict=True):
                stop = min(position + offset + SAMPLE_RATE, position + block.shape[1], found.reached[source])
                start = max(position + offset, begin.get(source, 0))
                if start < stop:
                    yield AudioChunk(heard(plane[start - position : stop - position]), start, source)
        position += block.shape[1]


def finish(folder: Path, *, keep_raw: bool = False) -> Path:
    """Encode the recording, check that every sample is there, and only then remove the raw files.

    Also after a break, its own included, and again without harm. Raises AudioError where there is no sound or no room;
    then the raw files stay.
    """
    audio = folder / FOLDER
    found = recording(folder)
    if found is None or not found.samples:
        raise AudioError(f"no sound was recorded in {folder}")
    target = audio / ENCODED
    try:
        (audio / RESERVE).unlink(missing_ok=True)
        if not found.encoded:
            if not (target.exists() and _same(target, audio)):
                _encode(audio, len(found.reached))
            replace_whole(
                audio / CONTENTS, json.dumps({"sources": list(found.reached), "samples": found.samples}).encode()
            )
            if keep_raw:
                (audio / BOOK).replace(audio / KEPT)
            else:
                (audio / BOOK).unlink()
        if not (audio / KEPT).exists():
            for raw in audio.glob("*.s16le"):
                raw.unlink()
    except OSError as error:
        (audio / f"{ENCODED}.part").unlink(missing_ok=True)
        raise AudioError(
            f"the recording in {audio} could not be encoded ({error.strerror or error}); make room, then run "
            f"`rapporteur recover {folder.name}` (all that was recorded is kept)"
        ) from error
    return target


def sync_folder(folder: Path) -> None:
    """Makes names in the folder survive a power cut; Windows does so by itself."""
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def stretches(audio: Path) -> list[Stretch]:
    """What the book says; a torn last line belongs to a file that was not begun."""
    found = []
    for line in (audio / BOOK).read_bytes().splitlines(keepends=True):
        with suppress(ValueError, TypeError):
            if line.endswith(b"\n"):
                found.append(Stretch(**json.loads(line)))
    return found


def book_line(stretch: Stretch) -> bytes:
    """The stretch as a line of the book."""
    return json.dumps(asdict(stretch), ensure_ascii=False).encode() + b"\n"


@dataclass(frozen=True)
class _Piece:
    start: int
    stop: int
    path: Path


class _Tape:
    """All stretches of one source; between them there is silence."""

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []

    @property
    def stop(self) -> int:
        return max((piece.stop for piece in self._pieces), default=0)

    def add(self, stretch: Stretch, path: Path) -> None:
        with suppress(FileNotFoundError):
            length = path.stat().st_size // SAMPLE.itemsize  # a sample may be torn
            self._pieces.append(_Piece(stretch.start, stretch.start + length, path))

    def read(self, start: int, stop: int) -> Pcm:
        """The samples of this part of the time line."""
        pcm = np.zeros(stop - start, SAMPLE)
        for piece in self._pieces:
            first, last = max(start, piece.start), min(stop, piece.stop)
            if first < last:
                with piece.path.open("rb") as file:
                    file.seek((first - piece.start) * SAMPLE.itemsize)
                    got = np.frombuffer(file.read((last - first) * SAMPLE.itemsize), SAMPLE)
                pcm[first - start : first - start + len(got)] = got
        return pcm


def _tapes(audio: Path) -> dict[str, _Tape]:
    tapes: dict[str, _Tape] = {}
    for stretch in stretches(audio):
        tapes.setdefault(stretch.source, _Tape()).add(stretch, audio / stretch.file)
    return tapes


def _raw(audio: Path, length: int) -> Iterator[Pcm]:
    """All sources side by side, shape (sources, n), the shorter ones with silence at the end."""
    tapes = _tapes(audio)
    samples = max((tape.stop for tape in tapes.values()), default=0)
    for start in range(0, samples, length):
        yield np.stack([tape.read(start, min(start + length, samples)) for tape in tapes.values()])


def _decoded(audio: Path) -> Iterator[Pcm]:
    import soundfile

    try:
        with soundfile.SoundFile(audio / ENCODED) as file:
            for block in file.blocks(_BLOCK, dtype="int16", always_2d=True):
                yield block.T
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{audio / ENCODED} is damaged ({error}); a backup may have it") from error


def _encode(audio: Path, channels: int) -> None:
    import soundfile

    if channels > MOST_SOURCES:
        raise AudioError(f"{channels} sources do not fit into one FLAC file; record at most {MOST_SOURCES}")
    part = audio / f"{ENCODED}.part"
    try:
        with soundfile.SoundFile(part, "w", SAMPLE_RATE, channels, "PCM_16", format="FLAC") as file:
            for block in _raw(audio, _BLOCK):
                file.write(np.ascontiguousarray(block.T))
    except soundfile.LibsndfileError as error:
        raise OSError(str(error)) from error
    with part.open("rb+") as written:
        os.fsync(written.fileno())
    if not _same(part, audio):
        raise OSError("the encoded file is not equal to what was recorded")
    part.replace(audio / ENCODED)
    sync_folder(audio)


def _same(encoded: Path, audio: Path) -> bool:
    """Whether decoding gives every sample of the raw files, no more and no less."""
    import soundfile

    try:
        with soundfile.SoundFile(encoded) as file:
            blocks = file.blocks(_BLOCK, dtype="int16", always_2d=True)
            for raw, block in zip(chain(_raw(audio, _BLOCK), [None]), blocks, strict=False):
                if raw is None or raw.shape != block.T.shape or not np.array_equal(raw, block.T):
                    return False
            return int(file.frames) == max((tape.stop for tape in _tapes(audio).values()), default=0)
    except soundfile.LibsndfileError:
        return False


def replace_whole(path: Path, data: bytes) -> None:
    """The file holds all of `data` or, also after a power cut, what it held before. Raises OSError."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)
