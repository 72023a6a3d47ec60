"""The library finds meetings and words again, whatever happens to its index, and forgets what it is told to."""

import random
import re
import shutil
import sqlite3
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.speech import Scores, Utterance
from pipeline.events import Concluded, Corrected, Event, Opened, PipelineError, Reached, Said, Trouble
from pipeline.journal import Journal, ResumePoint
from pipeline.library import MATCH_END, MATCH_START, Library, slug

OPENED = Opened("", "Weekly planning", "2026-11-23T10:00:00+01:00", "talk.wav", "aa", "bb", "engine", "model", "0.1.0")
END = Concluded(2.0, 2.0)


def said(number: int, text: str, suppressed: str = "") -> Said:
    scores = Scores(-0.2, 0.01, 1.1, 0.0)
    return Said(Utterance(f"u{number}", text, number - 1.0, float(number), "en", scores, suppressed=suppressed))


def keep(library: Library, opened: Opened, *events: Event) -> str:
    with library.create(opened) as journal:
        journal.append(*events)
    return journal.path.parent.name


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "home")


def test_the_same_audio_and_settings_continue_an_unfinished_meeting(library: Library) -> None:
    with library.open_or_resume(OPENED) as journal:
        assert journal.resume_point == ResumePoint({}, 1)
        journal.append(said(1, " settled"), Reached("", 16_000), said(2, " not settled"))
        with pytest.raises(PipelineError, match="another rapporteur"):
            library.open_or_resume(OPENED)
    with library.open_or_resume(OPENED) as again:
        assert (again.path, again.resume_point) == (journal.path, ResumePoint({"": 16_000}, 2, "en"))
    assert len(library.meetings()) == 1


@pytest.mark.parametrize("other", [replace(OPENED, audio_sha256="a2"), replace(OPENED, settings_sha256="b2")])
def test_other_audio_or_other_settings_begin_a_new_meeting(library: Library, other: Opened) -> None:
    keep(library, OPENED, said(1, " one"), Reached("", 16_000))
    with library.open_or_resume(other) as journal:
        assert journal.resume_point == ResumePoint({}, 1)
    assert len(library.meetings()) == 2


def test_live_audio_has_no_hash_and_is_never_taken_for_another(library: Library) -> None:
    live = replace(OPENED, audio_sha256="")
    keep(library, live, said(1, " one"), Reached("", 16_000))
    assert library.find("", "bb") is None
    with library.open_or_resume(live) as journal:
        assert journal.resume_point == ResumePoint({}, 1)


def test_a_finished_meeting_is_found_again_and_not_continued(library: Library) -> None:
    finished = keep(library, OPENED, said(1, " one"), Reached("", 16_000), END)
    keep(library, replace(OPENED, began="2026-11-24T10:00:00+01:00"))
    found = library.find("aa", "bb")
    assert found
    assert (found.id, found.finished, found.utterances, found.duration_s) == (finished, True, 1, 2.0)
    assert library.find("aa", "other") is None


def test_the_newest_comes_first_whatever_the_offset(library: Library) -> None:
    for began in ("2026-11-23T10:00:00+01:00", "2026-11-23T04:30:00-05:00", "2026-11-22T23:00:00+00:00"):
        keep(library, replace(OPENED, began=began))
    assert [m.began[11:13] for m in library.meetings()] == ["04", "10", "23"]
    assert library.meeting("latest") == library.meetings()[0]


def test_a_meeting_is_named_by_its_id_or_a_unique_part_of_it(library: Library) -> None:
    one = keep(library, OPENED)
    two = keep(library, replace(OPENED, title="Budget", began="2026-11-25T10:00:00+01:00"))
    for key in (two, "2026-11-25", "budget", two[-4:]):
        assert library.meeting(key).id == two
    with pytest.raises(PipelineError, match="fits 2 meetings"):
        library.meeting("2026-11-2")
    with pytest.raises(PipelineError, match=f"did you mean {one}"):
        library.meeting("2026-11-23-weakly-planning")
    for key in ("", "..", "../..", "/", "zzz"):
        with pytest.raises(PipelineError, match=f'no meeting "{re.escape(key)}"'):
            library.meeting(key)


