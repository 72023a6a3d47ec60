"""Topics that come back: what annotators call the same is the same, and how the pointer to it is judged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from memory import cases
from memory.cases import Case
from memory.corpora import FAR, MISSING, _topics, away
from memory.metrics import ranked
from memory.packing import pack
from memory.predict import Reading, predict
from memory.state import TOPICS
from memory.streams import mistaken
from memory.words import Ints
from tests.test_memory_state import SHIPPED
from tests.test_memory_train import meeting

RUNS = np.repeat([0, 1, 0, 2, 1], [30, FAR + 5, 10, 10, 10])  # 1 -> 0 returns, 2 is new, 2 -> 1 comes back at once


def node(id: int, first: int, last: int, type: str | None = None, description: str | None = None) -> dict[str, Any]:
    return {
        "id": id,
        "parent": None,
        "type": type,
        "description": description,
        "utterances": list(range(first, last)),
    }


def test_a_topic_is_what_annotators_call_it() -> None:
    nodes = [
        node(0, 0, 10, "opening"),
        node(1, 10, 20, "other", "the drawing"),
        node(2, 20, 30, "opening"),
        node(3, 30, 40, "other", "the drawing"),
        node(4, 40, 50),
        node(5, 50, 60),
        node(6, 60, 70, "other"),
    ]
    topic, opens = _topics(nodes, {i: i for i in range(70)}, 70)
    assert topic[::10].tolist() == [0, 1, 0, 1, 2, 3, 4]
    assert np.flatnonzero(opens == 1).tolist() == [10, 20, 30, 40, 50, 60]


def test_how_long_ago_a_topic_was_left() -> None:
    left = away(RUNS)
    assert {int(i): int(left[i]) for i in np.flatnonzero(left)} == {
        30: MISSING,
        30 + FAR + 5: FAR + 6,
        40 + FAR + 5: MISSING,
        50 + FAR + 5: FAR + 1,
    }


def case(group: str, odds: dict[int, tuple[int, float]], topic: Ints = RUNS) -> Case:
    """Logits at the changes of topic: `odds` gives one of them (which topic, its logit); "new" has 0, the rest -5."""
    annotated = replace(meeting(0, len(topic)), topic=topic)
    packed, _ = pack(annotated.heard, SHIPPED.probes)
    changes = np.flatnonzero(away(topic))
    back = np.full((len(changes), 1 + TOPICS), -5.0, np.float32)
    back[:, 0] = 0
    for row, (which, logit) in odds.items():
        back[row, 1 + which] = logit
    return Case(annotated, packed, Reading({}, packed.probes, changes, back), group, np.zeros(4, np.float32))


def test_a_return_needs_less_than_an_even_chance_where_other_meetings_show_it() -> None:
    """The pointer never gives a return an even chance, yet ranks it first: its threshold is that of other groups."""
    both = [case(group, {1: (0, -0.5), 3: (1, -0.5)}) for group in "ab"]
    found = cases.returns(both)
    assert found["always new"].value == 0.5
    assert found["accuracy"].value == found["return recall"].value == found["right topic"].value == 1.0
    assert found["live accuracy"].value == 0.5
    assert found["live return recall"].value == 0.0
    wrong = cases.returns([case(group, {1: (1, -0.5), 3: (0, -0.5)}) for group in "ab"])
    assert wrong["right topic"].value < 1.0


def test_what_was_just_left_does_not_return() -> None:
    """However sure the pointer is of a topic that was left a moment ago, that is an interruption that ends."""
    runs = np.repeat([0, 1, 0, 1], [30, FAR + 5, FAR - 5, 10])
    found = cases.returns([case(group, {1: (0, -0.5), 2: (1, 9.0)}, runs) for group in "ab"])
    assert abs(found["always new"].value - 2 / 3) < 1e-9
    assert found["accuracy"].value == found["return recall"].value == 1.0


def test_every_change_of_topic_is_asked_about() -> None:
    """Also the one at the first utterance of a segment."""
    size = SHIPPED.model.sizes.segment
    annotated = meeting(0, 2 * size + 4)
    packed, _ = pack(annotated.heard, SHIPPED.probes)
    topic = np.repeat([0, 1, 2], [size, 7, size - 3])
    (read,), _ = predict(SHIPPED.model, [packed], [topic])
    assert read.switches.tolist() == [size, size + 7]


def test_mistaken_speakers_are_others_of_the_meeting() -> None:
    speaker = np.arange(400) % 4
    given, wrong = mistaken(speaker, np.random.default_rng(0), share=0.2)
    assert (given != speaker).tolist() == (wrong == 1).tolist()
    assert 0.1 < wrong.mean() < 0.2
    assert set(given.tolist()) == {0, 1, 2, 3}


def test_the_area_under_the_curve_counts_pairs() -> None:
    scores, wanted = np.array([3.0, 2.0, 2.0, 1.0], np.float32), np.array([1, 0, 1, 0])
    assert ranked(scores, wanted) == 0.875  # three pairs in order, one a tie
    assert ranked(-scores, wanted) == 0.125
