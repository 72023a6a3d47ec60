"""pyannote.audio: nothing is loaded that is not trusted, nothing is told to anybody, and all its turns are used."""

from __future__ import annotations

import importlib
import os
import socket
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import soundfile

from audio.checksum import sha256_of
from audio.diarize import pyannote
from audio.diarize.diarizer import DiarizeOptions
from audio.diarize.turns import Turn
from audio.speech import SAMPLE_RATE, AudioChunk, AudioError

MEETING = Path(__file__).parents[1] / "samples" / "meeting.flac"
NAMES = "pipeline: {name: pyannote.audio.pipelines.SpeakerDiarization, params: {segmentation: $model/segmentation, "
CONFIG = NAMES + "embedding: $model/embedding, plda: $model/plda}}\n"
needs_pyannote = pytest.mark.skipif(
    find_spec("pyannote") is None or find_spec("pyannote.audio") is None,
    reason="pyannote.audio is not installed (pip install rapporteur[diarize])",
)


def told(folder: Path, allowed: list[str] | None = None, *, offline: bool = True) -> list[Turn]:
    samples, _ = soundfile.read(MEETING, dtype="float32", frames=12 * SAMPLE_RATE)
    return pyannote.diarize(
        [AudioChunk(samples, 0)], str(folder), DiarizeOptions(), allowed=allowed or [], offline=offline
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "segmentation").mkdir()
    return tmp_path


def test_a_file_that_may_be_a_program_is_not_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyannote, "_load", lambda _: pytest.fail("it was loaded"))
    model = folder / "segmentation" / "pytorch_model.bin"
    model.write_bytes(b"\x80\x04any program")
    with pytest.raises(AudioError, match=f"{model} can run any program .* add {sha256_of(model)} to speakers.sha256"):
        told(folder)
    with pytest.raises(AudioError, match="any program"):
        told(folder, ["0" * 64])


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (CONFIG.replace("SpeakerDiarization", "sdk.PyannoteAI"), "wants pyannote.audio.pipelines.sdk.PyannoteAI"),
        (CONFIG + "preprocessors: {audio: {name: os.system}}\n", "wants preprocessors"),
        (CONFIG.replace("$model/plda", "somebody/plda"), "names models outside its folder"),
        (CONFIG.replace("$model/plda", "$model/../elsewhere"), "names models outside its folder"),
        (CONFIG.replace(", plda: $model/plda", ""), "names models outside its folder"),
        ("pipeline: [", "is no pyannote pipeline"),
        ("just words", "is no pyannote pipeline"),
    ],
)
def test_a_pipeline_that_wants_more_than_its_folder_is_refused(folder: Path, config: str, sentence: str) -> None:
    (folder / "config.yaml").write_text(config)
    with pytest.raises(AudioError, match=sentence):
        told(folder)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"config\.yaml is missing"):
        told(tmp_path)
    with pytest.raises(AudioError, match="neither a folder nor"):
        pyannote.diarize([], "pyannote/speaker-diarization-precision-2", DiarizeOptions(), allowed=[], offline=False)
    with pytest.raises(AudioError, match="needs a pipeline"):
        pyannote.diarize([], "", DiarizeOptions(), allowed=[], offline=False)
    with pytest.raises(AudioError, match=r"recognition\.offline is set"):
        pyannote.diarize([], pyannote.OFFICIAL, DiarizeOptions(), allowed=[], offline=True)


def test_conditions_that_are_not_accepted_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError

    def refused(*_: object, **__: object) -> str:
        error = GatedRepoError.__new__(GatedRepoError)
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refused)
    with pytest.raises(AudioError, match=rf"accept its conditions at https://hf\.co/{pyannote.OFFICIAL}.*HF_TOKEN"):
        pyannote.diarize([], pyannote.OFFICIAL, DiarizeOptions(), allowed=[], offline=False)


def test_telemetry_is_off_before_the_import_and_a_failing_import_is_explained(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYANNOTE_METRICS_ENABLED", "1")
    states: list[str] = []

    def imported(name: str) -> Any:
        states.append(os.environ["PYANNOTE_METRICS_ENABLED"])
        if name == "pyannote.audio":
            raise OSError("libcudart.so.13: cannot open shared object file")
        return SimpleNamespace()

    monkeypatch.setattr(importlib, "import_module", imported)
    with pytest.raises(AudioError, match=r"libcudart.*or use the embedded engine"):
        told(folder)
    assert states
    assert set(states) == {"0"}


def test_the_exclusive_turns_come_first_and_what_others_say_over_them_is_added() -> None:
    overlapping = [Turn("A", 0.0, 5.0), Turn("B", 4.0, 8.0)]
    exclusive = [Turn("A", 0.0, 4.5), Turn("B", 4.5, 8.0)]
    found = pyannote.combined(overlapping, exclusive)
    assert [t for t in found if t.speaker == "A"] == [Turn("A", 0.0, 4.5), Turn("A", 4.5, 5.0)]
    assert [(t.start_s, t.end_s) for t in found if t.speaker == "B"] == [(4.0, 8.0)]
    assert pyannote.combined(exclusive, exclusive) == exclusive


@needs_pyannote
@pytest.mark.filterwarnings("ignore")
def test_a_pipeline_of_few_parameters_hears_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("PYANNOTE_METRICS_ENABLED", "0")
    torch.set_num_threads(1)
    pyannote._importable_torchaudio()
    from tests.pyannote_models import write_pipeline

    folder = write_pipeline(tmp_path / "tiny")
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it called somebody"))
    files = [path for path in folder.rglob("*") if path.suffix in pyannote.PICKLES]
    assert len(files) == 4
    sums = [sha256_of(path) for path in files]
    for n in range(4):
        with pytest.raises(AudioError, match="any program"):
            told(folder, sums[:n] + sums[n + 1 :])
    turns = told(folder, sums)
    assert turns == told(folder, sums)
    assert len({turn.speaker for turn in turns}) >= 2
    assert all(0 <= turn.start_s < turn.end_s <= 12.1 for turn in turns)
    pairs = [(a, b) for n, a in enumerate(turns) for b in turns[n + 1 :] if a.speaker != b.speaker]
    assert any(min(a.end_s, b.end_s) > max(a.start_s, b.start_s) for a, b in pairs), "overlaps are given, too"
    (folder / "segmentation" / "pytorch_model.bin").write_bytes(b"changed")
    with pytest.raises(AudioError, match="any program"):
        told(folder, sums)
