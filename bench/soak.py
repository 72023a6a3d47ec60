"""Hours of a live meeting in less time, or noise on which nobody speaks: `python -m bench.soak [--hours 2] [--pace 8]`.

The sample meeting is heard again and again by one live session; memory and lag are noted along the way. A decoder takes
and gives back some 50 MB with every utterance, so a chance look says little: noted is the least and the most memory
between two rows, and growth is that of the least, which is what is kept. With `--noise` it hears silence, white and
pink noise instead, and a single shown word is a failure. The exit code is 1 where a limit is broken.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from audio.speech import SAMPLE_RATE
from bench.command import ROOT, environment
from bench.report import circumstances, progress, table
from bench.score import MEETING
from pipeline.events import Hearing, Reached, Said, from_line

GROWTH_MB_PER_HOUR = 1.0
WARM_UP = 0.25  # of the run, before growth is counted
PIECES = 20  # of the table


@dataclass(frozen=True)
class Sample:
    """A stretch of the meeting, as the process was in it."""

    heard_s: float  # at its end
    lag_s: float  # of the audio's clock behind the wall's
    memory_mb: float  # resident, the least of it
    peak_mb: float


def meeting(hours: float) -> Iterator[NDArray[np.int16]]:
    """The sample again and again."""
    sound, _ = soundfile.read(MEETING, dtype="int16")
    left = int(hours * 3600 * SAMPLE_RATE)
    while left > 0:
        yield sound[:left]
        left -= len(sound)


def noise(hours: float) -> Iterator[NDArray[np.int16]]:
    """Ten seconds each of silence, white and pink noise at four loudnesses, in turn."""
    rng, left, n = np.random.default_rng(0), int(hours * 3600 * SAMPLE_RATE), 10 * SAMPLE_RATE
    while left > 0:
        for db in (-60, -40, -26, -14):
            white = rng.standard_normal(n)
            spectrum = np.fft.rfft(rng.standard_normal(n)) / np.sqrt(np.maximum(1, np.arange(n // 2 + 1)))
            pink = np.fft.irfft(spectrum, n)
            for sound in (np.zeros(n), white, pink):
                rms = float(np.sqrt(np.mean(sound**2))) or 1.0
                yield np.clip(sound / rms * 10 ** (db / 20) * 32767, -32768, 32767).astype(np.int16)
                left -= n


def written(pieces: Iterator[NDArray[np.int16]], path: Path) -> float:
    """The pieces as one file; its length in seconds."""
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, "PCM_16") as file:
        for piece in pieces:
            file.write(piece)
        return float(file.tell() / SAMPLE_RATE)


def soak(recording: Path, home: Path, pace: float, *, every_s: float) -> tuple[list[Sample], int]:
    """Samples along the way, and words shown (provisional ones, too)."""
    command = [sys.executable, "-m", "pipeline.cli", "listen", "--from-file", str(recording), "--pace", str(pace)]
    command += ["--json", "--model", "embedded", "--output-dir", "", "--stop-after-silence-min", "0"]
    samples, looks, words, began = list[Sample](), list[float](), 0, 0.0
    with subprocess.Popen(command, cwd=ROOT, env=environment(home), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            began = began or time.monotonic()
            match from_line(line):
                case Hearing(hypothesis):
                    words += len(hypothesis.text.split())
                case Said(utterance) if not utterance.suppressed:
                    words += len(utterance.text.split())
                case Reached(sample=sample):
                    heard_s = sample / SAMPLE_RATE
                    if memory_mb := resident_mb(process.pid):  # 0: it has ended, its last lines wait
                        looks.append(memory_mb)
                    if looks and heard_s >= (samples[-1].heard_s if samples else 0) + every_s:
                        lag_s = time.monotonic() - began - heard_s / pace
                        samples.append(Sample(heard_s, lag_s, min(looks), max(looks)))
                        looks = []
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return samples, words


def resident_mb(pid: int) -> float:
    """Memory of a process on Linux; 0 where it is over."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def slope(samples: list[Sample], of: str) -> float:
    """Growth an hour of the meeting, by least squares, without the warm-up."""
    warm = [s for s in samples if s.heard_s > WARM_UP * samples[-1].heard_s]
    hours = [s.heard_s / 3600 for s in warm]
    return float(np.polyfit(hours, [getattr(s, of) for s in warm], 1)[0]) if len(warm) > 2 else float("nan")


def main() -> None:
    """Run, print the report, and fail where a limit is broken."""
    parser = argparse.ArgumentParser(description="Let a live session run for long.")
    parser.add_argument("--hours", type=float, help="of sound; default: 2, with --noise 0.5")
    parser.add_argument("--pace", type=float, default=8.0)
    parser.add_argument("--noise", action="store_true")
    options = parser.parse_args()
    hours = options.hours or (0.5 if options.noise else 2.0)
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "long.wav"
        length_s = written((noise if options.noise else meeting)(hours), recording)
        progress(f"{length_s / 3600:.2f} hours at {options.pace:g}x")
        samples, words = soak(recording, Path(folder), options.pace, every_s=length_s / PIECES)
    print(f"{circumstances()} {length_s / 60:.0f} minutes at {options.pace:g}x.\n")
    if options.noise:
        print(f"Words shown, provisional ones included: {words}")
        sys.exit(bool(words))
    rows = [(f"{s.heard_s / 60:.0f}", f"{s.lag_s:.1f}", f"{s.memory_mb:.1f}", f"{s.peak_mb:.0f}") for s in samples]
    print(table(("minute", "lag, s", "memory, MB", "most, MB"), rows))
    growth, lag = slope(samples, "memory_mb"), slope(samples, "lag_s")
    print(f"\nAfter warm-up memory grows by {growth:.2f} MB and lag by {lag:.2f} s an hour of the meeting.")
    sys.exit(not growth <= GROWTH_MB_PER_HOUR)


if __name__ == "__main__":
    main()
