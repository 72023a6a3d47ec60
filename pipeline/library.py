"""All meetings: a folder of journals, and a SQLite index that is made from them and can always be made again."""

from __future__ import annotations

import re
import secrets
import shutil
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import astuple, dataclass, fields, replace
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from pipeline.events import Concluded, Event, Opened, PipelineError
from pipeline.journal import JOURNAL, Journal, lock, read
from pipeline.transcript import Transcript

MEETINGS = "meetings"  # in the library's home, a folder each
MATCH_START, MATCH_END = "\x02", "\x03"  # around each match in a Mention's snippet
Result = TypeVar("Result")

_MIGRATIONS: tuple[tuple[str, ...], ...] = (  # an index at PRAGMA user_version n has seen the first n of them
    (
        """create table meeting (
            id text primary key, title text, began text, language text, duration_s real, source text,
            audio_sha256 text, settings_sha256 text, engine text, model text,
            finished integer, utterances integer, suppressed integer,
            began_unix_s real, journal_bytes integer, journal_mtime_ns integer)""",
        "create index meeting_audio on meeting (audio_sha256, settings_sha256)",
        """create table utterance (
            row integer primary key, meeting text references meeting on delete cascade,
            id text, start_s real, text text)""",
        "create index utterance_meeting on utterance (meeting)",
        """create virtual table words using fts5 (
            text, content=utterance, content_rowid=row, tokenize='unicode61 remove_diacritics 2')""",
        """create trigger utterance_added after insert on utterance begin
            insert into words (rowid, text) values (new.row, new.text); end""",
        """create trigger utterance_removed after delete on utterance begin
            insert into words (words, rowid, text) values ('delete', old.row, old.text); end""",
    ),
)
# What a new index does not cure: the file or disk refuses, or another process holds it too long.
_NOT_DAMAGE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
}


@dataclass(frozen=True)
class Meeting:
    """What the index tells of one meeting."""

    id: str  # the name of its folder
    title: str
    began: str  # ISO 8601 with offset
    language: str
    duration_s: float  # audio heard, in seconds
    source: str
    audio_sha256: str
    settings_sha256: str
    engine: str
    model: str
    finished: bool  # False: it still runs, or it was cut off and can be resumed
    utterances: int  # shown ones
    suppressed: int


@dataclass(frozen=True)
class Mention:
    """An utterance in which the words of a search stand."""

    meeting: str
    title: str
    utterance_id: str
    start_s: float
    snippet: str  # matches between MATCH_START and MATCH_END


