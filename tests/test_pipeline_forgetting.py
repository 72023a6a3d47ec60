"""Forgotten means gone: not a byte of the name, the voice or the words in any file of the home."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from audio.diarize.identity import Voiceprint
from audio.speech import Scores, Utterance, Word
from pipeline import forgetting
from pipeline import shelf as shelves
from pipeline.cli import app
from pipeline.config import load
from pipeline.events import Concluded, Corrected, Event, Learned, Marked, Named, Opened, PipelineError, Said
from pipeline.export import FORMATS, write
from pipeline.export import minutes as minutes_files
from pipeline.forgetting import forget_person, mentions
from pipeline.journal import Journal, rewrite
from pipeline.library import Library
from pipeline.loading import load_mind
from pipeline.mind import STATE, remember
from pipeline.minutes import MinutesStage, minutes_of
from pipeline.series import Series
from pipeline.transcript import Transcript
from pipeline.voiceprints import Voiceprints

NAME = "Wilhelmina Östberg"
SCORES = Scores(avg_logprob=-0.3, no_speech_prob=0.02, compression_ratio=1.2, temperature=0.0)
TALK = (
    "Good morning, the budget of the remote control is on the table today.",
    f"Thank you, {NAME}, and we decided to use the titanium case from Kingfisher.",
    f"{NAME.upper()} will send the drawings by Friday.",
    "And the buttons shall be made of rubber, that is agreed.",
)
VOICE = np.random.default_rng(3).normal(size=256)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def said(texts: tuple[str, ...]) -> Iterator[Event]:
    for n, text in enumerate(texts, 1):
        pieces = [f" {piece}" for piece in text.split()]
        words = tuple(Word(piece, 4.0 * n + i / 8, 4.0 * n + (i + 1) / 8, 0.9) for i, piece in enumerate(pieces))
        yield Said(
            Utterance(f"u{n}", "".join(pieces), 4.0 * n, 4.0 * n + 3, "en", SCORES, words, (1, 2), speaker=f"S{n % 2}")
        )


def held(home: Path, title: str, texts: tuple[str, ...], *more: Event) -> str:
    """A meeting of the series, with names, notes and the memory of it; returns its id."""
    library = Library(home)
    opened = Opened("", title, "2026-03-10T09:00:00+01:00", "", "", "", "fake", "fake", "0")
    events = list(MinutesStage(())([], [*said(texts), *more, Concluded(60, 30)]))
    with library.create(opened) as journal:
        journal.append(*events)
    (found,) = (m for m in library.meetings() if m.title == title)
    stage = remember(lambda: load_mind(load()), library.folder(found))
    list(stage([], events))
    assert (library.folder(found) / STATE).is_file()
    Series("Weekly", library).join(found.id)
    return found.id


NOTES = (
    Named("S1", NAME, "voiceprint", 0.93),
    Named("S0", "Ben", "user"),
    Learned("subject", {"title": f"the drawings of {NAME}", NAME: [NAME.lower()]}, ("u3",)),
    Corrected("u4", "text", f" {NAME} wants rubber.", "user"),
)


def holding(folder: Path, *needles: bytes) -> list[Path]:
    """Files of which any byte sequence, in any case of ASCII letters, is one of these."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [p for p in files if any(n.lower() in p.read_bytes().lower() for n in needles)]


def spelled(name: str) -> list[bytes]:
    cases = {name, name.upper(), name.lower(), name.title()}
    forms = cases | {json.dumps(form)[1:-1] for form in cases}
    return [form.encode(code) for form in forms for code in ("utf-8", "utf-16-le", "latin-1")]


def test_a_person_is_gone_to_the_last_byte(home: Path, tmp_path: Path) -> None:
    first = held(home, "budget", TALK, *NOTES)
    held(home, "later", ("Nothing of it was said here, but the memory went on.",))
    library = Library(home)
    shelf = shelves.open_shelf(load().retrieval, home)
    shelves.refresh(shelf, load().retrieval, library)
    store = Voiceprints(home)
    unit = VOICE / np.linalg.norm(VOICE)
    for encoder in ("ge2e-resemblyzer-0.1.4", "older"):
        store.add(Voiceprint(NAME, encoder, unit), enrolled="2026-03-01", consent=f"{NAME} agreed", speech_s=20)
    store.add(Voiceprint("Ben", "older", -unit), enrolled="2026-03-01", consent="agreed", speech_s=20)
    exports = tmp_path / "exports"
    events = list(library.events(library.meeting(first)))
    for format in FORMATS:
        write(Transcript.of(events), format, exports / f"talk.{format}")
    for format in minutes_files.FORMATS:
        (exports / f"minutes.{format}").write_bytes(minutes_files.render(minutes_of(events), format))
    raw = unit.astype("<f4").tobytes()
    voice = [raw, base64.b64encode(raw), raw[:64]]
    assert len(holding(home, *spelled(NAME), *voice)) >= 5, "journal, index, shelf, two voiceprints"

    done = run("forget", "--person", NAME.lower(), "--exports", str(exports), "--yes")

    assert done.exit_code == 0, done.output
    assert "2 voiceprints" in done.output
    assert "2 memories" in done.output, "the meeting's own, and that of the meeting after it"
    assert holding(home, *spelled(NAME), *voice) == []
    assert holding(home, b"Wilhelmina", "Östberg".encode()) == []
    packed = {path for path in exports.iterdir() if path.suffix in (".docx", ".pdf")}
    assert all(str(path) in done.output for path in packed), "what cannot be rewritten is named"
    assert [p for p in holding(exports, *spelled(NAME), b"Wilhelmina") if p not in packed] == []
    json.loads((exports / "talk.json").read_text("utf-8"))
    assert [v.person for v in store.all(warn=pytest.fail)] == ["Ben"]
    after = Transcript.of(library.events(library.meeting(first)))
    assert (after.speakers["S1"], after.speakers["S0"]) == ("Speaker 1", "Ben")
    assert "titanium case from Kingfisher" in after.utterances[1].text
    assert "somebody" in after.utterances[1].text
    assert not list(home.rglob(STATE))
    assert library.search("Wilhelmina") == []
    assert library.search("Kingfisher")


