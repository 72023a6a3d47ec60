"""All passages: SQLite holds them with their vectors, FAISS finds near ones; files that did not change cost nothing."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from retrieval import documents
from retrieval.embed import Embedded, Embedder
from retrieval.index import DamagedIndexError, Index
from retrieval.passage import Passage, ShelfError
from retrieval.words import index_text

Result = TypeVar("Result")
_TABLES = (
    "create table document (id integer primary key, path text unique, kind text, sha256 text, mark text, trouble text)",
    """create table passage (id integer primary key, document integer references document on delete cascade, text text,
        start integer, stop integer, section text, number integer, page integer, lines text, at_s real,
        terms text, vector blob)""",
    "create index passage_document on passage (document)",
    "create virtual table words using fts5 (terms, content=passage, content_rowid=id, tokenize='unicode61')",
    "create virtual table vocabulary using fts5vocab (words, row)",
    """create trigger passage_added after insert on passage begin
        insert into words (rowid, terms) values (new.id, new.terms); end""",
    """create trigger passage_removed after delete on passage begin
        insert into words (words, rowid, terms) values ('delete', old.id, old.terms); end""",
    "create table state (model text, version integer)",
)
_VERSION = 1
_COLUMNS = "path, sha256, text, start, stop, section, number, page, lines, at_s"
_NOT_DAMAGE = {"SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_CANTOPEN"}


@dataclass(frozen=True)
class Shelved:
    """A document on the shelf, or one that could not be put there."""

    path: str
    kind: str  # "document" or "meeting"
    passages: int
    trouble: str = ""  # why it could not be read


class Shelf:
    """What lies under `folder`. Each method may be called from any thread; all raise ShelfError."""

    def __init__(self, folder: Path, embedder: Embedder | None = None) -> None:
        self.folder, self.embedder = folder, embedder or Embedded()
        self._file, self._index_file = folder / "shelf.sqlite", folder / "shelf.faiss"
        self._places_file = folder / "places.json"
        self._index: tuple[str, Index] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ShelfError(f"the shelf {folder} cannot be made ({error.strerror}); set library.home anew") from error

    def places(self) -> list[str]:
        """The files and folders that were shelved; from them the shelf can always be made again."""
        try:
            return [str(place) for place in json.loads(self._places_file.read_text(encoding="utf-8"))]
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise ShelfError(f"{self._places_file} is damaged; remove it and shelve your documents again") from error

    def set_places(self, places: Iterable[str]) -> None:
        """Replaces them in one step."""
        part = self._places_file.with_suffix(".part")
        try:
            part.write_text(json.dumps(sorted(set(places)), ensure_ascii=True, indent=1), encoding="utf-8")
            part.replace(self._places_file)
        except OSError as error:
            raise ShelfError(f"{self._places_file} cannot be written ({error.strerror}); make room there") from error

    def sync(self, also: Sequence[Path] = ()) -> list[Shelved]:
        """Brings the documents up to date with the disk; returns those that changed or could not be read."""
        self.with_db(lambda db: None)  # one that was damaged is empty from here on
        there = {str(path): path for place in [*self.places(), *map(str, also)] for path in _files(Path(place))}
        marks = dict(self.with_db(_document_marks))
        for gone in marks.keys() - there.keys():
            self.drop(gone)
        changed = []
        for name, path in there.items():
            mark = _mark(path)
            if marks.get(name) != mark:
                changed.append(self._read(path, mark))
        return changed

    def put(self, path: str, passages: Sequence[Passage], *, kind: str, mark: str, trouble: str = "") -> Shelved:
        """Puts a document in the place of what was known of it; `mark` changes when it does."""
        texts = [f"{passage.section}\n{passage.text}" for passage in passages]
        vectors = self.embedder(texts) if texts else np.zeros((0, self.embedder.dimensions), np.float32)
        rows = [
            _row(p, text, vector.astype(np.float16)) for p, text, vector in zip(passages, texts, vectors, strict=True)
        ]
        digest = passages[0].sha256 if passages else ""

        def work(db: sqlite3.Connection) -> None:
            db.execute("delete from document where path = ?", (_storable(path),))
            values = (_storable(path), kind, digest, mark, _storable(trouble))
            added = db.execute(
                "insert into document (path, kind, sha256, mark, trouble) values (?, ?, ?, ?, ?)", values
            )
            db.executemany(
                f"insert into passage values (null, {added.lastrowid}, {', '.join('?' * 10)})",
                rows,
            )
            db.execute("update state set version = version + 1")

        self.with_db(work)
        return Shelved(path, kind, len(passages), trouble)

    def drop(self, path: str) -> None:
        """Forgets a document; its words are overwritten in the file."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("delete from document where path = ?", (_storable(path),))
            db.execute("insert into words (words) values ('optimize')")
            db.execute("update state set version = version + 1")
            db.commit()
            db.execute("vacuum")

        self.with_db(work)
        self._index_file.unlink(missing_ok=True)

    def marks(self, kind: str) -> dict[str, str]:
        """Path to mark of all of a kind."""
        query = "select path, mark from document where kind = ?"
        return dict(self.with_db(lambda db: db.execute(query, (kind,)).fetchall()))

    def shelved(self) -> list[Shelved]:
        """All that is on the shelf, by path."""
        query = """select path, kind, (select count(*) from passage where document = document.id), trouble
            from document order by kind, path"""
        return [Shelved(*row) for row in self.with_db(lambda db: db.execute(query).fetchall())]

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        """By their number on the shelf."""
        marks = ", ".join("?" * len(ids))
        query = f"select passage.id, {_COLUMNS} from passage join document on document = document.id"
        rows = self.with_db(lambda db: db.execute(f"{query} where passage.id in ({marks})", ids).fetchall())
        return {row[0]: _passage(row[1:]) for row in rows}

    def passages_of(self, path: str) -> list[Passage]:
        """Those of one document, in order."""
        query = f"select {_COLUMNS} from passage join document on document = document.id where path = ? order by start"
        return [_passage(row) for row in self.with_db(lambda db: db.execute(query, (_storable(path),)).fetchall())]

    def all_passages(self, kind: str = "document") -> Iterator[tuple[int, Passage]]:
        """Every passage of a kind with its number."""
        query = f"select passage.id, {_COLUMNS} from passage join document on document = document.id where kind = ?"
        for row in self.with_db(lambda db: db.execute(query, (kind,)).fetchall()):
            yield row[0], _passage(row[1:])

    def near(self, vector: np.ndarray[tuple[int], np.dtype[np.float32]], most: int) -> list[tuple[int, float]]:
        """Numbers of the passages nearest in meaning, with their cosines."""
        return self._up_to_date().search(vector, most)

    def with_db(self, work: Callable[[sqlite3.Connection], Result], *, again: bool = False) -> Result:
        """`work` on the database; one that is damaged, of another version or another model is made again, once."""
        try:
            with closing(sqlite3.connect(self._file, timeout=30, isolation_level="IMMEDIATE")) as db, db:
                self._prepare(db)
                return work(db)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            name = getattr(error, "sqlite_errorname", "SQLITE_CORRUPT") or "SQLITE_CORRUPT"
            if again or any(name.startswith(known) for known in _NOT_DAMAGE):
                raise ShelfError(f"the shelf {self._file} cannot be used ({name}); check the disk") from error
        for suffix in ("", "-journal", "-wal", "-shm"):  # the last two are of earlier versions
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
        return self.with_db(work, again=True)

    def _prepare(self, db: sqlite3.Connection) -> None:
        for setting in ("journal_mode = delete", "synchronous = normal", "foreign_keys = on", "secure_delete = on"):
            db.execute(f"pragma {setting}")
        version = int(db.execute("pragma user_version").fetchone()[0])
        if version == _VERSION and db.execute("select model from state").fetchone()[0] == self.embedder.name:
            return
        if version:
            raise sqlite3.DatabaseError("it was made by another version or with another model")
        db.execute("begin immediate")
        if not db.execute("pragma user_version").fetchone()[0]:
            for statement in _TABLES:
                db.execute(statement)
            db.execute("insert into state values (?, 0)", (self.embedder.name,))
            db.execute(f"pragma user_version = {_VERSION}")
        db.commit()

    def _read(self, path: Path, mark: str) -> Shelved:
        try:
            passages, trouble = documents.read(path).passages, ""
        except ShelfError as error:
            passages, trouble = (), str(error)
        return self.put(str(path), passages, kind="document", mark=mark, trouble=trouble)

    def _up_to_date(self) -> Index:
        """The index of what is on the shelf now: the one at hand, that of the file, or made again from the vectors."""
        version = self.with_db(lambda db: db.execute("select version from state").fetchone()[0])
        label = f"{self.embedder.name} {version} {self._file.stat().st_ino}"
        if self._index and self._index[0] == label:
            return self._index[1]
        try:
            index = Index.load(self._index_file, label, self.embedder.dimensions)
        except DamagedIndexError:
            index = self._made_again()
            try:
                index.save(self._index_file, label)
            except OSError as error:
                raise ShelfError(f"{self._index_file} cannot be written ({error.strerror}); make room there") from error
        self._index = (label, index)
        return index

    def _made_again(self) -> Index:
        rows = self.with_db(lambda db: db.execute("select id, vector from passage order by id").fetchall())
        index = Index(self.embedder.dimensions)
        stored = np.frombuffer(b"".join(row[1] for row in rows), np.float16)
        vectors = stored.reshape(len(rows), self.embedder.dimensions)
        if rows:
            index.add(np.array([row[0] for row in rows], np.int64), vectors.astype(np.float32))
        return index


