"""The command as a user types it, on a fake engine; the real ones have tests of their own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import wave
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from audio.engines import RecognitionOptions, RecognizedWindow
from audio.speech import AudioError, Samples
from pipeline import build
from pipeline.events import Corrected
from pipeline.loading import load_engine
from pipeline.minutes import minutes_of
from pipeline.screen import Screen
from tests.conftest import Typed
from tests.fakes import FakeTranscriber

ROOT = Path(__file__).parents[1]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two seconds of a loud vowel-like sound between silences."""
    time_s = np.arange(2 * 16_000) / 16_000
    sound = sum(np.sin(2 * np.pi * 120 * k * time_s) / k for k in range(1, 20)) * (1 + np.sin(2 * np.pi * 4 * time_s))
    pcm = np.pad(sound / np.abs(sound).max() * 0.5, 16_000)
    path = tmp_path / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((pcm * 32767).astype("<i2").tobytes())
    return path


def test_a_recording_is_printed_kept_and_written_in_every_format(run, recording, tmp_path) -> None:  # type: ignore[no-untyped-def]
    code, out, err = run("transcribe", recording, "-o", "out")
    assert code == 0, err
    assert "It lasts" in out
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {
        ".txt", ".srt", ".vtt", ".tsv", ".json", ".md", ".html",
    }  # fmt: skip
    assert json.loads((tmp_path / "out" / "talk.json").read_text())["segments"]
    assert "talk" in run("meetings")[1]
    assert "It lasts" in run("show", "latest")[1]
    assert "lasts" in run("search", "seconds")[1]


def test_the_same_command_finds_what_was_done_and_again_does_it_anew(run, recording) -> None:  # type: ignore[no-untyped-def]
    first = run("transcribe", recording, "-f", "txt")
    second = run("transcribe", recording, "-f", "txt")
    assert second[1] == first[1]
    assert "transcribed before" in second[2]
    assert "transcribed before" not in run("transcribe", recording, "-f", "txt", "--again")[2]
    assert run("meetings")[1].count("embedded") == 2


def test_a_recording_under_another_name_gives_files_of_that_name(run, recording, tmp_path) -> None:  # type: ignore[no-untyped-def]
    run("transcribe", recording, "-o", "a", "-f", "txt")
    recording.rename(tmp_path / "budget.wav")
    code, _, err = run("transcribe", tmp_path / "budget.wav", "-o", "b", "-f", "txt")
    assert (code, "transcribed before" in err) == (0, True)
    assert "budget.txt" in {path.name for path in (tmp_path / "b").iterdir()}
    assert run("verify", tmp_path / "b" / "budget.minutes.md")[0] == 0


