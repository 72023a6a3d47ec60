"""Frames of sound to probabilities of speech: webrtcvad, silero-vad, and the first as a gate before the second.

A detector is cheap to make, belongs to one source and holds that source's state; silero's weights are shared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
import webrtcvad
from numpy.typing import NDArray

from audio.speech import SAMPLE_RATE, AudioError

Frames = NDArray[np.float32]  # consecutive frames, shape (n, frame)
Probabilities = NDArray[np.float32]  # in [0, 1], shape (n,)


class Vad(Protocol):
    """The next frames of a source -> the probability that each is speech.

    The same frames give the same probabilities however they are spread over calls.
    """

    @property
    def frame(self) -> int:
        """Samples in a frame."""
        ...

    def __call__(self, frames: Frames) -> Probabilities: ...


class WebrtcVad:
    """The detector of WebRTC: a hundredth of silero's work and sure of quiet only; it takes noise for speech."""

    def __init__(self, mode: int = 3, *, frame_ms: int = 30, sample_rate: int = SAMPLE_RATE) -> None:
        """`mode`: 0 finds speech most readily, 3 most rarely. Raises AudioError for what WebRTC cannot do."""
        self.frame = sample_rate * frame_ms // 1000
        if mode not in range(4) or not webrtcvad.valid_rate_and_frame_length(sample_rate, self.frame):
            raise AudioError(
                f"webrtcvad knows no mode {mode} with frames of {frame_ms} ms at {sample_rate} Hz: use a mode "
                "from 0 to 3, frames of 10, 20 or 30 ms, and 8000, 16000, 32000 or 48000 Hz."
            )
        self._rate = sample_rate
        self._vad = webrtcvad.Vad(mode)

    def __call__(self, frames: Frames) -> Probabilities:
        """1 where WebRTC hears speech, else 0."""
        pcm = np.rint(frames * 32768.0).clip(-32768, 32767).astype(np.int16)
        speech = [self._vad.is_speech(frame.tobytes(), self._rate) for frame in pcm]
        return np.array(speech, np.float32)


@dataclass(frozen=True)
class SileroState:
    """All that silero remembers between frames."""

    hidden: NDArray[np.float32]  # (1, 1, 128), of the LSTM
    cell: NDArray[np.float32]  # (1, 1, 128), of the LSTM
    context: NDArray[np.float32]  # (64,), the end of the last frame, put before the next

    @staticmethod
    def empty() -> SileroState:
        """The state before any sound."""
        zeros = np.zeros((1, 1, 128), np.float32)
        return SileroState(zeros, zeros, np.zeros(64, np.float32))


class SileroVad:
    """silero-vad at 16 kHz through ONNX Runtime on one thread, all frames of a call in one run."""

    frame = 512  # samples, 32 ms

    def __init__(self) -> None:
        self.state = SileroState.empty()

    def __call__(self, frames: Frames) -> Probabilities:
        """One run of the network, whose recurrent layer walks through the frames."""
        if not len(frames):
            return np.zeros(0, np.float32)
        width = len(self.state.context)
        contexts = np.vstack([self.state.context, frames[:-1, -width:]])  # (n, 64)
        probabilities, hidden, cell = _silero().run(
            ["speech_probs", "hn", "cn"],
            {"input": np.hstack([contexts, frames]), "h": self.state.hidden, "c": self.state.cell},
        )
        self.state = SileroState(hidden, cell, frames[-1, -width:].copy())
        return np.asarray(probabilities, np.float32)


@cache
def _silero() -> onnxruntime.InferenceSession:
    """The shared network. The package `silero_vad` is found but not imported: that would set torch to one thread."""
    spec = find_spec("silero_vad")
    weights = Path(spec.origin if spec and spec.origin else "").parent / "data" / "silero_vad_16k_sequence.onnx"
    if not weights.is_file():
        raise AudioError("silero-vad 6.2.3 or later is not installed; install it or set the detector to webrtcvad.")
    onnxruntime.disable_telemetry_events()  # Microsoft's builds for Windows have some
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only: it warns of initializers that it drops
    return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])


