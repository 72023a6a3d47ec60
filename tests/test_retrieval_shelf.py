"""The shelf follows its files, finds by word and by meaning, and mends itself when it is damaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import documents, embed
from retrieval import index as indexes
from retrieval.embed import Embedded, Vectors
from retrieval.index import DamagedIndexError, Index
from retrieval.passage import ShelfError
from retrieval.search import SURE, quoted, search
from retrieval.shelf import Shelf

SAMPLES = Path(__file__).parents[1] / "samples/docs"


class Letters:
    """A stand-in for a model: counts of letters."""

    name = "letters"
    dimensions = 26

    def __call__(self, texts: Sequence[str]) -> Vectors:
        counts = np.array([[t.lower().count(chr(97 + i)) for i in range(26)] for t in texts], np.float32).reshape(
            -1, 26
        )
        lengths = np.linalg.norm(counts, axis=1, keepdims=True)
        unit: Vectors = counts / np.maximum(lengths, np.float32(1e-9))
        return unit


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "plan.md").write_text(
        "## 1. Power\n\nThe battery lasts ninety days.\n\n## 2. Case\n\nThe case is made of rubber.\n"
    )
    (folder / "note.txt").write_text("The launch is on the fifteenth of June.")
    return folder


@pytest.fixture
def shelf(tmp_path: Path, docs: Path) -> Shelf:
    shelf = Shelf(tmp_path / "shelf", Letters())
    shelf.set_places([str(docs)])
    shelf.sync()
    return shelf


def found(shelf: Shelf, question: str) -> list[str]:
    return [hit.passage.text for hit in search(shelf, question)]


def test_files_that_did_not_change_are_not_read(shelf: Shelf, docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    real = documents.read

    def noted(path: Path) -> documents.Source:
        read.append(path)
        return real(path)

    monkeypatch.setattr(documents, "read", noted)
    assert shelf.sync() == []
    assert read == []
    (docs / "note.txt").write_text("The launch is on the first of July.")
    (docs / "plan.md").unlink()
    (docs / "new.md").write_text("The charger costs six euros.")
    changed = shelf.sync()
    assert sorted(Path(d.path).name for d in changed) == ["new.md", "note.txt"]
    assert sorted(path.name for path in read) == ["new.md", "note.txt"]
    assert sorted(Path(d.path).name for d in shelf.shelved()) == ["new.md", "note.txt"]
    assert found(shelf, "launch July")[0] == "The launch is on the first of July."
    assert not [text for text in found(shelf, "rubber case") if "rubber" in text]


def test_what_cannot_be_read_is_told_once_and_again_when_it_changes(shelf: Shelf, docs: Path) -> None:
    (docs / "bad.pdf").write_bytes(b"no pdf")
    (failed,) = shelf.sync()
    assert "damaged or no pdf" in failed.trouble
    assert shelf.sync() == []
    assert [d.trouble for d in shelf.shelved() if d.trouble] == [failed.trouble]


def test_another_shelf_object_finds_the_same(shelf: Shelf) -> None:
    assert found(Shelf(shelf.folder, Letters()), "battery") == found(shelf, "battery")


def test_a_dropped_document_leaves_no_trace(shelf: Shelf, docs: Path) -> None:
    search(shelf, "battery")
    shelf.drop(str(docs / "plan.md"))
    files = [path.read_bytes() for path in shelf.folder.iterdir()]
    assert not [content for content in files if b"ninety" in content or b"rubber" in content]


def test_an_empty_shelf_answers_nothing(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "empty", Letters())
    assert search(shelf, "anything") == []
    assert shelf.sync() == []
    assert search(shelf, "") == []


def test_a_damaged_index_is_made_again_whatever_byte_is_wrong(shelf: Shelf) -> None:
    wanted = found(shelf, "battery")
    file = shelf.folder / "shelf.faiss"
    sound = file.read_bytes()
    for at in np.random.default_rng(0).integers(0, len(sound), 60).tolist():
        damaged = bytearray(sound)
        damaged[at] ^= 1 << (at % 8)
        file.write_bytes(damaged)
        with pytest.raises(DamagedIndexError):
            Index.load(file, sound.split(b"\n")[2].decode(), 26)
        assert found(Shelf(shelf.folder, Letters()), "battery") == wanted
        assert file.read_bytes() == sound
    for content in (b"", b"x", sound[:-1], sound + b"x", sound[:40]):
        file.write_bytes(content)
        assert found(Shelf(shelf.folder, Letters()), "battery") == wanted


@pytest.mark.parametrize("damage", ["truncated", "zeros", "text"])
def test_a_damaged_database_is_made_again_from_the_files(shelf: Shelf, damage: str) -> None:
    wanted = found(shelf, "battery")
    file = shelf.folder / "shelf.sqlite"
    content = file.read_bytes()
    file.write_bytes({"truncated": content[:5_000], "zeros": bytes(len(content)), "text": b"hello"}[damage])
    again = Shelf(shelf.folder, Letters())
    again.sync()
    assert found(again, "battery") == wanted


def test_another_model_reads_all_anew(shelf: Shelf, tmp_path: Path) -> None:
    other = Shelf(shelf.folder, Embedded())
    assert len(other.sync()) == 2
    assert found(other, "How long does the battery last?")[0] == "The battery lasts ninety days."


def test_meaning_finds_what_shares_no_word(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "## A\n\nThe price is too high.\n\n## B\n\nThe weather was sunny.\n\n## C\n\nAnna went home."
    )
    shelf = Shelf(tmp_path / "shelf")
    shelf.sync([tmp_path / "a.md"])
    assert found(shelf, "expensive costs")[0] == "The price is too high."


def test_sure_answers_and_nothing_found() -> None:
    shelf_of_samples = _samples()
    (hit, *_) = search(shelf_of_samples, "What does the circuit board cost?")
    assert hit.score >= SURE
    assert (hit.passage.name, hit.passage.page) == ("budget.pdf", 2)
    assert quoted(shelf_of_samples, "What does the circuit board cost?", hit).quote == "Circuit board 5.10"
    assert not [h for h in search(shelf_of_samples, "Why did the Roman empire fall?") if h.score >= SURE]


_MADE: list[Shelf] = []


def _samples() -> Shelf:
    """The sample's documents on a shelf, made once."""
    if not _MADE:
        import tempfile

        shelf = Shelf(Path(tempfile.mkdtemp(prefix="shelf-")))
        shelf.sync([SAMPLES])
        _MADE.append(shelf)
    return _MADE[0]


