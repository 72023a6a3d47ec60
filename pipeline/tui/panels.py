"""The parts of the screen: the heading with levels, the captions, the notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rich.table import Table
from rich.text import Text
from textual.containers import VerticalScroll
from textual.widgets import Static

from audio.live import Level
from audio.speech import Hypothesis, Utterance
from memory.notes import DECIDED, ITEM_KINDS, OPEN, WITHDRAWN
from pipeline.events import Corrected, Event, Hearing, Learned, Marked, Named, Said
from pipeline.live import Session
from pipeline.screen import clock
from pipeline.transcript import display_name

METER_CELLS, QUIETEST_DB, LOUD_DB = 10, -60.0, -6.0
NOTED = {kind: kind for kind in ITEM_KINDS} | {"subject": "topic", "passage": "see"}  # what is shown, and as what
LINES = 500  # captions that stay on the screen; the journal has them all
NOTES = 200


class Status(Static):
    """One line a source: what goes on, for how long, how loud, how far behind, how much room."""

    def __init__(self, title: str, *, id: str) -> None:
        super().__init__(id=id)
        self._title = title

    def show(self, session: Session | None, *, free_b: int | None, over: bool) -> None:
        """Everything anew."""
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append_text(_state(session, over=over))
        line.append(f"  {self._title}", style="bold")
        if session:
            line.append(f"  {clock(session.elapsed_s)}")
            behind_s = session.behind_s()
            line.append(f"  {behind_s:.0f} s behind", style="bold" if behind_s >= 3 else "dim")
        if free_b is not None:
            line.append(f"  {free_b / 1e9:.1f} GB free", style="bold red" if free_b < 1e9 else "dim")
        for name, level in (session.levels() if session else {}).items():
            line.append("\n")
            line.append_text(meter(name or "sound", level))
        self.update(line)


def _state(session: Session | None, *, over: bool) -> Text:
    if session is None:
        return Text("PLAYED" if over else "REPLAY", style="reverse")
    if over or session.stopped:
        return Text("DONE" if over else "FINISHING", style="reverse")
    if session.paused:
        return Text("PAUSED", style="reverse yellow")
    return Text("● REC", style="bold red") if session.recording else Text("WAITING FOR SOUND", style="reverse")


def meter(name: str, level: Level) -> Text:
    """A bar of the loudness and the loudest peak in figures; it is read without colours, too."""
    share = (level.rms_db - QUIETEST_DB) / -QUIETEST_DB if level.rms_db > QUIETEST_DB else 0.0
    filled = min(METER_CELLS, round(share * METER_CELLS))
    style = "bold red" if level.peak_db > LOUD_DB / 6 else "green"
    figures = f" {level.peak_db:4.0f} dB" if level.peak_db > -100 else " silent "
    return Text.assemble(
        (f"{name[:14]:<14} ", "dim"), ("█" * filled, style), ("·" * (METER_CELLS - filled), "dim"), figures
    )


class Line(Static):
    """A time and what is said then; where it wraps, the words stay right of the time."""

    def __init__(self, at_s: float, text: Text, *, classes: str) -> None:
        super().__init__(classes=classes)
        self.tell(at_s, text)

    def tell(self, at_s: float, text: Text) -> None:
        """Everything anew."""
        self.at_s, self.plain = at_s, f"{clock(at_s):>7}  {text.plain}"
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=7, justify="right", style="dim")
        grid.add_column(ratio=1)
        grid.add_row(clock(at_s), text)
        self.update(grid)


class Script(VerticalScroll):
    """What is said: final text, and below it what is being said, its provisional words dimmed."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._names: dict[str, Named] = {}
        self._said: dict[str, tuple[Utterance, Line]] = {}  # by id
        self._growing: dict[str, Line] = {}  # by source

    def on_mount(self) -> None:
        self.anchor()  # stay at the end until the user scrolls

    def show(self, event: Event) -> None:
        """Take an event in; most are none of this panel's."""
        match event:
            case Said(utterance):
                self._say(utterance)
            case Hearing(hypothesis):
                self._hear(hypothesis)
            case Marked(at_s, kind, text):
                self._add(Line(at_s, Text(f"-- {text or kind} --", style="italic"), classes="mark"))
            case Named():
                self._names[event.speaker] = event
                self._reword()
            case Corrected(utterance_id, field, value) if utterance_id in self._said:
                utterance, line = self._said[utterance_id]
                corrected = replace(utterance, text=value) if field == "text" else replace(utterance, speaker=value)
                self._said[utterance_id] = corrected, line
                line.tell(corrected.start_s, self._spoken(corrected))

    def named(self, typed: str) -> tuple[str, str] | None:
        """Label and name from `S1 Anna`, `1 Anna` or `Speaker 1 Anna`; None where nobody so called has spoken."""
        for label in {utterance.speaker for utterance, _ in self._said.values()} - {""}:
            shown = display_name(label, self._names.get(label))
            for form in (label, label.removeprefix("S"), display_name(label), shown):
                said, name = typed[: len(form)], typed[len(form) :]
                if said.casefold() == form.casefold() and name[:1].isspace() and name.strip():
                    return label, name.strip()
        return None

    def _say(self, utterance: Utterance) -> None:
        if growing := self._growing.pop(utterance.source, None):
            growing.remove()
        if utterance.suppressed:
            return
        line = Line(utterance.start_s, self._spoken(utterance), classes="said")
        self._said[utterance.id] = utterance, line
        self._add(line)

    def _hear(self, hypothesis: Hypothesis) -> None:
        if not hypothesis.text:
            if growing := self._growing.pop(hypothesis.source, None):
                growing.remove()
            return
        text = provisional(hypothesis)
        if hypothesis.source in self._growing:
            self._growing[hypothesis.source].tell(hypothesis.start_s, text)
            return
        line = Line(hypothesis.start_s, text, classes="growing")
        self._growing[hypothesis.source] = line
        self.mount(line)

    def _add(self, line: Line) -> None:
        """Where its time puts it, which matters when text comes late; above what grows."""
        lines = self.query_children(Line)
        self.mount(line, before=next((each for each in lines if each.at_s > line.at_s or _grows(each)), None))
        for old in list(self.query(".said, .mark"))[:-LINES]:
            old.remove()
        for utterance_id in list(self._said)[:-LINES]:
            del self._said[utterance_id]

    def _reword(self) -> None:
        for utterance, line in self._said.values():
            line.tell(utterance.start_s, self._spoken(utterance))

    def _spoken(self, utterance: Utterance) -> Text:
        who = display_name(utterance.speaker, self._names.get(utterance.speaker))
        return Text.assemble((f"{who}: " if who else "", "bold"), utterance.text.strip())


