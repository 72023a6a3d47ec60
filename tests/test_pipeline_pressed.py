"""Events kept in little memory come back as they were."""

from __future__ import annotations

import sys

from audio.speech import Scores, Utterance
from pipeline.events import Corrected, Event, Learned, Said
from pipeline.pressed import Pressed


def said(number: int) -> Said:
    text = f"Line {number}\nwith \u2028 breaks, \ud800 and é"
    return Said(Utterance(f"u{number}", text, number + 0.125, number + 0.5, "en", Scores(-0.3, 0.01, 1.4, 0.0)))


def test_events_come_back_in_order_and_as_often_as_asked() -> None:
    kept, events = Pressed(), list[Event]()
    for number in range(150):  # two full blocks and a part
        for event in (said(number), Corrected(f"u{number}", "speaker", "S2", "speakers")):
            kept.add(event)
            events.append(event)
        assert list(kept)[-2:] == events[-2:]
    assert list(kept) == list(kept) == events
    assert list(Pressed()) == []


def test_they_take_a_fraction_of_the_room() -> None:
    marks = [{"utterance_id": f"u{n}", "action": 0.0123 * (n % 7), "read_ids": [f"u{n - 1}"]} for n in range(8)]
    kept, lines = Pressed(), 0
    for _ in range(64):
        event = Learned("marks", {"marks": marks}, tuple(f"u{n}" for n in range(8)))
        kept.add(event)
        lines += sys.getsizeof(repr(event))
    assert sum(map(len, kept._blocks)) < lines / 10
