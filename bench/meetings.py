"""Meetings made for measuring: synthetic voices that take turns, overlap and hesitate as people in AMI's meetings do.

Passages of real meetings give the order of speakers, the pauses and the overlaps; flite and espeak-ng speak the words.
What a passage's speakers do is kept, who they are is drawn anew, so that two to eight voices can share a meeting.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile

from audio.embedded.voices import Voice, say
from audio.speech import SAMPLE_RATE, Samples

# Two lists without a voice in common: thresholds are set on meetings of the first, results come from the second.
# espeak-ng's variants share one synthesiser. Of 61 voices these were taken in turn as the farthest from those before,
# up to a cosine of 0.8 in clean sound: many others differ in pitch alone, which this encoder takes for one voice.
TUNING = (
    *(Voice("flite", name) for name in ("slt", "kal16")),
    *(Voice("espeak-ng", f"en-us+{name}") for name in ("travis", "grandma", "f5", "steph", "klatt2", "Hugo", "Mario")),
    Voice("espeak-ng", "en-gb-scotland+Annie"),
)
TESTING = (
    *(Voice("flite", name) for name in ("rms", "awb")),
    *(Voice("espeak-ng", f"en-us+{name}") for name in ("Alicia", "Jacky", "edward", "belinda", "norbert", "sandro")),
    *(Voice("espeak-ng", name) for name in ("en+f3", "en-us+Gene2")),
)
PASSAGE_S = 40.0
LONGEST_LINE_S = 15.0


@dataclass(frozen=True)
class Spoken:
    """One line of a made meeting."""

    speaker: str
    start: int  # samples
    stop: int
    text: str


@dataclass(frozen=True)
class Meeting:
    """Sound, shape (n,), and what was said in it by whom."""

    name: str
    samples: Samples
    lines: tuple[Spoken, ...]  # by start
    room: str  # "rir2, noise3 at 17 dB"


@dataclass(frozen=True)
class Rooms:
    """Where the meetings take place: room responses and noises, each (n,) at 16 kHz, by name; both may be empty."""

    responses: dict[str, Samples]
    noises: dict[str, Samples]

    @classmethod
    def of(cls, speechbrain: Path) -> Rooms:
        """Those of a folder with RIRs/ and noise/."""
        return cls(_sounds(speechbrain / "RIRs"), _sounds(speechbrain / "noise"))


def _sounds(folder: Path) -> dict[str, Samples]:
    return {path.stem: soundfile.read(path, dtype="float32")[0] for path in sorted(folder.glob("*.wav"))}


@dataclass(frozen=True)
class Line:
    """One utterance of a real meeting."""

    speaker: str
    start_s: float
    end_s: float
    text: str


def passages(ami: Path, rng: np.random.Generator, meetings: int = 24) -> list[list[Line]]:
    """Stretches of PASSAGE_S from some of the real meetings in `ami`, each with at least three lines."""
    found: list[list[Line]] = []
    paths = sorted(ami.glob("*.json"))
    for i in sorted(rng.permutation(len(paths))[:meetings]):
        lines = _lines(json.loads(paths[i].read_text(encoding="utf-8"))["utterances"])
        start_s = 0.0
        while lines and start_s < lines[-1].end_s:
            part = [line for line in lines if start_s <= line.start_s < start_s + PASSAGE_S]
            if len(part) >= 3:
                found.append(part)
            start_s += PASSAGE_S
    return found


def _lines(utterances: list[dict[str, object]]) -> list[Line]:
    lines = []
    for u in utterances:
        text = re.sub(r"[^A-Za-z' ]+", " ", str(u["text"])).strip()
        if len(re.sub(r"[^A-Za-z]", "", text)) >= 2 and float(str(u["end"])) - float(str(u["start"])) <= LONGEST_LINE_S:
            lines.append(Line(str(u["speaker"]), float(str(u["start"])), float(str(u["end"])), text))
    return sorted(lines, key=lambda line: line.start_s)


def manners(parts: Sequence[Sequence[Line]]) -> dict[str, float]:
    """How the speakers of these passages behave: shares of speech and of changes, lengths in seconds."""
    pairs = [(a, b) for part in parts for a, b in pairwise(part)]
    changes = [b.start_s - a.end_s for a, b in pairs if a.speaker != b.speaker]
    lengths = [line.end_s - line.start_s for part in parts for line in part]
    spoken, twice = 0.0, 0.0
    for part in parts:
        grid = np.zeros(round(4000 * PASSAGE_S / 100), int)
        for line in part:
            start_s = part[0].start_s
            grid[round((line.start_s - start_s) * 20) : round((line.end_s - start_s) * 20)] += 1
        spoken, twice = spoken + np.count_nonzero(grid), twice + np.count_nonzero(grid > 1)
    return {
        "overlapped share of speech": twice / spoken,
        "changes per line": len(changes) / len(pairs),
        "changes that overlap": float(np.mean(np.array(changes) < 0)),
        "median gap at a change, s": float(np.median(changes)),
        "median line, s": float(np.median(lengths)),
        "lines under 1 s": float(np.mean(np.array(lengths) < 1)),
    }


def make(
    name: str, parts: Sequence[Sequence[Line]], *, voices: Sequence[Voice], seed: int, minutes: float, rooms: Rooms
) -> Meeting:
    """A meeting in which each of `voices` speaks; raises AudioError where a speech program is missing."""
    rng = np.random.default_rng(seed)
    script = list(_script(parts, len(voices), rng, minutes))
    stretches = rng.uniform(0.88, 1.1, len(voices))
    clips = [say(line.text, voices[who], float(stretches[who])) for who, line, _ in script]
    response, room = room_of(rooms, rng)
    gains = 10 ** (rng.uniform(-6, 0, len(voices)) / 20)
    placed, lines, ends = [], list[Spoken](), dict[int, int]()
    for (who, line, gap_s), clip in zip(script, clips, strict=True):
        before = lines[-1] if lines else Spoken("", 0, SAMPLE_RATE // 2, "")
        start = max(before.start, before.stop + round(gap_s * SAMPLE_RATE), ends.get(who, 0) + SAMPLE_RATE // 20)
        ends[who] = start + len(clip)
        placed.append((start, clip * np.float32(0.3 * gains[who])))
        lines.append(Spoken(f"V{who}", start, start + len(clip), line.text))
    sound = np.zeros(max(ends.values()) + SAMPLE_RATE, np.float32)
    for start, clip in placed:
        heard = reverberated(clip, response)[: len(sound) - start]
        sound[start : start + len(heard)] += heard
    sound, room = noisy(sound, rooms, rng, room)
    return Meeting(name, sound, tuple(lines), room)


def _script(
    parts: Sequence[Sequence[Line]], count: int, rng: np.random.Generator, minutes: float
) -> Iterator[tuple[int, Line, float]]:
    """(voice, line, seconds from the end of the line before): passages one after another, their speakers drawn anew."""
    heard = np.zeros(count)
    total_s = 0.0
    while total_s < 60 * minutes or not heard.all():
        part = parts[int(rng.integers(len(parts)))]
        people = list(dict.fromkeys(line.speaker for line in part))
        order = np.argsort(heard + rng.uniform(0, 20, count))[: len(people)]  # who spoke little comes up more often
        cast = {person: int(order[i]) for i, person in enumerate(people) if i < len(order)}
        before: Line | None = None
        for line in part:
            if line.speaker not in cast:
                continue
            gap_s = 1.0 if before is None else min(line.start_s - before.end_s, 3.0)
            yield cast[line.speaker], line, gap_s
            heard[cast[line.speaker]] += line.end_s - line.start_s
            total_s += line.end_s - line.start_s
            before = line


def room_of(rooms: Rooms, rng: np.random.Generator) -> tuple[Samples, str]:
    """The response (n,) of one of the rooms, or of none in a third of all cases, and its name."""
    if not rooms.responses or rng.random() < 0.34:
        return np.ones(1, np.float32), "dry"
    name = sorted(rooms.responses)[rng.integers(len(rooms.responses))]
    response = rooms.responses[name]
    response = response[int(np.abs(response).argmax()) :][: SAMPLE_RATE // 2]  # the direct sound first, half a second
    return response / np.sqrt(np.sum(response**2)), name


def reverberated(clip: Samples, response: Samples) -> Samples:
    """The clip as it sounds there, longer by the response."""
    if len(response) == 1:
        return clip
    size = len(clip) + len(response) - 1
    whole = np.fft.irfft(np.fft.rfft(clip, size) * np.fft.rfft(response, size), size)
    return whole.astype(np.float32)


def noisy(sound: Samples, rooms: Rooms, rng: np.random.Generator, room: str) -> tuple[Samples, str]:
    """With a noise 10 to 25 dB below the speech, and the whole under full scale."""
    if rooms.noises and rng.random() > 0.34:
        name = sorted(rooms.noises)[rng.integers(len(rooms.noises))]
        noise = np.resize(rooms.noises[name], len(sound))
        snr_db = float(rng.uniform(10, 25))
        loud = sound[np.abs(sound) > 0.01]
        noise = noise * (np.sqrt(np.mean(loud**2)) / np.sqrt(np.mean(noise**2)) * 10 ** (-snr_db / 20))
        sound, room = sound + noise, f"{room}, {name} at {snr_db:.0f} dB"
    else:
        sound = sound + rng.normal(0, 1e-4, len(sound)).astype(np.float32)
    return (sound / max(1.0, float(np.abs(sound).max()) / 0.99)).astype(np.float32), room
