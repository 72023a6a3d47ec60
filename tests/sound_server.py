"""A PulseAudio of the tests' own, with sinks that no hardware is needed for; recorded through PortAudio."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from audio.portaudio import devices
from audio.speech import AudioError

CONFIG = """load-module module-native-protocol-unix auth-anonymous=1
load-module module-null-sink sink_name=meet rate=48000 channels=2 sink_properties=device.description=Speakers
load-module module-null-sink sink_name=mic rate=44100 channels=1 sink_properties=device.description=Cable
load-module module-remap-source source_name=desk master=mic.monitor source_properties=device.description=Desk
set-default-sink meet
set-default-source desk
"""


class SoundServer:
    """The server's process, which a test may freeze, kill and start again."""

    def __init__(self, folder: Path) -> None:
        self._script = folder / "pulse.pa"
        self._script.write_text(CONFIG)
        self._process: subprocess.Popen[bytes] | None = None
        self._readers: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Returns when it answers. Two readers keep its sinks from rendering seconds ahead."""
        self._process = subprocess.Popen(
            ["pulseaudio", "-n", "-F", str(self._script), "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until_s = time.monotonic() + 20
        while subprocess.run(["pactl", "info"], capture_output=True, timeout=20, check=False).returncode:
            assert time.monotonic() < until_s, "pulseaudio does not start"
            time.sleep(0.05)
        for sink in ("meet", "mic"):
            self.keep_alive(sink)

    def keep_alive(self, sink: str) -> None:
        """A reader of the sink's monitor."""
        command = ["parec", "-d", f"{sink}.monitor", "--latency-msec=20", "--rate=16000", "--channels=1"]
        self._readers.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def play(self, path: Path, sink: str) -> subprocess.Popen[bytes]:
        """Play a wav file, not waiting for its end."""
        return subprocess.Popen(["paplay", f"--device={sink}", str(path)], stderr=subprocess.DEVNULL)

    def pactl(self, *arguments: str) -> str:
        """One command to the server."""
        return subprocess.run(["pactl", *arguments], capture_output=True, timeout=20, check=True).stdout.decode()

    def signal(self, number: int) -> None:
        """Freeze it, wake it, or kill it."""
        assert self._process
        self._process.send_signal(number)

    def stop(self) -> None:
        """End all that was started here."""
        for process in (*self._readers, *filter(None, [self._process])):
            with suppress(OSError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
        self._readers.clear()
        self._process = None


def unavailable() -> str:
    """Why the sound system cannot be tested here; "" where it can."""
    missing = [program for program in ("pulseaudio", "pactl", "parec", "paplay") if not shutil.which(program)]
    if missing:
        return f"not installed: {' '.join(missing)} (make system installs them on Debian)"
    return ""


def private_server(folder: Path) -> Iterator[SoundServer]:
    """A running server that only this process and its children see; skips the test where PortAudio cannot reach it."""
    if reason := unavailable():
        pytest.skip(reason)
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    places = {"XDG_RUNTIME_DIR": runtime, "HOME": folder, "PULSE_RUNTIME_PATH": runtime / "pulse"}
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PULSE_")]:
            patch.delenv(name)
        for name, path in places.items():
            patch.setenv(name, str(path))
        server = SoundServer(folder)
        try:
            server.start()
            try:
                found = devices()
            except AudioError as error:
                pytest.skip(str(error))
            if not any(device.pulse_source for device in found):
                pytest.skip("PortAudio does not see PulseAudio (on Debian: apt-get install libasound2-plugins)")
            yield server
        finally:
            server.stop()
