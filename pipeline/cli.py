"""The command `rapporteur`: a thin skin over the pipeline. Its flags are made from config.yaml."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import whisper
from rich.console import Console
from rich.table import Table
from rich.text import Text

from audio.engines import models
from audio.speech import AudioError
from pipeline import build, doctor
from pipeline.config import DEFAULTS, Settings, effective, library_home, load, user_file
from pipeline.events import Event, PipelineError, to_line
from pipeline.export import FORMATS, OutputFolder, write
from pipeline.library import MATCH_END, MATCH_START, Library
from pipeline.screen import Screen, clock
from pipeline.transcript import Transcript

EXIT_CODES: dict[type[Exception], int] = {AudioError: 3, PipelineError: 4}  # 2 = wrong usage, 130 = interrupted
SHORT = {"model": "-m", "output_dir": "-o", "formats": "-f"}
RENAMED = {"formats": "output_format", "temperatures": "temperature"}  # as the whisper command calls them
# Flags of the whisper command for what rapporteur does its own way: accepted, and said to have no effect.
WITHOUT_EFFECT = (
    "best_of patience length_penalty suppress_tokens condition_on_previous_text carry_initial_prompt fp16 "
    "temperature_increment_on_fallback prepend_punctuations append_punctuations clip_timestamps "
    "hallucination_silence_threshold"
).split()
Command = Callable[..., Any]


def setting_flags(*sections: str) -> Callable[[Command], Command]:
    """One flag for each setting of these sections, named and explained as in config.yaml."""

    def add(command: Command) -> Command:
        for setting in reversed(effective(file=DEFAULTS, environ={})):
            section, _, key = setting.key.partition(".")
            if section not in sections:
                continue
            name = RENAMED.get(key, key).replace("_", "-")
            switch = isinstance(setting.value, bool)
            names = [f"--{name}/--no-{name}" if switch else f"--{name}", *filter(None, [SHORT.get(key)])]
            option = click.option(*names, setting.key.replace(".", "__"), default=None, help=setting.comment)
            command = option(command)
        return command

    return add


def whisper_flags(command: Command) -> Command:
    """The whisper command's flags that have no effect here, hidden."""
    for name in WITHOUT_EFFECT:
        command = click.option(f"--{name.replace('_', '-')}", f"ignored__{name}", default=None, hidden=True)(command)
    return command


def settings_of(given: dict[str, Any], config: Path | None) -> Settings:
    """The settings in effect with these flags; `all` stands for every format, as in the whisper command."""
    flags = {key.replace("__", "."): value for key, value in given.items() if not key.startswith("ignored__")}
    if flags.get("export.formats") == "all":
        flags["export.formats"] = list(FORMATS)
    return load(flags, file=config)


_config = click.option("--config", type=click.Path(path_type=Path), help="settings file instead of your own")
_json = click.option("--json", "as_json", is_flag=True, help="one JSON line an event, for scripts")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(build.VERSION, prog_name="rapporteur")
def app() -> None:
    """Listens to meetings, remembers, and writes down what was said."""


