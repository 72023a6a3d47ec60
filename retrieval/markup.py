"""Markdown, HTML and plain text as blocks."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser

from retrieval.blocks import Block, clean

_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t#]*$")
_RULE = re.compile(r"[\s|:=*_-]+")
_FENCE = re.compile(r" {0,3}(```|~~~)")
_LIST = re.compile(r"[ \t]*(?:[-+*]|\d{1,9}[.)])[ \t]+")
# Signs of looks, links and images inside a line; the text of a link stays, its target goes.
_LINK = re.compile(r"!?\[([^\]\[]*)\](?:\([^()\s]*(?:\s+\"[^\"]*\")?\)|\[[^\]]*\])")
_LOOKS = re.compile(r"(?<!\\)(\*{1,3}|`{1,3}|~~)|(?<![\\\w])_{1,3}(?=\S)|(?<=\S)_{1,3}(?!\w)")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_TAG = re.compile(r"<!--.*?-->|</?[A-Za-z][^<>]{0,500}>", re.DOTALL)
_HIDDEN = {"script", "style", "template", "noscript", "head", "svg", "iframe", "object", "select", "textarea"}
_BREAKING = set(
    "p div li ul ol table tr td th br hr section article header footer main aside nav blockquote pre".split()
)
_BREAKING |= set("dl dt dd figure figcaption address form fieldset details summary caption title".split())
_DEEPEST = 2_000  # open hidden elements that are counted


def plain_text(text: str) -> list[Block]:
    """Paragraphs between empty lines; a short numbered line alone is a heading."""
    blocks = []
    for paragraph in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        words = clean(paragraph)
        if not words or _RULE.fullmatch(words):
            continue
        alone = "\n" not in paragraph.strip() and len(words) <= 80 and words[-1] not in ".!?;,"
        heading = alone and bool(re.match(r"(?:(?:section|chapter|part)\s+)?\d{1,3}[.):]?\s+\S", words, re.IGNORECASE))
        blocks.append(Block(words, heading, 2 if heading else 0))
    return blocks


def markdown(text: str) -> list[Block]:
    """Headings, paragraphs, list items, table rows and code."""
    blocks: list[Block] = []
    lines: list[str] = []
    fence = ""

    def flush() -> None:
        if words := _inline(" ".join(lines)):
            blocks.append(Block(words))
        lines.clear()

    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if (mark := _FENCE.match(line)) and (not fence or mark[1] == fence):
            flush()
            fence = "" if fence else mark[1]
        elif fence:
            blocks += [Block(words)] if (words := clean(line)) else []
        elif found := _ATX.match(line):
            flush()
            blocks += [Block(words, True, len(found[1]))] if (words := _inline(found[2])) else []
        elif lines and re.fullmatch(r" {0,3}(=+|-+)[ \t]*", line):
            words = _inline(" ".join(lines))
            lines.clear()
            blocks += [Block(words, True, 1 if "=" in line else 2)] if words else []
        elif not line.strip() or _RULE.fullmatch(line):
            flush()
        elif line.lstrip().startswith("|") or _LIST.match(line):
            flush()
            cells = line.strip().strip("|") if line.lstrip().startswith("|") else _LIST.sub("", line, count=1)
            lines.append(re.sub(r"(?<!\\)\|", " | ", cells))
            if line.lstrip().startswith("|"):
                flush()
        else:
            lines.append(line.lstrip("> \t"))
    flush()
    return blocks


def html(text: str) -> list[Block]:
    """What a browser would show."""
    reader = _Page()
    reader.feed(text)
    reader.close()
    reader.flush()
    return reader.blocks


READERS: dict[str, Callable[[str], list[Block]]] = {"md": markdown, "txt": plain_text, "html": html}


def _inline(text: str) -> str:
    text = _LINK.sub(r"\1", _TAG.sub(" ", text))
    return clean(unescape(_ESCAPE.sub(r"\1", _LOOKS.sub("", text))))


class _Page(HTMLParser):
    """Collects blocks; cells of a row are joined by " | "."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self._words: list[str] = []
        self._hidden: list[str] = []
        self._level = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN and len(self._hidden) < _DEEPEST:
            self._hidden.append(tag)
        elif tag == "body":
            self._hidden.clear()  # a head that was never closed
        elif re.fullmatch("h[1-6]", tag):
            self.flush()
            self._level = int(tag[1])
        elif tag in ("td", "th"):
            self._words += [" | "] if "".join(self._words).strip() else []
        elif tag in _BREAKING:
            self.flush()

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            del self._hidden[len(self._hidden) - 1 - self._hidden[::-1].index(tag) :]
        elif re.fullmatch("h[1-6]", tag) or (tag in _BREAKING and tag not in ("td", "th")):
            self.flush()

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._words.append(data)

    def flush(self) -> None:
        """End the block that was being read."""
        if words := clean("".join(self._words)):
            self.blocks.append(Block(words, self._level > 0, self._level))
        self._words.clear()
        self._level = 0
