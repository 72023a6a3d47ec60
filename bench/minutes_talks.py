"""Minutes of short made meetings, heard well and badly: `python -m bench.minutes --talks blind|fresh|... [--noise]`."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from audio.speech import Scores, Utterance
from bench.mishearing import Ears, errors, misheard
from bench.report import circumstances, progress, table
from memory.mind import Mind
from memory.minutes import Minutes
from memory.notes import ITEM_KINDS, Item
from memory.wording import content_of, likeness
from pipeline.events import Concluded, Event, Named, Opened, Said
from pipeline.mind import remember
from pipeline.minutes import MinutesStage, minutes_of

TALKS = Path(__file__).parent / "talks"
SAMPLE = Path(__file__).parents[1] / "samples" / "meeting.json"
RATES, SEEDS = (0.0, 0.05, 0.10, 0.15), 5
SECONDS_A_WORD = 0.4
SPOKEN = Scores(-0.1, 0.0, 1.0, 0.0)


@dataclass(frozen=True)
class Wanted:
    """One item that a careful listener notes."""

    kind: str
    what: str
    evidence: frozenset[str]
    owner: tuple[str, ...] = ("",)  # any of these is right: a speaker, a group in plain words, "" = nobody
    due: tuple[str, ...] = ("",)  # the same for dates; "" = none
    states: tuple[str, ...] = ("open",)
    may: bool = False  # right to note, and right not to


@dataclass(frozen=True)
class Talk:
    """A made meeting and what should be noted of it."""

    title: str
    began: str
    utterances: tuple[Utterance, ...]
    names: dict[str, str]  # label -> name
    wanted: tuple[Wanted, ...]


def talks(name: str) -> list[Talk]:
    """The meetings of bench/talks/NAME.yaml, or the sample's words for "sample"."""
    if name == "sample":
        return [_sample(json.loads(SAMPLE.read_text(encoding="utf-8")))]
    return [_talk(raw) for raw in yaml.safe_load((TALKS / f"{name}.yaml").read_text(encoding="utf-8"))]


def _talk(raw: dict[str, Any]) -> Talk:
    labels: dict[str, str] = {}
    places: dict[str, set[str]] = {}
    said, at = [], 0.0
    for number, line in enumerate(raw["said"], 1):
        ((speaker, text),) = line.items()
        tags = re.search(r" \[([^\]]+)\]$", text)
        text = text[: tags.start()] if tags else text
        for tag in tags[1].split(", ") if tags else ():
            places.setdefault(tag, set()).add(f"u{number}")
        label = labels.setdefault(speaker, f"S{len(labels) + 1}")
        end = at + SECONDS_A_WORD * len(text.split())
        said.append(Utterance(f"u{number}", text, at, end, "en", SPOKEN, speaker=label))
        at = end + 0.5
    wanted = [_wanted(kind, row, places[tag]) for kind in ITEM_KINDS for tag, row in raw.get(f"{kind}s", {}).items()]
    names = {label: name for name, label in labels.items()}
    return Talk(raw["title"], f"{raw['began']}T09:00:00", tuple(said), names, tuple(wanted))


def _wanted(kind: str, row: dict[str, Any], evidence: Iterable[str]) -> Wanted:
    def some(value: Any) -> tuple[str, ...]:
        return tuple(str(v or "") for v in value) if isinstance(value, list) else (str(value or ""),)

    return Wanted(
        kind,
        row["what"],
        frozenset(evidence),
        some(row.get("owner")),
        some(row.get("due")),
        some(row.get("state", "decided" if kind == "decision" else "open")),
        bool(row.get("may")),
    )


def _sample(raw: dict[str, Any]) -> Talk:
    labels: dict[str, str] = {}
    said = tuple(
        Utterance(u["id"], u["text"], u["start_s"], u["end_s"], "en", SPOKEN,
                  speaker=labels.setdefault(u["speaker"], f"S{len(labels) + 1}"))
        for u in raw["utterances"]
    )  # fmt: skip
    wanted = [_wanted(kind, row, row["evidence"]) for kind in ITEM_KINDS for row in raw[f"{kind}s"]]
    return Talk(raw["title"], raw["began"], said, {label: name for name, label in labels.items()}, tuple(wanted))


