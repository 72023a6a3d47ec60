"""A kept recording heard once more: voices, a speaker that is two, and why it sometimes cannot be done."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio.checksum import sha256_of
from audio.diarize.encoder import Ge2eEncoder, weights
from audio.diarize.identity import Voiceprint, identify
from audio.diarize.windows import Heard
from audio.speech import SAMPLE_RATE, Samples, Utterance
from pipeline.events import PipelineError
from pipeline.recordings import channels_of, divided, heard_again, recording_of, voices_of, whole_voice
from pipeline.transcript import Transcript
from tests.fakes import SURE

SAMPLES = Path(__file__).parents[1] / "samples"
needs_weights = pytest.mark.skipif(not weights().is_file(), reason="resemblyzer 0.1.4 is not installed")
LINES = json.loads((SAMPLES / "meeting.json").read_text("utf-8"))["utterances"]


def only(*people: str, seconds: float = 24.0, skip: int = 0) -> tuple[Samples, list[Utterance]]:
    """What these people say in the sample meeting, line after line with a pause between, and when."""
    whole, _ = soundfile.read(SAMPLES / "meeting.flac", dtype="float32")
    pieces: list[Samples] = [np.zeros(SAMPLE_RATE // 2, np.float32)]
    said: list[Utterance] = []
    for line in [line for line in LINES if line["speaker"] in people][skip:]:
        at_s = sum(map(len, pieces)) / SAMPLE_RATE
        if at_s > seconds:
            break
        piece = whole[round(line["start_s"] * SAMPLE_RATE) : round(line["end_s"] * SAMPLE_RATE)]
        label = f"S{1 + people.index(line['speaker'])}"
        end_s = at_s + len(piece) / SAMPLE_RATE
        said.append(Utterance(f"u{len(said) + 1}", f" {line['text']}", at_s, end_s, "en", SURE, speaker=label))
        pieces += [piece, np.zeros(SAMPLE_RATE * 6 // 10, np.float32)]
    return np.concatenate(pieces), said


@cache
def two_people(folder: Path) -> tuple[list[Heard], list[Utterance]]:
    """Anna and Ben, heard once for all tests."""
    samples, said = only("Anna", "Ben", seconds=26)
    soundfile.write(folder / "two.wav", samples, SAMPLE_RATE)
    return heard_again(folder / "two.wav", "mix"), said


@pytest.fixture
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Heard], list[Utterance]]:
    return two_people(tmp_path_factory.getbasetemp())


def transcript(**changes: object) -> Transcript:
    plain: dict[str, object] = {
        **dict.fromkeys(("title", "began", "language", "source", "audio_sha256", "engine", "model"), ""),
        **{"meeting": "talk-ab12", "duration_s": 1.0, "utterances": (), "suppressed": ()},
    }
    return Transcript(**{**plain, **changes})  # type: ignore[arg-type]


def test_a_recording_that_is_gone_or_changed_is_not_heard(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(b"sound")
    meeting = transcript(source=str(path), audio_sha256=sha256_of(path))
    assert recording_of(meeting) == path
    path.write_bytes(b"other sound")
    with pytest.raises(PipelineError, match="talk-ab12 is gone or changed"):
        recording_of(meeting)
    path.unlink()
    with pytest.raises(PipelineError, match="gone or changed"):
        recording_of(meeting)
    with pytest.raises(PipelineError, match="gone or changed"):
        recording_of(transcript(source="-"))


def test_channels_are_heard_apart_where_the_meeting_did(tmp_path: Path) -> None:
    assert channels_of(transcript()) == "mix"
    assert channels_of(transcript(utterances=(Utterance("u1", " a", 0, 1, "en", SURE, source="left"),))) == "separate"


@needs_weights
def test_voices_of_two_people_are_theirs(two: tuple[list[Heard], list[Utterance]]) -> None:
    heard, said = two
    voices = voices_of(heard, said)
    assert sorted(voices) == ["S1", "S2"]
    spoken = sum(u.end_s - u.start_s for u in said if u.speaker == "S1")
    assert voices["S1"].speech_s == pytest.approx(spoken)
    halves = [voices_of(heard, [u for n, u in enumerate(said) if n % 2 == half]) for half in (0, 1)]
    known = [Voiceprint(label, Ge2eEncoder.name, voice.embedding) for label, voice in halves[0].items()]
    found = identify({k: v.embedding for k, v in halves[1].items()}, known, encoder=Ge2eEncoder.name)
    assert {i.speaker: i.person for i in found} == {"S1": "S1", "S2": "S2"}
    ben_alone = [known[n] for n in range(2) if known[n].person == "S2"]
    anna = {"S9": halves[1]["S1"].embedding}
    assert identify(anna, ben_alone, encoder=Ge2eEncoder.name) == [], "a stranger stays one"


@needs_weights
def test_what_two_say_at_once_is_no_voice(two: tuple[list[Heard], list[Utterance]]) -> None:
    heard, said = two
    assert voices_of(heard, [Utterance("u1", " a", 0.0, 60.0, "en", SURE, flags=("overlap",), speaker="S1")]) == {}
    assert voices_of(heard, [Utterance("u1", " a", 0.0, 60.0, "en", SURE, speaker="S1", source="left")]) == {}
    assert voices_of([], said) == {}


@needs_weights
def test_one_label_for_two_voices_is_divided(two: tuple[list[Heard], list[Utterance]]) -> None:
    heard, said = two
    spoken = {who: sum(u.end_s - u.start_s for u in said if u.speaker == who) for who in ("S1", "S2")}
    smaller = min(spoken, key=lambda who: spoken[who])
    merged = [Utterance(u.id, u.text, u.start_s, u.end_s, "en", SURE, speaker="S7") for u in said]
    ids = divided(heard, merged, "S7")
    right = {u.id for u in said if u.speaker == smaller}
    assert len(set(ids) ^ right) <= 1, "at most one short line on the wrong side"
    with pytest.raises(PipelineError, match="S7 has fewer than two"):
        divided(heard, merged[:1], "S7")
    with pytest.raises(PipelineError, match="S8 has fewer than two"):
        divided(heard, merged, "S8")
    with pytest.raises(PipelineError, match="fewer than two"):
        divided([], merged, "S7")


@needs_weights
@pytest.mark.parametrize(
    ("people", "seconds", "sentence"),
    [
        (("Anna",), 3.0, "only . s of speech"),
        (("Anna", "Ben"), 24.0, "several people"),
        ((), 3.0, "only 0 s of speech"),
    ],
)
def test_a_recording_that_is_not_one_voice_is_refused(
    tmp_path: Path, people: tuple[str, ...], seconds: float, sentence: str
) -> None:
    samples, _ = only(*people, seconds=seconds)
    soundfile.write(tmp_path / "a.wav", np.pad(samples, (0, SAMPLE_RATE)), SAMPLE_RATE)
    with pytest.raises(PipelineError, match=sentence):
        whole_voice(heard_again(tmp_path / "a.wav", "mix"))


@needs_weights
def test_one_voice_alone_is_taken(tmp_path: Path) -> None:
    samples, said = only("Ben", seconds=16)
    soundfile.write(tmp_path / "a.wav", samples, SAMPLE_RATE)
    voice = whole_voice(heard_again(tmp_path / "a.wav", "mix"))
    assert float(np.linalg.norm(voice.embedding)) == pytest.approx(1)
    assert voice.speech_s == pytest.approx(sum(u.end_s - u.start_s for u in said), rel=0.3)
