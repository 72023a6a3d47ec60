"""Which known person a speaker is: by voiceprints, without the room, and never by a wrong name."""

from __future__ import annotations

import numpy as np
import pytest

from audio.diarize import identity
from audio.diarize.encoder import PLAIN, Ge2eEncoder
from audio.diarize.identity import Voiceprint, identify
from audio.diarize.traits import WIDTH
from bench.traits import KEPT
from tests.fakes import unit


def test_known_people_are_recognised_and_strangers_and_other_encoders_are_not() -> None:
    known = [Voiceprint("Anna", "e", unit(1, 0.1, 0)), Voiceprint("Ben", "e", unit(0, 1, 0))]
    old = Voiceprint("Cleo", "other", unit(0, 0, 1))
    voices = {"S1": unit(1, 0.2, 0), "S2": unit(1, 1, 0), "S3": unit(0, 0, 1)}
    found = identify(voices, [*known, old], encoder="e", alike=0.84)
    assert [(i.speaker, i.person) for i in found] == [("S1", "Anna")]
    assert 0.8 < found[0].confidence <= 1
    assert identify(voices, [], encoder="e") == []


def test_a_voice_is_compared_by_what_outlasts_another_place() -> None:
    """Two voices, each in two places that moved it as far as another voice would, where nobody differs."""
    rng = np.random.default_rng(0)
    known = identity._rooms()
    kept, _ = np.linalg.qr(known["directions"])  # (256, r)
    apart = [kept @ rng.normal(size=kept.shape[1]) * 0.02 for _ in range(2)]
    moved = [other - kept @ (kept.T @ other) for other in rng.normal(size=(2, WIDTH)) * 0.05]
    voices = [[voice + place for place in moved] for voice in (known["mean"] + one for one in apart)]
    (here, there), (other, _) = ([identity.point(unit(*voice), PLAIN) for voice in own] for own in voices)
    plain = [unit(*voice) for voice in (*voices[0], voices[1][0])]
    assert here @ there > 0.9 > here @ other + 0.2
    assert plain[0] @ plain[1] < plain[0] @ plain[2], "as it is, the place is nearer than the person"


def test_only_voices_of_this_encoder_are_projected() -> None:
    voice = unit(*np.random.default_rng(0).normal(size=WIDTH + KEPT))
    assert identity.point(voice, "another encoder") is voice
    assert np.isfinite(identity.point(np.zeros(WIDTH + KEPT), Ge2eEncoder.name)).all()
    assert np.linalg.norm(identity.point(voice, Ge2eEncoder.name)) == pytest.approx(1)


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
