"""The core's only concurrency: an iterator runs ahead in a thread of its own, through a bounded box."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from threading import Condition, Thread
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """The items, made in a thread that begins with the first `next` or `start` and waits while `room` of them wait.

    What the iterator raises is raised here, after all that came before it. `close` ends the thread at its next item.
    """

    def __init__(self, items: Iterable[T], room: int) -> None:
        assert room > 0
        self._items, self._room = items, room
        self._box: deque[T] = deque()
        self._changed = Condition()
        self._ended = self._closed = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, daemon=True)

    @property
    def waiting(self) -> int:
        """How many items lie in the box."""
        return len(self._box)

    def start(self) -> Self:
        """Begin now."""
        with self._changed:
            if self._thread.ident is None:
                self._thread.start()
        return self

    def put(self, item: T) -> bool:
        """Lay in an item from elsewhere, at once and whatever the room; False where the iterator has ended before."""
        with self._changed:
            if self._closed or (self._ended and not self._box):
                return False
            self._box.append(item)
            self._changed.notify_all()
            return True

    def close(self) -> None:
        """Take no more; what was not taken is lost."""
        with self._changed:
            self._closed = True
            self._box.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        self.start()
        with self._changed:
            while not self._box and not self._ended and not self._closed:
                self._changed.wait()
            if self._box:
                self._changed.notify_all()
                return self._box.popleft()
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            raise StopIteration

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                if not self._lay_in(item):
                    break
            if isinstance(self._items, Generator):
                self._items.close()  # in the thread that ran it
        except BaseException as caught:  # noqa: BLE001 - the edge of a thread: it is raised again where it is waited for
            error = caught
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify_all()

    def _lay_in(self, item: T) -> bool:
        with self._changed:
            while len(self._box) >= self._room and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            self._box.append(item)
            self._changed.notify_all()
            return True


def ahead(items: Iterable[T], *, room: int) -> Ahead[T]:
    """The same items, made in a thread of their own, at most `room` of them before they are taken."""
    return Ahead(items, room)
