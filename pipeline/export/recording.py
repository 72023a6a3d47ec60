"""The recording as a page plays it: inside the page as MP3, or linked where it lies."""

from __future__ import annotations

import io
import os
from base64 import b64encode
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

import av

from audio.sources import file_source
from audio.speech import SAMPLE_RATE, Samples

# MP3: the one speech-sized format that every browser plays, Safari and Chromium without licensed codecs included.
# Constant rate, because players seek in it to the frame (36 ms).
BIT_RATE = 32_000  # bit/s, mono at 16 kHz
_EFFORT = "7"  # of LAME, 0 tries hardest: half the time of its default, 5 (0.29 s instead of 0.63 s for 120 s)


def embedded_megabytes(duration_s: float) -> float:
    """How much a page grows by a recording inside it: base64 writes 3 bytes as 4 letters."""
    return duration_s * BIT_RATE / 8 * 4 / 3 / 1e6


@lru_cache(maxsize=1)  # the transcript's page and the minutes' hold the same sound
def embed(recording: Path, sha256: str) -> str:
    """A data URL that plays the recording whose bytes have this sum; raises AudioError where it cannot be read."""
    chunks = file_source(recording, report=lambda *_: None)  # what it lost was reported when it was transcribed
    return f"data:audio/mpeg;base64,{b64encode(_mp3(chunk.samples for chunk in chunks)).decode('ascii')}"


def link(recording: Path, folder: Path) -> str:
    """The relative URL of the recording for a page in `folder`."""
    path = os.path.relpath(recording.absolute(), folder.absolute())
    return quote(os.fsencode(path.replace(os.sep, "/")))


def _mp3(blocks: Iterable[Samples]) -> bytes:
    """The 16 kHz blocks of shape (n,) as a file."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("mp3", rate=SAMPLE_RATE, layout="mono", options={"compression_level": _EFFORT})
        stream.bit_rate = BIT_RATE
        for block in blocks:
            frame = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
