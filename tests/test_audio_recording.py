"""What was heard is on disk: after a stop, after a kill, on a full disk."""

from __future__ import annotations

import errno
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from audio import recording as writer
from audio.live import Incident
from audio.recording import RecordingOptions, record
from audio.sources import file_source
from audio.speech import SAMPLE_RATE, AudioChunk, AudioError, Samples
from audio.stretches import BOOK, ENCODED, Stretch, book_line, finish, heard, quantized, recorded, recording, stretches

ROOT = Path(__file__).parents[1]
NO_LIMITS = RecordingOptions(warn_free_bytes=0, stop_free_bytes=0)


def sound(start: int, stop: int, source: str) -> Samples:
    """What the source gives at these samples: noise that follows from their numbers."""
    numbers = np.arange(start, stop, dtype=np.uint64) + np.uint64(1_000_003 * (len(source) + 1))
    mixed = (numbers * np.uint64(2654435761)) & np.uint64(0xFFFF_FFFF)
    return (mixed.astype(np.float64) / 2**32 - 0.5).astype(np.float32)


def chunks(seconds: float, *sources: str, length: int = 1600) -> Iterator[AudioChunk]:
    for start in range(0, round(seconds * SAMPLE_RATE), length):
        for source in sources:
            yield AudioChunk(sound(start, start + length, source), start, source)


def taped(folder: Path, *sources: str, seconds: float = 3.0) -> list[AudioChunk]:
    return list(record(chunks(seconds, *sources), folder, NO_LIMITS, stop=_never, notify=_nobody))


def _never() -> None:
    raise AssertionError("there is no reason to stop")


def _nobody(incident: Incident) -> None:
    raise AssertionError(incident.message)


def tracks(given: Iterator[AudioChunk] | list[AudioChunk]) -> dict[str, Samples]:
    pieces: dict[str, list[AudioChunk]] = {}
    for chunk in given:
        before = pieces.setdefault(chunk.source, [])
        assert not before or before[-1].stop == chunk.start
        before.append(chunk)
    return {source: np.concatenate([c.samples for c in found]) for source, found in pieces.items()}


def test_a_chunk_is_on_disk_before_it_is_passed_on(tmp_path: Path) -> None:
    for chunk in record(chunks(2.0, "me", "far"), tmp_path, NO_LIMITS, stop=_never, notify=_nobody):
        found = recording(tmp_path)
        assert found
        assert found.reached[chunk.source] == chunk.stop


def test_what_is_read_back_is_what_was_passed_on_raw_and_encoded(tmp_path: Path) -> None:
    passed_on = tracks(taped(tmp_path, "microphone", "far side"))
    raw = tracks(recorded(tmp_path))
    path = finish(tmp_path)
    encoded = tracks(recorded(tmp_path))
    as_file = tracks(file_source(path, channels="separate"))
    assert list(passed_on) == list(raw) == list(encoded) == ["microphone", "far side"]
    for source, place in zip(passed_on, ("left", "right"), strict=True):
        for other in (raw[source], encoded[source], as_file[place]):
            assert np.array_equal(passed_on[source], other)
        assert np.abs(passed_on[source] - sound(0, len(passed_on[source]), source)).max() <= 0.5 / 32768
    assert sorted(entry.name for entry in (tmp_path / "audio").iterdir()) == ["recording.flac", "recording.json"]


def test_a_resumed_run_reads_each_source_from_where_it_was(tmp_path: Path) -> None:
    whole = tracks(taped(tmp_path, "a", "bb"))
    since = {"a": 20_001, "bb": 3}
    for _ in range(2):
        first = {source: next(c.start for c in recorded(tmp_path, since) if c.source == source) for source in since}
        rest = tracks(recorded(tmp_path, since))
        assert first == since
        assert all(np.array_equal(rest[source], whole[source][start:]) for source, start in since.items())
        finish(tmp_path)


