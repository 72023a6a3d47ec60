"""Running ahead changes nothing but the thread: same items, same errors, never more than there is room for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from audio.speech import AudioError
from pipeline.relay import ahead


def test_the_same_items_come_from_another_thread() -> None:
    threads = []

    def items() -> Iterator[int]:
        threads.append(threading.get_ident())
        yield from range(100)

    assert list(ahead(items(), room=3)) == list(range(100))
    assert threads != [threading.get_ident()]


def test_it_waits_when_the_box_is_full() -> None:
    made = []

    def items() -> Iterator[int]:
        for i in range(20):
            made.append(i)
            yield i

    box = ahead(items(), room=4).start()
    deadline = time.monotonic() + 5
    while box.waiting < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert box.waiting == 4
    assert len(made) == 5, "one more was made and waits to be laid in"
    assert list(box) == list(range(20))


def test_an_error_comes_after_all_that_came_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise AudioError("the wire broke; mend it")

    box = ahead(items(), room=10)
    assert next(box) == 1
    with pytest.raises(AudioError, match="wire"):
        next(box)
    with pytest.raises(StopIteration):
        next(box)


def test_items_from_elsewhere_go_in_whatever_the_room_until_the_end() -> None:
    wait = threading.Event()

    def items() -> Iterator[str]:
        wait.wait(5)
        yield "own"

    box = ahead(items(), room=1).start()
    assert box.put("a")
    assert box.put("b")
    assert [next(box), next(box)] == ["a", "b"]
    wait.set()
    assert list(box) == ["own"]
    assert not box.put("late")


def test_closing_ends_the_thread_where_it_runs() -> None:
    closed_in = []

    def items() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed_in.append(threading.get_ident())

    box = ahead(items(), room=1)
    assert next(box) == 1
    box.close()
    deadline = time.monotonic() + 5
    while not closed_in and time.monotonic() < deadline:
        time.sleep(0.01)
    assert closed_in
    assert closed_in != [threading.get_ident()]
    assert list(box) == []
