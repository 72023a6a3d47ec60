"""What the shelf holds and gives back: passages of documents, and hits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath


class ShelfError(Exception):
    """A document could not be read, or the shelf not be used. The message says what happened and what to do."""


@dataclass(frozen=True)
class Passage:
    """A stretch of one document, some sentences long, that lies in one section and on one page."""

    document: str  # path of the file; for a meeting its id
    sha256: str  # of the document's bytes
    text: str
    start: int  # of the stretch in the document's text, in characters
    stop: int
    section: str = ""  # the heading it stands under, as printed; "" before the first
    number: int | None = None  # of that section: as the heading says, else counted from 1
    page: int | None = None  # from 1; None where the format has no pages
    lines: tuple[str, ...] = ()  # ids of the lines of a meeting, one a line of `text`; () for a document
    at_s: float | None = None  # when a meeting says it; None for a document

    @property
    def name(self) -> str:
        """The file's name without its folders."""
        return PurePath(self.document).name


@dataclass(frozen=True)
class Hit:
    """A passage that answers a question."""

    passage: Passage
    score: float  # 0 to 1: how sure it is that the passage answers; calibrated on AMI, see bench/README.md
    quote: str  # the sentence of the passage that answers best, word for word
    start: int  # of the quote in the passage's text, in characters
    cosine: float = 0.0  # nearness in meaning, -1 to 1
    overlap: float = 0.0  # share of the question's words that the passage holds, by their weight, 0 to 1
