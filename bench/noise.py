"""Hours in which nobody speaks: `python -m bench.noise` counts the words that are heard nevertheless; none may be.

Silence, white and pink noise at several levels, recorded music and birdsong, each kind for so many minutes,
its variants one after the other, go through the whole command.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from audio.embedded.texts import words
from audio.speech import SAMPLE_RATE, Samples
from bench.command import ROOT, shown_utterances
from bench.report import circumstances, progress, table

SHARED_AUDIO = ROOT.parent / "shared" / "data" / "audio"
LEVELS_DB = (-60, -40, -26, -14)  # RMS relative to full scale: a quiet room to a waterfall
PINK_PERIOD = 2**22  # samples, 4 min; noise made in the spectrum joins its own beginning without a seam
SPOKEN = ("male", "female")  # labels in inaSpeechSegmenter's tables

Make = Callable[[int], Samples]  # number of samples -> sound


@dataclass(frozen=True)
class Heard:
    """One row of the table."""

    name: str
    minutes: float
    utterances: int
    words: int


def synthetic() -> dict[str, dict[str, Make]]:
    """Kind -> variant -> sound that needs no recording."""
    return {
        "silence": {"zeros": lambda length: np.zeros(length, np.float32)},
        "white noise": {f"{level} dB": _noise(_white, level) for level in LEVELS_DB},
        "pink noise": {f"{level} dB": _noise(_pink, level) for level in LEVELS_DB},
    }


def recorded(folder: Path) -> dict[str, dict[str, Make]]:
    """Kind -> variant -> looped recordings; of the mix of music, noise and speech only what no table calls speech."""
    others, bird = folder / "non-speech", "456440__inspectorj__bird-whistling-robin-single-13"
    return {
        "music": {
            "jazz": _looped(_read(others / "Kevin_MacLeod_-_Vibe_Ace.ogg")),
            "music and noise": _looped(_without_speech(folder / "inaspeech" / "musanmix.mp3")),
        },
        "birdsong": {"robin": _looped(_read(others / f"{bird}.ogg"))},
    }


def listen(kinds: dict[str, dict[str, Make]], minutes: float, *flags: str) -> Iterator[Heard]:
    """Run the command over `minutes` of every kind, shared among its variants."""
    with tempfile.TemporaryDirectory() as home:
        paths: dict[str, Path] = {}
        for kind, variants in kinds.items():
            each = minutes / len(variants)
            for variant, make in variants.items():
                name = f"{kind}, {variant}"
                paths[name] = Path(home, f"{len(paths)}.flac")
                soundfile.write(paths[name], make(round(each * 60 * SAMPLE_RATE)), SAMPLE_RATE)
        progress(f"listening to {len(paths)} recordings")
        shown = shown_utterances(list(paths.values()), Path(home), *flags)
        for name, path in paths.items():
            said = shown[path.name]
            count = sum(len(words(utterance.text)) for utterance in said)
            yield Heard(name, soundfile.info(path).duration / 60, len(said), count)


def _noise(spectrum: Callable[[np.random.Generator], Samples], level_db: float) -> Make:
    def make(length: int) -> Samples:
        noise = spectrum(np.random.default_rng(abs(round(level_db))))
        return np.resize(np.clip(noise * 10 ** (level_db / 20) / noise.std(), -1, 1), length).astype(np.float32)

    return make


def _white(rng: np.random.Generator) -> Samples:
    return rng.standard_normal(PINK_PERIOD, np.float32)


def _pink(rng: np.random.Generator) -> Samples:
    """Power falling as 1/f."""
    shape = np.arange(1, PINK_PERIOD // 2 + 2) ** -0.5
    return np.fft.irfft(np.fft.rfft(_white(rng)) * shape).astype(np.float32)


def _looped(sound: Samples) -> Make:
    return lambda length: np.resize(sound, length)


def _read(path: Path) -> Samples:
    """Mixed to one channel at 16 kHz, shape (n,)."""
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mixed: Samples = soxr.resample(sound.mean(1), rate, SAMPLE_RATE)
    return mixed


def _without_speech(path: Path) -> Samples:
    """The recording without what one of the tables beside it calls a voice."""
    sound = _read(path)
    silent = np.ones(len(sound), bool)
    for name in path.parent.glob(f"{path.stem}-*.csv"):
        with name.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                if row["labels"] in SPOKEN:
                    silent[round(float(row["start"]) * SAMPLE_RATE) : round(float(row["stop"]) * SAMPLE_RATE)] = False
    return sound[silent]


def main() -> None:
    """Listen and print the table; exit code 1 where a word was heard."""
    parser = argparse.ArgumentParser(description="Count the words that are heard where nobody speaks.")
    parser.add_argument("--minutes", type=float, default=60, help="of every kind")
    parser.add_argument("--audio", type=Path, default=SHARED_AUDIO, help="folder with non-speech/ and inaspeech/")
    parser.add_argument("--model", default="embedded", help="or the path of a checkpoint")
    options = parser.parse_args()
    kinds = synthetic()
    if options.audio.is_dir():
        kinds |= recorded(options.audio)
    else:
        print(f"There are no recordings in {options.audio}: music and birdsong are left out.\n")
    heard = list(listen(kinds, options.minutes, "--model", options.model))
    rows = [(one.name, f"{one.minutes:.1f}", str(one.utterances), str(one.words)) for one in heard]
    print(f"{circumstances()}\n")
    print(table(("sound", "minutes", "utterances shown", "words"), rows))
    sys.exit(int(any(one.words or one.utterances for one in heard)))


if __name__ == "__main__":
    main()
