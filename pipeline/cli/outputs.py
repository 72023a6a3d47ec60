"""Outputs that go away while the program runs: a reader that leaves, a terminal that is closed."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Patient(io.FileIO):
    """An output whose reader may leave, as `head` does: the rest goes nowhere, the work is finished all the same."""

    def write(self, data: ReadableBuffer, /) -> int:
        """As a file does; all of it counts as written once nobody reads."""
        try:
            return super().write(data)
        except BrokenPipeError:
            to_nowhere(self.fileno())
            return memoryview(data).nbytes


def to_nowhere(*descriptors: int) -> None:
    """From now on what is written to these is lost without an error, what waits for it, too; they give nothing."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def outlive_readers() -> None:
    """Output into a pipe that is closed early ends neither a meeting nor the writing of its files, and says nothing."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and not stream.isatty() and _is_a_file(stream):
            stream.flush()
            patient = io.BufferedWriter(Patient(stream.fileno(), "w", closefd=False))
            at_once = stream.line_buffering or stream.write_through or name == "stderr"
            setattr(sys, name, io.TextIOWrapper(patient, stream.encoding, stream.errors, line_buffering=at_once))


def _is_a_file(stream: io.TextIOWrapper) -> bool:
    """Whether bytes go to the system from here, not to a test that listens."""
    return type(getattr(stream.buffer, "raw", stream.buffer)) is io.FileIO and stream in (
        sys.__stdout__,
        sys.__stderr__,
    )
