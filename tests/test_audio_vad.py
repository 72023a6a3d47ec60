"""Detectors: they hear speech and not noise, as their makers' own do, however the frames come."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audio import vad as module
from audio.speech import SAMPLE_RATE, AudioError, Samples
from audio.vad import (
    DETECTORS,
    Frames,
    GatedVad,
    Prepared,
    Probabilities,
    SileroState,
    SileroVad,
    Vad,
    WebrtcVad,
    detector,
)
from tests.shared_data import SHARED, needs_shared

MEETING = Path(__file__).parents[1] / "samples" / "meeting.flac"


def meeting(seconds: float) -> Samples:
    samples, _ = soundfile.read(MEETING, frames=round(seconds * SAMPLE_RATE), dtype="float32")
    return np.asarray(samples, np.float32)


def white_noise(seconds: float, loudness: float = 0.05) -> Samples:
    return np.random.default_rng(0).normal(0, loudness, round(seconds * SAMPLE_RATE)).astype(np.float32)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def framed(samples: Samples, frame: int = SileroVad.frame) -> Frames:
    return samples[: len(samples) // frame * frame].reshape(-1, frame)


SPEECH_AND_PAUSES = np.concatenate([meeting(4), silence(2), meeting(3), white_noise(2, 0.0005), meeting(2)])


@needs_shared
@pytest.mark.parametrize("mode", range(4))
def test_webrtcvad_decides_as_its_conformance_clip_says(mode: int) -> None:
    folder = SHARED / "audio" / "webrtcvad"
    expected = json.loads((folder / "expected.json").read_text())
    pcm = np.fromfile(folder / expected["file"], "<i2")
    vad = WebrtcVad(mode, frame_ms=expected["frame_ms"], sample_rate=expected["sample_rate"])
    decisions = vad(framed(np.divide(pcm, 32768, dtype=np.float32), vad.frame))
    assert "".join(str(int(speech)) for speech in decisions) == expected["expected_by_mode"][str(mode)]


@pytest.mark.parametrize(("mode", "frame_ms", "sample_rate"), [(4, 30, 16_000), (0, 25, 16_000), (0, 30, 44_100)])
def test_what_webrtcvad_cannot_do_is_refused(mode: int, frame_ms: int, sample_rate: int) -> None:
    with pytest.raises(AudioError, match=f"mode {mode} with frames of {frame_ms} ms at {sample_rate} Hz"):
        WebrtcVad(mode, frame_ms=frame_ms, sample_rate=sample_rate)


@pytest.mark.parametrize("make", [SileroVad, GatedVad, lambda: detector("gated")])
def test_speech_is_heard_and_noise_is_not(make: Callable[[], Vad]) -> None:
    assert (make()(framed(meeting(20))) >= 0.5).mean() > 0.6
    for other in (white_noise(10), silence(10)):
        assert make()(framed(other)).max() < 0.5


def test_faint_speech_is_heard_as_well_as_loud_and_faint_noise_is_still_none() -> None:
    faint = meeting(20) * np.float32(10 ** (-50 / 20))
    loud = (GatedVad()(framed(meeting(20))) >= 0.5).mean()
    plain, raised = ((vad(framed(faint)) >= 0.5).mean() for vad in (GatedVad(), detector("gated")))
    assert plain < loud - 0.1, "so faint that the detector alone loses it"
    assert raised > loud - 0.05
    for loudness in (0.0001, 0.001, 0.01):
        assert detector("gated")(framed(white_noise(20, loudness))).max() < 0.5


class Listening(GatedVad):
    """Notes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = np.zeros((0, self.frame), np.float32)

    def __call__(self, frames: Frames) -> Probabilities:
        self.heard = np.concatenate([self.heard, frames])
        return np.zeros(len(frames), np.float32)


def prepared(samples: Samples, most_db: float = 24.0) -> NDArray[np.float32]:
    """How loud each frame is that the detector gets, RMS."""
    vad = Listening()
    Prepared(vad, most_db)(framed(samples))
    return np.asarray(np.sqrt(np.square(vad.heard).mean(axis=1)), np.float32)


def test_only_what_is_faint_is_raised_but_no_noise_and_slowly_after_loud_sound() -> None:
    loud, faint, words = meeting(20), meeting(20) * np.float32(10 ** (-30 / 20)), slice(20, None)
    untouched = prepared(np.concatenate([loud, faint]), 0.0)
    after_loud = prepared(np.concatenate([loud, faint])) / untouched
    assert np.allclose(after_loud[20 : len(framed(loud))], 1, rtol=1e-4)
    assert after_loud[len(framed(loud)) :].max() < 10 ** (2 / 20), "a loud voice was heard 20 s ago"
    alone = prepared(faint) / prepared(faint, 0.0)
    assert np.median(alone[words]) > 10 ** (9 / 20)
    noisy = faint + white_noise(20, 10 ** (-50 / 20))
    assert np.median((prepared(noisy) / prepared(noisy, 0.0))[words]) < 10 ** (8 / 20), "the noise would be too loud"


