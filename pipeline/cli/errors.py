"""Which exit code an error becomes: one class a package, one code a class."""

from __future__ import annotations

from audio.speech import AudioError
from memory.notes import MindError
from pipeline.events import PipelineError
from retrieval.passage import ShelfError

# 2 = wrong usage, 130 = interrupted
EXIT_CODES: dict[type[Exception], int] = {AudioError: 3, PipelineError: 4, MindError: 5, ShelfError: 6}
