"""What leaves the machine: nothing; and what is left on it: only rapporteur's own folders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

ROOT = Path(__file__).parents[1]
# Python's own calls to the network. What compiled libraries do is seen by what they keep in the home directory.
ALONE = """
import sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        raise SystemExit(f"it called somebody: {event} {arguments}")
sys.addaudithook(refuse)
sys.argv = ["rapporteur", *sys.argv[1:]]
from pipeline.__main__ import main
main()
"""


def typed(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, whose home directory is `home`, and for which no network is there."""
    kept = ("RAPPORTEUR", "XDG", "ORT_", "HF_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(kept)}
    environ |= {"HOME": str(home), "PYTHONPATH": str(ROOT), "LOCALAPPDATA": str(home), "APPDATA": str(home)}
    command = [sys.executable, "-c", ALONE, *arguments]
    return subprocess.run(command, cwd=home, env=environ, capture_output=True, encoding="utf-8", check=False)


def test_the_libraries_leave_no_trace_of_their_own(tmp_path: Path) -> None:
    """onnxruntime 1.32 keeps an id of the machine and what it is about to tell its vendor."""
    done = typed(tmp_path, "--version")
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the folders have other names")
def test_a_recording_is_transcribed_without_the_network_and_within_our_own_folders(tmp_path: Path) -> None:
    sound, rate_hz = soundfile.read(ROOT / "samples" / "meeting.flac", frames=10 * 16_000)
    (tmp_path / "out").mkdir()
    soundfile.write(tmp_path / "out" / "talk.wav", sound, rate_hz)
    done = typed(tmp_path, "transcribe", "out/talk.wav", "--model", "embedded", "-o", "out")
    assert done.returncode == 0, done.stderr
    places = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    ours = ("out/", ".cache/rapporteur/", ".local/share/rapporteur/")
    assert [place for place in places if not place.startswith(ours)] == []
    assert len(places) > len(ours)
