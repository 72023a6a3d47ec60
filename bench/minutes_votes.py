"""How much the memory's marks may count beside the rules: `python -m bench.minutes_votes --ami DIR`.

Each series of meetings is measured with the weights that are best on the others, so that none is judged by its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from bench.minutes_ami import Spoken, Tally, marks_of, meetings, ours
from bench.report import circumstances, progress, table
from memory import votes
from memory.marks import Marks
from memory.mind import Mind

KINDS = ("action", "decision")
GRID = {"action": tuple(product((0.2, 0.5), (0.08, 0.2))), "decision": tuple(product((0.2, 0.5), (0.0, 0.08)))}
Choice = tuple[float, float]  # item, sinks


def tallies(read: Sequence[tuple[Spoken, Mapping[str, Marks]]]) -> dict[tuple[str, str], Tally]:
    """By series and kind, with the weights as they stand."""
    found: dict[tuple[str, str], Tally] = {}
    for meeting, marks in read:
        places = {u.id: i for i, u in enumerate(meeting.utterances)}
        items = ours(meeting, marks)
        for kind, noted in (("action", meeting.actions), ("decision", meeting.decisions)):
            if noted is not None:
                tally = found.setdefault((meeting.name[:-1], kind), Tally())
                tally.add([frozenset(i.evidence) for i in items if i.kind == kind], noted, places)
    return found


def summed(found: Sequence[Tally]) -> Tally:
    """All of them as one."""
    return Tally(*(sum(getattr(t, name) for t in found) for name in ("found", "right", "noted", "met")))


def cross_fitted(measured: Mapping[Choice, Mapping[tuple[str, str], Tally]], kind: str) -> tuple[Tally, set[Choice]]:
    """Every series with the choice that is best on the others, and which choices these were."""
    series = sorted({name for found in measured.values() for name, of in found if of == kind})
    chosen: list[Tally] = []
    used: set[Choice] = set()
    for own in series:

        def merit(choice: Choice, own: str = own) -> float:
            found = measured[choice]
            return float(summed([t for (name, of), t in found.items() if of == kind and name != own]).row("")[-1])

        best = max(measured, key=merit)
        used.add(best)
        chosen.append(measured[best][own, kind])
    return summed(chosen), used


def main() -> None:
    """Print each choice's result on all meetings, and that of the choices made on other series."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ami", type=Path, required=True, help="folder of AMI meetings")
    given = parser.parse_args()
    mind = Mind.load()
    read = [(meeting, marks_of(mind, meeting)) for meeting in meetings(given.ami)]
    rows = []
    for kind in KINDS:
        measured: dict[Choice, dict[tuple[str, str], Tally]] = {}
        shipped = votes.WEIGHTS[kind]
        for item, sinks in GRID[kind]:
            votes.WEIGHTS[kind] = replace(shipped, item=item, sinks=sinks, doubts=max(shipped.doubts, 0.02))
            measured[item, sinks] = tallies(read)
            all_of_it = summed([t for (_, of), t in measured[item, sinks].items() if of == kind])
            rows.append(all_of_it.row(f"{kind}s, item from {item}, doubt takes {sinks}"))
            progress(rows[-1][0])
        votes.WEIGHTS[kind] = shipped
        tally, used = cross_fitted(measured, kind)
        rows.append(tally.row(f"{kind}s, chosen on the other series ({len(used)} choices)"))
    print(table(("weights", "found", "noted", "precision", "recall", "F1"), rows))
    print(circumstances())


if __name__ == "__main__":
    main()
