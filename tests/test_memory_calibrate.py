"""The marks: fitted to meetings, kept beside the network, and honest about which meetings they have seen."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from memory import cases, material, roles
from memory.calibrate import Found, folded, found, logistic, measured, with_found
from memory.corpora import MindError, folds
from memory.evaluate import folded as cross_read
from memory.evaluate import main_table
from memory.probes import COLUMNS, MARKS, WIDE, Probes
from memory.weights import Calibration, Shipped, beside, load, load_network, save, save_marks
from memory.words import tokens
from tests.test_memory_state import SHIPPED
from tests.test_memory_train import meeting, quiet

torch.set_num_threads(1)
MEETINGS = [meeting(i, 60) for i in range(7)]
COUNTED = material.count(MEETINGS, SHIPPED.probes.weights)


@pytest.fixture(scope="module")
def fitted() -> Found:
    return found(COUNTED[:5], SHIPPED.probes, quiet)


def test_a_logistic_regression_finds_what_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    numbers, true = rng.normal(size=(6000, 3)), np.array([1.5, -1.0, 0.0, 0.5])
    chance = 1 / (1 + np.exp(-(numbers @ true[:3] + true[3])))
    wanted = (rng.random(6000) < chance).astype(np.int64)
    assert np.allclose(logistic(numbers, wanted, 1e-6), true, atol=0.15)
    held_down = logistic(numbers, wanted, 1e6)
    assert np.abs(held_down[:3]).max() < 0.01
    assert abs(1 / (1 + np.exp(-held_down[3])) - wanted.mean()) < 0.01


def test_marks_that_words_give_away_are_found_in_meetings_that_were_not_learnt_from(fitted: Found) -> None:
    (score,) = (s for name, s in measured(fitted, COUNTED[5:]) if name == "action, utterances, F1")
    assert float(score.split()[0]) > 0.9
    (score,) = (s for name, s in measured(fitted, COUNTED[5:]) if name == "action, utterances, at the end, F1")
    assert float(score.split()[0]) > 0.9
    names = [name for name, _ in folded(fitted)]
    assert names == [name for name, _ in measured(fitted, COUNTED[5:])]
    assert np.array_equal(fitted.probes.matrix[:, :COLUMNS], SHIPPED.probes.matrix[:, :COLUMNS])


def test_each_meeting_is_read_by_columns_that_never_saw_its_series(fitted: Found) -> None:
    rest = material.marked(SHIPPED.probes, [c for c in COUNTED[:5] if c.meeting.series != MEETINGS[0].series])
    (case,) = (c for c in fitted.read if c.meeting.name == MEETINGS[0].name)
    assert np.allclose(case.packed.probes, rest.logits(COUNTED[0].rows[0]), atol=1e-5)


def test_saved_beside_the_network_they_read_the_same(fitted: Found, tmp_path: Path) -> None:
    path, names = tmp_path / "w.safetensors", frozenset(m.name for m in MEETINGS[:5])
    before = with_found(SHIPPED, fitted, names)
    save(path, before)
    network = path.read_bytes()
    after = load(path)
    save_marks(path, after)
    assert path.read_bytes() == network
    assert (after.fitted, after.calibrations) == (names, before.calibrations)
    said, again = (cases.read(s, MEETINGS[5:])[0] for s in (before, after))
    for name, column in MARKS.items():
        one, other = (c.packed.probes[:, column] for c in (said, again))
        assert np.abs(one - other).max() < 0.05 * np.abs(one).max(), name
    assert said.acts is not None
    assert again.acts is not None
    assert np.allclose(said.acts, again.acts, atol=0.02)
    assert before.ends is not None
    assert after.ends is not None
    assert all(np.array_equal(getattr(before.ends, f.name), getattr(after.ends, f.name)) for f in fields(before.ends))
    assert said.people is not None
    assert again.people is not None
    assert np.abs(np.exp(said.people) - np.exp(again.people)).max() < 0.02
    assert np.ptp(said.people) > 1.0


def test_a_network_without_its_marks_is_refused(fitted: Found, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    fewer = Probes(SHIPPED.probes.matrix[:, : WIDE - 1], SHIPPED.probes.bias[: WIDE - 1], SHIPPED.probes.weights)
    save(path, Shipped(SHIPPED.model, fewer))
    with pytest.raises(MindError, match="missing"):
        load(path)
    assert not load_network(path).probes.matrix[:, COLUMNS:].any()
    save_marks(path, with_found(SHIPPED, fitted, frozenset()))
    assert load(path).probes.matrix.shape[1] == WIDE


def test_marks_of_another_version_are_refused(fitted: Found, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save(path, with_found(SHIPPED, fitted, frozenset()))
    with safe_open(beside(path), framework="np") as file:
        header, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, beside(path), metadata={**header, "columns": '["action"]'})
    with pytest.raises(MindError, match="other marks"):
        load(path)
    telling = tensors["roles.telling"]
    save_file(tensors | {"roles.telling": telling[: len(telling) // 4]}, beside(path), metadata=header)
    with pytest.raises(MindError, match="other marks"):
        load(path)


def test_a_table_says_which_meetings_the_marks_have_seen() -> None:
    shipped = replace(
        SHIPPED,
        calibrations={name: Calibration(share=0.0) for name in (*MARKS, "action windows", "decision windows")},
        fitted=frozenset({MEETINGS[5].name, "another"}),
    )
    read = cases.read(shipped, MEETINGS[5:])
    assert "have seen 1 of these 2 meetings" in main_table(read, read, shipped)
    assert "Not held out" not in main_table(read, read, replace(shipped, fitted=frozenset()))


def test_folds_read_each_meeting_by_what_never_saw_it(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.safetensors" for number in (1, 2)]
    parts = list(folds(MEETINGS[:4], 2))
    for path, (rest, _) in zip(paths, parts, strict=True):
        save(path, replace(SHIPPED, roles=None, tagger=None, minutes=None, fitted=frozenset(m.name for m in rest)))
    read, bare, shipped = cross_read(MEETINGS[:4], paths)
    assert [c.meeting.name for c in read] == [m.name for _, held in parts for m in held]
    assert [c.group for c in read] == ["1", "1", "2", "2"]
    own = roles.taught(parts[0][0])
    assert own is not None
    words = [tokens(u.text) for u in read[0].meeting.heard]
    assert np.array_equal(read[0].people, own.heard(words, read[0].packed.speaker))  # type: ignore[arg-type]
    assert not np.array_equal(read[0].packed.probes, bare[0].packed.probes)
    printed = main_table(read, bare, shipped)
    assert "Not held out" not in printed
    assert "| owner of an action item |" in printed


def test_weights_in_the_wrong_order_are_no_cross_validation(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.safetensors" for number in (1, 2)]
    for path, (rest, _) in zip(paths, folds(MEETINGS[:4], 2), strict=True):
        save(path, replace(SHIPPED, roles=None, tagger=None, minutes=None, fitted=frozenset(m.name for m in rest)))
    with pytest.raises(MindError, match=r"has seen T\da.*in order"):
        cross_read(MEETINGS[:4], paths[::-1])
