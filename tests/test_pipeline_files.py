"""Word, PDF, CSV and calendar files: nothing that was said breaks them, starts anything, or gets lost in them."""

from __future__ import annotations

import csv
import io
import logging
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import docx
import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from pipeline.export import calendar, sheet
from pipeline.export.document import (
    Document,
    Heading,
    Link,
    Listing,
    Paragraph,
    Row,
    Soft,
    Strong,
    Table,
    html,
    markdown,
    pdf,
    safe_target,
    tidy,
    typefaces,
    word,
)
from pipeline.export.text import one_line
from tests.test_pipeline_document import DOCUMENT, TEXT, Reader, said, squeezed, tokens

STAMP = datetime(2026, 3, 10, 9, tzinfo=UTC)
CARRIERS = ("{}", "Maria: {}", "{} by Friday", "we agree that {} is fine", " {} ")
PAYLOADS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](https://evil.org/leak.png)",
    '=HYPERLINK("https://evil.org","x")',
    "=cmd|' /C calc'!A0",
    "+1+1|calc",
    "@SUM(1+1)*cmd|'x'",
    "END:VTODO\r\nBEGIN:VALARM\r\nACTION:AUDIO\r\nATTACH:https://evil.org/x",
    "| a | b |\n| --- | --- |\n# Decisions\n- [ ] Anna pays everybody",
)
ATTACKS = [carrier.format(payload) for payload in PAYLOADS for carrier in CARRIERS]


def everything(text: str) -> Document:
    """A document that has the text at every place."""
    line = (text, Strong(text), " ", Soft(text), " ", Link(text, text), Link(text, "#here"))
    blocks = (
        Heading(text, anchor="here"),
        Paragraph(line, quote=True),
        Listing((Paragraph(line, text), Paragraph((text,))), ordered=True),
        Table((text, text), (Row((line, (text,)), text, ((text, text),)),)),
    )
    return Document(text, blocks, (text,), author=text, data=(("note", text),))


def word_text(content: bytes) -> str:
    """All text of the body, in order, links and tables included."""
    body = docx.Document(io.BytesIO(content)).element.body
    return "".join(node.text or "" for node in body.iter() if node.tag.endswith("}t"))


def test_there_are_fifty_attacks() -> None:
    assert len(set(ATTACKS)) == 50


@pytest.mark.parametrize("text", ATTACKS)
def test_an_attack_stays_text_in_every_format(text: str) -> None:
    document = everything(text)
    page = Reader(html.render(document))
    assert page.links
    assert all(link == safe_target(link) for link in page.links)
    assert page.tags.count("script") == 1
    assert not {"img", "iframe", "object", "form"} & set(page.tags)
    assert squeezed(page.text) == said(document)
    parsed = tokens(markdown.render(document))
    assert not {"image", "fence", "hr"} & {token.type for token in parsed}
    assert not [t for t in parsed if t.type == "link_open" and safe_target(str(t.attrs["href"])) == ""]
    assert squeezed(word_text(word.render(document))) == said(document)


@pytest.mark.parametrize("text", ATTACKS[::5])
def test_an_attack_stays_text_in_pdf(text: str) -> None:
    content = pdf.render(everything(text))
    read = pypdf.PdfReader(io.BytesIO(content))
    assert squeezed(one_line(text)) in squeezed("".join(page.extract_text() for page in read.pages))
    assert b"/JavaScript" not in content
    assert b"/EmbeddedFile" not in content


@given(DOCUMENT)
@settings(max_examples=20, deadline=None)
def test_word_shows_every_text(document: Document) -> None:
    assert squeezed(word_text(word.render(document))).replace("·", "") == said(document).replace("·", "")


@given(st.lists(DOCUMENT, min_size=2, max_size=2))
@settings(max_examples=4, deadline=None)
def test_pdf_takes_every_text(documents: list[Document]) -> None:
    for document in documents:
        assert len(pypdf.PdfReader(io.BytesIO(pdf.render(document))).pages) >= 1


def test_equal_documents_give_equal_bytes() -> None:
    document = everything("The charger costs six euros.")
    assert word.render(document) == word.render(document)
    assert pdf.render(document) == pdf.render(document)


