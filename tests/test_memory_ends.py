"""A meeting read anew at its end: by what stands around and after, and by nothing of the clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from memory.ends import NUMBERS, Ends, bounded, by_minute, numbers, numbers_of, reread, roles_by_end
from memory.marks import Marks
from memory.packing import pack
from memory.stretch import COLUMNS, TASKS
from memory.tagger import REACH
from memory.votes import WEIGHTS, read_anew
from tests.test_memory_state import MIND, SHIPPED, conversation

torch.set_num_threads(1)
UNKNOWN = np.full((40, 4), 0.25, np.float32)
WHEN = np.arange(40, dtype=np.float32) * 10


def meeting(*candidates: int, logit: float = 3.0) -> np.ndarray:
    """Marks (40, COLUMNS) of a meeting in which these utterances look like action items."""
    logits = np.full((40, len(COLUMNS)), -6.0, np.float32)
    logits[list(candidates), COLUMNS.index("action")] = logit
    return logits


def test_nothing_is_asked_of_the_clock() -> None:
    said = meeting(5, 20, 21)
    assert numbers(said, WHEN, UNKNOWN, "action").shape == (40, NUMBERS)
    late = numbers(said, WHEN + 3600, UNKNOWN, "action")
    assert np.allclose(numbers(said, WHEN, UNKNOWN, "action"), late, atol=1e-4)


def test_what_follows_and_what_stands_beside_changes_how_the_same_utterance_is_read() -> None:
    alone, before, after = (numbers(meeting(*m), WHEN, UNKNOWN, "action")[20] for m in ((20,), (5, 20), (20, 35)))
    assert alone[0] == before[0] == after[0]  # its own log-odds
    changed = [{int(i) for i in np.flatnonzero(np.abs(one - alone) > 0.1)} for one in (before, after)]
    assert changed[0] != changed[1]
    assert all(changed)
    near = numbers(meeting(20, 21), WHEN, UNKNOWN, "action")[20]
    assert (np.abs(near - alone) > 0.1).sum() > max(map(len, changed))


def test_each_task_stands_first_in_its_own_numbers() -> None:
    said = meeting(5)
    said[:, COLUMNS.index("decision")] = np.linspace(-5, 2, 40)
    for task in TASKS:
        assert np.array_equal(numbers(said, WHEN, UNKNOWN, task)[:, 0], said[:, COLUMNS.index(task)])


def test_a_meeting_unlike_all_that_were_learnt_from_is_taken_for_the_nearest() -> None:
    far = np.full((1, NUMBERS), 50.0, np.float32)
    out = bounded(far, np.zeros(NUMBERS, np.float32), np.ones(NUMBERS, np.float32))
    assert out[0, 0] == 50
    assert (out[0, 1:] == 3).all()


def test_a_minute_is_as_probable_as_that_one_of_its_utterances_is_it() -> None:
    chances, when = np.array([0.5, 0.5, 0.0, 0.2], np.float32), np.array([0.0, 59.0, 61.0, 130.0], np.float32)
    assert by_minute(chances, when) == pytest.approx([0.75, 0.0, 0.2])


def test_roles_are_those_of_the_whole_meeting_and_nobody_s_where_nobody_is_known() -> None:
    said = conversation(60)
    packed, _ = pack(said, SHIPPED.probes)
    assert SHIPPED.roles is not None
    people = SHIPPED.roles.heard([u.text.split() for u in said], packed.speaker)
    roles = roles_by_end(packed, people)
    assert np.allclose(roles.sum(1), 1, atol=1e-5)
    for who in set(packed.speaker.tolist()):
        assert len(np.unique(roles[packed.speaker == who], axis=0)) == 1
    nobody = [replace(u, speaker="") for u in said]
    assert np.allclose(roles_by_end(pack(nobody, SHIPPED.probes)[0], people), 0.25)
    assert np.allclose(roles_by_end(packed, None), 0.25)


def test_a_meeting_is_reread_by_what_was_said_in_it_alone() -> None:
    """Whoever was forgotten or never came, and whatever the state held: nothing else is asked."""
    said = conversation(60)
    assert SHIPPED.ends is not None
    whole, again = (reread(SHIPPED.ends, SHIPPED.probes, SHIPPED.roles, said) for _ in range(2))
    assert whole == again
    assert list(whole.marks) == [u.id for u in said]
    assert [m.start_s for m in whole.minutes] == [0.0, 60.0, 120.0]
    starts = {u.id: u.start_s for u in said}
    assert all(0 <= starts[id] - m.start_s < 60 for m in whole.minutes for id in m.evidence)
    without = [u for u in said if u.speaker != "B"]
    other = MIND.reread(without)
    assert other is not None
    assert any(other.marks[u.id] != whole.marks[u.id] for u in without)


def test_the_probabilities_are_those_of_the_numbers() -> None:
    said = conversation(2 * REACH)
    packed, _ = pack(said, SHIPPED.probes)
    weights = np.zeros((len(TASKS), NUMBERS), np.float32)
    weights[:, 0] = 1
    own = Ends(weights, np.zeros(len(TASKS), np.float32), np.zeros_like(weights), np.ones_like(weights))
    logits = numbers_of(packed, None, "decision")[:, 0]
    told = reread(own, SHIPPED.probes, None, said).marks
    assert [d for _, d in told.values()] == pytest.approx((1 / (1 + np.exp(-logits))).tolist(), abs=1e-5)


def mark(id: str, action: float, decision: float = 0.0) -> Marks:
    return Marks(id, "inf", action, "", 0.0, decision, 0.0, 0.0, 0, "")


def test_reading_anew_raises_and_lowers_but_doubts_nothing_new() -> None:
    doubts = WEIGHTS["action"].doubts
    live = {"u1": mark("u1", 0.4), "u2": mark("u2", 0.1), "u3": mark("u3", 0.01)}
    anew = read_anew(live, {"u1": (0.05, 0.3), "u2": (0.001, 0.0), "u3": (0.002, 0.0), "gone": (0.9, 0.9)})
    assert {id: m.action for id, m in anew.items()} == {"u1": 0.05, "u2": doubts, "u3": 0.01}
    assert anew["u1"].decision == 0.3


def test_the_best_of_a_meeting_without_any_candidate_stays_what_it_was() -> None:
    live = {"u1": mark("u1", 0.01), "u2": mark("u2", 0.02)}
    assert [m.action for m in read_anew(live, {"u1": (0.6, 0.0), "u2": (0.7, 0.0)}).values()] == [0.01, 0.02]
