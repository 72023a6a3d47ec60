"""The checksum by which recordings and models are known again."""

from __future__ import annotations

import hashlib
from pathlib import Path

from audio.speech import AudioError


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of the file's bytes; raises AudioError where they cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise AudioError(f"{path} does not exist; check the name") from None
    except OSError as error:
        raise AudioError(f"{path} cannot be read ({error.strerror}); make it yours to read, or name another") from None
