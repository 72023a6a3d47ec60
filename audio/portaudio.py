"""Devices through PortAudio: which there are, by the names their owners know, and streams from them.

PortAudio runs in processes of its own (`pickup.py`), so nothing here needs it to be installed until it is used.
PulseAudio and PipeWire are one device to PortAudio; their sources are listed by `pactl` and chosen by environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from audio import pickup
from audio.speech import AudioError
from audio.streams import Block, Device, Ended, Kind, Post, Started

ANSWER_S = 8.0  # for a sound system to list its devices; one that is frozen never does
MISSING = (
    "PortAudio is not installed, and live capture needs it: on Debian or Ubuntu `apt-get install libportaudio2 "
    "libasound2-plugins pulseaudio-utils`, elsewhere `pip install --force-reinstall sounddevice`"
)
MICROPHONE, SPEAKERS = "microphone", "speakers"  # the default ones, in settings
# What programs call a device that gives back what the computer plays.
_PLAYED = (
    "[loopback]",
    "stereo mix",
    "what u hear",
    "blackhole",
    "soundflower",
    "vb-cable",
    "cable output",
    "loopback",
)
_ONE_FOR_ALL = ("pulse", "pipewire")  # PortAudio's names for all of PulseAudio or PipeWire


def devices() -> list[Device]:
    """All that can be recorded here, microphones first. Raises AudioError where PortAudio is missing or hangs."""
    ports = _ports()
    server = next((port for name in _ONE_FOR_ALL for port in ports if port["name"] == name), None)
    found = list(_pulse_sources(server)) if server else []
    if not found:
        found = [_device(port) for port in ports]
    return sorted(found, key=lambda device: (device.kind != "microphone", not device.default, device.name))


def _ports() -> list[dict[str, Any]]:
    try:
        done = subprocess.run(
            _command("list"),
            env=_environment(),
            capture_output=True,
            timeout=ANSWER_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        answer = json.loads(done.stdout or b"{}")
    except subprocess.TimeoutExpired:
        raise AudioError(
            f"the sound system did not say within {ANSWER_S:.0f} s which devices there are; start it again"
        ) from None
    except ValueError:
        answer = {}
    if "devices" not in answer:
        reason = answer.get("error", "it ended without a word")
        raise AudioError(MISSING if "PortAudio library" in reason else f"PortAudio does not work here: {reason}")
    ports: list[dict[str, Any]] = answer["devices"]
    return ports


def is_played(name: str) -> bool:
    """Whether a device or a track of this name is what the computer plays."""
    return name == SPEAKERS or any(word in name.lower() for word in _PLAYED)


def _device(port: Mapping[str, Any]) -> Device:
    name = port["name"]
    return Device(
        name=name,
        kind="far side" if is_played(name) else "microphone",
        port=name,
        host_api=port["host_api"],
        channels=port["channels"],
        rate_hz=port["rate_hz"],
        default=port["default"],
        silent_when_idle="[loopback]" in name.lower(),
    )


def _pulse_sources(server: Mapping[str, Any]) -> Iterator[Device]:
    """The sources of PulseAudio or PipeWire; none where `pactl` is missing or the server does not answer."""
    microphone, speakers = _pactl("get-default-source").strip(), _pactl("get-default-sink").strip()
    try:
        listed = json.loads(_pactl("--format=json", "list", "sources") or "[]")
    except ValueError:  # older than PulseAudio 16
        listed = []
    for source in listed:
        monitored = source.get("monitor_source") or ""  # of a monitor: the sink that it listens to
        far = source["name"].endswith(".monitor") or bool(monitored)
        kind: Kind = "far side" if far else "microphone"
        channels, rate_hz = _specification(source.get("sample_specification", ""))
        yield Device(
            name=source.get("description") or source["name"],
            kind=kind,
            port=server["name"],
            host_api=server["host_api"],
            channels=channels,
            rate_hz=rate_hz,
            pulse_source=source["name"],
            default=source["name"] == (f"{speakers}.monitor" if far else microphone),
        )


def _specification(text: str) -> tuple[int, float]:
    """Channels and Hz of such as "s16le 2ch 44100Hz"."""
    parts = dict.fromkeys(text.split())
    channels = next((int(part[:-2]) for part in parts if part.endswith("ch") and part[:-2].isdecimal()), 1)
    rate_hz = next((float(part[:-2]) for part in parts if part.endswith("Hz") and part[:-2].isdecimal()), 44_100.0)
    return channels, rate_hz


def _pactl(*arguments: str) -> str:
    try:
        done = subprocess.run(["pactl", *arguments], capture_output=True, timeout=ANSWER_S / 2, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")


def choose(wanted: Sequence[str], found: Sequence[Device]) -> dict[str, Device]:
    """Track name -> device for what the user wants: "microphone", "speakers", a part of a name, or "me=that".

    "microphone" is the default one, "speakers" what the default speakers play. Raises AudioError for what fits no
    device or several.
    """
    chosen: dict[str, Device] = {}
    for wish in wanted:
        label, equals, what = wish.rpartition("=")
        device = _match(what.strip(), found)
        name = label.strip() if equals else (what.strip() if what.strip() in (MICROPHONE, SPEAKERS) else device.name)
        if name in chosen or device in chosen.values():
            raise AudioError(f"{wish} is there twice; name two different devices, or record just one")
        chosen[name] = device
    if not chosen:
        raise AudioError("no device is named; set capture.devices, `rapporteur devices` lists them")
    return chosen


def _match(what: str, found: Sequence[Device]) -> Device:
    if what in (MICROPHONE, SPEAKERS):
        kind = "microphone" if what == MICROPHONE else "far side"
        of_kind = [device for device in found if device.kind == kind]
        device = next((device for device in of_kind if device.default), of_kind[0] if of_kind else None)
        if device is None:
            raise AudioError(NO_MICROPHONE if kind == "microphone" else no_far_side())
        return _following(device) if device.default else device
    fitting = [device for device in found if what in (device.name, device.pulse_source)]
    fitting = fitting or [device for device in found if what.lower() in f"{device.name} {device.pulse_source}".lower()]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(device.name for device in fitting or found) or "none"
    raise AudioError(
        f'"{what}" fits {len(fitting)} devices, give more of the name: {names}'
        if fitting
        else f'there is no device "{what}"; there are: {names}'
    )


NO_MICROPHONE = "there is no microphone; connect one, or name a device of `rapporteur devices` in capture.devices"
_NO_FAR_SIDE = {
    "linux": "what the speakers play cannot be recorded here; install pulseaudio-utils, for PulseAudio or PipeWire",
    "darwin": "macOS keeps what the speakers play to itself; install a virtual device such as BlackHole and play to it",
    "win32": "there is no [Loopback] device here; switch on Stereo Mix, or install a virtual cable and play to it",
}


def no_far_side() -> str:
    """What this system lacks to record what it plays."""
    return _NO_FAR_SIDE.get(sys.platform, _NO_FAR_SIDE["linux"])


def _following(device: Device) -> Device:
    """The default device, whichever it is when the stream is opened again; monitors have no such name."""
    if device.kind == "far side":
        return replace(device, pulse_source=pickup.DEFAULT_MONITOR, follows=True) if device.pulse_source else device
    if device.pulse_source:
        return replace(device, pulse_source="", follows=True)
    return replace(device, port=None, follows=True)


class Pickup:
    """A Stream: a process that holds the device, and a thread that reads what it says."""

    def __init__(self, device: Device, post: Post, *, block_ms: int) -> None:
        wanted: dict[str, Any] = {"port": device.port, "host_api": device.host_api, "pulse_source": device.pulse_source}
        wanted |= {"block_ms": block_ms}
        self._process: subprocess.Popen[bytes] | None = None
        try:
            process = subprocess.Popen(
                _command("capture", json.dumps(wanted)),
                env=_environment(device.pulse_source),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:  # no memory, say; in a meeting it is tried again, and the other devices go on
            post(Ended(f"its process cannot be started: {error.strerror}"))
            return
        self._process = process
        threading.Thread(target=self._read, args=(process, post), name=f"pickup {device.name}", daemon=True).start()

    def finish(self) -> None:
        """Its standard input ends, and so does the program when all is said."""
        if self._process and self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def kill(self) -> None:
        """The process alone is killed; the thread sees its output end."""
        if self._process:
            self._process.kill()
        self.finish()

    def _read(self, process: subprocess.Popen[bytes], post: Post) -> None:
        assert process.stdout
        channels, reason = 1, "its process was killed"
        with process.stdout as pipe:
            for kind, at_s, payload in _messages(pipe):
                if kind == pickup.STARTED:
                    started = json.loads(payload)
                    channels = started["channels"]
                    post(Started(started["rate_hz"]))
                elif kind == pickup.BLOCK:
                    planes = np.frombuffer(payload, "<i2").reshape(-1, channels)
                    post(Block(planes.mean(axis=1, dtype=np.float32) / np.float32(32768), at_s))
                else:
                    reason = payload.decode(errors="replace")
        process.wait()
        self.finish()
        post(Ended(reason))


def _messages(pipe: IO[bytes]) -> Iterator[tuple[bytes, float, bytes]]:
    while len(header := pipe.read(pickup.HEADER.size)) == pickup.HEADER.size:
        kind, at_s, length = pickup.HEADER.unpack(header)
        payload = pipe.read(length)
        if len(payload) == length:  # else the process was killed while it wrote
            yield kind, at_s, payload


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "audio.pickup", *arguments]  # -P: nothing of the folder it starts in


def _environment(pulse_source: str = "") -> dict[str, str]:
    """Ours with the source to listen to, and with this source tree first, so that the program is of the same version.

    Where we are installed, the tree is all that is: put first, some package's backport would hide Python's own module.
    """
    tree = Path(__file__).parents[1]
    path = [str(tree)] if (tree / "pyproject.toml").exists() else []
    path += filter(None, [os.environ.get("PYTHONPATH")])
    chosen = {"PULSE_SOURCE": pulse_source} if pulse_source else {}
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), **chosen}
