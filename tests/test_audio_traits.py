"""A voice's traits: beside the embedding, learnt from voices in shared places, and older voiceprints without them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio.diarize import traits
from audio.diarize.encoder import PLAIN, Ge2eEncoder
from audio.diarize.identity import Voiceprint, comparable, identify
from audio.diarize.traits import WIDTH, Matrix, joined, unit
from bench.traits import KEPT, discriminants, learn_traits


def voices(count: int, seed: int = 0) -> Matrix:
    """Made voices (n, 320), sparse and positive in the embedding as the encoder's are."""
    rng = np.random.default_rng(seed)
    embeddings = unit(np.abs(rng.normal(size=(count, WIDTH))) * (rng.random((count, WIDTH)) < 0.3))
    mean, _ = traits._learnt()
    return np.asarray(joined(embeddings, mean + rng.normal(0, 0.2, (count, WIDTH))), float)


def test_a_voice_is_of_unit_length_and_still_holds_its_embedding() -> None:
    rng = np.random.default_rng(0)
    embeddings = unit(rng.normal(size=(3, WIDTH)))
    states = rng.normal(size=(3, WIDTH))
    found = joined(embeddings, states)
    mean, directions = traits._learnt()
    assert found.shape == (3, WIDTH + KEPT)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    assert traits.embedding(found[1]) == pytest.approx(embeddings[1], abs=1e-6)
    assert traits.traits_of(found[1]) == pytest.approx(unit((states[1] - mean) @ directions), abs=1e-5)


def test_like_embeddings_are_told_apart_by_their_traits() -> None:
    mean, _ = traits._learnt()
    same = unit(np.ones((2, WIDTH)))
    states = mean + np.random.default_rng(1).normal(0, 0.2, (2, WIDTH))
    one, other = joined(same, states)
    again, _ = joined(same, states[[0, 0]])
    assert one @ again == pytest.approx(1, abs=1e-5)
    assert one @ other < 0.9


def test_a_voiceprint_from_before_there_were_traits_still_knows_its_person() -> None:
    heard, new = voices(3), Ge2eEncoder.name
    old = [Voiceprint(f"P{n}", PLAIN, traits.embedding(voice)) for n, voice in enumerate(heard[:2])]
    met = {f"S{n}": voice for n, voice in enumerate(heard)}
    assert {i.speaker: i.person for i in identify(met, old, encoder=new)} == {"S0": "P0", "S1": "P1"}
    mixed = [*old, Voiceprint("P0", new, heard[0]), Voiceprint("P2", new, heard[2])]
    assert {i.speaker: i.person for i in identify(met, mixed, encoder=new)} == {"S0": "P0", "S1": "P1", "S2": "P2"}
    assert comparable(PLAIN, new)
    assert not comparable(new, PLAIN), "an older program cannot read what it does not know"
    assert not comparable("another", new)


def test_the_first_direction_is_where_voices_differ_and_not_where_they_vary() -> None:
    rng = np.random.default_rng(0)
    directions = np.eye(8)
    apart, loose = directions[2], directions[5]
    group = [
        [3 * n * apart + 4 * rng.normal(size=(30, 1)) * loose + 0.3 * rng.normal(size=(30, 8)) for n in range(6)]
        for _ in range(2)
    ]
    _, found = discriminants(group, shrunk=0.1, kept=2)
    first = found[:, 0] / np.linalg.norm(found[:, 0])
    assert abs(first @ apart) > 0.95
    assert abs(first @ loose) < 0.2


def test_what_is_learnt_has_the_shapes_that_a_voice_needs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    means = rng.normal(size=(80, WIDTH))
    heard = {
        (f"v{n}", place): mean + place + 0.3 * rng.normal(size=(4, WIDTH))
        for n, mean in enumerate(means)
        for place in (0, 1)
    }
    learn_traits(heard, tmp_path / "traits.npz")
    with np.load(tmp_path / "traits.npz") as mine, np.load(traits.TRAITS) as ours:
        assert {name: mine[name].shape for name in mine} == {name: ours[name].shape for name in ours}
        assert all(np.isfinite(mine[name]).all() for name in mine)


def test_a_voiceprint_whose_traits_weigh_otherwise_is_compared_by_its_embedding() -> None:
    heard = voices(2)
    old = [Voiceprint("P0", PLAIN + "+traits-1", np.concatenate([heard[0][:WIDTH], 3 * heard[1][WIDTH:]]))]
    (found,) = identify({"S0": heard[0], "S1": heard[1]}, old, encoder=Ge2eEncoder.name)
    assert (found.speaker, found.person) == ("S0", "P0")