def test_names_that_stand_in_documents_are_expected(run, recording, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    expected = []

    class Listening(FakeTranscriber):
        def __call__(self, windows: Sequence[Samples], options: RecognitionOptions) -> list[RecognizedWindow]:
            expected.append(options.hotwords)
            return super().__call__(windows, options)

    monkeypatch.setattr(build, "load_engine", lambda *_, **__: Listening())
    (tmp_path / "plan.md").write_text("# Plan\n\nWe buy the Zigbee radio. Then we test the Zigbee radio.\n")
    assert run("shelve", tmp_path / "plan.md")[0] == 0
    monkeypatch.setenv("RAPPORTEUR_RETRIEVAL_PROMPT_TERMS", "3")
    assert run("transcribe", recording, "-f", "txt")[0] == 0
    assert set(expected) == {"Zigbee"}


def test_json_gives_one_event_a_line(run, recording) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = run("transcribe", recording, "--json", "-f", "txt")
    events = [json.loads(line)["event"] for line in out.splitlines()]
    assert code == 0
    assert events[0] == "opened"
    assert "said" in events
    assert events[-1] == "concluded"


def test_whispers_spelling_is_understood(run, recording, tmp_path) -> None:  # type: ignore[no-untyped-def]
    code, _, err = run(
        "transcribe", recording, "--output_dir", "w", "--output_format", "srt", "--word_timestamps", "False",
        "--initial_prompt", "Rapporteur", "--temperature", "0", "--beam_size", "1", "--fp16", "False", "--task",
        "transcribe", "--language", "en",
    )  # fmt: skip
    assert code == 0, err
    names = sorted(path.name for path in (tmp_path / "w").iterdir())
    assert names == ["talk.minutes.html", "talk.minutes.md", "talk.srt"]
    assert "--fp16 has no effect" in err


def test_export_writes_a_meeting_again_and_edits_nothing(run, recording, tmp_path) -> None:  # type: ignore[no-untyped-def]
    run("transcribe", recording, "-o", "a", "-f", "srt")
    assert run("export", "latest", "-o", "b", "-f", "srt")[0] == 0
    assert (tmp_path / "a" / "talk.srt").read_bytes() == (tmp_path / "b" / "talk.srt").read_bytes()
    assert run("export", "-o", "c", "-f", "txt", "--minutes", "docx")[0] == 0
    assert {path.name for path in (tmp_path / "c").iterdir()} == {"talk.txt", "talk.minutes.docx"}


def test_sound_that_is_found_again_under_another_name_gives_files_of_that_name(run, recording, tmp_path) -> None:  # type: ignore[no-untyped-def]
    run("transcribe", recording, "-o", "a", "-f", "txt")
    recording.rename(tmp_path / "renamed.wav")
    _, _, err = run("transcribe", "renamed.wav", "-o", "b", "-f", "txt")
    assert "transcribed before" in err
    assert (tmp_path / "b" / "renamed.txt").read_bytes() == (tmp_path / "a" / "talk.txt").read_bytes()


def test_a_language_the_model_does_not_know_leaves_no_meeting(run, recording, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(build, "load_engine", load_engine)
    for command in (("transcribe", recording), ("listen", "--from-file", recording, "--plain")):
        code, _, err = run(*command, "--language", "de")
        assert code == 3
        assert "English only" in err
    assert "no meeting yet" in run("meetings")[1]


@pytest.mark.parametrize("group", [(), ("speakers",), ("items",), ("models",), ("shelf",)])
def test_help_tells_every_command_in_a_whole_sentence(run, group) -> None:  # type: ignore[no-untyped-def]
    commands = run(*group, "--help")[1].partition("Commands:")[2]
    assert commands
    assert "..." not in commands


def test_interrupted_while_it_is_still_loading_it_just_ends() -> None:
    begin = """
import sys
class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == "pipeline.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from pipeline.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", begin], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_one_bad_file_of_several_does_not_stop_the_others(run, recording, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "bad.wav").write_bytes(b"RIFF nonsense")
    code, out, err = run("transcribe", "bad.wav", recording, "-f", "txt")
    assert code == 3
    assert "It lasts" in out
    assert "bad.wav" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (("transcribe", "nowhere.mp3"), 3, "nowhere.mp3"),
        (("transcribe", "talk.wav", "--beam-size", "many"), 4, "beam_size"),
        (("transcribe", "talk.wav", "--began", "yesterday"), 2, "yesterday"),
        (("transcribe", "talk.wav", "--engine", "siri"), 4, "one of auto"),
        (("show", "nothing"), 4, "no meeting"),
        (("models", "path", "gigantic"), 3, "gigantic"),
        (("fly",), 2, "fly"),
        (("transcribe", "https://example.org/talk.mp3"), 3, "download it first"),
        (("transcribe", "talk.wav", "--config", "mine.yaml"), 4, "check --config"),
        (("transcribe", "talk.wav", "--speaker-engine", "pyannote"), 3, "needs a pipeline"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_an_exit_code(run, recording, arguments, code, part) -> None:  # type: ignore[no-untyped-def]
    got, _, err = run(*arguments)
    assert got == code, err
    assert part in err
    assert "Traceback" not in err


def test_an_unknown_key_names_itself_and_the_nearest(run, recording, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "config.yaml").write_text("recognition: {modle: tiny}\n")
    code, _, err = run("transcribe", recording)
    assert code == 4
    assert "recognition.modle" in err
    assert "recognition.model" in err


def test_config_says_where_values_come_from(run, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("RAPPORTEUR_RECOGNITION_BEAM_SIZE", "3")
    out = run("config")[1]
    assert "RAPPORTEUR_RECOGNITION_BEAM_SIZE" in next(line for line in out.splitlines() if "beam_size: 3" in line)


def test_a_no_is_no_interruption(run, recording, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    run("transcribe", recording, "-f", "txt")
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    code, _, err = run("forget", "latest")
    assert (code, err.strip()) == (1, "rapporteur: nothing was changed")
    assert "talk" in run("meetings")[1]


def test_standard_input_is_a_recording_too(run, recording, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    with recording.open("rb") as file:
        monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": file}))
        code, out, err = run("transcribe", "-", "-f", "txt")
    assert code == 0, err
    assert "It lasts" in out
    for nothing in (None, type("Stdin", (), {"buffer": BytesIO()})):
        monkeypatch.setattr(sys, "stdin", nothing)
        code, _, err = run("transcribe", "-", "-f", "txt")
        assert (code, err.count("\n")) == (4, 1), err
        assert "standard input" in err
    (kept,) = (tmp_path / "home" / "received").iterdir()
    assert kept.read_bytes() == recording.read_bytes()


def test_doctor_looks_at_everything_and_finds_the_embedded_model(run) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = run("doctor")
    assert code == 0, out
    assert "embedded" in out
    assert "silero" in out


@pytest.mark.parametrize(
    ("modules", "slow"),
    [
        ("pipeline.cli", ("torch", "whisper", "faster_whisper", "faiss", "textual", "pyannote")),
        ("audio.engines.faster_whisper, audio.engines.conversions", ("torch", "whisper", "numba")),
    ],
)
def test_the_command_starts_without_what_takes_seconds_to_import(modules: str, slow: tuple[str, ...]) -> None:
    program = f"import sys, {modules}; print(*[name for name in {slow} if name in sys.modules])"
    started = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert started.stdout.split() == []


def test_a_full_disk_behind_the_output_is_one_sentence(run, recording, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    run("transcribe", recording, "-f", "txt")
    monkeypatch.setattr(sys.stdout, "write", lambda text: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    code, _, err = run("show")
    assert code == 1
    assert err == "rapporteur: the output cannot be used (No space left on device); make room or give access\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early_is_no_error_and_no_word(unbuffered: str) -> None:
    """As `rapporteur config | head -1`: the pipe is closed before anything is written into it."""
    readable, writable = os.pipe()
    os.close(readable)
    environ = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-m", "pipeline.cli", "config"]
    done = subprocess.run(command, cwd=ROOT, env=environ, stdout=writable, stderr=subprocess.PIPE, check=False)
    os.close(writable)
    assert (done.returncode, done.stderr) == (0, b"")


def test_letters_that_the_output_has_no_sign_for_are_no_error(run, recording, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    run("transcribe", recording.rename(recording.with_name("Büro.wav")), "-f", "txt")
    plain = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", plain)
    assert run("show")[0] == 0
    plain.flush()
    assert b"B?ro" in plain.buffer.getvalue()


def test_a_question_that_is_answered_with_no_changes_nothing(run, recording, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    run("transcribe", recording, "-f", "txt")
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    code, _, err = run("forget", "latest")
    assert (code, err.splitlines()[-1]) == (1, "rapporteur: nothing was changed")
    assert "talk" in run("meetings")[1]


def test_a_closed_standard_input_is_one_sentence(run, recording, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    run("transcribe", recording, "-f", "txt")
    monkeypatch.setattr(sys, "stdin", None)
    code, _, err = run("transcribe", "-")
    assert (code, "standard input is closed" in err) == (4, True)
    code, _, err = run("forget", "latest")
    assert (code, "--yes" in err) == (2, True)
    assert "talk" in run("meetings")[1]


def test_an_empty_name_is_not_the_folder_one_is_in(run, recording) -> None:  # type: ignore[no-untyped-def]
    code, _, err = run("transcribe", "")
    assert (code, "named by nothing" in err) == (4, True)


def test_listening_into_a_folder_that_cannot_be_written_begins_no_meeting(run, recording) -> None:  # type: ignore[no-untyped-def]
    assert run("listen", "--from-file", recording, "--plain", "--pace", "0", "-o", recording)[0] == 4
    assert "no meeting yet" in run("meetings")[1]


def test_what_came_by_standard_input_goes_with_its_meeting_and_junk_is_not_kept(  # type: ignore[no-untyped-def]
    run, recording, tmp_path, monkeypatch
) -> None:
    def piped(content: bytes) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(BytesIO(content)))
        typed: tuple[int, str, str] = run("transcribe", "-", "-f", "txt")
        return typed

    received = tmp_path / "home" / "received"
    code, _, err = piped(b"these are no sounds at all")
    assert code == 3
    assert "standard input is damaged or not a recording" in err
    assert list(received.iterdir()) == []
    assert piped(recording.read_bytes())[0] == 0
    assert piped(recording.read_bytes())[0] == 0
    assert len(list(received.iterdir())) == 1
    assert run("forget", "latest", "--yes")[0] == 0
    assert list(received.iterdir()) == []


def test_help_says_what_a_flag_takes_and_what_holds_without_it(run) -> None:  # type: ignore[no-untyped-def]
    told = " ".join(run("transcribe", "--help")[1].split())
    assert "--beam-size NUMBER" in told
    assert "[default: txt,srt,vtt,tsv,json,md,html]" in told


def test_what_is_found_is_told_to_scripts_too(run, recording) -> None:  # type: ignore[no-untyped-def]
    run("transcribe", recording, "-f", "txt")
    (line,) = run("search", "lasts", "--json")[1].splitlines()
    found = json.loads(line)
    assert found["meeting"].endswith(run("meetings")[1].splitlines()[1].split()[0][-4:])
    assert "lasts" in found["text"]


def test_the_program_in_the_readme_runs(run, recording, tmp_path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    program = (ROOT / "README.md").read_text("utf-8").partition("```python\n")[2].partition("```")[0]
    assert "samples/meeting.flac" in program
    exec(program.replace("samples/meeting.flac", recording.name), {})
    assert "talk" in run("meetings")[1]


def test_lines_whose_speaker_was_decided_later_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    screen.show(Corrected("u1", "speaker", "S2", "speakers"))
    screen.show(Corrected("u1", "speaker", "S3", "speakers"))
    screen.show(Corrected("u2", "text", "other words", "user"))
    screen.show_minutes(minutes_of([]))
    assert "1 line was given to another speaker" in capsys.readouterr().err
    screen.show_minutes(minutes_of([]))
    assert "another speaker" not in capsys.readouterr().err


def test_a_file_of_the_users_own_is_kept_and_one_that_was_written_here_is_replaced(run, recording, tmp_path) -> None:  # type: ignore[no-untyped-def]
    notes = tmp_path / "talk.md"
    notes.write_text("my own notes")
    err = run("transcribe", recording, "-f", "md,txt")[2]
    assert "talk.md was there" in err
    assert (tmp_path / "talk.md~").read_text() == "my own notes"
    minutes = tmp_path / "talk.minutes.md"
    minutes.write_text(minutes.read_text() + "and a line of mine")
    for _ in range(2):
        run("transcribe", recording, "-f", "md,txt")
    assert (tmp_path / "talk.minutes.md~").read_text().endswith("and a line of mine")
    assert sorted(path.name for path in tmp_path.glob("*~")) == ["talk.md~", "talk.minutes.md~"]


def test_doctor_tells_what_is_broken_and_looks_at_the_rest(run: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise AudioError("openai-whisper is not installed: run `pip install openai-whisper`")

    monkeypatch.setattr("audio.engines.models.installed", broken)
    monkeypatch.setitem(sys.modules, "torch", None)  # as where its files are damaged
    code, out, err = run("doctor")
    assert code == 1
    assert "pip install openai-whisper" in out, err
    assert "torch" in out
    assert "library" in out
