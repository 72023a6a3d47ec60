"""Training: the same under a seed, whole after a break, able to learn, and to adapt with a handful of meetings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from memory import material
from memory.corpora import ActionItem, Annotated, MindError
from memory.material import Readable
from memory.model import MemoryTransformer
from memory.probes import COLUMNS, MARKS, Probes
from memory.train import Plan, adapt, train
from memory.weights import load, save
from tests.test_memory_state import SHIPPED, SIZES, conversation

torch.set_num_threads(1)
PLAN = Plan(epochs=2, streams=2, depths=(1, 2))


def meeting(number: int, size: int = 30) -> Annotated:
    """A made meeting whose labels follow from its words."""
    said = conversation(size, seed=number, speakers="ABCD")
    flag = np.array(["decide" in u.text for u in said], np.int64)
    turns = (np.arange(size) % 10 == 0).astype(np.int64) * (np.arange(size) > 0)
    return Annotated(
        name=f"T{number}a",
        heard=tuple(said),
        act=np.array(["yes" in u.text for u in said], np.int64),
        action=flag,
        decision=flag,
        problem=flag,
        salient=flag,
        opens=turns,
        turns=turns,
        topic=np.arange(size) // 10 % 2,
        role=np.array(["ABCD".index(u.speaker) for u in said]),
        items=(ActionItem(1, (3,)),),
    )


def readable(count: int) -> list[Readable]:
    meetings = [meeting(i) for i in range(count)]
    return [material.read(c, SHIPPED.probes) for c in material.count(meetings, SHIPPED.probes.weights)]


READY = readable(3)


def quiet(_: str) -> None:
    pass


def same(a: MemoryTransformer, b: MemoryTransformer) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_training_is_the_same_under_a_seed_and_another_under_another() -> None:
    first, second = (train(READY, PLAN, SIZES, say=quiet) for _ in range(2))
    assert same(first, second)
    assert not same(first, train(READY, replace(PLAN, seed=1), SIZES, say=quiet))


def test_a_run_that_was_broken_off_ends_with_the_same_weights(tmp_path: Path) -> None:
    class BrokenOffError(Exception):
        pass

    def stop(line: str) -> None:
        if line.startswith("epoch 2"):
            raise BrokenOffError

    path = tmp_path / "run.checkpoint"
    with pytest.raises(BrokenOffError):
        train(READY, PLAN, SIZES, checkpoint=path, say=stop)
    resumed = train(READY, PLAN, SIZES, checkpoint=path, say=quiet)
    assert same(resumed, train(READY, PLAN, SIZES, say=quiet))


def test_a_checkpoint_of_another_plan_is_refused(tmp_path: Path) -> None:
    train(READY, replace(PLAN, epochs=1), SIZES, checkpoint=tmp_path / "c", say=quiet)
    with pytest.raises(MindError, match="another plan"):
        train(READY, PLAN, SIZES, checkpoint=tmp_path / "c", say=quiet)


def test_training_learns_what_the_probes_do_not_know() -> None:
    lines: list[str] = []
    train(READY, replace(PLAN, epochs=6, depths=(1,)), SIZES, say=lines.append)
    first, last = (float(line.split("act ")[1].split()[0]) for line in (lines[0], lines[-1]))
    assert last < first - 0.1


def test_adapting_changes_the_model_and_the_marks_and_keeps_the_rest(tmp_path: Path) -> None:
    before = replace(SHIPPED, fitted=frozenset({"before"}))
    after = adapt(before, [meeting(7)], replace(PLAN, epochs=1), say=quiet)
    assert not same(after.model, before.model)
    assert np.array_equal(after.probes.matrix[:, :COLUMNS], before.probes.matrix[:, :COLUMNS])
    assert not np.array_equal(after.probes.matrix[:, COLUMNS:], before.probes.matrix[:, COLUMNS:])
    assert (after.roles, after.tagger, after.minutes) == (before.roles, before.tagger, before.minutes)
    assert after.fitted == {"before", "T7a"}
    save(tmp_path / "w.safetensors", after)
    again = load(tmp_path / "w.safetensors")
    assert again.model.sizes == SIZES
    assert again.roles is not None
    assert np.allclose(again.probes.matrix[:, COLUMNS:], after.probes.matrix[:, COLUMNS:], atol=0.01)


def test_adapted_marks_know_the_new_meetings_better() -> None:
    counted = material.count([meeting(7), meeting(8)], SHIPPED.probes.weights)
    after = material.marked(SHIPPED.probes, counted[:1], adapted=True)

    def loss(probes: Probes) -> float:
        logits, wanted = probes.logits(counted[1].rows[0])[:, MARKS["decision"]][:, 0], counted[1].meeting.decision
        return float(np.mean(np.logaddexp(0, logits) - wanted * logits))

    assert loss(after) < loss(SHIPPED.probes)
