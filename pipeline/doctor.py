"""What works on this machine, and what to install for the rest."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from audio.diarize.encoder import ENCODER_ADVICE, weights
from audio.engines import models
from audio.portaudio import NO_MICROPHONE, devices, no_far_side
from audio.speech import AudioError
from pipeline.config import library_home
from pipeline.settings import Settings

# module -> what it is for
NEEDED = {
    "av": "reading media files",
    "whisper": "the openai-whisper engine",
    "faster_whisper": "the faster-whisper engine",
    "silero_vad": "finding speech",
    "webrtcvad": "finding speech quickly",
    "faiss": "finding passages",
}
PROGRAMS = {"flite": "making the sample again", "espeak-ng": "making the sample again"}
LOW_DISK_GB = 1.0


@dataclass(frozen=True)
class Finding:
    """One row: what was looked at, whether it works, and the version or the remedy."""

    what: str
    state: Literal["ok", "missing", "broken"]  # missing = only what needs it is affected
    detail: str


def examine(settings: Settings) -> list[Finding]:
    """Look at everything; nothing is changed and nothing downloaded."""
    return [
        *_packages(),
        *_told("torch", _torch),
        *_told("voice encoder, telling speakers apart", _voices),
        *_told("devices, live capture", _devices),
        *_told("models", lambda: _models(settings)),
        *_programs(),
        *_told("library", lambda: [_library(library_home(settings))]),
    ]


def _told(what: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What was found; what keeps it from being looked at is a finding, too."""
    try:
        return list(look())
    except (ImportError, OSError, AudioError) as error:
        return [Finding(what, "broken", f"{error}; run the installation again")]


def _packages() -> Iterator[Finding]:
    for module, purpose in NEEDED.items():
        try:
            importlib.import_module(module)
        except (ImportError, OSError) as error:
            yield Finding(f"{module}, {purpose}", "broken", f"{error}; run the installation again")
        else:
            yield Finding(f"{module}, {purpose}", "ok", "")


def _torch() -> Iterator[Finding]:
    import torch

    device, compute_type = models.device_and_compute("faster-whisper")
    detail = (
        f"{torch.__version__}, {platform.machine()}, {os.cpu_count()} cores; recognition on {device} in {compute_type}"
    )
    yield Finding("torch", "ok", detail)


def _voices() -> Iterator[Finding]:
    there = weights().is_file()
    yield Finding(
        "voice encoder, telling speakers apart", "ok" if there else "missing", "" if there else ENCODER_ADVICE
    )


def _devices() -> Iterator[Finding]:
    what = "devices, live capture"
    try:
        found = devices()
    except AudioError as error:
        yield Finding(what, "missing", str(error))
        return
    microphones = [device.name for device in found if device.kind == "microphone"]
    played = [device.name for device in found if device.kind == "far side"]
    yield Finding(what, "ok" if microphones else "missing", ", ".join(microphones) or NO_MICROPHONE)
    yield Finding("the far side of calls", "ok" if played else "missing", ", ".join(played) or no_far_side())


def _models(settings: Settings) -> Iterator[Finding]:
    for model in models.installed():
        yield Finding(f"model {model.name}", "ok", str(model.path))
    wanted = settings.recognition.model
    if wanted not in ("auto", "embedded"):
        try:
            models.resolve(wanted, engine="openai-whisper", offline=True)
        except AudioError as error:
            yield Finding(f"model {wanted}, configured", "missing", str(error))
    if all(model.name == "embedded" for model in models.installed()):
        advice = f"rapporteur models pull {settings.recognition.download or 'base.en'}"
        yield Finding("a model that understands people", "missing", advice)


def _programs() -> Iterator[Finding]:
    for program, purpose in PROGRAMS.items():
        found = shutil.which(program)
        yield Finding(
            f"{program}, {purpose}", "ok" if found else "missing", found or f"on Debian: apt-get install {program}"
        )


def _library(home: Path) -> Finding:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    if not os.access(existing, os.W_OK):
        return Finding("library", "broken", f"{existing} cannot be written; set library.home to a folder of yours")
    if free_gb < LOW_DISK_GB:
        return Finding("library", "broken", f"only {free_gb:.1f} GB free at {existing}; make room")
    return Finding("library", "ok", f"{home}, {free_gb:.0f} GB free")
