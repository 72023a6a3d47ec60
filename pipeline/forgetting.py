"""A person is forgotten: voiceprints, names and mentions go from everything that lies in the library's home.

What cannot be changed safely (a recording's path, a meeting's folder name, an index of another kind) is not passed over
in silence: every file that still holds the name afterwards is listed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from audio.speech import Utterance
from pipeline.events import Event, Named, Opened, PipelineError, Said
from pipeline.export import FORMATS
from pipeline.journal import rewrite
from pipeline.library import Library
from pipeline.voiceprints import Voiceprints

SOMEBODY = "somebody"  # stands where the name stood
_KEPT = {"source", "meeting", "id"}  # of Opened and utterances: what other files are found by


@dataclass(frozen=True)
class Forgotten:
    """What was removed, and what still holds the name."""

    voiceprints: int
    events: int  # changed or removed, in all journals
    meetings: int  # that had any
    exports: tuple[Path, ...]  # rewritten
    left: tuple[Path, ...]  # files in the home, and exports, that still hold the name, or are named after it


def forget_person(
    name: str, library: Library, exports: Iterable[Path] = (), *, warn: Callable[[str], None]
) -> Forgotten:
    """Forget a person in the library and in the named folders of exports; raises PipelineError where a disk refuses."""
    if not name.strip():
        raise PipelineError("nobody can be forgotten without a name; give it with --person")
    mention = re.compile(rf"(?<!\w){re.escape(name.strip())}(?!\w)", re.IGNORECASE)
    prints = Voiceprints(library.home).forget(name.strip(), warn=warn)
    changes = [rewrite(library.folder(m), lambda event: _without(event, mention)) for m in library.meetings()]
    written = tuple(path for folder in exports for path in _exports(folder) if _rewritten(path, mention))
    library.reindex()
    left = tuple(
        sorted({*_holding(library.home, name.strip()), *(p for f in exports for p in _holding(f, name.strip()))})
    )
    return Forgotten(prints, sum(changes), sum(map(bool, changes)), written, left)


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
        return {_scrubbed(key, mention): _scrubbed(item, mention) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        kept = _KEPT if isinstance(value, Opened | Utterance) else set()
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
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix[1:] in FORMATS)


def _rewritten(path: Path, mention: re.Pattern[str]) -> bool:
    try:
        text = path.read_text("utf-8")
        scrubbed = mention.sub(SOMEBODY, text)
        if scrubbed != text:
            path.write_text(scrubbed, "utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"{path} could not be rewritten ({error}); remove the name by hand") from error
    return scrubbed != text


def _holding(folder: Path, name: str) -> Iterator[Path]:
    """Files whose content or name holds the name, in any case of its letters."""
    spelled = {
        form.encode() for form in (name, name.lower(), name.upper(), name.title(), name.replace(" ", "-").lower())
    }
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            try:
                content = path.read_bytes()
            except OSError as error:
                raise PipelineError(f"{path} cannot be read ({error.strerror}); it may still hold the name") from error
            if any(form in content or form in str(path.relative_to(folder)).encode() for form in spelled):
                yield path
