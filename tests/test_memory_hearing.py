"""What was misheard: names, dates, full stops; and forms of speech that give, offer, take back and put off."""

from __future__ import annotations

from datetime import date

import pytest

from audio.speech import Scores, Utterance, Word
from memory.due import find_due
from memory.notes import Item
from memory.people import People
from memory.sounds import SAME, alike, distance, homophones, key, nearest, shared
from memory.votes import WEIGHTS, believing
from memory.wording import content_of, read, sentences
from tests.test_memory_extract import DAY, heard, marks, only

TEAM = People({"S1": "Anna", "S2": "Maria", "S3": "David", "S4": "Gregory"}, others=("Solveig Berg",))


@pytest.mark.parametrize(
    ("one", "other"),
    [("phone", "fone"), ("night", "nite"), ("Ben", "been"), ("Maria", "mariah"), ("knit", "nit"), ("Sean", "Seán")],
)
def test_what_sounds_the_same_has_one_key(one: str, other: str) -> None:
    assert key(one) == key(other)


def test_words_that_differ_in_their_vowels_alone_may_be_one_misheard() -> None:
    pairs = [("whole", "hall"), ("sail", "sale"), ("hall", "hall"), ("bed", "bet"), ("hall", "hollow")]
    assert [homophones(*pair) for pair in pairs] == [True, True, False, False, False]


def test_what_only_sounds_like_the_thing_just_named_is_told_with_it_and_in_doubt() -> None:
    said = ["Anna: The big hall at the museum is not very expensive.", "Anna: I will book the whole in two weeks."]
    item = only("action", *said)
    assert item.what == "book the whole (the hall at the museum?)"
    assert len(item.evidence) == 2
    assert only("action", "Ben: The big hall at the museum is cheap.", said[1]).what == "book the whole"
    assert only("action", "Anna: The big barn at the museum is cheap.", said[1]).what == "book the whole"


def test_letters_in_the_wrong_place_are_one_step() -> None:
    assert (distance("david", "daivd"), distance("", "abc"), distance("same", "same")) == (1, 3, 0)


@pytest.mark.parametrize("word", ["mariah", "davit", "greggory", "maaria"])
def test_a_misheard_name_is_one_that_is_known(word: str) -> None:
    assert nearest(word, ("maria", "david", "gregory")) != ""
    assert TEAM.owner(word).kind == "speaker"


@pytest.mark.parametrize("word", ["marina", "been", "area", "gregg", "solve", "martin", "dave it", "and"])
def test_a_word_that_may_be_another_is_nobody_here(word: str) -> None:
    assert TEAM.owner(word).kind != "speaker"


def test_of_two_names_that_are_alike_none_is_meant() -> None:
    assert People({"S1": "Catherine", "S2": "Katherine"}).meant("catherin") == ""
    assert People({"S1": "Catherine", "S2": "Ben"}).meant("catherin") == "catherine"


@pytest.mark.parametrize(
    ("said", "owner"),
    [
        ("And then Mariah will call the museum.", ("speaker", "S2")),
        ("So Davit takes over the drop test.", ("speaker", "S3")),
        ("Solveig will send the contract by Friday.", ("person", "Solveig Berg")),
        ("Marina will call the museum.", ("nobody", "")),  # she may be Maria, and may not
    ],
)
def test_who_was_misheard_has_the_task(said: str, owner: tuple[str, str]) -> None:
    items = heard("1 Somebody has to repeat the drop test.", f"1 {said}", people=TEAM)
    assert owner in [(item.owner.kind, item.owner.name) for item in items]


@pytest.mark.parametrize("said", ["The customers will call the museum.", "Roofing will send the contract."])
def test_a_thing_is_nobody(said: str) -> None:
    assert not [item for item in heard(f"1 {said}", people=TEAM) if item.owner]


@pytest.mark.parametrize(
    ("said", "phrase", "day"),
    [
        ("send it by the twenty", "by the twenty", ""),
        ("send it by the twenty ate", "by the twenty ate", ""),
        ("send it on Tuesday the fifteenth", "on Tuesday the fifteenth", ""),  # a Sunday
        ("send it on Tuesday the seventeenth", "on Tuesday the seventeenth", "2026-03-17"),
        ("send it by the end of the months", "by the end of the months", "2026-03-31"),
    ],
)
def test_a_date_that_cannot_be_meant_stays_words(said: str, phrase: str, day: str) -> None:
    found = find_due(read(said), DAY)
    assert found is not None
    assert (found.due.phrase, found.due.date) == (phrase, day)


