"""How speakers that were found are compared with those that spoke, and the simplest system to be better than."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from audio.diarize.traits import embedding
from audio.diarize.turns import Schedule, Turn, turns
from audio.diarize.windows import Heard
from audio.speech import Utterance
from bench.score import Line

NAIVE_COSINE = 0.75  # average cosine at which the naive baseline stops joining
_MOST = 15  # speakers; MeetEval refuses more
Said = tuple[str, float, float, str]  # speaker, start_s, end_s, word


def naive(heard: Sequence[Heard]) -> list[Turn]:
    """Windows of 1.5 s or so without overlap, average-linkage clustering until a fixed cosine, nothing else."""
    pieces = [(h, i) for h in heard for i in range(len(h.starts)) if i == 0 or h.runs[i] != h.runs[i - 1] or i % 6 == 0]
    if not pieces:
        return []
    points = embedding(np.array([h.embeddings[i] for h, i in pieces], float))  # as simple as it was: no traits
    near, sizes = points @ points.T, np.ones(len(points))
    groups = [[n] for n in range(len(points))]
    np.fill_diagonal(near, -1)
    while (top := near.max()) > NAIVE_COSINE:
        a, b = np.unravel_index(int(near.argmax()), near.shape)
        near[a] = near[:, a] = (near[a] * sizes[a] + near[b] * sizes[b]) / (sizes[a] + sizes[b])
        sizes[a] += sizes[b]
        near[b] = near[:, b] = near[a, a] = -1
        groups[int(a)] += groups[int(b)]
        groups[int(b)] = []
        assert top <= 1.01
    label = {n: f"N{g}" for g, group in enumerate(groups) for n in group}
    by_window = {(id(h), i): label[n] for n, (h, i) in enumerate(pieces)}
    labels: list[str] = []
    for h in heard:
        for i in range(len(h.starts)):
            labels.append(by_window.get((id(h), i)) or labels[-1])
    return turns(heard, labels)


def error_rate(reference: Sequence[Turn], found: Sequence[Turn], *, collar_s: float) -> dict[str, float]:
    """DER and its parts by pyannote.metrics, whose collar is both sides together."""
    from pyannote.core import Annotation, Segment
    from pyannote.metrics.diarization import DiarizationErrorRate

    def annotation(given: Sequence[Turn]) -> Any:
        made_of = Annotation()
        for n, turn in enumerate(given):
            made_of[Segment(turn.start_s, turn.end_s), n] = turn.speaker
        return made_of

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = DiarizationErrorRate(collar=2 * collar_s)(annotation(reference), annotation(found), detailed=True)
    total = parts["total"] or 1.0
    names = {"miss": "missed detection", "false": "false alarm", "confusion": "confusion"}
    return {"DER": sum(parts[v] for v in names.values()) / total} | {k: parts[v] / total for k, v in names.items()}


def words_right(words: Sequence[Said], found: Sequence[Turn]) -> tuple[float, float]:
    """Share of reference words whose speaker is right under the best mapping, and the cpWER of that alone."""
    schedule = Schedule(found)
    given = [(who, (schedule.speakers(a, b, "") or ["none"])[0], text) for who, a, b, text in words]
    return mapped([(who, label) for who, label, _ in given]), cp_error_rate(
        _streams((who, text) for who, _, text in given), _streams((label, text) for _, label, text in given)
    )


def recognised_right(lines: Sequence[Line], utterances: Sequence[Utterance]) -> tuple[float, float]:
    """Share of rightly recognised words whose speaker is right, too, and cpWER of what was recognised."""
    import jiwer

    from audio.embedded.texts import words

    said = [(line.speaker, word) for line in lines for word in words(line.text)]
    heard = [(u.speaker, word) for u in utterances for word in words(u.text)]
    pairs = list[tuple[str, str]]()
    for chunk in jiwer.process_words(" ".join(w for _, w in said), " ".join(w for _, w in heard)).alignments[0]:
        if chunk.type == "equal":
            pairs += zip(
                [who for who, _ in said[chunk.ref_start_idx : chunk.ref_end_idx]],
                [who for who, _ in heard[chunk.hyp_start_idx : chunk.hyp_end_idx]],
                strict=True,
            )
    return mapped(pairs), cp_error_rate(_streams(said), _streams(heard))


def mapped(pairs: Sequence[tuple[str, str]]) -> float:
    """Share of (speaker, label) that agree when each label stands for the speaker that makes most of them agree."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = sorted({who for who, _ in pairs}), sorted({label for _, label in pairs})
    counts = np.zeros((len(rows), len(columns)))
    for who, label in pairs:
        counts[rows.index(who), columns.index(label)] += 1
    best = counts[linear_sum_assignment(-counts)].sum() if pairs else 0.0
    return float(best) / max(1, len(pairs))


def cp_error_rate(reference: dict[str, str], found: dict[str, str]) -> float:
    """MeetEval's, nan where there are more speakers than it takes or nobody speaks."""
    from meeteval.wer.wer.cp import cp_word_error_rate

    logging.getLogger("preprocess").setLevel(logging.ERROR)  # it says each time that the words have no times
    if not reference or not found or max(len(reference), len(found)) > _MOST:
        return float("nan")
    return float(cp_word_error_rate(reference, found).error_rate)


def _streams(said: Any) -> dict[str, str]:
    streams: dict[str, list[str]] = {}
    for who, text in said:
        streams.setdefault(who, []).append(text)
    return {who: " ".join(texts) for who, texts in streams.items()}
