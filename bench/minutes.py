"""Minutes measured: `python -m bench.minutes --sample [--audio]`, `--talks NAME [--noise]`, `--ami DIR`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio.speech import Utterance
from bench.command import ROOT, environment
from bench.minutes_ami import SPOKEN, measure
from bench.minutes_talks import measure as talks
from bench.report import circumstances, progress, table
from memory.mind import Mind
from memory.minutes import Minutes
from memory.notes import Item
from memory.wording import content_of, likeness
from pipeline import shelf as shelves
from pipeline.config import DEFAULTS, load
from pipeline.events import Concluded, Event, Named, Opened, Said, from_line
from pipeline.item_passages import ItemPassages
from pipeline.mind import remember
from pipeline.minutes import MinutesStage, minutes_of
from pipeline.verify import unsupported

SAMPLE = Path(__file__).parents[1] / "samples"
CHANGES = {
    "assigned": "assigned",
    "raised": "raised",
    "reassigned": "reassigned",
    "decided": "decided",
    "reversed": "reversed",
}


@dataclass(frozen=True)
class Row:
    """One planted item and what became of it."""

    kind: str
    wanted: str
    found: str
    wrong: tuple[str, ...]


def from_words(reference: dict[str, Any], home: Path) -> list[Event]:
    """The events of a meeting whose every word and speaker was understood."""
    labels: dict[str, str] = {}
    said = [
        Said(
            Utterance(
                u["id"],
                u["text"],
                u["start_s"],
                u["end_s"],
                "en",
                SPOKEN,
                speaker=labels.setdefault(u["speaker"], f"S{len(labels) + 1}"),
            )
        )
        for u in reference["utterances"]
    ]
    named = [Named(label, name, "user") for name, label in labels.items()]
    opened = Opened("sample", reference["title"], reference["began"], str(SAMPLE / "meeting.flac"), "", "", "", "", "")
    events: list[Event] = [opened, *named, *said, Concluded(reference["utterances"][-1]["end_s"], 0.0)]
    settings = load(file=DEFAULTS, environ={})
    shelf = shelves.open_shelf(settings.retrieval, home)
    shelf.set_places([str(SAMPLE / "docs")])
    shelves.refresh(shelf, settings.retrieval)
    told: Iterable[Event] = remember(Mind.load, home)((), events)
    return list(ItemPassages(shelf)((), MinutesStage()((), shelves.PassageStage(shelf)((), told))))


def from_audio(home: Path) -> list[Event]:
    """The events of the whole command on the recording, with the sample's documents on the shelf."""
    import subprocess

    run = [sys.executable, "-m", "pipeline.cli"]
    env = environment(home)
    subprocess.run([*run, "shelve", str(SAMPLE / "docs")], cwd=ROOT, env=env, check=True, stdout=subprocess.DEVNULL)
    command = [
        *run,
        "transcribe",
        str(SAMPLE / "meeting.flac"),
        "--model",
        "embedded",
        "--beam-size",
        "5",
        "--began",
        "2026-03-10T09:00+01:00",
    ]
    flags = ["--json", "--again", "--output-dir", str(home / "out"), "--output-format", "txt"]
    done = subprocess.run([*command, *flags], cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, encoding="utf-8")
    return [from_line(line) for line in done.stdout.splitlines()]


def compare(reference: dict[str, Any], minutes: Minutes) -> list[Row]:
    """Every planted item beside the one that is about the same, and every item that nobody planted."""
    spans = {u["id"]: (u["start_s"], u["end_s"]) for u in reference["utterances"]}
    people = _people(reference, minutes)
    rows, used = [], set[str]()
    for kind in ("decision", "action", "question", "risk"):
        for wanted in reference[f"{kind}s"]:
            times = [spans[id] for id in wanted["evidence"]]
            fitting = [i for i in minutes.of_kind(kind) if i.id not in used and _overlaps(minutes, i, times)]
            best = max(fitting, key=lambda i: likeness(content_of(i.what), content_of(wanted["what"])), default=None)
            if best is None:
                rows.append(Row(kind, wanted["what"], "", ("not found",)))
                continue
            used.add(best.id)
            rows.append(Row(kind, wanted["what"], best.what, tuple(_wrong(wanted, best, minutes, people))))
        rows += [Row(kind, "", i.what, ("nobody said so",)) for i in minutes.of_kind(kind) if i.id not in used]
    return rows


def _wrong(wanted: dict[str, Any], found: Item, minutes: Minutes, people: dict[str, str]) -> Iterable[str]:
    if likeness(content_of(found.what), content_of(wanted["what"])) < 0.4:
        yield "other words"
    if "owner" in wanted:
        owner = people.get(found.owner.name, minutes.said_by(found.owner))
        if owner != (wanted["owner"] or ""):
            yield f"owner {owner or 'nobody'}, not {wanted['owner']}"
    if wanted.get("due", "") != found.due.date:
        yield f"due {found.due.date or 'none'}, not {wanted['due']}"
    if wanted["state"] != found.status:
        yield f"state {found.status}, not {wanted['state']}"
    steps = [c.change for c in found.history]
    named = [h["change"] for h in wanted["history"]]
    if [s for s in dict.fromkeys(steps) if s in CHANGES] != named:
        yield f"history {' '.join(steps)}, not {' '.join(named)}"
    for place in wanted.get("documents", ()):
        if not any(p.document == place["document"] and place.get("page", p.page) == p.page for p in found.passages):
            yield f"no passage of {place['document']}"


