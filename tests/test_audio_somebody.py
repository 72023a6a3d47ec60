"""Who is somebody: a group of its own, or what is heard where two others meet."""

from __future__ import annotations

import numpy as np
import pytest

from audio.diarize.clusters import WITHIN, Groups, Matrix
from audio.diarize.diarizer import DiarizeOptions, Voices, follow
from audio.diarize.somebody import Windows, somebody, windows_of
from audio.diarize.traits import unit
from audio.diarize.turns import turns
from audio.diarize.windows import Heard, Stretch, listen
from audio.speech import SAMPLE_RATE, SpeechSegment
from tests.test_audio_diarize import ToneEncoder

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


def segment(points: Matrix, at_s: int) -> Heard:
    own = windows(points, at_s)
    first = at_s * SAMPLE_RATE
    return Heard("", first, own.starts + first, own.stops + first, np.zeros(len(points), int), unit(own.embeddings))


def test_while_it_runs_what_was_taken_for_a_third_voice_goes_to_one_of_the_two() -> None:
    a, b = np.eye(WIDE)[:2]
    said = [a, b, (a + b) / 2, *[a, b] * 8]
    voices, merged, most = Voices(), dict[str, str](), 0
    for n, point in enumerate(said):
        step = follow(voices, segment(np.tile(point, (16, 1)), 20 * n), DiarizeOptions())
        voices, merged = step.voices, merged | step.merged
        most = max(most, len(voices.labels))
        assert {turn.speaker for turn in (*voices.turns, *step.turns)} <= set(voices.labels)
    assert most == 3
    assert set(merged) == {"S3"}
    assert voices.labels == ("S1", "S2")
    assert len(voices.groups.counts) == 2


def test_a_look_at_the_whole_keeps_as_many_speakers_as_were_asked_for() -> None:
    a, b = np.eye(WIDE)[:2]
    voices = Voices()
    for n, point in enumerate([a, b, (a + b) / 2, *[a, b] * 8]):
        voices = follow(voices, segment(np.tile(point, (16, 1)), 20 * n), DiarizeOptions(least=3)).voices
    assert len(voices.labels) == 3


def test_a_turn_reaches_into_a_pause_to_its_middle_at_most_and_not_before_its_segment() -> None:
    starts, reach = np.array([0, 28_000, 60_000]), np.array([[1600, 2000], [1600, 2400], [800, 1200]])
    heard = Heard("", -1000, starts, starts + LONG, np.array([0, 1, 2]), np.zeros((3, 2), np.float32), reach)
    first, second, third = turns([heard], ["S1", "S2", "S1"])
    assert (first.start_s, first.end_s) == (-1000 / SAMPLE_RATE, 26_800 / SAMPLE_RATE)
    assert (second.start_s, second.end_s) == (26_800 / SAMPLE_RATE, (30_400 + LONG) / SAMPLE_RATE)
    assert (third.start_s, third.end_s) == (59_200 / SAMPLE_RATE, (61_200 + LONG) / SAMPLE_RATE)


def test_a_run_reaches_as_far_as_its_sound_and_not_far_beyond_the_detector() -> None:
    sound = np.random.default_rng(0).normal(0, 1e-4, 6 * SAMPLE_RATE).astype(np.float32)
    sound[SAMPLE_RATE : 4 * SAMPLE_RATE] += 0.2 * np.sin(2 * np.pi * 300 * np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE)
    for begins_s, ends_s, wanted_s in ((1.08, 3.95, (1.0, 4.0)), (1.5, 3.5, (1.34, 3.66)), (1.0, 4.0, (1.0, 4.0))):
        run = ((int(begins_s * SAMPLE_RATE), int(ends_s * SAMPLE_RATE)),)
        heard = listen(SpeechSegment(sound, 0, spoken=run), ToneEncoder())
        (turn,) = turns([heard], ["S1"] * len(heard.starts))
        assert (turn.start_s, turn.end_s) == pytest.approx(wanted_s, abs=0.025)