def test_who_is_not_there_changes_nothing(home: Path) -> None:
    held(home, "budget", TALK, *NOTES)
    before = {path: path.read_bytes() for path in home.rglob("*.jsonl")}
    done = run("forget", "--person", "Wilhelm", "--yes")
    assert done.exit_code == 0
    assert "removed: 0 voiceprints, 0 lines in 0 journals, 0 memories" in done.output
    assert {path: path.read_bytes() for path in home.rglob("*.jsonl")} == before
    assert list(home.rglob(STATE))


@pytest.mark.parametrize("name", ["Mark", "Nobody", "Open", "Action", "User", "Opens"])
def test_a_name_that_is_a_word_of_the_program_leaves_the_events_whole(home: Path, tmp_path: Path, name: str) -> None:
    marked = (Marked(3.0, "mark"), Named("S1", name, "user"))
    id = held(home, "budget", (*TALK, f"{name} will call the supplier by Friday."), *marked)
    library = Library(home)
    events = list(library.events(library.meeting(id)))
    minutes = tmp_path / "minutes.json"
    minutes.write_bytes(minutes_files.render(minutes_of(events), "json"))
    words = re.findall('"(?:kind|status|change|state|by)": ?("[a-z]+")', minutes.read_text("utf-8"))
    assert run("forget", "--person", name, "--exports", str(tmp_path), "--yes").exit_code == 0
    after = list(library.events(library.meeting(id)))
    assert marked[0] in after
    assert not [event for event in after if isinstance(event, Named) and event.name == name]
    assert [e.kind for e in after if isinstance(e, Learned)] == [e.kind for e in events if isinstance(e, Learned)]
    assert [i.owner.kind for i in minutes_of(after).items] == [i.owner.kind for i in minutes_of(events).items]
    assert [i.status for i in minutes_of(after).items] == [i.status for i in minutes_of(events).items]
    assert re.findall('"(?:kind|status|change|state|by)": ?("[a-z]+")', minutes.read_text("utf-8")) == words


def test_a_name_that_stays_in_a_path_is_named(home: Path) -> None:
    held(home, f"{NAME} and Ben", ("Hello.",))
    library = Library(home)
    gone = forget_person(
        NAME, library, shelf=lambda: shelves.open_shelf(load().retrieval, home), warn=lambda s: pytest.fail(s)
    )
    assert gone.left == ()
    held(home, "Ben", ("Hello.",))
    gone = forget_person("ben", library, shelf=lambda: pytest.fail("there is no shelf"), warn=lambda s: pytest.fail(s))
    assert any("-ben-" in str(path.parent.name) for path in gone.left)


def test_a_name_that_is_spread_over_an_export_is_named(home: Path, tmp_path: Path) -> None:
    held(home, "budget", ("Hello.",))
    cues = "1\n00:01 --> 00:02\nthank you Wilhelmina\n\n2\n00:02 --> 00:03\nÖstberg for that\n"
    (tmp_path / "talk.srt").write_text(cues, "utf-8")
    gone = forget_person(
        NAME, Library(home), [tmp_path], shelf=lambda: pytest.fail("no shelf"), warn=lambda s: pytest.fail(s)
    )
    assert gone.exports == ()
    assert [path.name for path in gone.left] == ["talk.srt"]


def test_letters_inside_the_sound_of_a_page_are_no_name(home: Path, tmp_path: Path) -> None:
    held(home, "budget", ("Hello.",))
    sound = "<audio src='data:audio/mpeg;base64,SUQz/Ben/+8Ben=='></audio>"
    (tmp_path / "a.html").write_text(f"<p>Hello.</p>{sound}", "utf-8")
    (tmp_path / "b.html").write_text(f"{sound}<p>Hello, Benny.</p>", "utf-8")
    gone = forget_person(
        "Ben", Library(home), [tmp_path], shelf=lambda: pytest.fail("no shelf"), warn=lambda s: pytest.fail(s)
    )
    assert [path.name for path in gone.left] == ["b.html"]


