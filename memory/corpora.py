"""Annotated meetings from JSON (AMI): what was said, and what people marked in it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ACTS = tuple("inf ass bck fra sug stl el.inf und el.ass oth be.pos off el.sug el.und be.neg".split())
ROLES = ("PM", "ID", "ME", "UI")
GROUP_OWNER, OTHER_OWNER = 4, 5  # after the four roles; OTHER is a person whom the sentence does not name
MISSING = -1  # a label that this meeting was not annotated with: no loss, no score
SHORT_RUN = 3  # utterances; a topic that holds fewer is people talking over a change of topic
FAR = 20  # utterances; who comes back to a topic that was left before that returns to it, sooner is an interruption
_OWNERS = {
    "PM": r"project manager|\bPM\b",
    "ID": r"industrial designer|\bID\b",
    "ME": r"marketing (?:expert|specialist)|\bME\b",
    "UI": r"(?:user )?interface (?:designer|specialist)|\bUI(?:D)?\b",
}
_GROUP = r"\b(?:team|group|members?|everyone|everybody|each|all participants|designers|they|participants|individual)\b"
Labels = NDArray[np.int64]


class MindError(Exception):
    """The memory could not be loaded, trained or carried on. The message says what happened and what to do."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One utterance as the memory takes it: no name, only who by order of appearance."""

    id: str
    text: str
    speaker: str  # label; "" = not known
    start_s: float
    end_s: float


@dataclass(frozen=True)
class ActionItem:
    """One annotated action: who has to do it, and the utterances (by position) that say so."""

    owner: int  # index in ROLES, GROUP_OWNER or OTHER_OWNER
    evidence: tuple[int, ...]


@dataclass(frozen=True)
class Annotated:
    """A meeting with its labels; every array has one entry an utterance, MISSING where nobody annotated."""

    name: str  # "ES2002a"
    heard: tuple[Heard, ...]
    act: Labels  # index in ACTS
    action: Labels  # 0 or 1, as the next three
    decision: Labels
    problem: Labels
    salient: Labels
    opens: Labels  # 1 where a topic of the top level begins
    turns: Labels  # 1 where the topic of any level changes
    topic: Labels  # number of the topic by first appearance, returns to one of the same name keep theirs
    role: Labels  # index in ROLES of the speaker
    items: tuple[ActionItem, ...]

    @property
    def series(self) -> str:
        """Meetings a to d of one team."""
        return self.name[:-1] if self.name[-1].isalpha() else self.name


def run(command: Callable[[], None]) -> None:
    """Run a command of this package: what is wrong with its data or weights becomes one sentence and exit code 5."""
    try:
        command()
    except MindError as error:
        print(error, file=sys.stderr)
        sys.exit(5)