def test_pdf_shows_what_dejavu_has_and_marks_what_nothing_has(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(typefaces, "_FOLDERS", {"linux": (), "darwin": (), "win32": ()})
    with caplog.at_level(logging.DEBUG):
        content = pdf.render(Document("Заголовок", (Paragraph(("Zürich, Ελλάδα, Привет, 日本",)),)))
    text = pypdf.PdfReader(io.BytesIO(content)).pages[0].extract_text()
    assert "Заголовок" in text
    assert "Zürich, Ελλάδα, Привет" in text
    assert text.count("\ufffd") == 2
    assert not [record for record in caplog.records if "日" in record.getMessage()]


def test_pdf_takes_what_it_lacks_from_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """DejaVu stands in for the system's typefaces, and a Latin part of it for our own."""
    (tmp_path / "Broad.ttf").write_bytes(typefaces.PLAIN.read_bytes())
    (tmp_path / "broken.ttf").write_bytes(b"no typeface")
    monkeypatch.setattr(typefaces, "_FOLDERS", {name: (str(tmp_path),) for name in ("linux", "darwin", "win32")})
    own = typefaces.Typeface(typefaces.PLAIN)
    whole = typefaces.covered(own)
    monkeypatch.setattr(
        typefaces,
        "covered",
        lambda face: frozenset(range(256)) if face == own else whole if "Broad" in face.path.name else frozenset(),
    )
    chosen, missing = typefaces.fallbacks("abc Привет 日")
    assert [face.path.name for face in chosen] == ["Broad.ttf"]
    assert missing == {"日"}


def test_pdf_has_links_an_outline_and_properties() -> None:
    blocks = (
        Heading("One", anchor="one"),
        Paragraph((Link("back", "#one"), Link("out", "https://example.org/"), Link("?", "#none"))),
    )
    read = pypdf.PdfReader(io.BytesIO(pdf.render(Document("Minutes", blocks, author="Anna", written=STAMP))))
    assert [item.title for item in read.outline] == ["One"]  # type: ignore[union-attr]
    notes = [note.get_object() for note in read.pages[0].annotations or ()]
    assert sum("/URI" in str(note) for note in notes) == 1
    assert len(notes) == 2
    assert read.metadata is not None
    assert (read.metadata.title, read.metadata.author) == ("Minutes", "Anna")


def test_a_table_too_wide_for_the_page_becomes_a_list() -> None:
    head = tuple(f"column {i}" for i in range(30))
    document = Document("t", (Table(head, (Row(tuple((f"cell{i}",) for i in range(30))),)), Table((), ())))
    text = pypdf.PdfReader(io.BytesIO(pdf.render(document))).pages[0].extract_text()
    assert "cell29" in text
    assert "column 29" in text


def test_word_has_links_and_bookmarks() -> None:
    blocks = (
        Heading("One", anchor="u-1.a"),
        Paragraph((Link("back", "#u-1.a"), Link("out", "https://example.org/?a=b&c"))),
    )
    content = word.render(Document("t", blocks))
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        body = packed.read("word/document.xml").decode()
        links = packed.read("word/_rels/document.xml.rels").decode()
    assert 'w:name="a_u_1_a"' in body
    assert 'w:anchor="a_u_1_a"' in body
    assert 'Target="https://example.org/?a=b&amp;c"' in links


@given(st.lists(st.lists(TEXT, min_size=2, max_size=2), max_size=4))
def test_no_text_of_a_sheet_is_a_formula(rows: list[list[str]]) -> None:
    content = sheet.render(["what", "owner"], rows)
    assert content.encode("utf-8").startswith(b"\xef\xbb\xbf")
    read = list(csv.reader(io.StringIO(content[1:], newline="")))[1:]
    assert [[cell.removeprefix("'") for cell in row] for row in read] == [
        [one_line(cell).removeprefix("'") for cell in row] for row in rows
    ]
    assert not [cell for row in read for cell in row if cell.lstrip().startswith(tuple("=+-@＝＋－＠"))]


def test_numbers_of_a_sheet_stay_numbers_and_text_may_stay_as_it_is() -> None:
    assert sheet.render(["n"], [[-5], [1.5], [None]]) == '\ufeff"n"\r\n"-5"\r\n"1.5"\r\n""\r\n'
    assert sheet.render(["n"], [["=A1"]], neutral=False).endswith('"=A1"\r\n')


@given(TEXT, TEXT, TEXT)
def test_a_calendar_says_what_was_said_and_holds_only_tasks(what: str, owner: str, details: str) -> None:
    task = calendar.Task("item-1", what, owner, date(2026, 3, 17), "done", details)
    read = Calendar.from_ical(calendar.render([task], name=what, stamp=STAMP).decode("utf-8"))
    assert [part.name for part in read.walk()] == ["VCALENDAR", "VTODO"]
    todo = read.walk("VTODO")[0]
    assert set(todo) <= set("UID DTSTAMP SUMMARY STATUS CONTACT DUE PERCENT-COMPLETE DESCRIPTION".split())
    assert squeezed(str(todo["SUMMARY"])).endswith(squeezed(one_line(what)))
    assert todo.decoded("DUE") == date(2026, 3, 17)


def test_documents_are_tidied_before_they_are_written() -> None:
    document = tidy(everything("a\x00b\ud800c\u202ed\ne"))
    assert document.title == "a b\ufffdcd e"
    row = document.blocks[3].rows[0]  # type: ignore[union-attr]
    assert row.anchor == "a-b-c-d-e"
