"""Roles by all that a person said: learnt from words, kept in the state, given out so that no two share one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from memory import cases
from memory.mind import Mind
from memory.roles import Roles, fit, joint, with_more
from memory.state import BAG
from memory.words import Ints, bucket
from tests.test_memory_state import SHIPPED, conversation
from tests.test_memory_train import meeting

torch.set_num_threads(1)
TRADES = ("agenda minutes", "battery circuit", "customers survey", "buttons screen")
Talk = tuple[list[list[str]], Ints, Ints, str]


def talk(seed: int) -> Talk:
    """Four people, each of whom says a word of their trade in half of their utterances."""
    rng = np.random.default_rng(seed)
    role_of, speaker = rng.permutation(4), rng.integers(4, size=60)
    said = []
    for who in speaker.tolist():
        words = rng.choice("the we so think okay yes well it".split(), 5).tolist()
        own = TRADES[int(role_of[who])].split()
        said.append([*words, str(rng.choice(own))] if rng.random() < 0.5 else words)
    return said, speaker, role_of[speaker], f"team {seed}"


@pytest.fixture(scope="module")
def learnt() -> Roles:
    roles = fit([talk(seed) for seed in range(12)])
    assert roles
    return roles


def test_a_person_is_known_by_what_they_said_before(learnt: Roles) -> None:
    said, speaker, role, _ = talk(99)
    right = learnt.heard(said, speaker).argmax(1) == role
    assert right[30:].mean() > 0.9 > right[:6].mean()


def test_the_chances_are_chances_also_of_somebody_unheard(learnt: Roles) -> None:
    some = np.exp(learnt.heard(*talk(5)[:2]))
    assert np.allclose(some.sum(1), 1, atol=1e-5)
    assert np.isfinite(learnt.logits(np.zeros(BAG, np.uint8))).all()


def test_without_roles_nothing_is_learnt() -> None:
    said, speaker, role, team = talk(1)
    assert fit([(said, speaker, np.full_like(role, -1), team)]) is None


def test_a_bag_counts_up_to_what_a_byte_holds() -> None:
    bag = np.zeros(BAG, np.uint8)
    for _ in range(300):
        bag = with_more(bag, ["yes"])
    assert bag[bag > 0].tolist() == [255]
    assert not with_more(np.zeros(BAG, np.uint8), []).any()


def test_nobody_has_the_role_of_another() -> None:
    alone = np.array([[0.6, 0.3, 0.05, 0.05], [0.5, 0.1, 0.2, 0.2]], np.float32)
    shared = joint(alone)
    assert np.allclose(shared.sum(1), 1)
    assert (shared.sum(0) <= 1 + 1e-6).all()
    assert shared[1, 0] < alone[1, 0]
    assert shared[0, 1] > alone[0, 1]  # the one who is better at it gives way least
    assert np.allclose(joint(alone[:1]), alone[:1], atol=1e-6)
    five = joint(np.full((5, 4), 0.25, np.float32))
    assert np.allclose(five, 0.25)
    assert joint(alone[:0]).shape == (0, 4)


def test_what_is_measured_is_what_the_mind_says() -> None:
    """Chances of the last one's role, live, are those of `cases`."""
    case = cases.read(SHIPPED, [meeting(3, 24)])[0]
    mind = Mind(SHIPPED)
    state = mind.absorb(mind.empty(), case.meeting.heard).state
    ledger = mind.finish(state).state.ledger
    wanted = cases.role_logits(case, 0.5)
    for slot, held in enumerate(ledger.roles):
        last = int(np.flatnonzero(case.packed.speaker == slot)[-1])
        odds = np.exp(wanted[last] - wanted[last].max())
        assert np.allclose(held, odds / odds.sum(), atol=1e-3)


def test_an_unknown_speaker_is_in_nobodys_bag() -> None:
    mind = Mind(SHIPPED)
    said = [
        heard if i % 2 else type(heard)(heard.id, heard.text, "", heard.start_s, heard.end_s)
        for i, heard in enumerate(conversation(20, speakers="A"))
    ]
    state = mind.finish(mind.absorb(mind.empty(), said).state).state
    only = mind.finish(mind.absorb(mind.empty(), said[1::2]).state).state
    assert int(only.said.sum()) > 0
    assert torch.equal(state.said, only.said)


def test_what_four_people_of_a_role_say_tells_more_than_what_one_repeats() -> None:
    """Both words are said in four meetings by the second of four roles; one by a single team's, in all its meetings."""
    role = np.arange(4)
    talks = []
    for team in range(6):
        for number in range(4):
            said = [["so", "yes", "we", trade] for trade in ("agenda", "battery", "customers", "screen")]
            said[1] += ["banana"] * (team == 0) + ["cherry"] * (number == 0 and team < 4)
            talks.append((said, role, role, f"team {team}"))
    learnt = fit(talks)
    assert learnt
    of = {word: learnt.telling[bucket(word, BAG)] for word in ("banana", "cherry", "battery", "so", "unheard")}
    assert of["battery"] > of["cherry"] > of["banana"] > of["so"] == of["unheard"] == 0
