"""A document for Word: the styles of its default template, links, bookmarks, and a table's head on every page."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from itertools import count
from typing import Any

import docx
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Pt, RGBColor

from pipeline.export.document.model import (
    Block,
    Document,
    Heading,
    Inline,
    Line,
    Link,
    Listing,
    Paragraph,
    Row,
    Soft,
    Strong,
    Table,
    tidy,
)

INK, SOFT, ACCENT = RGBColor(0x1F, 0x1D, 0x1A), RGBColor(0x6D, 0x67, 0x5E), RGBColor(0xA8, 0x42, 0x1B)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # of a document that does not say when it was written
_LONGEST = 255  # characters of a title or name in a file's properties, and 40 of a bookmark: limits of the format


def render(document: Document) -> bytes:
    """The file; equal documents give equal bytes."""
    document = tidy(document)
    out = docx.Document()
    _describe(out, document)
    numbers = count(1)
    out.add_heading(document.title, level=0)
    if document.facts:
        _write(out.add_paragraph(), (Soft(" · ".join(document.facts)),))
    for block in document.blocks:
        _add(out, block, numbers)
    packed = BytesIO()
    out.save(packed)
    return _without_times(packed)


def _describe(out: Any, document: Document) -> None:
    written = (document.written or EPOCH).astimezone(UTC).replace(tzinfo=None)
    properties = out.core_properties
    properties.title, properties.author = document.title[:_LONGEST], document.author[:_LONGEST]
    properties.language, properties.comments = document.language, ""
    properties.created = properties.modified = written
    for name in ("Title", "Heading 1", "Heading 2", "Heading 3", "Heading 4"):
        out.styles[name].font.color.rgb = INK
    out.styles["Normal"].font.size = Pt(11)


def _add(out: Any, block: Block, numbers: Iterator[int]) -> None:
    match block:
        case Heading():
            _mark(out.add_heading(block.text, level=min(max(block.level, 1), 4)), block.anchor, numbers)
        case Paragraph():
            _paragraph(out, block, "Quote" if block.quote else "Normal", numbers)
        case Listing():
            for item in block.items:
                _paragraph(out, item, "List Number" if block.ordered else "List Bullet", numbers)
        case Table() if block.head:
            _table(out, block, numbers)


def _paragraph(out: Any, paragraph: Paragraph, style: str, numbers: Iterator[int]) -> None:
    added = out.add_paragraph(style=style)
    _write(added, paragraph.line)
    _mark(added, paragraph.anchor, numbers)


def _table(out: Any, table: Table, numbers: Iterator[int]) -> None:
    added = out.add_table(rows=1, cols=len(table.head), style="Light List Accent 1")
    for cell, text in zip(added.rows[0].cells, table.head, strict=True):
        cell.text = text
    repeated = OxmlElement("w:tblHeader")
    added.rows[0]._tr.get_or_add_trPr().append(repeated)
    for row in table.rows:
        _row(added.add_row().cells, row, numbers)
    section = out.sections[0]
    width = section.page_width - section.left_margin - section.right_margin
    for column, share in zip(added.columns, table.widths, strict=True):
        for cell in column.cells:
            cell.width = int(width * share / sum(table.widths))
    out.add_paragraph()


def _row(cells: tuple[Any, ...], row: Row, numbers: Iterator[int]) -> None:
    for cell, line in zip(cells, row.cells, strict=True):
        _write(cell.paragraphs[0], line)
        cell.paragraphs[0].alignment = WD_ALIGN_PARAGRAPH.LEFT
    _mark(cells[0].paragraphs[0], row.anchor, numbers)


def _write(paragraph: Any, line: Line) -> None:
    for piece in line:
        if isinstance(piece, Link) and piece.target and not (piece.at_s is not None and piece.target.startswith("#")):
            paragraph._p.append(_hyperlink(paragraph, piece))
        else:
            _style(paragraph.add_run(piece if isinstance(piece, str) else piece.text), piece)


def _style(run: Any, piece: Inline) -> None:
    if isinstance(piece, Strong):
        run.bold = True
    if isinstance(piece, Soft) or (isinstance(piece, Link) and piece.at_s is not None):  # a time, to look up
        run.font.size, run.font.color.rgb = Pt(9.5), SOFT
    if isinstance(piece, Link) and piece.target and piece.at_s is None:
        run.font.color.rgb = ACCENT


def _hyperlink(paragraph: Any, link: Link) -> Any:
    """python-docx reads hyperlinks but cannot add them."""
    element = OxmlElement("w:hyperlink")
    if link.target.startswith("#"):
        element.set(qn("w:anchor"), _bookmark(link.target[1:]))
    else:
        element.set(qn("r:id"), paragraph.part.relate_to(link.target, RELATIONSHIP_TYPE.HYPERLINK, is_external=True))
    run = paragraph.add_run(link.text)
    _style(run, link)
    element.append(run._r)
    return element


def _mark(paragraph: Any, anchor: str, numbers: Iterator[int]) -> None:
    """A bookmark around the paragraph, to which links lead."""
    if not anchor:
        return
    start, end, number = OxmlElement("w:bookmarkStart"), OxmlElement("w:bookmarkEnd"), str(next(numbers))
    start.set(qn("w:id"), number)
    start.set(qn("w:name"), _bookmark(anchor))
    end.set(qn("w:id"), number)
    paragraph._p.insert(1 if paragraph._p.pPr is not None else 0, start)
    paragraph._p.append(end)


def _bookmark(anchor: str) -> str:
    """A name as Word takes it: 40 letters, digits and "_", a letter first."""
    return ("a_" + anchor.replace("-", "_").replace(".", "_"))[:40]


def _without_times(packed: BytesIO) -> bytes:
    """The same zip with every entry dated 1980: python-docx writes the time of day into it."""
    fixed = BytesIO()
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(fixed, "w") as target:
        for item in source.infolist():
            target.writestr(zipfile.ZipInfo(item.filename), source.read(item), zipfile.ZIP_DEFLATED)
    return fixed.getvalue()
