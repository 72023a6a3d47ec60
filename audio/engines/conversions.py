"""Finds the CTranslate2 folder of a checkpoint, or has it made once; to find one needs neither torch nor whisper."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from audio.checksum import sha256_of
from audio.speech import AudioError

_FORMAT = 1  # raise it when what is written changes, and old folders are not used again


def ct2_folder(checkpoint: Path, *, cache: Path, quantization: str = "float32") -> Path:
    """A folder under `cache` that faster-whisper loads without a network, made once per content and quantization.

    Any number of processes may ask at once: a folder appears under its name only when it is whole. Raises AudioError
    where the checkpoint cannot be read or the folder not be written.
    """
    try:
        digest = sha256_of(checkpoint)
        folder = cache / f"{digest[:32]}-{quantization}-{_FORMAT}"
        if not folder.is_dir():
            from audio.engines.convert import alignment_heads, write_ct2  # imports torch and whisper

            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".converting-", dir=cache) as work:
                made = Path(work, folder.name)
                made.mkdir()
                write_ct2(made, checkpoint, quantization=quantization, heads=alignment_heads(digest))
                for file in made.iterdir():  # a folder of that name is trusted, also after a power cut
                    with file.open("rb+") as written:
                        os.fsync(written.fileno())
                _publish(made, folder)
    except OSError as error:
        raise AudioError(
            f"{checkpoint} cannot be converted ({error}): check the file and the room in {cache}"
        ) from error
    return folder


def _publish(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was first, with the same content
            raise
