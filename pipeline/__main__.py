"""The command's first step: what it needs takes half a second to import, and an interrupt in it ends it quietly."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; `rapporteur` and `python -m pipeline`."""
    try:
        from pipeline.cli import main as command
    except KeyboardInterrupt:
        sys.exit(130)  # nothing was begun
    command()


if __name__ == "__main__":
    main()
