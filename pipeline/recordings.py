"""The sound of a kept meeting, heard once more: for voiceprints and for dividing a speaker, which no journal holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.checksum import sha256_of
from audio.diarize.clusters import Groups, agglomerate
from audio.diarize.encoder import Ge2eEncoder
from audio.diarize.windows import Heard, Stretch, listen, stretches
from audio.segmenter import FILE, segment
from audio.sources import Channels, file_source
from audio.speech import SAMPLE_RATE, Utterance
from audio.vad import detector
from pipeline.events import PipelineError
from pipeline.transcript import Transcript

ENOUGH_S = 5.0  # of speech for a voiceprint


@dataclass(frozen=True)
class Voice:
    """What a recording tells of one speaker."""

    embedding: NDArray[Any]  # unit vector (d,)
    speech_s: float


def heard_again(recording: Path, channels: Channels) -> list[Heard]:
    """All speech of a recording through the encoder; raises AudioError where it cannot be read."""
    encoder, vad = Ge2eEncoder(), partial(detector, "gated")
    return [listen(found, encoder) for found in segment(file_source(recording, channels=channels), vad, FILE)]


def recording_of(transcript: Transcript) -> Path:
    """The meeting's recording, if it is still where it was and unchanged; PipelineError if not."""
    recording = Path(transcript.source)
    if not transcript.audio_sha256 or not recording.is_file() or sha256_of(recording) != transcript.audio_sha256:
        raise PipelineError(f"the recording of {transcript.meeting} is gone or changed; voices cannot be heard again")
    return recording


def channels_of(transcript: Transcript) -> Channels:
    """Whether the meeting heard its channels apart."""
    return "separate" if any(u.source for u in transcript.utterances) else "mix"


def voices_of(heard: Sequence[Heard], utterances: Sequence[Utterance]) -> Mapping[str, Voice]:
    """The voice of each speaker, from the windows inside the speaker's own utterances and outside all others'."""
    sums: dict[str, NDArray[Any]] = {}
    spoken: dict[str, float] = {}
    for found in heard:
        own = [u for u in utterances if u.source == found.source and u.speaker and "overlap" not in u.flags]
        for start, stop, embedding in zip(found.starts, found.stops, found.embeddings, strict=True):
            middle_s = (start + stop) / 2 / SAMPLE_RATE
            inside = {u.speaker for u in own if _common_s(u, start, stop) > 0.2 or u.start_s <= middle_s < u.end_s}
            if len(inside) == 1:
                (speaker,) = inside
                sums[speaker] = sums.get(speaker, np.zeros(len(embedding))) + embedding
    for u in utterances:
        spoken[u.speaker] = spoken.get(u.speaker, 0.0) + u.end_s - u.start_s
    return {who: Voice(total / np.linalg.norm(total), spoken[who]) for who, total in sums.items()}


def whole_voice(heard: Sequence[Heard]) -> Voice:
    """The one voice of a recording; raises PipelineError where there is too little speech or more than one voice."""
    found = [s for h in heard for s in stretches(h)]
    speech_s = sum(s.length for s in found) / SAMPLE_RATE
    if speech_s < ENOUGH_S:
        raise PipelineError(f"only {speech_s:.0f} s of speech were found; a voiceprint needs at least {ENOUGH_S:.0f} s")
    groups = Groups.of(found)
    sizes = sorted((float(groups.counts[part].sum()) for part in agglomerate(groups)), reverse=True)
    if len(sizes) > 1 and sizes[1] > 0.2 * sum(sizes):
        raise PipelineError("several people speak in this recording; enrol from a recording of one person alone")
    total = sum(h.embeddings.sum(axis=0) for h in heard if len(h.embeddings))
    return Voice(np.asarray(total / np.linalg.norm(total)), speech_s)


def divided(heard: Sequence[Heard], utterances: Sequence[Utterance], speaker: str) -> list[str]:
    """Ids of the utterances of `speaker` that are rather a second voice's: the two voices that divide them best.

    Raises PipelineError where fewer than two of them can be heard.
    """
    own = [u for u in utterances if u.speaker == speaker]
    voiced: list[tuple[Utterance, Stretch]] = []
    for u in own:
        windows = [
            embedding
            for found in heard
            if found.source == u.source
            for start, stop, embedding in zip(found.starts, found.stops, found.embeddings, strict=True)
            if u.start_s <= (start + stop) / 2 / SAMPLE_RATE < u.end_s
        ]
        if windows:
            bounds = round(u.start_s * SAMPLE_RATE), round(u.end_s * SAMPLE_RATE)
            voiced.append((u, Stretch(u.source, *bounds, np.mean(windows, axis=0))))
    if len(voiced) < 2:
        raise PipelineError(f"{speaker} has fewer than two utterances that can be heard; there is nothing to divide")
    parts = agglomerate(Groups.of([stretch for _, stretch in voiced]), least=2, most=2)
    smaller = min(parts, key=lambda part: sum(voiced[i][1].length for i in part))
    return [voiced[i][0].id for i in sorted(smaller)]


def _common_s(utterance: Utterance, start: int, stop: int) -> float:
    return min(utterance.end_s, stop / SAMPLE_RATE) - max(utterance.start_s, start / SAMPLE_RATE)
