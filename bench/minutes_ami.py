"""Notes and minutes of the AMI meetings, from their reference transcripts, against what people noted of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from audio.speech import Scores, Utterance
from bench.report import table
from memory.agenda import marked, topics
from memory.corpora import MISSING, Heard, load
from memory.extract import Extractor
from memory.marks import Marks
from memory.metrics import boundary_counts, f1, pk_and_window_diff
from memory.mind import Mind
from memory.minutes import Minutes
from memory.notes import WITHDRAWN, Item
from memory.people import People
from memory.summary import weigh
from memory.votes import believing
from memory.wording import read, sentences, stem
from memory.words import Floats
from pipeline.events import Concluded, Event, Learned, Opened, Said
from pipeline.minutes import MinutesStage, minutes_of
from pipeline.verify import unsupported

ROLES = {
    "PM": "project manager",
    "ID": "industrial designer",
    "UI": "user interface designer",
    "ME": "marketing expert",
}
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
    opens: tuple[int, ...] = ()  # utterances at which a topic of the top level begins, by number


def meetings(folder: Path) -> Iterator[Spoken]:
    """All meetings of a folder of the corpus."""
    annotated = {meeting.name: meeting for meeting in load(folder)}
    for path in sorted(folder.glob("*.json")):
        made = _meeting(json.loads(path.read_text(encoding="utf-8")))
        opens = annotated[made.name].opens
        yield replace(made, opens=() if MISSING in opens else tuple(map(int, np.flatnonzero(opens))))


def _meeting(raw: dict[str, Any]) -> Spoken:
    labels: dict[str, str] = {}
    said = []
    for row in raw["utterances"]:
        label = labels.setdefault(row["speaker"], f"S{len(labels) + 1}")
        said.append(Utterance(str(row["id"]), row["text"], row["start"], row["end"], "en", SPOKEN, speaker=label))
    roles = {labels[k]: ROLES.get(v.get("role", ""), "") for k, v in raw["speakers"].items() if k in labels}
    summary = raw.get("summary") or {}
    noted = {kind: _noted(summary.get(kind)) for kind in ("actions", "decisions")}
    abstract = " ".join(row["text"] for row in summary.get("abstract") or ())
    return Spoken(raw["meeting"], tuple(said), People({}, roles), noted["actions"], noted["decisions"], abstract)


def _noted(rows: list[dict[str, Any]] | None) -> tuple[Noted, ...] | None:
    if not rows:
        return None
    found = (Noted(row["text"], frozenset(map(str, row["evidence"]))) for row in rows)
    return tuple(n for n in found if n.evidence and not n.text.startswith("*NA"))


def marks_of(mind: Mind, meeting: Spoken) -> dict[str, Marks]:
    """What the memory marks each utterance with."""
    heard = [Heard(u.id, u.text, u.speaker, u.start_s, u.end_s) for u in meeting.utterances]
    most = mind.absorb(mind.empty(), heard)  # what `read` gives one by one
    return {marks.utterance_id: marks for marks in (*most.marks, *mind.finish(most.state).marks)}


def ours(meeting: Spoken, marks: Mapping[str, Marks]) -> list[Item]:
    """The items that the rules find, and with marks the memory too."""
    extractor = Extractor(date(2005, 3, 1), people=meeting.people, believed=believing(marks.values()))
    for utterance in meeting.utterances:
        extractor.hear(utterance, marks.get(utterance.id))
    extractor.finish()
    return [item for item in extractor.book.items.values() if item.id and item.status != WITHDRAWN]


_REGEX = {
    "action": re.compile(r"\b(?:i'll|i will|i'm gonna|i am going to|you'll|you're gonna|you will|can you|could you|we have to|we need to)\b", re.IGNORECASE),
    "decision": re.compile(r"\b(?:we(?:'ll| will| should| decided| agreed)|let's|okay so)\b", re.IGNORECASE),
}  # fmt: skip


def baseline(meeting: Spoken, kind: str) -> list[frozenset[str]]:
    """One item for every utterance that holds a telling phrase."""
    return [frozenset({u.id}) for u in meeting.utterances if _REGEX[kind].search(u.text)]


@dataclass
class Tally:
    """Items found and right, noted and found."""

    found: int = 0
    right: int = 0
    noted: int = 0
    met: int = 0

    def add(self, found: list[frozenset[str]], noted: Iterable[Noted], places: dict[str, int]) -> None:
        """Count one meeting: an item is right where its evidence is that of a note, give or take GAP utterances."""
        noted = list(noted)
        self.found += len(found)
        self.noted += len(noted)
        self.right += sum(any(_near(f, n.evidence, places) for n in noted) for f in found)
        self.met += sum(any(_near(f, n.evidence, places) for f in found) for n in noted)

    def row(self, name: str) -> tuple[str, ...]:
        """Name, items, precision, recall, F1."""
        precision, recall = self.right / max(1, self.found), self.met / max(1, self.noted)
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        return (name, str(self.found), str(self.noted), f"{precision:.3f}", f"{recall:.3f}", f"{f1:.3f}")


def _near(one: Iterable[str], other: Iterable[str], places: dict[str, int]) -> bool:
    near = [places[id] for id in other if id in places]
    return any(abs(places[id] - place) <= GAP for id in one if id in places for place in near)


_ROLE_WORDS = {"project manager": "PM", "industrial designer": "ID", "user interface": "UI", "interface specialist": "UI",
               "interface designer": "UI", "marketing": "ME"}  # fmt: skip


def gold_owners(text: str) -> set[str]:
    """The roles that an annotator's sentence says will do it; empty where it says a group or nobody."""
    subject = re.split(r"\b(?:will|should|was|were|is|to|needs?|can|instructed)\b", text.lower())[0]
    return {code for words, code in _ROLE_WORDS.items() if words in subject}


