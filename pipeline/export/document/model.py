"""What a document says, whatever its format: headings, paragraphs, lists, tables, links."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime
from typing import TypeVar, cast

from pipeline.export.text import one_line


@dataclass(frozen=True)
class Strong:
    """Text that stands out."""

    text: str


@dataclass(frozen=True)
class Soft:
    """Text that stands back, such as a remark on a line."""

    text: str


@dataclass(frozen=True)
class Link:
    """Text that leads somewhere: "#anchor" in this document, a relative path, or an http, https or mailto URL.

    Where `target` is none of these, only the text is written. With `at_s` it also plays the meeting's sound from
    that second, in formats that have it.
    """

    text: str
    target: str
    at_s: float | None = None


Inline = str | Strong | Soft | Link
Line = tuple[Inline, ...]
Data = tuple[tuple[str, str], ...]  # facts for programs, as data-* attributes of a page: ("evidence", "u3 u4")


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is under the document's title."""

    text: str
    level: int = 1  # 1 to 4
    anchor: str = ""  # letters, digits and "-_."; unique in the document


@dataclass(frozen=True)
class Paragraph:
    """A paragraph, or an item of a list."""

    line: Line
    anchor: str = ""
    quote: bool = False
    data: Data = ()


@dataclass(frozen=True)
class Listing:
    """A list with bullets or numbers."""

    items: tuple[Paragraph, ...]
    ordered: bool = False


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    cells: tuple[Line, ...]
    anchor: str = ""
    data: Data = ()


@dataclass(frozen=True)
class Table:
    """A table; a row with fewer cells than the head is filled up, one with more is cut."""

    head: tuple[str, ...]
    rows: tuple[Row, ...]
    widths: tuple[float, ...] = ()  # of the columns, as parts of their sum; () = equal


Block = Heading | Paragraph | Listing | Table


@dataclass(frozen=True)
class Document:
    """A whole document."""

    title: str
    blocks: tuple[Block, ...]
    facts: tuple[str, ...] = ()  # under the title: date, length, people
    language: str = "en"  # of its text, ISO 639-1
    author: str = ""
    written: datetime | None = None  # in the file's properties; fixed, so that equal content gives equal bytes
    data: Data = ()


Value = TypeVar("Value")
_ANCHOR = re.compile("[^A-Za-z0-9_.-]+")
_SCHEME = re.compile("[^/?#]*:")  # a relative path with a colon in its first part reads as one, too
_OVERRIDES = re.compile("[\u202a-\u202e\u2066-\u2069]")  # would show what follows them in another order


def tidy(document: Document) -> Document:
    """Every text on one line and in characters that every format may hold, every anchor and target a sound one."""
    return _tidied(document)


def plain(line: Line) -> str:
    """The text of a line without its looks."""
    return "".join(piece if isinstance(piece, str) else piece.text for piece in line)


def safe_target(target: str) -> str:
    """`target` where it may be followed; "" for other schemes (javascript:, data:, file:) and absolute paths."""
    target = one_line(target).strip()
    if target.startswith("#"):
        return f"#{anchor}" if (anchor := safe_anchor(target[1:])) else ""
    if target.lower().startswith(("http://", "https://", "mailto:")):
        return target
    return "" if _SCHEME.match(target) or target.startswith(("/", "\\")) else target


def safe_anchor(anchor: str) -> str:
    """`anchor` in the characters that an id may have in every format."""
    return _ANCHOR.sub("-", anchor).strip("-")


def _tidied(value: Value) -> Value:
    if isinstance(value, str):
        return cast(Value, _OVERRIDES.sub("", one_line(value)))
    if isinstance(value, tuple):
        return cast(Value, tuple(map(_tidied, value)))
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changed = {field.name: _tidied(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Link):
        changed["target"] = safe_target(value.target)
    if isinstance(value, Heading | Paragraph | Row):
        changed["anchor"] = safe_anchor(value.anchor)
    if isinstance(value, Table):
        changed["rows"] = tuple(_fitted(row, len(value.head)) for row in changed["rows"])
        fits = len(value.widths) == len(value.head) and min(value.widths, default=0) > 0
        changed["widths"] = value.widths if fits else (1.0,) * len(value.head)
    return cast(Value, replace(value, **changed))


def _fitted(row: Row, columns: int) -> Row:
    return replace(row, cells=(*row.cells, *((),) * columns)[:columns])
