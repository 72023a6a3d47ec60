"""What every result needs beside it: a Markdown table, the machine, the date, the versions."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from importlib import metadata
from pathlib import Path

PACKAGES = ("rapporteur", "openai-whisper", "faster-whisper", "ctranslate2", "torch", "av", "silero-vad")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown; the first column is text, the others are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def circumstances() -> str:
    """Where, when and with what it was measured."""
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in PACKAGES)
    return (
        f"Measured on {date.today().isoformat()}: {processor()}, {os.cpu_count()} cores, {platform.system()}; "
        f"Python {platform.python_version()}, {versions}."
    )


def processor() -> str:
    """The name of the CPU."""
    known = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", known.read_text()) if known.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def progress(sentence: str) -> None:
    """To stderr, so that stdout is the report."""
    print(sentence, file=sys.stderr, flush=True)
