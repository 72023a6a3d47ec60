"""A person or a meeting is forgotten: it goes from everything that lies in the library's home.

What cannot be changed safely (a recording's path, a meeting's folder name, a document of the user's own) is not passed
over in silence: every file that still holds the name afterwards is listed.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from audio.speech import Utterance
from pipeline.events import Event, Named, Opened, PipelineError, Said
from pipeline.export import FORMATS, minutes
from pipeline.inputs import received
from pipeline.journal import lock, rewrite
from pipeline.library import MEETINGS, Library, Meeting
from pipeline.mind import BEFORE, STATE
from pipeline.series import FOLDER, lists
from pipeline.voiceprints import Voiceprints, overwritten
from retrieval import documents
from retrieval.passage import ShelfError
from retrieval.shelf import Shelf

SOMEBODY = "somebody"  # stands where the name stood
_KEPT = {"source", "meeting", "id"}  # of Opened and utterances: what other files are found by
_OURS = {"kind", "status", "change", "state", "by", "field"}  # hold words of this program: "Mark" is no mention there
_DATA = re.compile(r";base64,[A-Za-z0-9+/=]+")  # sound and letter forms in a page, in which any "Ben" is chance
_PACKED = {"docx", "pdf"}  # formats whose words do not stand in their bytes


@dataclass(frozen=True)
class Forgotten:
    """What was removed, and what still holds the name."""

    voiceprints: int
    events: int  # changed or removed, in all journals
    meetings: int  # that had any
    memories: int  # states of the memory that had heard them
    exports: tuple[Path, ...]  # rewritten
    left: tuple[Path, ...]  # files in the home, and exports, that still hold the name, or are named after it


def forget_meeting(meeting: Meeting, library: Library, shelf: Callable[[], Shelf], warn: Callable[[str], None]) -> int:
    """Remove a meeting from the library, the shelf, its series and every memory; returns how many memories went.

    `shelf` is called only where there is one, `warn` for a series whose file is damaged.
    Raises PipelineError or ShelfError where a disk refuses.
    """
    library.delete(meeting)
    _forget_received(Path(meeting.source), library)
    if (library.home / "shelf").is_dir():
        shelf().drop(meeting.id)
    gone = _unremembered([meeting.id], library, warn)
    if (library.home / FOLDER).is_dir():
        with lock(library.home / FOLDER, wait=True):
            for path, listed in lists(library.home, lambda _: None):  # they were told just now
                if listed and meeting.id in listed["meetings"]:
                    kept = [id for id in listed["meetings"] if id != meeting.id]
                    _written(path, json.dumps({**listed, "meetings": kept}))
    return gone


def _forget_received(source: Path, library: Library) -> None:
    """Remove a recording that came by standard input, which nobody else keeps, with the last meeting made of it."""
    if source.parent == received(library) and all(each.source != str(source) for each in library.meetings()):
        try:
            source.unlink(missing_ok=True)
        except OSError as error:
            raise PipelineError(f"{source} could not be removed ({error.strerror}); remove it by hand") from error


def forget_person(
    name: str,
    library: Library,
    exports: Iterable[Path] = (),
    *,
    shelf: Callable[[], Shelf],
    warn: Callable[[str], None],
) -> Forgotten:
    """Forget a person in the library and in the named folders of exports; nothing is begun while a meeting is written.

    The journals come after all that is made of them: they say, after a break, what there is to forget.
    Raises PipelineError or ShelfError where a disk refuses.
    """
    name, exports = name.strip(), tuple(exports)
    if not name:
        raise PipelineError("nobody can be forgotten without a name; give it with --person")
    mention = mentions(name)
    without = lambda event: _without(event, mention)
    changed = [m for m in library.meetings() if rewrite(library.folder(m), without, dry=True)]
    prints = Voiceprints(library.home).forget(name, warn=warn)
    memories = _unremembered([m.id for m in changed], library, warn)
    if changed and (library.home / "shelf").is_dir():
        for meeting in changed:  # what is asked for next puts them there again, without the name
            shelf().drop(meeting.id)
    events = sum(rewrite(library.folder(m), without) for m in changed)
    written = tuple(path for folder in exports for path in _exports(folder) if _rewritten(path, mention))
    library.reindex()
    left = {path for folder in (library.home, *exports) for path in _holding(folder, name, mention)}
    return Forgotten(prints, events, len(changed), memories, written, tuple(sorted(left)))


def mentions(name: str) -> re.Pattern[str]:
    """Finds a name in any case, over line breaks, and as JSON and HTML spell it."""
    cases = (name, name.lower(), name.upper(), name.title())  # an escape has its own for each
    forms = dict.fromkeys((name, html.escape(name), *(json.dumps(form)[1:-1] for form in cases)))
    found = "|".join(r"\s+".join(map(re.escape, form.split())) for form in forms)
    return re.compile(rf"(?<!\w)(?:{found})(?!\w)", re.IGNORECASE)


def _unremembered(meetings: Iterable[str], library: Library, warn: Callable[[str], None]) -> int:
    """Remove the memories that heard these meetings: their own, and in a series those of all that came after them.

    A series whose file is damaged may have heard them: its memory goes too, where there is anything to forget.
    """
    gone, folders = set(meetings), set[Path]()
    for path, listed in lists(library.home, warn):
        if listed is None:
            folders |= {path.with_suffix("")} if gone else set()
            continue
        order = listed["meetings"]
        heard = [at for at, id in enumerate(order) if id in gone]
        if heard:
            folders |= {library.home / MEETINGS / id for id in order[heard[0] :]}
            folders.add(path.with_suffix(""))
    folders |= {library.home / MEETINGS / id for id in gone}
    states = sorted(f / name for f in folders for name in (STATE, BEFORE))
    return sum(overwritten(path) for path in states if path.is_file())


def _written(path: Path, text: str) -> None:
    try:
        part = path.with_suffix(".part")
        part.write_text(text, "utf-8")
        part.replace(path)
    except OSError as error:
        raise PipelineError(f"{path} could not be written ({error.strerror}); make room or give access") from error


def _without(event: Event, mention: re.Pattern[str]) -> Event | None:
    """The event without the name; who was named so has no name, and a text that lost a word has no tokens."""
    if isinstance(event, Named) and mention.search(event.name):
        return None
    if isinstance(event, Said):
        said = _scrubbed(event.utterance, mention)
        gone = said.text != event.utterance.text
        return Said(replace(said, tokens=()) if gone else said)
    scrubbed: Event = _scrubbed(event, mention)
    return scrubbed


def _scrubbed(value: Any, mention: re.Pattern[str]) -> Any:
    """All texts inside a value; of words a name may be several, so the words of a changed text go."""
    if isinstance(value, str):
        return mention.sub(SOMEBODY, value)
    if isinstance(value, tuple | list):
        return type(value)(_scrubbed(item, mention) for item in value)
    if isinstance(value, dict):
        return {_scrubbed(k, mention): item if k in _OURS else _scrubbed(item, mention) for k, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        kept = _OURS | (_KEPT if isinstance(value, Opened | Utterance) else set())
        named = {f.name: getattr(value, f.name) for f in fields(value)}
        changed = {key: item if key in kept else _scrubbed(item, mention) for key, item in named.items()}
        if (
            isinstance(value, Utterance)
            and changed["text"] != value.text
            and "".join(w.text for w in changed["words"]) != changed["text"]
        ):
            changed["words"] = ()
        return replace(value, **changed)
    return value


def _exports(folder: Path) -> Iterator[Path]:
    """Files of the formats that we write and that are text; what lies hidden (a cache, a repository) is not ours."""
    written = {*FORMATS, *minutes.FORMATS} - _PACKED
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix[1:] in written and not hidden and path.is_file():
            yield path


def _rewritten(path: Path, mention: re.Pattern[str]) -> bool:
    try:
        text = path.read_bytes().decode()
        whole = re.sub(r"\r?\n[ \t]", "", text) if path.suffix == ".ics" else text  # RFC 5545, 3.1: folded lines
        if not mention.search(whole):
            return False
        scrubbed = _json(whole, mention) if path.suffix == ".json" else mention.sub(SOMEBODY, whole)
        if not scrubbed:
            return False
        path.write_bytes(scrubbed.encode())
    except (OSError, ValueError) as error:
        raise PipelineError(f"{path} could not be rewritten ({error}); remove the name by hand") from error
    return True


def _json(text: str, mention: re.Pattern[str]) -> str:
    """A file of ours; where a text loses the name its words go, of which the name may be several.

    "" where it is another program's, which may break by a change, and is only named.
    """
    content = json.loads(text)
    if not isinstance(content, dict) or "meeting" not in content:
        return ""

    def scrub(value: Any) -> Any:
        if isinstance(value, dict):
            named = isinstance(value.get("text"), str) and mention.search(value["text"])
            return {
                _scrubbed(k, mention): [] if named and k == "words" else v if k in _OURS else scrub(v)
                for k, v in value.items()
            }
        return [scrub(item) for item in value] if isinstance(value, list) else _scrubbed(value, mention)

    return json.dumps(scrub(content), ensure_ascii=text.isascii())


def _holding(folder: Path, name: str, mention: re.Pattern[str]) -> Iterator[Path]:
    """Files whose content or path holds the name in any case of letters, whole or in parts, also in docx and pdf."""
    cases = (name, name.lower(), name.upper(), name.title())
    spelled = {f.casefold() for f in (name, name.replace(" ", "-"), *(json.dumps(form)[1:-1] for form in cases))}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            content = _DATA.sub("", path.read_bytes().decode("utf-8", "ignore")).casefold()
        except OSError as error:
            raise PipelineError(f"{path} cannot be read ({error.strerror}); it may still hold the name") from error
        called = str(path.relative_to(folder)).casefold()
        parts = [rf"\b{re.escape(part)}\b" for part in name.casefold().split()]
        whole = any(form in content or form in called for form in spelled)
        if whole or all(re.search(part, content) for part in parts) or _packed(path, mention):
            yield path


def _packed(path: Path, mention: re.Pattern[str]) -> bool:
    """Whether a document that is packed holds the name, or cannot be opened to see."""
    if path.suffix[1:].lower() not in _PACKED:
        return False
    try:
        return any(mention.search(passage.text) for passage in documents.read(path).passages)
    except ShelfError:
        return True
