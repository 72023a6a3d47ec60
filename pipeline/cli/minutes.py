"""Commands on minutes: print and write them, check a document."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from memory.notes import ITEM_KINDS
from pipeline import build
from pipeline import verify as checks
from pipeline.cli.options import config_option, json_option, library_of, settings_of, write_minutes
from pipeline.config import library_home
from pipeline.events import Event, Learned
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
        events = _renewed(build.Run(settings, library, warn=Screen().warn), library, found, events)
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


def _renewed(run: build.Run, library: Library, meeting: Meeting, events: list[Event]) -> list[Event]:
    """The events with notes that are taken now; those that are new are kept in the journal."""
    fresh = noted(events, run.after_notes())
    known = {id(event) for event in events}
    with Journal(library.folder(meeting)) as journal:
        journal.append(*(event for event in fresh if id(event) not in known))
    return fresh


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@config_option
def verify(file: Path, config: Path | None) -> None:
    """Check minutes (in any of their formats) against what was said; names every line that does not hold."""
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
