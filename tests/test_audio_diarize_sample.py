"""The sample meeting: who spoke in it must stay as right as it is, online and at the end, however it is cut."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import soundfile

from audio.diarize.diarizer import DiarizeOptions, Voices, conclude, follow
from audio.diarize.encoder import Ge2eEncoder, weights
from audio.diarize.turns import Schedule, Turn, talk_s
from audio.diarize.windows import listen
from audio.segmenter import FILE, LIVE, SENTENCES, SegmenterOptions, segment
from audio.speech import SAMPLE_RATE, AudioChunk
from audio.vad import GatedVad

MEETING = Path(__file__).parents[1] / "samples" / "meeting.flac"
LINES = json.loads(MEETING.with_suffix(".json").read_text("utf-8"))["utterances"]


def right(turns: Sequence[Turn]) -> float:
    """Share of the lines' time that lies with the label that mostly speaks for their speaker, a label for one alone."""
    schedule, votes = Schedule(turns), Counter[tuple[str, str]]()
    for line in LINES:
        for label in schedule.speakers(line["start_s"], line["end_s"], "")[:1]:
            votes[line["speaker"], label] += line["end_s"] - line["start_s"]
    own: dict[str, str] = {}
    for (who, label), _ in votes.most_common():
        if who not in own and label not in own.values():
            own[who] = label
    good = sum(time for (who, label), time in votes.items() if own.get(who) == label)
    return float(good / sum(line["end_s"] - line["start_s"] for line in LINES))


@pytest.mark.skipif(not weights().is_file(), reason="resemblyzer 0.1.4 is not installed")
@pytest.mark.parametrize("cut", [FILE, LIVE, SENTENCES], ids=["file", "live", "sentences"])
def test_four_people_are_told_apart(cut: SegmenterOptions) -> None:
    samples, _ = soundfile.read(MEETING, dtype="float32")
    chunks = [AudioChunk(samples[i : i + SAMPLE_RATE], i) for i in range(0, len(samples), SAMPLE_RATE)]
    voices = Voices()
    for one in segment(chunks, GatedVad, cut):
        voices = follow(voices, listen(one, Ge2eEncoder()), DiarizeOptions()).voices
    for turns in (voices.turns, conclude(voices, DiarizeOptions()).turns):
        assert len(talk_s(turns)) == 4
        assert right(turns) > 0.97
