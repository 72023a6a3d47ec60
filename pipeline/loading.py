"""Engines and the memory's model, loaded when they are needed: the libraries behind them take seconds to import."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from audio.engines import LiveTranscriber, RecognitionOptions, models
from audio.speech import SAMPLE_RATE
from pipeline.settings import Settings

if TYPE_CHECKING:
    from memory.mind import Mind

T = TypeVar("T")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
_TRIM_S = 30.0  # between two times that memory is given back
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Chosen:
    """The engine and model that "auto" became."""

    engine: models.Engine
    model: models.ModelFile
    device: str
    compute_type: str


def engine_of(wanted: str, model: str) -> models.Engine:
    """ "auto" is faster-whisper, but for a GPU of Apple, which only openai-whisper uses."""
    if wanted == "openai-whisper" or (wanted == "auto" and sys.platform == "darwin" and not Path(model).is_dir()):
        return "openai-whisper"
    return "faster-whisper"


def warm_up(engine: LiveTranscriber) -> None:
    """Load and lay out all that the first use would; else the captions would begin some seconds behind."""
    silence, options = np.zeros(SAMPLE_RATE, np.float32), RecognitionOptions("en", temperatures=(0.0,), max_tokens=2)
    engine([silence], options)
    engine.draft(silence, options, timed=False, whole=False)


def return_memory() -> None:
    """Have glibc give large pieces back when they are freed; does nothing where there is no glibc.

    By itself it raises the size from which it does so to 32 MB, and what hours of utterances of every length leave
    between what is still used grew by 60 MB in ten minutes of a meeting; like this it stays at 14 MB.
    """
    if _LIBC and hasattr(_LIBC, "mallopt"):
        for threshold in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            _LIBC.mallopt(threshold, 2**20)


def returning_memory(items: Iterable[T]) -> Iterator[T]:
    """The items; on the way glibc is told to give back the gaps between what is used, too (a millisecond).

    They grew by 20 MB an hour, for utterances last and what they are made from does not.
    """
    trimmed = time.monotonic()
    for item in items:
        yield item
        if time.monotonic() - trimmed > _TRIM_S and _LIBC and hasattr(_LIBC, "malloc_trim"):
            _LIBC.malloc_trim(0)
            trimmed = time.monotonic()


def load_engine(chosen: Chosen, threads: int, *, batches: bool = False) -> LiveTranscriber:
    """The loaded engine; a checkpoint is converted for faster-whisper once and found again by its hash.

    `batches`: it is to get several windows at a time, as a long recording has, and not one after the other.
    """
    if chosen.engine == "openai-whisper":
        from audio.engines.openai_whisper import OpenAIWhisper

        return OpenAIWhisper(chosen.model.path, device=chosen.device, compute_type=chosen.compute_type, threads=threads)
    from audio.engines.conversions import ct2_folder
    from audio.engines.faster_whisper import FasterWhisper

    folder = chosen.model.path
    if chosen.model.kind == "pt":
        folder = ct2_folder(folder, cache=models.cache_folder().parent / "rapporteur", quantization=chosen.compute_type)
    workers = 2 if batches and chosen.device == "cpu" and threads > 1 else 1
    return FasterWhisper(
        folder, device=chosen.device, compute_type=chosen.compute_type, threads=threads, workers=workers
    )


def load_mind(settings: Settings) -> Mind:
    """The memory with the banks that the settings name. Raises MindError where its weights cannot be read."""
    from memory.mind import Mind  # these import torch
    from memory.model import Switches
    from memory.weights import SHIPPED

    wanted = settings.memory
    switches = Switches(**{bank: bank in wanted.banks for bank in ("cache", "tokens", "slots", "archive")})
    path = Path(wanted.weights).expanduser() if wanted.weights else SHIPPED
    return Mind.load(path, switches=switches, segment=wanted.segment, reach=wanted.cache, recency=wanted.recency)


@contextmanager
def download_bar(name: str) -> Iterator[models.Progress]:
    """A bar on stderr that shows itself once bytes come."""
    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)
