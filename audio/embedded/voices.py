"""Synthetic voices: a sentence in, 16 kHz speech out, by the flite and espeak-ng programs."""

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
    "gb-f3": Voice("espeak-ng", "en-gb+f3"),
}
_ESPEAK_WORDS_PER_MINUTE = 160


def _command(voice: Voice, text: str, stretch: float, wav: str) -> list[str]:
    if voice.program == "flite":
        return ["flite", "-voice", voice.name, "--setf", f"duration_stretch={stretch:.3f}", "-t", text, "-o", wav]
    speed = str(round(_ESPEAK_WORDS_PER_MINUTE / stretch))
    return ["espeak-ng", "-v", voice.name, "-s", speed, "-w", wav, "--", text]


def say(text: str, voice: str | Voice, stretch: float = 1.0) -> NDArray[np.float32]:
    """Speak `text` by one of VOICES or any other; shape (samples,), 16 kHz, peak 0.9, silence at the ends cut to 20 ms.

    Raises AudioError when the program is not installed or fails.
    """
    chosen = VOICES[voice] if isinstance(voice, str) else voice
    if shutil.which(chosen.program) is None:
        raise AudioError(f"{chosen.program} is not installed; on Debian: apt-get install {chosen.program}")
    with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
        done = subprocess.run(_command(chosen, text, stretch, wav.name), capture_output=True, check=False)
        if done.returncode != 0:
            raise AudioError(f"{chosen.program} could not speak: {done.stderr.decode(errors='replace').strip()}")
        samples, rate = soundfile.read(wav.name, dtype="float32")
    samples = soxr.resample(samples, rate, SAMPLE_RATE) if rate != SAMPLE_RATE else samples
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    margin = SAMPLE_RATE // 50
    samples = samples[max(0, loud[0] - margin) : loud[-1] + margin]
    spoken: NDArray[np.float32] = (samples * (0.9 / np.abs(samples).max())).astype(np.float32)
    return spoken


def _job(job: tuple[str, str, float]) -> NDArray[np.int16]:
    return (say(*job) * 32767).astype(np.int16)


def record(sentences: list[str], folder: Path, *, seed: int, processes: int = 2) -> None:
    """Speak every sentence, the voices in turn, tempo 0.85-1.15: `audio.npy` and `lines.json`.

    `audio.npy` is int16 of all sentences end to end; a line is [text, voice, start, stop] in samples.
    """
    rng = np.random.default_rng(seed)
    names = list(VOICES)
    jobs = [(s, names[i % len(names)], float(rng.uniform(0.85, 1.15))) for i, s in enumerate(sentences)]
    folder.mkdir(parents=True, exist_ok=True)
    pieces, lines, at = [], [], 0
    with ProcessPoolExecutor(processes) as pool:
        for (text, voice, _), piece in zip(jobs, pool.map(_job, jobs, chunksize=64), strict=True):
            pieces.append(piece)
            lines.append([text, voice, at, at + len(piece)])
            at += len(piece)
            if len(lines) % 1000 == 0:
                print(f"{len(lines)} of {len(jobs)} sentences, {at / SAMPLE_RATE / 3600:.2f} h", file=sys.stderr)
    np.save(folder / "audio.npy", np.concatenate(pieces))
    (folder / "lines.json").write_text(json.dumps(lines), encoding="utf-8")
