"""The screen, driven as a user drives it: what is said, what grows, what was noted, and the keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from audio.live import Level
from audio.speech import Hypothesis, Utterance, Word
from pipeline.events import Concluded, Corrected, Event, Hearing, Learned, Marked, Named, Said
from pipeline.live import Session
from pipeline.tui.app import Captions
from pipeline.tui.panels import Line, Script, meter, note, provisional
from tests.fakes import SURE

Script_ = Callable[[Pilot[None], "Stand"], Awaitable[None]]


class Stand(Session):
    """A session whose source is the test; it notes what the keys ask for."""

    def __init__(self) -> None:
        self.coming: SimpleQueue[Event | None] = SimpleQueue()
        self.paused = self.stopped = False
        self.asked: list[str] = []
        self.level = Level(-20.0, -9.0)

    names = ("microphone", "far side")
    recording = True
    elapsed_s = 187.0

    def behind_s(self) -> float:
        return 4.0

    def levels(self) -> dict[str, Level]:
        return {"microphone": self.level, "far side": Level(float("-inf"), float("-inf"))}

    def toggle_pause(self) -> None:
        self.paused = not self.paused
        self.asked.append("pause")

    def mark(self, text: str = "") -> None:
        self.asked.append("mark")

    def name(self, speaker: str, name: str) -> None:
        self.asked.append(f"{speaker} is {name}")

    def stop(self) -> None:
        self.stopped = True
        self.asked.append("stop")

    def all_events(self) -> Iterator[Event]:
        while (event := self.coming.get()) is not None:
            yield event


def said(number: int, text: str, speaker: str = "") -> Said:
    return Said(Utterance(f"u{number}", f" {text}", 3.0 * number, 3.0 * number + 2, "en", SURE, speaker=speaker))


def hearing(text: str, firm: int) -> Hearing:
    words = tuple(Word(f" {word}", i, i + 1, 1.0) for i, word in enumerate(text.split()))
    return Hearing(Hypothesis(f" {text}", 60, 65, words, firm=firm))


def drive(script: Script_, *, size: tuple[int, int] = (80, 24)) -> Captions:
    """Run the screen with a script of keys; the meeting ends when the script does."""
    stand = Stand()
    app = Captions("Project meeting", stand.all_events(), session=stand, folder=Path.cwd())

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            try:
                await script(pilot, stand)
            finally:
                stand.coming.put(None)

    asyncio.run(run())
    return app


async def settle(pilot: Pilot[None], stand: Stand, *events: Event) -> None:
    """The events come and are on the screen."""
    for event in events:
        stand.coming.put(event)
    for _ in range(100):
        await pilot.pause(0.02)
        if stand.coming.empty():
            break
    await pilot.pause(0.3)


def lines(pilot: Pilot[None], query: str) -> list[str]:
    found = pilot.app.query(query).results(Static)
    return [widget.plain if isinstance(widget, Line) else str(widget.render()) for widget in found]


def test_provisional_text_gives_way_to_final_text() -> None:
    async def script(pilot: Pilot[None], stand: Stand) -> None:
        await settle(pilot, stand, hearing("we will ship", 2))
        assert lines(pilot, ".growing") == ["   1:00  we will ship …"]
        await settle(pilot, stand, hearing("we will skip it", 3))
        assert lines(pilot, ".growing") == ["   1:00  we will skip it …"]
        await settle(pilot, stand, said(1, "We will ship it.", "S1"))
        assert lines(pilot, ".growing") == []
        assert lines(pilot, ".said") == ["   0:03  Speaker 1: We will ship it."]

    drive(script)


def test_names_and_corrections_change_the_lines_that_are_there() -> None:
    async def script(pilot: Pilot[None], stand: Stand) -> None:
        await settle(
            pilot, stand, said(1, "Hello.", "S1"), said(2, "Helo.", "S2"), Corrected("u2", "text", "Hello!", "x")
        )
        await settle(pilot, stand, Named("S1", "Anna", "user"), Marked(8.0, "mark"))
        assert lines(pilot, ".said") == ["   0:03  Anna: Hello.", "   0:06  Speaker 2: Hello!"]
        assert lines(pilot, ".mark") == ["   0:08  -- mark --"]

    drive(script)


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("S1 Anna", ["S1 is Anna"]),
        ("speaker 1 Anna Lee", ["S1 is Anna Lee"]),
        ("1 Anna", ["S1 is Anna"]),
        ("ben Bernd", ["S2 is Bernd"]),
        ("me Anna", ["me is Anna"]),
        ("S9 Anna", []),
        ("Anna", []),
        ("S1", []),
        ("S10 Anna", []),
    ],
)
def test_a_speaker_is_named_by_what_the_screen_calls_them(typed: str, named: list[str]) -> None:
    async def script(pilot: Pilot[None], stand: Stand) -> None:
        await settle(
            pilot,
            stand,
            said(1, "Hello.", "S1"),
            said(2, "Hi.", "S2"),
            said(3, "Ho.", "me"),
            Named("S2", "Ben", "user"),
        )
        await pilot.press("n", *typed, "enter")
        assert stand.asked == named

    drive(script)


def test_text_that_comes_late_stands_where_its_time_puts_it() -> None:
    async def script(pilot: Pilot[None], stand: Stand) -> None:
        await settle(pilot, stand, said(1, "One."), said(3, "Three."), hearing("four", 1), said(2, "Two."))
        assert lines(pilot, ".said") == ["   0:03  One.", "   0:06  Two.", "   0:09  Three."]

    drive(script)


def test_what_the_memory_notes_stands_beside() -> None:
    async def script(pilot: Pilot[None], stand: Stand) -> None:
        assert pilot.app.query("#nothing")
        await settle(pilot, stand, Learned("decision", {"text": "Ship on Friday"}, ("u1",)))
        assert lines(pilot, ".note") == ["decision Ship on Friday"]
        assert not pilot.app.query("#nothing")

    drive(script)


def test_the_keys_pause_mark_name_and_stop() -> None:
    async def script(pilot: Pilot[None], stand: Stand) -> None:
        await settle(pilot, stand, said(1, "Hello.", "S1"))
        await pilot.press("p", "m", "n")
        await pilot.press(*"s1 Anna", "enter")
        await pilot.press("p", "s")
        assert stand.asked == ["pause", "mark", "S1 is Anna", "pause", "stop"]
        assert "FINISHING" in lines(pilot, "#status")[0]

    drive(script)


@pytest.mark.parametrize(
    ("written", "asked"), [("Speaker 2 Ben", ["S2 is Ben"]), ("2 Ben Low", ["S2 is Ben Low"]), ("Ben", [])]
)
def test_a_speaker_is_named_as_the_captions_say_it(written: str, asked: list[str]) -> None:
    async def script(pilot: Pilot[None], stand: Stand) -> None:
        await settle(pilot, stand, said(1, "Hello.", "S2"))
        await pilot.press("n", *written, "enter")
        assert stand.asked == asked

    drive(script)


def test_the_head_tells_time_lag_room_and_levels() -> None:
    async def script(pilot: Pilot[None], stand: Stand) -> None:
        await settle(pilot, stand)
        head, microphone, far_side = lines(pilot, "#status")[0].splitlines()
        assert "REC" in head
        assert "Project meeting" in head
        assert "3:07" in head
        assert "4 s behind" in head
        assert "GB free" in head
        assert "█" in microphone
        assert "-9 dB" in microphone
        assert "silent" in far_side

    drive(script)


def test_a_long_meeting_stays_at_its_end_and_does_not_pile_up() -> None:
    async def script(pilot: Pilot[None], stand: Stand) -> None:
        await settle(pilot, stand, *(said(i, f"Sentence {i}.") for i in range(40)))
        panel = pilot.app.query_one(Script)
        assert panel.max_scroll_y > 10
        assert panel.scroll_offset.y >= panel.max_scroll_y - 1

    drive(script)


@pytest.mark.parametrize(("width", "shown"), [(80, True), (60, False)])
def test_the_notes_leave_the_captions_their_room(width: int, shown: bool) -> None:
    async def script(pilot: Pilot[None], stand: Stand) -> None:
        await settle(pilot, stand)
        assert pilot.app.query_one("#notes").display == shown
        assert pilot.app.query_one("#script").size.width >= 45

    drive(script, size=(width, 24))


def test_an_error_of_the_meeting_leaves_the_screen_and_is_raised() -> None:
    def broken() -> Iterator[Event]:
        yield said(1, "Hello.")
        raise OSError("disk gone")

    app = Captions("t", broken())

    async def run() -> None:
        async with app.run_test() as pilot:
            await pilot.pause(0.5)

    asyncio.run(run())
    assert isinstance(app.failure, OSError)


def test_a_replay_ends_on_the_screen_and_is_left_with_a_key() -> None:
    past: list[Event] = [said(1, "Hello."), Concluded(5, 2)]
    app = Captions("Old meeting", past)

    async def run() -> None:
        async with app.run_test() as pilot:
            await pilot.pause(0.5)
            assert "PLAYED" in lines(pilot, "#status")[0]
            assert lines(pilot, ".said") == ["   0:03  Hello."]
            await pilot.press("q")

    asyncio.run(run())
    assert app.failure is None


def test_firm_words_are_plain_and_the_others_dimmed() -> None:
    text = provisional(hearing("we will ship", 2).hypothesis)
    styled = {text.plain[span.start : span.end].strip(): str(span.style) for span in text.spans}
    assert styled["ship"] == "dim italic"
    assert "we will" not in styled


def test_a_meter_is_read_without_colours_and_a_note_whatever_it_holds() -> None:
    assert meter("x", Level(0.0, 0.0)).plain.count("█") == 10
    assert meter("x", Level(-30.0, -20.0)).plain.count("█") == 5
    assert "silent" in meter("x", Level(float("-inf"), float("-inf"))).plain
    task = {"id": "a1", "what": "call them", "owner": {"kind": "speaker", "name": "S2"}, "status": "open"}
    due = {"due": {"phrase": "by Friday", "date": "2026-03-13"}}
    assert note(Learned("action", {**task, **due}, ())).plain == "action Speaker 2: call them (2026-03-13)"
    assert note(Learned("action", {**task, "status": "done"}, ())).plain == "action Speaker 2: call them [done]"
    passage = {"document": "budget.pdf", "heading": "Costs", "page": 2, "quote": "six euros"}
    assert note(Learned("passage", passage, ())).plain == "see budget.pdf, Costs, page 2"


def test_a_note_that_changes_stays_where_it_stands_and_one_that_falls_goes() -> None:
    task = {"id": "a1", "what": "call them", "owner": {"kind": "speaker", "name": "S2"}, "status": "open"}

    async def script(pilot: Pilot[None], stand: Stand) -> None:
        await settle(pilot, stand, Learned("action", task, ()), Learned("decision", {"id": "d1", "what": "go"}, ()))
        await settle(pilot, stand, Learned("action", {**task, "what": "call the factory"}, ()), Named("S2", "Ben", "x"))
        assert lines(pilot, ".note") == ["action Ben: call the factory", "decision go"]
        await settle(pilot, stand, Learned("action", {**task, "status": "withdrawn"}, ()))
        await settle(pilot, stand, Learned("recording", {"source": "x"}, ()))
        assert lines(pilot, ".note") == ["decision go"]

    drive(script)


def test_the_memory_s_numbers_stand_below_the_notes_and_marks_do_not() -> None:
    numbers = {"speakers": 3, "topics": 2, "items": 5, "hit_rate": 0.84, "age_p50": 12.0, "age_p95": 140.0}
    now = Learned("memory", {**numbers, "evicted": 1, "step_ms": 7.2}, ())
    later = Learned("memory", {**now.content, "hit_rate": 0.5}, ())

    async def script(pilot: Pilot[None], stand: Stand) -> None:
        await settle(pilot, stand, now, Learned("marks", {"marks": []}, ()), later)
        (shown,) = lines(pilot, "#memory")
        assert "3 people, 2 topics, 5 items" in shown
        assert "hit 50%" in shown
        assert "p50 12, p95 140" in shown
        assert "let go 1" in shown
        assert lines(pilot, ".note") == []

    drive(script)
