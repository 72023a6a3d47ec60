"""What Whisper reads and writes besides its network, without its network: importing openai-whisper takes more than a
second (torch, numba), which faster-whisper does not need.

The tokenizer is openai-whisper's own, loaded from its file. The spectrogram is its formula in numpy, so that both
engines hear the same.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audio.speech import SAMPLE_RATE, AudioError, Samples

if TYPE_CHECKING:
    from whisper.tokenizer import Tokenizer

HOP_LENGTH, N_FFT = 160, 400  # samples; openai-whisper, audio.py
N_SAMPLES = 30 * SAMPLE_RATE
N_FRAMES = N_SAMPLES // HOP_LENGTH

Mel = NDArray[np.float32]


def log_mel(windows: Sequence[Samples], n_mels: int) -> Mel:
    """Whisper's log-mel spectrogram of windows padded with silence to 30 s, shape (B, M, 3000).

    As `whisper.audio.log_mel_spectrogram`: frames of 25 ms under a Hann window, every 10 ms, mirrored at the ends;
    power, mel bands, log10, at most 8 below the loudest. The mel of pure silence is one number, so only a little of the
    padding is computed.
    """
    mels = np.empty((len(windows), n_mels, N_FRAMES), np.float32)
    for row, window in zip(mels, windows, strict=True):
        padded = np.pad(window.astype(np.float32, copy=False), (0, min(2 * N_FFT, N_SAMPLES - len(window))))
        found = _log_mel(padded, n_mels)
        row[:, : found.shape[1]], row[:, found.shape[1] :] = found, found[0, -1]
    return mels


def _log_mel(sound: Samples, n_mels: int) -> Mel:
    """(n,) -> (M, n / 160)."""
    mirrored = np.pad(sound, N_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(mirrored, N_FFT)[::HOP_LENGTH][:-1]
    spectrum = np.fft.rfft(frames * _hann(), axis=-1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    bands = np.log10(np.maximum(_filters(n_mels) @ power.T, np.float32(1e-10)))
    scaled: Mel = (np.maximum(bands, bands.max() - np.float32(8)) + np.float32(4)) / np.float32(4)
    return scaled


@cache
def _hann() -> NDArray[np.float32]:
    """The periodic window of `torch.hann_window`."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)


@cache
def _filters(n_mels: int) -> Mel:
    """openai-whisper's mel filters, shape (M, 201)."""
    with np.load(whisper_folder() / "assets" / "mel_filters.npz", allow_pickle=False) as filters:
        found: Mel = filters[f"mel_{n_mels}"]
    return found


@cache
def whisper_folder() -> Path:
    """Where openai-whisper is installed; the package is found, not imported. Raises AudioError where it is missing."""
    found = find_spec("whisper")
    if found is None or found.origin is None:
        raise AudioError("openai-whisper is not installed: run `pip install openai-whisper`")
    return Path(found.origin).parent


@cache
def _tokenizers() -> Any:
    """openai-whisper's tokenizer.py, which imports nothing of its package; under a name of our own."""
    spec = spec_from_file_location("audio.engines._whisper_tokenizer", whisper_folder() / "tokenizer.py")
    assert spec, "a file that is there has a loader"
    assert spec.loader
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def get_tokenizer(multilingual: bool, *, num_languages: int, language: str | None, task: str | None) -> Tokenizer:
    """`whisper.tokenizer.get_tokenizer`."""
    found: Tokenizer = _tokenizers().get_tokenizer(
        multilingual, num_languages=num_languages, language=language, task=task
    )
    return found


def suppressed(tokenizer: Tokenizer, symbols: Sequence[int] = ()) -> list[int]:
    """What whisper never writes (`suppress_tokens="-1"`): symbols for sounds, and what steers the decoder.

    A converted folder lists the `symbols`; to find them in the tokenizer takes most of a second.
    """
    steering = ("transcribe", "translate", "sot", "sot_prev", "sot_lm", "no_speech")
    return sorted({*(symbols or tokenizer.non_speech_tokens), *(getattr(tokenizer, name) for name in steering)})


def languages() -> list[str]:
    """The codes of Whisper's languages in the network's order."""
    return list(_tokenizers().LANGUAGES)


def language_code(name: str) -> str:
    """The code of a language by its English name in small letters; what is no such name comes back."""
    code: str = _tokenizers().TO_LANGUAGE_CODE.get(name, name)
    return code


def compression_ratio(text: str) -> float:
    """Bytes of the text per byte of it compressed: high where it repeats itself (`whisper.utils`)."""
    written = text.encode("utf-8")
    return len(written) / len(zlib.compress(written))
