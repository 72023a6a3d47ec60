"""Minutes of meetings that are listened to, and tasks across the meetings of a series, through the whole command."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

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
        voices = KnownVoices({text: who for who, text in script}, PEOPLE)
        monkeypatch.setattr(build, "load_engine", lambda chosen, threads: ScriptedTranscriber(lines))
        monkeypatch.setattr(build.Run, "attribution", lambda self, recording: voices)
        path = tmp_path / f"talk{len(lines)}.wav"
        soundfile.write(path, play(lines), 16_000)
        command = ("listen", "--from-file", path, "--pace", 0) if live else ("transcribe", path)
        return run(*command, *arguments)

    return hold


def test_a_meeting_that_is_listened_to_ends_in_minutes(held: Held, tmp_path: Path) -> None:
    code, out, err = held(FIRST, "-o", tmp_path / "out", "-f", "txt", "--began", "2026-03-10T09:00+01:00", live=True)
    assert code == 0, err
    shown = out[out.index("\nMinutes") :]
    assert "send the report to" in shown
    assert "2026-03-13" in shown
    assert sorted("".join(p.suffixes) for p in (tmp_path / "out").iterdir()) == [".minutes.html", ".minutes.md", ".txt"]
    assert "Ben" in next((tmp_path / "out").glob("*.md")).read_text(encoding="utf-8")