def test_files_of_other_programs_among_the_exports_are_named_and_not_changed(home: Path, tmp_path: Path) -> None:
    held(home, "budget", ("Hello.",))
    (tmp_path / ".cache").mkdir()
    for name in (".cache/notes.md", ".hidden.txt", "tokenizer.json", "list.json"):
        (tmp_path / name).write_text('["Ben"]' if name == "list.json" else '{"Ben": 1}', "utf-8")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    gone = forget_person(
        "Ben", Library(home), [tmp_path], shelf=lambda: pytest.fail("no shelf"), warn=lambda s: pytest.fail(s)
    )
    assert gone.exports == ()
    assert set(gone.left) == {
        path for path in before if path.is_relative_to(tmp_path) and not path.is_relative_to(home)
    }
    assert {path: path.read_bytes() for path in gone.left} == {path: before[path] for path in gone.left}


def test_nobody_cannot_be_forgotten(home: Path) -> None:
    assert isinstance(run("forget", "--person", "  ", "--yes").exception, PipelineError)
    assert run("forget", "--yes").exit_code == 2
    assert run("forget", "a", "--person", "b", "--yes").exit_code == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("wilhelmina\nöstberg said", True),
        ("(WILHELMINA  ÖSTBERG)", True),
        ("Wilhelmina Östberg's", True),
        ("Wilhelmina Östbergs", False),
        ("Wilhelmina \\u00d6stberg", True),
        ("Wilhelmina", False),
    ],
)
def test_a_name_is_found_as_it_may_stand_in_a_file(text: str, found: bool) -> None:
    assert bool(mentions(NAME).search(text)) == found


def test_a_name_with_signs_is_found_in_html() -> None:
    assert mentions("Tom O'Neil & Co").search("with Tom O&#x27;Neil &amp; Co today")


def test_a_meeting_is_gone_to_the_last_byte(home: Path) -> None:
    before = held(home, "kickoff", ("We begin with the plan.",))
    gone = held(home, "budget", TALK, *NOTES)
    later = held(home, "later", ("The rubber came, that is all.",))
    library = Library(home)
    shelf = shelves.open_shelf(load().retrieval, home)
    shelves.refresh(shelf, load().retrieval, library)
    assert shelves.answers(shelf, "What is the case from Kingfisher made of?")
    assert len(holding(home, b"titanium")) >= 3, "journal, index, shelf"

    done = run("forget", gone, "--yes")

    assert done.exit_code == 0, done.output
    assert holding(home, b"titanium", b"Kingfisher", gone.encode(), *spelled(NAME)) == []
    assert [p.parent.name for p in home.rglob(STATE)] == [before], "what came after had heard of it"
    assert Series("Weekly", library).meetings() == [before, later]
    assert {meeting.id for meeting in library.meetings()} == {before, later}
    assert shelves.answers(shelf, "What is the case from Kingfisher made of?") == []


def test_a_meeting_is_asked_for_before_it_goes(home: Path) -> None:
    gone = held(home, "budget", ("Hello.",))
    assert CliRunner().invoke(app, ["forget", gone], input="n\n").exit_code != 0
    assert Library(home).meeting(gone)
    damaged = home / "series" / "other.json"
    damaged.write_text("{")
    assert CliRunner().invoke(app, ["forget", gone], input="y\n").exit_code == 0
    assert damaged.read_text() == "{"


def test_while_a_meeting_runs_nothing_is_forgotten_by_halves(home: Path) -> None:
    first = held(home, "running", TALK, *NOTES)
    held(home, "over", TALK, *NOTES)
    Voiceprints(home).add(Voiceprint(NAME, "e1", VOICE), enrolled="2026-03-01", consent="agreed", speech_s=20)
    there = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    with Journal(Library(home).folder(Library(home).meeting(first))):
        refused = run("forget", "--person", NAME, "--yes")
    assert isinstance(refused.exception, PipelineError)
    assert "is being written" in str(refused.exception)
    assert {path: path.read_bytes() for path in home.rglob("*") if path.suffix != ".lock" and path.is_file()} == {
        path: content for path, content in there.items() if path.suffix != ".lock"
    }


def test_what_a_break_left_is_forgotten_the_next_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal says what else there is to forget, so that it must not lose the name before the memories are gone."""
    held(home, "one", TALK, *NOTES)
    held(home, "two", TALK, *NOTES)
    rewritten: list[Path] = []

    def breaking(folder: Path, change: Callable[[Event], Event | None], *, dry: bool = False) -> int:
        if not dry:
            rewritten.append(folder)
            if len(rewritten) == 2:
                raise PipelineError("the disk is full")
        return rewrite(folder, change, dry=dry)

    with monkeypatch.context() as patch:
        patch.setattr(forgetting, "rewrite", breaking)
        assert run("forget", "--person", NAME, "--yes").exit_code != 0
    assert run("forget", "--person", NAME, "--yes").exit_code == 0
    assert [path for path in home.rglob("*.safetensors") if path.parent.parent.name == "meetings"] == []
    assert holding(home, *spelled(NAME)) == []
