"""Documents show every text to the letter in every format, lead nowhere unasked, and never fail on what was said."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pipeline.export.document import (
    Document,
    Heading,
    Line,
    Link,
    Listing,
    Paragraph,
    Row,
    Soft,
    Strong,
    Table,
    html,
    markdown,
    plain,
    safe_target,
    tidy,
)

ODD = [
    "<b>",
    "&amp;",
    "**",
    "*",
    "_x_",
    "`",
    "](",
    "![",
    "|",
    "#",
    "- ",
    "1. ",
    "1) ",
    "+ ",
    "\\",
    "www.evil.org",
    "@a",
]
ODD += [
    "https://evil.org",
    "=CMD()",
    "\n\n# h",
    "\t",
    "\x00",
    "\ud800",
    "\u202e",
    "\uffff",
    "שלום",
    "日本語",
    "🙂",
    "$$",
    "~~",
]
TEXT = st.one_of(
    st.text(max_size=20), st.lists(st.one_of(st.sampled_from(ODD), st.text(max_size=4)), max_size=6).map("".join)
)
TARGET = st.one_of(TEXT, st.sampled_from(["#u3", "docs/a b.md#2", "https://example.org/?a=b&c", "javascript:alert(1)"]))
PIECE = st.one_of(
    TEXT,
    st.builds(Strong, TEXT),
    st.builds(Soft, TEXT),
    st.builds(Link, TEXT, TARGET, st.one_of(st.none(), st.floats(0, 1e5))),
)
LINE = st.lists(PIECE, max_size=5).map(tuple)
DATA = st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple)
PARAGRAPH = st.builds(Paragraph, LINE, TEXT, st.booleans(), DATA)
ROW = st.builds(Row, st.lists(LINE, max_size=3).map(tuple), TEXT, DATA)
BLOCK = st.one_of(
    st.builds(Heading, TEXT, st.integers(-1, 9), TEXT),
    PARAGRAPH,
    st.builds(Listing, st.lists(PARAGRAPH, min_size=1, max_size=3).map(tuple), st.booleans()),
    st.builds(Table, st.tuples(TEXT, TEXT), st.lists(ROW, max_size=3).map(tuple)),
)
DOCUMENT = st.builds(Document, TEXT, st.lists(BLOCK, max_size=5).map(tuple), st.lists(TEXT, max_size=2).map(tuple))

SCHEMES = ("http://", "https://", "mailto:")


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def said(document: Document) -> str:
    """All text that a reader sees, without spaces."""
    parts = [document.title, *document.facts]
    for block in tidy(document).blocks:
        match block:
            case Heading():
                parts.append(block.text)
            case Paragraph():
                parts.append(plain(block.line))
            case Listing():
                parts += [plain(item.line) for item in block.items]
            case Table():
                parts += [*block.head, *(plain(cell) for row in block.rows for cell in row.cells)]
    return squeezed("".join(tidy(Document(part, ())).title for part in parts))


class Reader(HTMLParser):
    """What a browser would show and where its links lead."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.links, self.tags, self.attributes = "", [""][:0], [""][:0], [("", "")][:0]
        self._hidden = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden = tag in ("style", "script", "title") or (self._hidden and tag != "body")
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._hidden else data


def tokens(text: str) -> list[Token]:
    parsed = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [inner for token in parsed for inner in (token, *(token.children or ()))]


@given(DOCUMENT)
@settings(max_examples=60, deadline=None)
def test_markdown_shows_every_text_and_nothing_else(document: Document) -> None:
    parsed = tokens(markdown.render(document))
    assert squeezed("".join(t.content for t in parsed if t.type in ("text", "text_special"))).replace("·", "") == said(
        document
    ).replace("·", "")
    assert all(re.fullmatch(r'<a id="[\w.-]+">|</a>', t.content) for t in parsed if t.type == "html_inline")
    assert not {"image", "code_inline", "fence", "code_block", "hr", "s_open"} & {t.type for t in parsed}


@given(DOCUMENT)
@settings(max_examples=60, deadline=None)
def test_a_page_shows_every_text_and_nothing_else(document: Document) -> None:
    page = html.render(document)
    read = Reader(page.encode("utf-8").decode())
    assert squeezed(read.text) == said(document)
    assert set(read.tags) <= {
        *"html head meta title style body main h1 h2 h3 h4 h5 p span a strong small ul ol li".split()
    } | {*"div table thead tbody tr th td script blockquote".split()}
    assert not any(name.startswith("on") or name == "style" for name, _ in read.attributes)
    assert all(link == safe_target(link) != "" for link in read.links)


@pytest.mark.parametrize(
    "target",
    [
        "javascript:alert(1)",
        "JavaScript:x",
        " data:text/html,x",
        "file:///etc/passwd",
        "//evil.org",
        "/etc/passwd",
        "\\\\host\\x",
        "vbscript:x",
        "java\nscript:alert(1)",
        "#",
        "",
    ],
)
def test_targets_that_must_not_be_followed_become_text(target: str) -> None:
    document = Document("t", (Paragraph(("see ", Link("here", target))),))
    assert Reader(html.render(document)).links == []
    assert not [t for t in tokens(markdown.render(document)) if t.type == "link_open"]


def test_links_lead_where_they_should() -> None:
    line: Line = (Link("0:45", "#u3", 45.0), Link("doc", "docs/a (b).md"), Link("site", "https://example.org/?a=b&c=d"))
    document = Document("t", (Heading("h", anchor="u3"), Paragraph(line)))
    assert Reader(html.render(document)).links == ["#u3", "docs/a (b).md", "https://example.org/?a=b&c=d"]
    links = [t.attrs["href"] for t in tokens(markdown.render(document)) if t.type == "link_open"]
    assert links == ["#u3", "docs/a%20%28b%29.md", "https://example.org/?a=b&c=d"]


def test_a_page_asks_for_nothing_and_runs_only_its_own_script() -> None:
    page = html.render(Document("t", ()))
    policy = re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src &#39;none&#39;" in policy[1]
    assert "media-src" not in policy[1]
    assert "unsafe" not in policy[1]
    with_sound = html.render(Document("t", ()), sound="data:audio/mpeg;base64,AAAA")
    assert "media-src data:;" in with_sound
    assert '<audio controls preload="metadata" src="data:audio/mpeg;base64,AAAA">' in with_sound


def test_facts_for_programs_are_attributes_of_the_page() -> None:
    row = Row((("a",),), "item-1", (("evidence", 'u3 "u4'), ("on bad", "x")))
    page = html.render(Document("t", (Table(("h",), (row,)),), data=(("meeting", "m1"),)))
    attributes = dict(Reader(page).attributes)
    assert attributes["data-evidence"] == 'u3 "u4'
    assert attributes["data-meeting"] == "m1"
    assert attributes["id"] == "item-1"
