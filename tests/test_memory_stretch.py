"""Whole minutes: told when they and the next are over, once each, from no more than is needed."""

from __future__ import annotations

import numpy as np

from memory.stretch import COLUMNS, FEATURES, TASKS, Minute, Minutes, Row, features, told

DECISIVE = Minutes(
    np.eye(len(TASKS), FEATURES, dtype=np.float32) * 2, np.zeros(len(TASKS), np.float32)
)  # action: by its largest mark


def rows(minutes: list[int], action: list[float]) -> list[Row]:
    """Utterances of these minutes; all other marks are as good as none."""
    return [
        Row(f"u{i + 1}", minute, (logit, *[-8.0] * (len(COLUMNS) - 1)))
        for i, (minute, logit) in enumerate(zip(minutes, action, strict=True))
    ]


def heard(said: list[Row]) -> tuple[list[Minute], int]:
    """(what was told, the most rows that were held)"""
    held: tuple[Row, ...] = ()
    out: list[Minute] = []
    last, most = -1, 0
    for row in [*said, None]:
        held, over = told(DECISIVE, held, row, last_told=last)
        last = int(over[-1].start_s // 60) if over else last
        out += over
        most = max(most, len(held))
    return out, most


def test_a_minute_is_told_when_the_next_is_over_and_the_rest_at_the_end() -> None:
    out, _ = heard(rows([0, 0, 1, 2, 5], [1.0, -3.0, -3.0, 2.0, -1.0]))
    assert [(m.start_s, m.told_by) for m in out] == [(0.0, "u4"), (60.0, "u5"), (120.0, "u5"), (300.0, "")]
    assert [m.action > 0.5 for m in out] == [True, False, True, False]
    assert out[0].evidence == ("u1", "u2")


def test_what_is_held_does_not_grow_with_the_meeting() -> None:
    _, most = heard(rows([i // 10 for i in range(600)], [0.0] * 600))
    assert most <= 40


def test_who_began_earlier_but_was_heard_later_counts_to_the_minute_that_runs() -> None:
    out, _ = heard(rows([0, 1, 0, 1], [-5.0, -5.0, 3.0, -5.0]))
    assert [m.start_s for m in out] == [0.0, 60.0]
    assert out[1].action > 0.5 > out[0].action


def test_a_meeting_without_words_has_no_minutes() -> None:
    assert heard([]) == ([], 0)


def test_the_minutes_beside_one_count_where_there_are_any() -> None:
    now, other = (np.full((3, len(COLUMNS)), z, np.float32) for z in (-2.0, 4.0))
    alone = features(now[:0], now, now[:0], 3)
    assert len(alone) == FEATURES
    changed = features(other, now, now[:0], 3) != alone
    assert changed.sum() == 3
    assert (features(now[:0], now, other, 3) != alone).sum() == 3
