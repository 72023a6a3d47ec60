"""A stretch of one voice to a point: the GE2E speaker encoder, with the weights that the package resemblyzer ships.

Wan et al., "Generalized End-to-End Loss for Speaker Verification" (ICASSP 2018): three LSTM layers over a mel power
spectrogram, the last state projected to 256 numbers of unit length, here with traits of an inner state beside them
(`traits.py`). Only the weights are theirs; importing the package
itself would load librosa, which compiles for a quarter of a minute.

Letters: n stretches, f frames of 10 ms, m mel channels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from audio.diarize.traits import WIDTH, joined
from audio.speech import SAMPLE_RATE, AudioError, Samples

Mel = NDArray[np.float32]  # mel power, shape (f, m)
Embeddings = NDArray[np.float32]  # of unit length, shape (n, d)

FFT = 400  # samples, 25 ms, of a frame
HOP = 160  # samples, 10 ms, between frames
CHANNELS = 40
LEVEL_DB = -30.0  # dBFS that every stretch is brought to: the network sees power, not its logarithm
SHORTEST = 20  # frames; less holds no vowel
ENCODER_ADVICE = "install it with `pip install --no-deps resemblyzer==0.1.4`"  # what it asks for breaks other packages
PLAIN = "ge2e-resemblyzer-0.1.4"  # the embedding alone, which older voiceprints hold
OLDER = (PLAIN, PLAIN + "+traits-1")  # kinds of voiceprints of which only the embedding can still be compared
BATCH = 128  # stretches in one run of the network


class VoiceEncoder(Protocol):
    """Stretches of mel power -> unit vectors; near where the voice is the same."""

    @property
    def name(self) -> str:
        """Which network and weights: embeddings of different encoders must never be compared."""
        ...

    def __call__(self, stretches: list[Mel]) -> Embeddings: ...


class Ge2eEncoder:
    """The embedded encoder; its weights are shared and loaded once."""

    name = PLAIN + "+traits-2"

    def __call__(self, stretches: list[Mel]) -> Embeddings:
        """Shape (n, 320). Raises AudioError where the weights are missing."""
        found = hear(stretches)
        return joined(found[:, :WIDTH], found[:, WIDTH:])


def hear(stretches: list[Mel]) -> NDArray[np.float32]:
    """Embeddings and inner states, shape (n, 512); stretches of equal length run together.

    Raises AudioError where the weights are missing.
    """
    found = np.zeros((len(stretches), 2 * WIDTH), np.float32)
    lengths = np.array([len(stretch) for stretch in stretches], int)
    network = _network()
    for length in np.unique(lengths):
        same = np.flatnonzero(lengths == length)
        for start in range(0, len(same), BATCH):
            part = same[start : start + BATCH]
            found[part] = network(np.stack([stretches[i] for i in part]))
    return found


def weights() -> Path:
    """Where the weights lie if the package is installed; the package itself is found, not imported."""
    spec = find_spec("resemblyzer")
    return Path(spec.origin if spec and spec.origin else "").parent / "pretrained.pt"


@cache
def _network() -> Callable[[Mel], Embeddings]:
    if not weights().is_file():
        raise AudioError(f"the voice encoder is missing; {ENCODER_ADVICE}, or set speakers.engine to off")
    from audio.diarize.network import load  # torch takes a second to import: only who hears voices waits for it

    return load(weights())


def mel_power(samples: Samples) -> Mel:
    """Shape (f, 40): one frame every 10 ms, its window centred there, the sound padded with zeros at both ends."""
    padded = np.pad(samples, FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP]  # (f, 400)
    power = np.abs(np.fft.rfft(frames * _window(), axis=1)) ** 2  # (f, 201)
    return (power.astype(np.float32) @ mel_filters(CHANNELS).T).astype(np.float32)


def levelled(mel: Mel, samples: Samples) -> Mel:
    """`mel` of `samples` as it would be if they were at LEVEL_DB; digital silence stays as it is."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    return mel if power <= 0 else (mel * np.float32(10 ** (LEVEL_DB / 10) / power)).astype(np.float32)


@cache
def _window() -> NDArray[np.float64]:
    """Hann, periodic."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)


@cache
def mel_filters(channels: int) -> NDArray[np.float32]:
    """Shape (channels, 201): triangles of equal area on Slaney's mel scale (Auditory Toolbox, 1998), 0 to 8 kHz."""
    edges = _hertz(np.linspace(0, _mel(SAMPLE_RATE / 2), channels + 2))
    bins = np.fft.rfftfreq(FFT, 1 / SAMPLE_RATE)
    slopes = (bins[None] - edges[:, None]) / np.append(np.diff(edges), 1)[:, None]  # (channels + 2, 201)
    triangles = np.maximum(0, np.minimum(slopes[:-2], 1 - slopes[1:-1]))
    filters: NDArray[np.float32] = (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)
    return filters


_LINEAR_HZ, _LINEAR_MEL, _LOG_STEP = 1000.0, 15.0, np.log(6.4) / 27  # linear to 1 kHz, then 27 mel to 6.4 times that


def _mel(hertz: float) -> float:
    linear = hertz * _LINEAR_MEL / _LINEAR_HZ
    return linear if hertz < _LINEAR_HZ else float(_LINEAR_MEL + np.log(hertz / _LINEAR_HZ) / _LOG_STEP)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _LINEAR_HZ * np.exp(_LOG_STEP * (mel - _LINEAR_MEL))
    return np.where(mel < _LINEAR_MEL, mel * _LINEAR_HZ / _LINEAR_MEL, above)
