"""Devices in plain words, and live meetings that were cut off and are made whole."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from audio.live import Level
from audio.recording import RecordingOptions, record
from audio.sources import file_source
from audio.speech import SAMPLE_RATE, AudioChunk
from audio.streams import Device
from pipeline import capture
from pipeline.cli.devices import in_words
from pipeline.events import Concluded, Opened, Reached, Said
from pipeline.journal import JOURNAL, read
from pipeline.library import Library
from tests.conftest import Typed

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "samples" / "meeting.flac"
MICROPHONE = Device("Desk", "microphone", port="desk", default=True)


def speech(seconds: int) -> Iterator[AudioChunk]:
    """Two parts of the sample meeting as two sources, who so talk about different things at the same time."""
    whole = np.concatenate([chunk.samples for chunk in file_source(SAMPLE)])
    for start in range(0, seconds * SAMPLE_RATE, SAMPLE_RATE):
        for source, begins_s in (("me", 0), ("far", 30)):
            first = start + begins_s * SAMPLE_RATE
            yield AudioChunk(whole[first : first + SAMPLE_RATE], start, source)


@pytest.fixture
def cut_off(tmp_path: Path) -> Path:
    """A live meeting of 20 s whose journal knows of the first 8 s of one source; nobody finished it."""
    library = Library(tmp_path / "home")
    opened = Opened(
        "", "Standup", "2026-03-10T09:00:00+01:00", "microphone", "", "x", "faster-whisper", "embedded", "0"
    )
    with library.create(opened) as journal:
        folder = journal.path.parent
        journal.append(Reached("me", 8 * SAMPLE_RATE))
    options = RecordingOptions(stop_free_bytes=0, warn_free_bytes=0)
    list(record(speech(20), folder, options, stop=lambda: None, notify=lambda incident: None))
    return folder


def test_a_meeting_that_was_cut_off_is_found_and_made_whole(run: Typed, cut_off: Path, tmp_path: Path) -> None:
    [found] = capture.unfinished(Library(tmp_path / "home"), pytest.fail)
    assert (found.meeting.title, round(found.unheard_s)) == ("Standup", 20)
    code, out, err = run("recover", "-o", str(tmp_path / "out"))
    assert code == 0, err
    assert "It lasts" in out
    assert "Minutes" in out
    written = {path.name.partition(".")[2] for path in (tmp_path / "out").iterdir()}
    assert {"txt", "minutes.md", "minutes.html"} <= written
    assert sorted(path.name for path in (cut_off / "audio").iterdir()) == ["recording.flac", "recording.json"]
    events = list(read(cut_off / JOURNAL))
    assert isinstance(events[-1], Concluded)
    assert events[-1].duration_s == pytest.approx(20, abs=1)
    said = [event.utterance for event in events if isinstance(event, Said)]
    assert min(u.start_s for u in said if u.source == "me") >= 8 - 0.001
    assert min(u.start_s for u in said if u.source == "far") < 8
    assert not capture.unfinished(Library(tmp_path / "home"), pytest.fail)
    assert "no live meeting was cut off" in run("recover")[2]


def test_a_meeting_that_is_text_but_not_encoded_is_found_too(run: Typed, cut_off: Path, tmp_path: Path) -> None:
    with (cut_off / JOURNAL).open("a") as journal:
        journal.write('{"event":"concluded","duration_s":20.0,"speech_s":15.0}\n')
    [found] = capture.unfinished(Library(tmp_path / "home"), pytest.fail)
    assert found.unheard_s == 0
    before = (cut_off / JOURNAL).read_bytes()
    assert run("recover", "latest")[0] == 0
    after = (cut_off / JOURNAL).read_bytes().removeprefix(before)
    assert after.count(b"\n") == 1
    assert b'"kind":"recording"' in after  # which file the sound is now, and no other word
    assert (cut_off / "audio" / "recording.flac").exists()


def test_a_meeting_that_still_runs_is_left_alone(run: Typed, cut_off: Path, tmp_path: Path) -> None:
    from pipeline.journal import Journal

    with Journal(cut_off):
        assert not capture.unfinished(Library(tmp_path / "home"), pytest.fail)
        code, _, err = run("recover", "latest")
    assert code == 4
    assert "is being written by another rapporteur" in err
    assert (cut_off / "audio" / "0001.s16le").exists()


def test_a_meeting_that_was_cut_off_before_its_first_sound_is_closed(run: Typed, tmp_path: Path) -> None:
    opened = Opened("", "Early", "2026-03-10T09:00:00+01:00", "microphone", "", "x", "faster-whisper", "embedded", "0")
    library = Library(tmp_path / "home")
    with library.create(opened) as journal:
        audio = journal.path.parent / "audio"
    audio.mkdir()
    (audio / "stretches.jsonl").touch()
    assert [found.meeting.title for found in capture.unfinished(library, pytest.fail)] == ["Early"]
    code, _, err = run("recover")
    assert code == 0, err
    assert "Early: it was cut off before the first sound" in err
    assert isinstance(list(read(journal.path))[-1], Concluded)
    assert not capture.unfinished(Library(tmp_path / "home"), pytest.fail)


def test_a_meeting_without_a_recording_cannot_be_recovered(run: Typed, tmp_path: Path) -> None:
    opened = Opened("", "Old", "2026-03-10T09:00:00+01:00", "a.flac", "", "x", "faster-whisper", "embedded", "0")
    Library(tmp_path / "home").create(opened).close()
    code, _, err = run("recover", "latest")
    assert code == 4
    assert "holds no recorded sound" in err


def test_devices_are_listed_in_words(run: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cli.devices.devices", lambda: [MICROPHONE])
    code, out, _ = run("devices")
    assert code == 0
    assert "Desk  (default)" in out
    assert "microphone" in out
    assert "cannot be recorded here" in out
    assert json.loads(run("devices", "--json")[1])["name"] == "Desk"


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (None, "no sound at all"),
        (Level(-np.inf, -np.inf), "digital silence"),
        (Level(-70, -60), "very quiet"),
        (Level(-30, -20), "good"),
        (Level(-10, -3), "nearly too loud"),
        (Level(-3, 0), "clips"),
    ],
)
def test_a_level_is_told_in_words(level: Level | None, words: str) -> None:
    assert words in in_words(level, MICROPHONE)


def kill_while_listening(folder: Path, after_s: float) -> None:
    """The real command is killed; what it had shown is in the journal, and recovery completes the meeting."""
    environ = {**os.environ, "RAPPORTEUR_HOME": str(folder), "RAPPORTEUR_CONFIG": os.devnull, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pipeline.cli"]
    flags = ["--model", "embedded", "--offline", "--threads", "1"]
    live = [
        *command,
        "listen",
        "--from-file",
        str(SAMPLE),
        "--json",
        *flags,
        "--stop-free-mb",
        "0",
        "--output-dir",
        str(folder),
    ]
    shown = subprocess.Popen(live, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert shown.stdout
    lines = [shown.stdout.readline()]
    began_s = time.monotonic()
    time.sleep(after_s)
    shown.send_signal(signal.SIGKILL)
    played_s = time.monotonic() - began_s
    lines += shown.stdout.readlines()
    shown.stdout.close()
    shown.wait()
    said = [json.loads(line) for line in lines if line.startswith(b'{"event":"said"') and line.endswith(b"\n")]
    done = subprocess.run([*command, "recover"], cwd=ROOT, env=environ, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    [meeting] = (folder / "meetings").iterdir()
    events = list(read(meeting / JOURNAL))
    assert isinstance(events[-1], Concluded)
    assert events[-1].duration_s >= played_s - 1.5  # a second lost, and what the start took
    kept = {event.utterance.id: event.utterance.text for event in events if isinstance(event, Said)}
    assert all(kept[line["utterance"]["id"]] == line["utterance"]["text"] for line in said)


@pytest.mark.slow
def test_a_killed_live_meeting_is_recovered_by_command(tmp_path: Path) -> None:
    kill_while_listening(tmp_path, 6.0)


@pytest.mark.slow
def test_fifty_killed_live_meetings_are_recovered(tmp_path: Path) -> None:
    for i in range(50):
        kill_while_listening(tmp_path / str(i), random.uniform(0.0, 12.0))


def test_a_damaged_recording_keeps_nobody_from_listening_or_recovering(
    run: Typed, cut_off: Path, tmp_path: Path
) -> None:
    opened = Opened(
        "", "Damaged", "2026-03-10T09:00:00+01:00", "microphone", "", "x", "faster-whisper", "embedded", "0"
    )
    library = Library(tmp_path / "home")
    with library.create(opened) as journal:
        audio = journal.path.parent / "audio"
    audio.mkdir()
    (audio / "recording.json").write_text("{")
    told: list[str] = []
    assert [found.meeting.title for found in capture.unfinished(library, told.append)] == ["Standup"]
    assert str(audio) in told[0]
    code, _, err = run("recover")
    assert code == 0, err
    assert re.search(r"Standup \(.*\) is complete", err)
    assert str(audio) in err
