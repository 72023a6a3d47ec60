"""Decoding: every format, the whole length, the right sound; and what happens where recordings are broken."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from io import BufferedReader, BytesIO, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
import pytest

from audio import decode as module
from audio.checksum import sha256_of
from audio.decode import Planes, decode, duration_s
from audio.speech import SAMPLE_RATE, AudioError
from tests.shared_data import SHARED, needs_shared

BROWSERS = SHARED / "audio" / "browser-recordings"
CODECS = {  # file ending -> container, codec, sample rate
    "wav": ("wav", "pcm_s16le", 44_100),
    "flac": ("flac", "flac", 44_100),
    "aiff": ("aiff", "pcm_s16be", 22_050),
    "caf": ("caf", "pcm_s16be", 16_000),
    "mp3": ("mp3", "libmp3lame", 44_100),
    "aac": ("adts", "aac", 48_000),
    "m4a": ("mp4", "aac", 44_100),
    "mov": ("mov", "aac", 44_100),
    "ogg": ("ogg", "flac", 48_000),
    "opus": ("ogg", "libopus", 48_000),
    "webm": ("webm", "libopus", 48_000),
    "mkv": ("matroska", "flac", 48_000),
    "wma": ("asf", "wmav2", 44_100),
}
UNLISTED = {"au": ("au", "pcm_s16be", 16_000)}  # FFmpeg could read it
Reports = list[tuple[str, float]]


def tone(seconds: float, hz: float = 440.0, rate: int = SAMPLE_RATE) -> Planes:
    """A sine of amplitude 0.5, shape (1, n)."""
    wave = 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    return wave.astype(np.float32)[None]


def encoded(ending: str, planes: Planes, *, layout: str = "mono", skip_s: tuple[float, float] = (0, 0)) -> bytes:
    """The sound as a file; packets that begin in the stretch `skip_s` are not written."""
    container, codec, rate = (CODECS | UNLISTED)[ending]
    file = BytesIO()
    with av.open(file, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=rate, layout=layout, bit_rate=64_000)
        packed = np.ascontiguousarray(planes.T).reshape(1, -1)  # PyAV cannot fill eight planes
        frame = av.AudioFrame.from_ndarray(packed, "flt", layout)
        frame.sample_rate, frame.pts = rate, 0
        for packet in (*stream.encode(frame), *stream.encode(None)):
            start_s = float((packet.pts or 0) * packet.time_base)
            if not skip_s[0] <= start_s < skip_s[1]:
                output.mux(packet)
    return file.getvalue()


def wav_header() -> bytes:
    """All that stands before the first sample."""
    data = encoded("wav", tone(0.1))
    return data[: data.index(b"data") + 8]


def written(folder: Path, ending: str, seconds: float = 3.0, **options: Any) -> Path:
    path = folder / f"tone.{ending}"
    path.write_bytes(encoded(ending, tone(seconds, rate=CODECS[ending][2]), **options))
    return path


def heard(source: Path | BinaryIO, reports: Reports | None = None) -> Planes:
    """All blocks as one, shape (channels, n)."""
    told = [] if reports is None else reports
    return np.concatenate(list(decode(source, report=lambda what, at_s: told.append((what, at_s)))), axis=1)


def pitch_hz(sound: Planes) -> float:
    return float(np.abs(np.fft.rfft(sound[0])).argmax() * SAMPLE_RATE / sound.shape[1])


def rms(sound: Planes) -> float:
    return float(np.sqrt((sound**2).mean()))


@pytest.mark.parametrize("ending", CODECS)
def test_every_format_gives_its_whole_sound(ending: str, tmp_path: Path) -> None:
    reports: Reports = []
    path = written(tmp_path, ending)
    sound = heard(path, reports)
    assert sound.dtype == np.float32
    assert sound.shape == (1, pytest.approx(3 * SAMPLE_RATE, abs=0.1 * SAMPLE_RATE))  # a codec's last packet is padded
    assert pitch_hz(sound) == pytest.approx(440, abs=1)
    assert rms(sound) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    assert reports == []


def test_what_needs_no_resampling_comes_out_as_it_went_in(tmp_path: Path) -> None:
    sound = np.round(tone(2.5) * 32767) / 32768
    path = tmp_path / "a.flac"
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray((sound * 32768).astype(np.int16), "s16", "mono")
        frame.sample_rate = SAMPLE_RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            output.mux(packet)
    np.testing.assert_array_equal(heard(path), sound.astype(np.float32))


def test_resampling_loses_nothing_of_the_tail(tmp_path: Path) -> None:
    sound = tone(2.0, rate=44_100)
    sound[:, : -44_100 // 10] = 0  # only the last tenth of a second sounds
    (tmp_path / "tail.wav").write_bytes(encoded("wav", sound))
    tail = heard(tmp_path / "tail.wav")
    assert tail.shape[1] == pytest.approx(2 * SAMPLE_RATE, abs=2)
    assert rms(tail[:, -1600:]) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize(("channels", "layout"), [(2, "stereo"), (3, "2.1"), (6, "5.1"), (8, "7.1")])
def test_channels_stay_apart(channels: int, layout: str, tmp_path: Path) -> None:
    planes = np.concatenate([tone(1.0, 300.0 + 100 * i, 44_100) for i in range(channels)])
    (tmp_path / "many.wav").write_bytes(encoded("wav", planes, layout=layout))
    sound = heard(tmp_path / "many.wav")
    assert [round(pitch_hz(channel[None])) for channel in sound] == [300 + 100 * i for i in range(channels)]


def test_what_is_no_number_or_too_loud_is_made_fit(tmp_path: Path) -> None:
    sound = tone(1.0) * 8
    sound[0, 5000:5100], sound[0, 9000] = np.nan, np.inf
    path = tmp_path / "loud.wav"
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("pcm_f32le", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound, "flt", "mono")
        frame.sample_rate = SAMPLE_RATE
        output.mux(stream.encode(frame))
    out = heard(path)
    assert out.shape == sound.shape
    assert np.isfinite(out).all()
    assert (out.min(), out.max()) == (-1.0, 1.0)


@needs_shared
@pytest.mark.parametrize("name", json.loads((BROWSERS / "expected.json").read_text()) if SHARED.is_dir() else [])
def test_real_browser_recordings_have_their_length(name: str) -> None:
    _, seconds = json.loads((BROWSERS / "expected.json").read_text())[name]
    # Containers give the time of the last packet or leave out its padding: an Opus packet is 60 ms at most.
    assert heard(BROWSERS / name).shape[1] / SAMPLE_RATE == pytest.approx(seconds, abs=0.1)


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3", "ogg", "opus", "webm", "aac"])
def test_a_pipe_gives_what_the_file_gives(ending: str, tmp_path: Path) -> None:
    path = written(tmp_path, ending)
    with pipe(path.read_bytes()) as stream:
        piped = heard(stream)
    from_file = heard(path)
    assert piped.shape[1] == pytest.approx(from_file.shape[1], abs=0.03 * SAMPLE_RATE)  # an mp3's last frame is padded
    np.testing.assert_array_equal(piped[:, :SAMPLE_RATE], from_file[:, :SAMPLE_RATE])


def pipe(data: bytes) -> BinaryIO:
    """The reading end of a pipe that another thread fills."""
    reading, writing = os.pipe()

    def fill() -> None:
        try:
            with os.fdopen(writing, "wb") as file:
                file.write(data)
        except BrokenPipeError:  # the reader had enough
            pass

    threading.Thread(target=fill, daemon=True).start()
    return os.fdopen(reading, "rb")


def test_an_mp4_with_its_index_at_the_end_cannot_come_through_a_pipe_and_says_so(tmp_path: Path) -> None:
    data = written(tmp_path, "m4a", seconds=30.0).read_bytes()
    with pipe(data) as stream, pytest.raises(AudioError, match=r"standard input .* mp4 or m4a only as a file"):
        heard(stream)


class Endless(RawIOBase):
    """A wave recording that never ends and counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0
        self._header = wav_header()[:-4] + b"\xff\xff\xff\xff"  # the length that nobody knows yet

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._header if not self.taken else bytes(len(buffer))
        buffer[: len(data)] = data[: len(buffer)]
        self.taken += len(data)
        return len(data)


