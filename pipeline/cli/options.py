"""What several commands share: flags made from config.yaml, the library, the writing of files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from memory.minutes import Minutes
from pipeline.cli.replacing import Written
from pipeline.config import DEFAULTS, effective, library_home, load
from pipeline.events import Event
from pipeline.export import FORMATS, ExportOptions, OutputFolder, replace_file, write
from pipeline.export import minutes as minutes_files
from pipeline.export.page import PageOptions
from pipeline.export.subtitles import SubtitleOptions
from pipeline.library import Library
from pipeline.minutes import minutes_of
from pipeline.screen import Screen
from pipeline.settings import Settings
from pipeline.transcript import Transcript

SHORT = {"model": "-m", "output_dir": "-o", "formats": "-f"}
RENAMED = {"formats": "output_format", "temperatures": "temperature"}  # as the whisper command calls them
RENAMED |= {
    "speakers.engine": "speaker_engine",
    "speakers.pipeline": "speaker_pipeline",
    "speakers.sha256": "speaker_sha256",
}
# Flags of the whisper command for what rapporteur does its own way: accepted, and said to have no effect.
WITHOUT_EFFECT = (
    "best_of patience length_penalty suppress_tokens condition_on_previous_text carry_initial_prompt fp16 "
    "temperature_increment_on_fallback prepend_punctuations append_punctuations clip_timestamps "
    "hallucination_silence_threshold"
).split()
Command = Callable[..., Any]


class InFull(click.Group):
    """A group that lists its commands in the order in which they are needed, with whole sentences."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(limit=200)) for name, each in self.commands.items()])


def setting_flags(*sections: str) -> Callable[[Command], Command]:
    """One flag for each setting of these sections, named and explained as in config.yaml."""

    def add(command: Command) -> Command:
        for setting in reversed(effective(file=DEFAULTS, environ={})):
            section, _, key = setting.key.partition(".")
            if section not in sections:
                continue
            name = RENAMED.get(setting.key, RENAMED.get(key, key)).replace("_", "-")
            switch = isinstance(setting.value, bool)
            names = [f"--{name}/--no-{name}" if switch else f"--{name}", *filter(None, [SHORT.get(key)])]
            usual = "" if switch or setting.value == "" else f"  [default: {written(setting.value)}]"
            option = click.option(
                *names, setting.key.replace(".", "__"), default=None, metavar=None if switch else _takes(setting.value),
                help=setting.comment + usual,
            )  # fmt: skip
            command = option(command)
        return command

    return add


def _takes(value: Any) -> str:
    """What a flag is followed by, for --help; config.py checks it and says what is allowed."""
    return "LIST" if isinstance(value, tuple) else "NUMBER" if isinstance(value, int | float) else "TEXT"


def written(value: Any) -> str:
    """A setting's value as config.yaml has it, lists without their brackets, which a flag does not need."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


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


config_option = click.option("--config", type=click.Path(path_type=Path), help="settings file instead of your own")
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of text, for scripts")


def echo_row(row: Mapping[str, Any]) -> None:
    """A row of `--json`: one object a line."""
    click.echo(json.dumps(row, ensure_ascii=False))


def library_of(config: Path | None) -> Library:
    """The library that the settings name."""
    return Library(library_home(load(file=config)))


def output_of(settings: Settings) -> OutputFolder | None:
    """Where files are to be written, None for nowhere; PipelineError where that is refused, before any work is done."""
    if not settings.export.output_dir:
        return None
    output = OutputFolder(Path(settings.export.output_dir))
    output.prepare()
    return output


def write_files(events: Iterable[Event], output: OutputFolder, settings: Settings, screen: Screen) -> None:
    """Write a meeting in every format that the settings ask for, and say where."""
    transcript = Transcript.of(events)
    paths = [(format, output.path(transcript, format)) for format in settings.export.formats]
    before = Written(library_home(settings))
    for format, path in paths:
        _keep(path, before, screen)
        write(transcript, format, path, export_options(settings))
        before.add(path)
    if paths:
        screen.note(f"written to {paths[0][1].parent.resolve()}: {in_short([path for _, path in paths])}")


def write_minutes(
    minutes: Minutes, events: Iterable[Event], output: OutputFolder, settings: Settings, screen: Screen
) -> None:
    """Write the minutes in every format that the settings ask for, and say where."""
    formats = settings.export.minutes
    transcript = Transcript.of(events)
    before, written_now = Written(library_home(settings)), list[Path]()
    for format in formats:
        path = output.path(transcript, f"minutes.{format}")
        sound = minutes_files.sound_for(minutes, transcript.source, path.parent) if format == "html" else ""
        _keep(path, before, screen)
        replace_file(path, minutes_files.render(minutes, format, sound=sound))
        before.add(path)
        written_now.append(path)
    if written_now:
        screen.note(f"minutes: {in_short(written_now)}")


def _keep(path: Path, before: Written, screen: Screen) -> None:
    if kept := before.keep(path):
        screen.warn(f"{path.name} was there and not as rapporteur writes it, so it is kept as {kept.name}")


def in_short(paths: Sequence[Path]) -> str:
    """`talk.txt .srt .vtt`: the name that they share once."""
    return " ".join([paths[0].name, *(path.suffix for path in paths[1:])])


def end_in_minutes(events: Iterable[Event], output: OutputFolder | None, settings: Settings, screen: Screen) -> None:
    """What a meeting that is over gives its user: its minutes on the screen, and its files where they are wanted."""
    events = list(events)
    minutes = minutes_of(events)
    screen.show_minutes(minutes)
    if output:
        write_files(events, output, settings, screen)
        write_minutes(minutes, events, output, settings, screen)


def moment(text: str | None) -> datetime | None:
    """A point in time as ISO 8601, in the local zone where it names none; click's error where it is none."""
    try:
        moment = datetime.fromisoformat(text) if text else None
        return moment.astimezone() if moment and not moment.tzinfo else moment
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time such as 2026-03-10T09:00", param_hint="--began") from None


def export_options(settings: Settings) -> ExportOptions:
    """What the exporters are told; 0 means unlimited in the settings and None in whisper's writers."""
    wanted = settings.export
    return ExportOptions(
        SubtitleOptions(
            max_line_width=wanted.max_line_width or None,
            max_line_count=wanted.max_line_count or None,
            max_words_per_line=wanted.max_words_per_line or None,
            highlight_words=wanted.highlight_words,
            speaker_labels=wanted.speaker_labels,
        ),
        PageOptions(),
    )
