"""The command `rapporteur` run as its users run it, and the events that it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from audio.speech import Utterance
from pipeline.events import Opened, Said, from_line

ROOT = Path(__file__).parents[1]


def shown_utterances(files: Sequence[Path], home: Path, *flags: str) -> dict[str, list[Utterance]]:
    """What the command shows of each file, by the file's name; raises CalledProcessError where it fails."""
    command = [sys.executable, "-m", "pipeline.cli", "transcribe", *map(str, files)]
    wanted = ["--json", "--again", "--output-dir", str(home / "out"), "--output-format", "txt", *flags]
    done = subprocess.run(
        [*command, *wanted], cwd=ROOT, env=environment(home), stdout=subprocess.PIPE, encoding="utf-8", check=True
    )
    said: dict[str, list[Utterance]] = {}
    for line in done.stdout.splitlines():
        match from_line(line):
            case Opened(source=source):
                shown = said.setdefault(Path(source).name, [])
            case Said(utterance) if not utterance.suppressed:
                shown.append(utterance)
    return said


def environment(home: Path) -> dict[str, str]:
    """This process's, but with the default settings, nothing in the library or the cache, and without any network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAPPORTEUR_")}
    places = {
        "RAPPORTEUR_HOME": home / "library",
        "RAPPORTEUR_CONFIG": ROOT / "config.yaml",
        "XDG_CACHE_HOME": home,  # converted checkpoints go to `rapporteur` in it
    }
    offline = {"RAPPORTEUR_RECOGNITION_OFFLINE": "true", "HF_HUB_OFFLINE": "1"}
    return {**kept, **{name: str(path) for name, path in places.items()}, **offline}