def test_it_reads_only_what_it_gives() -> None:
    endless = Endless()
    blocks = decode(BufferedReader(endless))
    next(blocks)
    first = endless.taken
    assert first < 4_000_000  # FFmpeg looks ahead to learn what it has before it
    length = sum(next(blocks).shape[1] for _ in range(60))
    assert length == 60 * SAMPLE_RATE
    assert endless.taken - first < 61 * 44_100 * 2


def test_a_recording_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_S", 90)
    with pytest.raises(AudioError, match="longer than"):
        for _ in decode(BufferedReader(Endless())):
            pass


# What is broken


def _folder(path: Path) -> None:
    path.mkdir()


def _nothing(path: Path) -> None:
    assert not path.exists()


def _content(data: bytes) -> Any:
    return lambda path: path.write_bytes(data)


def _unreadable(path: Path) -> None:
    if os.name != "posix" or os.geteuid() == 0:
        pytest.skip("everything is readable to this user")
    path.touch(mode=0)


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("missing.wav", _nothing, "does not exist"),
        ("folder.wav", _folder, "is a folder"),
        ("secret.wav", _unreadable, "may not be read"),
        ("empty.mp3", _content(b""), "is empty"),
        ("letter.wav", _content(b"Dear Sir or Madam, " * 200), "damaged or not a recording"),
        ("unlisted.au", _content(encoded("au", tone(1.0))), "damaged or not a recording"),
        ("header.wav", _content(wav_header()), "holds no sound"),
        ("half.m4a", _content(encoded("m4a", tone(9.0))[:2000]), "cut off|damaged"),
        ("nine.wav", _content(encoded("wav", np.repeat(tone(0.5), 9, 0), layout="9 channels")), "9 channels"),
    ],
)
def test_what_cannot_be_heard_is_an_error_of_one_sentence(
    name: str, make: Any, says: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    make(path)
    with pytest.raises(AudioError, match=says) as raised:
        heard(path)
    message = str(raised.value)
    assert str(path) in message
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")  # FFmpeg and PyAV keep quiet


@pytest.mark.parametrize("rate", [4_000, 384_000])
def test_sample_rates_out_of_reason_are_refused(rate: int, tmp_path: Path) -> None:
    data = bytearray(encoded("wav", tone(1.0)))
    data[24:28] = rate.to_bytes(4, "little")
    (tmp_path / "odd.wav").write_bytes(data)
    with pytest.raises(AudioError, match=f"{rate} Hz"):
        heard(tmp_path / "odd.wav")


def test_a_playlist_in_disguise_opens_nothing(tmp_path: Path) -> None:
    written(tmp_path, "wav")
    disguised = tmp_path / "song.mp3"
    disguised.write_text("ffconcat version 1.0\nfile tone.wav\n", encoding="utf-8")
    with av.open(str(disguised)) as container:
        assert container.streams.audio, "the disguise no longer works, so that this test proves nothing"
    with pytest.raises(AudioError, match="not a recording"):
        heard(disguised)


def test_a_damaged_stretch_costs_only_itself(tmp_path: Path) -> None:
    path = written(tmp_path, "flac", seconds=20.0)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = os.urandom(2000)
    path.write_bytes(data)
    reports: Reports = []
    sound = heard(path, reports)
    assert sound.shape[1] == pytest.approx(20 * SAMPLE_RATE, abs=0.05 * SAMPLE_RATE)  # on the clock of a player
    assert rms(sound[:, -5 * SAMPLE_RATE :]) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)
    assert any("damaged" in what for what, _ in reports)
    assert all(5 < at_s < 15 for _, at_s in reports)


