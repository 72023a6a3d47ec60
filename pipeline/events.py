"""All that the outside ever sees of a meeting, and its one serialization.

A line made by `to_line` is a journal line, a line of `--json` and a message to a page.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from audio.speech import Hypothesis, Utterance


class PipelineError(Exception):
    """A meeting could not be run, kept or shown. The message says what happened and what to do."""


@dataclass(frozen=True)
class Opened:
    """The first event of every meeting: what is heard and how."""

    meeting: str  # folder name, unique in the library
    title: str
    began: str  # ISO 8601 with offset: when the meeting or its transcription began
    source: str  # what the user named: a path, "-", a device
    audio_sha256: str  # of the source's bytes; "" while live
    settings_sha256: str  # of all settings that change the text
    engine: str
    model: str
    version: str  # of rapporteur


@dataclass(frozen=True)
class Hearing:
    """Provisional text; the next Hearing of the same source replaces it. Never journalled."""

    hypothesis: Hypothesis


@dataclass(frozen=True)
class Said:
    """A final utterance; also one that was suppressed, with the reason in it."""

    utterance: Utterance


@dataclass(frozen=True)
class Reached:
    """All audio of `source` before `sample` (16 kHz) is done: a resumed run starts after it."""

    source: str
    sample: int


@dataclass(frozen=True)
class Corrected:
    """A later word on an utterance: a speaker's name or a user's edit."""

    utterance_id: str
    field: str  # "text" or "speaker"
    value: str
    by: str  # "user" or the stage that corrected


@dataclass(frozen=True)
class Named:
    """A speaker label of this meeting has a name; the last one counts, "" takes the name away."""

    speaker: str  # "S1"
    name: str
    by: str  # "user", or "voiceprint" where the voice was recognised
    confidence: float = 1.0  # 0 to 1


@dataclass(frozen=True)
class Marked:
    """A moment of a live meeting: the user's mark, or a break in the recording."""

    at_s: float
    kind: str  # "mark", "paused", "resumed", "slept"
    text: str = ""


@dataclass(frozen=True)
class Learned:
    """Something that the memory noted, with the utterances that prove it."""

    kind: str  # "subject" while it runs, "topic" at the end, "decision", "action", "question", ...
    content: dict[str, Any]
    evidence: tuple[str, ...]


REREAD = "reread"  # a Learned of this kind is what the whole meeting made of its utterances and minutes, at its end
RECORDING = "recording"  # a Learned of this kind says which file holds a live meeting's sound, and its checksum


@dataclass(frozen=True)
class Concluded:
    """The meeting is over and its journal complete."""

    duration_s: float  # audio heard, in seconds
    speech_s: float  # of it, given to the recogniser


@dataclass(frozen=True)
class Trouble:
    """Something went wrong or was lost; `message` says what happened and what to do."""

    message: str
    at_s: float | None = None


Event = Opened | Hearing | Said | Reached | Corrected | Named | Marked | Learned | Concluded | Trouble
_KINDS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind
    for kind in (Opened, Hearing, Said, Reached, Corrected, Named, Marked, Learned, Concluded, Trouble)
}
_SURROGATE = re.compile("[\ud800-\udfff]")  # stands for a byte of a file name that is not UTF-8


def _plain(value: Any) -> Any:
    """Dataclasses to dicts, tuples to lists, all the way down."""
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def to_dict(event: Event) -> dict[str, Any]:
    """The event as plain JSON values, its kind under "event"."""
    return {"event": type(event).__name__.lower(), **_plain(event)}


def to_line(event: Event) -> str:
    """The event as one line of JSON, without the line end; it can always be encoded as UTF-8."""
    line = json.dumps(to_dict(event), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def from_line(line: str) -> Event:
    """The event of one line; raises PipelineError, which quotes none of it, where the line is not one of ours."""
    try:
        record = json.loads(line)
        event: Event = _typed(_KINDS[record.pop("event")], record)
        return event
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"{type(error).__name__} in {len(line)} characters"
        raise PipelineError(f"this is not a line of a meeting's journal ({why}); it was damaged or never one") from None


def _typed(kind: Any, value: Any) -> Any:
    """JSON values as `kind` declares them; TypeError where they are of another type.

    Fields that `kind` does not have come from a later version and are left out.
    """
    if isinstance(kind, type) and is_dataclass(kind):
        types = _field_types(kind)
        return kind(**{name: _typed(types[name], v) for name, v in value.items() if name in types})
    origin = get_origin(kind) or kind
    if type(value) is origin:  # str, int, float, bool, dict[str, Any]
        return value
    if kind is float and type(value) is int:
        return float(value)
    if origin is UnionType:  # X | None
        return None if value is None else _typed(get_args(kind)[0], value)
    if origin is tuple and type(value) is list:  # tuple[X, ...]
        return tuple(_typed(get_args(kind)[0], v) for v in value)
    raise TypeError


@cache
def _field_types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
