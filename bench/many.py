"""Very many made voices: variants of espeak-ng that nobody wrote, half drawn freely, half bent from those it has.

A variant is a file of a few lines: pitch, nine formants (frequency, height, width in %), how the voice is driven. What
espeak-ng reads is a folder of links to its data beside which that one file stands, written anew for every voice.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio.embedded import espeak
from audio.embedded.voices import Voice
from audio.speech import AudioError
from bench.meetings import TESTING, TUNING

ACCENTS = "en en-029 en-gb-scotland en-gb-x-gbclan en-gb-x-gbcwmd en-gb-x-rp en-us".split()
OWN = "made"  # the variant that is written anew
# Neither voices of meetings nor their like: versions of them, and those that whisper
LEFT_OUT = {voice.name.partition("+")[2] for voice in (*TUNING, *TESTING)} | {"edward2", "Gene", "whisper", "whisperf"}
FORMANTS = 9


@dataclass(frozen=True)
class Made:
    """A voice and what its variant's file says."""

    voice: Voice
    text: str


def many(count: int, variants: Path, seed: int = 0) -> Iterator[Made]:
    """So many voices, every other one bent from a file of the folder `variants`."""
    bases = sorted(path for path in variants.iterdir() if path.name not in LEFT_OUT)
    for n in range(count):
        rng = np.random.default_rng([seed, n])
        accent = ACCENTS[int(rng.integers(len(ACCENTS)))]
        text = bent(bases[int(rng.integers(len(bases)))].read_text(errors="ignore"), rng) if n % 2 else drawn(rng)
        yield Made(Voice("espeak-ng", f"{accent}+{OWN}"), text)


def drawn(rng: np.random.Generator) -> str:
    """A variant from nothing: formants 0.82 to 1.22 times as high as usual, a pitch that begins at 65 to 230 Hz."""
    tract, low = rng.uniform(0.82, 1.22), np.exp(rng.uniform(np.log(65), np.log(230)))
    lines = [f"pitch {low:.0f} {low * rng.uniform(1.15, 1.65):.0f}"]
    for n in range(FORMANTS):
        hertz = 100 * tract ** (1 if n else 0.5) * np.exp(rng.normal(0, 0.04 if n < 4 else 0.1))
        lines.append(f"formant {n} {hertz:.0f} {rng.uniform(50, 140):.0f} {rng.uniform(60, 150):.0f}")
    further = (
        (0.3, f"klatt {rng.integers(1, 7)}"),
        (0.6, f"voicing {rng.integers(50, 160)}"),
        (0.6, f"consonants {rng.integers(50, 140)} {rng.integers(40, 140)}"),
        (0.6, f"flutter {rng.integers(0, 12)}"),
        (0.6, f"roughness {rng.integers(0, 5)}"),
        (0.25, "breath " + " ".join(str(part) for part in rng.integers(0, 8, 8))),
        (0.15, f"echo {rng.integers(10, 140)} {rng.integers(5, 40)}"),
        (0.5, "tone " + " ".join(str(part) for part in rng.integers(*_TONE))),
    )
    return _file([*lines, *(line for share, line in further if rng.random() < share)])


_TONE = ((100, 150, 800, 60, 2000, 40), (650, 256, 1600, 256, 4500, 256))  # Hz and height, three times


def bent(text: str, rng: np.random.Generator) -> str:
    """Another voice from a variant's file: pitch and formants moved by some per cent, each and all together."""
    tract, higher = np.exp(rng.normal(0, 0.05)), np.exp(rng.normal(0, 0.12))
    span = np.exp(rng.normal(0, 0.06))
    formants, pitch, lines = {n: (100.0, 100.0, 100.0, "") for n in range(FORMANTS)}, (82.0, 118.0), list[str]()
    for line in text.splitlines():
        kind, *rest = line.split("//")[0].split("#")[0].split() or [""]
        values = [float(part) for part in rest if re.fullmatch(r"-?\d+", part)]
        if kind == "formant" and len(values) >= 4:
            more = " ".join(str(int(part)) for part in values[4:])
            formants[int(values[0])] = values[1], values[2], values[3], more
        elif kind == "pitch" and len(values) == 2:
            pitch = values[0], values[1]
        elif kind == "voicing" and values:
            lines.append(f"voicing {values[0] * np.exp(rng.normal(0, 0.2)):.0f}")
        elif kind not in ("", "language", "name", "gender", "formant", "pitch"):
            lines.append(" ".join([kind, *rest]))
    lines.append(f"pitch {pitch[0] * higher:.0f} {pitch[1] * higher * span:.0f}")
    for n, (hertz, height, width, more) in formants.items():
        moved = np.exp(rng.normal(0, (0.03, 0.2, 0.15))) * (hertz * tract, height, width)
        lines.append(f"formant {n} {moved[0]:.0f} {moved[1]:.0f} {moved[2]:.0f} {more}".rstrip())
    return _file(lines)


def _file(lines: list[str]) -> str:
    return "\n".join(["language variant", f"name {OWN}", *lines]) + "\n"


@contextmanager
def written() -> Iterator[tuple[Path, Path]]:
    """The folder of espeak-ng's own variants, and the file of the variant OWN, to be written before a voice speaks.

    Raises AudioError where espeak-ng is missing or has begun to speak: it looks for its data only once.
    """
    if espeak._library.cache_info().currsize:
        raise AudioError("espeak-ng already reads its voices from elsewhere; make voices in a process of their own")
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder) / "espeak-ng-data"
        own = here / "voices" / "!v"
        own.mkdir(parents=True)
        data = _data()
        for inside in (".", "voices", "voices/!v"):
            for path in (data / inside).iterdir():
                if not (here / inside / path.name).exists():
                    (here / inside / path.name).symlink_to(path)
        (own / OWN).write_text(_file([]))
        os.environ["ESPEAK_DATA_PATH"] = folder
        yield data / "voices" / "!v", own / OWN


def _data() -> Path:
    try:
        shown = subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise AudioError("espeak-ng is not installed; on Debian: apt-get install espeak-ng") from error
    return Path(shown.partition("Data at:")[2].strip())