@pytest.mark.parametrize(("sure", "day"), [(0.9, "2026-03-20"), (0.3, "")])
def test_a_number_that_the_recogniser_doubts_makes_no_day(sure: float, day: str) -> None:
    text = "I will ask the supplier by the twentieth."
    words = tuple(Word(f" {w}", 0.0, 0.0, sure if w.startswith("twent") else 0.9) for w in text.split())
    (sentence,) = sentences(Utterance("u1", text, 0, 2, "en", Scores(-0.1, 0, 1, 0), words=words, speaker="S1"))
    found = find_due(sentence, DAY)
    assert found is not None
    assert (found.due.phrase, found.due.date) == ("by the twentieth", day)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("I will order it ,. And go.", ["I will order it.", "And go."]),
        ("We ask the supplier by the. Twentieth of May.", ["We ask the supplier by the twentieth of May."]),
        ("I go to the. Hall.", ["I go to the hall."]),
        ("That is it. Hall is booked.", ["That is it.", "Hall is booked."]),
    ],
)
def test_a_full_stop_in_the_midst_parts_nothing(text: str, pieces: list[str]) -> None:
    assert [s.text for s in sentences(Utterance("u1", text, 0, 2, "en", Scores(-0.1, 0, 1, 0)))] == pieces


def test_a_misheard_word_is_still_about_the_same() -> None:
    one, other = content_of("the contract of the museum"), content_of("the contrakt of the musium")
    assert shared(one, other) == 2
    assert alike("supplier", "customer") < SAME


FORMS = [  # what was said by whom, owner, what, due
    (("1 David, call the repair man, please.", "3 Okay."), "S3", "call the repair man", ""),
    (("1 David, the plans of the roof, can I have them by Friday?", "3 You'll get them on Monday."), "S3", "the plans of the roof", "2026-03-16"),
    (("1 And take photos of the roof, will you?", "3 Will do."), "S3", "take photos of the roof", ""),
    (("1 Who chases the printer?", "2 I can chase the printer.", "1 That would be great."), "S2", "chase the printer", ""),
    (("2 Shall I write the letter?", "1 Yes, please."), "S2", "write the letter", ""),
    (("1 Okay, so Maria does the slides by Friday.",), "S2", "do the slides", "2026-03-13"),
    (("2 I said I would write the guide, but I haven't got round to it.", "2 It'll be done by Monday."), "S2", "write the guide", "2026-03-16"),
    (("2 I book the hall in two weeks.",), "S2", "book the hall", "2026-03-24"),
    (("1 Maria, can you book the hall?", "2 Sure.", "2 By Friday."), "S2", "book the hall", "2026-03-13"),
    (("1 I don't have the password.", "2 I'll send it to you right after this."), "S2", "send the password", ""),
    (("1 Somebody has to go through the freezer.",), "", "go through the freezer", ""),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "owner", "what", "due"), FORMS)
def test_a_task_in_other_forms(lines: tuple[str, ...], owner: str, what: str, due: str) -> None:
    item = only("action", *lines, people=TEAM)
    assert (item.owner.name, item.what.lower(), item.due.date) == (owner, what, due)


NONE = [
    ("1 Could somebody bring cake on Friday?", "1 Only joking."),
    ("1 Somebody should really clean up that log file one day.",),
    ("1 The matron said that somebody should repaint the corridor.",),
    ("1 The dean told us that we must reduce the freezer by a third.",),
    ("2 Shall I send the invoice?", "1 No, not yet."),
    ("2 I could bring the old projector.", "1 It is broken."),
    ("1 David called the repair man.",),
    ("1 If I were you, I would order fresh medium."),
]


@pytest.mark.parametrize("lines", NONE)
def test_a_joke_a_report_and_an_offer_that_nobody_took_are_no_task(lines: tuple[str, ...] | str) -> None:
    said = (lines,) if isinstance(lines, str) else lines
    assert not [item for item in shown(said) if item.kind == "action"]


def shown(lines: tuple[str, ...]) -> list[Item]:
    return [item for item in heard(*lines, people=TEAM) if item.status != "withdrawn"]


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (("1 Then we don't upgrade before the release.",), "don't upgrade before the release"),
        (("1 So from October the handover starts at seven.",), "from October the handover starts at seven"),
        (("1 Then forget the green roof, we use gravel.",), "use gravel"),
    ],
)
def test_a_decision_in_other_forms(lines: tuple[str, ...], what: str) -> None:
    assert only("decision", *lines, people=TEAM).what == what


def test_a_doubt_counts_only_where_the_memory_believes_in_anything() -> None:
    nothing, one = marks(action=0.0), marks(utterance_id="u2", action=WEIGHTS["action"].doubts)
    assert "action" not in believing([nothing])
    assert "action" in believing([nothing, one])


def test_the_day_of_these_tests_is_a_tuesday() -> None:
    assert date.weekday(DAY) == 1
