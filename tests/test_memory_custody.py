"""The task with known answers: what is asked can be answered from what was said, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from memory import custody
from memory.corpora import MISSING
from memory.custody import (
    ASKED,
    BANKS,
    GIVEN,
    MOVED,
    NAMES,
    NOBODY,
    TALK,
    THINGS,
    WINDOW,
    Asked,
    Course,
    Round,
    episode,
    examine,
    tally,
)
from memory.words import word_buckets

torch.set_num_threads(1)
POOL = [np.asarray(word_buckets(["background", f"w{i}"]), np.int64) for i in range(50)]


def _known() -> dict[tuple[int, ...], tuple[str, int, int]]:
    """(kind, thing, who) of every line that there can be, by its words."""
    lines = {}
    for what, thing in enumerate(THINGS):
        for form in ASKED:
            lines[tuple(word_buckets(form.format(what=thing).split()))] = ("asked", what, -1)
        for who, name in enumerate(NAMES):
            for kind, forms in (("given", (*GIVEN, *MOVED)), ("talk", TALK)):
                for form in forms:
                    lines[tuple(word_buckets(form.format(who=name, what=thing).split()))] = (kind, what, who)
    return lines


def test_every_answer_follows_from_the_last_that_was_said_before() -> None:
    rounds = episode(np.random.default_rng(3), POOL, Course(4, 3, streams=3), 16)
    asked, known = 0, _known()
    for stream in range(3):
        holder: dict[int, int] = {}
        for each in rounds:
            ends = [*each.segment.offsets[1:].tolist(), len(each.segment.words)]
            for column in range(16):
                row = stream * (each.segment.valid.shape[1]) + column
                words = tuple(each.segment.words[int(each.segment.offsets[row]) : ends[row]].tolist())
                kind, what, who = known.get(words, ("", -1, -1))
                answer = int(each.answer[stream, column])
                assert (kind == "asked") == (answer != MISSING)
                assert bool(each.told[stream, column]) == (kind == "given")
                if kind == "asked":
                    asked += 1
                    assert answer == holder.get(what, NOBODY)
                elif kind == "given":
                    holder[what] = who
    assert asked >= 15


def test_late_questions_come_last_and_facts_first() -> None:
    rounds = episode(np.random.default_rng(0), POOL, Course(4, 9, late=True, streams=2), 16)
    assert all((r.answer == MISSING).all() for r in rounds[:-1])
    assert (rounds[-1].answer != MISSING).any()
    assert not any(r.told.any() for r in rounds[4:])


def test_a_rival_is_trained_the_same_under_a_seed() -> None:
    sizes = replace(custody.SIZES, d=16, words=8, grams=8, heads=2, value=8, key=8)
    course = (Course(1, 1, streams=2),)
    scores = []
    for _ in range(2):
        torch.manual_seed(0)
        rival = Asked(BANKS["item slots"], sizes)
        custody.train(rival, POOL, seed=0, say=lambda _: None, stages=course, steps=2)
        scores.append((examine(rival, POOL, Course(2, 5, streams=2), seed=1, repeats=1), rival.answer.weight.clone()))
    assert scores[0][0] == scores[1][0]
    assert torch.equal(scores[0][1], scores[1][1])


class Knows(torch.nn.Module):
    """Answers as it is told to, right or "nobody"."""

    def __init__(self, *, right: bool) -> None:
        super().__init__()
        self.right, self.scale = right, torch.nn.Parameter(torch.ones(()))
        self.heard: list[int] = []

    def forward(self, rounds: Sequence[Round]) -> Iterator[tuple[Tensor, Tensor]]:
        self.heard.append(len(rounds))
        for each in rounds:
            said = each.answer.clamp(min=0) if self.right else torch.full_like(each.answer, NOBODY)
            yield self.scale * F.one_hot(said, NOBODY + 1).float(), torch.zeros(())


@pytest.mark.parametrize(("right", "learnt", "last"), [(True, 2, 2), (False, 0, 1)])
def test_a_stage_begins_only_where_the_one_before_is_learnt(right: bool, learnt: int, last: int) -> None:
    rival = Knows(right=right)
    stages = (Course(1, 1, streams=2), Course(2, 2, streams=2))
    assert custody.train(rival, POOL, seed=0, say=lambda _: None, stages=stages, steps=2 * WINDOW) == learnt
    assert rival.heard == [1] * WINDOW + [last] * WINDOW


def test_an_exam_counts_what_is_right_what_moved_and_what_is_invented() -> None:
    said, answer = torch.tensor([1, 2, NOBODY, 3, NOBODY]), torch.tensor([1, 1, 2, NOBODY, NOBODY])
    moved = torch.tensor([True, True, False, False, False])
    assert tally(said, answer, moved).tolist() == [[1, 3], [1, 2], [1, 2]]


@pytest.mark.parametrize("name", ["item slots", "tokens only (RMT)"])
def test_what_was_told_in_the_first_segment_is_learnt_from_an_answer_in_the_last(name: str) -> None:
    """Nothing on the way cuts the gradient or changes the first segment without the last noticing it."""
    torch.manual_seed(0)
    rival = Asked(BANKS[name], replace(custody.SIZES, d=16, words=8, grams=8, heads=2, value=8, key=8))
    rounds = episode(np.random.default_rng(0), POOL, Course(2, 3, streams=2), custody.SIZES.segment)
    first = rounds[0].segment
    *_, (logits, _) = rival([replace(rounds[0], segment=replace(first, words=first.words * 0)), *rounds[1:]])
    *_, (others, _) = rival(rounds)
    assert not torch.allclose(logits, others)
    others.sum().backward()
    told = rival.memory.encoder.wording.words.weight.grad
    assert told is not None
    later = torch.cat([each.segment.words for each in rounds[1:]])
    only_first = first.words[~torch.isin(first.words, later)]
    assert len(only_first)
    assert (told[only_first].abs().sum(1) > 0).any()