def load(folder: Path) -> list[Annotated]:
    """All meetings of a folder by name. Raises MindError where there is none or one cannot be read."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise MindError(f"{folder} holds no annotated meeting (*.json); name the folder of a corpus by --data")
    return [read(file) for file in files]


def read(file: Path) -> Annotated:
    """One meeting. Raises MindError where the file is not in the form that SOURCES.md describes."""
    try:
        return _annotated(json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MindError(
            f"{file} is no annotated meeting ({type(error).__name__}: {error}); convert it again"
        ) from error


def by_series(meetings: Iterable[Annotated]) -> dict[str, list[Annotated]]:
    """The meetings of each team in their order."""
    series: dict[str, list[Annotated]] = {}
    for meeting in sorted(meetings, key=lambda m: m.name):
        series.setdefault(meeting.series, []).append(meeting)
    return series


def folds(meetings: Sequence[Annotated], count: int) -> Iterator[tuple[list[Annotated], list[Annotated]]]:
    """(the rest, held out) `count` times; a series is never divided, and kinds of series are spread evenly."""
    names = sorted({m.series for m in meetings})
    for fold in range(count):
        held = set(names[fold::count])
        yield [m for m in meetings if m.series not in held], [m for m in meetings if m.series in held]


def _annotated(record: dict[str, Any]) -> Annotated:
    utterances = record["utterances"]
    place = {u["id"]: i for i, u in enumerate(utterances)}
    summary = record["summary"] or {}
    evidence = {
        kind: _evidence(summary.get(kind, []), place) for kind in ("abstract", "actions", "decisions", "problems")
    }
    linked = any(evidence.values())
    size = len(utterances)
    roles = {letter: _index(ROLES, person["role"]) for letter, person in record["speakers"].items()}
    topic, opens = _topics(record["topics"], place, size)
    return Annotated(
        name=record["meeting"],
        heard=tuple(
            Heard(f"u{i + 1}", u["text"], u["speaker"], u["start"], u["end"]) for i, u in enumerate(utterances)
        ),
        act=np.array([_index(ACTS, u["act"]) for u in utterances]),
        action=_flags(evidence["actions"], size, linked),
        decision=_flags(evidence["decisions"], size, linked),
        problem=_flags(evidence["problems"], size, linked),
        salient=_flags(set().union(*evidence.values()), size, linked),
        opens=opens,
        turns=_changes(topic),
        topic=topic,
        role=np.array([roles[u["speaker"]] for u in utterances]),
        items=tuple(_items(summary.get("actions", []), place)),
    )


def _evidence(entries: list[dict[str, Any]], place: dict[Any, int]) -> set[int]:
    return {place[i] for entry in entries for i in entry["evidence"] if i in place}


def _flags(positive: set[int], size: int, annotated: bool) -> Labels:
    flags = np.full(size, 0 if annotated else MISSING)
    flags[sorted(positive)] = 1
    return flags


def _index(names: Sequence[str], name: str | None) -> int:
    return names.index(name) if name in names else MISSING


def _items(actions: list[dict[str, Any]], place: dict[Any, int]) -> Iterator[ActionItem]:
    for action in actions:
        evidence = tuple(sorted(place[i] for i in action["evidence"] if i in place))
        named = [r for r, role in enumerate(ROLES) if re.search(_OWNERS[role], action["text"], re.IGNORECASE)]
        if not evidence or len(named) > 1:
            continue  # several owners: no pointer can be right
        group = re.search(_GROUP, action["text"], re.IGNORECASE)
        yield ActionItem(named[0] if named else GROUP_OWNER if group else OTHER_OWNER, evidence)


def _topics(nodes: list[dict[str, Any]], place: dict[Any, int], size: int) -> tuple[Labels, Labels]:
    """(number of the innermost topic by first appearance, where a topic of the top level begins).

    Annotators begin a new node where an interrupted topic goes on, and give it the same name: a topic is its name.
    """
    if not nodes:
        return np.full(size, MISSING), np.full(size, MISSING)
    parents = {node["id"]: node["parent"] for node in nodes}
    inner = np.full(size, MISSING)
    for node in nodes:
        inner[[place[i] for i in node["utterances"] if i in place]] = node["id"]
    inner = _smooth(inner)
    outer = np.array([_root(int(i), parents) for i in inner])
    names = {node["id"]: _name(node) for node in nodes}
    numbers: dict[str | int, int] = {}
    topic = np.array([numbers.setdefault(names.get(int(i), int(i)), len(numbers)) for i in inner])
    return topic, _changes(_smooth(outer))


def _name(node: dict[str, Any]) -> str | int:
    """What the annotators call a topic: one of their list, else their own words; its number where there are none."""
    listed = node["type"] if node["type"] != "other" else None
    return str(listed or node["description"] or "") or int(node["id"])


def away(topic: Labels) -> Labels:
    """At each utterance (n,) that changes the topic how many utterances ago its own was left, MISSING if it is new.

    0 where the topic goes on.
    """
    out = np.zeros(len(topic), np.int64)
    last: dict[int, int] = {}
    for i, number in enumerate(topic.tolist()):
        if i and number != topic[i - 1]:
            out[i] = i - last[number] if number in last else MISSING
        last[number] = i
    return out


def _root(node: int, parents: dict[int, int | None]) -> int:
    while (parent := parents.get(node)) is not None:
        node = parent
    return node


def _smooth(runs: Labels) -> Labels:
    """Runs shorter than SHORT_RUN join the run before them; what nobody annotated too."""
    smooth = runs.copy()
    start = 0
    for i in range(1, len(runs) + 1):
        if i == len(runs) or runs[i] != runs[start]:
            if start and (i - start < SHORT_RUN or runs[start] == MISSING):
                smooth[start:i] = smooth[start - 1]
            start = i
    return smooth


def _changes(runs: Labels) -> Labels:
    if len(runs) and runs[0] == MISSING:
        return np.full(len(runs), MISSING)
    return np.concatenate([[0], (runs[1:] != runs[:-1]).astype(np.int64)])