class Library:
    """The meetings under `home`. Every question first brings the index up to date with the journals.

    All methods raise PipelineError where the disk or the index fails beyond repair.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._folders = home / MEETINGS
        self._index = home / "index.sqlite"
        try:
            for folder in (home, self._folders):  # each by itself: the mode is not that of parents made on the way
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise PipelineError(
                f"the library folder {home} cannot be made ({error.strerror}); set library.home to one you may write"
            ) from error

    def open_or_resume(self, opened: Opened) -> Journal:
        """The journal of the unfinished meeting with the same audio and settings, or that of a new one.

        Its `resume_point` says where to go on; a new meeting's is the beginning.
        """
        unfinished = [m for m in self._same(opened.audio_sha256, opened.settings_sha256) if not m.finished]
        return Journal(self.folder(unfinished[0])) if unfinished else self.create(opened)

    def create(self, opened: Opened) -> Journal:
        """A new meeting whose journal begins with `opened`; the library chooses the name in it."""
        folder = self._new_folder(opened)
        journal = Journal(folder)
        try:
            journal.append(replace(opened, meeting=folder.name))
        except PipelineError:
            journal.close()
            raise
        return journal

    def find(self, audio_sha256: str, settings_sha256: str) -> Meeting | None:
        """The newest meeting made from this audio with these settings; a finished one before an unfinished one."""
        return next(iter(sorted(self._same(audio_sha256, settings_sha256), key=lambda m: not m.finished)), None)

    def meetings(self) -> list[Meeting]:
        """All meetings, the newest first; of those that began at the same moment the one written to last."""
        return self._select("true", ())

    def meeting(self, key: str) -> Meeting:
        """The meeting with this id, the only one with this in its id, or the newest for "latest"."""
        known = {meeting.id: meeting for meeting in self.meetings()}
        if not known:
            raise PipelineError("there is no meeting yet; `rapporteur transcribe FILE` makes one")
        if key == "latest":
            return next(iter(known.values()))
        fitting = [key] if key in known else [id for id in known if key and key in id]
        if len(fitting) == 1:
            return known[fitting[0]]
        if fitting:
            raise PipelineError(
                f'"{key}" fits {len(fitting)} meetings, such as {", ".join(fitting[:3])}; give more of the name'
            )
        near = get_close_matches(key, known, n=3, cutoff=0.3)
        advice = f"did you mean {' or '.join(near)}?" if near else "`rapporteur meetings` lists all"
        raise PipelineError(f'there is no meeting "{key}"; {advice}')

    def folder(self, meeting: Meeting) -> Path:
        """Where the meeting's journal and, if it was recorded, its audio lie."""
        return self._folders / meeting.id

    def events(self, meeting: Meeting) -> Iterator[Event]:
        """All that its journal says."""
        return read(self.folder(meeting) / JOURNAL)

    def search(self, text: str, limit: int = 50) -> list[Mention]:
        """Shown utterances that hold all words of `text`, in any order; the best match first."""
        words = _storable(text).split()
        if not words:
            return []
        query = " ".join('"' + word.replace('"', '""') + '"' for word in words)  # quoted: no word is an operator
        columns = "meeting.id, title, utterance.id, start_s"
        joined = "join meeting on meeting.id = utterance.meeting"
        rows = self._with_index(
            lambda db: db.execute(
                f"""select {columns}, snippet(words, 0, ?, ?, '…', 16)
                from words join utterance on row = words.rowid {joined}
                where words match ? order by rank limit ?""",
                (MATCH_START, MATCH_END, query, limit),
            ).fetchall()
        )
        if not rows and not text.isascii():  # scripts without blanks between words: the index holds whole sentences
            marked = f"replace(text, ?, '{MATCH_START}' || ? || '{MATCH_END}')"
            found = f"select {columns}, {marked} from utterance {joined} where instr(text, ?) order by began limit ?"
            words = [_storable(text).strip()]
            rows = self._with_index(lambda db: db.execute(found, (*words * 3, limit)).fetchall())
        return [Mention(*row) for row in rows]

    def delete(self, meeting: Meeting) -> None:
        """Removes the meeting's folder and every trace of it in the index."""
        folder = self.folder(meeting)
        if meeting.id not in dict(_journals(self._folders)):
            raise PipelineError(f'there is no meeting "{meeting.id}"; `rapporteur meetings` lists all')
        lock(folder).close()  # refuses while it is being written
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise PipelineError(f"{folder} could not be removed ({error.strerror}); remove it by hand") from error
        self._with_index(_wipe)

    def reindex(self) -> int:
        """Makes the index again from the journals alone; returns the number of meetings."""
        self._drop_index()
        return len(self.meetings())

    def _new_folder(self, opened: Opened) -> Path:
        day = datetime.fromisoformat(opened.began).date()
        while True:
            folder = self._folders / f"{day}-{slug(opened.title)}-{secrets.token_hex(2)}"
            try:
                folder.mkdir(mode=0o700)
            except FileExistsError:
                continue
            except OSError as error:
                raise PipelineError(f"{folder} cannot be made ({error.strerror}); make room or give access") from error
            return folder

    def _same(self, audio_sha256: str, settings_sha256: str) -> list[Meeting]:
        """Newest first; none for live audio, which has no hash."""
        where = "audio_sha256 = ? and settings_sha256 = ? and audio_sha256 != ''"
        return self._select(where, (audio_sha256, settings_sha256))

    def _select(self, where: str, values: tuple[str, ...]) -> list[Meeting]:
        columns = ", ".join(field.name for field in fields(Meeting))
        query = (
            f"select {columns} from meeting where {where} order by began_unix_s desc, journal_mtime_ns desc, id desc"
        )
        rows = self._with_index(lambda db: [dict(row) for row in db.execute(query, values)])
        return [Meeting(**{**row, "finished": bool(row["finished"])}) for row in rows]

    def _with_index(self, work: Callable[[sqlite3.Connection], Result], *, made_again: bool = False) -> Result:
        """`work` on an index that is up to date; one that is damaged or of a later version is made again, once."""
        with suppress(OSError):  # it is there, or SQLite says what is wrong
            self._index.touch(mode=0o600, exist_ok=False)  # all that was said stands in it
        try:
            with closing(sqlite3.connect(self._index, timeout=30)) as db, db:
                _prepare(db)  # from here on we are alone, so that no stale journal is indexed after its deletion
                self._refresh(db)
                return work(db)
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the second: a message that quotes damaged bytes
            reason = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            if made_again or reason in _NOT_DAMAGE:
                raise PipelineError(
                    f"the index {self._index} cannot be used ({error}); check the disk, then run `rapporteur reindex`"
                ) from error
        self._drop_index()
        return self._with_index(work, made_again=True)

    def _drop_index(self) -> None:
        try:
            for suffix in ("", "-journal", "-wal", "-shm"):  # the last two of earlier versions
                self._index.with_name(self._index.name + suffix).unlink(missing_ok=True)
        except OSError as error:
            raise PipelineError(f"the index {self._index} cannot be removed ({error.strerror}); remove it") from error

    def _refresh(self, db: sqlite3.Connection) -> None:
        """Indexes the journals that changed since they were indexed, and forgets those that are gone."""
        there = dict(_journals(self._folders))
        rows = db.execute("select id, journal_bytes, journal_mtime_ns from meeting")
        known = {name: (size, mtime_ns) for name, size, mtime_ns in rows}
        for name in known.keys() - there.keys():
            db.execute("delete from meeting where id = ?", (name,))
        for name, mark in there.items():
            if known.get(name) == mark:
                continue
            try:
                _put(db, self._folders / name, mark)
            except PipelineError as error:
                if not isinstance(error.__cause__, FileNotFoundError):  # deleted since it was listed
                    raise


