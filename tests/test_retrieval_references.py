"""Speech that names a document, or says what one says, is linked to the passage that it means; other speech is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from retrieval.references import cited
from retrieval.shelf import Shelf
from retrieval.words import keywords, stem, terms

SAMPLES = Path(__file__).parents[1] / "samples"
MEETING = json.loads((SAMPLES / "meeting.json").read_text(encoding="utf-8"))
SAID = {u["id"]: u["text"] for u in MEETING["utterances"]}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    shelf.sync([SAMPLES / "docs"])
    return shelf


def before(utterance: str) -> list[str]:
    ids = list(SAID)
    return [SAID[i] for i in ids[: ids.index(utterance)]]


@pytest.mark.parametrize("wanted", MEETING["references"], ids=lambda r: str(r["utterance"]))
def test_every_reference_of_the_sample_is_found(shelf: Shelf, wanted: dict[str, Any]) -> None:
    found = cited(SAID[wanted["utterance"]], shelf, before=before(wanted["utterance"]))
    assert found is not None
    passage = found.hit.passage
    assert passage.name == wanted["document"]
    assert wanted["quote"] in found.hit.quote
    assert passage.text[found.hit.start :].startswith(found.hit.quote)
    assert wanted.get("section", passage.number) == passage.number
    assert wanted.get("page", passage.page) == passage.page


def test_little_else_of_the_sample_is_taken_for_a_reference(shelf: Shelf) -> None:
    others = set(SAID) - {r["utterance"] for r in MEETING["references"]}
    taken = {i for i in others if cited(SAID[i], shelf, before=before(i))}
    assert taken <= {"u10", "u58"}  # both say what a document says, without naming it


@pytest.mark.parametrize(
    ("text", "document", "section", "page"),
    [
        ("Look at the budget, page 2, the supplier of the battery.", "budget.pdf", 3, 2),
        ("The second point in § 5 of the test plan is the heat.", "test-plan.docx", 5, None),
        ("Chapter four of the Survey Report is about speaking.", "survey-report.md", 4, None),
    ],
)
def test_ways_to_name_a_place(shelf: Shelf, text: str, document: str, section: int, page: int | None) -> None:
    found = cited(text, shelf)
    assert found is not None
    assert (found.hit.passage.name, found.hit.passage.number, found.page) == (document, section, page)


@pytest.mark.parametrize(
    "text",
    [
        "Good morning everybody.",
        "Section nine of the survey report is missing.",
        "We need a plan.",
        "",
        "On page seven.",
        "42",
    ],
)
def test_no_passage_is_made_up(shelf: Shelf, text: str) -> None:
    assert cited(text, shelf) is None


def test_nothing_is_cited_from_an_empty_shelf(tmp_path: Path) -> None:
    assert cited("Section three of the survey report says so.", Shelf(tmp_path)) is None


def test_a_place_without_a_document_is_of_the_one_that_was_just_named(shelf: Shelf) -> None:
    text = "In section four it says twenty times."
    found = cited(text, shelf, before=["Let us open the test plan."])
    assert found is not None
    assert found.hit.passage.name == "test-plan.docx"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("fifteen thousand euros", "15000 euros"),
        ("15 000 and 24,000 or 3", "15000 and 24000 or 3"),
        ("four hundred and five people", "405 people"),
        ("the twenty first of June", "the 21 of june"),
        ("one two three", "1 2 3"),
        ("the rubber one", "the rubber one"),
        ("fifty-five percent", "55 percent"),
        ("two million three hundred thousand", "2300000"),
        ("Zoë's Café", "zoe cafe"),
        ("日本語", "日本 本語"),
    ],
)
def test_speech_and_print_have_the_same_terms(text: str, wanted: str) -> None:
    assert terms(text) == wanted.split()


def test_forms_of_a_word_have_one_stem() -> None:
    for forms in ("charger charges charging charged", "battery batteries", "test tests tested testing", "cost costs"):
        assert len({stem(word) for word in forms.split()}) == 1
    assert len({stem(word) for word in "plan paper page case cable".split()}) == 5
    assert keywords("what is it") == ["what", "is", "it"]


@pytest.mark.parametrize(
    ("text", "document", "section", "page"),
    [
        ("Action for of the test and says that we drop it twenty times.", "test-plan.docx", 4, None),
        ("Action three of the survey report has a table with all the complaints.", "survey-report.md", 3, None),
        ("Pages two of the budget: the charger costs six euros.", "budget.pdf", None, 2),
        ("In section two of the survey rapport sixty percent lack the cable.", "survey-report.md", 2, None),
    ],
)
def test_a_place_that_was_misheard_is_known_by_its_form(
    shelf: Shelf, text: str, document: str, section: int | None, page: int | None
) -> None:
    found = cited(text, shelf)
    assert found is not None
    assert (found.hit.passage.name, found.section, found.page) == (document, section, page)


@pytest.mark.parametrize(
    "text",
    [
        "We saw action four of the play last night.",
        "The stages for of the rocket are tested.",
        "The action three of us planned was a party.",
    ],
)
def test_other_numbers_name_no_place(shelf: Shelf, text: str) -> None:
    assert cited(text, shelf) is None


def test_who_goes_on_about_a_document_that_was_just_named_is_understood_misheard(shelf: Shelf) -> None:
    named = "Section three of the survey report has a table with all the complaints."
    found = cited("Friday percent save that the buttons are too small.", shelf, before=[named])
    assert found is not None
    assert found.hit.quote.startswith("Forty percent say that the buttons are too small")
    assert cited("But there is a problem with the price.", shelf, before=[named]) is None


def test_a_statement_is_quoted_before_a_row_of_a_table(shelf: Shelf) -> None:
    found = cited("The budget has fifteen thousand euros for the launch.", shelf)
    assert found is not None
    assert found.hit.quote.startswith("There are fifteen thousand euros for the launch")
