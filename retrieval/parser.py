"""PDF and Word files as blocks, parsed in a process of its own that may neither grow nor last.

Both formats can hold far more than their size says: a Word file of 1 MB has unpacked to gigabytes, and a PDF can make
its reader loop. The child has bounds of memory and time; what it says comes back as JSON, never as objects.
"""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from retrieval.blocks import Block, clean
from retrieval.passage import ShelfError

MOST_MEMORY = 1_024 * 1_024 * 1_024  # bytes of address space
MOST_TIME_S = 60  # wall clock; CPU time is bounded by the same
MOST_PAGES = 3_000
MOST_UNPACKED = 100_000_000  # bytes of all parts of a zip
MOST_RATIO = 100  # of a part's size to its packed size, for parts that matter
MOST_PARTS = 5_000
_IGNORED_BELOW = 1_000_000  # bytes: a small part may be packed as tightly as it likes
_HEADING = re.compile(r"\d{1,2}(?:\.\d{1,2}){0,3}[.)]?\s+\S.{0,78}$")


def parse(content: bytes, kind: str) -> list[Block]:
    """The blocks of a "pdf" or "docx"; raises ShelfError, to be read after the file's name."""
    if kind == "docx":
        _check_zip(content)
    tree = Path(__file__).parents[1]
    place = 0 if (tree / "pyproject.toml").exists() else 99  # installed packages must not hide Python's own modules
    command = [sys.executable, "-I", "-c", _BOOT.format(place=place, tree=str(tree)), kind, str(MOST_MEMORY)]
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=MOST_TIME_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ShelfError(f"takes longer than {MOST_TIME_S} s to read; split it or save it anew") from error
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:  # it was killed: out of memory or time
        raise ShelfError("needs too much memory or time to read; split it or save it anew") from error
    if "trouble" in answer:
        raise ShelfError(answer["trouble"])
    return [Block(*row) for row in answer["blocks"]]


_BOOT = """
import sys
sys.path.insert({place}, {tree!r})
from retrieval.parser import child
child(sys.argv[1], int(sys.argv[2]))
"""


def child(kind: str, memory: int) -> None:
    """What the process does: bytes on stdin, JSON on stdout; `memory` in bytes."""
    _bound(memory)
    logging.disable()  # the libraries' logs quote the documents
    content = sys.stdin.buffer.read()
    try:
        answer: dict[str, Any] = {"blocks": [list(vars(block).values()) for block in _READERS[kind](content)]}
    except ShelfError as error:
        answer = {"trouble": str(error)}
    except Exception as error:  # noqa: BLE001  the edge of a process: whatever two large libraries raise on broken files
        outgrown = isinstance(error, MemoryError) or "memory" in str(error).lower()
        damaged = f"is damaged or no {kind} ({type(error).__name__}); open it and save it anew"
        answer = {"trouble": "needs too much memory to read; split it or save it anew" if outgrown else damaged}
    sys.stdout.write(json.dumps(answer))


def _bound(memory: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has none: there only the checks before and the clock bound it
        return
    limits = {resource.RLIMIT_AS: memory, resource.RLIMIT_CPU: MOST_TIME_S, resource.RLIMIT_FSIZE: 0}
    for limit, most in limits.items():
        resource.setrlimit(limit, (most, most))


def _check_zip(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            parts = packed.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise ShelfError("is damaged or no docx; open it and save it anew") from error
    tight = any(p.file_size > max(_IGNORED_BELOW, MOST_RATIO * p.compress_size) for p in parts)
    if tight or len(parts) > MOST_PARTS or sum(p.file_size for p in parts) > MOST_UNPACKED:
        raise ShelfError("unpacks to far more than its size, as no document of a person does; save it without pictures")


def _pdf(content: bytes) -> Iterator[Block]:
    import pypdf

    reader = pypdf.PdfReader(io.BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise ShelfError("is locked by a password; save it without one")
    if len(reader.pages) > MOST_PAGES:
        raise ShelfError(f"has more than {MOST_PAGES} pages; split it")
    pages = [page.extract_text().split("\n") for page in reader.pages]
    repeated = _running_lines(pages)
    for number, lines in enumerate(pages, 1):
        yield from _page_blocks([line for line in lines if _shape(line) not in repeated], number)


def _running_lines(pages: list[list[str]]) -> set[str]:
    """Head and foot lines: what stands first or last on most of several pages, whatever its number."""
    ends = [{_shape(line) for line in (*lines[:2], *lines[-2:])} for lines in pages]
    seen = [shape for shapes in ends for shape in shapes]
    return {shape for shape in set(seen) if "#" in shape and seen.count(shape) > max(1, len(pages) // 2)}


def _shape(line: str) -> str:
    return re.sub(r"\d+", "#", clean(line))


def _page_blocks(lines: list[str], page: int) -> Iterator[Block]:
    """Lines joined to paragraphs: one ends where a line falls short of the others."""
    widest = max((len(line) for line in lines), default=0)
    waiting: list[str] = []

    def flush() -> Iterator[Block]:
        if waiting and (text := clean(" ".join(waiting).replace("- ", "-"))):
            yield Block(text, page=page)
        waiting.clear()

    for line in map(clean, lines):
        if not line:
            yield from flush()
        elif not waiting and _HEADING.match(line) and line[-1] not in ".,;:" and not re.fullmatch(r"[\d\s.,%]+", line):
            yield Block(line, True, 2, page)
        else:
            waiting.append(line)
            if len(line) < 0.75 * widest:
                yield from flush()
    yield from flush()


def _docx(content: bytes) -> Iterator[Block]:
    import docx
    from docx.table import Table

    for item in docx.Document(io.BytesIO(content)).iter_inner_content():
        if isinstance(item, Table):
            for row in item.rows:
                cells = list(dict.fromkeys(clean(cell.text) for cell in row.cells))  # a merged cell is there many times
                if text := clean(" | ".join(filter(None, cells))):
                    yield Block(text)
        elif text := clean(item.text):
            style = (item.style.name or "") if item.style is not None else ""
            level = re.match(r"(?:Heading|Überschrift|Titre) (\d)", style)
            heading = bool(level) or style == "Title"
            yield Block(text, heading, (int(level[1]) + 1 if level else 1) if heading else 0)


_READERS: dict[str, Callable[[bytes], Iterator[Block]]] = {"pdf": _pdf, "docx": _docx}
