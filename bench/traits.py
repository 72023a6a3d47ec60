"""What inner states of the encoder say: `python -m bench.traits [--out FILE] [--data DIR]` writes traits.npz.

Learnt from synthetic voices of which nothing is measured; all of them in the same six places, three of test
material and three made up, for what differs between two voices of one place is the voice. Nothing is measured on them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from audio.diarize.encoder import HOP, hear, levelled, mel_power
from audio.diarize.traits import TRAITS, WIDTH, Matrix
from audio.diarize.windows import WINDOW
from audio.embedded.voices import Voice
from audio.speech import Samples
from bench.meetings import TUNING, Rooms
from bench.report import progress
from bench.rooms import DATA, learning, place, take, texts_of

PLACES, TAKE_S = 6, 8  # seconds of a voice in each place
STEP = 50  # frames from window to window
KEPT, SHRUNK = 64, 0.3  # directions, and the part of the variance within a voice that is taken as equal in all
Heard = Mapping[tuple[str, int], Matrix]  # (voice, place) -> inner states of windows (n, 256)


def discriminants(groups: Sequence[Sequence[Matrix]], *, shrunk: float, kept: int) -> tuple[Matrix, Matrix]:
    """Mean (d,) and directions (d, kept): of the classes in a group, that is where their means differ most.

    A class is (n, d). Directions are scaled by what they are worth: the root of between / (within + between).
    """
    points = np.concatenate([one for group in groups for one in group])
    scale = points.std(axis=0) + 1e-6
    inside = np.concatenate([(one - one.mean(axis=0)) / scale for group in groups for one in group])
    means = [np.array([one.mean(axis=0) / scale for one in group]) for group in groups]
    apart = np.concatenate([own - own.mean(axis=0) for own in means])
    within = inside.T @ inside / len(inside)
    within = (1 - shrunk) * within + shrunk * np.eye(len(within)) * np.trace(within) / len(within)
    sizes, axes = np.linalg.eigh(within)
    white = axes / np.sqrt(sizes)
    between, turned = np.linalg.eigh(white.T @ (apart.T @ apart / len(apart)) @ white)
    best = np.maximum(between[::-1][:kept], 0)
    directions = white @ turned[:, ::-1][:, :kept] * np.sqrt(best / (1 + best)) / scale[:, None]
    return points.mean(axis=0), directions


def learn_traits(heard: Heard, file: Path) -> None:
    """Write what is learnt of these voices."""
    voices, places = sorted({voice for voice, _ in heard}), sorted({place for _, place in heard})
    groups = [[heard[voice, place] for voice in voices] for place in places]
    mean, directions = discriminants(groups, shrunk=SHRUNK, kept=KEPT)
    learnt = {"mean": mean, "directions": directions}
    np.savez(file, allow_pickle=False, **{name: value.astype(np.float32) for name, value in learnt.items()})


def heard_in_places(voices: Sequence[Voice], data: Path) -> Iterator[tuple[tuple[str, int], Matrix]]:
    """Every voice in every place, with words and a tempo of its own each time."""
    texts, given = texts_of(data), Rooms.of(data / "audio" / "speechbrain")
    for number in range(PLACES):
        progress(f"{len(voices)} voices in place {number + 1} of {PLACES}")
        there = place(number, given)
        for n, voice in enumerate(voices):
            own = take(voice, texts, np.random.default_rng(1000 * number + n + 7), TAKE_S)
            yield (voice.name, number), inner_states(there(own))


def inner_states(sound: Samples) -> Matrix:
    """(n, 256), of windows over all of the sound."""
    mel = mel_power(sound)
    starts = range(0, len(mel) - WINDOW, STEP)
    windows = [levelled(mel[a : a + WINDOW], sound[a * HOP : (a + WINDOW) * HOP]) for a in starts]
    return np.asarray(hear(windows)[:, WIDTH:], float)


def main() -> None:
    """Learn and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=TRAITS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    learn_traits(dict(heard_in_places([*TUNING, *learning()], given.data)), given.out)


if __name__ == "__main__":
    main()
