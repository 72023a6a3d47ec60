"""Titles and keywords are words of the topic; metrics score what they say."""

from __future__ import annotations

import numpy as np

from memory.baselines import summed_roles, text_tiling
from memory.metrics import (
    APART,
    TRAIL,
    average_precision,
    best_threshold,
    boundary_counts,
    confusion,
    f1,
    one_each,
    peaks,
    pk_and_window_diff,
    steady_threshold,
    trailed,
)
from memory.probes import COLUMNS, GROUPS
from memory.titles import keywords, title
from memory.words import NEAR_BUCKETS, OWN_BUCKETS, Weights, bucket, noisy, stripped, tokens

WEIGHTS = Weights(np.zeros(OWN_BUCKETS, np.float32), np.zeros(NEAR_BUCKETS, np.float32))
INSIDE = ["The rubber case is too soft", "A rubber case costs more", "yeah the rubber case"]
OUTSIDE = ["we need a market study", "the costs of the market study"]


def test_a_title_is_a_run_of_words_that_was_said() -> None:
    assert title(INSIDE, OUTSIDE, WEIGHTS) == "Rubber case"
    assert set(keywords(INSIDE, OUTSIDE, WEIGHTS, count=2)) == {"rubber", "case"}
    assert title(["yeah okay"], [], WEIGHTS) == ""


def test_what_is_everywhere_names_nothing() -> None:
    """Neither function words that some stretch has more of, nor what the whole meeting is about."""
    chat = ["I'm sure they've said that's what we could", "they could", "that's it, they could do it"]
    assert title([*chat, "the solar panel", "a solar panel"], OUTSIDE, WEIGHTS) == "Solar panel"
    remote = ["the remote control"] * 3
    assert title([*remote, *["the lithium battery"] * 2], remote * 40, WEIGHTS) == "Lithium battery"
    near = WEIGHTS.near.copy()
    near[bucket("lithium", NEAR_BUCKETS)] = near[bucket("battery", NEAR_BUCKETS)] = 1.0  # in every third utterance
    assert title([*remote, *["the lithium battery"] * 2], [], Weights(WEIGHTS.own, near)) == "Remote control"


def test_a_title_has_several_terms_as_they_were_said() -> None:
    said = ["the LCD screen", "an LCD screen", "The buttons.", "buttons", "a button, screen"]
    assert title(said, [], WEIGHTS) == "LCD screen, buttons"
    assert title(["solar, panel"] * 3, [], WEIGHTS) == "Panel, solar"  # nobody said "solar panel"
    assert title(["consum- rubber"] * 2, [], WEIGHTS) == "Rubber"  # a word that was broken off is none


def test_case_never_counts_and_punctuation_can_go() -> None:
    assert tokens("Well, IT'S 5 o'clock?") == ["well", ",", "it's", "5", "o'clock", "?"]
    assert stripped(tokens("Well, yes.")) == ["well", "yes"]
    assert len(noisy(["a"] * 1000, np.random.default_rng(0), rate=0.2, vocabulary=["b"])) in range(850, 950)


def test_threshold_and_average_precision_of_known_scores() -> None:
    scores, wanted = np.array([0.9, 0.8, 0.3, 0.1], np.float32), np.array([1, 1, 0, 0])
    assert 0.3 < best_threshold(scores, wanted) < 0.8
    assert average_precision(scores, wanted) == 1.0
    assert average_precision(scores, np.array([0, 1, 0, 0])) == 0.5


def test_a_steady_threshold_is_half_of_the_f1_that_it_leads_to() -> None:
    """So it is where probabilities are true (Lipton et al. 2014), whatever the labels of the day are."""
    rng = np.random.default_rng(0)
    chances = rng.beta(0.3, 4, 40_000).astype(np.float32)
    wanted = (rng.random(len(chances)) < chances).astype(np.int64)
    threshold = steady_threshold(chances, wanted)
    assert abs(threshold - f1(confusion(chances, wanted, threshold)) / 2) < 0.02
    assert threshold == steady_threshold(chances, np.zeros_like(wanted))


def test_boundaries_meet_within_eight_and_once() -> None:
    assert boundary_counts(np.array([10, 12, 40]), np.array([11, 60])).tolist() == [1, 2, 1]
    scores = np.zeros(3 * APART, np.float32)
    scores[[1, APART + 1, APART + 2, 2 * APART + 1, 2 * APART + 2]] = 0.9
    assert peaks(scores, 0.5).tolist() == [APART + 1, 2 * APART + 2]
    rising = np.arange(5, dtype=np.float32)
    assert trailed(rising)[TRAIL - 1 :].tolist() == (rising[TRAIL - 1 :] - (TRAIL - 1) / 2).tolist()
    assert trailed(rising)[0] == 0.0
    assert pk_and_window_diff(np.array([50]), np.array([50]), 100) == (0.0, 0.0)
    pk, window_diff = pk_and_window_diff(np.array([], int), np.array([50]), 100)
    assert pk == window_diff > 0.2


def test_two_people_never_share_a_role() -> None:
    roles = np.log(np.array([[0.6, 0.3, 0.05, 0.05], [0.5, 0.1, 0.2, 0.2], [0.6, 0.3, 0.05, 0.05]], np.float32))
    assert (
        one_each(roles, np.array([0, 1, 0])).tolist() == [0, 2, 1]
        or one_each(roles, np.array([0, 1, 0])).tolist()[0] == 0
    )


def test_text_tiling_finds_a_change_of_words() -> None:
    texts = [f"battery charger voltage {i % 3}" for i in range(60)] + [
        f"market trend fashion {i % 3}" for i in range(60)
    ]
    assert any(abs(int(b) - 60) <= 8 for b in text_tiling(texts))


def test_sums_of_log_odds_add_up_by_speaker_without_the_prior() -> None:
    probes = np.zeros((4, COLUMNS), np.float32)
    probes[[0, 2], GROUPS["role"].start] = 1.0
    sums = summed_roles(probes, np.array([0, 1, 0, 1]), prior=np.zeros(4, np.float32))
    assert sums[2, 0] - sums[2, 1] == 2.0
    assert np.allclose(sums[3], sums[3, 0])
    biased = np.tile(np.array([3.0, 0, 0, 0], np.float32), (4, 1))
    probes[:, GROUPS["role"]] = biased
    assert np.allclose(np.ptp(summed_roles(probes, np.zeros(4, int), prior=biased[0]), 1), 0)
