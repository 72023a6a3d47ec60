"""`python -m memory.evaluate --data DIR`: every table, the baselines beside the model, from annotated meetings.

Each threshold is chosen on other series (or folds) than those it judges. 95 % intervals are bootstraps over meetings.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from memory import cases, end_cases, proof, roles
from memory.calibrate import MODEL
from memory.cases import SHARES, Case, Score
from memory.corpora import Annotated, MindError, folds, load, run
from memory.roles import ROLE_SHARE
from memory.weights import SHIPPED, Calibration, Shipped
from memory.weights import load as load_weights

Row = tuple[str, ...]


def table(title: str, head: Row, rows: Iterable[Row]) -> str:
    """Markdown."""
    lines = [f"\n### {title}\n", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def main_table(read: Sequence[Case], bare: Sequence[Case], shipped: Shipped) -> str:
    """All tasks: trivial, LR, model, both, and what is shipped, with its thresholds."""
    how = shipped.calibrations
    rows = [*_flag_rows(read, shipped), *_end_rows(read, shipped), *_boundary_rows(read, how)]
    owner = how.get("owner", Calibration()).share
    for name, some in (("dialogue acts, accuracy", read), ("dialogue acts, no punctuation", bare)):
        of = partial(cases.accuracy, some, "act")
        rows.append((name, str(cases.majority(some, "act")), *_each(of), str(cases.acts(some))))
    for name, assign in (("role, mean over utterances", False), ("role, one per person", True)):
        trivial, by = str(cases.majority(read, "role")), partial(cases.roles, read, assign=assign)
        rows.append((name, trivial, *_each(by), str(by(ROLE_SHARE if shipped.roles else 1.0))))
    speaker, pointed = cases.owners(read, 0, by="speaker"), partial(cases.owners, read)
    rows.append(("owner of an action item", f"{speaker} (the speaker)", *_each(pointed), str(pointed(owner))))
    back = cases.returns(read)
    told = [str(back[name]) for name in ("always new", "accuracy", "live accuracy")]
    rows.append(("topic switch: new or return", told[0], "-", told[1], "-", told[2]))
    found = [f"{back[f'{w}return recall']}, the right one {back[f'{w}right topic'].value:.3f}" for w in ("", "live ")]
    rows.append(("topic returns found", "0", "-", found[0], "-", found[1]))
    heard = {c.meeting.name for c in read}
    seen = len(heard & shipped.fitted)
    what = "marks, roles of whole people and thresholds"
    note = f"\n\n**Not held out:** {what} have seen {seen} of these {len(heard)} meetings." if seen else ""
    return note + table("Tasks", ("task", "trivial", "LR", "model", "LR + model", "shipped"), rows)


def folded(meetings: Sequence[Annotated], weights: Sequence[Path]) -> tuple[list[Case], list[Case], Shipped]:
    """Every meeting, as written and without punctuation, by the network, the columns and the roles that never saw it.

    The last of the weights come with it, marks as they are shipped by share. Raises MindError for weights that saw
    what they are to be measured on.
    """
    read, bare = [], []
    for number, (path, (rest, held)) in enumerate(zip(weights, folds(meetings, len(weights)), strict=True), 1):
        network = load_weights(path)
        if seen := sorted(network.fitted & {m.name for m in held}):
            raise MindError(
                f"{path} has seen {seen[0]}; name the weights of --fold 1/{len(weights)} and so on in order"
            )
        shares = {task: Calibration(share=share) for task, share in MODEL.items()}
        shipped = replace(
            network, tagger=None, minutes=None, calibrations=shares, roles=roles.taught(rest), fitted=frozenset()
        )
        read += cases.read(shipped, held, group=str(number))
        bare += cases.read(shipped, held, group=str(number), bare=True)
    return read, bare, shipped


def _each(score: Callable[[float], Score]) -> Row:
    return tuple(str(score(share)) for share in SHARES.values())


def _flag_rows(read: Sequence[Case], shipped: Shipped) -> Iterable[Row]:
    how = shipped.calibrations
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
        key = f"{task} windows" if windowed else task
        ours = "-"
        if windowed and shipped.minutes and key in how:
            ours = str(cases.shipped_minutes(read, task, shipped.minutes, how[key]))
        elif not windowed and key in how:
            ours = str(cases.shipped_flag(read, task, how[key]))
        yield name, trivial, *_each({s: cases.flag_score(f) for s, f in scored.items()}.__getitem__), ours


def _end_rows(read: Sequence[Case], shipped: Shipped) -> Iterable[Row]:
    """What is read anew when a meeting is over."""
    if shipped.ends is None:
        return
    for name, key, scored in end_cases.rows(end_cases.reread(read, shipped.ends)):
        score = cases.precise(scored, shipped.calibrations.get(key, Calibration()))
        yield name, str(cases.trivial_flag(scored)), "-", "-", "-", str(score)


def _boundary_rows(read: Sequence[Case], how: dict[str, Calibration]) -> Iterable[Row]:
    for task, level in (("opens", "top level"), ("turns", "all levels")):
        plain = {
            n: cases.plain_boundaries(read, task, f)
            for n, f in (("none", cases.no_boundaries), ("TextTiling", cases.tiling))
        }
        found = {s: cases.boundaries(read, task, s) for s in SHARES.values()}
        ours = cases.shipped_boundaries(read, task, how[task]) if task in how else {}
        for metric in ("Pk", "WD", "F1"):
            trivial = ", ".join(f"{n} {scores[metric].value:.3f}" for n, scores in plain.items())
            each = _each({s: f[metric] for s, f in found.items()}.__getitem__)
            yield f"topics, {level}: {metric}", trivial, *each, str(ours.get(metric, "-"))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m memory.evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of annotated meetings")
    parser.add_argument("--also", type=Path, help="a second folder, for cross-validation over both")
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--folds", type=Path, nargs="*", help="weights of each fold, in order: cross-validation")
    parser.add_argument("--without", type=Path, help="weights that were trained without any bank")
    tables = ["tasks", *proof.TABLES]
    parser.add_argument("--only", nargs="*", default=tables, choices=tables, help="tables to make")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    meetings = load(given.data) + (load(given.also) if given.also else [])
    if given.folds:
        print(main_table(*folded(meetings, given.folds)))
        return
    shipped = load_weights(given.weights)
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", file=sys.stderr, flush=True)

    say(f"reading {len(meetings)} meetings")
    read = cases.read(shipped, meetings)
    if "tasks" in given.only:
        say("tasks")
        print(main_table(read, cases.read(shipped, meetings, bare=True), shipped), flush=True)
    without = load_weights(given.without) if given.without else None
    for title, head, rows in proof.tables(shipped, read, without=without, only=given.only, say=say):
        print(table(title, head, rows), flush=True)
    say("done")


if __name__ == "__main__":
    run(main)
