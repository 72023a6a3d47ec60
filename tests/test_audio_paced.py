"""A recording played as if live is the recording, on time, and stands still while it is paused."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
import soundfile

from audio.paced import CHUNK, PacedFile, level_of
from audio.sources import file_source
from audio.speech import SAMPLE_RATE, AudioError, Samples


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "two.wav"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (24_321, 2)).astype(np.float32)
    soundfile.write(path, noise, SAMPLE_RATE, subtype="FLOAT")
    return path


def whole(path: Path) -> Samples:
    return np.concatenate([chunk.samples for chunk in file_source(path)])


def test_every_sample_comes_in_small_pieces_without_a_gap(recording: Path) -> None:
    chunks = list(PacedFile(recording, pace=0).chunks())
    assert np.array_equal(np.concatenate([chunk.samples for chunk in chunks]), whole(recording))
    assert all(len(chunk.samples) <= CHUNK for chunk in chunks)
    assert [chunk.start for chunk in chunks[1:]] == [chunk.stop for chunk in chunks[:-1]]


def test_the_channels_take_turns_on_one_clock(recording: Path) -> None:
    source = PacedFile(recording, pace=0, channels="separate")
    chunks = list(source.chunks())
    assert source.names == ("left", "right")
    assert [chunk.source for chunk in chunks[:4]] == ["left", "right", "left", "right"]
    assert [chunk.start for chunk in chunks[:4]] == [0, 0, CHUNK, CHUNK]
    assert set(source.levels()) == {"left", "right"}


def test_a_chunk_comes_when_its_last_sample_is_due(recording: Path) -> None:
    began = time.monotonic()
    for chunk in PacedFile(recording, pace=10).chunks():
        assert time.monotonic() - began >= chunk.stop / SAMPLE_RATE / 10 - 0.001


def test_nothing_comes_while_it_is_paused_and_nothing_is_lost(recording: Path) -> None:
    source = PacedFile(recording, pace=10)
    began, chunks = time.monotonic(), list[Samples]()
    for chunk in source.chunks():
        if not chunks:
            source.pause()
            assert source.levels()[""].peak_db == float("-inf")
            Timer(0.3, source.resume).start()
        chunks.append(chunk.samples)
    assert time.monotonic() - began >= 0.3 + len(whole(recording)) / SAMPLE_RATE / 10 - 0.05
    assert np.array_equal(np.concatenate(chunks), whole(recording))


@pytest.mark.parametrize("paused", [False, True])
def test_stopping_ends_it_also_while_it_waits(recording: Path, paused: bool) -> None:
    source = PacedFile(recording, pace=0.001)
    if paused:
        source.pause()
    Timer(0.1, source.stop).start()
    assert list(source.chunks()) == []


def test_a_recording_that_is_none_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"no sound")
    with pytest.raises(AudioError):
        PacedFile(tmp_path / "x.wav")


def test_levels_are_in_decibels_of_full_scale() -> None:
    level = level_of(np.array([0.1, -0.1, 0.1, -0.1], np.float32))
    assert level.rms_db == pytest.approx(-20, abs=0.01)
    assert level.peak_db == pytest.approx(-20, abs=0.01)
    assert level_of(np.zeros(4, np.float32)).rms_db == float("-inf")
