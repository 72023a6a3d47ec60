"""Does the voice detector lose words of real people? `python -m bench.detection [--data DIR]`.

The AMI clips (close microphones mixed, 30 s each) go through each detector and the segmenter, as loud as they are and
fainter. A word is lost if its middle lies outside all segments: no recogniser ever hears it. What is kept of the time
between words, pauses of a turn included, costs computing and may be taken for speech.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import soundfile

from audio.segmenter import FILE, segment
from audio.speech import SAMPLE_RATE, AudioChunk, Samples
from audio.vad import DETECTORS, Vad, detector
from bench.command import ROOT
from bench.report import circumstances, progress, table

DATA = ROOT.parent / "shared" / "data" / "audio" / "ami-30s"
FAINTER_DB = (0, -12, -24)
Words = Sequence[tuple[float, float]]  # start and end, seconds


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
    for name, raise_db, db in product(DETECTORS, (0.0, 24.0), FAINTER_DB):
        make = partial(detector, name, raise_db=raise_db)
        counts = [lost_and_kept(samples * np.float32(10 ** (db / 20)), words, make) for samples, words in known]
        lost, between, kept = (sum(column) for column in zip(*counts, strict=True))
        shares = f"{lost} of {total}", f"{lost / total:.1%}", f"{kept / between:.0%}"
        rows.append((f"{name}, faint sound raised" if raise_db else name, f"{db}", *shares))
    print(table(("detector", "dB", "words lost", "share", "kept between words"), rows))
    print(f"\n{circumstances()}")


if __name__ == "__main__":
    main()
