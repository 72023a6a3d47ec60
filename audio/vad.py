"""Frames of sound to probabilities of speech: webrtcvad, silero-vad, and the first as gate before the second.

A detector is cheap, belongs to one source and carries that source's state; silero's weights are shared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime as ort
import webrtcvad
from numpy.typing import NDArray

from audio.speech import SAMPLE_RATE, AudioError, Samples

Frames = NDArray[np.float32]  # consecutive frames, shape (n, frame), no sample left out or given twice


class Vad(Protocol):
    """Frames that follow those of the last call -> their probabilities of speech, shape (n,).

    How frames are spread over calls makes no difference.
    """

    frame: int  # samples a frame

    def __call__(self, frames: Frames) -> Samples: ...

