"""Commands on what is recorded live: which devices there are, and meetings that were cut off."""

from __future__ import annotations

import threading
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from audio.devices import DeviceInput
from audio.engines import models
from audio.live import Incident, Level
from audio.portaudio import Pickup, devices
from audio.speech import SAMPLE_RATE, AudioError
from audio.streams import Device
from pipeline import build, capture
from pipeline.cli.options import (
    config_option,
    echo_row,
    end_in_minutes,
    json_option,
    output_of,
    setting_flags,
    settings_of,
)
from pipeline.config import library_home, load
from pipeline.events import Opened, PipelineError
from pipeline.export import OutputFolder
from pipeline.library import Library, Meeting
from pipeline.screen import Screen, clock
from pipeline.settings import Settings

QUIET_DB, LOUD_DB, CLIPPED_DB = -50.0, -6.0, -0.5  # peaks: quieter is hard to understand, louder is nearly too loud
MEANING = {"microphone": "microphone", "far side": "what the computer plays"}


@click.command("devices")
@config_option
@json_option
@click.option("--level", is_flag=True, help="listen to each for some seconds and say how loud it is; speak meanwhile")
@click.option("--seconds", type=click.FloatRange(1, 60), default=4.0, help="for how long --level listens")
def list_devices(config: Path | None, as_json: bool, level: bool, seconds: float) -> None:
    """List what can be recorded, in plain words."""
    found = devices()
    if level and found and not as_json:
        click.echo(f"listening to all of them for {seconds:g} s; say something", err=True)
    checks = _checked(found, seconds, load(file=config)) if level else [""] * len(found)
    if as_json:
        for device, check in zip(found, checks, strict=True):
            echo_row({**asdict(device), **({"level": check} if level else {})})
        return
    if not found:
        click.echo("nothing can be recorded here: connect a microphone, then look again")
        return
    table = Table("device", "hears", *(["level"] if level else []), box=None, pad_edge=False)
    for device, check in zip(found, checks, strict=True):
        name = Text(device.name + ("  (default)" if device.default else ""), style="bold" if device.default else "")
        table.add_row(name, MEANING[device.kind], *([check] if level else []))
    Console(highlight=False).print(table)
    click.echo(
        "\nrapporteur listen --devices microphone,speakers   records the two defaults, each as a track of its own"
    )
    if not any(device.kind == "far side" for device in found):
        click.echo("what the computer plays cannot be recorded here; `rapporteur doctor` says what it needs")


def _checked(found: list[Device], seconds: float, settings: Settings) -> list[str]:
    """Listen to all devices at once, each by itself so that one that fails spoils no other."""
    results = [""] * len(found)

    def check(i: int) -> None:
        results[i] = _level(found[i], seconds, settings)

    threads = [threading.Thread(target=check, args=(i,)) for i in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def _level(device: Device, seconds: float, settings: Settings) -> str:
    loudest: list[Level] = []

    def ignore(incident: Incident) -> None:
        """What is wrong shows in the level."""

    opened = partial(Pickup, block_ms=settings.capture.block_ms)
    live = DeviceInput({device.name: device}, settings.capture.watch(), open_stream=opened, notify=ignore)
    timer = threading.Timer(seconds, live.stop)
    timer.start()
    try:
        for _ in live.chunks():
            loudest = [max([*loudest, *live.levels().values()], key=lambda level: level.peak_db)]
    except AudioError as error:
        return str(error).removeprefix(f"{device.name} ")
    finally:
        timer.cancel()
    return in_words(loudest[0] if loudest else None, device)


def in_words(level: Level | None, device: Device) -> str:
    """What a level means for its user."""
    if level is None:
        return "silent, as nothing is played" if device.silent_when_idle else "gives no sound at all"
    if level.peak_db == -float("inf"):
        played = device.kind == "far side"
        return "nothing is played" if played else "digital silence: muted or forbidden"
    words = (
        "too loud, it clips" if level.peak_db > CLIPPED_DB
        else "nearly too loud" if level.peak_db > LOUD_DB
        else "good" if level.peak_db > QUIET_DB
        else "very quiet"
    )  # fmt: skip
    return f"{words}, peak {level.peak_db:.0f} dB"


@click.command()
@click.argument("meeting", default="")
@setting_flags("export")
@config_option
@json_option
def recover(meeting: str, config: Path | None, as_json: bool, **given: Any) -> None:
    """Finish live meetings that were cut off: their sound is made whole, what was not yet text is recognised, and they
    end in minutes and files, as they would have.

    Without MEETING all of them.
    """
    settings = settings_of(given, config)
    output = output_of(settings)
    library, screen = Library(library_home(settings)), Screen(as_json=as_json)
    found = (
        [library.meeting(meeting)] if meeting else [each.meeting for each in capture.unfinished(library, screen.warn)]
    )
    if not found:
        screen.note("no live meeting was cut off")
    for each in found:
        _recover(each, library, settings, screen, output)


def _recover(
    meeting: Meeting, library: Library, settings: Settings, screen: Screen, output: OutputFolder | None
) -> None:
    folder = library.folder(meeting)
    path = capture.rescue(folder, keep_raw=settings.capture.keep_raw)
    if path is None and not meeting.finished and capture.close(folder):
        screen.note(f"{meeting.title}: it was cut off before the first sound, nothing was there to be lost")
        return
    if path is None:
        raise PipelineError(f"{meeting.id} holds no recorded sound; only live meetings do")
    screen.note(f"{meeting.title}: the recording is whole, {path}")
    if meeting.finished:
        return
    run = build.Run(_as_then(library, meeting, settings), library, warn=screen.warn)
    events = run.complete(folder, capture.unheard(folder))
    for _ in screen.follow(events, title=meeting.title, total_s=None, from_s=meeting.duration_s):
        pass
    end_in_minutes(library.events(meeting), output, settings, screen)
    screen.note(f"{meeting.title} ({meeting.id}) is complete")


def _as_then(library: Library, meeting: Meeting, settings: Settings) -> Settings:
    """The settings with the engine and model that the meeting began with, so that its text is of one kind."""
    opened = next((event for event in library.events(meeting) if isinstance(event, Opened)), None)
    for engine in get_args(models.Engine):
        if opened and opened.engine == engine:
            return replace(settings, recognition=replace(settings.recognition, engine=engine, model=opened.model))
    return settings


def remind(library: Library, screen: Screen) -> None:
    """Say that there are meetings which were cut off."""
    for each in capture.unfinished(library, screen.warn):
        length = clock(each.sound.samples / SAMPLE_RATE)
        screen.note(
            f"{each.meeting.title} ({each.meeting.id}, {length}) was cut off; `rapporteur recover` makes it whole"
        )
