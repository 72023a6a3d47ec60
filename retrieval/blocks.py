"""What every format is read as: headings and paragraphs in order, each with its page where there are pages."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff\u200b\u2060\ufeff\xad]")


@dataclass(frozen=True)
class Block:
    """A paragraph, a row of a table, or a heading."""

    text: str
    heading: bool = False
    level: int = 0  # of a heading; 1 is the highest
    page: int | None = None


def clean(text: str) -> str:
    """On one line, without what no reader sees."""
    return " ".join(_CONTROLS.sub(lambda found: "" if found[0] in "\u200b\u2060\ufeff\xad" else " ", text).split())
