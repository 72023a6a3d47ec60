"""Documents become passages with their page and section; what is broken, locked or a bomb becomes a sentence."""

from __future__ import annotations

import io
import resource
import zipfile
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import docx
import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import documents, markup, parser
from retrieval.documents import LONGEST, Source, read, sentences
from retrieval.passage import ShelfError

SAMPLES = Path(__file__).parents[1] / "samples/docs"


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def places(source: Source) -> list[tuple[int | None, int | None, str]]:
    return [(p.page, p.number, p.text.split("\n")[0][:30]) for p in source.passages]


def test_markdown_sections() -> None:
    source = read(SAMPLES / "survey-report.md")
    assert [(p.page, p.number, p.section) for p in source.passages[1:]] == [
        (None, 1, "1. Who answered"),
        (None, 2, "2. Battery and charging"),
        (None, 3, "3. Buttons and other complaints"),
        (None, 4, "4. Speaking instead of pressing"),
    ]
    assert "The buttons are too small | 160 | 40" in source.passages[3].text
    assert len(source.sha256) == 64


def test_pdf_pages_and_sections_without_foot_lines() -> None:
    source = read(SAMPLES / "budget.pdf")
    assert [(p.page, p.number) for p in source.passages] == [(1, None), (1, 1), (1, 2), (2, 3), (2, 4)]
    assert "Page 1 of 2" not in "".join(p.text for p in source.passages)
    assert source.passages[2].text.startswith("There are fifteen thousand euros for the launch: four thousand")


def test_word_sections_and_tables() -> None:
    source = read(SAMPLES / "test-plan.docx")
    assert [p.number for p in source.passages[1:]] == [1, 2, 3, 4, 5]
    assert "Drop test | 10 | 1 day | Our lab" in source.passages[2].text


