"""Dates: the words that were said, the day they mean, and no day where they mean several."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.calendar_words import easter
from memory.due import find_due
from memory.wording import read

TUESDAY = date(2026, 3, 10)


@pytest.mark.parametrize(
    ("said", "phrase", "day"),
    [
        ("present it next Tuesday", "next Tuesday", "2026-03-17"),
        ("order them by Friday", "by Friday", "2026-03-13"),
        ("done by the twentieth", "by the twentieth", "2026-03-20"),
        ("by the twenty-fifth", "by the twenty-fifth", "2026-03-25"),
        ("on the 5th", "on the 5th", "2026-04-05"),
        ("by the end of the month", "by the end of the month", "2026-03-31"),
        ("in two weeks", "in two weeks", "2026-03-24"),
        ("into weeks", "into weeks", "2026-03-24"),
        ("by tomorrow evening", "by tomorrow evening", "2026-03-11"),
        ("the day after tomorrow", "the day after tomorrow", "2026-03-12"),
        ("by EOD", "by EOD", "2026-03-10"),
        ("by COB Friday", "by COB Friday", "2026-03-13"),
        ("by the end of the day tomorrow", "by the end of the day tomorrow", "2026-03-11"),
        ("by the end of Q2", "by the end of Q2", "2026-06-30"),
        ("by the end of the quarter", "by the end of the quarter", "2026-03-31"),
        ("by the end of next week", "by the end of next week", "2026-03-20"),
        ("until the end of June", "until the end of June", "2026-06-30"),
        ("by March 14", "by March 14", "2026-03-14"),
        ("by the 14th of April", "by the 14th of April", "2026-04-14"),
        ("by February the second", "by February the second", "2027-02-02"),
        ("before Friday", "before Friday", "2026-03-12"),
        ("before Easter", "before Easter", "2026-04-04"),
        ("in three working days", "in three working days", "2026-03-13"),
        ("within a fortnight", "within a fortnight", "2026-03-24"),
        ("a week from Friday", "a week from Friday", "2026-03-20"),
        ("this week", "this week", "2026-03-13"),
        ("by Monday next week", "by Monday next week", "2026-03-16"),
        ("by Monday the sixteenth", "by Monday the sixteenth", "2026-03-16"),
        ("the first Monday of next month", "the first Monday of next month", "2026-04-06"),
        ("by noon on Thursday", "by noon on Thursday", "2026-03-12"),
        ("by tomorrow at ten", "by tomorrow at ten", "2026-03-11"),
        ("by 2026-04-02", "by 2026-04-02", "2026-04-02"),
        ("at the latest on Thursday", "at the latest on Thursday", "2026-03-12"),
        ("this afternoon", "this afternoon", "2026-03-10"),
    ],
)
def test_words_and_day(said: str, phrase: str, day: str) -> None:
    found = find_due(read(said), TUESDAY)
    assert found is not None
    assert (found.due.phrase, found.due.date) == (phrase, day)


@pytest.mark.parametrize(
    "said",
    [
        "by next Friday",  # this week's or the next one's
        "by next Wednesday",
        "on the tenth",  # today is the tenth
        "by Tuesday",  # today is Tuesday
        "before the next meeting",
        "as soon as possible",
        "by April",  # its beginning or its end
        "by the thirty-first of June",
        "in a few days",
    ],
)
def test_what_is_ambiguous_keeps_its_words_and_has_no_day(said: str) -> None:
    found = find_due(read(said), TUESDAY)
    assert found is not None
    assert found.due.phrase
    assert found.due.date == ""


@pytest.mark.parametrize(
    "said",
    [
        "the second sample is here",
        "I may do it",
        "sixty percent of them",
        "march on",
        "the first one is better",
        "we sat there",
    ],
)
def test_what_is_no_date_gives_none(said: str) -> None:
    assert find_due(read(said), TUESDAY) is None


@pytest.mark.parametrize(
    ("language", "said", "day"),
    [
        ("de", "bis Freitag", "2026-03-13"),
        ("de", "nächsten Dienstag", "2026-03-17"),
        ("de", "bis Ende des Monats", "2026-03-31"),
        ("de", "in zwei Wochen", "2026-03-24"),
        ("fr", "pour demain", "2026-03-11"),
        ("fr", "dans deux semaines", "2026-03-24"),
        ("es", "para el viernes", "2026-03-13"),
        ("es", "en dos semanas", "2026-03-24"),
    ],
)
def test_simple_forms_of_other_languages(language: str, said: str, day: str) -> None:
    found = find_due(read(said), TUESDAY, language=language)
    assert found is not None
    assert found.due.date == day


def test_easter_is_where_the_calendar_has_it() -> None:
    assert [easter(y) for y in (2024, 2025, 2026, 2038)] == [
        date(2024, 3, 31), date(2025, 4, 20), date(2026, 4, 5), date(2038, 4, 25),
    ]  # fmt: skip


@given(st.text(max_size=80), st.dates(date(1990, 1, 1), date(2100, 1, 1)))
def test_any_text_and_any_day_are_survived(text: str, day: date) -> None:
    found = find_due(read(text), day)
    assert found is None or found.due.phrase


@given(
    st.sampled_from(["by Friday", "in two weeks", "by the end of the month", "tomorrow"]),
    st.dates(date(1990, 1, 1), date(2100, 1, 1)),
)
def test_a_day_is_never_before_the_meeting(said: str, day: date) -> None:
    found = find_due(read(said), day)
    assert found is not None
    assert found.due.date == "" or date.fromisoformat(found.due.date) >= day
