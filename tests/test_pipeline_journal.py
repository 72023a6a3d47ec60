"""The journal loses nothing that it acknowledged: torn, damaged, full disk, second writer, kill -9."""

import errno
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from audio.speech import Hypothesis, Scores, Utterance
from pipeline.events import Concluded, Corrected, Event, Hearing, Opened, PipelineError, Reached, Said, Trouble, to_line
from pipeline.journal import JOURNAL, Journal, ResumePoint, lock, read, rewrite
from pipeline.transcript import Transcript

ROOT = Path(__file__).parents[1]
OPENED = Opened("folder", "Title", "2026-11-23T10:00:00+01:00", "talk.wav", "aa", "bb", "engine", "model", "0.1.0")
SECOND = 16_000  # samples


def said(number: int, text: str = " some words", source: str = "") -> Said:
    scores = Scores(-0.2, 0.01, 1.1, 0.0)
    return Said(Utterance(f"u{number}", text, number - 1.0, float(number), "en", scores, source=source))


def keep(folder: Path, *events: Event) -> Path:
    with Journal(folder) as journal:
        journal.append(*events)
    return folder / JOURNAL


def test_what_is_appended_is_read_in_order_and_hearing_is_passed_over(tmp_path: Path) -> None:
    path = keep(tmp_path, OPENED, Hearing(Hypothesis(" so", 0, 1)), said(1, " line\u2028 sep\r\n"), Reached("", SECOND))
    assert list(read(path)) == [OPENED, said(1, " line\u2028 sep\r\n"), Reached("", SECOND)]
    keep(tmp_path, Concluded(1.0, 1.0))
    assert list(read(path))[-1] == Concluded(1.0, 1.0)


def test_wherever_it_is_torn_all_whole_lines_are_read(tmp_path: Path) -> None:
    events: list[Event] = [OPENED, said(1, " Grüße"), said(2), Reached("", SECOND)]
    path = keep(tmp_path, *events)
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        assert list(read(path)) == events[: whole[:size].count(b"\n")]


@pytest.mark.parametrize(
    "damage", [b"\0" * 40, b"{}", b'{"event":"said","utterance":{"text":"hush"}}', b"", b"\xff\xfe"]
)
def test_a_damaged_line_is_named_and_all_others_are_read(tmp_path: Path, damage: bytes) -> None:
    events: list[Event] = [OPENED, said(1), Reached("", SECOND), said(2), Reached("", 2 * SECOND)]
    path = keep(tmp_path, *events)
    lines = path.read_bytes().split(b"\n")
    lines[1] = damage
    path.write_bytes(b"\n".join(lines))
    found = list(read(path))
    assert found[:1] + found[2:] == events[:1] + events[2:]
    trouble = found[1]
    assert isinstance(trouble, Trouble)
    assert "line 2 of" in trouble.message
    assert "hush" not in trouble.message
    with Journal(tmp_path) as journal:  # a resume does not throw the damaged line away: it may be mended by hand
        assert journal.resume_point == ResumePoint({"": 2 * SECOND}, 3, "en")
    assert path.read_bytes() == b"\n".join(lines)


def test_a_damaged_letter_costs_a_letter(tmp_path: Path) -> None:
    path = keep(tmp_path, OPENED, said(1, " a canary"))
    path.write_bytes(path.read_bytes().replace(b"canary", b"c\xffnary"))
    assert [u.text for u in Transcript.of(read(path)).utterances] == [" a c\ufffdnary"]


def test_resuming_cuts_what_no_reached_of_its_source_confirms_and_keeps_corrections(tmp_path: Path) -> None:
    settled: list[Event] = [OPENED, said(1, source="left"), Reached("left", SECOND)]
    correction = Corrected("u1", "text", "better", "user")
    unsettled = [said(2, source="right"), said(3, source="left")]
    path = keep(tmp_path, *settled, unsettled[0], Reached("left", 2 * SECOND), unsettled[1], correction)
    with Journal(tmp_path) as journal:
        assert journal.resume_point == ResumePoint({"left": 2 * SECOND}, 2, "en")
    assert list(read(path)) == [*settled, Reached("left", 2 * SECOND), correction]


def test_a_concluded_journal_is_not_cut(tmp_path: Path) -> None:
    events: list[Event] = [OPENED, said(1), Reached("", SECOND), said(2), Concluded(2.0, 2.0)]
    path = keep(tmp_path, *events)
    with Journal(tmp_path) as journal:
        assert journal.resume_point.next_utterance == 3
    assert list(read(path)) == events


BATCHES = [("left", 1), ("right", 1), ("left", 2), ("right", 3)]  # source, seconds reached


def batches(resume: ResumePoint) -> Iterator[list[Event]]:
    """What a recogniser makes that gives the same text for the same audio, from where it is told to go on."""
    number = resume.next_utterance
    for source, second in BATCHES:
        if second * SECOND > resume.reached.get(source, 0):
            words = said(number, f" {source}", source), said(number + 1, f" {second}", source)
            yield [*words, Reached(source, second * SECOND)]
            number += 2