def test_a_torn_recording_of_two_sources_is_whole_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = tracks(taped(tmp_path, "me", "far"))
    audio = tmp_path / "audio"
    with (audio / "0002.s16le").open("rb+") as file:
        file.truncate(2 * 30_000 + 1)
    with (audio / BOOK).open("a") as book:
        book.write('{"file": "0003.s16le", "sou')
    (audio / f"{ENCODED}.part").write_bytes(b"left over")
    found = recording(tmp_path)
    assert found
    assert found.reached == {"me": 48_000, "far": 30_000}
    finish(tmp_path)
    again = tracks(recorded(tmp_path))
    assert np.array_equal(again["me"], whole["me"])
    assert np.array_equal(again["far"][:30_000], whole["far"][:30_000])
    assert not again["far"][30_000:].any()


def test_recording_into_the_same_folder_goes_on_after_a_break_and_the_break_is_silent(tmp_path: Path) -> None:
    taped(tmp_path, "me", seconds=1.0)
    with (tmp_path / "audio" / BOOK).open("a") as book:
        book.write('{"file": "torn')
    later = (AudioChunk(c.samples, c.start + 40_000, c.source) for c in chunks(1.0, "me"))
    list(record(later, tmp_path, NO_LIMITS, stop=_never, notify=_nobody))
    assert [stretch.start for stretch in stretches(tmp_path / "audio")] == [0, 40_000]
    [me] = tracks(recorded(tmp_path)).values()
    assert len(me) == 56_000
    assert not me[16_000:40_000].any()
    assert np.array_equal(me[40_000:], me[:16_000])


def test_raw_sound_stays_until_the_encoded_file_is_proved_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tracks(taped(tmp_path, "me"))
    with monkeypatch.context() as patch:
        patch.setattr("audio.stretches._same", lambda encoded, audio: False)
        with pytest.raises(AudioError, match=r"not equal to what was recorded.*rapporteur recover"):
            finish(tmp_path)
    assert not (tmp_path / "audio" / ENCODED).exists()
    assert np.array_equal(tracks(recorded(tmp_path))["me"], whole["me"])
    finish(tmp_path)


