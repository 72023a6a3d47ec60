"""What all tests share: no time limits on examples, for test machines are busy, and a way to type a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from pipeline import build, cli
from tests.fakes import FakeTranscriber

Typed = Callable[..., tuple[int, str, str]]

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the command does, before torch is imported
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Types a command; returns exit code, stdout, stderr."""
    monkeypatch.setenv("RAPPORTEUR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RAPPORTEUR_CONFIG", str(tmp_path / "config.yaml"))
    (tmp_path / "config.yaml").write_text(
        "recognition: {model: embedded}\nvad: {detector: webrtcvad, webrtc_mode: 0}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(build, "load_engine", lambda chosen, threads, **_: FakeTranscriber())

    def typed(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rapporteur", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return typed


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library's folder that the command uses, with the settings that come with it."""
    monkeypatch.setenv("RAPPORTEUR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RAPPORTEUR_CONFIG", str(Path(__file__).parents[1] / "config.yaml"))
    return tmp_path / "home"