def _overlaps(minutes: Minutes, item: Item, times: Sequence[tuple[float, float]]) -> bool:
    heard = [(u.start_s, u.end_s) for u in minutes.utterances if u.id in item.evidence]
    return any(min(a[1], b[1]) - max(a[0], b[0]) > 0.3 for a in heard for b in times)


def _people(reference: dict[str, Any], minutes: Minutes) -> dict[str, str]:
    """Speaker label to the person who speaks most of its words."""
    shares: dict[str, dict[str, float]] = {}
    for heard in minutes.utterances:
        for u in reference["utterances"]:
            both = min(heard.end_s, u["end_s"]) - max(heard.start_s, u["start_s"])
            if both > 0 and heard.speaker:
                own = shares.setdefault(heard.speaker, {})
                own[u["speaker"]] = own.get(u["speaker"], 0.0) + both
    return {label: max(own, key=lambda who: own[who]) for label, own in shares.items()}


def references(reference: dict[str, Any], minutes: Minutes) -> list[Row]:
    """Each planted reference to a document, by what was said and where it leads."""
    spans = {u["id"]: (u["start_s"], u["end_s"]) for u in reference["utterances"]}
    rows = []
    for wanted in reference["references"]:
        where = f"{wanted['document']} {'page' if 'page' in wanted else 'section'} {wanted.get('page', wanted.get('section'))}"
        begin, end = spans[wanted["utterance"]]
        near = [
            c for c in minutes.references
            if any(u.id in c.evidence and min(u.end_s, end) - max(u.start_s, begin) > 0.3 for u in minutes.utterances)
        ]  # fmt: skip
        right = [
            c for c in near if c.passage.document == wanted["document"] and _alike(c.passage.quote, wanted["quote"])
        ]
        found = (right or near)[0].passage.quote if near else ""
        rows.append(
            Row("reference", where, found, () if right else ("not linked",) if not near else ("other passage",))
        )
    return rows


def _alike(one: str, other: str) -> bool:
    return likeness(content_of(one), content_of(other)) >= 0.5


def sample(audio: bool) -> int:
    """Print the comparison with what was planted; returns the number of mismatches."""
    reference = json.loads((SAMPLE / "meeting.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as home:
        events = from_audio(Path(home)) if audio else from_words(reference, Path(home))
    minutes = minutes_of(events)
    rows = [*compare(reference, minutes), *references(reference, minutes)]
    print(
        table(("kind", "planted", "found", "mismatch"), ((r.kind, r.wanted, r.found, "; ".join(r.wrong)) for r in rows))
    )
    wrong = sum(bool(row.wrong) for row in rows)
    bad = [finding for item in minutes.items for finding in unsupported(item, minutes)]
    print(f"\n{len(rows) - wrong} of {len(rows)} as planted; {len(bad)} items without support. {circumstances()}")
    return wrong + len(bad)


def speed(folder: Path) -> str:
    """Minutes of a two-hour transcript, made of AMI dev meetings joined until they last that long."""
    from bench.minutes_ami import meetings

    said: list[Utterance] = []
    begin = 0.0
    for meeting in meetings(folder):
        if begin > 7200:
            break
        said += [
            Utterance(f"u{len(said) + n}", u.text, u.start_s + begin, u.end_s + begin, "en", SPOKEN, speaker=u.speaker)
            for n, u in enumerate(meeting.utterances, 1)
        ]
        begin = said[-1].end_s
    events: list[Event] = [
        Opened("long", "Long", "2026-03-10T09:00:00+01:00", "", "", "", "", "", ""),
        *map(Said, said),
        Concluded(begin, begin),
    ]
    mind = Mind.load()
    with tempfile.TemporaryDirectory() as home:
        start, cpu = time.perf_counter(), time.process_time()
        told = list(remember(lambda: mind, Path(home))((), events))
        heard_s, heard_cpu_s = time.perf_counter() - start, time.process_time() - cpu
    start, cpu = time.perf_counter(), time.process_time()
    minutes = minutes_of(MinutesStage()((), told))
    noted_s, noted_cpu_s = time.perf_counter() - start, time.process_time() - cpu
    return (
        f"{begin / 3600:.1f} h of speech, {len(said)} utterances, {len(minutes.items)} items: notes and minutes "
        f"{noted_s:.1f} s ({noted_cpu_s:.1f} s of one core), the memory before them {heard_s:.1f} s ({heard_cpu_s:.1f} s)"
    )


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sample", action="store_true", help="compare with what was planted in the sample; exit code 1 on mismatch"
    )
    parser.add_argument("--audio", action="store_true", help="from the recording instead of the words")
    parser.add_argument("--ami", type=Path, help="folder of AMI meetings, say ../shared/data/ami/dev")
    names = ("known", "held", "fresh", "messy", "sealed", "blind", "sample")
    parser.add_argument("--talks", choices=names, help="short made meetings, or the sample's words")
    parser.add_argument("--noise", action="store_true", help="with --talks: words misheard at several rates")
    parser.add_argument(
        "--misses", action="store_true", help="with --talks: what was missed, to stderr; not of sealed ones"
    )
    given = parser.parse_args()
    if given.talks:
        print(talks(given.talks, noise=given.noise, show=given.misses))
    wrong = sample(given.audio) if given.sample else 0
    if given.ami:
        progress(f"AMI from {given.ami}")
        print(measure(given.ami))
        print(speed(given.ami))
        print(circumstances())
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
