"""The program that holds one device open: a process of its own between PortAudio and the rest.

A sound system can hang where it is closed, forgets new devices until it is started again, and writes to the terminal;
in a process of its own that costs nobody else anything, and its callback never waits for the recogniser. It ends
when standard input does, that is also when its parent is killed. It imports little, so that it starts at once.

`python -m audio.pickup list` prints the devices as JSON; `... capture '{"port": ...}'` writes messages to standard
output, each a header and its payload.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
from typing import Any

HEADER = struct.Struct("<cdI")  # kind, monotonic seconds, bytes of the payload
STARTED, BLOCK, ENDED = b"S", b"B", b"E"  # {"rate_hz", "channels"}; int16, interleaved; the reason in words
LOOK_S = 0.7  # between looks at whether the server still has the source
LAST_WORDS_S = 1.0  # for what was captured to leave after standard input ended

DEFAULT_MONITOR = "@DEFAULT_MONITOR@"  # PulseAudio's own word for what the default speakers play
Message = tuple[bytes, float, bytes]


def listing() -> dict[str, Any]:
    """All inputs that PortAudio knows, and which of them is its default."""
    import sounddevice

    apis = sounddevice.query_hostapis()
    default = sounddevice.default.device[0]
    found = [
        {
            "name": device["name"],
            "host_api": apis[device["hostapi"]]["name"],
            "channels": device["max_input_channels"],
            "rate_hz": device["default_samplerate"],
            "default": device["index"] == default,
        }
        for device in sounddevice.query_devices()
        if device["max_input_channels"] > 0
    ]
    return {"devices": found, "portaudio": sounddevice.get_portaudio_version()[1]}


def capture(wanted: dict[str, Any], messages: queue.SimpleQueue[Message | None]) -> None:
    """Feed `messages` until standard input ends or the stream does; None ends them."""
    port, host_api = wanted["port"], wanted["host_api"]
    source = _resolved(wanted["pulse_source"])
    if source and (named := _pulse_port(source)):
        port = named
    import sounddevice

    def heard(data: Any, frames: int, times: Any, status: Any) -> None:
        messages.put((BLOCK, time.monotonic(), bytes(data)))

    over = threading.Event()
    index = _index(sounddevice, port, host_api)
    device = sounddevice.query_devices(index, "input")
    rate_hz = device["default_samplerate"]
    channels = max(1, min(2, device["max_input_channels"]))
    stream = sounddevice.RawInputStream(
        samplerate=rate_hz,
        blocksize=round(rate_hz * wanted["block_ms"] / 1000),
        device=index,
        channels=channels,
        dtype="int16",
        callback=heard,
        finished_callback=over.set,
    )
    # first, for a device may deliver before `start` is over
    messages.put((STARTED, time.monotonic(), json.dumps({"rate_hz": rate_hz, "channels": channels}).encode()))
    stream.start()
    asked = threading.Event()

    def await_end() -> None:
        while sys.stdin.buffer.read(64):
            pass
        asked.set()
        over.set()
        time.sleep(LAST_WORDS_S)
        os._exit(0)  # the sound system may never let go

    threading.Thread(target=await_end, daemon=True).start()
    reason = ""
    while not over.wait(LOOK_S) and not reason:
        reason = _moved(wanted["pulse_source"], source) if source else ""
    if asked.is_set():
        stream.stop()
        reason = ""
    elif not reason:
        reason = "the sound system has taken it away"
    messages.put((ENDED, time.monotonic(), reason.encode()))


def _resolved(source: str) -> str:
    """The name of the source now: that of what the default speakers play changes with them."""
    if source != DEFAULT_MONITOR:
        return source
    speakers = (_pactl("get-default-sink") or "").strip()
    if not speakers:
        raise ValueError("there are no speakers")
    return f"{speakers}.monitor"


def _moved(wanted: str, source: str) -> str:
    """Why this is not what is recorded any more, "" where it is.

    A server moves the streams of a source that is unplugged to any other, without a word; what others say would then
    be recorded from the microphone.
    """
    sources = _pactl("list", "short", "sources")
    if sources is None:
        return ""
    if source not in (line.split("\t")[1] for line in sources.splitlines() if line.count("\t") > 1):
        return "it was unplugged"
    if wanted == DEFAULT_MONITOR and (speakers := (_pactl("get-default-sink") or "").strip()):
        return "" if source == f"{speakers}.monitor" else "the speakers were changed"
    return ""


def _pactl(*arguments: str) -> str | None:
    """What the server answers; None where it does not."""
    try:
        done = subprocess.run(["pactl", *arguments], capture_output=True, timeout=LOOK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout.decode(errors="replace")


def _pulse_port(source: str) -> str:
    """A device of ALSA's for exactly this source, "" where ALSA's settings are not where they usually are.

    It could not come from an earlier name in the environment, PULSE_SOURCE, which the user may have set.
    """
    usual = os.environ.get("ALSA_CONFIG_PATH", "/usr/share/alsa/alsa.conf")
    if sys.platform != "linux" or not os.path.exists(usual.partition(":")[0]):  # noqa: PTH110 - pathlib would cost a tenth of the start
        return ""
    quoted = json.dumps(source)
    settings = os.memfd_create("rapporteur")  # a file that nobody need remove
    os.write(settings, f'pcm.rapporteur {{ type pulse device {quoted} hint {{ show on description "" }} }}\n'.encode())
    os.environ["ALSA_CONFIG_PATH"] = f"{usual}:/proc/self/fd/{settings}"
    return "rapporteur"


def _index(sounddevice: Any, port: str | None, host_api: str) -> int | None:
    """PortAudio's number for a device, which changes with what is plugged in; None is the default."""
    if port is None:
        return None
    apis = sounddevice.query_hostapis()
    for device in sounddevice.query_devices():
        same = device["name"] == port and apis[device["hostapi"]]["name"] == host_api
        if same and device["max_input_channels"] > 0:
            return int(device["index"])
    raise ValueError("it is not connected")


def _write(messages: queue.SimpleQueue[Message | None]) -> None:
    """Messages to standard output; where nobody reads any more there is nothing left to do."""
    try:
        while message := messages.get():
            kind, at_s, payload = message
            sys.stdout.buffer.write(HEADER.pack(kind, at_s, len(payload)) + payload)
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        os._exit(0)


def main() -> None:
    """Whatever goes wrong is told in the same way, for the parent decides what to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the parent
    if sys.argv[1] == "list":
        try:
            print(json.dumps(listing()))
        except Exception as error:  # noqa: BLE001 - the edge of a process
            print(json.dumps({"error": _words(error)}))
        return
    messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    writer = threading.Thread(target=_write, args=(messages,))
    writer.start()
    try:
        capture(json.loads(sys.argv[2]), messages)
    except Exception as error:  # noqa: BLE001 - the edge of a process
        messages.put((ENDED, time.monotonic(), _words(error).encode()))
    messages.put(None)
    writer.join()
    os._exit(0)  # without PortAudio's own farewell, which may hang


def _words(error: Exception) -> str:
    """PortAudio's errors carry its own words first and then numbers."""
    return str(error.args[0] if error.args else error).strip().rstrip(".") or type(error).__name__


if __name__ == "__main__":
    main()
