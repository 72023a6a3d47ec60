"""Action items as tasks of a calendar: VTODO with its due date (RFC 5545)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from icalendar import Calendar, Todo

from pipeline.export.text import one_line

_STATUS = {"open": "NEEDS-ACTION", "done": "COMPLETED", "dropped": "CANCELLED"}


@dataclass(frozen=True)
class Task:
    """One task; all of it is text to a calendar, whatever it says."""

    uid: str  # the same for the same item at every export, so that a calendar updates it
    what: str
    owner: str = ""  # a name; "" = nobody
    due: date | None = None
    state: Literal["open", "done", "dropped"] = "open"
    details: str = ""  # where it comes from


def render(tasks: Iterable[Task], *, name: str, stamp: datetime, id: str = "") -> bytes:
    """The file; `stamp` is when the tasks were noted, `name` and `id` those of the calendar."""
    calendar = Calendar()
    calendar.add("prodid", "-//Rapporteur//minutes//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", one_line(name))
    if id:
        calendar.add("x-wr-relcalid", one_line(id))  # by which programs that read it know it again
    for task in tasks:
        calendar.add_component(_todo(task, stamp))
    return bytes(calendar.to_ical())


def _todo(task: Task, stamp: datetime) -> Todo:
    todo = Todo()
    todo.add("uid", one_line(task.uid))
    todo.add("dtstamp", stamp.astimezone(UTC))
    owner = one_line(task.owner)
    todo.add("summary", f"{owner}: {one_line(task.what)}" if owner else one_line(task.what))
    todo.add("status", _STATUS[task.state])
    if owner:
        todo.add("contact", owner)
    if task.due:
        todo.add("due", task.due)
    if task.state == "done":
        todo.add("percent-complete", 100)
    if task.details:
        todo.add("description", one_line(task.details))
    return todo
