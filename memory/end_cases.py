"""Cases read anew at their end (`memory.ends`): the rows that tables and thresholds are made of."""

from __future__ import annotations

from collections.abc import Sequence

from memory.cases import Case, Scored, minute_labels
from memory.corpora import MISSING
from memory.ends import Ends, by_minute, numbers_of
from memory.stretch import TASKS

_WINDOWS = " windows"


def reread(read: Sequence[Case], ends: Ends) -> dict[str, Scored]:
    """Probabilities and labels of what was annotated: "action" of utterances, "action windows" of minutes, ..."""
    scored: dict[str, Scored] = {name: [] for task in TASKS for name in (task, task + _WINDOWS)}
    for case in read:
        for task in TASKS:
            wanted = getattr(case.meeting, task)
            if wanted[0] == MISSING:
                continue
            chances = ends.chances(numbers_of(case.packed, case.people, task), task)
            minutes = by_minute(chances, case.packed.start_s)
            scored[task].append((chances, wanted, case.group))
            scored[task + _WINDOWS].append((minutes, minute_labels(case, task), case.group))
    return scored


def rows(scored: dict[str, Scored]) -> list[tuple[str, str, Scored]]:
    """(name in a table, key of its threshold, what is measured): single utterances only where a meeting has a positive,
    as while it runs."""
    out = []
    for name, some in scored.items():
        task, windowed = name.removesuffix(_WINDOWS), name.endswith(_WINDOWS)
        title = f"{task}, {'60-s windows' if windowed else 'utterances'}, at the end, F1"
        out.append((title, f"{name} anew", some if windowed else [row for row in some if row[1].any()]))
    return out
