"""`rapporteur items`: what is to be done across all meetings, what became of it, and what the user says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from memory.due import find_due
from memory.minutes import Minutes
from memory.notes import DECIDED, DONE, DROPPED, NOBODY, OPEN, WITHDRAWN, Change, Due, Item, Owner, to_content
from memory.wording import read
from pipeline.cli.options import InFull, config_option, echo_row, json_option, library_of
from pipeline.events import Learned, PipelineError
from pipeline.export.steps import step
from pipeline.journal import Journal
from pipeline.library import Library, Meeting
from pipeline.minutes import minutes_of
from pipeline.screen import clock


@dataclass(frozen=True)
class _Row:
    item: Item
    owner: str
    meeting: Meeting  # where it stands now: the last one of its series
    minutes: Minutes


SORTS: dict[str, Callable[[_Row], tuple[str, ...]]] = {
    "due": lambda row: (row.item.due.date or "9999", row.meeting.began),
    "owner": lambda row: (row.owner.lower() or "\uffff", row.item.due.date or "9999"),
    "state": lambda row: (row.item.status, row.item.due.date or "9999"),
    "meeting": lambda row: (row.meeting.began, row.item.id),
}


@click.group(cls=InFull, invoke_without_command=True)
@click.pass_context
@click.option("--owner", default="", help="only those of this person; `nobody` for those that nobody took")
@click.option("--state", default=OPEN, type=click.Choice([OPEN, DONE, DROPPED, "all"]), show_default=True)
@click.option("--due-by", default="", help="only those due by this day: 2026-03-20, or words such as `in two weeks`")
@click.option("--sort", "order", default="due", type=click.Choice(list(SORTS)), show_default=True)
@config_option
@json_option
def items(
    context: click.Context, owner: str, state: str, due_by: str, order: str, config: Path | None, as_json: bool
) -> None:
    """Tasks of all meetings. Without a command they are listed; MEETING is a name, a part of one, or `latest`."""
    context.obj = config
    if context.invoked_subcommand:
        return
    limit = _day(due_by).date if due_by else ""
    rows = [row for row in _standing(library_of(config)) if _wanted(row, owner, state, limit)]
    rows.sort(key=SORTS[order])
    if as_json:
        for row in rows:
            about = {"meeting": row.meeting.id, "owner_name": row.owner, **to_content(row.item)}
            echo_row(about)
        return
    console = Console(highlight=False)
    console.print(
        _listed(rows, with_state=state == "all") if rows else "no such task; `--state all` shows those that are done"
    )


def _listed(rows: list[_Row], *, with_state: bool) -> Table:
    table = Table("item", "what", "who", "due", *(["state"] if with_state else []), box=None, pad_edge=False)
    table.add_column("meeting", no_wrap=True)
    for row in rows:
        due = row.item.due.date or row.item.due.phrase
        who = Text(row.owner or "nobody yet")
        shown = [row.item.status] if with_state else []
        table.add_row(row.item.id, Text(row.item.what), who, due, *shown, row.meeting.id)
    return table


def _standing(library: Library) -> list[_Row]:
    """Every task once: one that was carried on stands in the last meeting that has it."""
    last: dict[tuple[str, str], _Row] = {}
    for meeting in library.meetings():
        made = minutes_of(library.events(meeting))
        for item in made.of_kind("action"):
            row = _Row(item, made.said_by(item.owner), meeting, made)
            key = _origin(item, meeting)
            if key not in last or _carried(item) > _carried(last[key].item):
                last[key] = row
    return list(last.values())


def _origin(item: Item, meeting: Meeting) -> tuple[str, str]:
    """The meeting that an item was first raised in, and its name there."""
    return next((c.meeting for c in item.history if c.meeting), meeting.id), item.id.rpartition(".")[2]


def _carried(item: Item) -> int:
    return sum(change.change == "carried" for change in item.history)


def _wanted(row: _Row, owner: str, state: str, limit: str) -> bool:
    owned = owner.lower() in row.owner.lower() if owner.lower() != "nobody" else not row.owner
    due = not limit or (bool(row.item.due.date) and row.item.due.date <= limit)
    return (state == "all" or row.item.status == state) and (not owner or owned) and due


def _day(words: str) -> Due:
    """A day that the user names: ISO 8601, or words that are counted from today."""
    try:
        return Due(words, date.fromisoformat(words).isoformat())
    except ValueError:
        found = find_due(read(f"by {words}"), date.today())
    if found is None or not found.due.date:
        raise click.BadParameter(f"{words!r} is no day; write one such as 2026-03-20 or `in two weeks`")
    return Due(words, found.due.date)


@items.command("show")
@click.argument("meeting")
@click.argument("item")
@click.pass_obj
def show(config: Path | None, meeting: str, item: str) -> None:
    """What became of it, step by step, with the words that prove each step."""
    library = library_of(config)
    row = _found(library, meeting, item)
    console, told = Console(highlight=False, soft_wrap=True), dict[str, Minutes]()
    console.print(Text(f"{row.item.what}: {row.item.status}, {row.owner or 'nobody yet'}", style="bold"))
    before, had = row.item.history[0], NOBODY
    for change in row.item.history:
        where = change.meeting or row.meeting.id
        made = told.setdefault(where, _minutes(library, where) or row.minutes)
        console.print(Text(f"  {step(made, before, change, had=had) or change.change}  ({where})"))
        for said in (u for u in made.utterances if u.id in change.evidence):
            console.print(Text(f"    {clock(said.start_s):>7}  {said.text.strip()}", style="dim"))
        before, had = change, change.owner or had


def _minutes(library: Library, meeting: str) -> Minutes | None:
    there = next((each for each in library.meetings() if each.id == meeting), None)
    return minutes_of(library.events(there)) if there else None


def _command(name: str, help: str, status: str) -> None:
    """A command that gives an item another state."""

    @items.command(name, help=help)
    @click.argument("meeting")
    @click.argument("item")
    @click.pass_obj
    def change(config: Path | None, meeting: str, item: str) -> None:
        made = Change("reopened" if status == OPEN else status, (), by="user")

        def changed(row: _Row) -> Item:
            decided = row.item.kind == "decision" and status == OPEN
            task = _task(row) if status == DONE else row.item
            return task.changed(made, status=DECIDED if decided else status)

        _edit(config, meeting, item, changed)


_command("done", "It is done.", DONE)
_command("drop", "It will not be done.", DROPPED)
_command("reopen", "It is to be done after all.", OPEN)


@items.command("assign")
@click.argument("meeting")
@click.argument("item")
@click.argument("who")
@click.pass_obj
def assign(config: Path | None, meeting: str, item: str, who: str) -> None:
    """WHO does it: a name, or "" for nobody."""

    def assigned(row: _Row) -> Item:
        owner = _owner(row, who)
        kind = "reassigned" if row.item.owner else "assigned"
        return _task(row).changed(Change(kind, (), owner=owner, by="user"), owner=owner)

    _edit(config, meeting, item, assigned)


@items.command("due")
@click.argument("meeting")
@click.argument("item")
@click.argument("day")
@click.pass_obj
def due(config: Path | None, meeting: str, item: str, day: str) -> None:
    """It is due on DAY: 2026-03-20, words such as `in two weeks` (counted from today), or "" for none."""
    when = _day(day) if day else Due()
    _edit(config, meeting, item, lambda row: _task(row).changed(Change("due", (), due=when, by="user"), due=when))


@items.command("reword")
@click.argument("meeting")
@click.argument("item")
@click.argument("what")
@click.pass_obj
def reword(config: Path | None, meeting: str, item: str, what: str) -> None:
    """The task in other words, WHAT."""
    if not what.strip():
        raise click.BadParameter("a task needs words; `items drop` takes it off the list", param_hint="WHAT")
    _edit(
        config, meeting, item,
        lambda row: replace(row.item.changed(Change("edited", (), what, by="user")), what=what),
    )  # fmt: skip


def _task(row: _Row) -> Item:
    """The item, which somebody can do. Raises PipelineError for a decision."""
    if row.item.kind == "decision":
        raise PipelineError(f"{row.item.id} is a decision, which nobody does; it can be reworded or dropped")
    return row.item


def _owner(row: _Row, who: str) -> Owner:
    label = next((p.label for p in row.minutes.people if p.name.lower() == who.strip().lower()), "")
    return Owner("speaker", label) if label else Owner("person", who.strip()) if who.strip() else NOBODY


def _found(library: Library, meeting: str, item: str) -> _Row:
    """The item where it stands now, which may be a later meeting of the series than the one that was named."""
    named = library.meeting(meeting)
    made = minutes_of(library.events(named))
    known = {each.id: each for each in made.items if each.status != WITHDRAWN}
    if item not in known:
        listed = ", ".join(sorted(known)) or "none"
        raise PipelineError(f'the meeting {named.id} has no item "{item}"; it has {listed}')
    origin = _origin(known[item], named)
    here = _Row(known[item], made.said_by(known[item].owner), named, made)
    return next((row for row in _standing(library) if _origin(row.item, row.meeting) == origin), here)


def _edit(config: Path | None, meeting: str, item: str, change: Callable[[_Row], Item]) -> None:
    """Keep one item's change as an event in the journal of the meeting in which it stands now, if it is one."""
    library = library_of(config)
    row = _found(library, meeting, item)
    changed = replace(change(row), passages=())
    if replace(changed, history=(), passages=row.item.passages) != replace(row.item, history=()):
        with Journal(library.folder(row.meeting)) as journal:
            journal.append(Learned(changed.kind, to_content(changed), changed.evidence))
    who = row.minutes.said_by(changed.owner) or "nobody yet"
    when = f", due {changed.due.date or changed.due.phrase}" if changed.due else ""
    click.echo(f"{changed.id} {changed.what}: {changed.status}, {who}{when}  ({row.meeting.id})")