@app.command()
@click.argument("files", nargs=-1, required=True)
@setting_flags("recognition", "audio", "vad", "export")
@whisper_flags
@_config
@_json
@click.option("--again", is_flag=True, help="transcribe anew even where this was done before")
@click.option("--began", help="when the meeting began, ISO 8601; default: the date of the file")
@click.option("--verbose", type=bool, default=True, help="False: do not print what is said")
def transcribe(
    files: tuple[str, ...],
    config: Path | None,
    as_json: bool,
    again: bool,
    began: str | None,
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
    output = OutputFolder(Path(settings.export.output_dir)) if settings.export.output_dir else None
    if output:
        output.prepare()
    failures: list[Exception] = []
    sources = build.recordings(files, library)
    for source in sources:
        try:
            job = run.open(source, again=again, began=_moment(began))
            if job.found:
                screen.note(f"{source.name} was transcribed before with these settings; --again does it anew")
            events = list(screen.follow(job.events, title=job.title, total_s=job.total_s, from_s=job.from_s))
            if output:
                _export(events, output, settings, screen)
        except (AudioError, PipelineError) as error:
            if len(sources) == 1:
                raise
            failures.append(error)
            screen.warn(str(error))
    if failures:
        click.echo(f"{len(failures)} of {len(sources)} files failed, see above", err=True)
        sys.exit(EXIT_CODES[type(failures[0])])


def _export(events: Iterable[Event], output: OutputFolder, settings: Settings, screen: Screen) -> None:
    transcript = Transcript.of(events)
    paths = [(format, output.path(transcript, format)) for format in settings.export.formats]
    for format, path in paths:
        write(transcript, format, path, build.export_options(settings))
    if paths:
        names = " ".join(path.name for _, path in paths)
        screen.note(f"written to {paths[0][1].parent.resolve()}: {names}")


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
        return moment.astimezone() if moment and not moment.tzinfo else moment
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time such as 2026-03-10T09:00", param_hint="--began") from None


@app.command()
@_config
@_json
def meetings(config: Path | None, as_json: bool) -> None:
    """List all meetings, the newest first."""
    table = Table("meeting", "began", "length", "utterances", "model", "state", box=None, pad_edge=False)
    library = _library(config)
    for meeting in library.meetings():
        if as_json:
            click.echo(json.dumps(asdict(meeting), ensure_ascii=False))
        state = "" if meeting.finished else "unfinished"
        table.add_row(
            meeting.id,
            meeting.began[:16].replace("T", " "),
            clock(meeting.duration_s),
            str(meeting.utterances),
            Path(meeting.model).name,
            state,
        )
    if not as_json:
        Console(highlight=False).print(table if table.row_count else "no meeting yet: rapporteur transcribe FILE")


@app.command()
@click.argument("meeting", default="latest")
@_config
@_json
@click.option("--suppressed", is_flag=True, help="also what was left out, and why")
def show(meeting: str, config: Path | None, as_json: bool, suppressed: bool) -> None:
    """Print a meeting: its name, a unique part of it, or `latest`."""
    library = _library(config)
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
            Text.assemble((f"{clock(utterance.start_s):>7}", "cyan"), f"  {utterance.text.strip()}{left_out}")
        )


@app.command()
@click.argument("text", nargs=-1, required=True)
@_config
def search(text: tuple[str, ...], config: Path | None) -> None:
    """Find words in all meetings."""
    console = Console(highlight=False, soft_wrap=True)
    found = _library(config).search(" ".join(text))
    for mention in found:
        before, _, rest = mention.snippet.partition(MATCH_START)
        match, _, after = rest.partition(MATCH_END)
        plain = after.replace(MATCH_START, "").replace(MATCH_END, "")
        where = f"{mention.meeting} {clock(mention.start_s):>7}"
        console.print(Text.assemble((where, "cyan"), f"  {before.lstrip()}", (match, "bold"), plain))
    if not found:
        raise PipelineError(f'"{" ".join(text)}" was said in no meeting; try fewer or other words')


@app.command()
@click.argument("meeting", default="latest")
@setting_flags("export")
@_config
def export(meeting: str, config: Path | None, **given: Any) -> None:
    """Write a meeting to files again, in the formats asked for."""
    settings, library = settings_of(given, config), _library(config)
    output = OutputFolder(Path(settings.export.output_dir or "."))
    _export(library.events(library.meeting(meeting)), output, settings, Screen())


@app.command()
@_config
def reindex(config: Path | None) -> None:
    """Make the search index again from the journals."""
    click.echo(f"{_library(config).reindex()} meetings indexed")


