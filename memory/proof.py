"""The proof that memory helps, or does not: the same model on the same meetings with its memory tampered with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace

import numpy as np
import torch
from numpy.typing import NDArray

from memory import cases, topics
from memory.cases import Case
from memory.corpora import MISSING, Annotated, by_series
from memory.metrics import ranked
from memory.model import Sizes, Switches
from memory.packing import Packed, pack, segment
from memory.predict import Tampered, predict
from memory.recurrence import READS, empty, step
from memory.state import MemoryState
from memory.streams import mistaken
from memory.weights import Shipped

Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]
_HEAD = (
    "role",
    "role, one each",
    "dialogue acts",
    "salient AP",
    "action AP",
    "decision AP",
    "topic F1",
    "role minus full",
)
TABLES = ("controls", "series", "curve", "age", "labels", "cost", "banks", "horizon", "lengths", "knobs")
_MISTAKEN = 0.2  # of the speakers, drawn from all; a quarter of these draws hits the right one
_FIRST = 20  # utterances of each speaker in which a memory carried over must show


def tables(
    shipped: Shipped, read: Sequence[Case], *, without: Shipped | None, only: Sequence[str], say: Callable[[str], None]
) -> Iterator[Table]:
    """Everything that is told of the memory beside the tasks."""
    makers: dict[str, Callable[[], Table]] = {
        "controls": lambda: _controls(shipped, read, without),
        "series": lambda: _series(shipped, [c.meeting for c in read]),
        "curve": lambda: _role_curve(read),
        "age": lambda: _by_age(shipped, read),
        "labels": lambda: _labels(shipped, read),
        "cost": lambda: _cost(shipped, read),
        "banks": lambda: _banks(shipped, read),
        "horizon": lambda: _horizon(shipped, read),
        "lengths": lambda: _lengths(shipped, read),
        "knobs": lambda: _knobs(shipped, read),
    }
    for name in (n for n in TABLES if n in only):
        say(name)
        yield makers[name]()


def _controls(shipped: Shipped, read: Sequence[Case], without: Shipped | None) -> Table:
    ways = {
        "full": Tampered(),
        "zeroed every segment": Tampered("zeroed"),
        "swapped with another meeting's": Tampered("swapped"),
        "frozen after 2 segments": Tampered("frozen"),
    }
    found = {name: _again(shipped, read, way) for name, way in ways.items()}
    if without:
        off = Tampered(switches=Switches(cache=False, tokens=False, slots=False, archive=False))
        found["retrained without banks, equal size"] = _again(without, read, off)
    rows = [(name, *_row(some, read), str(cases.returns(some)["accuracy"])) for name, some in found.items()]
    return "Controls", ("memory", *_HEAD, "new or return"), rows


def _banks(shipped: Shipped, read: Sequence[Case]) -> Table:
    banks = [(n, *_row(_again(shipped, read, Tampered(switches=s)), read)) for n, s in _switches().items()]
    return "Banks", ("bank", *_HEAD), banks


def _horizon(shipped: Shipped, read: Sequence[Case]) -> Table:
    far = {f"{h} segments": Tampered(horizon=h) for h in (1, 2, 4, 8)}
    heard = [(n, *_row(_again(shipped, read, w), read)) for n, w in far.items()]
    return "Horizon: how far back the memory may have heard", ("heard", *_HEAD), heard


def _lengths(shipped: Shipped, read: Sequence[Case]) -> Table:
    sizes = [replace(shipped.model.sizes, segment=size) for size in (8, 16, 32, 64)]
    lengths = [(str(z.segment), *_row(_again(_resized(shipped, z), read, Tampered()), read)) for z in sizes]
    return "Segment length (trained with 32)", ("utterances", *_HEAD), lengths


def _knobs(shipped: Shipped, read: Sequence[Case]) -> Table:
    sizes = shipped.model.sizes
    knobs = {f"the last {n}": replace(sizes, reach=n) for n in (4, 16, 64, 128)}
    knobs |= {f"recency {n:g}": replace(sizes, recency=n) for n in (0.0, 0.5, 2.0, 4.0)}
    rows = [(name, *_row(_again(_resized(shipped, other), read, Tampered()), read)) for name, other in knobs.items()]
    return "Cache and recency (trained with 128 and 1)", ("utterances read again", *_HEAD), rows


_BINS = ((0, 1, "0-1"), (2, 4, "2-4"), (5, 16, "5-16"), (17, 10_000, "over 16"))  # segments


def _by_age(shipped: Shipped, read: Sequence[Case]) -> Table:
    """Role by how long ago the memory last heard the speaker: the youngest evidence that it can have."""
    size = shipped.model.sizes.segment
    empty_handed = _again(shipped, read, Tampered("zeroed"))
    ages = [_since_heard(c.packed, size) for c in read]
    rows: list[tuple[str, ...]] = []
    for first, last, name in _BINS:
        counts = np.zeros(3)
        for full, zeroed, age in zip(read, empty_handed, ages, strict=True):
            chosen = (age >= first) & (age <= last) & (full.meeting.role != MISSING)
            rights = [(c.reading.logits["role"].argmax(1) == c.meeting.role)[chosen].sum() for c in (full, zeroed)]
            counts += [*rights, chosen.sum()]
        if counts[2]:
            rows.append((name, f"{counts[2]:.0f}", *(f"{n / counts[2]:.3f}" for n in counts[:2])))
    head = ("segments since they spoke", "utterances", "memory", "emptied every segment")
    return "Role by age of the evidence", head, rows


def _labels(shipped: Shipped, read: Sequence[Case]) -> Table:
    """How well the network tells the utterances that bear a wrong speaker, for short ones and long ones."""
    rng = np.random.default_rng(0)
    drawn = [mistaken(c.packed.speaker, rng, share=_MISTAKEN) for c in read]
    wrong = [replace(c.packed, speaker=speaker) for c, (speaker, _) in zip(read, drawn, strict=True)]
    again = cases.again(shipped, [c.meeting for c in read], wrong, tampered=Tampered())
    scores = np.concatenate([c.reading.logits["swapped"][:, 0] for c in again])
    wanted = np.concatenate([swapped for _, swapped in drawn])
    words = np.array([len(w) for c in read for w in c.packed.words])
    rows: list[tuple[str, ...]] = [
        (name, f"{some.sum()}", f"{wanted[some].mean():.3f}", f"{ranked(scores[some], wanted[some]):.3f}")
        for name, some in (("all", words >= 0), ("up to eight words", words <= 8), ("more", words > 8))
    ]
    return "Wrong speaker labels", ("utterances", "number", "of them wrong", "area under the ROC curve"), rows


def _since_heard(packed: Packed, size: int) -> NDArray[np.int64]:
    """Segments since the speaker of each utterance spoke in an earlier segment; -1 at their first."""
    last: dict[int, int] = {}
    before: dict[int, int] = {}
    out = np.full(len(packed), -1)
    for i, who in enumerate(packed.speaker.tolist()):
        if last.get(who, i // size) < i // size:
            before[who] = last[who]
        if who in before:
            out[i] = i // size - before[who]
        last[who] = i // size
    return out


def _switches() -> dict[str, Switches]:
    on, off = asdict(Switches()), dict.fromkeys(asdict(Switches()), False)
    return {
        **{f"without {name}": Switches(**{**on, name: False}) for name in on},
        **{f"only {name}": Switches(**{**off, name: True}) for name in on},
    }


def _again(shipped: Shipped, read: Sequence[Case], way: Tampered) -> list[Case]:
    return cases.again(shipped, [c.meeting for c in read], [c.packed for c in read], tampered=way)


def _resized(shipped: Shipped, sizes: Sizes) -> Shipped:
    model = type(shipped.model)(sizes)
    model.load_state_dict(shipped.model.state_dict())
    return replace(shipped, model=model.eval())


def _row(read: Sequence[Case], full: Sequence[Case]) -> tuple[str, ...]:
    flags = (
        cases.flag_score(cases.flagged(read, task, 1.0)).note.removeprefix("AP ")
        for task in ("salient", "action", "decision")
    )
    scores = (cases.roles(read, 1.0), cases.roles(read, 1.0, assign=True), cases.accuracy(read, "act", 1.0))
    return (*(f"{s.value:.3f}" for s in scores), *flags, f"{_topic_f1(read):.3f}", _paired(read, full))


def _topic_f1(read: Sequence[Case]) -> float:
    return cases.boundaries(read, "opens", 1.0)["F1"].value


def _paired(read: Sequence[Case], full: Sequence[Case]) -> str:
    """Difference of the share of right roles with its interval over meetings, in pairs."""
    rights = [[_right(c) for c in some] for some in (read, full)]
    known = np.array([[(c.meeting.role != MISSING).sum()] for c in read], np.float64)
    rows = np.c_[np.array(rights[0]) - np.array(rights[1]), known]
    rng = np.random.default_rng(0)
    draws = rows[rng.integers(len(rows), size=(10_000, len(rows)))].sum(1)
    low, high = np.quantile(draws[:, 0] / np.maximum(draws[:, 1], 1), [0.025, 0.975])
    return f"{rows[:, 0].sum() / max(rows[:, 1].sum(), 1):+.3f} [{low:+.3f}, {high:+.3f}]"


def _right(case: Case) -> float:
    known = case.meeting.role != MISSING
    return float((case.reading.logits["role"].argmax(1) == case.meeting.role)[known].sum())


def _role_curve(read: Sequence[Case]) -> Table:
    rows = [
        (f"log-odds of the last {n}" if n else "log-odds of all", str(cases.roles(read, 0.0, last=n)))
        for n in (1, 5, 20, 100, 0)
    ]
    return (
        "Role by history",
        ("own utterances", "role, mean over utterances"),
        [*rows, ("the memory", str(cases.roles(read, 1.0)))],
    )


def _series(shipped: Shipped, meetings: Sequence[Annotated]) -> Table:
    """Meetings b, c, d of each team, heard after the earlier ones or with an empty memory."""
    rows: list[tuple[str, ...]] = []
    kept: dict[str, list[tuple[float, float, float]]] = {"b": [], "c": [], "d": []}
    for series in (s for s in by_series(meetings).values() if len(s) > 1 and (s[0].role != MISSING).any()):
        state: MemoryState | None = None
        labels: tuple[str, ...] = ()
        for meeting in series:
            packed, labels = pack(meeting.heard, shipped.probes, labels=labels)
            first = _first_of_each(packed) & (meeting.role != MISSING)
            alone, _ = predict(shipped.model, [packed], [meeting.topic])
            carried, after = predict(shipped.model, [packed], [meeting.topic], start=state)
            state = topics.closed(after)
            if meeting.name[-1] in kept:
                counts = [((r[0].logits["role"].argmax(1) == meeting.role) & first).sum() for r in (alone, carried)]
                kept[meeting.name[-1]].append((counts[0], counts[1], first.sum()))
    for letter, counts in (*kept.items(), ("b, c, d", [c for many in kept.values() for c in many])):
        total = np.array(counts, np.float64).reshape(-1, 3).sum(0)
        rows.append(
            (letter, str(len(counts)), f"{total[0] / max(total[2], 1):.3f}", f"{total[1] / max(total[2], 1):.3f}")
        )
    return (
        f"Series: role in the first {_FIRST} utterances of each speaker",
        ("meeting", "meetings", "flushed", "carried over"),
        rows,
    )


def _first_of_each(packed: Packed) -> NDArray[np.bool_]:
    counts: dict[int, int] = {}
    out = np.zeros(len(packed), bool)
    for i, who in enumerate(packed.speaker.tolist()):
        counts[who] = counts.get(who, 0) + 1
        out[i] = counts[who] <= _FIRST
    return out


@torch.no_grad()
def _cost(shipped: Shipped, read: Sequence[Case]) -> Table:
    """Time of a step and size of the state, two hours and ten hours into a meeting of these utterances on end."""
    size = shipped.model.sizes.segment
    rows: list[tuple[str, ...]] = []
    pieces = [(c.packed, first) for c in read for first in range(0, len(c.packed) - size, size)]
    rng = np.random.default_rng(0)
    state, taken = empty(shipped.model), []
    reads: list[dict[str, float]] = []
    for number in range(1, 541):  # 540 segments of 32 are ten hours at AMI's 29 utterances a minute
        piece = segment([pieces[int(rng.integers(len(pieces)))]], size)
        began, busy = time.perf_counter(), time.process_time()
        state, output = step(shipped.model, state, piece)
        taken.append((time.process_time() - busy) * 1000)
        whole = (time.perf_counter() - began) * 1000
        reads.append({name: ms / whole for name, ms in output.read_ms.items()})
        if number in (32, 108, 540):
            last = np.array(taken[-100:])
            rows.append(
                (
                    f"{number * size / 29 / 60:.1f}",
                    f"{np.median(last):.1f}",
                    f"{np.quantile(last, 0.95):.1f}",
                    *(f"{np.median([r[name] for r in reads[-100:]]):.0%}" for name in READS),
                    f"{state.bytes() / 1e6:.2f}",
                )
            )
    off = Switches(cache=False, tokens=False, slots=False, archive=False)
    bare = []
    for _ in range(60):
        busy = time.process_time()
        step(shipped.model, empty(shipped.model, archive=8), piece, switches=off)
        bare.append((time.process_time() - busy) * 1000)
    rows.append(("no memory", f"{np.median(bare):.1f}", f"{np.quantile(bare, 0.95):.1f}", "-", "-", "-", "0"))
    return (
        f"Cost of a step of {size} utterances, {torch.get_num_threads()} thread(s)",
        ("hours", "CPU ms median", "CPU ms p95", *(f"of it {name}" for name in READS), "state MB"),
        rows,
    )
