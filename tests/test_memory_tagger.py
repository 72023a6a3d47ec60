"""The tagger of acts: sees so far and no further, the same in slices, learns what words alone do not say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from memory.corpora import Heard
from memory.probes import COLUMNS
from memory.tagger import BUCKETS, LONGEST, REACH, Scene, Tagger, scene, tagged
from memory.tagging import Lessons, teach
from memory.words import LOOKAHEAD, Floats, Ints, tokens
from tests.test_memory_state import conversation

torch.set_num_threads(1)
AT = 20


def seen(said: list[Heard], seed: int = 0) -> Scene:
    logits = np.random.default_rng(seed).normal(size=(len(said), COLUMNS)).astype(np.float32)
    return scene(said, [tokens(u.text) for u in said], logits)


def drawn(seed: int = 0) -> Tagger:
    torch.manual_seed(seed)
    return Tagger().eval()


def heard_at(said: list[Heard]) -> Floats:
    row: Floats = tagged(drawn(), seen(said))[AT]
    return row


@pytest.mark.parametrize(
    ("away", "counts"), [(-REACH - 1, False), (-REACH, True), (LOOKAHEAD, True), (LOOKAHEAD + 1, False)]
)
def test_an_act_depends_on_a_few_utterances_and_on_nothing_else(away: int, counts: bool) -> None:
    said = conversation(40)
    other = [*said]
    other[AT + away] = replace(said[AT + away], text="something else altogether", end_s=said[AT + away].end_s + 1)
    assert np.allclose(heard_at(said), heard_at(other), atol=1e-6) != counts


def test_slices_equal_the_whole() -> None:
    said, tagger = seen(conversation(50)), drawn()
    whole = tagged(tagger, said)
    parts = [tagged(tagger, said, first=first, count=min(7, 50 - first)) for first in range(0, 50, 7)]
    assert np.allclose(np.concatenate(parts), whole, atol=1e-5)
    assert np.allclose(np.exp(whole).sum(1), 1.0, atol=1e-5)


def test_names_of_speakers_do_not_matter_only_who_is_who() -> None:
    said = conversation(40)
    renamed = [replace(u, speaker=f"{u.speaker}@x") for u in said]
    assert np.array_equal(heard_at(said), heard_at(renamed))
    assert not np.allclose(heard_at(said), heard_at([replace(u, speaker="A") for u in said]))


def test_of_a_long_utterance_the_beginning_and_the_end_are_read() -> None:
    words = [f"w{i}" for i in range(60)]
    (row,) = seen([Heard("u1", " ".join(words), "A", 0.0, 9.0)]).words
    assert len(row) == LONGEST
    (ends,) = seen([Heard("u1", " ".join([*words[:16], *words[-8:]]), "A", 0.0, 9.0)]).words
    assert np.array_equal(row, ends)
    assert row.min() > 0
    assert row.max() < BUCKETS


def lessons(count: int) -> tuple[list[list[Scene]], list[Ints]]:
    """Who answers somebody else "yes" agrees (1), who says it to themselves goes on (0): words alone do not tell."""
    scenes, acts = [], []
    for number in range(count):
        said = [replace(u, text="yes") for u in conversation(60, seed=number, speakers="AB")]
        others = [i > 0 and said[i - 1].speaker != u.speaker for i, u in enumerate(said)]
        scenes.append([seen(said, number)])
        acts.append(np.array(others, np.int64))
    return scenes, acts


def test_it_learns_from_who_spoke_and_the_same_under_a_seed() -> None:
    taught = lessons(6)
    plan = Lessons(epochs=12, batch=4, rate=4e-3)
    first, second = teach(*taught, plan), teach(*taught, plan)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    held, acts = lessons(8)
    right = [tagged(first, s[0]).argmax(1) == a for s, a in zip(held[6:], acts[6:], strict=True)]
    assert np.concatenate(right).mean() > 0.9
