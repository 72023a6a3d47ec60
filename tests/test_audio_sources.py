"""Recordings as chunks on a clock, and what names of files and folders stand for."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio.decode import Planes
from audio.sources import SUFFIXES, Channels, expand, file_source
from audio.speech import SAMPLE_RATE, AudioChunk, AudioError, Samples


def noise(channels: int, seconds: float) -> Planes:
    """Shape (channels, n); exact in 16 bits."""
    steps = np.random.default_rng(channels).integers(-8000, 8000, (channels, round(seconds * SAMPLE_RATE)))
    return (steps / 32768).astype(np.float32)


def written(path: Path, planes: Planes) -> Path:
    soundfile.write(path, planes.T, SAMPLE_RATE, subtype="PCM_16")
    return path


def joined(chunks: list[AudioChunk], source: str) -> Samples:
    """All of one source, whose clock must run without gap or overlap."""
    mine = [chunk for chunk in chunks if chunk.source == source]
    assert [chunk.start for chunk in mine] == [0, *(chunk.stop for chunk in mine[:-1])]
    return np.concatenate([chunk.samples for chunk in mine])


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_channels_are_mixed_to_their_mean(channels: int, tmp_path: Path) -> None:
    planes = noise(channels, 3.3)
    chunks = list(file_source(written(tmp_path / "a.wav", planes)))
    assert {chunk.source for chunk in chunks} == {""}
    np.testing.assert_allclose(joined(chunks, ""), planes.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize(
    ("channels", "names"),
    [(1, [""]), (2, ["left", "right"]), (4, ["left", "right", "channel 3", "channel 4"])],
)
def test_separate_channels_are_sources_on_one_clock(channels: int, names: list[str], tmp_path: Path) -> None:
    planes = noise(channels, 3.3)
    chunks = list(file_source(written(tmp_path / "a.flac", planes), channels="separate"))
    assert [chunk.source for chunk in chunks[:channels]] == names
    assert [chunk.start for chunk in chunks[::channels]] == [chunk.start for chunk in chunks[channels - 1 :: channels]]
    for name, plane in zip(names, planes, strict=True):
        np.testing.assert_allclose(joined(chunks, name), plane, atol=1e-6)


@pytest.mark.parametrize("channels", ["mix", "separate"])
def test_standard_input_is_read_in_one_pass(
    channels: Channels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a.wav", noise(2, 2.5))

    class Once(io.BytesIO):
        def seekable(self) -> bool:
            return False

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(Once(path.read_bytes())))
    from_pipe, from_file = (list(file_source(source, channels=channels)) for source in ("-", path))
    for name in {chunk.source for chunk in from_file}:
        np.testing.assert_array_equal(joined(from_pipe, name), joined(from_file, name))


def test_a_layout_that_changes_midway_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [noise(2, 1.0), noise(1, 0.5), noise(3, 1.0)]
    monkeypatch.setattr("audio.sources.decode", lambda *_, **__: iter(blocks))
    chunks = list(file_source("any.mp3", channels="separate"))
    expected = np.concatenate([blocks[0][0], blocks[1][0], blocks[2].mean(axis=0)])
    np.testing.assert_array_equal(joined(chunks, "left"), expected)
    assert len(joined(chunks, "right")) == len(expected)


def test_what_was_lost_is_reported_to_who_asks(tmp_path: Path) -> None:
    path = written(tmp_path / "a.flac", noise(1, 20.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    reports: list[str] = []
    list(file_source(path, report=lambda what, at_s: reports.append(what)))
    assert any("cut off" in what for what in reports)


# Names


def test_a_folder_is_all_recordings_below_it_in_order(tmp_path: Path) -> None:
    names = ["b.MP3", "a.wav", "sub/z.opus", "sub/deeper/y.webm"]
    others = ["notes.txt", "sub/cover.jpg", "._a.wav"]
    for name in names + others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert expand([tmp_path]) == sorted(tmp_path / name for name in names)


def test_files_keep_their_order_whatever_their_ending_and_come_once(tmp_path: Path) -> None:
    first, second = tmp_path / "z.dat", tmp_path / "a.wav"
    first.touch()
    second.touch()
    assert expand([first, "-", second, tmp_path, str(first)]) == [first, Path("-"), second]


@pytest.mark.parametrize("name", ["missing.wav", "papers"])
def test_nothing_to_hear_is_an_error_that_names_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "minutes.txt").touch()
    with pytest.raises(AudioError) as raised:
        expand([tmp_path / name])
    assert str(tmp_path / name) in str(raised.value)


def test_a_folder_that_cannot_be_opened_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.wav").touch()
    locked = tmp_path / "locked"
    locked.mkdir()
    listed = os.scandir

    def refusing(path: str | Path) -> object:
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(locked))
        return listed(path)

    monkeypatch.setattr("os.scandir", refusing)
    with pytest.raises(AudioError, match="locked"):
        expand([tmp_path])


def test_every_promised_ending_is_known() -> None:
    promised = ".wav .flac .mp3 .m4a .aac .ogg .opus .webm .mp4 .mkv .mov .amr .wma"
    assert set(promised.split()) <= SUFFIXES
