"""Make the sample meeting again, sound, reference and documents: `python -m samples.make`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from audio.embedded.voices import say
from audio.speech import SAMPLE_RATE, AudioError, Samples
from samples import documents
from samples.script import Line, Play, load, reference

HERE = Path(__file__).parent
SEED = 20260310
MILLISECOND = SAMPLE_RATE // 1000  # in samples
LEAD_S, TAIL_S = 0.5, 0.8
# Silence before a line, in seconds, drawn evenly between two bounds.
SAME_SPEAKER, NEXT_SPEAKER, NEXT_TOPIC = (0.3, 0.5), (0.25, 0.9), (1.2, 1.8)
ROOM_NOISE_DB = -60.0  # RMS, relative to full scale
NOISE_PERIOD = 2**19  # samples, 33 s; noise made in the spectrum joins its own beginning without a seam
Speak = Callable[[str, str, float], Samples]  # text, voice, stretch -> 16 kHz samples, peak 0.9


def perform(play: Play, speak: Speak = say) -> tuple[Samples, list[tuple[int, int]]]:
    """The meeting's sound, shape (n,), and where in it every line starts and stops, on whole milliseconds.

    Raises AudioError when a speech program is missing or fails.
    """
    rng = np.random.default_rng(SEED)
    clips, spans = [], list[tuple[int, int]]()
    for n, line in enumerate(play.lines):
        person = play.people[line.speaker]
        clip = speak(line.text.rstrip(" –"), person.voice, person.stretch)
        clip = np.pad(clip, (0, -len(clip) % MILLISECOND)) * np.float32(10 ** (person.gain_db / 20))
        gap_ms = round(1000 * _gap_s(play.lines[n - 1] if n else None, line, rng))
        start = (spans[-1][1] if n else 0) + gap_ms * MILLISECOND
        clips.append(clip)
        spans.append((start, start + len(clip)))
    sound = room_noise(spans[-1][1] + round(TAIL_S * SAMPLE_RATE), rng)
    for clip, (start, stop) in zip(clips, spans, strict=True):
        sound[start:stop] += clip
    assert np.abs(sound).max() < 1, "two voices overlap too loudly: lower their gain_db"
    return sound, spans


def _gap_s(before: Line | None, line: Line, rng: np.random.Generator) -> float:
    """Silence between two lines; negative where the second one interrupts."""
    if before is None:
        return LEAD_S
    if line.overlap_s:
        return -line.overlap_s
    if line.topic != before.topic:
        return float(rng.uniform(*NEXT_TOPIC))
    return float(rng.uniform(*(SAME_SPEAKER if line.speaker == before.speaker else NEXT_SPEAKER)))


def room_noise(length: int, rng: np.random.Generator) -> Samples:
    """Pink noise, shape (length,): white noise with its power falling as 1/f, as in a quiet room."""
    spectrum = np.fft.rfft(rng.standard_normal(NOISE_PERIOD))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, NOISE_PERIOD)
    noise *= 10 ** (ROOM_NOISE_DB / 20) / noise.std()
    return np.resize(noise, length).astype(np.float32)


def to_json(record: dict[str, Any]) -> str:
    """JSON with one line for each key, and one for each entry of a list."""

    def value(v: Any) -> str:
        if not isinstance(v, list):
            return json.dumps(v, ensure_ascii=False)
        return "[\n  " + ",\n  ".join(json.dumps(entry, ensure_ascii=False) for entry in v) + "\n ]"

    return "{\n" + ",\n".join(f" {json.dumps(k)}: {value(v)}" for k, v in record.items()) + "\n}\n"


def main() -> None:
    """Write everything into this folder."""
    play = load()
    sound, spans = perform(play)
    soundfile.write(HERE / "meeting.flac", sound, SAMPLE_RATE, subtype="PCM_16", compression_level=1.0)
    (HERE / "meeting.json").write_text(to_json(reference(play, spans)), encoding="utf-8")
    written = documents.write(HERE / "docs")
    print(f"meeting.flac: {len(sound) / SAMPLE_RATE:.1f} s, {len(spans)} lines; {', '.join(p.name for p in written)}")


if __name__ == "__main__":
    try:
        main()
    except AudioError as error:
        sys.exit(str(error))
