"""Commands on minutes: print and write them, list what is to be done across meetings, check a document."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from memory.minutes import Minutes
from memory.notes import DONE, DROPPED, ITEM_KINDS, OPEN, Change, Due, Item, Owner, to_content
from pipeline import verify as checks
from pipeline.cli.options import config_option, json_option, library_of, settings_of, write_minutes
from pipeline.config import library_home
from pipeline.events import Learned, PipelineError
from pipeline.export import OutputFolder
from pipeline.export.minutes import FORMATS, SCHEMA_FILE, to_json
from pipeline.journal import Journal
from pipeline.library import Library, Meeting
from pipeline.minutes import minutes_of, noted
from pipeline.screen import Screen


@click.command()
@click.argument("meeting", default="latest")
@click.option("-f", "--format", "formats", multiple=True, type=click.Choice([*FORMATS, "all"]), help="write files")
@click.option("-o", "--output-dir", default=".", help="folder of the files")
@click.option("--again", is_flag=True, help="take the notes anew from the words; edits of items are lost")
@click.option("--schema", is_flag=True, help="print the schema of the JSON form")
@config_option
@json_option
def minutes(
    meeting: str,
    formats: tuple[str, ...],
    output_dir: str,
    again: bool,
    schema: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Print a meeting's minutes, or write them as files; a meeting kept without notes gets them now."""
    if schema:
        click.echo(SCHEMA_FILE.read_text(encoding="utf-8"), nl=False)
        return
    wanted = list(FORMATS) if "all" in formats else list(formats)
    settings = settings_of({"export.minutes": wanted} if wanted else {}, config)
    library = Library(library_home(settings))
    found = library.meeting(meeting)
    events = list(library.events(found))
    if again or not any(isinstance(event, Learned) and event.kind in (*ITEM_KINDS, "summary") for event in events):
        events = _renewed(library, found, events)
    made = minutes_of(events)
    screen = Screen()
    if as_json:
        click.echo(to_json(made), nl=False)
    elif not wanted:
        screen.show_minutes(made)
    if wanted:
        output = OutputFolder(Path(output_dir))
        output.prepare()
        write_minutes(made, events, output, settings, screen)


def _renewed(library: Library, meeting: Meeting, events: list[Any]) -> list[Any]:
    """The events with notes that are taken now; those that are new are kept in the journal."""
    fresh = noted(events)
    known = {id(event) for event in events}
    with Journal(library.folder(meeting)) as journal:
        journal.append(*(event for event in fresh if id(event) not in known))
    return fresh


@click.group(invoke_without_command=True)
@click.pass_context
@click.option("--owner", default="", help="only those of this person")
@click.option("--state", default=OPEN, type=click.Choice([OPEN, DONE, DROPPED, "all"]), show_default=True)
@click.option("--due-by", default="", help="only those due by this day, ISO 8601")
@config_option
@json_option
def items(context: click.Context, owner: str, state: str, due_by: str, config: Path | None, as_json: bool) -> None:
    """Tasks of all meetings: list them; `items done|drop|edit MEETING ITEM` changes one."""
    context.obj = config
    if context.invoked_subcommand:
        return
    rows = [row for row in _all(library_of(config)) if _wanted(row, owner, state, due_by)]
    rows.sort(key=lambda row: (row.item.due.date or "9999", row.meeting.began))
    if as_json:
        for row in rows:
            about = {"meeting": row.meeting.id, "owner_name": row.owner, **to_content(row.item)}
            click.echo(json.dumps(about, ensure_ascii=False))
        return
    table = Table("item", "what", "who", "due", "state", box=None, pad_edge=False)
    table.add_column("meeting", no_wrap=True)
    for row in rows:
        due = row.item.due.date or row.item.due.phrase
        table.add_row(
            row.item.id,
            Text(row.item.what),
            Text(row.owner or "nobody yet"),
            Text(due),
            row.item.status,
            row.meeting.id,
        )
    Console(highlight=False).print(table if rows else "no such task; `--state all` shows those that are done")


@dataclass(frozen=True)
class _Row:
    item: Item
    owner: str
    meeting: Meeting


