"""The summary: what was said of most weight, and nothing that the meeting took back."""

from __future__ import annotations

from datetime import date

from audio.speech import Scores, Utterance
from memory.extract import Extractor
from memory.summary import salient

TALK = (
    "We have to talk about the charger of the remote control today.",
    "So we agree to sell the remote control without a charger.",
    "The survey says that sixty percent have no charging cable at home.",
    "We take back that decision and put the charger in the box.",
)


def said(texts: tuple[str, ...]) -> list[Utterance]:
    scores = Scores(-0.2, 0.0, 1.0, 0.0)
    return [Utterance(f"u{n}", t, 5.0 * n, 5.0 * n + 4, "en", scores, speaker="S1") for n, t in enumerate(texts)]


def summary(texts: tuple[str, ...]) -> list[str]:
    spoken, extractor = said(texts), Extractor(date(2026, 3, 10))
    for utterance in spoken:
        list(extractor.hear(utterance))
    extractor.finish()
    return [sentence.utterance_id for sentence in salient(spoken, extractor.book.items.values(), most=3)]


def test_what_was_decided_is_told() -> None:
    assert "u1" in summary(TALK[:3])


def test_what_was_taken_back_is_not_told() -> None:
    assert summary(TALK) == ["u0", "u2", "u3"]


def test_nobody_said_anything() -> None:
    assert salient([]) == ()