def test_wherever_it_breaks_the_resumed_meeting_equals_the_unbroken_one(tmp_path: Path) -> None:
    unbroken = tmp_path / "unbroken"
    unbroken.mkdir()
    path = keep(unbroken, OPENED)
    with Journal(unbroken) as journal:
        for batch in batches(journal.resume_point):
            journal.append(*batch)
    whole, expected = path.read_bytes(), Transcript.of(read(path))
    assert len(expected.utterances) == 2 * len(BATCHES)
    for size in range(len(to_line(OPENED)) + 1, len(whole), 23):  # 23: a few breaks in every line
        broken = tmp_path / f"broken at {size}"
        broken.mkdir()
        (broken / JOURNAL).write_bytes(whole[:size])
        with Journal(broken) as journal:
            for batch in batches(journal.resume_point):
                journal.append(*batch)
        assert Transcript.of(read(broken / JOURNAL)) == expected


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    first = Journal(tmp_path)
    with pytest.raises(PipelineError, match="another rapporteur"):
        Journal(tmp_path)
    first.close()
    Journal(tmp_path).close()


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are set in another way")
def test_a_full_disk_is_one_sentence_and_costs_only_the_batch_that_did_not_fit(tmp_path: Path) -> None:
    import resource

    journal = Journal(tmp_path)
    journal.append(OPENED, said(1), Reached("", SECOND))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = journal.path.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30, limits[1]))  # room for a part of the next line
    try:
        with pytest.raises(PipelineError, match=r"could not be written .*; make room"):
            journal.append(said(2), Reached("", 2 * SECOND))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(read(journal.path)) == [OPENED, said(1), Reached("", SECOND)]
    journal.append(said(3), Reached("", 3 * SECOND))  # there is room again
    journal.close()
    assert list(read(journal.path))[-2:] == [said(3), Reached("", 3 * SECOND)]


def test_what_the_disk_does_not_confirm_is_not_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keep(tmp_path, OPENED)

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with Journal(tmp_path) as journal:
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(PipelineError, match="Input/output error"):
            journal.append(said(1), Reached("", SECOND))
    assert list(read(path)) == [OPENED]


def test_a_journal_that_is_not_there_or_has_no_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="cannot be read"):
        list(read(tmp_path / JOURNAL))
    with pytest.raises(PipelineError, match="could not be written"):
        Journal(tmp_path / "gone")


WRITER = """
import sys
from pathlib import Path
from audio.speech import Scores, Utterance
from pipeline.events import Reached, Said
from pipeline.journal import Journal

journal = Journal(Path(sys.argv[1]))
number = journal.resume_point.next_utterance
while True:
    scores = Scores(-0.2, 0.0, 1.1, 0.0)
    spoken = [Utterance(f"u{n}", " word" * 400, n - 1.0, n, "en", scores) for n in (number, number + 1)]
    journal.append(*map(Said, spoken), Reached("", 16_000 * (number + 1)))
    number += 2
    sys.stdout.write(f"{number}\\n")  # acknowledged: all below this number is kept
    sys.stdout.flush()
"""


def test_kill_9_at_any_moment_loses_nothing_acknowledged(tmp_path: Path) -> None:
    moments, next_number = random.Random(9), 1
    for _ in range(10):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert writer.stdout
        first = writer.stdout.readline()  # it has started
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(moments.uniform(0, 0.05))
        writer.kill()
        acknowledged = int([first, *writer.stdout.readlines()][-1])
        writer.stdout.close()
        writer.wait()
        assert acknowledged > next_number, "it did not go on where it was killed"
        snapshot = shutil.copytree(tmp_path, tmp_path.with_name("snapshot"), dirs_exist_ok=True)
        with Journal(snapshot) as journal:
            next_number = journal.resume_point.next_utterance
        assert next_number >= acknowledged
        kept = [event.utterance.id for event in read(snapshot / JOURNAL) if isinstance(event, Said)]
        assert kept == [f"u{number}" for number in range(1, next_number)]


def test_a_journal_is_rewritten_event_by_event(tmp_path: Path) -> None:
    path = keep(
        tmp_path, OPENED, said(1, " secret"), said(2), Corrected("u2", "text", " more", "user"), Concluded(2.0, 2.0)
    )
    before = path.read_bytes().splitlines(keepends=True)

    def change(event: Event) -> Event | None:
        if isinstance(event, Corrected):
            return None
        return said(1, " hush") if event == said(1, " secret") else event

    assert rewrite(tmp_path, change) == 2
    assert list(read(path)) == [OPENED, said(1, " hush"), said(2), Concluded(2.0, 2.0)]
    assert b"secret" not in b"".join(p.read_bytes() for p in tmp_path.iterdir())
    after = path.read_bytes().splitlines(keepends=True)
    assert [after[0], after[2], after[3]] == [before[0], before[2], before[4]]


def test_a_journal_that_stays_the_same_is_not_touched(tmp_path: Path) -> None:
    path = keep(tmp_path, OPENED, said(1), Trouble("a word about the disk"), Concluded(60.0, 30.0))
    path.write_bytes(path.read_bytes().replace(b"60.0", b"60"))  # another spelling of the same event
    before, state = path.read_bytes(), path.stat()
    assert rewrite(tmp_path, lambda event: event) == 0
    assert path.read_bytes() == before
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (state.st_ino, state.st_mtime_ns)


def test_damaged_and_torn_lines_go_when_a_journal_is_rewritten(tmp_path: Path) -> None:
    path = keep(tmp_path, OPENED, said(1), Trouble("told before"), said(2))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(to_line(said(1)).encode(), b'{"text": "secret') + b'{"event": "said", "secret')
    assert rewrite(tmp_path, lambda event: event) == 1
    assert list(read(path)) == [OPENED, Trouble("told before"), said(2)]
    assert b"secret" not in path.read_bytes()


def test_a_journal_that_is_being_written_is_not_rewritten(tmp_path: Path) -> None:
    path = keep(tmp_path, OPENED, said(1))
    before = path.read_bytes()
    with lock(tmp_path), pytest.raises(PipelineError, match="is being written"):
        rewrite(tmp_path, lambda _: None)
    assert path.read_bytes() == before
    with pytest.raises(PipelineError):
        rewrite(tmp_path / "nowhere", lambda event: event)
