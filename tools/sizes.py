"""Fail when a file has more than 400 lines or a function more than 60."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

FILE_LINES, FUNCTION_LINES = 400, 60
FOLDERS = ("audio", "memory", "retrieval", "pipeline", "tests", "bench", "samples", "tools")


def oversized(path: Path) -> list[str]:
    """One sentence for each limit that the file breaks."""
    text = path.read_text(encoding="utf-8")
    found = [f"{path}: {text.count(chr(10))} lines"] if text.count("\n") > FILE_LINES else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno:
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES:
                found.append(f"{path}:{node.lineno}: {node.name} has {length} lines")
    return found


def main() -> None:
    """Look at every file of the project."""
    found = [line for folder in FOLDERS for path in sorted(Path(folder).rglob("*.py")) for line in oversized(path)]
    if found:
        sys.exit("\n".join(found))
    print(f"sizes: no file over {FILE_LINES} lines, no function over {FUNCTION_LINES}")


if __name__ == "__main__":
    main()