def test_an_empty_library_says_how_to_fill_it(library: Library) -> None:
    assert library.meetings() == []
    with pytest.raises(PipelineError, match="rapporteur transcribe"):
        library.meeting("latest")


@given(st.text())
def test_every_title_makes_a_name_that_every_system_takes(title: str) -> None:
    assert re.fullmatch("[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", slug(title))


def test_titles_and_paths_of_any_bytes_are_kept_and_listed(library: Library) -> None:
    keep(library, replace(OPENED, title="../\0\udc80Größe", source="/tmp/\udcff.wav"))
    (meeting,) = library.meetings()
    assert re.fullmatch("2026-11-23-grosse-[0-9a-f]{4}", meeting.id)
    assert library.folder(meeting).parent == library.home / "meetings"
    assert next(library.events(meeting)) == replace(
        OPENED, meeting=meeting.id, title="../\0\udc80Größe", source="/tmp/\udcff.wav"
    )


def test_search_finds_what_is_shown_and_says_where(library: Library) -> None:
    fix = Corrected("u2", "text", " the budget is approved", "user")
    id = keep(
        library, OPENED, said(1, " hello"), said(2, " the badger is approved"), said(3, " budget", "repetition"), fix
    )
    (mention,) = library.search("BUDGET the")
    assert (mention.meeting, mention.title, mention.utterance_id, mention.start_s) == (id, "Weekly planning", "u2", 1.0)
    assert mention.snippet == f" {MATCH_START}the{MATCH_END} {MATCH_START}budget{MATCH_END} is approved"
    assert library.search("badger") == []


def test_search_finds_words_of_scripts_that_put_no_blanks_between_them(library: Library) -> None:
    keep(library, OPENED, said(1, "次は音楽のことです。"), said(2, "次は予算です。"))
    (mention,) = library.search("音楽")
    assert (mention.utterance_id, mention.snippet) == ("u1", f"次は{MATCH_START}音楽{MATCH_END}のことです。")
    assert library.search("天気") == []


@settings(deadline=None, max_examples=60)
@given(query=st.text(alphabet=st.sampled_from("\"*^():-+{}\0' \t\udc80aé好NEAR"), max_size=12) | st.text(max_size=8))
def test_no_query_is_taken_for_an_operator(tmp_path_factory: pytest.TempPathFactory, query: str) -> None:
    library = Library(tmp_path_factory.getbasetemp() / "queries")
    if not library.meetings():
        keep(library, OPENED, said(1, " near a canary"))
    library.search(query)
    assert library.search(f"{query} canary-free") == []
    assert len(library.search('canary "" NEAR')) == 1


def test_a_journal_that_grew_or_went_is_noticed(library: Library) -> None:
    id = keep(library, OPENED)
    assert library.meetings()[0].utterances == 0
    with Journal(library.folder(library.meetings()[0])) as journal:
        journal.append(said(1, " more"))
        assert library.meetings()[0].utterances == 1
        assert len(library.search("more")) == 1
    shutil.rmtree(library.home / "meetings" / id)
    assert library.meetings() == []
    assert library.search("more") == []


def test_a_damaged_journal_is_listed_with_all_that_can_be_read(library: Library) -> None:
    id = keep(library, OPENED, said(1, " before"), said(2, " lost"), said(3, " after"), END)
    path = library.home / "meetings" / id / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"u2"', b"u2"))
    assert library.meetings()[0].utterances == 2
    assert len(library.search("after")) == 1
    assert any(isinstance(event, Trouble) for event in library.events(library.meetings()[0]))


def test_whatever_happens_to_the_index_it_is_made_again(library: Library) -> None:
    for number in range(20):
        keep(library, OPENED, *(said(n, f" words {number} and {n}") for n in range(1, 20)), END)
    before, found = library.meetings(), library.search("words 7", limit=500)
    index = library.home / "index.sqlite"
    assert len(before) == 20
    schema = index.read_bytes().replace(b"create", b"\x8fr\xffate")
    for damage in (b"", b"no database", b"SQLite format 3\0" + b"\0" * 84, random.Random(1).randbytes(8192), schema):
        index.write_bytes(damage)
        assert library.meetings() == before
        assert library.search("words 7", limit=500) == found
    index.unlink()
    assert library.reindex() == 20
    assert library.search("words 7", limit=500) == found