@given(st.text(max_size=60))
@settings(max_examples=80, deadline=None)
def test_any_question_is_only_a_question(question: str) -> None:
    hits = search(_samples(), question)
    assert all(0 <= hit.score <= 1 for hit in hits)
    assert all(quoted(_samples(), question, hit).quote in hit.passage.text for hit in hits[:1])


@pytest.mark.parametrize(
    "question",
    ['"', "battery OR 1", "NEAR(a b)", "terms:battery", "* ^ -battery", "'; drop table passage; --", "\0\ud800"],
)
def test_operators_mean_nothing(question: str) -> None:
    search(_samples(), question)
    assert len(_samples().shelved()) == 3


def test_questions_in_other_scripts(tmp_path: Path) -> None:
    text = "## 1. 予算\n\n充電器は六ユーロです。\n\n## 2. 電池\n\n電池は長持ちします。\n\n"
    text += "## 3. Κόστος\n\nΟ φορτιστής κοστίζει έξι ευρώ.\n"
    (tmp_path / "a.md").write_text(text, "utf-8")
    shelf = Shelf(tmp_path / "shelf")
    shelf.sync([tmp_path / "a.md"])
    assert found(shelf, "充電器はいくらですか")[0] == "充電器は六ユーロです。"
    assert found(shelf, "πόσο κοστίζει ο ΦΟΡΤΙΣΤΉΣ")[0] == "Ο φορτιστής κοστίζει έξι ευρώ."


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_an_exact_index_is_exact_and_forgets(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = rng.permutation(10 * count)[:count].astype(np.int64) + 1
    index = Index(8)
    index.add(ids, vectors)
    gone = ids[: count // 2]
    index.remove(np.concatenate([gone, [10**9]]).astype(np.int64))
    rest = {int(i): float(v @ vectors[0]) for i, v in zip(ids[count // 2 :], vectors[count // 2 :], strict=True)}
    hits = index.search(vectors[0], 100)
    assert [i for i, _ in hits] == sorted(rest, key=lambda i: -rest[i])
    assert -1 not in dict(hits)


def test_many_vectors_go_into_cells_and_are_still_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(indexes, "EXACT_UP_TO", 1_000)
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(3_000, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = np.arange(1, 3_001)
    index = Index(16)
    index.add(ids[:900], vectors[:900])
    index.add(ids[900:], vectors[900:])
    assert len(index) == 3_000
    assert all(index.search(vectors[i], 1)[0][0] == i + 1 for i in range(0, 3_000, 37))
    index.remove(ids[:10])
    assert index.search(vectors[3], 1)[0][0] != 4
    index.save(tmp_path / "i", "label")
    again = Index.load(tmp_path / "i", "label", 16)
    assert again.search(vectors[50], 3) == index.search(vectors[50], 3)
    with pytest.raises(DamagedIndexError):
        Index.load(tmp_path / "i", "another", 16)


def test_vectors_have_length_one_or_none() -> None:
    vectors = Embedded()(["The battery lasts.", "", "\0", "日本語", "x" * 10_000])
    assert vectors.dtype == np.float32
    assert all(abs(length) < 1e-5 or abs(length - 1) < 1e-5 for length in np.linalg.norm(vectors, axis=1))
    assert np.array_equal(Embedded()(["a b", "c"])[1], Embedded()(["c"])[0])


def test_a_model_that_cannot_be_had_says_so(tmp_path: Path) -> None:
    assert embed.load("embedded").name == Embedded.name
    with pytest.raises(ShelfError, match="nothing may be downloaded"):
        embed.load("all-MiniLM-L6-v2")
    with pytest.raises(ShelfError, match="cannot be loaded"):
        embed.load(str(tmp_path))
    (tmp_path / "vectors.npz").write_bytes(b"broken")
    with pytest.raises(ShelfError, match="damaged"):
        Embedded(tmp_path)(["a"])
