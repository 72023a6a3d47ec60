"""One system on one recording, in this process alone: `python -m bench.drive` for bench.transcription.

`whisper` and `ours` are their commands' own entry points, flags and files included. Nothing of a system is changed;
a stopwatch is put around the function that loads the model and, in ours, around the engine.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any


@dataclass
class Stopwatch:
    """The time spent in what it is put around."""

    spent_s: float = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.spent_s += time.perf_counter() - began

        return timed


@dataclass(frozen=True)
class Job:
    """What to run."""

    audio: Path
    model: Path  # a checkpoint, or for faster-whisper's pipeline a CTranslate2 folder
    compute_type: str
    beam_size: int
    threads: int
    condition_on_previous_text: str  # "True" or "False", for the `whisper` command; ours and the pipeline never do
    output: Path  # folder for the transcripts


@dataclass(frozen=True)
class Run:
    """What came out."""

    text: str
    windows: int  # that were decoded
    tokens: int  # written about them, timestamps included
    load_s: float  # loading the model
    engine_s: float | None = None  # spent in the model, where it is known
    alone_s: float = 0.0  # everything but imports and loading the model


def whisper_command(job: Job) -> Callable[[], Run]:
    """The `whisper` command."""
    whisper: Any = importlib.import_module("whisper")
    module: Any = importlib.import_module("whisper.transcribe")
    loading, results, decoded = Stopwatch(), list[Any](), list[Any]()
    whisper.load_model = loading.around(whisper.load_model)
    module.transcribe = _collecting(results, module.transcribe)
    whisper.Whisper.decode = _collecting(decoded, whisper.Whisper.decode, keep=lambda result: len(result.tokens))
    flags = {
        "model": job.model,
        "device": "cpu",
        "threads": job.threads,
        "beam_size": job.beam_size if job.beam_size > 1 else None,
        "temperature": 0,
        "temperature_increment_on_fallback": None,
        "condition_on_previous_text": job.condition_on_previous_text,
        "output_dir": job.output,
    }

    def run() -> Run:
        sys.argv = ["whisper", str(job.audio), *_spelled(flags)]
        module.cli()
        return Run(results[0]["text"], len(decoded), sum(decoded), loading.spent_s)

    return run


def faster_whisper_pipeline(job: Job) -> Callable[[], Run]:
    """faster-whisper's BatchedInferencePipeline with its defaults: voice detection, 8 windows a batch."""
    library = importlib.import_module("faster_whisper")
    loading = Stopwatch()

    def run() -> Run:
        load = loading.around(library.WhisperModel)
        model = load(str(job.model), device="cpu", compute_type=job.compute_type, cpu_threads=job.threads)
        pipeline, batches = library.BatchedInferencePipeline(model), list[Any]()
        pipeline.forward = _collecting(batches, pipeline.forward)
        segments = list(pipeline.transcribe(str(job.audio), beam_size=job.beam_size)[0])
        text = "".join(segment.text for segment in segments)
        return Run(text, sum(map(len, batches)), sum(len(segment.tokens) for segment in segments), loading.spent_s)

    return run


# The others only write down what is said: what costs time for speakers, memory and documents is switched off.
TEXT_ONLY = {
    "RAPPORTEUR_SPEAKERS_ENGINE": "off",
    "RAPPORTEUR_MEMORY_ENABLED": "false",
    "RAPPORTEUR_RETRIEVAL_PASSAGES": "false",
}


def our_command(engine: str) -> Callable[[Job], Callable[[], Run]]:
    """The `rapporteur` command with one of its engines."""

    def prepared(job: Job) -> Callable[[], Run]:
        build: Any = importlib.import_module("pipeline.build")
        cli: Any = importlib.import_module("pipeline.cli")
        cli.tame_libraries()  # as the command does before it imports torch
        importlib.import_module(f"audio.engines.{engine.replace('-', '_')}")  # imports count apart, as the rivals' do
        loading, recognising, batches = Stopwatch(), Stopwatch(), list[Any]()
        load = loading.around(build.load_engine)
        build.load_engine = lambda *args, **kwargs: _Watched(load(*args, **kwargs), recognising, batches)
        flags = {
            "model": job.model,
            "engine": engine,
            "device": "cpu",
            "compute_type": job.compute_type,
            "threads": job.threads,
            "beam_size": job.beam_size,
            "temperature": 0,
            "output_dir": job.output,
        }

        def run() -> Run:
            os.environ |= TEXT_ONLY
            sys.argv = ["rapporteur", "transcribe", str(job.audio), "--again", *_spelled(flags)]
            cli.main()
            windows = [window for batch in batches for window in batch]
            tokens = sum(len(segment.tokens) for window in windows for segment in window.segments)
            text = (job.output / f"{job.audio.stem}.txt").read_text(encoding="utf-8")
            return Run(text, len(windows), tokens, loading.spent_s, recognising.spent_s)

        return run

    return prepared


class _Watched:
    """An engine, timed."""

    def __init__(self, engine: Any, watch: Stopwatch, batches: list[Any]) -> None:
        self._engine, self._call = engine, watch.around(_collecting(batches, engine))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


def _collecting(
    results: list[Any], function: Callable[..., Any], *, keep: Callable[[Any], Any] = lambda result: result
) -> Callable[..., Any]:
    """The function, which leaves its results, or what to keep of them, also in the list."""

    def collecting(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        results.append(keep(result))
        return result

    return collecting


def _spelled(flags: dict[str, Any]) -> Sequence[str]:
    return [part for name, value in flags.items() for part in (f"--{name}", str(value))]


SYSTEMS: dict[str, Callable[[Job], Callable[[], Run]]] = {
    "whisper": whisper_command,
    "faster-whisper": faster_whisper_pipeline,
    "ours-openai-whisper": our_command("openai-whisper"),
    "ours-faster-whisper": our_command("faster-whisper"),
}


def main() -> None:
    """Import the system, run it, leave the report."""
    parser = argparse.ArgumentParser(description="Run one system on one recording and report how it went.")
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("--report", type=Path, required=True)
    for name, kind in Job.__annotations__.items():
        parser.add_argument(f"--{name}", type={"Path": Path, "int": int, "str": str}[kind], required=True)
    options = vars(parser.parse_args())
    system, report = SYSTEMS[options.pop("system")], options.pop("report")
    run = system(Job(**options))
    began = time.perf_counter()
    result = run()
    alone_s = time.perf_counter() - began - result.load_s
    report.write_text(json.dumps(asdict(replace(result, alone_s=alone_s))), encoding="utf-8")


if __name__ == "__main__":
    main()
