"""What is learnt of rooms, and how voices that are met again are counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.acquaintance import DIRECTIONS, THRESHOLDS, Voiced, curve, learn_rooms
from bench.meetings import TESTING, TUNING
from bench.rooms import learning, made_up


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


def test_the_direction_in_which_places_move_voices_is_the_first(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    voices, moved = rng.normal(size=(12, 64)), rng.normal(size=64)
    places = rng.normal(size=8)
    heard = [
        (str(n), v + 0.5 * place * moved + 0.01 * rng.normal(size=64)) for n, v in enumerate(voices) for place in places
    ]
    learn_rooms(heard, tmp_path / "rooms.npz")
    with np.load(tmp_path / "rooms.npz") as file:
        assert file["directions"].shape == (DIRECTIONS, 64)
        assert abs(file["directions"][0] @ moved) / np.linalg.norm(moved) == pytest.approx(1, abs=1e-3)
        mean = voices.mean(axis=0) + 0.5 * places.mean() * moved
        assert file["mean"] == pytest.approx(mean, abs=0.02)


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