def measure(folder: Path) -> str:
    """A report on all meetings of the folder."""
    whose = ("rules and memory", "rules", "regex")
    tallies = {(kind, who): Tally() for kind in ("action", "decision") for who in whose}
    mind = Mind.load()
    cuts: dict[str, list[Cut]] = {}
    owners: Counter[str] = Counter()
    lines, unsupported_lines = 0, 0
    scores: dict[str, list[tuple[float, float, float]]] = {}
    for meeting in meetings(folder):
        places = {u.id: i for i, u in enumerate(meeting.utterances)}
        events: list[Event] = [Opened(meeting.name, meeting.name, "2005-03-01T09:00:00+00:00", "", "", "", "", "", "")]
        marks = marks_of(mind, meeting)
        told = Learned("marks", {"marks": [asdict(m) for m in marks.values()]}, ())
        events += [*map(Said, meeting.utterances), told, Concluded(meeting.utterances[-1].end_s, 0.0)]
        items, plain = ours(meeting, marks), ours(meeting, {})
        for kind, noted in (("action", meeting.actions), ("decision", meeting.decisions)):
            if noted is not None:
                for who, found in (("rules and memory", items), ("rules", plain)):
                    tallies[kind, who].add([frozenset(i.evidence) for i in found if i.kind == kind], noted, places)
                tallies[kind, "regex"].add(baseline(meeting, kind), noted, places)
        owners += _owners(items, meeting, places)
        minutes = minutes_of(MinutesStage()((), events))
        for name, cut in cuts_of(meeting, marks).items():
            cuts.setdefault(name, []).append(cut)
        lines += len(minutes.items)
        unsupported_lines += sum(bool(unsupported(item, minutes)) for item in minutes.items)
        if meeting.abstract:
            for name, text in summaries(meeting, minutes).items():
                scores.setdefault(name, []).append(rouge(text, meeting.abstract))
    return f"{_report(tallies, owners, (lines, unsupported_lines), scores)}\n\n{_cut_table(cuts)}"


Cut = tuple[float, float, Floats]  # Pk, WindowDiff, (true positive, false positive, false negative) boundaries


def cuts_of(meeting: Spoken, marks: Mapping[str, Marks]) -> dict[str, Cut]:
    """How well each way of finding topics cuts a meeting at its annotated ones of the top level."""
    if not meeting.opens:
        return {}
    places = {u.id: i for i, u in enumerate(meeting.utterances)}
    found = {
        "as in the minutes": topics(meeting.utterances, marks),
        "announced alone": topics(meeting.utterances),
        "the memory alone": marked(meeting.utterances, marks),
        "none": (),
    }
    scores = {}
    for name, made in found.items():
        at = np.array(sorted({places[first] for topic in made for first, _ in topic.spans} - {0}), np.int64)
        wanted = np.array(meeting.opens, np.int64)
        scores[name] = (
            *pk_and_window_diff(at, wanted, len(meeting.utterances)),
            boundary_counts(at, wanted),
        )
    return scores


