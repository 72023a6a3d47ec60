"""The play of the sample meeting, read from its text, and the reference that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from audio.speech import SAMPLE_RATE

SCRIPT = Path(__file__).parent / "meeting.yaml"


@dataclass(frozen=True)
class Person:
    """Who speaks, and the synthetic voice that speaks for them."""

    name: str
    role: str
    voice: str
    stretch: float  # of the speaking time: 1.05 is 5 % slower
    gain_db: float


@dataclass(frozen=True)
class Line:
    """One sentence of one person, said without a break."""

    speaker: str
    text: str
    topic: str
    label: str = ""
    cites: dict[str, Any] = field(default_factory=dict)
    cut_off: bool = False
    overlap_s: float = 0.0  # how long before the end of the previous line it begins


@dataclass(frozen=True)
class Play:
    """The whole script; `about` holds what goes into the reference as it stands."""

    about: dict[str, Any]
    people: dict[str, Person]
    topics: dict[str, dict[str, str]]
    lines: tuple[Line, ...]
    notes: dict[str, list[dict[str, Any]]]  # decisions, actions, questions, risks


def load(path: Path = SCRIPT) -> Play:
    """Read the script."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    people = {name: Person(name, **row) for name, row in raw["people"].items()}
    lines = [_line(row, scene["topic"], people) for scene in raw["scenes"] for row in scene["lines"]]
    about = {key: _plain(raw[key]) for key in ("title", "began", "timezone", "language")}
    notes = {kind: raw[kind] for kind in ("decisions", "actions", "questions", "risks")}
    return Play(about, people, raw["topics"], tuple(lines), notes)


def reference(play: Play, spans: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """All that is known of the meeting, ready for JSON; `spans` are where its lines start and stop, in samples."""
    ids = [f"u{i}" for i in range(1, len(play.lines) + 1)]
    at = {line.label: id for line, id in zip(play.lines, ids, strict=True) if line.label}
    said = list(zip(ids, play.lines, strict=True))
    return {
        **play.about,
        "audio": {"file": "meeting.flac", "sample_rate": SAMPLE_RATE},
        "people": [{"name": p.name, "role": p.role, "voice": p.voice} for p in play.people.values()],
        "utterances": [_utterance(id, line, span) for (id, line), span in zip(said, spans, strict=True)],
        "topics": [_topic(id, row, said) for id, row in play.topics.items()],
        **{kind: [_settled(item, at) for item in items] for kind, items in play.notes.items()},
        "references": [{"utterance": id, **line.cites} for id, line in said if line.cites],
    }


def _line(row: dict[str, Any], topic: str, people: dict[str, Person]) -> Line:
    speaker = next(key for key in row if key in people)
    rest = {"label" if key == "as" else key: value for key, value in row.items() if key != speaker}
    return Line(speaker, row[speaker], topic, **rest)


def _utterance(id: str, line: Line, span: tuple[int, int]) -> dict[str, Any]:
    start_s, end_s = (round(sample / SAMPLE_RATE, 3) for sample in span)
    record: dict[str, Any] = {"id": id, "speaker": line.speaker, "start_s": start_s, "end_s": end_s, "text": line.text}
    if line.cut_off:
        record["cut_off"] = True
    return record | ({"overlap_s": line.overlap_s} if line.overlap_s else {})


def _topic(id: str, row: dict[str, str], said: Sequence[tuple[str, Line]]) -> dict[str, Any]:
    """`utterances` are all of the topic's, `returns` those by which the meeting comes back to it."""
    own = [n for n, (_, line) in enumerate(said) if line.topic == id]
    returns = [n for before, n in pairwise(own) if n > before + 1]
    return {"id": id, **row, "utterances": [said[n][0] for n in own], "returns": [said[n][0] for n in returns]}


def _settled(item: dict[str, Any], at: dict[str, str]) -> dict[str, Any]:
    """The item as its history leaves it: later entries replace earlier ones, their evidence adds up."""
    history = [
        {**{k: _plain(v) for k, v in entry.items() if k != "at"}, "evidence": [at[label] for label in entry["at"]]}
        for entry in item["history"]
    ]
    final = {key: value for entry in history for key, value in entry.items() if key not in ("change", "evidence")}
    evidence = [id for entry in history for id in entry["evidence"]]
    return {"id": item["id"], **final, **item, "history": history, "evidence": evidence}


def _plain(value: Any) -> Any:
    """YAML's dates as ISO 8601."""
    return value.isoformat() if isinstance(value, date | datetime) else value
