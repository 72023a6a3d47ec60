"""Minutes of meetings that are listened to, and tasks across the meetings of a series, through the whole command."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import soundfile

from pipeline import build
from tests.conftest import Typed
from tests.fakes import KnownVoices, ScriptedTranscriber, play

PEOPLE = {"S1": "Anna", "S2": "Ben"}
FIRST = (
    ("S1", "The first topic is the launch."),
    ("S1", "Ben, can you send the report to the board by Friday?"),
    ("S2", "Sure, I will do that."),
    ("S1", "I will order thirty rubber cases by the end of the month."),
    ("S2", "Somebody has to book the hall in two weeks."),
    ("S1", "And somebody has to translate the manual."),
)
SECOND = (
    ("S1", "Good morning, last week we talked about the launch."),
    ("S2", "I have sent the report to the board."),
    ("S1", "I will book the hall."),
    ("S1", "We do not need to translate the manual any more."),
    ("S2", "I will call the supplier tomorrow."),
)
Held = Callable[..., tuple[int, str, str]]


@pytest.fixture
def held(run: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Held:
    """Holds a meeting by a script, as a recording or live: the command's exit code, stdout, stderr."""

    def hold(script: Sequence[tuple[str, str]], *arguments: object, live: bool = False) -> tuple[int, str, str]:
        lines = [text for _, text in script]
        (tmp_path / "config.yaml").write_text(
            "recognition: {model: embedded}\nvad: {detector: webrtcvad, webrtc_mode: 0}\n"
            f"memory: {{enabled: {str(live).lower()}}}\n"  # loading it costs more than all the rest
        )
        voices = KnownVoices({text: who for who, text in script}, PEOPLE)
        monkeypatch.setattr(build, "load_engine", lambda chosen, threads, **_: ScriptedTranscriber(lines))
        monkeypatch.setattr(build.Run, "attribution", lambda self, recording: voices)
        path = tmp_path / f"talk{len(lines)}.wav"
        soundfile.write(path, play(lines), 16_000)
        command = ("listen", "--from-file", path, "--pace", 0) if live else ("transcribe", path)
        return run(*command, *arguments)

    return hold


@pytest.fixture
def series(held: Held, tmp_path: Path) -> Path:
    """Two meetings of one series, held a week apart; the folder of their files."""
    for script, day in ((FIRST, "2026-03-10"), (SECOND, "2026-03-17")):
        code, _, err = held(
            script, "--series", "weekly", "--began", f"{day}T09:00+01:00", "-o", tmp_path / day, "-f", "txt"
        )
        assert code == 0, err
    return tmp_path


def listed(run: Typed, *arguments: object) -> dict[str, dict[str, Any]]:
    code, out, err = run("items", *arguments, "--json")
    assert code == 0, err
    return {row["what"]: row for row in map(json.loads, out.splitlines())}


def test_a_meeting_that_is_listened_to_ends_in_minutes(held: Held, run: Typed, tmp_path: Path) -> None:
    code, out, err = held(FIRST, "-o", tmp_path / "out", "-f", "txt", "--began", "2026-03-10T09:00+01:00", live=True)
    assert code == 0, err
    shown = out[out.index("\nMinutes") :]
    assert "send the report to" in shown
    assert "2026-03-13" in shown
    assert sorted("".join(p.suffixes) for p in (tmp_path / "out").iterdir()) == [".minutes.html", ".minutes.md", ".txt"]
    (page,) = (tmp_path / "out").glob("*.html")
    assert "data:audio/mpeg" in page.read_text(encoding="utf-8")  # every line can be heard
    code, out, err = run("verify", page)
    assert code == 0, err
    assert "not checked" not in out
    assert "Ben" in next((tmp_path / "out").glob("*.md")).read_text(encoding="utf-8")


def test_the_next_meeting_opens_with_what_was_open_and_says_what_became_of_it(series: Path, run: Typed) -> None:
    (path,) = (series / "2026-03-17").glob("*.minutes.md")
    text = path.read_text(encoding="utf-8")
    opening = text[text.index("## Still open from last time") : text.index("## Summary")]
    lines = {line.split("</a>")[-1].split(",")[0]: line for line in opening.splitlines() if line.startswith("-")}
    assert set(lines) == {
        "Send the report to the board", "Order thirty rubber cases", "Book the hall", "Translate the manual",
    }  # fmt: skip
    assert "; done [00:0" in lines["Send the report to the board"]
    assert "; assigned to Anna [00:0" in lines["Book the hall"]
    assert "; dropped [00:0" in lines["Translate the manual"]
    assert "Anna, by the end of the month (open" in lines["Order thirty rubber cases"]
    assert run("verify", path)[0] == 0


