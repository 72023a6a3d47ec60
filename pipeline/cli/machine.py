"""Commands on this machine: settings, what works, speech models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from audio.engines import models
from pipeline import doctor, loading
from pipeline.cli.options import InFull, config_option, echo_row, json_option, written
from pipeline.config import DEFAULTS, effective, load, user_file


@click.command("config")
@config_option
@json_option
def show_config(config: Path | None, as_json: bool) -> None:
    """Print every setting in effect and where it came from."""
    settings = effective(file=config)
    if as_json:
        for each in settings:
            echo_row({"key": each.key, "value": each.value, "origin": each.origin})
        return
    width = max(len(f"{s.key}: {s.value}") for s in settings)
    for setting in settings:
        origin = "" if setting.origin == "default" else f"  <- {setting.origin}"
        click.echo(f"{f'{setting.key}: {_written(setting.value)}':<{min(width, 60)}}{origin}".rstrip())
    click.echo(f"\nYour settings: {config or user_file()}   All defaults, explained: {DEFAULTS}")


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return written(value) or '""'


@click.command("doctor")
@config_option
@json_option
def examine(config: Path | None, as_json: bool) -> None:
    """Say what works here and what to install for the rest."""
    table = Table("", "", Column(overflow="fold"), box=None, show_header=False, pad_edge=False)  # paths are not cut off
    findings = doctor.examine(load(file=config))
    for finding in findings:
        mark, style = {"ok": ("works", "green"), "missing": ("missing", "yellow"), "broken": ("broken", "red")}[
            finding.state
        ]
        table.add_row(finding.what, Text(mark, style=style), finding.detail)
        if as_json:
            echo_row({"what": finding.what, "state": finding.state, "detail": finding.detail})
    if not as_json:
        Console(highlight=False, soft_wrap=False).print(table)
    if any(finding.state == "broken" for finding in findings):
        sys.exit(1)


@click.group("models", cls=InFull)
def models_group() -> None:
    """Speech models: what is here, what can be pulled."""


@models_group.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """The models on this machine, and the names of those that can be pulled."""
    if as_json:
        here = {model.name: str(model.path) for model in models.installed()}
        for name in dict.fromkeys([*here, *models.official_names()]):
            echo_row({"name": name, "path": here.get(name)})
        return
    table = Table("on this machine", Column("path", overflow="fold"), box=None, pad_edge=False)
    for model in models.installed():
        table.add_row(model.name, str(model.path))
    Console(highlight=False).print(table)
    click.echo(f"\nto pull: {' '.join(models.official_names())}")


@models_group.command("pull")
@click.argument("name")
def pull_model(name: str) -> None:
    """Download an official model, checked, continuing where an earlier try stopped."""
    with loading.download_bar(name) as progress:
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
