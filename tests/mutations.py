"""Damaged recordings and the process that listens to them: `python -m tests.mutations COUNT SEED FOLDER`.

Each mutant is named on stdout before it is decoded and judged after, so a crash says which one it was.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import av
import numpy as np

from audio.decode import decode
from audio.speech import AudioError

CONTAINERS = {  # file ending -> container, codec
    "wav": ("wav", "pcm_s16le"),
    "flac": ("flac", "flac"),
    "mp3": ("mp3", "libmp3lame"),
    "ogg": ("ogg", "flac"),
    "opus": ("ogg", "libopus"),
    "webm": ("webm", "libopus"),
    "m4a": ("mp4", "aac"),
    "wma": ("asf", "wmav2"),
}
RATE_HZ = 48_000  # the one rate that all of these codecs take
MEMORY_BYTES = 2 * 2**30
TIME_LIMIT_S = 5


def recording(ending: str, seconds: float = 2.0) -> bytes:
    """A tone that fades into noise, as a file."""
    container, codec = CONTAINERS[ending]
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    noise = np.random.default_rng(1).normal(0, 0.1, len(time_s)) * time_s / seconds
    sound = np.sin(2 * np.pi * 440 * time_s) * 0.3 + noise
    file = BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=RATE_HZ, layout="mono", bit_rate=64_000)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(sound.astype(np.float32)[None], "fltp", "mono")
        frame.sample_rate, frame.pts = RATE_HZ, 0
        for packet in (*stream.encode(frame), *stream.encode(None)):
            output.mux(packet)
    return file.getvalue()


def mutant(original: bytes, rng: random.Random) -> bytes:
    """The file with some bytes changed, swapped, doubled or cut off; headers suffer as often as sound."""
    data = bytearray(original)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        end = max(1, rng.choice((64, 512, len(data))))
        at = rng.randrange(min(end, len(data)) or 1)
        match rng.randrange(6):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                data[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
            case 2:
                del data[at + 1 :]
            case 3:
                del data[at : at + rng.randrange(1, 64)]
            case 4:
                data[at:at] = data[at : at + rng.randrange(1, 4096)]
            case 5:
                other, size = rng.randrange(len(data)), rng.randrange(1, 256)
                here, there = data[at : at + size], data[other : other + size]
                data[at : at + size], data[other : other + size] = there, here
        if not data:
            break
    return bytes(data)


def mutants(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`count` of them with their names, the formats in turn."""
    rng = random.Random(seed)
    originals = {ending: recording(ending) for ending in CONTAINERS}
    for number in range(count):
        ending = list(CONTAINERS)[number % len(CONTAINERS)]
        yield f"{number}.{ending}", mutant(originals[ending], rng)


def main() -> None:
    """Decode them all, in little memory; one that takes too long ends the process."""
    import resource

    count, seed, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for name, data in mutants(count, seed):
        path = folder / name
        path.write_bytes(data)
        print(name, end=" ", flush=True)
        signal.alarm(TIME_LIMIT_S)
        began = time.monotonic()
        try:
            heard = sum(block.shape[1] for block in decode(path, report=lambda message, at_s: None))
            print("heard", heard, end=" ")
        except AudioError:
            print("refused 0", end=" ")
        signal.alarm(0)
        print(f"{time.monotonic() - began:.2f}", flush=True)
        path.unlink()


if __name__ == "__main__":
    main()
