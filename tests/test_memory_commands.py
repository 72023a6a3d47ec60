"""The memory's commands, wrongly asked: one sentence, no traceback, nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from memory import evaluate, train, weights
from memory.corpora import MindError, run

EMPTY: dict[str, object] = {"meeting": "ES1a", "utterances": [], "summary": None, "speakers": {}, "topics": []}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    """Asks a command, which has to refuse; returns its exit code and what it says."""

    def ask(main: Callable[[], None], *arguments: object) -> str:
        monkeypatch.setattr("sys.argv", ["command", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            run(main)
        assert not list(tmp_path.glob("out*"))
        return f"{end.value.code}: {capsys.readouterr().err}"

    return ask


@pytest.mark.parametrize("main", [train.main, evaluate.main])
def test_data_that_is_none_is_said(asked: Callable[..., str], tmp_path: Path, main: Callable[[], None]) -> None:
    out = ("--out", tmp_path / "out") if main is train.main else ()
    assert asked(main, "--data", tmp_path, *out).startswith(f"5: {tmp_path} holds no annotated meeting")
    (tmp_path / "a.json").write_text("{}")
    assert "a.json is no annotated meeting" in asked(main, "--data", tmp_path, *out)


def test_one_series_alone_is_too_little_to_train_from(asked: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(EMPTY))
    assert "holds one series only" in asked(train.main, "--data", tmp_path, "--out", tmp_path / "out")


@pytest.mark.parametrize("flags", [("--fold", "6/5"), ("--fold", "0/5"), ("--fold", "x"), ("--without", "nothing")])
def test_parts_and_banks_that_do_not_exist_are_refused(
    asked: Callable[..., str], tmp_path: Path, flags: tuple[str, str]
) -> None:
    said = asked(train.main, "--data", tmp_path, "--out", tmp_path / "out", *flags)
    assert said.startswith("2: ")
    assert flags[0] in said


def test_weights_of_ones_own_that_are_gone_need_no_new_installation(tmp_path: Path) -> None:
    with pytest.raises(MindError, match="check the name, or train again"):
        weights.load(tmp_path / "mine.safetensors")


def test_a_table_that_does_not_exist_is_refused(asked: Callable[..., str], tmp_path: Path) -> None:
    assert "--only" in asked(evaluate.main, "--data", tmp_path, "--only", "nothing")
