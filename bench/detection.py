"""Does the voice detector lose words of real people? `python -m bench.detection [--data DIR]`.

The AMI clips (close microphones mixed, 30 s each) go through each detector and the segmenter, as they are and changed
as microphones and rooms change them. A word is lost if its middle lies outside all segments: no recogniser ever hears
it. What is kept of the time between words, pauses of a turn included, costs computing and may be taken for speech.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from pathlib import Path

import numpy as np
import soundfile
import soxr

from audio.embedded.windows import coloured_noise
from audio.segmenter import FILE, segment
from audio.speech import SAMPLE_RATE, AudioChunk, Samples
from audio.vad import DETECTORS, Vad, detector
from bench.command import ROOT
from bench.report import circumstances, progress, table

DATA = ROOT.parent / "shared" / "data" / "audio" / "ami-30s"
LOUD_SHARE = 3  # of the frames, one in so many: what a noise is compared with
Words = Sequence[tuple[float, float]]  # start and end, seconds
Change = Callable[[Samples], Samples]


def fainter(by_db: float) -> Change:
    """By so many dB."""
    return lambda samples: np.asarray(samples * 10 ** (-by_db / 20), np.float32)


def offset(samples: Samples) -> Samples:
    """As cheap converters have it, -34 dBFS."""
    return np.asarray(samples + 0.02, np.float32)


def hum(samples: Samples) -> Samples:
    """Of the mains, -33 dBFS."""
    return (samples + 0.03 * np.sin(2 * np.pi * 50 * np.arange(len(samples)) / SAMPLE_RATE)).astype(np.float32)


def noisy(snr_db: float, slope: float) -> Change:
    """In noise with a power of 1 / f ** slope, so many dB below the loudest third."""

    def changed(samples: Samples) -> Samples:
        noise = coloured_noise(len(samples), slope, np.random.default_rng(0))
        powers = np.sort(np.square(samples[: len(samples) // 512 * 512].reshape(-1, 512)).mean(axis=1))
        loud = np.sqrt(powers[-len(powers) // LOUD_SHARE :].mean())
        return np.asarray(samples + noise * loud * 10 ** (-snr_db / 20), np.float32)

    return changed


def telephone(samples: Samples) -> Samples:
    """Nothing above 4 kHz."""
    narrow = soxr.resample(samples, SAMPLE_RATE, SAMPLE_RATE // 2)
    wide = np.zeros_like(samples)
    found = soxr.resample(narrow, SAMPLE_RATE // 2, SAMPLE_RATE)[: len(samples)]
    wide[: len(found)] = found
    return wide


CHANGES: dict[str, tuple[Change, ...]] = {
    "as it is": (),
    "12 dB fainter": (fainter(12),),
    "24 dB fainter": (fainter(24),),
    "4 kHz": (telephone,),
    "offset": (offset,),
    "hum": (hum,),
    "24 dB fainter, hum": (fainter(24), fainter(-20), hum, fainter(20)),
    "pink noise, 15 dB": (noisy(15, 1.0),),
    "white noise, 5 dB": (noisy(5, 0.0),),
    "white noise, 5 dB, all 24 dB fainter": (noisy(5, 0.0), fainter(24)),
}


def clips(folder: Path) -> Iterator[tuple[Samples, Words]]:
    """Sound and word times."""
    for path in sorted(folder.glob("*.flac")):
        rows = [line.split("\t") for line in path.with_suffix(".words.tsv").read_text().splitlines()[1:]]
        yield soundfile.read(path, dtype="float32")[0], [(float(start), float(end)) for start, end, *_ in rows]


def lost_and_kept(samples: Samples, words: Words, make: Callable[[], Vad]) -> tuple[int, int, int]:
    """Words outside all segments; samples between words, and how many of those lie in segments."""
    chunks = [AudioChunk(samples[i : i + SAMPLE_RATE], i) for i in range(0, len(samples), SAMPLE_RATE)]
    heard, spoken = np.zeros(len(samples), bool), np.zeros(len(samples), bool)
    for found in segment(chunks, make, FILE):
        heard[found.start : found.stop] = True
    for start_s, end_s in words:
        spoken[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)] = True
    middles = np.array([(start_s + end_s) / 2 * SAMPLE_RATE for start_s, end_s in words], np.int64)
    lost = ~heard[middles.clip(0, len(samples) - 1)]
    return int(lost.sum()), int((~spoken).sum()), int((heard & ~spoken).sum())


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of clips with word times")
    options = parser.parse_args()
    known = list(clips(options.data))
    if not known:
        progress(f"no clips at {options.data}")
        sys.exit(1)
    total = sum(len(words) for _, words in known)
    rows = []
    for label, changes in CHANGES.items():
        changed = [(reduce(lambda sound, change: change(sound), changes, samples), words) for samples, words in known]
        found = [label]
        makers: list[Callable[[], Vad]] = [*DETECTORS.values(), *(partial(detector, name) for name in DETECTORS)]
        for make in makers:
            counts = [lost_and_kept(samples, words, make) for samples, words in changed]
            lost, between, kept = (sum(column) for column in zip(*counts, strict=True))
            found.append(f"{lost / total:.1%} ({kept / between:.0%})")
        rows.append(found)
        progress(label)
    columns = [*DETECTORS, *(f"{name}, prepared" for name in DETECTORS)]
    print(table((f"of {total} words lost (kept between words)", *columns), rows))
    print(f"\n{circumstances()}")


if __name__ == "__main__":
    main()
