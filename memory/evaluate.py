"""`python -m memory.evaluate --data DIR`: every table, the baselines beside the model, from annotated meetings.

Each threshold is chosen on other series (or folds) than those it judges. 95 % intervals are bootstraps over meetings.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import torch

from memory import cases, proof
from memory.cases import SHARES, Case, Score
from memory.corpora import folds, load
from memory.weights import SHIPPED
from memory.weights import load as load_weights

Row = tuple[str, ...]


def table(title: str, head: Row, rows: Iterable[Row]) -> str:
    """Markdown."""
    lines = [f"\n### {title}\n", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def main_table(read: Sequence[Case], bare: Sequence[Case]) -> str:
    """All tasks: trivial, LR, model, both."""
    rows = [*_flag_rows(read), *_boundary_rows(read)]
    for name, some in (("dialogue acts, accuracy", read), ("dialogue acts, no punctuation", bare)):
        rows.append((name, str(cases.majority(some, "act")), *_each(partial(cases.accuracy, some, "act"))))
    for name, assign in (("role, mean over utterances", False), ("role, one per person", True)):
        trivial = str(cases.majority(read, "role"))
        rows.append((name, trivial, *_each(partial(cases.roles, read, assign=assign))))
    rows.append(
        (
            "owner of an action item",
            f"{cases.owners(read, 0, by='speaker')} (the speaker)",
            *_each(partial(cases.owners, read)),
        )
    )
    back = cases.returns(read)
    rows.append(("topic switch: new or return", str(back["always new"]), "-", str(back["accuracy"]), "-"))
    rows.append(
        (
            "topic returns found",
            "0",
            "-",
            f"{back['return recall'].value:.3f}, the right one {back['right topic'].value:.3f}",
            "-",
        )
    )
    return table("Tasks", ("task", "trivial", "LR", "model", "LR + model"), rows)


def _each(score: Callable[[float], Score]) -> Row:
    return tuple(str(score(share)) for share in SHARES.values())


def _flag_rows(read: Sequence[Case]) -> Iterable[Row]:
    for task, windowed in (
        ("action", False),
        ("action", True),
        ("decision", False),
        ("decision", True),
        ("problem", False),
        ("salient", False),
    ):
        scored = {s: cases.flagged(read, task, s, windowed=windowed) for s in SHARES.values()}
        trivial = str(cases.trivial_flag(scored[0.0]))
        name = f"{task}, {'60-s windows' if windowed else 'utterances'}, F1"
        yield name, trivial, *_each({s: cases.flag_score(f) for s, f in scored.items()}.__getitem__)


def _boundary_rows(read: Sequence[Case]) -> Iterable[Row]:
    for task, level in (("opens", "top level"), ("turns", "all levels")):
        plain = {
            n: cases.plain_boundaries(read, task, f)
            for n, f in (("none", cases.no_boundaries), ("TextTiling", cases.tiling))
        }
        found = {s: cases.boundaries(read, task, s) for s in SHARES.values()}
        for metric in ("Pk", "WD", "F1"):
            trivial = ", ".join(f"{n} {scores[metric].value:.3f}" for n, scores in plain.items())
            yield f"topics, {level}: {metric}", trivial, *_each({s: f[metric] for s, f in found.items()}.__getitem__)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m memory.evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of annotated meetings")
    parser.add_argument("--also", type=Path, help="a second folder, for cross-validation over both")
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--folds", type=Path, nargs="*", help="weights of each fold, in order: cross-validation")
    parser.add_argument("--without", type=Path, help="weights that were trained without any bank")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    meetings = load(given.data) + (load(given.also) if given.also else [])
    if given.folds:
        read, bare = [], []
        for number, (_, held) in enumerate(folds(meetings, len(given.folds))):
            shipped = load_weights(given.folds[number])
            read += cases.read(shipped, held, group=str(number))
            bare += cases.read(shipped, held, group=str(number), bare=True)
        print(main_table(read, bare))
        return
    shipped = load_weights(given.weights)
    read, bare = cases.read(shipped, meetings), cases.read(shipped, meetings, bare=True)
    print(main_table(read, bare), flush=True)
    for title, head, rows in proof.tables(
        shipped, read, without=load_weights(given.without) if given.without else None
    ):
        print(table(title, head, rows), flush=True)


if __name__ == "__main__":
    main()