def _grows(line: Line) -> bool:
    return line.has_class("growing")


def provisional(hypothesis: Hypothesis) -> Text:
    """Firm words plain, the others dimmed and in italics, for terminals that cannot dim."""
    firm = "".join(word.text for word in hypothesis.words[: hypothesis.firm]).lstrip()
    rest = "".join(word.text for word in hypothesis.words[hypothesis.firm :])
    rest = rest if firm else rest.lstrip()
    return Text.assemble(firm, (rest, "dim italic"), (" …", "dim"))


class Notes(VerticalScroll):
    """What the memory noted: topics, decisions, actions, questions, as they come."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._names: dict[str, Named] = {}
        self._noted: dict[str, tuple[Learned, Static]] = {}  # what is told again stands where it stood

    def on_mount(self) -> None:
        self.anchor()
        self.mount(Static(Text("Notes", style="bold")), Static(Text("none so far", style="dim"), id="nothing"))
        self.mount(Static(id="memory"))

    def show(self, event: Event) -> None:
        """Take an event in; most are none of this panel's."""
        if isinstance(event, Named):
            self._names[event.speaker] = event
            for told, line in self._noted.values():
                line.update(note(told, self._names))
        if not isinstance(event, Learned):
            return
        if event.kind == "memory":
            self.query_one("#memory", Static).update(remembered(event))
        elif event.kind in NOTED:
            self._note(event)

    def _note(self, told: Learned) -> None:
        place = told.content.get("id", told.content.get("topic", told.content.get("quote", told.content)))
        if told.kind == "subject" and not told.content.get("title"):
            return  # it has just begun, and nothing tells yet what it is about
        key = f"{NOTED[told.kind]} {place}"
        _, line = self._noted.get(key, (told, None))
        if told.content.get("status") == WITHDRAWN:
            if line:
                line.remove()
                del self._noted[key]
            return
        if line:
            line.update(note(told, self._names))
        else:
            for nothing in self.query("#nothing"):
                nothing.remove()
            line = Static(note(told, self._names), classes="note")
            self.mount(line, before="#memory")
        self._noted[key] = told, line
        while len(self._noted) > NOTES:
            self._noted.pop(next(iter(self._noted)))[1].remove()


def remembered(learned: Learned) -> Text:
    """What the memory holds, how often it finds something, how old that is, what it let go; all counted, not words."""
    now = learned.content
    lines = (
        f"{now['speakers']} people, {now['topics']} topics, {now['items']} items",
        f"reads that hit {now['hit_rate']:.0%}",
        f"age p50 {now['age_p50']:.0f}, p95 {now['age_p95']:.0f} said",
        f"let go {now['evicted']}, {now['step_ms']:.0f} ms",
    )
    return Text.assemble(("Memory\n", "bold"), "\n".join(lines))


def note(learned: Learned, names: Mapping[str, Named] | None = None) -> Text:
    """What is noted in plain words: its kind, who, what, by when, or the place of a document."""
    content, kind = learned.content, NOTED[learned.kind]
    if learned.kind == "passage":
        page = f", page {content['page']}" if content.get("page") else ""
        return Text.assemble((f"{kind} ", "bold cyan"), f"{content['document']}, {content.get('heading', '')}{page}")
    said = str(content.get("what") or content.get("title") or content.get("text") or "")
    owner = str((content.get("owner") or {}).get("name") or "")
    who = f"{display_name(owner, (names or {}).get(owner))}: " if owner else ""
    due = content.get("due") or {}
    when = f" ({due.get('date') or due['phrase']})" if due.get("phrase") else ""
    state = str(content.get("status") or "")
    became = f" [{state}]" if state and state not in (OPEN, DECIDED) else ""
    return Text.assemble((f"{kind} ", "bold cyan"), who, said, when, became)
