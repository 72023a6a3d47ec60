"""What is clear before anything is heard is said then, and leaves no empty meeting behind."""

from __future__ import annotations

import pytest

from tests.test_audio_pyannote import CONFIG as PYANNOTE
from tests.test_audio_pyannote import needs_pyannote
from tests.test_pipeline_cli import recording as recording


@pytest.mark.parametrize("command", [("transcribe",), ("listen", "--plain", "--pace", "0", "--from-file")])
@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--min-speakers", "4", "--max-speakers", "2"), "min_speakers is above speakers.max_speakers"),
        (("--speakers", "2", "--min-speakers", "4"), "is not between speakers.min_speakers and"),
        (("--speakers", "5", "--max-speakers", "4"), "is not between speakers.min_speakers and"),
        (("--speaker-engine", "pyannote"), "pyannote needs a pipeline"),
    ],
)
def test_what_cannot_be_is_refused_before_there_is_a_meeting(run, recording, command, flags, sentence) -> None:  # type: ignore[no-untyped-def]
    code, _, err = run(*command, recording, *flags)
    assert code in (3, 4)
    assert sentence in " ".join(err.split())
    assert list(recording.parent.glob("home/meetings/*")) == []


def test_a_pipeline_that_cannot_be_used_is_refused_before_anything_is_heard(run, recording, tmp_path) -> None:  # type: ignore[no-untyped-def]
    asked = ("transcribe", recording, "--speaker-engine", "pyannote", "--speaker-pipeline", tmp_path / "pipeline")
    (tmp_path / "pipeline").mkdir()
    assert "config.yaml is missing" in run(*asked)[2]
    (tmp_path / "pipeline" / "config.yaml").write_text(PYANNOTE)
    (tmp_path / "pipeline" / "model.bin").write_bytes(b"\x80\x04any program")
    assert "can run any program" in run(*asked)[2]
    (tmp_path / "pipeline" / "model.bin").unlink()
    if needs_pyannote.args[0]:
        assert "pip install rapporteur[diarize]" in run(*asked)[2]
    assert list(recording.parent.glob("home/meetings/*")) == []


def test_a_number_of_speakers_inside_the_limits_is_fine(run, recording) -> None:  # type: ignore[no-untyped-def]
    assert run("transcribe", recording, "--speakers", 2, "--min-speakers", 2, "--max-speakers", 2)[0] == 0


@pytest.mark.parametrize("command", [("transcribe",), ("listen", "--plain", "--pace", "0", "--from-file")])
def test_a_series_that_cannot_be_read_is_told_before_there_is_a_meeting(run, recording, tmp_path, command) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "home" / "series").mkdir(parents=True)
    (tmp_path / "home" / "series" / "weekly.json").write_text("{")
    code, _, err = run(*command, recording, "--series", "Weekly")
    assert code == 4
    assert "weekly.json cannot be read" in " ".join(err.split())
    assert list(tmp_path.glob("home/meetings/*")) == []
