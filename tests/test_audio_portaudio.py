"""Real devices: a PulseAudio without hardware, recorded through PortAudio."""

from __future__ import annotations

import io
import queue
import signal
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from audio import pickup, portaudio
from audio.devices import DeviceInput
from audio.link import WatchOptions
from audio.live import Incident
from audio.portaudio import Pickup, choose, devices
from audio.speech import SAMPLE_RATE, AudioError, Samples
from audio.streams import Device, Ended
from tests.sound_server import SoundServer, private_server

PATIENCE_S = 20.0  # for a busy machine; what is tested is usually there within two


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SoundServer]:
    yield from private_server(tmp_path)


class Listening:
    """A live input drained by a thread, as the recorder would."""

    def __init__(self, named: dict[str, Device], *, zeros_s: float = 10.0) -> None:
        self.told: list[tuple[float, Incident]] = []
        self.sound: dict[str, list[Samples]] = {name: [] for name in named}
        self.live = DeviceInput(
            named,
            WatchOptions(zeros_s=zeros_s),
            open_stream=partial(Pickup, block_ms=20),
            notify=lambda incident: self.told.append((time.monotonic(), incident)),
        )
        self._thread = threading.Thread(target=self._drain)
        self._thread.start()
        wait_for(lambda: len(self.live.levels()) == len(named), "all sources deliver")

    def _drain(self) -> None:
        for chunk in self.live.chunks():
            self.sound[chunk.source].append(chunk.samples)

    def heard(self, name: str) -> Samples:
        return np.concatenate([np.zeros(0, np.float32), *self.sound[name]])

    def when_told(self, part: str, *, since_s: float = 0.0) -> float:
        """When something was told; waits for it. A source that was late at the start also "gives sound again"."""
        found: list[float] = []

        def look() -> bool:
            found[:] = [at_s for at_s, incident in self.told if at_s >= since_s and part in incident.message]
            return bool(found)

        wait_for(look, f"it is told: {part}; so far {[incident.message for _, incident in self.told]}")
        return found[0]

    def stop(self) -> None:
        self.live.stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until_s, f"not in {PATIENCE_S} s: {what}"
        time.sleep(0.02)


@pytest.fixture
def listen() -> Iterator[Callable[..., Listening]]:
    started: list[Listening] = []

    def begin(*wanted: str, zeros_s: float = 10.0) -> Listening:
        started.append(Listening(choose(wanted, devices()), zeros_s=zeros_s))
        return started[-1]

    yield begin
    for listening in started:
        listening.stop()


def noise(folder: Path, seed: int, *, seconds: float = 2.0) -> tuple[Path, Samples]:
    """Sound that is like nothing but itself, as a wav file and as samples."""
    rough = np.random.default_rng(seed).normal(0, 0.2, round(seconds * SAMPLE_RATE))
    pcm = np.rint(np.convolve(rough, np.hanning(9) / 4, "same") * 32767).clip(-32768, 32767).astype("<i2")
    path = folder / f"noise-{seed}.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(pcm.tobytes())
    return path, pcm.astype(np.float32) / np.float32(32768)


def correlation(heard: Samples, sound: Samples) -> tuple[float, int]:
    """How alike the sound is to the best place in what was heard, and where that is."""
    if len(heard) < len(sound):
        return 0.0, 0
    size = len(heard) + len(sound)
    lags = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sound, size)), size)[
        : len(heard) - len(sound) + 1
    ]
    at = int(np.abs(lags).argmax())
    piece = heard[at : at + len(sound)]
    return float(piece @ sound) / max(float(np.linalg.norm(piece) * np.linalg.norm(sound)), 1e-9), at


def play_whole(server: SoundServer, path: Path, sink: str) -> None:
    player = server.play(path, sink)
    assert player.wait(PATIENCE_S) == 0
    time.sleep(0.5)  # the server's buffers