@pytest.mark.parametrize("damage", ["a flipped bit", "cut short", "nothing"])
def test_an_encoded_file_from_a_break_is_trusted_only_if_it_is_equal(tmp_path: Path, damage: str) -> None:
    whole = tracks(taped(tmp_path, "me"))
    finish(tmp_path, keep_raw=True)
    audio = tmp_path / "audio"
    (audio / "kept.jsonl").replace(audio / BOOK)  # as if the end had not been reached
    encoded = bytearray((audio / ENCODED).read_bytes())
    if damage == "a flipped bit":
        encoded[len(encoded) // 2] ^= 1
    (audio / ENCODED).write_bytes(encoded[: len(encoded) // 2] if damage == "cut short" else encoded)
    finish(tmp_path)
    assert not list(audio.glob("*.s16le"))
    assert np.array_equal(tracks(recorded(tmp_path))["me"], whole["me"])


def test_raw_files_are_kept_on_request(tmp_path: Path) -> None:
    taped(tmp_path, "me")
    finish(tmp_path, keep_raw=True)
    finish(tmp_path)
    assert (tmp_path / "audio" / "0001.s16le").exists()
    found = recording(tmp_path)
    assert found
    assert found.encoded


def test_little_room_is_told_once_and_less_stops_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LOOK_S", 0.0)
    left = iter([2e9, 1.5e9, 0.9e9, 0.8e9, 0.1e9, *[0.1e9] * 100])
    told: list[str] = []
    stopped: list[bool] = []
    kept = list(
        record(
            chunks(1.0, "me"),
            tmp_path,
            stop=lambda: stopped.append(True),
            notify=lambda incident: told.append(incident.message),
            free=lambda folder: int(next(left)),
        )
    )
    assert len(kept) == 10  # what the input still gave after it was asked to stop
    assert stopped == [True]
    assert len(told) == 2
    assert "only 900 MB are free, 6.1 h" in told[0]
    assert "stops: only 100 MB" in told[1]


def test_the_disk_is_looked_at_every_five_seconds_and_not_with_every_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [number / 10 for number in range(200)]
    now, looked = iter(seconds), list[Path]()

    def free(folder: Path) -> int:
        looked.append(folder)
        return 10**12

    disk = writer._Disk(tmp_path, RecordingOptions(), free, _nobody, _never)
    monkeypatch.setattr(writer, "time", SimpleNamespace(monotonic=lambda: next(now)))
    (chunk, *_) = chunks(0.1, "me")
    for _ in seconds:
        disk.look(chunk)
    assert len(looked) == 4, "at 0, 5, 10 and 15 s"


def test_a_disk_that_is_nearly_full_is_refused_before_anything_is_said(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="only 150 MB are free"):
        next(record(chunks(1.0, "me"), tmp_path, stop=_never, notify=_nobody, free=lambda folder: 150_000_000))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Three megabytes; skips where mounting is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        pytest.skip(f"no small disk can be made here: {error}")
    if done.returncode:
        pytest.skip(f"no small disk can be made here: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_ends_the_recording_with_a_word_and_all_that_was_heard(tiny_disk: Path) -> None:
    told: list[str] = []
    stopped = False

    def until_stopped() -> Iterator[AudioChunk]:
        for chunk in chunks(600.0, "me", "far"):
            if stopped:
                return
            yield chunk

    def stop() -> None:
        nonlocal stopped
        stopped = True

    options = RecordingOptions(warn_free_bytes=0, stop_free_bytes=0, reserve_bytes=500_000)
    passed_on = tracks(
        list(record(until_stopped(), tiny_disk, options, stop=stop, notify=lambda i: told.append(i.message)))
    )
    assert told == ["the recording stops: the disk is full; all of it is kept"]
    assert len(passed_on["me"]) > 30 * SAMPLE_RATE
    back = tracks(recorded(tiny_disk))
    assert all(np.array_equal(back[source], passed_on[source]) for source in passed_on)
    with pytest.raises(AudioError, match=r"could not be encoded.*all that was recorded is kept"):
        finish(tiny_disk)
    back = tracks(recorded(tiny_disk))
    assert all(np.array_equal(back[source], passed_on[source]) for source in passed_on)


def test_a_disk_that_stays_full_ends_the_recording_and_what_was_before_is_whole(tiny_disk: Path) -> None:
    told: list[str] = []
    options = RecordingOptions(warn_free_bytes=0, stop_free_bytes=0, reserve_bytes=0)
    given = record(chunks(600.0, "me"), tiny_disk, options, stop=lambda: None, notify=lambda i: told.append(i.message))
    passed_on = tracks(list(given))
    assert "all that was heard before is kept" in told[-1]
    back = tracks(recorded(tiny_disk))["me"]
    assert np.array_equal(back[: len(passed_on["me"])], passed_on["me"])


def test_a_disk_that_is_full_when_a_stretch_begins_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    line, begun = book_line, list[Stretch]()

    def full_once(stretch: Stretch) -> bytes:
        begun.append(stretch)
        if len(begun) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return line(stretch)

    monkeypatch.setattr("audio.recording.book_line", full_once)
    given = [AudioChunk(sound(at, at + 1600, "me"), at, "me") for at in (0, 16_000)]
    options = RecordingOptions(warn_free_bytes=0, stop_free_bytes=0)
    kept = list(record(given, tmp_path, options, stop=lambda: None, notify=lambda i: told.append(i.message)))
    assert told == ["the recording stops: the disk is full; all of it is kept"]
    back = tracks(recorded(tmp_path))["me"]
    assert all(np.array_equal(back[chunk.start : chunk.stop], chunk.samples) for chunk in kept)
    assert [chunk.start for chunk in kept] == [0, 16_000]


def test_a_disk_that_breaks_ends_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    kept = []
    given = record(chunks(5.0, "me"), tmp_path, NO_LIMITS, stop=lambda: None, notify=lambda i: told.append(i.message))

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    for i, chunk in enumerate(given):
        kept.append(chunk)
        if i == 9:
            monkeypatch.setattr(writer._Recorder, "_stretch", broken)
    assert len(kept) == 10
    assert told == ["the recording ends here: the disk refuses (Input/output error); all that was heard before is kept"]


RECORDER = r"""
import os, sys, time
from pathlib import Path
from audio.recording import RecordingOptions, record
from audio.speech import AudioChunk, SAMPLE_RATE
from tests.test_audio_recording import sound

def live():
    began, start, length = time.monotonic(), 0, 320
    while True:
        time.sleep(max(0.0, began + (start + length) / SAMPLE_RATE - time.monotonic()))
        for source in ("me", "far"):
            chunk = AudioChunk(sound(start, start + length, source), start, source)
            os.write(1, f"{source} {chunk.stop}\n".encode())  # captured from here on; one write, so no half lines
            yield chunk
        start += length

for _ in record(live(), Path(sys.argv[1]), RecordingOptions(stop_free_bytes=0), stop=lambda: None, notify=print):
    pass
"""


def kill_while_recording(folder: Path, after_s: float) -> None:
    """At most a second is lost, what is left is right to the bit, and finishing works."""
    command = [sys.executable, "-c", RECORDER, str(folder)]
    captured: dict[str, int] = {}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        first = process.stdout.readline()
        time.sleep(after_s)
        process.kill()
        for line in [first, *process.stdout]:
            source, stop = line.split()
            captured[source] = int(stop)
    finish(folder)
    back = tracks(recorded(folder))
    for source, stop in captured.items():
        kept = back.get(source, np.zeros(0, np.float32))
        real = min(stop, len(kept))
        assert stop - real <= SAMPLE_RATE
        assert np.array_equal(kept[: real - 320], heard(quantized(sound(0, real - 320, source))))
    assert json.loads((folder / "audio" / "recording.json").read_text())["sources"]


def test_a_kill_at_any_moment_loses_less_than_a_second(tmp_path: Path) -> None:
    for i in range(5):
        kill_while_recording(tmp_path / str(i), random.uniform(0.05, 1.0))


@pytest.mark.slow
def test_two_hundred_kills_lose_less_than_a_second_each(tmp_path: Path) -> None:
    for i in range(200):
        kill_while_recording(tmp_path / str(i), random.uniform(0.0, 2.0))


def test_a_disk_that_does_not_say_what_is_free_ends_no_recording(tmp_path: Path) -> None:
    answers = iter([10**12])

    def free(folder: Path) -> int:
        if (answer := next(answers, None)) is None:
            raise OSError(errno.ESTALE, "Stale file handle")
        return answer

    made = list(record(chunks(1.0, "me"), tmp_path, NO_LIMITS, stop=_never, notify=_nobody, free=free))
    assert made[-1].stop == SAMPLE_RATE


def test_a_source_of_any_name_is_read_back(tmp_path: Path) -> None:
    name = "line\u2028and\x85line"  # what str.splitlines takes for ends of lines
    passed_on = tracks(taped(tmp_path, name))
    assert np.array_equal(tracks(recorded(tmp_path))[name], passed_on[name])


def test_contents_of_another_form_are_an_error_in_words(tmp_path: Path) -> None:
    taped(tmp_path, "me")
    finish(tmp_path)
    (tmp_path / "audio" / "recording.json").write_text("[]")
    with pytest.raises(AudioError, match="cannot be read"):
        recording(tmp_path)


def test_a_long_recording_lies_in_several_stretches_and_reads_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LONGEST", SAMPLE_RATE)
    passed_on = tracks(taped(tmp_path, "me"))
    assert [s.start for s in stretches(tmp_path / "audio")] == [0, SAMPLE_RATE, 2 * SAMPLE_RATE]
    assert np.array_equal(tracks(recorded(tmp_path))["me"], passed_on["me"])
