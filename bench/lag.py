"""How late and how steady captions are: what was on the screen when, against what was said when."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import jiwer
import numpy as np

from audio.embedded.texts import words
from bench.score import MEETING, word_error_rate


@dataclass(frozen=True)
class Frame:
    """What the screen shows from `at_s` on, in seconds since the audio began."""

    at_s: float
    firm: str
    loose: str


@dataclass(frozen=True)
class Spoken:
    """A word of the reference and when it ends in the audio."""

    text: str
    end_s: float


@dataclass(frozen=True)
class Lags:
    """The result; lags in seconds, wall clock after the end of the word in the audio."""

    shown: float  # median: the word stands on the screen for the first time, with all before it right
    settled: float  # median: it is called final and neither it nor a word before it changes any more
    settled_p95: float
    missing: float  # share of the words that were never settled
    revised: float  # characters that were taken back or changed after they were shown, per character of the final text
    firm_revised: float  # the same of the text that was called final
    wer: float


def spoken(seconds: float) -> list[Spoken]:
    """The words of the sample's utterances that end in the first seconds, each as long as its letters say."""
    found: list[Spoken] = []
    for utterance in json.loads(MEETING.with_suffix(".json").read_text(encoding="utf-8"))["utterances"]:
        if utterance["end_s"] > seconds:
            break
        texts = words(utterance["text"])
        ends = np.cumsum([len(text) + 1 for text in texts]) / sum(len(text) + 1 for text in texts)
        length_s = utterance["end_s"] - utterance["start_s"]
        found += [Spoken(t, utterance["start_s"] + length_s * float(e)) for t, e in zip(texts, ends, strict=True)]
    return found


def measure(frames: Sequence[Frame], said: Sequence[Spoken]) -> Lags:
    """Compare the frames of one run with the reference."""
    reference = " ".join(word.text for word in said)
    final = words(f"{frames[-1].firm} {frames[-1].loose}") if frames else []
    pairs = _pairs(reference.split(), final)
    shown = _times([(f.at_s, words(f"{f.firm} {f.loose}")) for f in frames], final, lasting=False)
    settled = _times([(f.at_s, words(f.firm)) for f in frames], final, lasting=True)
    first = [at_s - said[i].end_s for i, j in pairs if (at_s := shown[j]) is not None]
    last = [at_s - said[i].end_s for i, j in pairs if (at_s := settled[j]) is not None]
    return Lags(
        shown=float(np.median(first)) if first else float("nan"),
        settled=float(np.median(last)) if last else float("nan"),
        settled_p95=float(np.percentile(last, 95)) if last else float("nan"),
        missing=1 - len(last) / len(pairs) if pairs else 1.0,
        revised=_revised([f"{frame.firm} {frame.loose}" for frame in frames]),
        firm_revised=_revised([frame.firm for frame in frames]),
        wer=word_error_rate(reference, " ".join(final)) if final else 1.0,
    )


def _pairs(reference: Sequence[str], final: Sequence[str]) -> list[tuple[int, int]]:
    """Which word of the reference became which word of the text; wrong ones count, missing and invented ones do not."""
    if not final:
        return []
    return [
        pair
        for chunk in jiwer.process_words(" ".join(reference), " ".join(final)).alignments[0]
        if chunk.type in ("equal", "substitute")
        for pair in zip(
            range(chunk.ref_start_idx, chunk.ref_end_idx), range(chunk.hyp_start_idx, chunk.hyp_end_idx), strict=True
        )
    ]


def _times(texts: Sequence[tuple[float, list[str]]], final: Sequence[str], *, lasting: bool) -> list[float | None]:
    """For each final word when a text first began with it and all before it; `lasting`: from then on for good."""
    times: list[float | None] = [None] * len(final)
    common = [_common(text, final) for _, text in texts]
    if lasting:
        common = list(np.minimum.accumulate(common[::-1])[::-1])
    done = 0
    for (at_s, _), reached in zip(texts, common, strict=True):
        for j in range(done, int(reached)):
            times[j] = at_s
        done = max(done, int(reached))
    return times


def _revised(texts: Sequence[str]) -> float:
    plain = [" ".join(text.split()) for text in texts]
    changed = sum(len(a) - _common(a, b) for a, b in pairwise(plain))
    return changed / len(plain[-1]) if plain and plain[-1] else 0.0


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the common beginning."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