def _files(place: Path) -> Iterator[Path]:
    """The file itself, or all below a folder whose ending we read; hidden ones and links out of it are passed over."""
    if place.is_file():
        yield place
    for at, folders, names in os.walk(place):
        folders[:] = [folder for folder in folders if not folder.startswith(".")]
        paths = (Path(at, name) for name in sorted(names) if not name.startswith("."))
        yield from (path for path in paths if documents.readable(path) and path.is_file() and not path.is_symlink())


def _mark(path: Path) -> str:
    try:
        state = path.stat()
    except OSError:
        return "gone"
    return f"{state.st_size} {state.st_mtime_ns}"


def _document_marks(db: sqlite3.Connection) -> list[tuple[str, str]]:
    return db.execute("select path, mark from document where kind = 'document'").fetchall()


def _row(passage: Passage, text: str, vector: np.ndarray[tuple[int], np.dtype[np.float16]]) -> tuple[object, ...]:
    p = passage
    lines = json.dumps(p.lines) if p.lines else ""
    known = (_storable(p.text), p.start, p.stop, _storable(p.section), p.number, p.page, lines, p.at_s)
    return (*known, index_text(text), vector.tobytes())


def _passage(row: Sequence[object]) -> Passage:
    path, digest, text, start, stop, section, number, page, lines, at_s = row
    ids = tuple(json.loads(str(lines))) if lines else ()
    return Passage(path, digest, text, start, stop, section, number, page, ids, at_s)  # type: ignore[arg-type]


def _storable(text: str) -> str:
    """What SQLite takes: no lone surrogates (bytes of a file name that is not UTF-8) and no NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", " ")
