"""Which known person a speaker is: by voiceprints, without the room, and never by a wrong name."""

from __future__ import annotations

import numpy as np
import pytest

from audio.diarize import identity
from audio.diarize.encoder import PLAIN, weights
from audio.diarize.identity import Voiceprint, identify
from tests.fakes import unit

needs_weights = pytest.mark.skipif(not weights().is_file(), reason="resemblyzer 0.1.4 is not installed")


def test_known_people_are_recognised_and_strangers_and_other_encoders_are_not() -> None:
    known = [Voiceprint("Anna", "e", unit(1, 0.1, 0)), Voiceprint("Ben", "e", unit(0, 1, 0))]
    old = Voiceprint("Cleo", "other", unit(0, 0, 1))
    voices = {"S1": unit(1, 0.2, 0), "S2": unit(1, 1, 0), "S3": unit(0, 0, 1)}
    found = identify(voices, [*known, old], encoder="e", alike=0.84)
    assert [(i.speaker, i.person) for i in found] == [("S1", "Anna")]
    assert 0.8 < found[0].confidence <= 1
    assert identify(voices, [], encoder="e") == []


@needs_weights
def test_a_voice_is_compared_without_its_room() -> None:
    name, mean, directions = identity._rooms()
    assert name == PLAIN
    assert directions @ directions.T == pytest.approx(np.eye(len(directions)), abs=1e-5)
    moved = identity.CENTRED * mean + 0.3 * unit(*np.random.default_rng(0).normal(size=256))
    elsewhere = moved + 0.5 * directions[0]
    here = identity.without_room(moved, name)
    assert here @ identity.without_room(elsewhere, name) == pytest.approx(1)
    assert identity.without_room(moved, "another encoder") is moved
    assert np.isfinite(identity.without_room(identity.CENTRED * mean, name)).all()


def test_a_person_enrolled_twice_is_known_by_what_both_voiceprints_have_in_common() -> None:
    prints = [Voiceprint("Anna", "e", unit(1, 0, room, 0)) for room in (0.9, -0.9)]
    voices = {"S1": unit(1, 0, 0, 0.4), "S2": unit(0.2, 0.1, 1, 0)}
    assert identify(voices, prints[:1], encoder="e", alike=0.9) == []
    assert [(i.speaker, i.person) for i in identify(voices, prints, encoder="e", alike=0.9)] == [("S1", "Anna")]


def test_a_voiceprint_with_a_near_neighbour_needs_a_nearer_voice() -> None:
    voices = {"S1": unit(1, 0.7, 0)}  # cosine 0.82
    alone, crowded = (Voiceprint("Anna", "e", unit(1, 0, 0), cosine) for cosine in (0.0, 0.9))
    assert identify(voices, [alone], encoder="e", alike=0.75)
    assert identify(voices, [crowded], encoder="e", alike=0.75) == []
    assert identify(voices, [alone, crowded], encoder="e", alike=0.75) == [], "one crowded place is enough"
    assert identity.nearest(unit(1, 0, 0), [unit(1, 1, 0), unit(0, 0, 1)], "e") == pytest.approx(0.5**0.5)
    assert identity.nearest(unit(1, 0, 0), [unit(-1, 0, 0)], "e") == 0.0
    assert identity.nearest(unit(1, 0, 0), [], "e") == identity.USUAL


def test_a_name_in_other_letters_is_no_rival() -> None:
    prints = [Voiceprint(name, "e", unit(1, 0, 0)) for name in ("anna", "Anna")]
    assert [i.person for i in identify({"S1": unit(1, 0.1, 0)}, prints, encoder="e")] == ["Anna"]


def test_two_speakers_are_never_the_same_person() -> None:
    voices = {"S1": unit(1, 0.2, 0), "S2": unit(1, 0.1, 0)}
    found = identify(voices, [Voiceprint("Anna", "e", unit(1, 0, 0))], encoder="e")
    assert [(i.speaker, i.person) for i in found] == [("S2", "Anna")]
