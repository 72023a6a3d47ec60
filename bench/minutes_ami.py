"""Notes and minutes of the AMI meetings, from their reference transcripts, against what people noted of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from audio.speech import Scores, Utterance
from memory.extract import Extractor
from memory.notes import Item
from memory.people import People

ROLES = {"PM": "project manager", "ID": "industrial designer", "UI": "user interface designer", "ME": "marketing expert"}
SPOKEN = Scores(-0.1, 0.0, 1.0, 0.0)
GAP = 2  # utterances: evidence this near to a linked one counts as the same place


@dataclass(frozen=True)
class Noted:
    """What an annotator noted: the sentence and the utterances that it rests on."""

    text: str
    evidence: frozenset[str]


@dataclass(frozen=True)
class Spoken:
    """One meeting with its reference."""

    name: str
    utterances: tuple[Utterance, ...]
    people: People
    actions: tuple[Noted, ...] | None  # None = not annotated
    decisions: tuple[Noted, ...] | None
    abstract: str


def meetings(folder: Path) -> Iterator[Spoken]:
    """All meetings of a folder of the corpus."""
    for path in sorted(folder.glob("*.json")):
        yield _meeting(json.loads(path.read_text(encoding="utf-8")))


def _meeting(raw: dict[str, Any]) -> Spoken:
    labels: dict[str, str] = {}
    said = []
    for row in raw["utterances"]:
        label = labels.setdefault(row["speaker"], f"S{len(labels) + 1}")
        said.append(Utterance(row["id"], row["text"], row["start"], row["end"], "en", SPOKEN, speaker=label))
    roles = {labels[k]: ROLES.get(v.get("role", ""), "") for k, v in raw["speakers"].items() if k in labels}
    summary = raw.get("summary") or {}
    noted = {kind: _noted(summary.get(kind)) for kind in ("actions", "decisions")}
    abstract = " ".join(row["text"] for row in summary.get("abstract") or ())
    return Spoken(raw["meeting"], tuple(said), People({}, roles), noted["actions"], noted["decisions"], abstract)


def _noted(rows: list[dict[str, Any]] | None) -> tuple[Noted, ...] | None:
    if not rows:
        return None
    found = (Noted(row["text"], frozenset(row["evidence"])) for row in rows)
    return tuple(n for n in found if n.evidence and not n.text.startswith("*NA"))


def ours(meeting: Spoken) -> list[Item]:
    """The items that the rules find."""
    extractor = Extractor(date(2005, 3, 1), people=meeting.people)
    for utterance in meeting.utterances:
        extractor.hear(utterance)
    extractor.finish()
    return [item for item in extractor.book.items.values() if item.id]
