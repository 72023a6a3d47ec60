"""How a running meeting ends from outside: Ctrl+C, SIGTERM, and the terminal that is closed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from pipeline.cli.outputs import to_nowhere
from pipeline.live import Session

_HANGUP = getattr(signal, "SIGHUP", None)  # Windows has none


@contextmanager
def stopping(session: Session, *, told: Callable[[], None], again: Callable[[], None]) -> Iterator[None]:
    """Within, Ctrl+C and SIGTERM end the recording, which calls `told`; a second one calls `again`.

    A terminal that is closed ends it, too: nobody can stop it any more, and what was said is still written to its end.
    Where nohup ignores that, it goes on without one.
    """

    goes_on = _HANGUP is not None and signal.getsignal(_HANGUP) == signal.SIG_IGN
    terminals = [descriptor for descriptor in range(3) if os.isatty(descriptor)]  # a closed one is none any more

    def stop(number: int, frame: FrameType | None) -> None:
        if number == _HANGUP:
            to_nowhere(*terminals)  # every further word to it, or from it, would be an error
            if goes_on:
                return
        elif session.stopped:
            again()
            return
        if not session.stopped:
            told()
            session.stop()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if _HANGUP is not None:
        numbers.append(_HANGUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number in numbers:
            if number != _HANGUP or not session.stopped:  # a terminal that closes must not cost the files either
                signal.signal(number, before[number])
