"""What a person sees of a running meeting: lines as they are said, and how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from audio.speech import SAMPLE_RATE
from pipeline.events import Event, Named, Reached, Said, Trouble, to_line
from pipeline.transcript import display_name


def clock(seconds: float) -> str:
    """`4:07`, and `1:04:07` from an hour on."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


class _AudioTime(ProgressColumn):
    """`1:12 of 4:07  12.3x real time`: audio heard, and seconds of it a second of work."""

    def render(self, task: Task) -> Text:
        text = Text(clock(task.completed) + (f" of {clock(task.total)}" if task.total else ""))
        heard_s = task.completed - task.fields["from_s"]
        if heard_s > 0 and task.elapsed:
            text.append(f"  {heard_s / task.elapsed:.1f}x real time", style="cyan")
        return text


class Screen:
    """Shows events: as `--json` lines, or as text with a progress bar where stderr is a terminal."""

    def __init__(self, *, as_json: bool = False, verbose: bool = True) -> None:
        self._json, self._verbose = as_json, verbose
        self._errors = Console(stderr=True, highlight=False, soft_wrap=True)
        self._lines = Console(highlight=False, soft_wrap=True)
        self._names: dict[str, Named] = {}

    def follow(
        self, events: Iterable[Event], *, title: str, total_s: float | None, from_s: float = 0.0
    ) -> Iterator[Event]:
        """Pass the events on, showing each; `from_s` is where a resumed run begins."""
        began, reached_s = time.monotonic(), from_s
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), _AudioTime())
        quiet = self._json or not self._errors.is_terminal
        with Progress(*columns, console=self._errors, transient=True, disable=quiet) as bar:
            task = bar.add_task(title[:30], total=total_s, from_s=from_s)
            bar.update(task, completed=from_s)
            for event in events:
                if isinstance(event, Reached):
                    reached_s = max(reached_s, event.sample / SAMPLE_RATE)
                    bar.update(task, completed=reached_s)
                self.show(event, above=bar.console if sys.stdout.isatty() and not quiet else None)
                yield event
        elapsed_s = time.monotonic() - began
        if reached_s > from_s and not quiet:
            speed = (reached_s - from_s) / elapsed_s
            self.note(f"{title}: {clock(reached_s - from_s)} of audio in {elapsed_s:.1f} s, {speed:.1f}x real time")

    def show(self, event: Event, *, above: Console | None = None) -> None:
        """One event; lines go `above` a running bar, which must own the terminal."""
        if self._json:
            print(to_line(event), flush=True)
        elif isinstance(event, Named):
            self._names[event.speaker] = event
        elif isinstance(event, Trouble):
            self.warn(event.message)
        elif self._verbose and isinstance(event, Said) and not event.utterance.suppressed:
            said = event.utterance
            who = f"{display_name(said.speaker, self._names.get(said.speaker))}: " if said.speaker else ""
            line = Text.assemble((f"{clock(said.start_s):>7}", "cyan"), "  ", (who, "bold"), said.text.strip())
            (above or self._lines).print(line)

    def note(self, sentence: str) -> None:
        """A sentence for the user that is not part of the output."""
        self._errors.print(Text(sentence, style="dim"))

    def warn(self, sentence: str) -> None:
        """A sentence that must not be missed."""
        self._errors.print(Text(f"rapporteur: {sentence}", style="bold yellow"))