def test_random_bytes_anywhere_in_the_index_are_survived(library: Library) -> None:
    for _ in range(10):
        keep(library, OPENED, *(said(n, f" words and {n}") for n in range(1, 20)), END)
    before, index, dice = library.meetings(), library.home / "index.sqlite", random.Random(2)
    whole = index.read_bytes()
    for _ in range(25):
        damaged = bytearray(whole)
        at, size = dice.randrange(len(whole)), dice.choice((1, 16, 400, 4096))
        damaged[at : at + size] = dice.randbytes(size)
        index.write_bytes(damaged[: len(whole)])
        library.search("words")
        library.meetings()
    library.reindex()
    assert library.meetings() == before


def test_an_index_of_a_later_version_is_made_again(library: Library) -> None:
    keep(library, OPENED)
    before = library.meetings()
    with sqlite3.connect(library.home / "index.sqlite") as db:
        db.execute("drop table meeting")
        db.execute("pragma user_version = 99")
    db.close()
    assert library.meetings() == before


def test_delete_leaves_no_trace_and_no_other_meeting_changes(library: Library) -> None:
    keep(library, replace(OPENED, title="Canary"), said(1, " a canary sings"), END)
    kept = keep(library, OPENED, said(1, " a finch sings"), END)
    (canary,) = [meeting for meeting in library.meetings() if meeting.id != kept]
    library.delete(canary)
    assert [meeting.id for meeting in library.meetings()] == [kept]
    assert len(library.search("sings")) == 1
    left = [path for path in library.home.rglob("*") if path.is_file()]
    assert left
    assert not any(b"canary" in path.read_bytes().lower() or "canary" in path.name for path in left)
    with pytest.raises(PipelineError, match="no meeting"):
        library.delete(canary)


@pytest.mark.parametrize("id", ["..", ".", "", "../meetings", "/"])
def test_delete_reaches_nothing_but_meetings(library: Library, id: str) -> None:
    keep(library, OPENED)
    with pytest.raises(PipelineError, match="no meeting"):
        library.delete(replace(library.meeting("latest"), id=id))
    assert len(library.meetings()) == 1


def test_a_meeting_that_is_being_written_is_not_deleted(library: Library) -> None:
    with library.create(OPENED), pytest.raises(PipelineError, match="another rapporteur"):
        library.delete(library.meeting("latest"))
    assert len(library.meetings()) == 1


def test_many_may_ask_while_meetings_come_and_go(library: Library) -> None:
    def come_and_go(number: int) -> bool:
        mine = keep(library, OPENED, said(1, f" word{number}"), END)
        (mention,) = library.search(f"word{number}")
        library.delete(library.meeting(mine))
        return mention.meeting == mine and library.search(f"word{number}") == []

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(come_and_go, range(12)))
    assert library.meetings() == []


def test_what_cannot_be_mended_is_one_sentence(library: Library, tmp_path: Path) -> None:
    (library.home / "index.sqlite").mkdir()
    with pytest.raises(PipelineError, match="cannot be used"):
        library.meetings()
    (tmp_path / "file").touch()
    with pytest.raises(PipelineError, match="cannot be made"):
        Library(tmp_path / "file")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no modes")
def test_only_the_owner_reads_a_new_library(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    for home in (tmp_path / "new" / "home", shared):
        keep(made := Library(home), OPENED, said(1, " one"))
        assert made.search("one")
    assert stat.S_IMODE((tmp_path / "new" / "home").stat().st_mode) == 0o700
    assert stat.S_IMODE((shared / "index.sqlite").stat().st_mode) == 0o600
    assert stat.S_IMODE((shared / "meetings").stat().st_mode) == 0o700
