"""Ours against the `whisper` command and faster-whisper's batched pipeline: `python -m bench.transcription`.

Same checkpoint, same recording, same number of threads, no temperature fallback, every run in a process of its own,
the systems in turn. This process stays small: Linux counts what it holds into a child's peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import soundfile

from bench.command import ROOT, environment
from bench.report import circumstances, progress, table
from bench.score import MEETING, meeting_lines, word_error_rate

RANDOM = ("tiny", "base")  # checkpoints whose words mean nothing
THREADS = 2
QUICK_S = 60.0
HEADER = (
    "system",
    "WER",
    "process, s",
    "RTF",
    "recognition, s",
    "RTF",
    "outside the engine",
    "peak, MB",
    "windows",
    "tokens",
)


@dataclass(frozen=True)
class System:
    """A row of the table."""

    label: str
    name: str  # as bench.drive knows it
    compute_type: str = "float32"
    beam_size: int = 1


@dataclass(frozen=True)
class Recording:
    """What all systems hear."""

    path: Path
    duration_s: float
    text: str


@dataclass(frozen=True)
class Measured:
    """One run of one system."""

    process_s: float  # from its start to its end
    peak_mb: float
    report: dict[str, Any]  # a bench.drive.Run


WHISPER = System("`whisper` command, beam 5 (its default)", "whisper", beam_size=5)
WHISPER_GREEDY = System("`whisper` command, greedy", "whisper")
OURS_OPENAI = System("**ours, openai-whisper** (our defaults: greedy)", "ours-openai-whisper")
BATCHED = System("faster-whisper batched, beam 5 (its default)", "faster-whisper", beam_size=5)
BATCHED_INT8 = System("faster-whisper batched, beam 5, int8", "faster-whisper", "int8", 5)
BATCHED_GREEDY = System("faster-whisper batched, greedy", "faster-whisper")
BATCHED_GREEDY_INT8 = System("faster-whisper batched, greedy, int8", "faster-whisper", "int8")
OURS_FASTER = System("**ours, faster-whisper**, float32", "ours-faster-whisper")
OURS_FASTER_INT8 = System("**ours, faster-whisper** (our defaults: greedy, int8)", "ours-faster-whisper", "int8")
SYSTEMS = (
    WHISPER,
    WHISPER_GREEDY,
    OURS_OPENAI,
    BATCHED,
    BATCHED_GREEDY,
    OURS_FASTER,
    BATCHED_INT8,
    BATCHED_GREEDY_INT8,
    OURS_FASTER_INT8,
)
RIVALS = {
    OURS_OPENAI: (WHISPER, WHISPER_GREEDY),
    OURS_FASTER: (BATCHED, BATCHED_GREEDY),
    OURS_FASTER_INT8: (BATCHED_INT8, BATCHED_GREEDY_INT8),
}


def compare(checkpoint: str, recording: Recording, repeats: int, work: Path) -> dict[System, list[Measured]]:
    """All runs with one checkpoint, the systems in turn so that what disturbs the machine disturbs all of them."""
    command = [sys.executable, "-m", "bench.checkpoints", checkpoint, str(work)]
    models = json.loads(subprocess.check_output(command, cwd=ROOT))
    conditioned = checkpoint not in RANDOM  # a prompt would shift the positions that a random model counts by
    runs: dict[System, list[Measured]] = {system: [] for system in SYSTEMS}
    for repeat in range(repeats):
        for system, measured in runs.items():
            model = models[system.compute_type if system.name == "faster-whisper" else "pt"]
            measured.append(measure(system, recording, model, conditioned=conditioned, work=work))
            progress(f"{checkpoint} {repeat + 1}/{repeats} {system.label}: {measured[-1].process_s:.1f} s")
    return runs


def measure(system: System, recording: Recording, model: str, *, conditioned: bool, work: Path) -> Measured:
    """Run one system once; raises CalledProcessError where it fails."""
    report = work / "report.json"
    job = {
        "audio": recording.path,
        "model": model,
        "compute_type": system.compute_type,
        "beam_size": system.beam_size,
        "threads": THREADS,
        "condition_on_previous_text": conditioned,
        "output": work / "out",
        "report": report,
    }
    flags = [part for name, value in job.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "bench.drive", system.name, *flags]
    settings = {**environment(work), "OMP_NUM_THREADS": str(THREADS)}
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8"
    )
    with process:
        complaint = process.stderr.read() if process.stderr else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    process_s = time.perf_counter() - began
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=complaint)
    unit = 1e6 if sys.platform == "darwin" else 1e3  # ru_maxrss is in bytes there and in kB elsewhere
    return Measured(process_s, usage.ru_maxrss / unit, json.loads(report.read_text(encoding="utf-8")))


def rows(runs: dict[System, list[Measured]], recording: Recording, *, scored: bool) -> Iterator[Sequence[str]]:
    """The table's rows: medians of the repeats."""
    for system, measured in runs.items():
        first = measured[0].report
        process_s, alone_s = median(m.process_s for m in measured), _alone_s(measured)
        inside = [m.report["engine_s"] / m.report["alone_s"] for m in measured if m.report["engine_s"] is not None]
        yield (
            system.label,
            f"{word_error_rate(recording.text, first['text']):.1%}" if scored else "-",
            f"{process_s:.1f}",
            f"{process_s / recording.duration_s:.3f}",
            f"{alone_s:.1f}",
            f"{alone_s / recording.duration_s:.3f}",
            f"{1 - median(inside):.1%}" if inside else "-",
            f"{median(m.peak_mb for m in measured):.0f}",
            str(first["windows"]),
            str(first["tokens"]),
        )


