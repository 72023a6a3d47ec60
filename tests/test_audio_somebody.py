"""Who is somebody: a group of its own, or what is heard where two others meet."""

from __future__ import annotations

import numpy as np

from audio.diarize.clusters import WITHIN, Groups, Matrix
from audio.diarize.somebody import Windows, somebody, windows_of
from audio.diarize.windows import Heard, Stretch
from audio.speech import SAMPLE_RATE

WIDE = 64  # dimensions of a made voice
STEP, LONG = SAMPLE_RATE // 4, SAMPLE_RATE * 8 // 5


def windows(points: Matrix, seed: int) -> Windows:
    """One window around each of the points, a step from one to the next."""
    spread = np.random.default_rng(seed).normal(0, np.sqrt(WITHIN / WIDE), points.shape)
    starts = np.arange(len(points)) * STEP
    return Windows(starts, starts + LONG, points + spread)


def grouped(*heard: Windows) -> Groups:
    counts = np.array([len(one.starts) / 6 for one in heard])
    means = np.array([one.embeddings.mean(axis=0) for one in heard])
    return Groups(means * counts[:, None], counts, (frozenset({""}),) * len(heard))


def test_what_lies_anywhere_between_two_voices_is_nobody_and_a_third_voice_is_somebody() -> None:
    a, b, c = np.eye(WIDE)[:3]
    share = np.linspace(0.2, 0.8, 40)[:, None]
    one, other = windows(np.tile(a, (120, 1)), 0), windows(np.tile(b, (100, 1)), 1)
    third, both = windows(np.tile(c, (40, 1)), 2), windows(share * a + (1 - share) * b, 3)
    assert somebody(grouped(one, other, third), [one, other, third]) == [0, 1, 2]
    assert somebody(grouped(one, other, both), [one, other, both]) == [0, 1]


def test_a_group_whose_windows_share_all_their_sound_does_not_explain_itself() -> None:
    a, b = np.eye(WIDE)[:2]
    one = windows(np.tile(a, (120, 1)), 0)
    far = windows(np.tile(b, (30, 1)), 1)
    scrap = Windows(np.zeros(30), np.full(30, LONG), np.tile(a + 0.3 * b, (30, 1)))
    assert somebody(grouped(one, far), [one, far]) == [0, 1]
    assert somebody(grouped(one, scrap), [one, scrap]) == [0]


def test_the_windows_of_a_group_are_those_of_its_stretches_on_their_source() -> None:
    starts = np.arange(8) * STEP
    heard = [
        Heard(source, 0, starts, starts + LONG, np.zeros(8, int), np.full((8, 2), n, np.float32))
        for n, source in enumerate(("near", "far"))
    ]
    part = [Stretch("far", 0, 2 * STEP + LONG, np.zeros(2))]
    (found,) = windows_of(heard, [part])
    assert len(found.starts) == 3
    assert (found.embeddings == 1).all()