def test_devices_are_listed_by_the_names_that_their_owner_knows(server: SoundServer) -> None:
    found = devices()
    assert [(device.name, device.kind, device.default) for device in found] == [
        ("Desk", "microphone", True),
        ("Monitor of Speakers", "far side", True),
        ("Monitor of Cable", "far side", False),
    ]
    assert list(choose(["microphone", "speakers"], found)) == ["microphone", "speakers"]
    assert list(choose(["me=Desk"], found)) == ["me"]
    with pytest.raises(AudioError, match='"monitor" fits 2 devices'):
        choose(["monitor"], found)
    with pytest.raises(AudioError, match='no device "lamp"; there are: Desk, Monitor of'):
        choose(["lamp"], found)


def test_two_sources_at_once_are_captured_whole_and_apart(
    server: SoundServer, listen: Callable[..., Listening], tmp_path: Path
) -> None:
    far, far_sound = noise(tmp_path, 1)
    near, near_sound = noise(tmp_path, 2)
    listening = listen("far=meet.monitor", "near=mic.monitor")
    before = len(listening.told)  # a busy machine may be late with the first block, and says so
    players = [server.play(far, "meet"), server.play(near, "mic")]
    assert [player.wait(PATIENCE_S) for player in players] == [0, 0]
    time.sleep(0.5)
    listening.stop()
    for name, own, other in (("far", far_sound, near_sound), ("near", near_sound, far_sound)):
        heard = listening.heard(name)
        alike, at = correlation(heard, own)
        assert alike > 0.9
        for part in range(0, len(own) - 8000, 8000):  # every half second where it belongs, none missing or moved
            piece, offset = correlation(heard[at + part - 160 : at + part + 8160], own[part : part + 8000])
            assert piece > 0.9
            assert abs(offset - 160) <= 80
        assert correlation(heard, other)[0] < 0.3
    assert not listening.told[before:]


def test_an_unplugged_device_is_told_within_two_seconds_and_recorded_again_at_its_new_rate(
    server: SoundServer, listen: Callable[..., Listening], tmp_path: Path
) -> None:
    path, sound = noise(tmp_path, 3)
    listening = listen("far=meet.monitor", "near=mic.monitor")
    module = next(
        line.split()[0] for line in server.pactl("list", "short", "modules").splitlines() if "sink_name=meet" in line
    )
    unplugged_s = time.monotonic()
    server.pactl("unload-module", module)
    assert listening.when_told("Monitor of Speakers is lost", since_s=unplugged_s) - unplugged_s <= 2.0
    server.pactl("load-module", "module-null-sink", "sink_name=meet", "rate=16000", "channels=1")
    server.keep_alive("meet")
    listening.when_told("gives sound again", since_s=unplugged_s)
    play_whole(server, path, "meet")
    listening.stop()
    assert correlation(listening.heard("far"), sound)[0] > 0.9
    lengths = [len(listening.heard(name)) / SAMPLE_RATE for name in ("far", "near")]
    assert lengths[0] == pytest.approx(lengths[1], abs=1.0)  # the gap has its length


def test_a_server_that_is_killed_is_told_and_recorded_again_when_it_is_back(
    server: SoundServer, listen: Callable[..., Listening], tmp_path: Path
) -> None:
    path, sound = noise(tmp_path, 4)
    listening = listen("far=meet.monitor")
    killed_s = time.monotonic()
    server.signal(signal.SIGKILL)
    assert listening.when_told("is lost", since_s=killed_s) - killed_s <= 2.0
    wait_for(lambda: not listening.live.levels(), "it is not shown as being recorded")
    server.stop()
    server.start()
    listening.when_told("gives sound again", since_s=killed_s)
    play_whole(server, path, "meet")
    listening.stop()
    assert correlation(listening.heard("far"), sound)[0] > 0.9
    [lost] = [incident.message for _, incident in listening.told if "missing" in incident.message]
    assert lost


