"""What hours of a live meeting leave in the process is given back on the way."""

from __future__ import annotations

import pytest

from pipeline import loading


class _Libc:
    def __init__(self) -> None:
        self.trimmed: list[int] = []

    def malloc_trim(self, keep: int) -> None:
        self.trimmed.append(keep)


def test_memory_is_returned_while_the_meeting_passes_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    libc = _Libc()
    monkeypatch.setattr(loading, "_LIBC", libc)
    monkeypatch.setattr(loading, "_TRIM_S", -1.0)
    assert list(loading.returning_memory(range(3))) == [0, 1, 2]
    assert libc.trimmed == [0, 0, 0]


@pytest.mark.parametrize("libc", [None, object()])
def test_without_glibc_nothing_happens(libc: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_LIBC", libc)
    monkeypatch.setattr(loading, "_TRIM_S", -1.0)
    loading.return_memory()
    assert list(loading.returning_memory(range(3))) == [0, 1, 2]
