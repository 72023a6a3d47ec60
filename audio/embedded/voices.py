"""Synthetic voices: a sentence in, 16 kHz speech and its phones out, by flite and espeak-ng."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from audio.embedded import espeak
from audio.embedded.phones import PAUSE, PHONES, Phone, arpabet, labels, of_espeak
from audio.speech import SAMPLE_RATE, AudioError


@dataclass(frozen=True)
class Voice:
    """One synthetic speaker: the program that speaks and the name it knows the voice by."""

    program: str  # "flite" or "espeak-ng"
    name: str


VOICES = {
    "slt": Voice("flite", "slt"),
    "rms": Voice("flite", "rms"),
    "awb": Voice("flite", "awb"),
    "kal16": Voice("flite", "kal16"),
    "us-m3": Voice("espeak-ng", "en-us+m3"),
    "gb-f3": Voice("espeak-ng", "en+f3"),  # espeak-ng leaves the variant out where the language is called en-gb
}
TAUGHT = ("slt", "rms", "awb", "gb-f3")  # the voices that the embedded model learns
_ESPEAK_WORDS_PER_MINUTE = 160


@dataclass(frozen=True)
class Spoken:
    """A spoken sentence, without silence before and after it."""

    samples: NDArray[np.float32]  # (n,), 16 kHz, peak 0.9
    phones: tuple[Phone, ...]  # their ends in samples


def say(text: str, voice: str, stretch: float = 1.0) -> NDArray[np.float32]:
    """The samples of `speak`."""
    return speak(text, voice, stretch).samples


def speak(text: str, voice: str, stretch: float = 1.0) -> Spoken:
    """Speak `text`; silence at both ends is cut to 20 ms.

    Raises AudioError when the program is not installed or fails.
    """
    chosen = VOICES[voice]
    make = _flite if chosen.program == "flite" else _espeak
    samples, rate, phones = make(text, chosen.name, stretch)
    samples = soxr.resample(samples, rate, SAMPLE_RATE) if rate != SAMPLE_RATE else samples
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    margin = SAMPLE_RATE // 50
    first = max(0, int(loud[0]) - margin)
    samples = samples[first : loud[-1] + margin]
    spoken = (samples * (0.9 / np.abs(samples).max())).astype(np.float32)
    return Spoken(spoken, tuple(Phone(number, round(end_s * SAMPLE_RATE) - first) for number, end_s in phones))


def _flite(text: str, voice: str, stretch: float) -> tuple[NDArray[np.float32], int, list[tuple[int, float]]]:
    if shutil.which("flite") is None:
        raise AudioError("flite is not installed; on Debian: apt-get install flite")
    with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
        command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch:.3f}", "-psdur", "-t", text]
        done = subprocess.run([*command, "-o", wav.name], capture_output=True, check=False)
        if done.returncode != 0:
            raise AudioError(f"flite could not speak: {done.stderr.decode(errors='replace').strip()}")
        samples, rate = soundfile.read(wav.name, dtype="float32")
    pairs = (phone.rpartition(":") for phone in done.stdout.decode().split())
    return samples, rate, [(arpabet(name), float(end_s)) for name, _, end_s in pairs]


def _espeak(text: str, voice: str, stretch: float) -> tuple[NDArray[np.float32], int, list[tuple[int, float]]]:
    samples, begins, rate = espeak.speak(text, voice, round(_ESPEAK_WORDS_PER_MINUTE / stretch))
    ends = [begin for _, begin in begins[1:]] + [len(samples)]
    phones = [(of_espeak(name), end / rate) for (name, _), end in zip(begins, ends, strict=True)]
    return (samples / np.float32(32768)).astype(np.float32), rate, [(PHONES.index(PAUSE), begins[0][1] / rate), *phones]


def _job(job: tuple[str, str, float]) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    spoken = speak(*job)
    return (spoken.samples * 32767).astype(np.int16), labels(spoken.phones, len(spoken.samples))


def record(sentences: list[str], folder: Path, *, seed: int, processes: int = 2) -> None:
    """Speak every sentence, the taught voices in turn, tempo 0.85-1.15: `audio.npy`, `phones.npy` and `lines.json`.

    `audio.npy` is int16 of all sentences end to end, `phones.npy` a phone of each of their 20-ms frames; a line is
    [text, voice, start, stop, first frame], `start` and `stop` in samples.
    """
    rng = np.random.default_rng(seed)
    jobs = [(s, TAUGHT[i % len(TAUGHT)], float(rng.uniform(0.85, 1.15))) for i, s in enumerate(sentences)]
    folder.mkdir(parents=True, exist_ok=True)
    pieces, frames, lines, at, frame = [], [], [], 0, 0
    with ProcessPoolExecutor(processes) as pool:
        for (text, voice, _), (piece, spoken) in zip(jobs, pool.map(_job, jobs, chunksize=64), strict=True):
            pieces.append(piece)
            frames.append(spoken)
            lines.append([text, voice, at, at + len(piece), frame])
            at, frame = at + len(piece), frame + len(spoken)
            if len(lines) % 1000 == 0:
                print(f"{len(lines)} of {len(jobs)} sentences, {at / SAMPLE_RATE / 3600:.2f} h", file=sys.stderr)
    np.save(folder / "audio.npy", np.concatenate(pieces))
    np.save(folder / "phones.npy", np.concatenate(frames))
    (folder / "lines.json").write_text(json.dumps(lines), encoding="utf-8")