def test_a_frozen_server_is_told_within_two_seconds_and_recorded_again_when_it_thaws(
    server: SoundServer, listen: Callable[..., Listening], tmp_path: Path
) -> None:
    path, sound = noise(tmp_path, 5)
    listening = listen("far=meet.monitor")
    frozen_s = time.monotonic()
    server.signal(signal.SIGSTOP)
    assert 0.5 < listening.when_told("stopped giving sound", since_s=frozen_s) - frozen_s <= 2.0
    wait_for(lambda: not listening.live.levels(), "it is not shown as being recorded")
    time.sleep(1.0)
    server.signal(signal.SIGCONT)
    listening.when_told("gives sound again", since_s=frozen_s)
    play_whole(server, path, "meet")
    listening.stop()
    assert correlation(listening.heard("far"), sound)[0] > 0.9
    assert len(listening.heard("far")) / SAMPLE_RATE == pytest.approx(time.monotonic() - frozen_s, abs=1.5)


def test_a_device_that_gives_exact_zeros_is_told(server: SoundServer, listen: Callable[..., Listening]) -> None:
    listening = listen("near=mic.monitor", zeros_s=1.0)
    listening.when_told("nothing has been played on Monitor of Cable")
    listening.stop()
    assert any("nothing but digital silence in all of it" in incident.message for _, incident in listening.told)
    assert not listening.heard("near").any()


def test_a_device_that_does_not_exist_is_an_error_and_not_a_wait(server: SoundServer) -> None:
    gone = Device("Lamp", "microphone", port="pulse", host_api="ALSA", pulse_source="lamp")
    live = DeviceInput({"lamp": gone}, open_stream=partial(Pickup, block_ms=20))
    with pytest.raises(AudioError, match="Lamp cannot be recorded"):
        next(live.chunks())


def test_without_portaudio_one_sentence_names_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.setattr(
        "audio.portaudio._environment", lambda pulse_source="": {"PYTHONPATH": f"{tmp_path}:{Path.cwd()}"}
    )
    with pytest.raises(AudioError, match=r"PortAudio is not installed.*apt-get install libportaudio2"):
        devices()


def test_where_we_are_installed_no_package_comes_before_pythons_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert portaudio._environment()["PYTHONPATH"] == str(Path(portaudio.__file__).parents[1])
    monkeypatch.setattr(portaudio, "__file__", str(tmp_path / "audio" / "portaudio.py"))
    assert portaudio._environment()["PYTHONPATH"] == ""


def test_a_torn_last_message_of_a_killed_process_is_left_out() -> None:
    header = pickup.HEADER.pack(pickup.BLOCK, 1.0, 4)
    pipe = io.BytesIO(header + b"abcd" + header + b"abc")
    assert list(portaudio._messages(pipe)) == [(pickup.BLOCK, 1.0, b"abcd")]


def test_the_rate_is_told_before_a_device_that_delivers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream:
        def __init__(self, *, callback: Any, finished_callback: Callable[[], None], **_: Any) -> None:
            self._callback, self._finished = callback, finished_callback

        def start(self) -> None:
            self._callback(b"\0\0\0\0", 1, None, None)
            self._finished()

    fake = ModuleType("sounddevice")
    vars(fake).update(
        RawInputStream=Stream,
        query_devices=lambda index, kind: {"default_samplerate": 48_000.0, "max_input_channels": 2},
    )
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    silent = SimpleNamespace(read=lambda size: threading.Event().wait())  # a real one cannot be closed while it is read
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=silent))
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    pickup.capture({"port": None, "host_api": "", "pulse_source": "", "block_ms": 20}, messages)
    assert [messages.get()[0] for _ in range(3)] == [pickup.STARTED, pickup.BLOCK, pickup.ENDED]


def test_a_process_that_cannot_be_started_is_a_device_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portaudio, "_command", lambda *arguments: ["/no/such/python"])
    told: list[Any] = []
    stream = Pickup(Device("Desk", "microphone", port="desk"), told.append, block_ms=20)
    stream.finish()
    stream.kill()
    assert told == [Ended("its process cannot be started: No such file or directory")]
