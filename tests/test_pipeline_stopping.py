"""A meeting that is ended from outside is still written to its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pty = pytest.importorskip("pty", reason="Windows has no terminals of this kind")
ROOT = Path(__file__).parents[1]
PROGRAM = """
import fcntl, signal, sys, termios
# whoever runs the tests under nohup does not want this to be passed on
signal.signal(signal.SIGHUP, signal.SIG_IGN if "--nohup" in sys.argv else signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # closing this terminal is told to this process
from pipeline import build
from pipeline.cli import main
from tests.fakes import FakeTranscriber
build.load_engine = lambda *_, **__: FakeTranscriber()
sys.argv = ["rapporteur", *(argument for argument in sys.argv[1:] if argument != "--nohup")]
main()
"""


def shown(home: Path, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    """`listen` to the sample in a terminal of its own, once words of it were shown; and our end of the terminal."""
    ours, its = pty.openpty()
    environ = os.environ | {"RAPPORTEUR_HOME": str(home / "home"), "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    sample = str(ROOT / "samples" / "meeting.flac")
    command = ["listen", "--from-file", sample, "--model", "embedded", "-o", "out", "-f", "txt", *arguments]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *command], stdin=its, stdout=its, stderr=its, cwd=home, env=environ,
        start_new_session=True,
    )  # fmt: skip
    os.close(its)
    seen = b""
    while b"It lasts" not in seen:
        seen += os.read(ours, 4096)
    return process, ours


@pytest.mark.parametrize("face", [("--plain",), ()])
def test_a_terminal_that_is_closed_costs_nothing(tmp_path: Path, face: tuple[str, ...]) -> None:
    process, ours = shown(tmp_path, *face)
    os.close(ours)
    assert process.wait(120) == 0
    assert "It lasts" in next((tmp_path / "out").glob("*.txt")).read_text()
    assert list((tmp_path / "home").rglob("recording.flac"))


@pytest.mark.parametrize("face", [("--plain",), ()])
def test_where_nohup_wants_it_a_meeting_goes_on_without_a_terminal_until_it_is_ended(
    tmp_path: Path, face: tuple[str, ...]
) -> None:
    process, ours = shown(tmp_path, *face, "--nohup")
    os.close(ours)
    (journal,) = (tmp_path / "home").glob("meetings/*/journal.jsonl")
    before = journal.read_text().count('"said"')
    while process.poll() is None and journal.read_text().count('"said"') < before + 2:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 0
    assert "It lasts" in next((tmp_path / "out").glob("*.txt")).read_text()


@pytest.mark.parametrize("face", [("--plain",), ()])
def test_a_terminate_signal_ends_the_recording_and_its_files_are_written(tmp_path: Path, face: tuple[str, ...]) -> None:
    process, ours = shown(tmp_path, *face)
    process.send_signal(signal.SIGTERM)
    seen = b""
    while b"minutes.md" not in seen:
        seen += os.read(ours, 4096)
    assert process.wait(120) == 0
    assert list((tmp_path / "home").rglob("recording.flac"))
    os.close(ours)


LEFT = """
import sys
import click, ctranslate2, numpy
from pipeline import cli
from pipeline.__main__ import main
from pipeline.relay import ahead

numbers = ctranslate2.StorageView.from_array(numpy.zeros((1000, 1000), numpy.float32))
kinds = ctranslate2.DataType.float16, ctranslate2.DataType.float32

def worked():
    while True:
        numbers.to(kinds[0]).to(kinds[1])
        yield "a word"

@click.command("left")
def left():
    next(ahead(worked(), room=1_000_000))
    raise KeyboardInterrupt

cli.app.add_command(left)
sys.argv = ["rapporteur", "left"]
main()
"""


def test_leaving_while_the_recogniser_works_is_no_crash() -> None:
    done = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert "what was said so far is kept" in done.stderr
    assert "terminate" not in done.stderr
