"""What a person sees of a running meeting: lines as they are said, and how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Table
from rich.text import Text

from audio.speech import SAMPLE_RATE
from memory.minutes import Minutes
from memory.notes import DECIDED, OPEN, Item
from pipeline.events import Corrected, Event, Named, Reached, Said, Trouble, to_line
from pipeline.export.steps import step
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
        self._moved: set[str] = set()  # utterances that were shown before their speaker was decided

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
        elif isinstance(event, Corrected) and event.field == "speaker":
            self._moved.add(event.utterance_id)
        elif isinstance(event, Trouble):
            self.warn(event.message)
        elif self._verbose and isinstance(event, Said) and not event.utterance.suppressed:
            said = event.utterance
            who = f"{display_name(said.speaker, self._names.get(said.speaker))}: " if said.speaker else ""
            line = Text.assemble((f"{clock(said.start_s):>7}", "cyan"), "  ", (who, "bold"), said.text.strip())
            (above or self._lines).print(line)

    def show_minutes(self, minutes: Minutes) -> None:
        """The minutes in short; nothing as `--json`, where each note is a line already, nor where there are none."""
        if not self._json and self._verbose:
            if self._moved:
                lines = "1 line was" if len(self._moved) == 1 else f"{len(self._moved)} lines were"
                self.note(f"{lines} given to another speaker at the end: rapporteur show prints them")
            self._moved.clear()
            self._lines.print(spelled(minutes, self._lines.width), soft_wrap=False)

    def note(self, sentence: str) -> None:
        """A sentence for the user that is not part of the output."""
        self._errors.print(Text(sentence, style="dim"))

    def warn(self, sentence: str) -> None:
        """A sentence that must not be missed."""
        self._errors.print(Text(f"rapporteur: {sentence}", style="bold yellow"))


def spelled(minutes: Minutes, width: int) -> Group:
    """The minutes for a terminal of this width: people, decisions, tasks, what is open, topics; times lead back."""
    parts: list[RenderableType] = [Text("\nMinutes", style="bold")]
    if minutes.notice:
        parts.append(Text(f"  {minutes.notice}"))
    people = ", ".join(f"{p.name} {clock(p.talk_s)}" for p in minutes.people)
    topics = [(t.title, [minutes.start_s([first]) for first, _ in t.spans]) for t in minutes.topics]
    listed = [f"{title} {', again '.join(clock(at) for at in starts if at is not None)}" for title, starts in topics]
    actions = minutes.of_kind("action")
    rows: Iterable[tuple[str, Sequence[RenderableType]]] = (
        ("People", [Text(people)] if people else []),
        ("Decisions", [_line(minutes, item) for item in minutes.of_kind("decision")]),
        ("Actions", [_table(minutes, actions, width)] if actions else []),
        ("Open questions", [_line(minutes, item) for item in minutes.of_kind("question")]),
        ("Risks", [_line(minutes, item) for item in minutes.of_kind("risk")]),
        ("Topics", [Text(line) for line in listed]),
    )
    for title, lines in rows:
        if lines:
            parts.append(Text(title, style="cyan"))
            parts += [Padding(line, (0, 0, 0, 2)) for line in lines]
    return Group(*parts)


def _table(minutes: Minutes, actions: Sequence[Item], width: int) -> Table:
    table = Table(
        "", "what", "who", "by when", "at", box=None, pad_edge=False, width=min(width, 100) - 2, header_style="dim"
    )  # fmt: skip
    for item in actions:
        done = "" if item.status == OPEN else f" ({item.status})"
        when = f"{item.due.phrase}, {item.due.date}" if item.due.date else item.due.phrase
        at = minutes.start_s(item.evidence)
        table.add_row(
            item.id, Text(item.what + done), Text(minutes.said_by(item.owner) or "nobody yet"), Text(when),
            "" if at is None else clock(at),
        )  # fmt: skip
    return table


def _line(minutes: Minutes, item: Item) -> RenderableType:
    """Where it wraps, the words stay right of the number."""
    at = minutes.start_s(item.evidence)
    steps = [step(minutes, *pair) for pair in pairwise(item.history)]
    last = next((words for words in reversed(steps) if words.startswith(item.status)), item.status)
    # "reversed from: ...", else what holds now reads as taken back
    state = "" if item.status in (OPEN, DECIDED) else f" ({last})"
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(item.id, Text(f"{item.what}{state}" + ("" if at is None else f"  {clock(at)}")))
    return grid
