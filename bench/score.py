"""Word errors, and whose: how a transcript is compared with what was said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer

from audio.embedded.texts import words

MEETING = Path(__file__).parents[1] / "samples" / "meeting.flac"


@dataclass(frozen=True)
class Line:
    """One utterance of a reference."""

    speaker: str
    end_s: float
    text: str


def meeting_lines() -> list[Line]:
    """What is said in the sample meeting."""
    reference = json.loads(MEETING.with_suffix(".json").read_text(encoding="utf-8"))
    return [Line(u["speaker"], u["end_s"], u["text"]) for u in reference["utterances"]]


def word_error_rate(reference: str, hypothesis: str) -> float:
    """Errors per word of the reference; case, punctuation and hyphens do not count."""
    errors = word_errors(words(reference), words(hypothesis))
    return sum(errors) / len(errors)


def word_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> list[int]:
    """The errors at each word of the reference; inserted words count at the one before them, or at the first."""
    errors = [0] * len(reference)
    for chunk in jiwer.process_words(" ".join(reference), " ".join(hypothesis)).alignments[0]:
        if chunk.type == "insert":
            errors[max(0, chunk.ref_start_idx - 1)] += chunk.hyp_end_idx - chunk.hyp_start_idx
        elif chunk.type != "equal":
            for at in range(chunk.ref_start_idx, chunk.ref_end_idx):
                errors[at] += 1
    return errors


def by_speaker(lines: Sequence[Line], hypothesis: str) -> dict[str, float]:
    """Each speaker's word error rate in an alignment of the whole meeting, in order of appearance."""
    spoken = [(line.speaker, word) for line in lines for word in words(line.text)]
    errors = word_errors([word for _, word in spoken], words(hypothesis))
    rates = {}
    for speaker in dict.fromkeys(line.speaker for line in lines):
        own = [count for (who, _), count in zip(spoken, errors, strict=True) if who == speaker]
        rates[speaker] = sum(own) / len(own)
    return rates
