"""`rapporteur speakers`: listed, named, merged, split, enrolled; and speakers in every export."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from audio.checksum import sha256_of
from audio.diarize.identity import Voiceprint
from audio.speech import SAMPLE_RATE, Utterance
from pipeline.cli import app
from pipeline.events import Concluded, Corrected, Event, Named, Opened, PipelineError, Said
from pipeline.export import FORMATS, ExportOptions
from pipeline.export.subtitles import SubtitleOptions
from pipeline.journal import Journal
from pipeline.library import Library
from pipeline.transcript import Transcript
from pipeline.voiceprints import Voiceprints
from tests.fakes import SURE
from tests.test_pipeline_export import exported
from tests.test_pipeline_recordings import needs_weights, only

TALK = (("S1", " Good morning."), ("S2", " Hello."), ("S1", " Shall we begin?"), ("S3", " Yes."))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["speakers", *arguments])


def refused(*arguments: str) -> str:
    done = run(*arguments)
    assert isinstance(done.exception, PipelineError), done.output
    return str(done.exception)


def spoken(talk: Sequence[tuple[str, str]]) -> list[Utterance]:
    return [
        Utterance(f"u{n}", text, 10.0 * n, 10.0 * n + 2 * n, "en", SURE, speaker=who)
        for n, (who, text) in enumerate(talk, 1)
    ]


def held(home: Path, said: Sequence[Utterance], *more: Event, source: Path | None = None) -> str:
    sha256 = sha256_of(source) if source else ""
    opened = Opened("", "talk", "2026-03-10T09:00:00+01:00", str(source or ""), sha256, "", "fake", "fake", "0")
    library = Library(home)
    with library.create(opened) as journal:
        journal.append(*map(Said, said), *more, Concluded(60, 30))
    return library.meetings()[0].id


def transcript(home: Path) -> Transcript:
    library = Library(home)
    return Transcript.of(library.events(library.meeting("latest")))


def rows() -> list[dict[str, object]]:
    return [json.loads(line) for line in run("list", "latest", "--json").output.splitlines()]


def test_speakers_are_listed_with_time_and_confidence(home: Path) -> None:
    held(home, spoken(TALK), Named("S2", "Ben", "voiceprint", 0.87))
    assert rows() == [
        {"label": "S1", "name": "Speaker 1", "talk_s": 8.0, "utterances": 2, "confidence": None},
        {"label": "S2", "name": "Ben", "talk_s": 4.0, "utterances": 1, "confidence": 0.87},
        {"label": "S3", "name": "Speaker 3", "talk_s": 8.0, "utterances": 1, "confidence": None},
    ]
    shown = run("list").output
    assert "87% sure" in shown
    assert "Speaker 3" in shown


@pytest.mark.parametrize(
    ("said", "sentence"), [([], "nobody spoke"), (spoken([("", " Who is this?")]), "no speaker is known here")]
)
def test_nobody_is_listed_as_nobody(home: Path, said: list[Utterance], sentence: str) -> None:
    held(home, said)
    assert sentence in run("list").output
    assert run("list", "--json", "latest").output == ""
    assert "is no speaker; there are: none" in refused("name", "latest", "S1", "Anna")


def test_twenty_speakers_are_listed_and_written(home: Path) -> None:
    held(home, spoken([(f"S{n}", f" I am {n}.") for n in range(1, 21)]))
    assert [row["name"] for row in rows()] == [f"Speaker {n}" for n in range(1, 21)]
    assert exported(transcript(home), "vtt").count("<v Speaker ") == 20


def test_they_are_listed_as_one_counts_whoever_speaks_first(home: Path) -> None:
    held(home, spoken([(label, " Yes.") for label in ("S1", "S10", "S3", "me", "S2")]))
    assert [row["label"] for row in rows()] == ["S1", "S2", "S3", "S10", "me"]


def test_a_name_is_given_and_taken_away(home: Path) -> None:
    held(home, spoken(TALK))
    assert "S1 of" in run("name", "latest", "s1", " Anna ").output
    assert transcript(home).speakers["S1"] == "Anna"
    assert run("name", "latest", "anna", "Anna Berg").exit_code == 0, "a shown name names the speaker, too"
    assert transcript(home).speakers["S1"] == "Anna Berg"
    assert "nobody in particular" in run("name", "latest", "S1", "").output
    assert transcript(home).speakers["S1"] == "Speaker 1"
    assert "is no speaker; there are: S1 (Speaker 1)" in refused("name", "latest", "S9", "Anna")
    assert not (home / "voices").exists(), "a name alone keeps no voice"


def test_two_of_one_name_must_be_told_by_label(home: Path) -> None:
    held(home, spoken(TALK), Named("S1", "Anna", "user"), Named("S2", "Anna", "user"))
    assert '"Anna" is more than one speaker' in refused("name", "latest", "Anna", "Ben")


def test_two_of_one_name_are_told_and_no_name_looks_like_another_speaker(home: Path) -> None:
    held(home, spoken(TALK), Named("S1", "Anna", "user"))
    done = run("name", "latest", "S2", "anna ").output
    assert "S1 is anna, too; if they are one: `rapporteur speakers merge" in done
    assert "`rapporteur export` writes its files anew" in done
    assert "another speaker" in refused("name", "latest", "S2", "speaker  3")
    assert "another speaker" in refused("name", "latest", "S2", "s3")
    assert run("name", "latest", "S2", "Mu\u0308ller").exit_code == 0
    assert transcript(home).speakers["S2"] == "Müller", "composed, as most keyboards write it"
    assert run("name", "latest", "S2", "Ben\u2028 \x1b[31m\u202eNeb\u200d").exit_code == 0
    assert transcript(home).speakers["S2"] == "Ben [31mNeb\u200d", "nothing that commands a terminal"


def test_two_speakers_are_merged(home: Path) -> None:
    held(home, spoken(TALK))
    assert "1 utterances of S3 are S1's now" in run("merge", "latest", "S3", "S1").output
    assert [u.speaker for u in transcript(home).utterances] == ["S1", "S2", "S1", "S1"]
    assert list(transcript(home).speakers) == ["S1", "S2"]
    assert "the same speaker" in refused("merge", "latest", "S1", "S1")


def recorded(home: Path, *people: str, seconds: float) -> list[Utterance]:
    """A meeting with its recording, in which all are taken for one."""
    samples, said = only(*people, seconds=seconds)
    path = home.parent / "talk.wav"
    soundfile.write(path, samples, SAMPLE_RATE)
    held(home, [replace(u, speaker="S1") for u in said], source=path)
    return said


@needs_weights
def test_one_speaker_that_is_two_is_split_and_merged_again(home: Path) -> None:
    said = recorded(home, "Anna", "Ben", seconds=22)
    done = run("split", "latest", "S1")
    assert done.exit_code == 0, done.output
    assert "are S2's now" in done.output
    after = [u.speaker for u in transcript(home).utterances]
    truth = [u.speaker for u in said]
    agree = sum(a == b for a, b in zip(after, truth, strict=True))
    assert max(agree, len(said) - agree) >= len(said) - 1
    assert run("merge", "latest", "S2", "S1").exit_code == 0
    assert {u.speaker for u in transcript(home).utterances} == {"S1"}
    (home.parent / "talk.wav").unlink()
    assert "is gone or changed" in refused("split", "latest", "S1")


@needs_weights
def test_what_is_split_off_takes_no_name_of_a_speaker_who_was_merged(home: Path) -> None:
    said = recorded(home, "Anna", "Ben", seconds=22)
    library = Library(home)
    with Journal(library.folder(library.meeting("latest"))) as journal:
        journal.append(*(Corrected(u.id, "speaker", "S2", "speakers") for u in said), Named("S2", "Carla", "user"))
        journal.append(*(Corrected(u.id, "speaker", "S1", "user") for u in said))  # Carla was no one: all are S1 again
    assert run("split", "latest", "S1").exit_code == 0
    assert transcript(home).speakers == {"S1": "Speaker 1", "S3": "Speaker 3"}


@needs_weights
def test_a_voice_is_kept_from_a_meeting_only_with_consent(home: Path) -> None:
    recorded(home, "Ben", seconds=14)
    assert "needs a name and the person's consent" in refused("name", "latest", "S1", "Ben", "--enrol")
    assert transcript(home).speakers["S1"] == "Speaker 1", "what is refused changes nothing"
    done = run("name", "latest", "S1", "Ben", "--enrol", "--consent", "he said so on 10 March")
    assert done.exit_code == 0, done.output
    assert "voice kept" in done.output
    known = run("known").output
    assert "Ben" in known
    assert "he said so" in known
    journals = b"".join(path.read_bytes() for path in home.rglob("*.jsonl"))
    (kept,) = (home / "voices").iterdir()
    assert json.loads(kept.read_text("utf-8"))["embedding"].encode() not in journals, "never inside journals"


@needs_weights
def test_a_voice_is_enrolled_from_a_recording(home: Path, tmp_path: Path) -> None:
    samples, _ = only("Maria", seconds=12)
    soundfile.write(tmp_path / "maria.wav", samples, SAMPLE_RATE)
    assert "consent" in refused("enrol", "Maria", str(tmp_path / "maria.wav"))
    done = run("enrol", "Maria", str(tmp_path / "maria.wav"), "--consent", "signed")
    assert done.exit_code == 0, done.output
    (kept,) = Voiceprints(home).enrolled(warn=pytest.fail)
    assert (kept.voice.person, kept.consent) == ("Maria", "signed")
    soundfile.write(tmp_path / "short.wav", samples[: 2 * SAMPLE_RATE], SAMPLE_RATE)
    assert "needs at least 5 s" in refused("enrol", "Maria", str(tmp_path / "short.wav"), "--consent", "signed")
    assert len(Voiceprints(home).enrolled(warn=pytest.fail)) == 1


def test_voices_of_another_encoder_and_damaged_ones_are_told(home: Path) -> None:
    assert "no voice is kept" in run("known").output
    Voiceprints(home).add(Voiceprint("Anna", "older", np.ones(4)), enrolled="2026-03-10", consent="yes", speech_s=9)
    (home / "voices" / "x.voice.json").write_text("{")
    done = run("known")
    assert done.exit_code == 0
    assert "unusable: made by older; enrol again" in " ".join(done.output.split())
    assert "x.voice.json is damaged and was left out" in " ".join(done.output.split())
    row = json.loads(run("known", "--json").stdout)
    assert (row["person"], row["speech_s"], row["consent"], row["usable"]) == ("Anna", 9.0, "yes", False)


LABELS = ExportOptions(SubtitleOptions(speaker_labels=True))


@pytest.fixture
def named(home: Path) -> Transcript:
    held(home, spoken(TALK), Named("S1", "Anna <& Co>", "user"))
    return transcript(home)


def test_vtt_names_its_voices_always(named: Transcript) -> None:
    lines = exported(named, "vtt").splitlines()
    assert [line for line in lines if line.startswith("<v ")] == [
        "<v Anna &lt;&amp; Co&gt;>Good morning.",
        "<v Speaker 2>Hello.",
        "<v Anna &lt;&amp; Co&gt;>Shall we begin?",
        "<v Speaker 3>Yes.",
    ]


@pytest.mark.parametrize("format", ["txt", "srt"])
def test_txt_and_srt_name_speakers_on_request(named: Transcript, format: str) -> None:
    assert "Speaker" not in exported(named, format)
    lines = exported(named, format, LABELS).splitlines()
    assert [line for line in lines if ": " in line] == [
        "Anna <& Co>: Good morning.",
        "Speaker 2: Hello.",
        "Anna <& Co>: Shall we begin?",
        "Speaker 3: Yes.",
    ]


def test_json_has_the_speaker_of_every_segment_and_who_they_are(named: Transcript) -> None:
    written = json.loads(exported(named, "json"))
    assert [segment["speaker"] for segment in written["segments"]] == ["S1", "S2", "S1", "S3"]
    assert written["speakers"]["S1"]["name"] == "Anna <& Co>"
    assert [round(row["talk"], 3) for row in written["speakers"].values()] == [8.0, 4.0, 8.0]


@pytest.mark.parametrize("format", ["md", "html"])
def test_pages_name_speakers_and_their_share(named: Transcript, format: str) -> None:
    written = exported(named, format)
    assert "Speaker 2" in written
    assert "20%" in written, "4 of 20 seconds"
    assert "Anna <& Co>" not in written, "a name is text and no markup"


@pytest.mark.parametrize("format", FORMATS)
def test_without_speakers_nobody_is_named(home: Path, format: str) -> None:
    held(home, spoken([("", " Hello there.")]))
    written = exported(transcript(home), format, LABELS)
    assert "Hello there" in written
    assert "Speaker 1" not in written
    assert "<v " not in written
