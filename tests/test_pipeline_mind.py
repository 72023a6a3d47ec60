"""The memory in the pipeline: events with proof, a meeting that goes on after a break, a chart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from audio.speech import Scores, Utterance
from memory.corpora import MindError
from memory.mind import Mind
from memory.state import MemoryState
from pipeline.chart import memory_chart
from pipeline.events import Concluded, Event, Learned, Said, Trouble, from_line, to_line
from pipeline.mind import STATE, marks_of, remember
from tests.test_memory_state import MIND, conversation

torch.set_num_threads(1)


def said(count: int) -> list[Event]:
    scores = Scores(-0.1, 0.0, 1.0, 0.0)
    return [
        Said(Utterance(u.id, u.text, u.start_s, u.end_s, "en", scores, speaker=u.speaker)) for u in conversation(count)
    ]


def learned(events: list[Event], kind: str) -> list[Learned]:
    return [e for e in events if isinstance(e, Learned) and e.kind == kind]


def untimed(events: list[Event]) -> list[Event]:
    """Without the milliseconds that a step took."""
    return [
        replace(e, content={**e.content, "step_ms": 0.0}) if isinstance(e, Learned) and e.kind == "memory" else e
        for e in events
    ]


def test_every_utterance_is_marked_and_all_that_came_goes_on(tmp_path: Path) -> None:
    coming = [*said(30), Concluded(90.0, 80.0)]
    events = list(remember(lambda: MIND, tmp_path)([], coming))
    assert [e for e in events if not isinstance(e, Learned)] == coming
    assert events[-1] == coming[-1]
    assert [m.utterance_id for m in marks_of(events)] == [f"u{i}" for i in range(1, 31)]
    assert [from_line(to_line(e)) for e in events] == events
    assert MemoryState.load(tmp_path / STATE).position.item() == 30


def test_topics_are_proved_and_titled_with_words_that_were_said(tmp_path: Path) -> None:
    events = list(remember(lambda: MIND, tmp_path)([], [*said(30), Concluded(90.0, 80.0)]))
    texts = {u.id: u.text.lower() for u in conversation(30)}
    for topic in learned(events, "subject"):
        assert topic.evidence
        assert set(topic.evidence) <= set(texts)
        assert all(word in " ".join(texts.values()) for word in topic.content["title"].lower().split())


def test_a_resumed_meeting_learns_what_an_uninterrupted_one_does(tmp_path: Path) -> None:
    coming = [*said(30), Concluded(90.0, 80.0)]
    whole = list(remember(lambda: MIND, tmp_path)([], coming))
    first = list(_until(remember(lambda: MIND, tmp_path)([], coming), 20))
    rest = list(remember(lambda: MIND, tmp_path)(first, coming[20:]))
    assert untimed([*first, *rest]) == untimed(whole)


def _until(events: Iterator[Event], count: int) -> Iterator[Event]:
    """A run that breaks right before utterance count + 1."""
    for event in events:
        if isinstance(event, Said) and int(event.utterance.id[1:]) > count:
            return
        yield event


def test_without_weights_the_meeting_goes_on_and_says_so(tmp_path: Path) -> None:
    def missing() -> Mind:
        raise MindError("the weights are gone; install again")

    coming = [*said(3), Concluded(9.0, 8.0)]
    events = list(remember(missing, tmp_path)([], coming))
    assert [e for e in events if not isinstance(e, Trouble)] == coming
    assert sum(isinstance(e, Trouble) for e in events) == 1


def test_the_chart_is_one_svg_with_escaped_titles(tmp_path: Path) -> None:
    events = list(remember(lambda: MIND, tmp_path)([], [*said(30), Concluded(90.0, 80.0)]))
    moments = [e.content for e in learned(events, "memory")]
    svg = memory_chart("a < b", moments, [(3, "x & y")])
    assert svg.startswith("<svg")
    assert svg.rstrip().endswith("</svg>")
    assert "a &lt; b" in svg
    assert "x &amp; y" in svg