def speedups(runs: dict[System, list[Measured]]) -> Iterator[Sequence[str]]:
    """How many times faster ours is, the whole process and the recognition alone."""
    for ours, theirs in ((ours, rival) for ours, rivals in RIVALS.items() for rival in rivals):
        process = median(m.process_s for m in runs[theirs]) / median(m.process_s for m in runs[ours])
        alone = _alone_s(runs[theirs]) / _alone_s(runs[ours])
        yield f"{ours.label} against {theirs.label}", f"{process:.2f}x", f"{alone:.2f}x"


def _alone_s(measured: Sequence[Measured]) -> float:
    return float(median(m.report["alone_s"] for m in measured))


def recording(seconds: float | None, work: Path) -> Recording:
    """The sample meeting, or its utterances of the first seconds."""
    sound, rate = soundfile.read(MEETING, dtype="float32")
    lines = [line for line in meeting_lines() if seconds is None or line.end_s <= seconds]
    path, text = MEETING, " ".join(line.text for line in lines)
    if seconds is not None:
        path = work / "beginning.flac"
        sound = sound[: int((lines[-1].end_s + 0.1) * rate)]
        soundfile.write(path, sound, rate)
    return Recording(path, len(sound) / rate, text)


def main() -> None:
    """Measure and print the report."""
    parser = argparse.ArgumentParser(description="Measure ours against the whisper command and faster-whisper.")
    parser.add_argument("--quick", action="store_true", help=f"once, {QUICK_S:.0f} s of sound, embedded model only")
    parser.add_argument("--checkpoints", nargs="+", default=["embedded", *RANDOM], help="or paths of .pt files")
    parser.add_argument("--seconds", type=float, help="only the first part of the recording")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    if shutil.which("ffmpeg") is None:
        sys.exit("the whisper command reads sound through ffmpeg: install it (Debian: apt-get install ffmpeg)")
    if options.quick:
        options.checkpoints, options.repeat = options.checkpoints[:1], 1
        options.seconds = options.seconds or QUICK_S
    with tempfile.TemporaryDirectory() as folder:
        heard = recording(options.seconds, Path(folder))
        print(f"{circumstances()} {THREADS} threads, {heard.duration_s:.0f} s of sound, medians of {options.repeat}.\n")
        for checkpoint in options.checkpoints:
            runs = compare(checkpoint, heard, options.repeat, Path(folder))
            print(f"### Checkpoint: {Path(checkpoint).name}\n")
            print(table(HEADER, rows(runs, heard, scored=checkpoint not in RANDOM)), end="\n\n")
            print(table(("speed", "process", "recognition"), speedups(runs)), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
