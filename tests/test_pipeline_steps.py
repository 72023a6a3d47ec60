"""The life of an item in words: who had it, and who has it now."""

from __future__ import annotations

import pytest

from memory.minutes import Minutes, Person
from memory.notes import Change, Owner
from pipeline.export.steps import step

PEOPLE = (Person("S2", "David", 10.0), Person("S3", "Ben", 10.0))
MINUTES = Minutes("m", "Talk", "2026-03-10T09:00+01:00", 60.0, "en", "", PEOPLE, (), (), (), (), ())
RAISED = Change("raised", ("u1",), "repeat the drop test")


@pytest.mark.parametrize(
    ("had", "now", "by", "words"),
    [
        (Owner("speaker", "S2"), Owner("speaker", "S3"), "", "reassigned from David to Ben"),
        (Owner("person", "Ben"), Owner("speaker", "S3"), "", ""),
        (Owner("person", "Ben"), Owner("speaker", "S3"), "user", "reassigned to Ben by hand"),
        (None, Owner("speaker", "S3"), "", "reassigned to Ben"),
    ],
)
def test_a_task_changes_hands_only_where_the_hands_differ(had: Owner | None, now: Owner, by: str, words: str) -> None:
    assert step(MINUTES, RAISED, Change("reassigned", ("u2",), owner=now, by=by), had=had) == words
