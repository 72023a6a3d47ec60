"""A document as PDF: A4 pages, an outline, links, and every script for which a typeface can be found."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from fpdf import FPDF, Align, FontFace
from fpdf.enums import XPos, YPos

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
    plain,
    tidy,
)
from pipeline.export.document.typefaces import BOLD, MISSING, PLAIN, fallbacks
from pipeline.export.document.word import EPOCH

INK, SOFT, ACCENT, TINT, RULE = (31, 29, 26), (109, 103, 94), (168, 66, 27), (246, 237, 230), (214, 208, 198)  # RGB
MARGIN_MM, FOOT_MM = 22, 20
TEXT_PT, SOFT_PT, LINE = 10.5, 9.0, 1.45  # LINE is the height of a line, as a multiple of the type size
HEADING_PT = (15, 12.5, 11, 10.5)
MM_OF_PT = 25.4 / 72
NARROWEST_MM = 14  # of a table's column; a table with more columns than fit is written as a list
RIGHT_TO_LEFT = {"ar", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"}


def render(document: Document) -> bytes:
    """The file. A character for which there is no typeface on this machine becomes a replacement sign."""
    document = tidy(document)
    page = _Page(document)
    page.write_title()
    for block in document.blocks:
        page.write_block(block)
    return bytes(page.output())


class _Page(FPDF):
    """fpdf2 with our typefaces and a foot line, and a way to write each block."""

    def __init__(self, document: Document) -> None:
        super().__init__(format="A4")
        self._document = document
        self._missing: dict[int, str] = {}
        self._add_typefaces(_all_text(document))
        self.set_text_shaping(True)
        self.set_margins(MARGIN_MM, MARGIN_MM, MARGIN_MM)
        self.set_auto_page_break(True, FOOT_MM)
        self.set_title(document.title)
        self.set_author(document.author)
        self.set_lang(document.language)
        self.set_creation_date((document.written or EPOCH).astimezone(UTC))
        self.set_producer("Rapporteur")
        self._align = Align.R if document.language in RIGHT_TO_LEFT else Align.L
        self._targets = {anchor: self.add_link() for anchor in _anchors(document)}
        self.add_page()

    def footer(self) -> None:
        """Page numbers."""
        self.set_y(-14)
        self._look(SOFT_PT, SOFT)
        self.cell(0, 5, f"{self.page_no()} / {{nb}}", align="C")

    def write_title(self) -> None:
        """The title and the facts under it."""
        self._block(self._document.title, 22, INK)
        if self._document.facts:
            self._block(" · ".join(self._document.facts), SOFT_PT, SOFT)
        self.ln(2)

    def write_block(self, block: Block) -> None:
        """One block, with the space under it."""
        match block:
            case Heading():
                self._heading(block)
            case Paragraph():
                self._paragraph(block, "", indent_mm=5 if block.quote else 0)
            case Listing():
                for i, item in enumerate(block.items, 1):
                    self._paragraph(item, f"{i}." if block.ordered else "•", indent_mm=7)
            case Table() if block.head and self.epw / len(block.head) >= NARROWEST_MM:
                self._table(block)
            case Table():
                for row in block.rows:
                    self._paragraph(_spelled(block, row), "•", indent_mm=7)

    def _heading(self, heading: Heading) -> None:
        size_pt = HEADING_PT[min(max(heading.level, 1), 4) - 1]
        self.ln(4)
        if self.will_page_break(size_pt * MM_OF_PT * LINE * 3):
            self.add_page()
        self._mark(heading.anchor)
        text = self._drawable(heading.text)
        if text.strip():
            self.start_section(text, level=min(max(heading.level, 1), 4) - 1, strict=False)
        self._block(heading.text, size_pt, INK, bold=True)

    def _paragraph(self, paragraph: Paragraph, mark: str, *, indent_mm: float) -> None:
        self._mark(paragraph.anchor)
        if mark:
            self._look(TEXT_PT, SOFT)
            self.set_x(self.l_margin + 1.5)
            self.cell(indent_mm - 1.5, TEXT_PT * MM_OF_PT * LINE, mark)
        self.set_left_margin(self.l_margin + indent_mm)
        self.set_x(self.l_margin)
        if self._align == Align.R:
            self._block(plain(paragraph.line), TEXT_PT, SOFT if paragraph.quote else INK)
        else:
            for piece in paragraph.line:
                self._piece(piece, SOFT if paragraph.quote else INK)
            self.ln(TEXT_PT * MM_OF_PT * LINE)
        self.set_left_margin(self.l_margin - indent_mm)
        self.set_x(self.l_margin)
        self.ln(1.2)

    def _piece(self, piece: Inline, ink: tuple[int, int, int]) -> None:
        text = self._drawable(piece if isinstance(piece, str) else piece.text)
        if not text:
            return
        target = self._target(piece)
        soft = isinstance(piece, Soft) or (isinstance(piece, Link) and piece.at_s is not None and not target)
        self._look(
            SOFT_PT if soft else TEXT_PT, ACCENT if target else SOFT if soft else ink, bold=isinstance(piece, Strong)
        )
        height_mm, first = TEXT_PT * MM_OF_PT * LINE, text.split(" ")[0]
        room_mm = self.w - self.r_margin - self.x
        if room_mm < self.get_string_width(first) + 2 * self.c_margin < self.epw:  # fpdf2 would cut the word
            self.ln(height_mm)
        self.write(height_mm, text, target)

    def _table(self, table: Table) -> None:
        self._look(SOFT_PT, INK)
        self.set_draw_color(*RULE)
        self.ln(1)
        for row in table.rows:  # fpdf2 does not tell where it drew a row, so a link to one leads to the table
            self._mark(row.anchor)
        with self.table(
            borders_layout="HORIZONTAL_LINES",
            headings_style=FontFace(emphasis="BOLD", fill_color=TINT),
            text_align=self._align,
            v_align="T",
            col_widths=_bounded(table.widths),
            line_height=SOFT_PT * MM_OF_PT * LINE,
            padding=1.2,
        ) as drawn:
            drawn.row(tuple(map(self._drawable, table.head)))
            for row in table.rows:
                cells = drawn.row()
                for line in row.cells:
                    targets = [target for piece in line if (target := self._target(piece))]
                    cells.cell(self._drawable(plain(line).strip()), link=targets[0] if targets else None)
        self.ln(3)

    def _block(self, text: str, size_pt: float, ink: tuple[int, int, int], *, bold: bool = False) -> None:
        self._look(size_pt, ink, bold=bold)
        height_mm = size_pt * MM_OF_PT * (1.25 if size_pt > TEXT_PT else LINE)
        self.multi_cell(
            0, height_mm, self._drawable(text), align=self._align, new_x=XPos.LMARGIN, new_y=YPos.NEXT, padding=0
        )
        self.ln(1)

    def _look(self, size_pt: float, ink: tuple[int, int, int], *, bold: bool = False) -> None:
        self.set_font("text", "B" if bold else "", size_pt)
        self.set_text_color(*ink)

    def _target(self, piece: Inline) -> str | int:
        """What fpdf2 takes as a link; "" where there is nothing to lead to."""
        if not isinstance(piece, Link) or not piece.target:
            return ""
        return self._targets.get(piece.target[1:], "") if piece.target.startswith("#") else piece.target

    def _mark(self, anchor: str) -> None:
        if anchor:
            self.set_link(self._targets[anchor], y=self.y, page=self.page)
            self.set_link(name=anchor, y=self.y, page=self.page)

    def _drawable(self, text: str) -> str:
        """The text as the typefaces can draw it: without them fpdf2 would write what was said into its log."""
        return text.translate(self._missing)

    def _add_typefaces(self, text: str) -> None:
        self.add_font("text", "", PLAIN)
        self.add_font("text", "B", BOLD)
        others, missing = fallbacks(text)
        for i, typeface in enumerate(others):
            self.add_font(f"other{i}", "", typeface.path, collection_font_number=typeface.number)
        self.set_fallback_fonts(["text", *(f"other{i}" for i in range(len(others)))], exact_match=False)
        self._missing = {ord(c): MISSING for c in missing}


def _bounded(widths: tuple[float, ...]) -> tuple[float, ...]:
    """No column so narrow that a letter does not fit."""
    share = sum(widths) * 0.08
    return tuple(max(width, share) for width in widths)


def _spelled(table: Table, row: Row) -> Paragraph:
    """A row as a line of an unfolded table."""
    line: Line = ()
    for head, cell in zip(table.head, row.cells, strict=True):
        line = (*line, Soft(f"{head}: "), *cell, "  ")
    return Paragraph(line, row.anchor)


def _anchors(document: Document) -> set[str]:
    anchors = {getattr(block, "anchor", "") for block in document.blocks}
    for block in document.blocks:
        children: Any = block.items if isinstance(block, Listing) else block.rows if isinstance(block, Table) else ()
        anchors |= {child.anchor for child in children}
    return anchors - {""}


def _all_text(value: Any) -> str:
    """Every text that may be drawn."""
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return "".join(map(_all_text, value))
    return "".join(map(_all_text, vars(value).values())) if hasattr(value, "__dict__") else ""