def _all(library: Library) -> Iterator[_Row]:
    """Every task once: one that was carried on is listed where it is now."""
    seen: set[tuple[str, str]] = set()
    for meeting in library.meetings():
        made = minutes_of(library.events(meeting))
        for item in made.of_kind("action"):
            key = (item.series, item.id) if item.series else (meeting.id, item.id)
            origin = next((c.meeting for c in item.history if c.meeting), meeting.id)
            if key in seen or (origin, item.what) in seen:
                continue
            seen |= {key, (origin, item.what)}
            yield _Row(item, made.said_by(item.owner), meeting)


def _wanted(row: _Row, owner: str, state: str, due_by: str) -> bool:
    try:
        limit = date.fromisoformat(due_by).isoformat() if due_by else ""
    except ValueError:
        raise click.BadParameter(f"{due_by!r} is not a day such as 2026-03-20", param_hint="--due-by") from None
    return (
        (state == "all" or row.item.status == state)
        and (not owner or owner.lower() in row.owner.lower())
        and (not limit or (bool(row.item.due.date) and row.item.due.date <= limit))
    )


@items.command("done")
@click.argument("meeting")
@click.argument("item")
@click.pass_obj
def done(config: Path | None, meeting: str, item: str) -> None:
    """It is done."""
    _edit(config, meeting, item, lambda found: found.changed(Change("done", (), by="user"), status=DONE))


@items.command("drop")
@click.argument("meeting")
@click.argument("item")
@click.pass_obj
def drop(config: Path | None, meeting: str, item: str) -> None:
    """It will not be done."""
    _edit(config, meeting, item, lambda found: found.changed(Change("dropped", (), by="user"), status=DROPPED))


@items.command("edit")
@click.argument("meeting")
@click.argument("item")
@click.option("--what", default="", help="the task in other words")
@click.option("--owner", default=None, help='who does it; "" for nobody')
@click.option("--due", default=None, help='the day, ISO 8601; "" for none')
@click.pass_obj
def edit(config: Path | None, meeting: str, item: str, what: str, owner: str | None, due: str | None) -> None:
    """Change its words, its owner or its date by hand."""
    if due:
        try:
            date.fromisoformat(due)
        except ValueError:
            raise click.BadParameter(f"{due!r} is not a day such as 2026-03-20", param_hint="--due") from None

    def edited(found: Item) -> Item:
        who = found.owner if owner is None else Owner("person", owner) if owner else Owner()
        when = found.due if due is None else Due(due, due)
        change = Change(
            "edited", (), what, who if owner is not None else None, when if due is not None else None, by="user"
        )
        return replace(found.changed(change, owner=who, due=when), what=what or found.what)

    _edit(config, meeting, item, edited)


def _edit(config: Path | None, meeting: str, item: str, change: Callable[[Item], Item]) -> None:
    """Keep one item's change as an event in its meeting's journal."""
    library = library_of(config)
    found = library.meeting(meeting)
    made: Minutes = minutes_of(library.events(found))
    known = {each.id: each for each in made.items}
    if item not in known:
        listed = ", ".join(known) or "none"
        raise PipelineError(f'the meeting {found.id} has no item "{item}"; it has {listed}')
    changed = replace(change(known[item]), passages=())
    with Journal(library.folder(found)) as journal:
        journal.append(Learned(changed.kind, to_content(changed), changed.evidence))
    click.echo(f"{item} {changed.what}: {changed.status}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@config_option
def verify(file: Path, config: Path | None) -> None:
    """Check minutes (md, html, json, docx) against what was said; names every line that does not hold."""
    library = library_of(config)
    meeting = library.meeting(checks.meeting_named(file))
    verdict = checks.verify(file, library.events(meeting))
    console = Console(highlight=False, soft_wrap=True)
    for finding in verdict.findings:
        console.print(Text.assemble(("not supported  ", "bold red"), f"{finding.line}\n    {finding.why}"))
    for sentence in verdict.unchecked:
        console.print(Text.assemble(("not checked    ", "yellow"), sentence))
    if verdict.findings:
        count = len(verdict.findings)
        click.echo(f"{file}: {count} {'line does' if count == 1 else 'lines do'} not hold", err=True)
        sys.exit(1)
    click.echo(f"{file}: all {verdict.checked} lines hold")