class GatedVad:
    """silero-vad, asked only while webrtcvad is not certain of quiet.

    In quiet rooms and on muted lines this saves nearly all of the work. Over 12 minutes of meetings, speech, music
    and noise it changed the decision on 0.4 % of the frames, three of four of them towards speech. silero's state
    stands still while the gate is closed: emptied instead, more than twice as many frames of speech were lost.
    """

    frame = SileroVad.frame
    HANGOVER = 31  # frames of quiet, 1 s, before the gate closes; after half of it, half as many more decisions changed

    def __init__(self) -> None:
        self._gate = WebrtcVad(mode=0)
        self._judge = SileroVad()
        self._quiet = 0  # frames since the gate last heard something

    def __call__(self, frames: Frames) -> Probabilities:
        """silero's probability, 0 while the gate is closed."""
        is_open = np.empty(len(frames), np.bool_)
        for i, heard in enumerate(self._gate(frames[:, : self._gate.frame])):  # 30 of every 32 ms are enough for it
            self._quiet = 0 if heard else self._quiet + 1
            is_open[i] = self._quiet <= self.HANGOVER
        probabilities = np.zeros(len(frames), np.float32)
        probabilities[is_open] = self._judge(frames[is_open])
        return probabilities


class Prepared:
    """Another detector that hears sound without hum and offset, and faint sound louder.

    All detectors go by loudness: of real speech 24 dB below a headset's, silero lost five times the words, with mains
    hum 18 times. The gain brings the loudest of the last minutes to LOUD_DB, but never noise above NOISE_DB, for in
    loud noise less is heard; it only ever raises. There is some before anything was heard, so that a faint beginning is
    not lost. Measured on real meetings: `python -m bench.detection`.
    """

    CUT_OFF_HZ = 60.0  # of the high-pass, one pole
    LOUD_DB = -28.0  # of full scale: where the loudest frames of real meetings at a headset's level lie
    NOISE_DB = -45.0  # of full scale, to which what is heard between words is raised at most
    START_DB = 12.0  # of gain before anything was heard: with 24 more of the usual words were lost, with 6 faint ones
    FALL_DB_S = 0.3  # dB/s that the loudest is forgotten by: who speaks up after a pause is not raised at once
    RISE_DB_S = 1.0  # dB/s that the faintest is forgotten by
    SMOOTH = 0.3  # share of a new frame in the power that is followed: a click is not the loudest

    def __init__(self, vad: Vad, most_db: float = 24.0) -> None:
        """`most_db`: the greatest gain, dB."""
        self.frame = vad.frame
        self._vad, self._most_db = vad, most_db
        self._fall_db, self._rise_db = (db * vad.frame / SAMPLE_RATE for db in (self.FALL_DB_S, self.RISE_DB_S))
        self._loud_db, self._faint_db, self._power = self.LOUD_DB - self.START_DB, math.inf, 0.0
        pole = math.exp(-2 * math.pi * self.CUT_OFF_HZ / SAMPLE_RATE)
        self._powers = pole ** np.arange(vad.frame + 1)  # of the pole
        self._last = self._passed = 0.0  # the last sample, and what the high-pass made of it

    def __call__(self, frames: Frames) -> Probabilities:
        """Those of the detector for the prepared frames."""
        passed = self._high_passed(frames.astype(np.float64))
        gains_db = np.array([self._gain_db(power) for power in np.square(passed).mean(axis=1)]).reshape(-1, 1)
        return self._vad(np.clip(passed * 10 ** (gains_db / 20), -1, 1).astype(np.float32))

    def _high_passed(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """y[n] = pole y[n - 1] + (1 + pole) / 2 (x[n] - x[n - 1]), each frame in closed form: (n, frame) -> same."""
        powers = self._powers
        steps = np.diff(frames.ravel(), prepend=self._last).reshape(frames.shape) * (1 + powers[1]) / 2
        passed: NDArray[np.float64] = np.cumsum(steps / powers[:-1], axis=1) * powers[:-1]
        for row in passed:
            row += self._passed * powers[1:]
            self._passed = float(row[-1])
        self._last = float(frames[-1, -1]) if len(frames) else self._last
        return passed

    def _gain_db(self, power: float) -> float:
        self._power += self.SMOOTH * (power - self._power)
        now_db = 10 * math.log10(self._power + 1e-12)
        self._loud_db = max(now_db, self._loud_db - self._fall_db)
        self._faint_db = min(now_db, self._faint_db + self._rise_db)
        return max(0.0, min(self._most_db, self.LOUD_DB - self._loud_db, self.NOISE_DB - self._faint_db))


DETECTORS: Mapping[str, Callable[[], Vad]] = {"gated": GatedVad, "silero": SileroVad, "webrtcvad": WebrtcVad}


def detector(name: str, *, webrtc_mode: int = 3, raise_db: float = 24.0) -> Vad:
    """One of DETECTORS for one source, without hum, faint sound raised by up to `raise_db`."""
    return Prepared(WebrtcVad(webrtc_mode) if name == "webrtcvad" else DETECTORS[name](), raise_db)
