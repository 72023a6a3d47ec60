"""The memory in the pipeline: events with proof, a meeting that goes on after a break, a chart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from audio.speech import Scores, Utterance
from memory.corpora import MindError
from memory.mind import Mind
from memory.state import HITS, VERSION, MemoryState
from memory.weights import Calibration
from pipeline.chart import memory_chart
from pipeline.events import REREAD, Concluded, Corrected, Event, Learned, Named, Said, Trouble, from_line, to_line
from pipeline.mind import STATE, Carry, heard_again, person, remember
from pipeline.transcript import marks_of
from tests.test_memory_state import MIND, SHIPPED, close, conversation

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
        replace(e, content={k: v for k, v in e.content.items() if not k.endswith("_ms")})
        if isinstance(e, Learned) and e.kind == "memory"
        else e
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
        assert all(
            any(term in texts[id] for id in topic.evidence) for term in topic.content["title"].lower().split(", ")
        )


@pytest.mark.parametrize("cut", [1, 7, 8, 9, 19, 20, 24, 29])  # also where some were heard in no step yet
def test_a_resumed_meeting_learns_what_an_uninterrupted_one_does(tmp_path: Path, cut: int) -> None:
    coming = [*said(30), Concluded(90.0, 80.0)]
    whole = list(remember(lambda: MIND, tmp_path)([], coming))
    first = list(_until(remember(lambda: MIND, tmp_path)([], coming), cut))
    rest = list(remember(lambda: MIND, tmp_path)(first, coming[cut:]))
    assert untimed([*first, *rest]) == untimed(whole)


@pytest.mark.parametrize("cut", [45, 50, 64, 71])
def test_minutes_are_told_once_each_also_after_a_break(tmp_path: Path, cut: int) -> None:
    mind = Mind(replace(SHIPPED, calibrations={"action windows": Calibration(threshold=0.0)}))
    coming = [*said(75), Concluded(230.0, 200.0)]
    whole = list(remember(lambda: mind, tmp_path)([], coming))
    minutes = learned(whole, "minute")
    assert [minute.content["start_s"] for minute in minutes] == [0.0, 60.0, 120.0, 180.0]
    starts = {u.id: u.start_s for u in conversation(75)}
    for minute in minutes:
        assert 0 < len(minute.evidence) <= 3
        assert all(0 <= starts[id] - minute.content["start_s"] < 60 for id in minute.evidence)
    first = list(_until(remember(lambda: mind, tmp_path)([], coming), cut))
    rest = list(remember(lambda: mind, tmp_path)(first, coming[cut:]))
    assert untimed([*first, *rest]) == untimed(whole)


def test_a_meeting_that_is_over_is_read_anew_and_its_marks_and_minutes_count(tmp_path: Path) -> None:
    coming = [*said(75), Concluded(230.0, 200.0)]
    whole = list(remember(lambda: MIND, tmp_path)([], coming))
    (anew,) = learned(whole, REREAD)
    assert [e for e in whole if e in coming or e == anew][-2:] == [anew, coming[-1]]  # told before the end
    expected = MIND.reread(conversation(75))
    assert expected is not None
    assert {id: tuple(both) for id, both in anew.content["marks"].items()} == {
        id: pytest.approx(both, abs=1e-4) for id, both in expected.marks.items()
    }
    live = {m.utterance_id: m.action for m in marks_of(learned(whole, "marks"))}
    now = {m.utterance_id: m.action for m in marks_of(whole)}
    assert live != now
    assert all(now[id] >= min(live[id], 0.03) for id in live)
    shown = [m["start_s"] for m in anew.content["minutes"]]
    assert shown == [m.start_s for m in expected.minutes if max(m.action, m.decision) >= 0.5]
    assert set(anew.evidence) == {id for m in anew.content["minutes"] for id in m["evidence"]}


def test_what_was_corrected_late_is_read_anew_as_if_known_from_the_start(tmp_path: Path) -> None:
    speakers = [Corrected(f"u{i}", "speaker", "C", "speakers") for i in range(3, 9)]
    text = Corrected("u12", "text", "we decide the battery takes it.", "user")
    late = hold(tmp_path / "late", [*said(40), *speakers, text, END])
    early = hold(tmp_path / "early", [*said(20), *speakers, text, *said(40)[20:], END])
    never = hold(tmp_path / "never", [*said(40), END])
    assert learned(late, REREAD) == learned(early, REREAD)
    assert learned(late, REREAD) != learned(never, REREAD)


def test_eight_at_a_step_are_marked_as_one_by_one(tmp_path: Path) -> None:
    heard = conversation(2 * MIND.segment + 5)
    coming = [*said(len(heard)), Concluded(900.0, 800.0)]
    told = list(marks_of(learned(list(remember(lambda: MIND, tmp_path)([], coming)), "marks")))  # as told while it ran
    alone = list(MIND.read(heard))
    assert [(m.utterance_id, m.act, m.topic, m.boundary) for m in told] == [
        (m.utterance_id, m.act, m.topic, m.boundary) for m in alone
    ]
    assert [m.action for m in told] == pytest.approx([m.action for m in alone], abs=1e-4)


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


def changed(events: list[Event], speakers: dict[str, str]) -> list[Event]:
    """What was said, by others."""
    return [
        Said(replace(e.utterance, speaker=speakers.get(e.utterance.id, e.utterance.speaker)))
        if isinstance(e, Said)
        else e
        for e in events
    ]


def hold(folder: Path, coming: list[Event], carry: Carry | None = None, past: list[Event] | None = None) -> list[Event]:
    folder.mkdir(parents=True, exist_ok=True)
    return list(remember(lambda: MIND, folder, carry)(past or [], coming))


END = Concluded(90.0, 80.0)
NAMES: list[Event] = [Named("A", "Anna", "voiceprint"), Named("B", "Boris", "voiceprint")]


def equal(a: MemoryState, b: MemoryState) -> bool:
    return close(a, b) and a.ledger == b.ledger


def test_corrected_speakers_are_fed_back(tmp_path: Path) -> None:
    """However late the correction, the memory ends as if it had been known from the start."""
    wrong = {f"u{i}": "C" for i in range(3, 9)}
    corrections = [Corrected(id, "speaker", e.utterance.speaker, "speakers") for e in said(30)
                   if isinstance(e, Said) and (id := e.utterance.id) in wrong]  # fmt: skip
    late = [*changed(said(30), wrong)[:25], *corrections, *said(30)[25:], END]
    hold(tmp_path / "late", late)
    hold(tmp_path / "right", [*said(30), END])
    hold(tmp_path / "never", [*changed(said(30), wrong), END])
    ends = {name: MemoryState.load(tmp_path / name / STATE) for name in ("late", "right", "never")}
    assert equal(ends["late"], ends["right"])
    assert not close(ends["never"], ends["right"])


def test_a_series_hands_its_memory_on_and_knows_who_has_a_name(tmp_path: Path) -> None:
    path = tmp_path / "series" / "memory.safetensors"
    hold(tmp_path / "one", [*NAMES, *said(30), END], Carry(path, "one"))
    left = MemoryState.load(path)
    assert left.ledger.speakers == (person("Anna"), person("Boris"))  # C has no name and cannot be known again
    assert left.ledger.meetings == 1
    assert all(id.startswith("one/") for ids in (*left.ledger.provenance, left.ledger.archive) for id in ids)
    assert b"Anna" not in path.read_bytes()
    other = {"A": "S2", "B": "S1", "C": "S3"}  # the same people under other labels
    again = [Said(replace(e.utterance, speaker=other[e.utterance.speaker])) for e in said(30) if isinstance(e, Said)]
    hold(tmp_path / "two", [Named("S2", "anna", "user"), *again, END], Carry(path, "two"))
    after = MemoryState.load(path)
    anna = sum(e.utterance.speaker == "A" for e in said(30) if isinstance(e, Said))
    assert after.ledger.speakers == (person("Anna"), person("Boris"))  # he was away
    assert after.slot_clock[0, :2, HITS].tolist() == [2 * anna, left.slot_clock[0, 1, HITS]]
    assert after.ledger.meetings == 2


def test_a_meeting_of_a_series_that_broke_off_ends_as_if_it_had_not(tmp_path: Path) -> None:
    """Even where the series got this meeting's memory before the break: it is not heard twice."""
    ends = []
    for name, cut in (("whole", 0), ("broken", 20), ("late", 30)):
        carry = Carry(tmp_path / name / "series.safetensors", "two")
        hold(tmp_path / name, [*NAMES, *said(20), END], replace(carry, meeting="one"))
        (tmp_path / name / STATE).unlink()
        coming = [*NAMES, *said(30), END]
        if cut:
            first = list(_until(remember(lambda: MIND, tmp_path / name, carry)([], iter(coming)), cut))
            if cut == 30:  # all but the end of the journal was written
                hold(tmp_path / name, coming, carry)
            hold(tmp_path / name, coming[2 + cut :], carry, first)
        else:
            hold(tmp_path / name, coming, carry)
        ends.append(MemoryState.load(carry.path))
    assert equal(ends[0], ends[1])
    assert equal(ends[0], ends[2])


