"""Minutes that were written as files, read back into their lines: what `rapporteur verify` compares."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

from pipeline.events import PipelineError

Read = Callable[[bytes], list[tuple[str, str]]]  # anchor and text of every line


class _PageLines(HTMLParser):
    """The lines of a page: elements that hold text, with their id; the cells of a row are one line."""

    LINES = frozenset(("h1", "h2", "h3", "h4", "h5", "p", "li", "tr", "blockquote", "summary"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[tuple[str, str]] = []
        self._open: list[str] = []
        self._anchor, self._text, self._skip = "", list[str](), 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("style", "script", "title"):
            self._skip += 1
        elif tag in self.LINES:
            self._end()
            self._open.append(tag)
            facts = {name: value or "" for name, value in attrs}
            self._anchor = facts.get("id", "")
            if claims := _plain(
                " ".join(f"{name}={value}" for name, value in sorted(facts.items()) if name.startswith("data-"))
            ):
                self.lines.append((f"{self._anchor} facts", claims))
        elif tag in ("td", "th") and self._text:
            self._text.append(" | ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script", "title"):
            self._skip = max(0, self._skip - 1)
        elif tag in self.LINES:
            self._end()

    def handle_data(self, data: str) -> None:
        if not self._skip and data.strip():
            self._text.append(data)
        elif not self._skip and self._text:
            self._text.append(" ")

    def _end(self) -> None:
        text = _plain("".join(self._text))
        if text:
            self.lines.append((self._anchor, text))
        self._anchor, self._text = "", []

    def close(self) -> None:
        super().close()
        self._end()


def _read_page(content: bytes) -> list[tuple[str, str]]:
    parser = _PageLines()
    parser.feed(content.decode("utf-8", "replace"))
    parser.close()
    return parser.lines


def _read_markdown(content: bytes) -> list[tuple[str, str]]:
    lines = []
    for raw in content.decode("utf-8", "replace").splitlines():
        found = re.search(r'<a id="([\w.-]+)"></a>', raw)
        text = _plain(raw.replace(found[0], "") if found else raw)
        if text and not re.fullmatch(r"[|\s:-]+", text):
            lines.append((found[1] if found else "", text))
    return lines


def _read_docx(content: bytes) -> list[tuple[str, str]]:
    import docx
    from docx.opc.exceptions import PackageNotFoundError

    try:
        out = docx.Document(io.BytesIO(content))
    except (PackageNotFoundError, KeyError, ValueError) as error:
        raise PipelineError("this is not a Word document any more; export the minutes again") from error
    lines = []
    for element in out.element.body.iter():
        in_row = any(above.tag.endswith("}tr") for above in element.iterancestors())
        if not element.tag.endswith("}tr") and not (element.tag.endswith("}p") and not in_row):
            continue
        names = [e.get(_NAME, "") for e in element.iter() if e.tag.endswith("}bookmarkStart")]
        cells = [e for e in element.iter() if e.tag.endswith("}tc")] or [element]
        text = _plain(" | ".join("".join(e.text or "" for e in cell.iter() if e.tag.endswith("}t")) for cell in cells))
        if text:
            lines.append((next(filter(None, names), ""), text))
    return lines


_NAME = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}name"


def _plain(text: str) -> str:
    return " ".join(text.split())


def _read_pdf(content: bytes) -> list[tuple[str, str]]:
    """The lines as they are printed; a PDF keeps no anchors."""
    from retrieval import documents
    from retrieval.passage import ShelfError

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "minutes.pdf"
        path.write_bytes(content)
        try:
            passages = documents.read(path).passages
        except ShelfError as error:
            raise PipelineError("this is not a PDF that can be read any more; export the minutes again") from error
    texts = [text for p in passages for text in (p.section, *p.text.split("\n"))]
    return [("", text) for text in map(_plain, texts) if text]


def _read_csv(content: bytes) -> list[tuple[str, str]]:
    """A row is a line, and its first cell the item's id."""
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig", "replace"), newline="")))
    return [(row[0] if n else "", _plain(" | ".join(row))) for n, row in enumerate(rows) if row]


def _read_calendar(content: bytes) -> list[tuple[str, str]]:
    """A task is a line with all that it says; the calendar's own facts are another."""
    from icalendar import Calendar

    try:
        calendar = Calendar.from_ical(content)
    except ValueError as error:
        raise PipelineError("this is not a calendar any more; export the minutes again") from error
    told = [(str(part.get("uid", "")), part.property_items(recursive=False)) for part in calendar.walk()]
    return [
        (
            uid,
            _plain("; ".join(f"{name}: {_value(value)}" for name, value in properties if name not in ("BEGIN", "END"))),
        )
        for uid, properties in told
    ]


def _value(value: object) -> str:
    written = value.to_ical() if hasattr(value, "to_ical") else value
    return written.decode("utf-8", "replace") if isinstance(written, bytes) else str(written)


READERS: dict[str, Read] = {
    "md": _read_markdown,
    "html": _read_page,
    "json": lambda _: [],  # compared value by value
    "docx": _read_docx,
    "pdf": _read_pdf,
    "csv": _read_csv,
    "ics": _read_calendar,
}
