"""`rapporteur listen`: a meeting is written down while it is held. `rapporteur replay` shows a past one again."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import click

from audio.live import Incident, LiveInput, Notify
from audio.paced import PacedFile
from pipeline import build, capture, inputs
from pipeline.cli.devices import remind
from pipeline.cli.options import (
    config_option,
    end_in_minutes,
    json_option,
    library_of,
    moment,
    output_of,
    setting_flags,
    settings_of,
)
from pipeline.cli.stopping import stopping
from pipeline.config import library_home
from pipeline.journal import JOURNAL, read
from pipeline.library import Library
from pipeline.live import LIVE_ROOM, Wanted, replay
from pipeline.screen import Screen
from pipeline.settings import Settings

HURRIED_ROOM = 20  # chunks, 2 s: a recording that is played faster than it can be heard waits for its hearer


@dataclass(frozen=True)
class Held:
    """Which meeting is listened to, as the flags of the same names say."""

    from_file: Path | None
    pace: float
    title: str
    series: str
    began: str | None

    @property
    def called(self) -> str:
        """The title, or one that is made of what is there."""
        return self.title or (self.from_file.stem if self.from_file else "Meeting")


@click.command()
@setting_flags("recognition", "audio", "vad", "speakers", "listen", "capture", "export")
@config_option
@json_option
@click.option("--from-file", type=click.Path(path_type=Path), help="play a recording as if it were live")
@click.option("--pace", type=click.FloatRange(min=0), default=1.0, help="of --from-file; 0 = as fast as it goes")
@click.option("--title", default="", help="name of the meeting; default: the file's, or the time")
@click.option("--series", default="", help="name of a series: what its last meeting left open is carried over")
@click.option("--began", help="of --from-file: when the meeting began, ISO 8601; default: now")
@click.option("--plain", is_flag=True, help="lines instead of the screen with captions")
def listen(config: Path | None, as_json: bool, plain: bool, **given: Any) -> None:
    """Write a meeting down while it is held, with captions; everything is kept from the first sound on.

    It ends in minutes, as with a recording.
    """
    held = Held(*(given.pop(field.name) for field in fields(Held)))
    if held.began and held.from_file is None:
        raise click.BadParameter("a meeting that is held now begins now", param_hint="--began")
    settings = settings_of(given, config)
    library = Library(library_home(settings))
    if held.from_file == Path("-"):
        held = replace(held, from_file=inputs.recordings(["-"], library)[0])
    screen = Screen(as_json=as_json)
    run = build.Run(settings, library, warn=screen.warn)
    remind(library, screen)

    def notify(incident: Incident) -> None:
        job.session.notify(incident)  # nothing happens to a source before its meeting has begun

    output = output_of(settings)
    source, named = _source(settings, held, notify)
    screen.note(f"getting ready to listen to {named}; nothing is recorded yet")
    job = run.listen(
        source,
        capture.tape(source, settings.capture, notify),
        Wanted(held.called, named, held.series, moment(held.began)),
        room=LIVE_ROOM if held.pace == 1 else HURRIED_ROOM,
    )
    _show(job, screen, on_screen=not plain and not as_json and sys.stdout.isatty())
    if path := capture.rescue(job.folder, keep_raw=settings.capture.keep_raw):
        screen.note(f"recorded in {path}")
    end_in_minutes(read(job.folder / JOURNAL), output, settings, screen)


@click.command("replay")
@click.argument("meeting", default="latest")
@config_option
@json_option
@click.option("--pace", type=click.FloatRange(min=0), default=1.0, help="2 = twice as fast, 0 = at once")
@click.option("--plain", is_flag=True, help="lines instead of the screen")
def replay_meeting(meeting: str, config: Path | None, as_json: bool, pace: float, plain: bool) -> None:
    """Show a past meeting as it went: its name, a unique part of it, or `latest`."""
    library = library_of(config)
    found = library.meeting(meeting)
    events = replay(library.events(found), pace=pace)
    if not plain and not as_json and sys.stdout.isatty():
        from pipeline.tui.app import Captions

        Captions(found.title, events).run()
        return
    screen = Screen(as_json=as_json)
    for event in events:
        screen.show(event)


def _source(settings: Settings, held: Held, notify: Notify) -> tuple[LiveInput, str]:
    """What is listened to, and what it is called in the journal."""
    if held.from_file is None:
        return capture.listening(settings.capture, notify), ", ".join(settings.capture.devices)
    return PacedFile(held.from_file, pace=held.pace, channels=settings.audio.channels), str(held.from_file.absolute())


def _show(job: build.LiveJob, screen: Screen, *, on_screen: bool) -> None:
    """Show the meeting until it is over; the first Ctrl+C stops the recording, what was said is still written."""

    def leave() -> None:
        raise KeyboardInterrupt

    def told() -> None:
        screen.note("stopped; what was said until now is still written. Once more to leave at once")

    if not on_screen:
        with stopping(job.session, told=told, again=leave):
            screen.note("listening; Ctrl+C ends the meeting")
            for event in job.events:
                screen.show(event)
        return
    from pipeline.tui.app import Captions  # half a second that plain lines need not wait for

    captions = Captions(job.title, job.events, session=job.session, folder=job.folder)
    try:
        with stopping(job.session, told=lambda: None, again=captions.action_leave):
            captions.run_through()
    finally:
        for trouble in captions.troubles:  # what was told on the screen is gone with it
            screen.show(trouble)