def test_each_transition_of_a_series_names_what_was_said(series: Path, run: Typed) -> None:
    items = listed(run, "--state", "all")
    steps = {what: [(c["change"], bool(c["evidence"])) for c in row["history"]] for what, row in items.items()}
    assert steps["send the report to the board"] == [("assigned", True), ("carried", False), ("done", True)]
    assert steps["book the hall"] == [("raised", True), ("carried", False), ("assigned", True)]
    assert steps["translate the manual"] == [("raised", True), ("carried", False), ("dropped", True)]
    assert items["book the hall"]["owner_name"] == "Anna"
    first = items["send the report to the board"]["history"][0]
    assert first["meeting"].startswith("2026-03-10")
    assert len(items) == 5


def test_tasks_are_found_by_owner_state_and_day(series: Path, run: Typed) -> None:
    assert set(listed(run)) == {"order thirty rubber cases", "book the hall", "call the supplier"}
    assert set(listed(run, "--owner", "ben")) == {"call the supplier"}
    assert set(listed(run, "--state", "done")) == {"send the report to the board"}
    assert set(listed(run, "--due-by", "2026-03-20")) == {"call the supplier"}
    assert list(listed(run, "--sort", "owner"))[-1] == "call the supplier"
    assert run("items", "--due-by", "someday")[0] != 0


def test_what_the_user_says_of_a_task_is_an_event_and_stands_in_later_exports(series: Path, run: Typed) -> None:
    (first,) = [line.split()[0] for line in run("meetings")[1].splitlines() if "2026-03-10" in line.split()[0]] or [""]
    hall = listed(run)["book the hall"]
    assert hall["meeting"].startswith("2026-03-17")
    call = listed(run)["call the supplier"]["id"]
    for command in (
        ("assign", hall["meeting"], hall["id"], "Ben"),
        ("due", hall["meeting"], hall["id"], "2026-04-01"),
        ("done", "latest", call),
        ("done", "latest", call),
        ("reword", "latest", listed(run)["order thirty rubber cases"]["id"], "=order forty cases"),
    ):
        code, _, err = run("items", *command)
        assert code == 0, err
    assert run("items", "assign", "latest", "a99", "Ben")[0] != 0
    hall = listed(run)["book the hall"]
    assert (hall["owner_name"], hall["due"]["date"]) == ("Ben", "2026-04-01")
    assert run("minutes", "latest", "-f", "md", "-f", "csv", "-o", series / "later")[0] == 0
    (md,) = (series / "later").glob("*.md")
    text = md.read_text(encoding="utf-8")
    assert "reassigned to Ben by hand" in text
    assert text.count("done by hand") == 1
    assert run("verify", md)[0] == 0
    (csv,) = (series / "later").glob("*.csv")
    assert "'=order forty cases" in csv.read_text(encoding="utf-8")
    assert first == "" or run("items", "show", hall["meeting"], hall["id"])[0] == 0


def test_a_task_is_changed_where_it_stands_now_whichever_meeting_is_named(series: Path, run: Typed) -> None:
    hall = listed(run)["book the hall"]
    origin = next(c["meeting"] for c in hall["history"] if c["meeting"])
    code, out, err = run("items", "done", origin, hall["id"].rpartition(".")[2])
    assert code == 0, err
    assert hall["meeting"] in out
    assert "book the hall" not in listed(run)
    shown = run("items", "show", origin, hall["id"].rpartition(".")[2])[1]
    assert "Somebody has to book the hall" in shown
    assert "I will book the hall" in shown
    assert "done by hand" in shown


def test_a_decision_is_no_task(held: Held, run: Typed) -> None:
    code, _, err = held((("S1", "We have decided to use the rubber case."),))
    assert code == 0, err
    for command in (("done", "latest", "d1"), ("assign", "latest", "d1", "Ben"), ("due", "latest", "d1", "2026-04-01")):
        code, _, err = run("items", *command)
        assert code == 4
        assert "d1 is a decision" in err
    assert "dropped" in run("items", "drop", "latest", "d1")[1]
    assert "decided" in run("items", "reopen", "latest", "d1")[1]
    assert "use the hard case" in run("items", "reword", "latest", "d1", "use the hard case")[1]


def test_what_is_piped_in_is_played_as_if_live(
    held: Held, run: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held((("S1", "I will order thirty rubber cases."),), "-f", "txt")
    with (tmp_path / "talk1.wav").open("rb") as file:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=file))
        code, out, err = run("listen", "--from-file", "-", "--pace", 0, "--plain", "-f", "txt")
    assert code == 0, err
    assert "thirty rubber cases" in out