def test_lost_packets_become_silence_of_equal_length(tmp_path: Path) -> None:
    reports: Reports = []
    sound = heard(written(tmp_path, "webm", seconds=6.0, skip_s=(2.0, 3.5)), reports)
    assert sound.shape[1] == pytest.approx(6 * SAMPLE_RATE, abs=0.1 * SAMPLE_RATE)
    assert rms(sound[:, round(2.1 * SAMPLE_RATE) : round(3.4 * SAMPLE_RATE)]) < 1e-3
    assert rms(sound[:, 4 * SAMPLE_RATE :]) > 0.3
    ((what, at_s),) = reports
    assert "1.5 s" in what
    assert at_s == pytest.approx(2.0, abs=0.1)


def test_time_stamps_out_of_reason_make_no_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_GAP_S", 1.0)
    sound = heard(written(tmp_path, "webm", seconds=6.0, skip_s=(2.0, 3.5)))
    assert sound.shape[1] == pytest.approx(4.5 * SAMPLE_RATE, abs=0.1 * SAMPLE_RATE)


def test_a_film_that_begins_before_its_sound_keeps_the_players_clock(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as film:
        picture, sound = film.add_stream("mpeg4", rate=25), film.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
        for number in range(50):
            image = av.VideoFrame(32, 32, "yuv420p")
            image.pts = number
            film.mux(picture.encode(image))
        frame = av.AudioFrame.from_ndarray((tone(1.0) * 32767).astype(np.int16), "s16", "mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, 2 * SAMPLE_RATE
        for packet in (*picture.encode(None), *sound.encode(frame), *sound.encode(None)):
            film.mux(packet)
    reports: Reports = []
    heard_ = heard(path, reports)
    assert heard_.shape[1] == pytest.approx(3 * SAMPLE_RATE, abs=100)
    assert rms(heard_[:, : 2 * SAMPLE_RATE - 100]) == 0
    assert reports == []  # nothing is lost


def test_recordings_that_were_joined_are_heard_to_the_end(tmp_path: Path) -> None:
    whole = written(tmp_path, "ogg").read_bytes()
    (tmp_path / "joined.ogg").write_bytes(whole + whole)
    assert heard(tmp_path / "joined.ogg").shape[1] == pytest.approx(6 * SAMPLE_RATE, abs=0.1 * SAMPLE_RATE)


def test_a_recording_that_was_cut_off_is_heard_and_reported(tmp_path: Path) -> None:
    path = written(tmp_path, "flac", seconds=20.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    reports: Reports = []
    assert heard(path, reports).shape[1] == pytest.approx(10 * SAMPLE_RATE, abs=SAMPLE_RATE)
    assert any("cut off" in what and "20 s" in what for what, _ in reports)


def test_losses_that_nobody_asked_for_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path, "webm", seconds=6.0, skip_s=(2.0, 3.5))
    for _ in decode(path):
        pass
    assert "silence" in caplog.text


# The rest


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3", "m4a", "webm"])
def test_the_claimed_length(ending: str, tmp_path: Path) -> None:
    assert duration_s(written(tmp_path, ending)) == pytest.approx(3.0, abs=0.1)


def test_the_checksum(tmp_path: Path) -> None:
    path = written(tmp_path, "wav")
    assert sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(AudioError, match="does not exist"):
        sha256_of(tmp_path / "missing")


def test_nothing_is_left_open(tmp_path: Path) -> None:
    path = written(tmp_path, "wav")
    blocks: Iterator[Planes] = decode(path)
    next(blocks)
    blocks.close()  # type: ignore[attr-defined]  # a generator
    if sys.platform == "linux":
        assert str(path) not in {str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
