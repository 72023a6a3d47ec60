"""The marks' own logistic regressions: at the minimum, blind to what nobody annotated, the same every time."""

from __future__ import annotations

import numpy as np
import torch

from memory.corpora import MISSING
from memory.exact import FITTED, Fitted, descended, fit_marks, widened
from memory.probes import COLUMNS, FLAGS, MARKS, WIDE
from memory.words import WIDTH, Ints, Sparse, stack

COUNT = 400


def rows(seed: int = 0) -> Sparse:
    """Utterances of five features out of fifty; the feature 7 of a mark is the only one that tells."""
    rng = np.random.default_rng(seed)
    return stack([(rng.choice(50, 5, replace=False).tolist(), rng.uniform(0.2, 1, 5).tolist()) for _ in range(COUNT)])


def has(some: Sparse, feature: int) -> Ints:
    return np.array([feature in row for row in some.ids.reshape(COUNT, 5)], np.int64)


def labelled(some: Sparse) -> dict[str, Ints]:
    return {task: has(some, 7 + i) for i, task in enumerate(FITTED)}


def test_every_mark_has_a_column_of_its_own_after_those_of_the_network() -> None:
    assert set(FLAGS) <= set(FITTED)
    assert [MARKS[name].start for name in FITTED] == list(range(COLUMNS, WIDE))


def test_the_neighbours_of_a_positive_are_positive_and_what_nobody_annotated_stays() -> None:
    labels = np.array([0, 0, 1, 0, 0, 0, 0, 1, 0], np.int64)
    assert widened(labels, Fitted("opens", 1.0, before=1, after=2)).tolist() == [0, 1, 1, 1, 1, 0, 1, 1, 1]
    assert widened(labels, Fitted("opens", 1.0)).tolist() == labels.tolist()
    nobody = np.full(4, MISSING)
    assert widened(nobody, Fitted("opens", 1.0, before=2, after=2)).tolist() == nobody.tolist()


def test_a_quadratic_bowl_of_two_columns_is_descended_to_its_ground() -> None:
    ground, steep = torch.tensor([[1.0, -2.0], [3.0, 0.5]]), torch.tensor([[1.0, 40.0], [9.0, 0.2]])

    def curve(weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        away = weights - ground
        return (steep * away.square()).sum(0) / 2 + 1, steep * away

    assert torch.allclose(descended(curve, torch.zeros(2, 2)), ground, atol=0.02)


def test_the_gradient_of_the_whole_vanishes_at_what_is_found() -> None:
    some = rows()
    wanted = labelled(some)
    weights, bias = fit_marks(some, wanted)
    dense = np.zeros((COUNT, 50), np.float32)
    np.put_along_axis(dense, some.ids.reshape(COUNT, 5), some.weights.reshape(COUNT, 5), 1)
    start = 0.0
    for column, (task, fitted) in enumerate(FITTED.items()):
        chance = 1 / (1 + np.exp(-(dense @ weights[:50, column] + bias[column])))
        slope = dense.T @ (chance - wanted[task]) + fitted.decay * weights[:50, column]
        start = float(np.abs(dense.T @ (wanted[task].mean() - wanted[task])).max())
        assert np.abs(slope).max() < 0.05 * start
        assert weights[:50, column].argmax() == 7 + column
    assert not weights[50:WIDTH].any()


def test_what_nobody_annotated_changes_nothing() -> None:
    some = rows()
    wanted = labelled(some)
    unknown = {**wanted, "action": np.where(np.arange(COUNT) < 300, wanted["action"], MISSING)}
    fewer = Sparse(some.ids[:1500], some.weights[:1500], some.offsets[:300])
    alone = fit_marks(fewer, {task: values[:300] for task, values in wanted.items()})
    masked = fit_marks(some, unknown)
    assert np.allclose(alone[0][:, 0], masked[0][:, 0], atol=0.05)
    assert not np.allclose(alone[0][:, 1], masked[0][:, 1], atol=0.05)


def test_a_fit_is_the_same_every_time() -> None:
    some = rows(1)
    first, second = (fit_marks(some, labelled(some)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_marks_stay_those_of_other_meetings_where_nothing_is_labelled_and_go_towards_new_labels() -> None:
    some, others = rows(), rows(1)
    known_by = fit_marks(others, labelled(others))
    nobody = {task: np.full(COUNT, MISSING) for task in FITTED}
    for now, before in zip(fit_marks(some, nobody, known_by=known_by), known_by, strict=True):
        assert np.array_equal(now, before)
    shifted = {task: has(some, 20 + i) for i, task in enumerate(FITTED)}
    own = fit_marks(some, shifted)[0]
    away = [np.linalg.norm(fit_marks(some, shifted, known_by=known_by, pull=p)[0] - own) for p in (1.0, 10.0, 1e6)]
    assert away[0] < away[1] < away[2]
    assert np.allclose(fit_marks(some, shifted, known_by=known_by, pull=1e6)[0], known_by[0], atol=1e-3)
