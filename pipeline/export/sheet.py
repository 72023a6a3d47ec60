"""Rows for a spreadsheet, as CSV in which no text is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from pipeline.export.text import one_line

Cell = str | int | float | None
_BEGINS_FORMULA = tuple("=+-@\t\r＝＋－＠")  # also the wide forms, which some spreadsheets take for the others


def render(head: Sequence[str], rows: Iterable[Sequence[Cell]], *, neutral: bool = True) -> str:
    """The file's text, with a byte order mark by which spreadsheets know that it is UTF-8.

    A text that a spreadsheet would take for a formula gets a ' before it; `neutral=False` leaves it as it is, for
    programs that read the file.
    """
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    for row in (head, *rows):
        writer.writerow([_written(cell, neutral) for cell in row])
    return "\ufeff" + file.getvalue()


def _written(cell: Cell, neutral: bool) -> str:
    if not isinstance(cell, str):
        return "" if cell is None else str(cell)
    text = one_line(cell)
    return f"'{text}" if neutral and text.lstrip().startswith(_BEGINS_FORMULA) else text
