"""A document as Markdown: what was said stays text, whatever signs it holds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

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

# Inside a line: CommonMark, tables, strikethrough, formulas; then what GitHub turns into a link by itself.
_SPECIAL = re.compile(r"[\\`*_\[\]<>#|~&$]|(?<=:)/(?=/)|(?<=\bwww)\.|@", re.IGNORECASE)
_IN_TARGET = "/#:?&=@%+,;~.-_!$"
_START = re.compile(r"^([-+=:])|^(\d{1,9})([.)])")  # what means something only where a line starts


def render(document: Document) -> str:
    """The file's text."""
    document = tidy(document)
    facts = [f"*{escape(' · '.join(document.facts))}*"] if any(fact.strip() for fact in document.facts) else []
    return "\n\n".join([f"# {escape(document.title)}", *facts, *map(_block, document.blocks)]) + "\n"


def escape(text: str) -> str:
    """Text as Markdown that shows it to the letter; runs of spaces become one, as they do when it is rendered."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f"{'#' * (1 + _level(block))} {_anchor(block.anchor)}{escape(block.text)}"
        case Paragraph():
            return ("> " if block.quote else "") + _paragraph(block)
        case Listing():
            marks = (f"{i}." for i in range(1, len(block.items) + 1)) if block.ordered else ("-",) * len(block.items)
            return "\n".join(f"{mark} {_paragraph(item)}" for mark, item in zip(marks, block.items, strict=True))
        case Table():
            return _table(block)


def _level(heading: Heading) -> int:
    return min(max(heading.level, 1), 4)


def _paragraph(paragraph: Paragraph) -> str:
    text = _line(paragraph.line)
    return _anchor(paragraph.anchor) + (_START.sub(_escaped_start, text) if not paragraph.anchor else text)


def _escaped_start(found: re.Match[str]) -> str:
    return f"\\{found[1]}" if found[1] else f"{found[2]}\\{found[3]}"


def _table(table: Table) -> str:
    head = _cells(escape(text) for text in table.head)
    rule = _cells("---" for _ in table.head)
    return "\n".join([head, rule, *map(_row, table.rows)])


def _row(row: Row) -> str:
    first, *others = map(_line, row.cells or ((),))
    return _cells([_anchor(row.anchor) + first, *others])


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _line(line: Line) -> str:
    """The pieces; looks are left out where CommonMark would not read their signs as such."""
    texts = [piece if isinstance(piece, str) else piece.text for piece in line]
    written = ""
    for i, piece in enumerate(line):
        rest = "".join(texts[i + 1 :])
        loose = isinstance(piece, Link) or _can_stand_out(written, texts[i], rest, line[i + 1 : i + 2])
        written += _inline(piece) if loose else _spaced(texts[i], "", "")
    return written.strip()


def _can_stand_out(before: str, text: str, after: str, following: Line) -> bool:
    """A sign of emphasis counts where the text in it begins and ends with letters, or with space around it."""
    text = text.strip()
    if not text or before.endswith("*") or (following and isinstance(following[0], Strong | Soft)):
        return False
    opens = text[0].isalnum() or not before or before[-1].isspace()
    return opens and (text[-1].isalnum() or not after or after[0].isspace())


def _inline(piece: Inline) -> str:
    match piece:
        case str():
            return _spaced(piece, "", "")
        case Strong():
            return _spaced(piece.text, "**", "**")
        case Soft():
            return _spaced(piece.text, "*", "*")
        case Link() if piece.target:
            return _spaced(piece.text, "[", f"]({quote(piece.target, safe=_IN_TARGET)})")
        case Link():
            return _spaced(piece.text, "", "")


def _spaced(text: str, before: str, after: str) -> str:
    """Escaped text between its marks, its outer spaces outside them: `** bold**` would not be bold."""
    inner = re.sub("!$", r"\\!", escape(text))  # before a link it would make an image
    left, right = " " * text[:1].isspace(), " " * text[-1:].isspace()
    return f"{left}{before}{inner}{after}{right}" if inner else left


def _anchor(anchor: str) -> str:
    return f'<a id="{anchor}"></a>' if anchor else ""
