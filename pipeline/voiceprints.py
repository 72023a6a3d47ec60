"""The voices of people who agreed to be known again: one file a voiceprint, apart from all meetings.

A file tells the person, the encoder, when and how the person agreed, the embedding, and how like the most like other
speaker was (a number). It lies under the library's
home in `voices`, readable by its owner only. A file that cannot be read is reported and left alone.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audio.diarize.encoder import OLDER, PLAIN, Ge2eEncoder
from audio.diarize.identity import USUAL, Voiceprint, comparable, point
from pipeline.events import PipelineError

SUFFIX = ".voice.json"


@dataclass(frozen=True)
class Enrolled:
    """A voiceprint and what is noted with it."""

    voice: Voiceprint
    enrolled: str  # ISO 8601
    consent: str  # who said what of it, as the user noted it
    speech_s: float  # how much speech it was made from
    path: Path


class Voiceprints:
    """All voiceprints under a library's home."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "voices"

    def all(self, *, warn: Callable[[str], None]) -> list[Voiceprint]:
        """Every voiceprint that can be read; the others are named by `warn`."""
        return [enrolled.voice for enrolled in self.enrolled(warn=warn)]

    def enrolled(self, *, warn: Callable[[str], None]) -> list[Enrolled]:
        """Likewise, with what is noted with them."""
        found: list[Enrolled] = []
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            try:
                found.append(_read(path))
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                warn(f"the voiceprint {path} is damaged and was left out; enrol the person again or restore the file")
        return found

    def add(self, voice: Voiceprint, *, enrolled: str, consent: str, speech_s: float) -> Path:
        """Keep a voiceprint; raises PipelineError where there is no consent or the disk refuses."""
        if not consent.strip():
            raise PipelineError("a voiceprint needs the person's consent; say how it was given with --consent")
        record = {
            "person": voice.person,
            "encoder": voice.encoder,
            "enrolled": enrolled,
            "consent": consent.strip(),
            "speech_s": round(speech_s, 1),
            "nearest": round(voice.nearest, 3),
            "embedding": base64.b64encode(np.asarray(voice.embedding, "<f4").tobytes()).decode("ascii"),
        }
        path = self.folder / f"{secrets.token_hex(6)}{SUFFIX}"
        part = path.with_suffix(".part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                json.dump(record, file, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise PipelineError(f"{path} could not be written ({error.strerror}); make room or give access") from error
        return path

    def forget(self, person: str, *, warn: Callable[[str], None]) -> int:
        """Overwrite and remove all voiceprints of a person, of every encoder; returns how many there were.

        A damaged file, or one that a break left half written, goes, too, where the person's name stands in it.
        """
        own = [e.path for e in self.enrolled(warn=lambda _: None) if _same(e.voice.person, person)]
        readable = {e.path for e in self.enrolled(warn=lambda _: None)}
        spelled = [form.casefold() for form in (person, json.dumps(person)[1:-1])]
        for path in sorted(p for p in self.folder.glob("*") if p.is_file() and p not in readable):
            try:
                content = path.read_bytes().decode("utf-8", "ignore").casefold()
            except OSError as error:
                raise PipelineError(f"{path} cannot be read ({error.strerror}); remove it by hand") from error
            if any(form in content for form in spelled):
                own.append(path)
            else:
                warn(f"the voiceprint {path} is damaged and names nobody; remove it if it may be {person}'s")
        return sum(overwritten(path) for path in own)


def overwritten(path: Path) -> bool:
    """Remove a file whose bytes must not stay on the disk; where it writes in place, they are zeros first."""
    try:
        with path.open("r+b") as file:
            file.write(b"\0" * path.stat().st_size)
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except OSError as error:
        raise PipelineError(f"{path} could not be removed ({error.strerror}); remove it by hand") from error
    return True


def _same(person: str, other: str) -> bool:
    return person.strip().casefold() == other.strip().casefold()


def _read(path: Path) -> Enrolled:
    record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    embedding = np.frombuffer(base64.b64decode(record["embedding"], validate=True), "<f4").astype(float)
    norm = float(np.linalg.norm(embedding)) if len(embedding) else 0.0
    if not np.isfinite(norm) or norm == 0 or not str(record["person"]):
        raise ValueError
    if comparable(str(record["encoder"]), Ge2eEncoder.name):
        point(embedding, PLAIN if record["encoder"] in OLDER else Ge2eEncoder.name)  # ValueError: too short for these
    nearest = float(record.get("nearest", USUAL))  # older ones do not say
    if not -1 <= nearest <= 1:
        raise ValueError
    voice = Voiceprint(str(record["person"]), str(record["encoder"]), embedding / norm, nearest)
    return Enrolled(voice, str(record["enrolled"]), str(record["consent"]), float(record["speech_s"]), path)
