"""What is learnt of rooms, and how voices that are met again are counted."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audio.diarize.identity import ROOMS
from audio.diarize.traits import WIDTH
from bench.acquaintance import THRESHOLDS, Voiced, curve, learn_rooms, outlasting
from bench.many import FORMANTS, LEFT_OUT, bent, many
from bench.meetings import TESTING, TUNING
from bench.rooms import learning, made_up
from bench.traits import KEPT as TRAITS


def test_no_voice_is_learnt_from_and_measured() -> None:
    lists = [*learning(), *TUNING, *TESTING]
    assert len({voice.name for voice in lists}) == len(lists) == 82


def test_a_made_up_room_follows_from_its_seed_begins_with_the_sound_and_decays() -> None:
    one, same = (made_up(np.random.default_rng(3)) for _ in range(2))
    response, noise = one.responses["made"], one.noises["made"]
    assert np.array_equal(response, same.responses["made"])
    assert np.array_equal(noise, same.noises["made"])
    assert np.abs(response).argmax() == pytest.approx(512, abs=5)  # the middle of the microphone's filter
    early, late = (float(np.sum(part**2)) for part in (response[600:2600], response[-2000:]))
    assert late < early / 3
    assert 0.99 < np.abs(noise).max() <= 1


def test_what_outlasts_a_place_is_where_voices_differ_and_not_where_places_move_them() -> None:
    rng = np.random.default_rng(0)
    apart, moved = np.eye(16)[2], np.eye(16)[5]
    people = [n * apart + rng.normal(0, 0.05, 16) for n in rng.normal(size=40)]
    heard = [np.array([voice + 5 * there * moved for there in rng.normal(size=2)]) for voice in people]
    mean, directions = outlasting(heard, kept=2)
    first = directions[:, 0] / np.linalg.norm(directions[:, 0])
    assert abs(first @ apart) > 0.95
    assert abs(first @ moved) < 0.05
    assert mean == pytest.approx(np.concatenate(heard).mean(axis=0))


def test_what_is_learnt_has_the_shapes_that_comparing_needs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    heard = {str(n): list(rng.normal(size=(2, WIDTH + TRAITS))) for n in range(400)}
    learn_rooms(heard, tmp_path / "rooms.npz")
    with np.load(tmp_path / "rooms.npz") as mine, np.load(ROOMS) as ours:
        assert {name: mine[name].shape for name in mine} == {name: ours[name].shape for name in ours}
        assert str(mine["encoder"]) == str(ours["encoder"])
        assert all(np.isfinite(mine[name]).all() for name in mine if name != "encoder")


def test_made_voices_follow_from_their_seed_and_none_is_bent_from_a_voice_of_meetings(tmp_path: Path) -> None:
    for name in ("steph", "f3", "usable"):
        said = "steph" if name != "usable" else "usable"
        (tmp_path / name).write_text(
            f"language variant\nname {said}\npitch 100 150 // Hz\nformant 1 90 100 110 20\ntone {name}\n"
        )
    voices, again = (list(many(20, tmp_path)) for _ in range(2))
    assert voices == again
    assert len({made.text for made in voices}) == 20
    assert [made.text.count("tone usable") for made in voices[1::2]] == [1] * 10
    assert not any("steph" in made.text or "f3" in made.text for made in voices)
    assert {"steph", "f3"} <= LEFT_OUT


def test_a_bent_voice_is_near_to_its_own_and_has_all_formants_once() -> None:
    lines = bent("pitch 100 150\nformant 2 80 100 90 -50\nflutter 3\n# no\n", np.random.default_rng(1)).splitlines()
    parts = [line.split() for line in lines]
    assert sorted(int(part[1]) for part in parts if part[0] == "formant") == list(range(FORMANTS))
    (second,) = (part for part in parts if part[:2] == ["formant", "2"])
    assert 65 < int(second[2]) < 100
    assert second[5] == "-50"
    (pitch,) = (part for part in parts if part[0] == "pitch")
    assert 60 < int(pitch[1]) < 160
    assert lines[:2] == ["language variant", "name made"]
    assert "flutter 3" in lines


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_every_made_voice_speaks_by_its_own_file() -> None:
    script = """
from itertools import islice
from audio.embedded.voices import say
from audio.speech import AudioError
from bench.many import many, written
with written() as (variants, file):
    for made in islice(many(4, variants), 4):
        file.write_text(made.text)
        print(hash(say("Good morning to all of you", made.voice).tobytes()))
try:
    with written():
        print("read twice")
except AudioError:
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    *spoken, last = done.stdout.split("\n")[:-1]
    assert len(set(spoken)) == len(spoken) == 4
    assert last == "refused", "espeak-ng looks for its voices once"


def meeting(**vectors: NDArray[Any]) -> Voiced:
    return Voiced(vectors, {label: label[0] for label in vectors})


def test_voices_met_again_are_counted_with_as_many_voiceprints_as_are_to_be_had() -> None:
    def near(*values: float) -> NDArray[Any]:
        return np.asarray(np.array(values) / np.linalg.norm(values))

    a, stranger = [near(1, x, 0) for x in (1.2, -1.2, 0)], near(0, 0.2, 1)
    meetings = [meeting(a1=a[0], b1=stranger), meeting(a2=a[1]), meeting(a3=a[2], b3=stranger)]
    at = THRESHOLDS.index(0.79)
    once, twice = (list(curve(meetings, "any", enrolled_in=n))[at] for n in (1, 2))
    assert once == ["0.79", "1 of 3", "0", "0 of 7"]  # b is known from one meeting, a from one that sounds else
    assert twice == ["0.79", "2 of 3", "0", "0 of 7"]