@app.command("config")
@_config
def show_config(config: Path | None) -> None:
    """Print every setting in effect and where it came from."""
    settings = effective(file=config)
    width = max(len(f"{s.key}: {s.value}") for s in settings)
    for setting in settings:
        origin = "" if setting.origin == "default" else f"  <- {setting.origin}"
        click.echo(f"{f'{setting.key}: {_written(setting.value)}':<{min(width, 60)}}{origin}")
    click.echo(f"\nYour settings: {config or user_file()}   All defaults, explained: {DEFAULTS}")


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'


@app.command("doctor")
@_config
def examine(config: Path | None) -> None:
    """Say what works here and what to install for the rest."""
    table = Table(box=None, show_header=False, pad_edge=False)
    findings = doctor.examine(load(file=config))
    for finding in findings:
        mark, style = {"ok": ("works", "green"), "missing": ("missing", "yellow"), "broken": ("broken", "red")}[
            finding.state
        ]
        table.add_row(finding.what, Text(mark, style=style), finding.detail)
    Console(highlight=False, soft_wrap=False).print(table)
    if any(finding.state == "broken" for finding in findings):
        sys.exit(1)


@app.group("models")
def models_group() -> None:
    """Speech models: what is here, what can be pulled."""


@models_group.command("list")
def list_models() -> None:
    """The models on this machine, and the names of those that can be pulled."""
    table = Table("on this machine", "path", box=None, pad_edge=False)
    for model in models.installed():
        table.add_row(model.name, str(model.path))
    Console(highlight=False, soft_wrap=True).print(table)
    click.echo(f"\nto pull: {' '.join(whisper.available_models())}")


@models_group.command("pull")
@click.argument("name")
def pull_model(name: str) -> None:
    """Download an official model, checked, continuing where an earlier try stopped."""
    with build.download_bar(name) as progress:
        model = models.pull(name, progress=progress)
    click.echo(f"{name} is at {model.path}")


@models_group.command("verify")
@click.argument("name")
def verify_model(name: str) -> None:
    """Check a model's checksum, or that a file of your own is a sound Whisper model."""
    model = models.resolve(name, engine="openai-whisper" if not Path(name).is_dir() else "faster-whisper", offline=True)
    models.verify(model)
    click.echo(f"{name} is sound: {model.path}")


@models_group.command("path")
@click.argument("name", default="embedded")
def model_path(name: str) -> None:
    """Where a model lies."""
    click.echo(models.resolve(name, engine="openai-whisper", offline=True).path)


def _library(config: Path | None) -> Library:
    return Library(library_home(load(file=config)))


def whisper_spelling(arguments: Iterable[str]) -> list[str]:
    """`--word_timestamps True` as `--word-timestamps`: underscores, and values of what is a switch here."""
    switches = {
        s.key.partition(".")[2].replace("_", "-")
        for s in effective(file=DEFAULTS, environ={})
        if isinstance(s.value, bool)
    }
    spelled: list[str] = []
    for argument in arguments:
        if argument.startswith("--"):
            flag, equals, value = argument.partition("=")
            spelled.append(flag.replace("_", "-") + equals + value)
        elif spelled and spelled[-1].removeprefix("--") in switches and argument in ("True", "False"):
            switch = spelled.pop().removeprefix("--")
            spelled.append(f"--{switch}" if argument == "True" else f"--no-{switch}")
        else:
            spelled.append(argument)
    return spelled


def main() -> None:
    """Run the command; every error that is the world's becomes one sentence and an exit code."""
    try:
        app(whisper_spelling(sys.argv[1:]), prog_name="rapporteur", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except tuple(EXIT_CODES) as error:
        click.echo(f"rapporteur: {error}", err=True)
        sys.exit(EXIT_CODES[type(error)])
    except (KeyboardInterrupt, click.Abort):
        click.echo(
            "rapporteur: interrupted; what was said so far is kept, the same command goes on from there", err=True
        )
        sys.exit(130)
    except BrokenPipeError:  # `rapporteur show | head`
        with suppress(OSError):
            sys.stdout.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