@pytest.mark.parametrize("damage", ["cut", "version", "size"])
def test_a_memory_that_cannot_be_read_costs_one_sentence_and_no_meeting(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "series.safetensors"
    MIND.empty().save(path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "version":
        path.write_bytes(path.read_bytes().replace(f'"version":"{VERSION}"'.encode(), b'"version":"9"'))
    else:
        replace(MIND.empty(), tokens=torch.zeros(1, 2, 3)).save(path)
    events = hold(tmp_path / "m", [*said(20), END], Carry(path, "m"))
    troubles = [e for e in events if isinstance(e, Trouble)]
    assert len(troubles) == 1
    assert "goes on with an empty memory" in troubles[0].message
    assert len(list(marks_of(events))) == 20
    assert MemoryState.load(path).ledger.meetings == 1


def test_owners_and_reads_of_a_series_are_told_in_this_meeting_s_words(tmp_path: Path) -> None:
    path = tmp_path / "series.safetensors"
    hold(tmp_path / "one", [*NAMES, *said(30), END], Carry(path, "one"))
    events = hold(tmp_path / "two", [*said(30), END], Carry(path, "two"))
    ids = {e.utterance.id for e in said(30) if isinstance(e, Said)}
    for mark in marks_of(events):
        assert mark.owner in ("A", "B", "C", "group", "")
        assert set(mark.read_ids) <= ids


def test_a_disk_that_refuses_the_series_costs_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    events = hold(tmp_path / "m", [*said(12), END], Carry(tmp_path / "file" / "memory.safetensors", "m"))
    assert events[-1] == END
    assert sum(isinstance(e, Trouble) for e in events) == 1


def test_a_person_forgotten_in_a_series_was_never_heard(tmp_path: Path) -> None:
    """The memory made again without Boris is the one of meetings that he never came to."""
    coming = [*NAMES, *said(40), END]
    without = [e for e in coming if not (isinstance(e, Said) and e.utterance.speaker == "B")]
    journals = []
    for name, events in (("with", coming), ("never", without)):
        for meeting in ("one", "two"):
            journals.append(
                (name, meeting, hold(tmp_path / name / meeting, events, Carry(tmp_path / name / "s", meeting)))
            )
    whole = [(meeting, events) for name, meeting, events in journals if name == "with"]
    assert equal(heard_again(MIND, whole), MemoryState.load(tmp_path / "with" / "s"))
    forgotten = heard_again(MIND, whole, without="boris")
    assert equal(forgotten, MemoryState.load(tmp_path / "never" / "s"))
    assert person("Boris") not in forgotten.ledger.speakers
    assert not close(forgotten, MemoryState.load(tmp_path / "with" / "s"))
