"""Titles of topics against what annotators call them and write of them: `python -m bench.titles AMI/dev`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bench.report import table
from memory.corpora import MISSING, load
from memory.titles import keywords, title
from memory.weights import load as load_weights
from memory.wording import STOP, stem
from memory.words import stripped, tokens

NAMED = 0.25  # share of a part that a topic needs for its name to be one of the part's
KINDS = ("abstract", "actions", "decisions", "problems")


@dataclass(frozen=True)
class Part:
    """A topic of the top level: what was said in it and before it, and words of what people wrote of it."""

    said: tuple[str, ...]
    before: tuple[str, ...]
    written: frozenset[str]


def content(text: str) -> frozenset[str]:
    """Stems of the words that say something."""
    return frozenset(stem(word) for word in stripped(tokens(text)) if word not in STOP and len(word) > 2)


def parts(folder: Path) -> Iterator[Part]:
    """Of all meetings whose topics are annotated; a part that nobody wrote of is left out."""
    for meeting in load(folder):
        if meeting.opens[0] == MISSING:
            continue
        raw = json.loads((folder / f"{meeting.name}.json").read_text(encoding="utf-8"))
        texts = [u["text"] for u in raw["utterances"]]
        starts = [0, *np.flatnonzero(meeting.opens == 1).tolist(), len(texts)]
        for first, last in pairwise(starts):
            written = _written(raw, {u["id"] for u in raw["utterances"][first:last]})
            if written:
                yield Part(tuple(texts[first:last]), tuple(texts[:first]), written)


def _written(raw: dict[str, Any], here: set[Any]) -> frozenset[str]:
    names = [
        f"{topic['type'] or ''} {topic['description'] or ''}".replace("other ", "")
        for topic in raw["topics"]
        if len(here & set(topic["utterances"])) >= NAMED * len(here)
    ]
    summary = raw["summary"] or {}
    lines = [row["text"] for kind in KINDS for row in summary.get(kind, ()) if here & set(row["evidence"])]
    return frozenset().union(*map(content, (*names, *lines)))


def measure(folder: Path) -> str:
    """Share of titles with such a word, of a title's telling words that are such, and of titles without any word."""
    weights, found = load_weights().probes.weights, list(parts(folder))
    ways = {
        "title": [title(part.said, part.before, weights) for part in found],
        "three keywords": [" ".join(keywords(part.said, part.before, weights, count=3)) for part in found],
    }
    rows = []
    for name, made in ways.items():
        counts: Counter[str] = Counter()
        for text, part in zip(made, found, strict=True):
            words = content(text)
            counts.update(met=bool(words & part.written), words=len(words), right=len(words & part.written))
            counts["blank"] += not words
        shares = (counts["met"] / len(found), counts["right"] / max(counts["words"], 1), counts["blank"] / len(found))
        rows.append((name, *(f"{share:.3f}" for share in shares), f"{counts['words'] / len(found):.1f}"))
    head = (f"{len(found)} topics", "a word of theirs", "words that are theirs", "no telling word", "telling words")
    return table(head, rows)


if __name__ == "__main__":
    print(measure(Path(sys.argv[1])))
