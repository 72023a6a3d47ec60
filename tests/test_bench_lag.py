"""Lag and steadiness of captions, on screens whose numbers can be told by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bench.lag import Frame, Spoken, measure, spoken

SAID = [Spoken("we", 1.0), Spoken("ship", 2.0), Spoken("it", 3.0)]


def test_a_word_is_settled_when_it_and_all_before_it_stay() -> None:
    frames = [Frame(1.5, "", "we"), Frame(2.5, "we", "skip"), Frame(3.5, "we ship", ""), Frame(5.0, "we ship it", "")]
    lags = measure(frames, SAID)
    assert lags.shown == pytest.approx(1.5)  # 0.5, 1.5 and 2.0
    assert lags.settled == pytest.approx(1.5)  # 1.5, 1.5 and 2.0
    assert lags.missing == 0
    assert lags.wer == 0
    assert lags.revised == pytest.approx(len("kip") / len("we ship it"))
    assert lags.firm_revised == 0


def test_what_was_called_final_and_changes_counts_from_the_change() -> None:
    frames = [Frame(1.0, "we skip", ""), Frame(4.0, "we ship it", "")]
    lags = measure(frames, SAID)
    assert lags.settled == pytest.approx(1.0)  # 0.0, 2.0 and 1.0
    assert lags.firm_revised == pytest.approx(len("kip") / len("we ship it"))


def test_what_never_becomes_final_is_missing() -> None:
    lags = measure([Frame(2.0, "we", ""), Frame(4.0, "we", "ship it")], SAID)
    assert lags.missing == pytest.approx(2 / 3)
    assert lags.wer == 0


def test_nothing_shown_is_all_wrong() -> None:
    assert measure([], SAID).wer == 1
    assert measure([Frame(1.0, "", "")], SAID).missing == 1


def test_the_words_of_the_sample_end_inside_their_utterances_in_order() -> None:
    said = spoken(30.0)
    assert [word.text for word in said[:3]] == ["good", "morning", "everybody"]
    assert all(a.end_s < b.end_s for a, b in pairwise(said))
    assert said[-1].end_s <= 30.0
