"""Commands on meetings that are kept: list, show, search, export, index again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from pipeline.cli.options import (
    config_option,
    echo_row,
    json_option,
    library_of,
    setting_flags,
    settings_of,
    write_files,
    write_minutes,
)
from pipeline.cli.shelf import opened, plain_hit, where
from pipeline.events import PipelineError, to_line
from pipeline.export import OutputFolder
from pipeline.library import MATCH_END, MATCH_START
from pipeline.minutes import minutes_of
from pipeline.screen import Screen, clock
from pipeline.shelf import refresh
from pipeline.transcript import Transcript
from retrieval.search import containing


@click.command()
@config_option
@json_option
def meetings(config: Path | None, as_json: bool) -> None:
    """List all meetings, the newest first."""
    # a name that is cut short is of no use to the other commands
    table = Table(Column("meeting", no_wrap=True), "began", "length", "said", "model", "", box=None, pad_edge=False)
    library = library_of(config)
    for meeting in library.meetings():
        if as_json:
            echo_row(asdict(meeting))
        state = "" if meeting.finished else "unfinished"
        table.add_row(
            meeting.id,
            meeting.began[11:16],
            clock(meeting.duration_s),
            str(meeting.utterances),
            Path(meeting.model).stem,
            state,
        )
    if not as_json:
        Console(highlight=False).print(table if table.row_count else "no meeting yet: rapporteur transcribe FILE")


@click.command()
@click.argument("meeting", default="latest")
@config_option
@json_option
@click.option("--suppressed", is_flag=True, help="also what was left out, and why")
def show(meeting: str, config: Path | None, as_json: bool, suppressed: bool) -> None:
    """Print a meeting: its name, a unique part of it, or `latest`."""
    library = library_of(config)
    events = library.events(library.meeting(meeting))
    if as_json:
        for event in events:
            click.echo(to_line(event))
        return
    transcript = Transcript.of(events)
    said = [*transcript.utterances, *(transcript.suppressed if suppressed else ())]
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(f"{transcript.title}, {transcript.began[:16].replace('T', ' ')}", style="bold"))
    for utterance in sorted(said, key=lambda u: u.start_s):
        left_out = f"  [left out: {utterance.suppressed}]" if utterance.suppressed else ""
        console.print(
            Text.assemble(
                (f"{clock(utterance.start_s):>7}", "cyan"),
                "  ",
                (
                    f"{transcript.speakers[utterance.speaker]}: " if utterance.speaker in transcript.speakers else "",
                    "bold",
                ),
                f"{utterance.text.strip()}{left_out}",
            )
        )


@click.command()
@click.argument("text", nargs=-1, required=True)
@config_option
@json_option
def search(text: tuple[str, ...], config: Path | None, as_json: bool) -> None:
    """Find words in all meetings and documents."""
    console = Console(highlight=False, soft_wrap=True)
    settings, library, shelf = opened(config)
    found = library.search(" ".join(text))
    for mention in found:
        before, _, rest = mention.snippet.partition(MATCH_START)
        match, _, after = rest.partition(MATCH_END)
        plain = after.replace(MATCH_START, "").replace(MATCH_END, "")
        if as_json:
            about = {"meeting": mention.meeting, "utterance": mention.utterance_id, "at_s": mention.start_s}
            echo_row({**about, "text": f"{before}{match}{plain}"})
            continue
        moment = f"{mention.meeting} {clock(mention.start_s):>7}"
        console.print(Text.assemble((moment, "cyan"), f"  {before.lstrip()}", (match, "bold"), plain))
    refresh(shelf, settings.retrieval)
    passages = containing(shelf, " ".join(text))
    for hit in passages:
        if as_json:
            click.echo(json.dumps(plain_hit(hit), ensure_ascii=True))
            continue
        console.print(Text.assemble((where(hit), "cyan"), f"  “{hit.quote}”"))
    if not found and not passages:
        raise PipelineError(
            f'"{" ".join(text)}" was said in no meeting and stands in no document; try fewer or other words'
        )


@click.command()
@click.argument("meeting", default="latest")
@setting_flags("export")
@config_option
def export(meeting: str, config: Path | None, **given: Any) -> None:
    """Write a meeting and its minutes to files again."""
    settings, library, screen = settings_of(given, config), library_of(config), Screen()
    output = OutputFolder(Path(settings.export.output_dir or "."))
    events = list(library.events(library.meeting(meeting)))
    write_files(events, output, settings, screen)
    write_minutes(minutes_of(events), events, output, settings, screen)


@click.command()
@config_option
def reindex(config: Path | None) -> None:
    """Make the search index again from the journals."""
    click.echo(f"{library_of(config).reindex()} meetings indexed")
