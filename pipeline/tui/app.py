"""The screen of a meeting: captions, how loud it is, what was noted; live, or a past one that is replayed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Footer, Input

from pipeline.events import Event, Hearing, Marked, Trouble
from pipeline.live import Session
from pipeline.relay import ahead
from pipeline.tui.panels import Notes, Script, Status

NARROW = 70  # columns; below that the notes would leave the captions no room
ROOM = 100  # events that may wait for the screen


class Captions(App[None]):
    """Shows the events as they come. With a session the keys act on the recording, without one they only scroll."""

    CSS_PATH = "captions.tcss"
    TITLE = "rapporteur"
    AUTO_FOCUS = "#script"  # the hidden field for names would swallow the keys
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "Pause"),
        Binding("m", "mark", "Mark"),
        Binding("n", "name", "Name a speaker"),
        Binding("s", "stop", "Stop"),
        Binding("d", "toggle_light", "Light/dark"),
        Binding("q", "leave", "Quit", show=False),
        Binding("ctrl+c", "stop", show=False, priority=True),
    ]

    class Came(Message):
        """An event for the screen."""

        def __init__(self, event: Event) -> None:
            super().__init__()
            self.event = event

    class Ended(Message):
        """The meeting is over, or its thread failed."""

        def __init__(self, error: BaseException | None) -> None:
            super().__init__()
            self.error = error

    def __init__(
        self, title: str, events: Iterable[Event], *, session: Session | None = None, folder: Path | None = None
    ) -> None:
        super().__init__()
        self._heading, self._session, self._folder = title, session, folder
        self._stream = ahead(events, room=ROOM)
        self.failure: BaseException | None = None
        self.troubles: list[Trouble] = []  # for who shows them when the screen is gone
        self._over = False

    def run_through(self) -> None:
        """Show the meeting to its end; raises what its thread raised."""
        self.run()
        if self.failure is not None:
            raise self.failure

    def compose(self) -> ComposeResult:
        yield Status(self._heading, id="status")
        with Horizontal(id="middle"):
            yield Script(id="script")
            yield Notes(id="notes")
        yield Input(id="ask", placeholder="1 Anna")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one("#ask").display = False
        self.set_interval(0.2, self._refresh_status)
        self.run_worker(self._follow, thread=True)
        self._refresh_status()

    def on_unmount(self) -> None:
        """The thread of the events must not outlive the screen."""
        self._stream.close()

    def on_resize(self) -> None:
        self.query_one(Notes).set_class(self.size.width < NARROW, "narrow")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A past meeting can only be watched and left."""
        return action not in ("pause", "mark", "name") or self._session is not None

    def on_captions_came(self, message: Came) -> None:
        event = message.event
        for panel in (*self.query(Script), *self.query(Notes)):
            panel.show(event)
        if isinstance(event, Trouble):
            self.troubles.append(event)
            self.notify(event.message, severity="warning", timeout=10)
        elif isinstance(event, Marked) and event.kind == "mark":
            self.notify("marked", timeout=2)

    def on_captions_ended(self, message: Ended) -> None:
        self._over, self.failure = True, message.error
        if message.error is not None or self._session is not None:
            self.exit()
        self._refresh_status()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """`S1 Anna`: a speaker and a name."""
        typed = message.value.strip()
        found = self.query_one(Script).named(typed)
        self._ask(shown=False)
        if self._session and found:
            self._session.name(*found)
        elif typed:
            self.notify("write a speaker who has spoken and a name, such as S1 Anna", severity="warning")

    def action_pause(self) -> None:
        if self._session and not self._session.stopped:
            self._session.toggle_pause()
            self._refresh_status()

    def action_mark(self) -> None:
        if self._session:
            self._session.mark()

    def action_name(self) -> None:
        self._ask(shown=True)

    def action_stop(self) -> None:
        """Once: no more is recorded, what was said is written to its end. Twice, or in a replay: leave."""
        if self._session is None or self._session.stopped or self._over:
            self.action_leave()
            return
        self._session.stop()
        self._refresh_status()

    def action_leave(self) -> None:
        if self._session and not self._session.stopped:
            self.action_stop()
            return
        if self._session and not self._over:
            self.failure = KeyboardInterrupt()
        self.exit()

    def action_toggle_light(self) -> None:
        self.theme = "textual-light" if self.theme != "textual-light" else "textual-dark"

    def key_escape(self) -> None:
        self._ask(shown=False)

    def _ask(self, *, shown: bool) -> None:
        ask = self.query_one("#ask", Input)
        ask.display = shown
        ask.value = ""
        (ask if shown else self.query_one(Script)).focus()

    def _refresh_status(self) -> None:
        free_b = shutil.disk_usage(self._folder).free if self._folder else None
        for status in self.query(Status):  # the clock may tick once more when the screen is gone already
            status.show(self._session, free_b=free_b, over=self._over)

    def _follow(self) -> None:
        """In a thread: every event to the screen; of several provisional texts that wait, only the newest."""
        error: BaseException | None = None
        try:
            for event in self._stream:
                if isinstance(event, Hearing) and self._stream.waiting:
                    continue
                self.post_message(self.Came(event))
        except BaseException as caught:  # noqa: BLE001 - the edge of a thread: `run_through` raises it again
            error = caught
        self.post_message(self.Ended(error))