def slug(title: str) -> str:
    """A part of a folder's name that every system takes: at most 40 of a-z, 0-9 and "-"."""
    plain = unicodedata.normalize("NFKD", title.casefold()).encode("ascii", "ignore").decode()
    return re.sub("[^a-z0-9]+", "-", plain).strip("-")[:40].rstrip("-") or "meeting"


def _journals(folders: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """Each meeting's folder name, with its journal's size in bytes and time of change in ns."""
    try:
        for folder in folders.iterdir():
            with suppress(FileNotFoundError, NotADirectoryError):
                state = (folder / JOURNAL).stat()
                if state.st_size and folder.name.isprintable():
                    yield folder.name, (state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise PipelineError(
            f"{error.filename} cannot be read ({error.strerror}); make it yours to read or move it out of the library"
        ) from error


def _prepare(db: sqlite3.Connection) -> None:
    """Settings of the connection, a transaction, and the tables where they are missing or older.

    No write-ahead log: opening and leaving one locks the file in ways that SQLite does not wait for.
    """
    db.row_factory = sqlite3.Row
    for setting in ("journal_mode = delete", "synchronous = normal", "foreign_keys = on", "secure_delete = on"):
        db.execute(f"pragma {setting}")
    db.execute("begin immediate")
    if _version(db) == len(_MIGRATIONS):
        return  # nothing to write: a question costs no transaction on the disk
    if _version(db) > len(_MIGRATIONS):
        raise sqlite3.DatabaseError("it was made by a later version")
    for migration in _MIGRATIONS[_version(db) :]:
        for statement in migration:
            db.execute(statement)
    db.execute(f"pragma user_version = {len(_MIGRATIONS)}")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("pragma user_version").fetchone()[0])


def _put(db: sqlite3.Connection, folder: Path, mark: tuple[int, int]) -> None:
    """Indexes one journal in the place of what was known of it."""
    events = list(read(folder / JOURNAL))
    transcript = Transcript.of(events)
    meeting = Meeting(
        id=folder.name,
        title=transcript.title,
        began=transcript.began,
        language=transcript.language,
        duration_s=transcript.duration_s,
        source=transcript.source,
        audio_sha256=transcript.audio_sha256,
        settings_sha256=next((event.settings_sha256 for event in events if isinstance(event, Opened)), ""),
        engine=transcript.engine,
        model=transcript.model,
        finished=any(isinstance(event, Concluded) for event in events),
        utterances=len(transcript.utterances),
        suppressed=len(transcript.suppressed),
    )
    known = [_storable(value) if isinstance(value, str) else value for value in astuple(meeting)]
    row = (*known, _unix_s(meeting.began), *mark)
    db.execute("delete from meeting where id = ?", (meeting.id,))
    db.execute(f"insert into meeting values ({', '.join('?' * len(row))})", row)
    db.executemany(
        "insert into utterance (meeting, id, start_s, text) values (?, ?, ?, ?)",
        ((meeting.id, _storable(u.id), u.start_s, _storable(u.text)) for u in transcript.utterances),
    )


def _wipe(db: sqlite3.Connection) -> None:
    """Overwrites what deleted rows leave behind in the file: search terms, free pages."""
    db.execute("insert into words (words) values ('optimize')")
    db.commit()
    db.execute("vacuum")


def _unix_s(began: str) -> float:
    """For sorting: dates with different offsets do not sort as text."""
    try:
        return datetime.fromisoformat(began).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _storable(text: str) -> str:
    """What SQLite takes: no lone surrogates (bytes of a file name that is not UTF-8) and no NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", " ")