def test_hum_and_offset_are_taken_out_and_speech_is_left() -> None:
    t = np.arange(20 * SAMPLE_RATE) / SAMPLE_RATE
    speech = prepared(meeting(20), 0.0)[2:]
    offset = prepared((meeting(20) + np.float32(0.1)).clip(-1, 1), 0.0)[2:]
    assert np.abs(offset - speech).max() < 0.01
    hum = np.sin(2 * np.pi * 50 * t).astype(np.float32)
    assert prepared(0.1 * hum, 0.0)[2:].max() < 0.7 * 0.1 / 2**0.5
    tone = np.sin(2 * np.pi * 800 * t).astype(np.float32)
    assert prepared(0.1 * tone, 0.0)[2:].min() > 0.97 * 0.1 / 2**0.5


def test_webrtcvad_alone_takes_white_noise_for_speech() -> None:
    """Why it is a gate and no judge."""
    assert WebrtcVad(0)(framed(white_noise(5), 480)).mean() > 0.9


def test_silero_is_the_streaming_network_of_its_makers() -> None:
    spec = find_spec("silero_vad")
    assert spec
    assert spec.origin
    weights = Path(spec.origin).parent / "data" / "silero_vad.onnx"
    theirs = onnxruntime.InferenceSession(weights, providers=["CPUExecutionProvider"])
    state, context, expected = np.zeros((2, 1, 128), np.float32), np.zeros((1, 64), np.float32), []
    frames = framed(SPEECH_AND_PAUSES)
    for frame in frames[:, None]:
        fed = {"input": np.hstack([context, frame]), "state": state, "sr": np.array(SAMPLE_RATE)}
        probability, state = theirs.run(None, fed)
        context = frame[:, -64:]
        expected.append(probability.item())
    np.testing.assert_allclose(SileroVad()(frames), expected, atol=1e-4)


@pytest.mark.parametrize("name", DETECTORS)
@settings(max_examples=8)
@given(data=st.data())
def test_slices_equal_the_whole(name: str, data: st.DataObject) -> None:
    whole, sliced = detector(name), detector(name)
    frames = framed(SPEECH_AND_PAUSES, whole.frame)
    cuts = data.draw(st.lists(st.integers(0, len(frames)), max_size=12).map(sorted))
    parts = [sliced(frames[start:stop]) for start, stop in pairwise([0, *cuts, len(frames)])]
    np.testing.assert_allclose(np.concatenate(parts), whole(frames), atol=1e-5)


@pytest.mark.parametrize("name", DETECTORS)
def test_two_sources_do_not_disturb_each_other(name: str) -> None:
    speaking, silent, alone = (detector(name) for _ in range(3))
    frames = framed(meeting(4), alone.frame)
    together = []
    for start in range(0, len(frames), 10):
        silent(np.zeros_like(frames[:10]))
        together.append(speaking(frames[start : start + 10]))
    np.testing.assert_allclose(np.concatenate(together), alone(frames), atol=1e-5)


def test_what_was_heard_changes_what_is_heard() -> None:
    fresh, used = SileroVad(), SileroVad()
    frames = framed(meeting(4))
    used(frames)
    assert np.abs(fresh(frames) - used(frames)).max() > 0.01
    used.state = SileroState.empty()
    np.testing.assert_array_equal(SileroVad()(frames), used(frames))


def test_the_gate_spares_silero_the_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    class Counting(SileroVad):
        def __call__(self, frames: Frames) -> Probabilities:
            nonlocal asked
            asked += len(frames)
            return super().__call__(frames)

    monkeypatch.setattr(module, "SileroVad", Counting)
    frames = framed(silence(60))
    probabilities = GatedVad()(frames)
    assert asked < len(frames) / 20
    assert not probabilities[asked:].any()
    asked = 0
    GatedVad()(framed(meeting(20)))
    assert asked > 550  # of 625: there it is hardly ever quiet


@pytest.mark.parametrize("gain_db", [0, -20, -40])
def test_the_gate_withholds_no_speech_however_soft(gain_db: int) -> None:
    pause = white_noise(3, 0.0003)
    samples = np.concatenate([meeting(8), pause, meeting(8)]) * np.float32(10 ** (gain_db / 20))
    silero, gated = SileroVad()(framed(samples)) >= 0.5, GatedVad()(framed(samples)) >= 0.5
    assert silero.mean() > 0.3
    assert (silero & ~gated).sum() <= 0.01 * silero.sum()
    assert (gated & ~silero).sum() <= 0.05 * silero.sum()


def test_torch_is_left_alone() -> None:
    """Importing silero_vad would load torch and set it to one thread."""
    program = (
        "import sys, numpy, audio.vad; audio.vad.GatedVad()(numpy.ones((40, 512), 'f4')); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=MEETING.parents[1], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    module._silero.cache_clear()
    with pytest.raises(AudioError, match="silero-vad"):
        SileroVad()(framed(silence(1)))
