"""The command's first step and its last: what it needs takes half a second to import, and an interrupt in it ends it
quietly; and nothing is taken down under a thread that still works."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress


def main() -> None:
    """Run the command; `rapporteur` and `python -m pipeline`."""
    try:
        from pipeline.cli import main as command
    except KeyboardInterrupt:
        sys.exit(130)  # nothing was begun
    try:
        command()
    except SystemExit as end:
        if threading.active_count() > 1 and isinstance(end.code, int):
            _at_once(end.code)
        raise


def _at_once(code: int) -> None:
    """End without Python's own shutdown: a thread that comes back from a library's C++ into it aborts the program."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # full, closed, or never there
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
