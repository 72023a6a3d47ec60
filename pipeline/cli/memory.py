"""The command that shows what a meeting's memory held, when, and why it let go of it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.chart import memory_chart
from pipeline.cli.options import config_option, json_option, library_of
from pipeline.events import REREAD, Event, Learned, PipelineError, Said
from pipeline.minutes import minutes_of
from pipeline.screen import clock
from pipeline.transcript import Transcript, marks_of

_COLUMNS = (
    "at",
    "hit_rate",
    "age_p50",
    "age_p95",
    "write_rate",
    "gate_open",
    "topics",
    "items",
    "archived",
    "evicted",
    "step_ms",
)  # what 80 columns hold; --json has all

LEAST_OF_A_TOPIC = 0.1  # share of what the memory takes for one topic, from which the name in the minutes is told


@click.command()
@click.argument("meeting", default="latest")
@config_option
@json_option
@click.option("--plot", type=click.Path(path_type=Path), help="also draw it, as this SVG file")
def memory(meeting: str, config: Path | None, as_json: bool, plot: Path | None) -> None:
    """Show what the memory of a meeting held, when, and why it let go."""
    library = library_of(config)
    events = list(library.events(library.meeting(meeting)))
    moments = [e.content for e in events if isinstance(e, Learned) and e.kind == "memory"]
    topics = _as_in_minutes([e.content for e in events if isinstance(e, Learned) and e.kind == "subject"], events)
    minutes = _minutes(events)
    if not moments:
        raise PipelineError("this meeting was held without a memory; set memory.enabled and transcribe it with --again")
    if as_json:
        for moment in moments:
            click.echo(json.dumps(moment))
    else:
        _print(Transcript.of(events).title, moments, topics, minutes)
    if plot:
        heard = [e.utterance.start_s for e in events if isinstance(e, Said) and not e.utterance.suppressed]
        marked = [(sum(s <= t["start_s"] for s in heard), t["title"]) for t in topics if t["state"] == "closes"]
        try:
            plot.write_text(memory_chart(Transcript.of(events).title, moments, marked), encoding="utf-8")
        except OSError as error:
            raise PipelineError(f"{plot} could not be written ({error.strerror}); name another file") from error


def _minutes(events: list[Event]) -> list[dict[str, Any]]:
    """Those that the end told, of a meeting that still runs those that were told so far."""
    anew = [e.content["minutes"] for e in events if isinstance(e, Learned) and e.kind == REREAD]
    told = [e.content for e in events if isinstance(e, Learned) and e.kind == "minute"]
    return [*anew[-1]] if anew else told


def _as_in_minutes(topics: list[dict[str, Any]], events: list[Event]) -> list[dict[str, Any]]:
    """The topics by the names that they have in the minutes, where the chair's announcement may have given others."""
    made = minutes_of(events)
    places = {u.id: n for n, u in enumerate(made.utterances)}
    spans = [(told.title, places[first], places[last]) for told in made.topics for first, last in told.spans]
    names: dict[int, Counter[str]] = {}
    for mark in marks_of(events):
        at = places.get(mark.utterance_id, -1)
        names.setdefault(mark.topic, Counter()).update(title for title, first, last in spans if first <= at <= last)
    best = {
        number: "; ".join(title for title, count in found.items() if count >= LEAST_OF_A_TOPIC * found.total())
        for number, found in names.items()
        if found
    }
    return [{**topic, "title": best.get(topic["topic"], topic["title"])} for topic in topics]


def _print(
    title: str, moments: list[dict[str, Any]], topics: list[dict[str, Any]], minutes: list[dict[str, Any]]
) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(title, style="bold"))
    for topic in (t for t in topics if t["state"] != "opens"):
        name = f"{topic['title']} ({', '.join(topic['keywords'])})"
        console.print(
            Text.assemble(
                (f"{clock(topic['start_s']):>7}", "cyan"), f"  topic {topic['topic'] + 1} {topic['state']}: {name}"
            )
        )
    for minute in minutes:
        sure = f"a task {minute['action']:.0%}, a decision {minute['decision']:.0%}"
        console.print(Text.assemble((f"{clock(minute['start_s']):>7}", "cyan"), f"  this minute: {sure}"))
    table = Table(*(c.replace("_", "\n") for c in _COLUMNS), box=None, pad_edge=False)
    for moment in moments:
        table.add_row(*(f"{moment.get(c, 0):.3g}" for c in _COLUMNS))
    console.print(table)
    gone = {(e["at"], e["slot"], e["reason"], e["age"], e["hits"]) for m in moments for e in m["evictions"]}
    for at, slot, reason, age, hits in sorted(gone):
        console.print(
            f"slot {slot} was given away at utterance {at}: {reason}, {age} utterances old, used {hits} times"
        )
    last = moments[-1]
    held = f"{last['archived']} utterances in the archive, {last['pinned']} slots pinned"
    console.print(f"state: {last['state_bytes'] / 1e6:.2f} MB, {held}")
