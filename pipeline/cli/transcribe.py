"""`rapporteur transcribe`: recordings become transcripts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from pipeline import build, inputs
from pipeline.cli.errors import EXIT_CODES
from pipeline.cli.options import (
    WITHOUT_EFFECT,
    config_option,
    end_in_minutes,
    json_option,
    moment,
    output_of,
    setting_flags,
    settings_of,
    whisper_flags,
)
from pipeline.config import library_home
from pipeline.library import Library
from pipeline.screen import Screen


@click.command()
@click.argument("files", nargs=-1, required=True)
@setting_flags("recognition", "audio", "vad", "speakers", "export")
@whisper_flags
@config_option
@json_option
@click.option("--again", is_flag=True, help="transcribe anew even where this was done before")
@click.option("--began", help="when the meeting began, ISO 8601; default: the date of the file")
@click.option("--series", default="", help="name of a series: what its last meeting left open is carried over")
@click.option("--verbose", type=bool, default=True, help="False: do not print what is said")
def transcribe(
    files: tuple[str, ...],
    config: Path | None,
    as_json: bool,
    again: bool,
    began: str | None,
    series: str,
    verbose: bool,
    **given: Any,
) -> None:
    """Turn recordings (files, folders, or - for standard input) into transcripts."""
    screen = Screen(as_json=as_json, verbose=verbose)
    for name in WITHOUT_EFFECT:
        if given.get(f"ignored__{name}") is not None:
            screen.note(f"--{name} has no effect in rapporteur and was passed over")
    settings = settings_of(given, config)
    library = Library(library_home(settings))
    run = build.Run(settings, library, warn=screen.warn)
    output = output_of(settings)
    failures: list[Exception] = []
    sources = inputs.recordings(files, library)
    for source in sources:
        try:
            job = run.open(source, again=again, began=moment(began), series=series)
            if job.found:
                screen.note(f"{source.name} was transcribed before with these settings; --again does it anew")
            events = list(screen.follow(job.events, title=job.title, total_s=job.total_s, from_s=job.from_s))
            end_in_minutes(events, output, settings, screen)
        except tuple(EXIT_CODES) as error:
            if len(sources) == 1:
                raise
            failures.append(error)
            screen.warn(str(error))
    if failures:
        click.echo(f"{len(failures)} of {len(sources)} files failed, see above", err=True)
        sys.exit(EXIT_CODES[type(failures[0])])