def test_html_shows_what_a_browser_shows(tmp_path: Path) -> None:
    page = """<html><head><title>x</title><script>var secret = 1</script></head><body><h2>1. One &amp; only</h2>
        <p>Hello <b>wor</b>ld</p><style>p {}</style><table><tr><td>a</td><td>b</td></tr></table><h2>Two</h2><div>end"""
    source = read(written(tmp_path, "page.html", page))
    assert [(p.number, p.section, p.text) for p in source.passages] == [
        (1, "1. One & only", "Hello world\na | b"),
        (2, "Two", "end"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_in_common_encodings(tmp_path: Path, encoding: str) -> None:
    source = read(written(tmp_path, "note.txt", "1. Käse\n\nGrüße aus Köln – schön.".encode(encoding)))
    assert places(source) == [(None, 1, "Grüße aus Köln – schön.")]


def test_other_scripts(tmp_path: Path) -> None:
    text = "# 議事録\n\n## 2. 予算\n\n充電器は六ユーロです。電池は四ユーロです。\n\n"
    text += "## 3. Κόστος\n\nΟ φορτιστής κοστίζει έξι ευρώ."
    source = read(written(tmp_path, "日本語 ελ.md", text))
    assert [p.number for p in source.passages] == [2, 3]
    first = source.passages[0].text
    assert [first[a:b] for a, b in sentences(first)] == ["充電器は六ユーロです。", "電池は四ユーロです。"]


def test_long_blocks_are_cut_between_sentences(tmp_path: Path) -> None:
    source = read(written(tmp_path, "long.txt", "The battery lasts long. " * 200 + "\n\n" + "x" * 5_000))
    assert all(len(p.text) <= LONGEST for p in source.passages)
    assert source.passages[0].text.endswith("long.")
    assert sum(p.text.count("battery") for p in source.passages) == 200
    assert sum(p.text.count("x") for p in source.passages) == 5_000


@given(st.text(max_size=2_000))
@settings(max_examples=60, deadline=None)
def test_passages_follow_each_other_and_hold_sentences(text: str) -> None:
    for reader in markup.READERS.values():
        passages = list(documents._passages(reader(text), "d", "0"))
        assert all(a.stop <= b.start for a, b in pairwise(passages))
        assert all(p.stop - p.start == len(p.text) for p in passages)
        for p in passages:
            spans = list(sentences(p.text))
            assert spans == sorted(spans)
            assert "".join(p.text[a:b] for a, b in spans).split() == p.text.split() or len(spans) > 1
            p.text.encode("utf-8")


def test_markup_that_tries_to_be_slow_is_read_in_time(tmp_path: Path) -> None:
    for name, text in {
        "a.html": "<div>" * 200_000 + "end",
        "b.html": "<script>" * 50_000,
        "c.html": "<" * 300_000,
        "d.md": "[" * 100_000,
        "e.md": "*" * 200_000 + "a",
        "f.md": "<a " * 50_000,
        "g.txt": "1." * 200_000,
        "h.md": "| " * 200_000,
    }.items():
        with suppress(ShelfError):  # that it holds no text
            read(written(tmp_path, name, text))


def bomb(ratio: int) -> bytes:
    packed = io.BytesIO()
    docx.Document().save(packed)
    out = io.BytesIO()
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for item in source.infolist():
            content = source.read(item)
            if item.filename == "word/document.xml":
                content = content.replace(b"<w:sectPr", b"<w:p><w:r><w:t>a</w:t></w:r></w:p>" * ratio + b"<w:sectPr", 1)
            target.writestr(item.filename, content)
    return out.getvalue()


def test_a_word_bomb_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    with pytest.raises(ShelfError, match="unpacks to far more than its size"):
        read(written(tmp_path, "bomb.docx", bomb(1_000_000)))


def test_what_outgrows_its_process_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "MOST_RATIO", 10**9)
    monkeypatch.setattr(parser, "MOST_UNPACKED", 10**9)
    monkeypatch.setattr(parser, "MOST_MEMORY", 200 * 1024**2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ShelfError, match=r"too much memory|damaged"):
        read(written(tmp_path, "bomb.docx", bomb(1_000_000)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KB: the bomb went off elsewhere


def test_what_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "MOST_TIME_S", 0.05)
    with pytest.raises(ShelfError, match="takes longer"):
        read(SAMPLES / "budget.pdf")


def locked() -> bytes:
    writer = pypdf.PdfWriter(clone_from=SAMPLES / "budget.pdf")
    writer.encrypt("secret", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def blank(pages: int) -> bytes:
    writer = pypdf.PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(100, 100)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.pdf", b"%PDF-1.7 nothing", "damaged or no pdf"),
        ("b.docx", b"PK\x03\x04 nothing", "damaged or no docx"),
        ("c.docx", (SAMPLES / "test-plan.docx").read_bytes()[:20_000], "damaged or no docx"),
        ("d.pdf", locked(), "locked by a password"),
        ("e.pdf", blank(2), "holds no text"),
        ("f.md", b"", "holds no text"),
        ("g.txt", b"\x00\x01\x02" * 1000, "is not text"),
        ("h.exe", b"MZ", "no document that can be shelved"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    with pytest.raises(ShelfError, match=why):
        read(written(tmp_path, name, content))


def test_too_many_pages_too_large_and_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST_BYTES", 100)
    with pytest.raises(ShelfError, match="more than the"):
        read(written(tmp_path, "large.txt", "a" * 200))
    with pytest.raises(ShelfError, match="is no file"):
        read(tmp_path / "missing.md")


@given(st.data())
@settings(max_examples=6, deadline=None)
def test_damaged_files_never_do_more_than_fail(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["pdf", "docx"]))
    content = bytearray((SAMPLES / ("budget.pdf" if kind == "pdf" else "test-plan.docx")).read_bytes())
    for _ in range(data.draw(st.integers(1, 30))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ShelfError):
        assert all(isinstance(block.text, str) for block in parser.parse(bytes(content), kind))
