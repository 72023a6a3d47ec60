"""Events of a long meeting in little memory, for what only its end asks for: journal lines, compressed in blocks.

An utterance as an object takes some 400 bytes, the memory's marks of it as much; so kept both together take about 100.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from pipeline.events import Event, from_line, to_line

_BLOCK = 64  # lines that are compressed together: twice as many save a tenth more


class Pressed:
    """Events, given back in order and as often as asked."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._open: list[str] = []

    def add(self, event: Event) -> None:
        """One more at the end."""
        self._open.append(to_line(event))
        if len(self._open) == _BLOCK:
            self._blocks.append(zlib.compress("\n".join(self._open).encode()))
            self._open = []

    def __iter__(self) -> Iterator[Event]:
        for block in self._blocks:
            yield from map(from_line, zlib.decompress(block).decode().split("\n"))
        yield from map(from_line, self._open)
