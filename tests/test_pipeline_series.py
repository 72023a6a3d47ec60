"""A series in the library: its memory goes from meeting to meeting, and a person can be taken out of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from memory.corpora import MindError
from memory.mind import Mind
from memory.state import MemoryState
from pipeline.events import Event, Named, Opened, PipelineError
from pipeline.forgetting import forget_person
from pipeline.library import Library
from pipeline.mind import STATE, Carry, person, remember
from pipeline.series import FOLDER, Series, all_series, memories_without
from tests.test_memory_state import MIND, close
from tests.test_pipeline_mind import END, NAMES, said

torch.set_num_threads(1)
OPENED = Opened("", "Weekly", "2026-03-10T09:00:00+01:00", "a.wav", "", "", "fake", "fake", "0")


def hold(series: Series, events: list[Event]) -> Path:
    """A meeting of the series, kept in the library."""
    with series.library.create(OPENED) as journal:
        folder = journal.path.parent
        series.join(folder.name)
        journal.append(*remember(lambda: MIND, folder, Carry(series.state_path, folder.name))([], events))
    return folder


def meetings(home: Path, events: list[Event]) -> tuple[Series, list[Path]]:
    library = Library(home)
    library.home.mkdir(parents=True, exist_ok=True)
    series = Series("Weekly sync", library)
    return series, [hold(series, events) for _ in range(2)]


def test_a_person_is_heard_out_of_a_series(tmp_path: Path) -> None:
    coming = [*NAMES, *said(30), END]
    series, _ = meetings(tmp_path / "home", coming)
    never, _ = meetings(
        tmp_path / "never", [e for e in coming if getattr(getattr(e, "utterance", None), "speaker", "") != "B"]
    )
    assert [s.name for s in all_series(series.library, pytest.fail)] == ["Weekly sync"]
    ((path, after),) = memories_without(series.library, " BORIS ", lambda: MIND, pytest.fail)
    other = MemoryState.load(never.state_path)
    assert path == series.state_path
    assert close(after, other)
    assert after.ledger.speakers == other.ledger.speakers
    assert [id.split("/")[1] for id in after.ledger.archive] == [id.split("/")[1] for id in other.ledger.archive]


def test_who_was_never_there_changes_nothing(tmp_path: Path) -> None:
    series, _ = meetings(tmp_path / "home", [*NAMES, *said(12), END])

    def never() -> Mind:
        raise AssertionError("nothing has to be heard again")

    assert memories_without(series.library, "Clara", never, pytest.fail) == []


def test_without_weights_forgetting_says_so_and_leaves_the_memory(tmp_path: Path) -> None:
    series, _ = meetings(tmp_path / "home", [*NAMES, *said(12), END])

    def missing() -> Mind:
        raise MindError("the weights are gone; install again")

    with pytest.raises(MindError):
        memories_without(series.library, "Anna", missing, pytest.fail)
    assert person("Anna") in MemoryState.load(series.state_path).ledger.speakers


DAMAGED = ["{", "[]", "{}", '{"name": "x"}', '{"name": 1, "meetings": []}', '{"name": "x", "meetings": 3}', "\x00"]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_list_of_a_series_is_told_and_the_others_are_read(tmp_path: Path, content: str) -> None:
    series, _ = meetings(tmp_path / "home", [Named("A", "Anna", "user"), *said(12), END])
    (tmp_path / "home" / FOLDER / "broken.json").write_text(content)
    told: list[str] = []
    assert [s.name for s in all_series(series.library, told.append)] == ["Weekly sync"]
    assert "broken.json cannot be read" in told[0]
    with pytest.raises(PipelineError, match=r"broken\.json cannot be read"):
        Series("broken", series.library).meetings()


def test_a_person_is_forgotten_beside_a_damaged_list_whose_memory_goes_too(tmp_path: Path) -> None:
    series, _ = meetings(tmp_path / "home", [Named("A", "Anna", "user"), *said(12), END])
    broken = tmp_path / "home" / FOLDER / "broken.json"
    broken.write_text("{")
    state = broken.with_suffix("") / series.state_path.name
    state.parent.mkdir()
    state.write_bytes(series.state_path.read_bytes())
    told: list[str] = []
    gone = forget_person("Anna", series.library, shelf=lambda: pytest.fail("there is no shelf"), warn=told.append)
    assert gone.meetings == 2
    assert not state.exists()
    assert not series.state_path.exists()
    assert [sentence for sentence in told if "broken.json cannot be read" in sentence]


def test_the_second_meeting_begins_where_the_first_ended(tmp_path: Path) -> None:
    """And not, as without a series, with nothing."""
    series, (first, second) = meetings(tmp_path / "home", [*NAMES, *said(30), END])
    one, two = MemoryState.load(first / STATE), MemoryState.load(second / STATE)
    assert (one.position.item(), two.position.item()) == (30, 60)
    assert (one.ledger.meetings, two.ledger.meetings) == (1, 2)
    assert MemoryState.load(series.state_path).position.item() == 60


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("週次", "月次"),
        ("Планёрка", "Отчёт"),
        ("Review of the whole product team in Berlin, A", "Review of the whole product team in Berlin, B"),
    ],
)
def test_two_series_never_share_a_file(tmp_path: Path, one: str, other: str) -> None:
    library = Library(tmp_path)
    assert Series(one, library).path != Series(other, library).path
    assert Series(one, library).path == Series(one.upper(), library).path


def test_a_plain_name_is_the_name_of_its_file(tmp_path: Path) -> None:
    assert [Series(name, Library(tmp_path)).path.stem for name in ("Weekly sync", "Café")] == ["weekly-sync", "cafe"]


def test_meetings_that_join_at_the_same_moment_are_all_in_the_series(tmp_path: Path) -> None:
    library = Library(tmp_path)
    ids = []
    for _ in range(24):
        with library.create(OPENED) as journal:
            ids.append(journal.path.parent.name)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(Series("Weekly", library).join, ids))
    assert sorted(Series("Weekly", library).meetings()) == sorted(ids)