def _cut_table(cuts: dict[str, list[Cut]]) -> str:
    rows = []
    for name, found in cuts.items():
        pk, wd = (sum(row[n] for row in found) / len(found) for n in (0, 1))
        rows.append((name, f"{pk:.3f}", f"{wd:.3f}", f"{f1(np.sum([row[2] for row in found], 0)):.3f}"))
    return table(("topics", "Pk", "WindowDiff", "boundary F1"), rows)


def _owners(items: list[Item], meeting: Spoken, places: dict[str, int]) -> Counter[str]:
    """How often the owner of a right action is the annotator's, another, or not said."""
    codes = {
        label: code for label, role in meeting.people.roles.items() for code, words in ROLES.items() if words == role
    }
    counts: Counter[str] = Counter()
    for item in items:
        noted = [n for n in meeting.actions or () if item.kind == "action" and _near(item.evidence, n.evidence, places)]
        gold = {code for n in noted for code in gold_owners(n.text)}
        if not gold:
            continue
        said = codes.get(item.owner.name) or next(iter(gold_owners(f"{item.owner.name} will")), "")
        counts[
            "abstained" if not item.owner or item.owner.kind == "group" else "right" if said in gold else "wrong"
        ] += 1
    return counts


def summaries(meeting: Spoken, minutes: Minutes) -> dict[str, str]:
    """Ours and two baselines of the same number of words: the first sentences, and the heaviest by TF-IDF."""
    text = " ".join(line.text for line in minutes.summary)
    said = [s for u in meeting.utterances for s in sentences(u)]
    budget = len(text.split())
    weights = weigh(said)
    heavy = sorted(range(len(said)), key=lambda n: -weights[n])
    return {
        "ours": text,
        "lead": _cut((s.text for s in said), budget),
        "TF-IDF": _cut((said[n].text for n in heavy), budget),
    }


def _cut(texts: Iterable[str], words: int) -> str:
    return " ".join(" ".join(texts).split()[:words])


def rouge(text: str, reference: str) -> tuple[float, float, float]:
    """ROUGE-1, -2 and -L as F1 over stemmed words (Lin 2004; our stems, so compare within this table only)."""
    one, other = ([stem(word) for word in read(t).words] for t in (text, reference))
    return _grams(one, other, 1), _grams(one, other, 2), _f1(_longest(one, other), len(one), len(other))


def _grams(one: list[str], other: list[str], n: int) -> float:
    left, right = (Counter(zip(*(words[i:] for i in range(n)), strict=False)) for words in (one, other))
    return _f1((left & right).total(), left.total(), right.total())


def _f1(shared: int, one: int, other: int) -> float:
    return 2 * shared / (one + other) if one + other else 0.0


def _longest(one: list[str], other: list[str]) -> int:
    row = [0] * (len(other) + 1)
    for word in one:
        before = row[:]
        for i, its in enumerate(other, 1):
            row[i] = before[i - 1] + 1 if word == its else max(before[i], row[i - 1])
    return row[-1]


def _report(
    tallies: dict[tuple[str, str], Tally],
    owners: Counter[str],
    lines: tuple[int, int],
    scores: dict[str, list[tuple[float, float, float]]],
) -> str:
    items = table(
        ("items", "found", "noted", "precision", "recall", "F1"), (t.row(f"{k}s, {w}") for (k, w), t in tallies.items())
    )
    means = {name: [sum(column) / len(rows) for column in zip(*rows, strict=True)] for name, rows in scores.items()}
    summed = table(
        ("summary", "ROUGE-1", "ROUGE-2", "ROUGE-L"), ((n, *(f"{v:.3f}" for v in m)) for n, m in means.items())
    )
    named = owners["right"] + owners["wrong"]
    total = named + owners["abstained"]
    who = f"Owners of right actions: {owners['right']} of {named} named ones right, {owners['abstained']} of {total} left open."
    checked, bad = lines
    return f"{items}\n\n{who}\n{checked - bad} of {checked} items verify.\n\n{summed}"
