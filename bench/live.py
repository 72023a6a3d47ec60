"""Live captions, ours and rivals': `python -m bench.live [--seconds 60] [--systems ...] [--rival-python PATH]`.

Same checkpoint, same recording played at 1x, two cores, every system in a process of its own; its computing time
counts, because what is stamped is when a text comes out. `bench.soak` looks at long meetings.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import soundfile

from bench.command import ROOT, environment
from bench.lag import Frame, Lags, measure, spoken
from bench.report import circumstances, progress, table
from bench.score import MEETING
from pipeline.events import Hearing, Opened, Said, Trouble, from_line

CORES = 2
START_S = 120.0  # that a system may take to load
RANDOM = ("tiny", "base")  # checkpoints whose words mean nothing
HEADER = (
    "system", "first shown, s", "settled p50, s", "p95, s", "never settled", "revised", "of it firm", "WER",
    "CPU s per s", "peak, MB", "audio after the end, s",
)  # fmt: skip


@dataclass(frozen=True)
class System:
    """A row of the table."""

    label: str
    model: str  # which form of the checkpoint it reads: "pt", "int8" or "float32"
    flags: tuple[str, ...] = ()  # of `rapporteur listen`
    rival: str = ""  # as bench/rival.py knows it


def _ours(engine: str, policy: str, *more: str) -> System:
    label = " ".join([f"**ours**, {engine}, {policy}", *(m.removeprefix("--") for m in more)])
    return System(label, "pt", ("--engine", engine, "--policy", policy, *more))


SYSTEMS: Mapping[str, System] = {
    "ours-ct2-agreement": _ours("faster-whisper", "local-agreement"),
    "ours-ct2-alignatt": _ours("faster-whisper", "align-att"),
    "ours-openai-agreement": _ours("openai-whisper", "local-agreement"),
    "ours-openai-alignatt": _ours("openai-whisper", "align-att"),
    "ours-ct2-full-window": _ours("faster-whisper", "local-agreement", "--window", "full"),
    "wlk-localagreement": System("WhisperLiveKit, LocalAgreement", "pt", rival="wlk-localagreement"),
    "wlk-simulstreaming": System("WhisperLiveKit, AlignAtt", "pt", rival="wlk-simulstreaming"),
    "wlk-localagreement-ct2": System(
        "WhisperLiveKit, LocalAgreement, CTranslate2", "int8", rival="wlk-localagreement-ct2"
    ),
    "realtimestt": System("RealtimeSTT", "pt", rival="realtimestt"),
}  # fmt: skip


@dataclass(frozen=True)
class Ran:
    """One run of one system."""

    frames: tuple[Frame, ...]
    cpu_s: float
    peak_mb: float
    after_end_s: float  # from the end of the audio to the last text
    troubles: tuple[str, ...]  # what ours told


def run(system: System, models: Mapping[str, str], recording: Path, *, home: Path, python: Path) -> Ran:
    """Play the recording to the system; raises CalledProcessError where it fails."""
    model, settings = models[system.model], environment(home)
    if system.rival:
        command = [str(python), str(ROOT / "bench" / "rival.py"), system.rival, model, str(recording)]
        settings |= {"OMP_NUM_THREADS": str(CORES)}
    else:
        named = "embedded" if models["name"] == "embedded" else model
        command = [sys.executable, "-m", "pipeline.cli", "listen", "--from-file", str(recording), "--json"]
        command += ["--model", named, "--threads", str(CORES), "--language", "en", "--output-dir", "", *system.flags]
    with (home / "errors").open("w+b") as errors:
        process = subprocess.Popen(command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, stderr=errors)
        assert process.stdout
        limit = Timer(START_S + 4 * soundfile.info(recording).duration, process.kill)  # some never come to an end
        limit.start()
        lines = ((time.monotonic(), line.decode()) for line in process.stdout)
        began, frames, troubles = _theirs(lines) if system.rival else _ours_shown(lines)
        _, status, usage = os.wait4(process.pid, 0)
        limit.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or not frames:
            errors.seek(0)
            said = errors.read().decode(errors="replace")
            raise subprocess.CalledProcessError(process.returncode, command, stderr=said)
    shown = tuple(Frame(frame.at_s - began, frame.firm, frame.loose) for frame in frames)
    length_s = soundfile.info(recording).duration
    unit = 1e6 if sys.platform == "darwin" else 1e3
    cpu_s = usage.ru_utime + usage.ru_stime
    return Ran(shown, cpu_s, usage.ru_maxrss / unit, shown[-1].at_s - length_s, tuple(troubles))


Stamped = Iterator[tuple[float, str]]
Shown = tuple[float, list[Frame], list[str]]


def _theirs(lines: Stamped) -> Shown:
    began, frames = 0.0, list[Frame]()
    for at_s, line in lines:
        if line.strip() == "begin":
            began = at_s
        with suppress(json.JSONDecodeError):
            state = json.loads(line)
            frames.append(Frame(at_s, state["firm"], state["loose"]))
    return began, frames, []


def _ours_shown(lines: Stamped) -> Shown:
    """The screen of `--json`: final text in the order of the meeting, then what is being said."""
    began, frames, troubles = 0.0, list[Frame](), list[str]()
    said: dict[float, str] = {}
    for at_s, line in lines:
        firm = loose = ""
        match from_line(line):
            case Opened():
                began = at_s
                continue
            case Said(utterance):
                if not utterance.suppressed:
                    said[utterance.start_s] = utterance.text
            case Hearing(hypothesis):
                firm = "".join(word.text for word in hypothesis.words[: hypothesis.firm])
                loose = "".join(word.text for word in hypothesis.words[hypothesis.firm :])
            case Trouble(message):
                troubles.append(message)
                continue
            case _:
                continue
        frames.append(Frame(at_s, " ".join([*(said[start] for start in sorted(said)), firm]), loose))
    return began, frames, troubles


def row(system: System, ran: Ran, lags: Lags, length_s: float, *, scored: bool) -> Sequence[str]:
    """Of the table."""
    return (
        system.label,
        f"{lags.shown:.2f}" if scored else "-",
        f"{lags.settled:.2f}" if scored else "-",
        f"{lags.settled_p95:.2f}" if scored else "-",
        f"{lags.missing:.1%}" if scored else "-",
        f"{lags.revised:.2f}",
        f"{lags.firm_revised:.2f}",
        f"{lags.wer:.1%}" if scored else "-",
        f"{ran.cpu_s / length_s:.2f}",
        f"{ran.peak_mb:.0f}",
        f"{ran.after_end_s:.1f}",
    )


def main() -> None:
    """Measure and print the report."""
    parser = argparse.ArgumentParser(description="Measure live captions, ours and others'.")
    parser.add_argument("--seconds", type=float, default=240.0, help="of the sample meeting")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--checkpoint", default="embedded", help=f"embedded, {', '.join(RANDOM)} (random), or a path")
    parser.add_argument("--rival-python", type=Path, help="interpreter of the environment that holds the rivals")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # inherited by all that is run
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        prepare = [sys.executable, "-m", "bench.checkpoints", options.checkpoint, str(home)]
        models = {**json.loads(subprocess.check_output(prepare, cwd=ROOT)), "name": options.checkpoint}
        sound, rate = soundfile.read(MEETING, dtype="float32")
        said = spoken(options.seconds)
        sound = sound[: int((said[-1].end_s + 1.0) * rate)]
        soundfile.write(recording := home / "beginning.wav", sound, rate)
        length_s = len(sound) / rate
        print(f"{circumstances()} {CORES} cores, {length_s:.0f} s at 1x, checkpoint {options.checkpoint}.\n")
        print(table(HEADER, ()), flush=True)
        notes = []
        for name in options.systems:
            system = SYSTEMS[name]
            if system.rival and not options.rival_python:
                notes.append(f"{system.label}: absent, no --rival-python was given.")
                continue
            progress(name)
            try:
                ran = run(system, models, recording, home=home, python=options.rival_python or Path())
            except subprocess.CalledProcessError as error:
                notes.append(f"{system.label}: failed: {(error.stderr or '').strip().splitlines()[-1:]}")
                continue
            found = row(system, ran, measure(ran.frames, said), length_s, scored=options.checkpoint not in RANDOM)
            print(f"| {' | '.join(found)} |", flush=True)
            notes += [f"{system.label}: {trouble}." for trouble in ran.troubles]
        print("", *notes, sep="\n\n")


if __name__ == "__main__":
    main()
