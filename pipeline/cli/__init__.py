"""The command `rapporteur`: a thin skin over the pipeline. Its flags are made from config.yaml."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable

import click

from pipeline import build
from pipeline.cli import devices, items, listen, machine, meetings, memory, minutes, shelf, speakers, transcribe
from pipeline.cli.errors import EXIT_CODES
from pipeline.cli.options import InFull
from pipeline.cli.outputs import Patient, outlive_readers, to_nowhere
from pipeline.config import DEFAULTS, effective

REFUSED = "nothing was changed"
INTERRUPTED = (
    "interrupted; what was said so far is kept: the same command goes on with a recording, `rapporteur recover` with a "
    "live meeting"
)


@click.group(cls=InFull, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(build.VERSION, prog_name="rapporteur")
def app() -> None:
    """Listens to meetings, remembers, and writes down what was said."""


COMMANDS: tuple[click.Command, ...] = (
    transcribe.transcribe,
    listen.listen,
    listen.replay_meeting,
    devices.list_devices,
    devices.recover,
    meetings.meetings,
    meetings.show,
    meetings.search,
    meetings.export,
    meetings.reindex,
    speakers.speakers,
    speakers.forget,
    memory.memory,
    minutes.minutes,
    items.items,
    minutes.verify,
    shelf.shelve,
    shelf.shelf_group,
    shelf.ask,
    machine.show_config,
    machine.examine,
    machine.models_group,
)
for command in COMMANDS:
    app.add_command(command)


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


def tame_libraries() -> None:
    """Tell OpenMP and oneDNN, before they are imported, how a program behaves that is not alone and runs for hours."""
    # Read when torch is imported, later. Threads that wait by spinning take the processor from those they wait for:
    # beside other busy programs, 40 s of a recording took 315 s instead of 17.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # oneDNN keeps what it compiled for each shape of input, a thousand of them unless told otherwise; live, where
    # every utterance has another length, that was 190 MB in an hour. The second name is PyTorch's for its copy.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
    os.environ.setdefault("LRU_CACHE_CAPACITY", "128")


def print_anything() -> None:
    """A letter that the terminal has no sign for becomes a question mark, as with whisper's command, not an error."""
    for stream in (sys.stdout, sys.stderr):  # None where it is closed
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def main() -> None:
    """Run the command; every error that is the world's becomes one sentence and an exit code."""
    tame_libraries()
    print_anything()
    outlive_readers()
    try:
        app(whisper_spelling(sys.argv[1:]), prog_name="rapporteur", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except tuple(EXIT_CODES) as error:
        click.echo(f"rapporteur: {error}", err=True)
        sys.exit(EXIT_CODES[type(error)])
    except (KeyboardInterrupt, click.Abort) as stop:
        refused = isinstance(stop, click.Abort) and stop.__cause__ is None  # click asked, and the answer was no
        click.echo(f"rapporteur: {REFUSED if refused else INTERRUPTED}", err=True)
        sys.exit(1 if refused else 130)
    except OSError as error:  # the disk behind `rapporteur show > file` is full
        place = error.filename or "the output"
        click.echo(f"rapporteur: {place} cannot be used ({error.strerror}); make room or give access", err=True)
        if isinstance(getattr(getattr(sys.stdout, "buffer", None), "raw", None), Patient):
            to_nowhere(sys.stdout.fileno())
        sys.exit(1)
