"""Files as passages, each with its page and section; every format is read within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from retrieval import markup, parser
from retrieval.blocks import Block
from retrieval.passage import Passage, ShelfError

ENDINGS = {".md": "md", ".markdown": "md", ".txt": "txt", ".text": "txt", ".rst": "txt", ".html": "html"}
ENDINGS |= {".htm": "html", ".xhtml": "html", ".pdf": "pdf", ".docx": "docx"}
MOST_BYTES = 50_000_000  # of a file
MOST_CHARACTERS = 10_000_000  # of its text: 5,000 pages
LONGEST = 600  # characters of a passage, about 100 words; a sentence is not cut before twice that
_NUMBERED = re.compile(r"\s*(?:section|chapter|part|§)?\s*(\d{1,3})(?:[.)\]:]|\s|$)(?!\d)", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])|\n+")


@dataclass(frozen=True)
class Source:
    """A document as it was read."""

    path: Path
    sha256: str
    passages: tuple[Passage, ...]


def readable(path: Path) -> bool:
    """Whether its ending is that of a format we read."""
    return path.suffix.lower() in ENDINGS


def read(path: Path) -> Source:
    """The document's passages; raises ShelfError where it cannot be read or breaks a bound."""
    kind = ENDINGS.get(path.suffix.lower())
    if kind is None:
        raise ShelfError(f"{path} is no document that can be shelved; give {', '.join(sorted(set(ENDINGS)))} files")
    content = _content(path)
    try:
        blocks = parser.parse(content, kind) if kind in ("pdf", "docx") else markup.READERS[kind](_decoded(content))
    except ShelfError as error:
        raise ShelfError(f"{path} {error}") from error.__cause__
    digest = sha256(content).hexdigest()
    passages = tuple(_passages(blocks, str(path), digest))
    if not passages:
        raise ShelfError(f"{path} holds no text; if it is scanned, put text into it with an OCR program first")
    return Source(path, digest, passages)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where each sentence of the text starts and stops, in characters; together they hold all of its words."""
    start = 0
    for gap in _SENTENCE.finditer(text):
        if text[start : gap.start()].strip():
            yield start, gap.start()
        start = gap.end()
    if text[start:].strip():
        yield start, len(text.rstrip())


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise ShelfError(f"{path} is no file; name a document or a folder of documents")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ShelfError(f"{path} has {size / 1e6:.0f} MB, more than the {MOST_BYTES / 1e6:.0f} allowed; split it")
        return path.read_bytes()
    except OSError as error:
        raise ShelfError(f"{path} cannot be read ({error.strerror}); make it yours to read") from error


def _decoded(content: bytes) -> str:
    """UTF-8 or UTF-16 with its mark; else Windows-1252, in which every byte but five means something."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = content.decode("utf-16", "replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", "replace")
    if text.count("\0") > len(text) // 100:
        raise ShelfError("is not text; give it the ending of what it is")
    if len(text) > MOST_CHARACTERS:
        raise ShelfError(f"holds more than {MOST_CHARACTERS:,} characters; split it")
    return text


def _passages(blocks: list[Block], document: str, digest: str) -> Iterator[Passage]:
    """Blocks of one section and page are joined up to LONGEST characters; a longer block is cut between sentences."""
    at, section, number, counted = 0, "", None, 0
    waiting: list[str] = []
    begun, page = 0, None

    def flush() -> Iterator[Passage]:
        if waiting:
            text = "\n".join(waiting)
            yield Passage(document, digest, text, begun, begun + len(text), section, number, page)
            waiting.clear()

    for block in blocks:
        if block.heading:
            yield from flush()
            if block.level != 1 or counted or _NUMBERED.match(block.text):  # the title is no section
                counted += 1
                section, number = block.text, _number(block.text) or counted
            at += len(block.text) + 1
            page = block.page
            continue
        for piece in _pieces(block.text):
            if waiting and (block.page != page or at + len(piece) - begun > LONGEST):
                yield from flush()
            if not waiting:
                begun, page = at, block.page
            waiting.append(piece)
            at += len(piece) + 1
    yield from flush()


def _number(heading: str) -> int | None:
    found = _NUMBERED.match(heading)
    return int(found[1]) if found else None


def _pieces(text: str) -> Iterator[str]:
    """The text itself, or its sentences in runs of at most LONGEST characters, one without an end cut hard."""
    text = text.strip()
    while len(text) > LONGEST:
        cut = max((stop for _, stop in sentences(text[:LONGEST])), default=LONGEST)
        last = text.rfind(" ", LONGEST // 2, LONGEST)
        cut = cut if LONGEST // 3 < cut < LONGEST else last if last > 0 else LONGEST
        yield text[:cut].strip()
        text = text[cut:].strip()
    if text:
        yield text
