"""Policies of firmness: what successive hypotheses share, what was attended to; firm words never change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.agreement import AlignAtt, Firming, Hearsay, LocalAgreement, Policy, continuation
from audio.speech import Word

VOCABULARY = ["a", "b", "c", "A,", "b."]
TEXTS = st.lists(st.lists(st.sampled_from(VOCABULARY), max_size=8), min_size=1, max_size=8)


def heard(text: str, *, length_s: float | None = None) -> Hearsay:
    """Every word is one second long."""
    spoken = text.split()
    words = tuple(Word(f" {word}", i, i + 1, 1.0) for i, word in enumerate(spoken))
    return Hearsay(words, len(spoken) if length_s is None else length_s)


def shown(firming: Firming, text: str) -> tuple[str, str]:
    words = firming.add(heard(text))
    said = [word.text.strip() for word in words]
    firm = len(firming.firm)
    return " ".join(said[:firm]), " ".join(said[firm:])


def test_words_that_two_hypotheses_share_are_firm() -> None:
    firming = Firming(LocalAgreement(2))
    assert shown(firming, "we ship") == ("", "we ship")
    assert shown(firming, "we shipped on") == ("we", "shipped on")
    assert shown(firming, "we shipped on Friday") == ("we shipped on", "Friday")


def test_three_must_agree_where_three_are_asked_for() -> None:
    firming = Firming(LocalAgreement(3))
    for text in ("we go", "we go"):
        assert shown(firming, text)[0] == ""
    assert shown(firming, "we go home") == ("we go", "home")


def test_a_word_that_reaches_into_the_margin_is_not_firm_nor_any_after_it() -> None:
    assert AlignAtt(0.5)([heard("one two three", length_s=3.4)]) == 2
    assert AlignAtt(0.5)([heard("one two three", length_s=3.5)]) == 3
    late_first = Hearsay((Word(" one", 0, 3.2, 1.0), Word(" two", 1, 2, 1.0)), 3.4)
    assert AlignAtt(0.5)([late_first]) == 0


def test_a_hypothesis_that_contradicts_firm_words_goes_on_after_them() -> None:
    firming = Firming(LocalAgreement(2))
    shown(firming, "the red car stops")
    assert shown(firming, "the red car stopped")[0] == "the red car"
    assert shown(firming, "the bread car stopped here") == ("the red car", "stopped here")
    assert shown(firming, "red car stopped here now")[0].startswith("the red car")


@pytest.mark.parametrize(
    ("firm", "newer", "told"),
    [
        ("", "a b", 0),
        ("a b", "A, b. c", 2),
        ("a b c", "a c d", 2),
        ("a b", "x a b c", 3),
        ("a b c", "a", 1),
        ("a b", "", 0),
    ],
)
def test_where_a_newer_text_goes_on(firm: str, newer: str, told: int) -> None:
    assert continuation(firm.split(), newer.split()) == told


@pytest.mark.parametrize("policy", [LocalAgreement(2), LocalAgreement(3), AlignAtt(0.5), AlignAtt(2.0)])
@given(texts=TEXTS)
def test_firm_words_never_change_and_are_always_shown_first(policy: Policy, texts: list[list[str]]) -> None:
    firming, before = Firming(policy), tuple[Word, ...]()
    for text in texts:
        words = firming.add(heard(" ".join(text)))
        assert firming.firm[: len(before)] == before
        assert words[: len(firming.firm)] == firming.firm
        before = firming.firm


@given(text=st.lists(st.sampled_from(VOCABULARY), max_size=8))
def test_what_is_said_twice_over_is_all_firm(text: list[str]) -> None:
    firming = Firming(LocalAgreement(2))
    firming.add(heard(" ".join(text)))
    assert shown(firming, " ".join(text)) == (" ".join(text), "")


def test_of_equally_good_prefixes_the_one_nearest_in_length_counts() -> None:
    assert continuation(["a", "b"], ["c"]) == 1