def noted(talk: Talk, utterances: Sequence[Utterance], mind: Mind) -> Minutes:
    """The minutes of the meeting, of these utterances, by the memory and the rules as in the command."""
    names = [Named(label, name, "user") for label, name in talk.names.items()]
    began = datetime.fromisoformat(talk.began).astimezone().isoformat()
    opened = Opened(talk.title, talk.title, began, "", "", "", "", "", "")
    events: list[Event] = [opened, *names, *map(Said, utterances), Concluded(talk.utterances[-1].end_s, 0.0)]
    with tempfile.TemporaryDirectory() as home:
        return minutes_of(MinutesStage()((), remember(lambda: mind, Path(home))((), events)))


@dataclass
class Tally:
    """Planted items and what became of them, over some meetings."""

    planted: int = 0
    found: int = 0
    right: int = 0  # with owner, date and state
    wrong_owner: int = 0  # another one was named; nobody is not wrong
    wrong_date: int = 0  # another day; none is not wrong
    invented: int = 0
    errors: int = 0
    words: int = 0
    misses: list[str] = field(default_factory=list)

    def row(self, name: str) -> tuple[str, ...]:
        """The cells of a table, the measured word error rate first."""
        counts = (self.planted, self.found, self.right, self.wrong_owner, self.wrong_date, self.invented)
        return (name, f"{self.errors / max(1, self.words):.1%}", *map(str, counts))


HEADER = ("asked", "WER", "planted", "found", "all right", "wrong owner", "wrong date", "invented")


def judge(talk: Talk, minutes: Minutes, tally: Tally) -> None:
    """Add one meeting to the tally: an item is found where it rests on a line of the planted one and is of its kind."""
    used: set[str] = set()
    for wanted in sorted(talk.wanted, key=lambda w: w.may):
        near = [i for i in minutes.of_kind(wanted.kind) if i.id not in used and wanted.evidence & set(i.evidence)]
        best = max(near, key=lambda i: likeness(content_of(i.what), content_of(wanted.what)), default=None)
        if best is not None:
            used.add(best.id)
        if not wanted.may:
            _count(talk, wanted, best, minutes, tally)
    left = [i for kind in ITEM_KINDS for i in minutes.of_kind(kind) if i.id not in used]
    again = {tag for wanted in talk.wanted for tag in wanted.evidence}
    for item in left:
        twice = set(item.evidence) <= again and any(
            w.kind == item.kind and w.evidence & set(item.evidence) for w in talk.wanted
        )
        tally.invented += 1
        tally.misses.append(f"{talk.title}: {'twice' if twice else 'invented'} {item.kind}: {item.what}")


def _count(talk: Talk, wanted: Wanted, best: Item | None, minutes: Minutes, tally: Tally) -> None:
    tally.planted += 1
    if best is None:
        tally.misses.append(f"{talk.title}: not found {wanted.kind}: {wanted.what}")
        return
    tally.found += 1
    wrong = list(_wrong(wanted, best, minutes))
    tally.right += not wrong
    tally.wrong_owner += "owner" in wrong
    tally.wrong_date += "date" in wrong
    if wrong:
        owner = minutes.said_by(best.owner) or "nobody"
        tally.misses.append(
            f"{talk.title}: {', '.join(wrong)} of {wanted.kind}: {wanted.what} <> {best.what} / {owner} / "
            f"{best.due.phrase}={best.due.date} / {best.status}"
        )


def _wrong(wanted: Wanted, found: Item, minutes: Minutes) -> Iterator[str]:
    owner = minutes.said_by(found.owner)
    if wanted.kind == "action" and owner not in wanted.owner:
        yield "owner" if owner and found.owner.kind != "group" else "no owner"
    if wanted.kind == "action" and found.due.date not in wanted.due:
        yield "date" if found.due.date else "no date"
    if found.status not in wanted.states:
        yield f"state {found.status}"


def measure(name: str, *, noise: bool, show: bool = False) -> str:
    """A report on the meetings of one file, with `noise` at every rate."""
    mind, made = Mind.load(), talks(name)
    ears = Ears.of(u.text for talk in made for u in talk.utterances)
    rows = []
    for rate in RATES if noise else RATES[:1]:
        tally = Tally()
        for seed in range(SEEDS if rate else 1):
            for talk in made:
                heard = misheard(talk.utterances, rate, ears, seed) if rate else list(talk.utterances)
                judge(talk, noted(talk, heard, mind), tally)
                wrong, words = errors(talk.utterances, heard)
                tally.errors, tally.words = tally.errors + wrong, tally.words + words
        rows.append(tally.row(f"{rate:.0%}"))
        progress(f"{name}, {rate:.0%} of the words misheard")
        if show:
            progress("\n".join(tally.misses))
    return f"{name}: {len(made)} meetings{f', {SEEDS} times each' if noise else ''}\n\n{table(HEADER, rows)}\n\n{circumstances()}"
