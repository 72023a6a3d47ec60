"""The documents that the sample meeting refers to, each written in the format that its name asks for."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from io import BytesIO
from pathlib import Path
from typing import Any

import docx
import yaml
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.shared import Pt
from fpdf import FPDF, Align, FontFace

CONTENT = Path(__file__).parent / "documents.yaml"
INK, TINT = (31, 78, 121), (226, 236, 245)  # RGB of headings and of a table's head
NUMBER = set("0123456789. ")


@dataclass(frozen=True)
class Section:
    """A heading, the paragraphs under it and perhaps a table, its head first."""

    heading: str
    text: tuple[str, ...]
    table: tuple[tuple[str, ...], ...] = ()
    new_page: bool = False


@dataclass(frozen=True)
class Document:
    """What a document says, whatever its format."""

    title: str
    subtitle: str
    author: str
    date: date
    sections: tuple[Section, ...]

    @property
    def byline(self) -> str:
        """Author and date as printed under the title."""
        return f"{self.author} · {self.date.day} {self.date:%B %Y}"

    @property
    def written(self) -> datetime:
        """The time in a file's own properties: fixed, so that the same content gives the same bytes."""
        return datetime.combine(self.date, time(12), UTC)


def load(path: Path = CONTENT) -> dict[str, Document]:
    """File name to document."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {
        name: Document(**{**row, "sections": tuple(_section(section) for section in row["sections"])})
        for name, row in raw.items()
    }


def write(folder: Path) -> list[Path]:
    """Write every document into `folder`; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, document in load().items():
        path = folder / name
        path.write_bytes(WRITERS[path.suffix](document))
        written.append(path)
    return written


def markdown(document: Document) -> bytes:
    """Markdown with a pipe table."""
    parts = [f"# {document.title}", f"**{document.subtitle}**", f"_{document.byline}_"]
    for section in document.sections:
        parts += [f"## {section.heading}", *section.text]
        if section.table:
            head, *rows = section.table
            rule = ["---:" if _is_number(rows[0][i]) else "---" for i in range(len(head))]
            parts.append("\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows)))
    return ("\n\n".join(parts) + "\n").encode()


def pdf(document: Document) -> bytes:
    """A4 pages with page numbers; left uncompressed, so that it does not depend on the zlib at hand."""
    page = _Page()
    page.set_title(document.title)
    page.set_author(document.author)
    page.set_creation_date(document.written)
    page.set_compression(False)
    page.set_margins(left=25, top=25, right=25)
    page.add_page()
    page.write_block(document.title, size=24, style="B", ink=INK)
    page.write_block(document.subtitle, size=13)
    page.write_block(document.byline, size=10, after=4)
    for section in document.sections:
        if section.new_page:
            page.add_page()
        page.ln(3)
        page.write_block(section.heading, size=14, style="B", ink=INK)
        for paragraph in section.text:
            page.write_block(paragraph, size=11)
        if section.table:
            page.write_table(section.table)
    return bytes(page.output())


def word(document: Document) -> bytes:
    """A Word document in the styles of its default template."""
    out = docx.Document()
    properties = out.core_properties
    properties.title, properties.author, properties.comments = document.title, document.author, ""
    properties.created = properties.modified = document.written
    out.styles["Normal"].font.size = Pt(11)
    out.add_heading(document.title, level=0)
    out.add_paragraph(document.subtitle, style="Subtitle")
    out.add_paragraph(document.byline)
    for section in document.sections:
        out.add_heading(section.heading, level=1)
        for paragraph in section.text:
            out.add_paragraph(paragraph)
        if section.table:
            _word_table(out, section.table)
    packed = BytesIO()
    out.save(packed)
    return _without_times(packed)


WRITERS: dict[str, Callable[[Document], bytes]] = {".md": markdown, ".pdf": pdf, ".docx": word}


class _Page(FPDF):
    """fpdf2 with our foot line and two ways to write."""

    def footer(self) -> None:
        self.set_y(-18)
        self.set_font("Helvetica", size=9)
        self.cell(0, 5, f"Page {self.page_no()} of {{nb}}", align="C")

    def write_block(
        self, text: str, *, size: int, style: str = "", ink: tuple[int, int, int] = (0, 0, 0), after: float = 2
    ) -> None:
        """A paragraph over the whole width; `after` is the space under it in mm."""
        self.set_font("Helvetica", style, size)
        self.set_text_color(*ink)
        self.multi_cell(0, 0.5 * size, text, align=Align.L, new_x="LMARGIN", new_y="NEXT")
        self.ln(after)

    def write_table(self, rows: tuple[tuple[str, ...], ...]) -> None:
        """Text columns flush left, number columns flush right."""
        self.set_font("Helvetica", "", 11)
        self.set_text_color(0, 0, 0)
        aligned = tuple(Align.R if _is_number(cell) else Align.L for cell in rows[1])
        head = FontFace(emphasis="BOLD", fill_color=TINT)
        self.ln(1)
        widths = (2, *(1 for _ in aligned[1:]))  # parts of the page's width
        lines = "HORIZONTAL_LINES"
        with self.table(
            borders_layout=lines, headings_style=head, text_align=aligned, col_widths=widths, line_height=7
        ) as table:
            for row in rows:
                table.row(row)
        self.ln(3)


def _word_table(out: Any, rows: tuple[tuple[str, ...], ...]) -> None:
    table = out.add_table(rows=0, cols=len(rows[0]), style="Light Grid Accent 1")
    for row in rows:
        for i, (cell, text) in enumerate(zip(table.add_row().cells, row, strict=True)):
            cell.text = text
            if _is_number(rows[1][i]):
                cell.paragraphs[0].alignment = WD_ALIGN_PARAGRAPH.RIGHT
    out.add_paragraph()


def _without_times(packed: BytesIO) -> bytes:
    """The same zip with every entry dated 1980: python-docx writes the time of day into it."""
    fixed = BytesIO()
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(fixed, "w") as target:
        for item in source.infolist():
            target.writestr(zipfile.ZipInfo(item.filename), source.read(item), zipfile.ZIP_DEFLATED)
    return fixed.getvalue()


def _section(row: dict[str, Any]) -> Section:
    table = tuple(tuple(cells) for cells in row.get("table", ()))
    return Section(row["heading"], tuple(row["text"]), table, row.get("new_page", False))


def _is_number(cell: str) -> bool:
    return set(cell) <= NUMBER
