"""Meetings with what the model and the probes say of them: the rows that tables are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory.baselines import summed_roles, text_tiling
from memory.corpora import FAR, MISSING, ROLES, Annotated, away
from memory.metrics import (
    average_precision,
    best_threshold,
    boundary_counts,
    confusion,
    cross_fit,
    f1,
    interval,
    one_each,
    peaks,
    pk_and_window_diff,
    sigmoid,
    trailed,
    windows,
)
from memory.packing import Packed, logits_of, pack
from memory.predict import Reading, Tampered, predict
from memory.probes import GROUPS, MARKS
from memory.roles import ROLE_SHARE, joint
from memory.stretch import TASKS, Minutes, table
from memory.tagger import scene, tagged
from memory.weights import Calibration, Shipped
from memory.words import Floats, Ints, stripped, tokens

GRID = np.linspace(0.9, 0.9995, 40)  # quantiles of a boundary's probability that are tried as thresholds
RETURN_GRID = np.linspace(0, 1, 100)  # and of a return's log-odds
SHARES = {"LR": 0.0, "model": 1.0, "both": 0.5}  # of the model's logit, the rest is the LR's


@dataclass(frozen=True)
class Case:
    """One meeting, read."""

    meeting: Annotated
    packed: Packed
    reading: Reading
    group: str  # thresholds are never chosen on a case's own group
    prior: Floats  # (4,) log-odds of the roles before anything was said
    acts: Floats | None = None  # (n, 15) log-probabilities of the tagger
    people: Floats | None = None  # (n, 4) log-probabilities of the speaker's roles by all that they said

    def logit(self, task: str, share: float) -> Floats:
        """(n, classes) mixed of model and probe."""
        probe = self.packed.probes[:, MARKS.get(task, GROUPS[task])]
        if not share:
            return probe
        return np.asarray(share * self.reading.logits[task] + (1 - share) * probe, np.float32)

    def minutes(self) -> Floats:
        """Numbers of its minutes (m, FEATURES)."""
        return table(logits_of(self.packed.probes), self.packed.start_s)


def read(
    shipped: Shipped,
    meetings: Sequence[Annotated],
    *,
    bare: bool = False,
    group: str = "",
    tampered: Tampered | None = None,
) -> list[Case]:
    """Cases of these meetings; `bare` takes the punctuation away before."""
    texts = [[stripped(tokens(u.text)) if bare else tokens(u.text) for u in m.heard] for m in meetings]
    said = [pack(m.heard, shipped.probes, texts=t)[0] for m, t in zip(meetings, texts, strict=True)]
    found = again(shipped, meetings, said, tampered=tampered or Tampered(), group=group)
    if shipped.roles:
        found = [replace(c, people=shipped.roles.heard(t, c.packed.speaker)) for c, t in zip(found, texts, strict=True)]
    if shipped.tagger is None:
        return found
    scenes = [scene(m.heard, t, p.probes) for m, t, p in zip(meetings, texts, said, strict=True)]
    return [replace(c, acts=tagged(shipped.tagger, s)) for c, s in zip(found, scenes, strict=True)]


def again(
    shipped: Shipped, meetings: Sequence[Annotated], said: Sequence[Packed], *, tampered: Tampered, group: str = ""
) -> list[Case]:
    """Cases of meetings that are packed already."""
    readings, _ = predict(shipped.model, said, [m.topic for m in meetings], tampered=tampered)
    rows = zip(meetings, said, readings, strict=True)
    prior = shipped.probes.bias[GROUPS["role"]]
    return [Case(m, p, r, group or m.series, prior) for m, p, r in rows]


@dataclass(frozen=True)
class Score:
    """A cell of a table: a value, its 95 % interval over meetings, and more to say."""

    value: float
    low: float = float("nan")
    high: float = float("nan")
    note: str = ""

    def __str__(self) -> str:
        between = "" if np.isnan(self.low) else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{between}{' ' + self.note if self.note else ''}"


Scored = list[tuple[Floats, Ints, str]]  # scores, labels, group of every meeting


def flagged(cases: Sequence[Case], task: str, share: float, *, windowed: bool = False) -> Scored:
    """Scores and labels of a yes-no task; single utterances only where a meeting has a positive, as usual."""
    out: Scored = []
    for case in cases:
        wanted = getattr(case.meeting, task)
        if wanted[0] == MISSING or (not windowed and not wanted.any()):
            continue
        scores = sigmoid(case.logit(task, share)[:, 0])
        pair = windows(scores, wanted, case.packed.start_s) if windowed else (scores, wanted)
        out.append((*pair, case.group))
    return out


def flag_score(scored: Scored, *, choose: Callable[[Floats, Ints], float] = best_threshold) -> Score:
    """F1 with each group's threshold chosen on the others, its interval, and the average precision."""
    counts = np.zeros((len(scored), 3), np.float32)
    for others, own in cross_fit([g for _, _, g in scored]):
        pool = others if len(others) else own
        threshold = choose(*(np.concatenate([scored[i][k] for i in pool]) for k in (0, 1)))
        for i in own:
            counts[i] = confusion(scored[i][0], scored[i][1], threshold)
    scores, wanted = (np.concatenate([row[k] for row in scored]) for k in (0, 1))
    note = f"AP {average_precision(scores, wanted):.3f}"
    return Score(f1(counts.sum(0)), *interval(counts, f1), note=note)


def settled(case: Case, task: str, share: float) -> Floats:
    """(n,) log-odds of a flag; of a boundary with those of the utterances right before."""
    logits = case.logit(task, share)[:, 0]
    return trailed(logits) if task in ("opens", "turns") else logits


def chance(case: Case, task: str, how: Calibration) -> Floats:
    """(n,) probability of a flag, as shipped."""
    return sigmoid(how.slope * settled(case, task, how.share) + how.offset)


def shipped_flag(cases: Sequence[Case], task: str, how: Calibration) -> Score:
    """F1 with the shipped threshold; nothing is chosen on these meetings."""
    return _counted(chances(cases, task, how), how)


def chances(cases: Sequence[Case], task: str, how: Calibration) -> Scored:
    """Probabilities and labels of a flag, of the meetings that have a positive."""
    usable = [c for c in cases if getattr(c.meeting, task)[0] != MISSING and getattr(c.meeting, task).any()]
    return [(chance(c, task, how), getattr(c.meeting, task), c.group) for c in usable]


def shipped_minutes(cases: Sequence[Case], task: str, minutes: Minutes, how: Calibration) -> Score:
    """F1 of whole minutes with the shipped threshold, and their average precision."""
    return precise([row for case in cases for row in minute_scores(case, task, minutes)], how)


def minute_scores(case: Case, task: str, minutes: Minutes) -> Scored:
    """Probability and label of every minute of a meeting; nothing where nobody annotated it."""
    wanted = getattr(case.meeting, task)
    if wanted[0] == MISSING:
        return []
    column = minutes.chances(case.minutes())[:, TASKS.index(task)]
    return [(column, minute_labels(case, task), case.group)]


def precise(scored: Scored, how: Calibration) -> Score:
    """F1 with the shipped threshold, and the average precision."""
    scores, wanted = (np.concatenate([row[k] for row in scored]) for k in (0, 1))
    return replace(_counted(scored, how), note=f"AP {average_precision(scores, wanted):.3f}")


def minute_labels(case: Case, task: str) -> Ints:
    """1 for every minute (m,) with a positive."""
    wanted: Ints = getattr(case.meeting, task)
    return windows(wanted.astype(np.float32), wanted, case.packed.start_s)[1]


def _counted(scored: Scored, how: Calibration) -> Score:
    rows = np.array([confusion(s, w, how.threshold) for s, w, _ in scored], np.float32).reshape(-1, 3)
    return Score(f1(rows.sum(0)), *interval(rows, f1))


def acts(cases: Sequence[Case]) -> Score:
    """Accuracy of dialogue acts as shipped: by the tagger, or by the network where there is none."""
    said = [c.logit("act", 1.0) if c.acts is None else c.acts for c in cases]
    known = [c.meeting.act != MISSING for c in cases]
    rights = [(s.argmax(1) == c.meeting.act)[k].sum() for s, c, k in zip(said, cases, known, strict=True)]
    return _share([[right, k.sum()] for right, k in zip(rights, known, strict=True)])


def shipped_boundaries(cases: Sequence[Case], task: str, how: Calibration) -> dict[str, Score]:
    """Pk, WindowDiff and F1 with the shipped threshold."""
    return plain_boundaries(cases, task, lambda case: peaks(chance(case, task, how), how.threshold))


def trivial_flag(scored: Scored) -> Score:
    """F1 of marking everything."""
    wanted = np.concatenate([row[1] for row in scored])
    share = float(wanted.mean())
    return Score(2 * share / (1 + share))


def accuracy(cases: Sequence[Case], task: str, share: float) -> Score:
    """Share of utterances whose likeliest class is the annotated one."""
    counts = []
    for case in cases:
        wanted = getattr(case.meeting, task)
        known = wanted != MISSING
        right = case.logit(task, share)[known].argmax(1) == wanted[known]
        counts.append([right.sum(), known.sum()])
    return _share(counts)


def majority(cases: Sequence[Case], task: str) -> Score:
    """Accuracy of the commonest class."""
    wanted = np.concatenate([getattr(c.meeting, task) for c in cases])
    wanted = wanted[wanted != MISSING]
    return Score(float(np.bincount(wanted).max() / len(wanted)))


def boundaries(cases: Sequence[Case], task: str, share: float) -> dict[str, Score]:
    """Pk, WindowDiff and F1 within eight utterances, the threshold chosen on the other groups for F1 - Pk."""
    usable = [c for c in cases if getattr(c.meeting, task)[0] != MISSING]
    scores = [sigmoid(settled(c, task, share)) for c in usable]
    grid = np.quantile(np.concatenate(scores), GRID)
    table = np.array([[_boundary(c, task, peaks(s, t)) for t in grid] for c, s in zip(usable, scores, strict=True)])
    chosen = np.zeros((len(usable), 5))
    for others, own in cross_fit([c.group for c in usable]):
        pool = others if len(others) else own
        merit = [f1(table[pool, t, :3].sum(0)) - table[pool, t, 3].mean() for t in range(len(grid))]
        chosen[own] = table[own, int(np.argmax(merit))]
    return _boundary_scores(chosen)


def plain_boundaries(cases: Sequence[Case], task: str, find: Callable[[Case], Ints]) -> dict[str, Score]:
    """The same of boundaries that need no threshold."""
    usable = [c for c in cases if getattr(c.meeting, task)[0] != MISSING]
    return _boundary_scores(np.array([_boundary(c, task, find(c)) for c in usable]))


def no_boundaries(_: Case) -> Ints:
    """Says nothing."""
    return np.zeros(0, np.int64)


def tiling(case: Case) -> Ints:
    """TextTiling."""
    return _tiled(case.meeting.name, tuple(u.text for u in case.meeting.heard))


@cache
def _tiled(_: str, texts: tuple[str, ...]) -> Ints:
    return text_tiling(texts)


def _boundary(case: Case, task: str, found: Ints) -> list[float]:
    wanted = np.flatnonzero(getattr(case.meeting, task) == 1)
    size = len(case.meeting.heard)
    return [*boundary_counts(found, wanted).tolist(), *pk_and_window_diff(found, wanted, size)]


def _boundary_scores(rows: NDArray[Any]) -> dict[str, Score]:
    means = {
        name: Score(float(rows[:, k].mean()), *interval(np.c_[rows[:, k], np.ones(len(rows))], _mean))
        for name, k in (("Pk", 3), ("WD", 4))
    }
    return {**means, "F1": Score(f1(rows[:, :3].sum(0)), *interval(rows[:, :3], f1))}


def _mean(sums: NDArray[Any]) -> float:
    return float(sums[0] / max(sums[1], 1e-9))


def _share(counts: Sequence[Sequence[float]]) -> Score:
    rows = np.array(counts, np.float64)
    return Score(_mean(rows.sum(0)), *interval(rows, _mean))


def role_logits(case: Case, share: float) -> Floats:
    """(n, 4) of each utterance's speaker as known then: the memory's, the LR's of all that they said, or both.

    Without an LR of whole people, its place takes the sum of the utterances' log-odds.
    """

    def log(z: Floats) -> Floats:
        return np.asarray(
            z - np.log(np.exp(z - z.max(1, keepdims=True)).sum(1, keepdims=True)) - z.max(1, keepdims=True), np.float32
        )

    linear = case.people
    if linear is None:
        linear = log(summed_roles(case.packed.probes, case.packed.speaker, prior=case.prior))
    if not share:
        return linear
    return np.asarray(share * log(case.reading.logits["role"]) + (1 - share) * linear, np.float32)


def roles(cases: Sequence[Case], share: float, *, assign: bool = False, last: int = -1) -> Score:
    """Share of utterances whose speaker's role is right at that moment; `last` own utterances only, by log-odds."""
    counts = []
    for case in cases:
        known = case.meeting.role != MISSING
        if not known.any():
            continue
        logits = (
            summed_roles(case.packed.probes, case.packed.speaker, prior=case.prior, last=last)
            if last >= 0
            else role_logits(case, share)
        )
        said = one_each(logits, case.packed.speaker) if assign else logits.argmax(1)
        counts.append([(said == case.meeting.role)[known].sum(), known.sum()])
    return _share(counts)


def owners(cases: Sequence[Case], share: float, *, by: str = "model") -> Score:
    """Share of single-owner items whose owner the pointer finds, from all evidence, when the last of it was heard."""
    counts = []
    for case in cases:
        items = [i for i in case.meeting.items if i.owner < len(ROLES) and (case.meeting.role == i.owner).any()]
        right = [_owner(case, i.evidence, share, by) == i.owner for i in items]
        if items:
            counts.append([sum(right), len(items)])
    return _share(counts)


def _owner(case: Case, evidence: tuple[int, ...], share: float, by: str) -> int:
    """Role (as annotated) of the person pointed to, -1 where the pointer says the group."""
    last = evidence[-1]
    speaker = case.packed.speaker
    if by == "speaker":
        return int(case.meeting.role[last])
    z = case.logit("owner", share)[list(evidence)].mean(0)
    if int(z.argmax()) >= len(ROLES):
        z = np.where(np.arange(len(z)) < len(ROLES), z, -30)  # a single owner is asked for
    wanted = np.exp(z - z.max())[: len(ROLES)]
    known = role_logits(case, ROLE_SHARE if case.reading.logits else 0.0)
    people = sorted({int(s) for s in speaker[: last + 1]})
    place = {s: int(np.flatnonzero(speaker[: last + 1] == s)[-1]) for s in people}
    alone = np.exp(known[[place[s] for s in people]])
    scores = joint(alone / alone.sum(1, keepdims=True)) @ wanted
    return int(case.meeting.role[place[people[int(scores.argmax())]]])


def returns(cases: Sequence[Case]) -> dict[str, Score]:
    """At annotated changes of topic: whether it returns, and to which; as told live, and from log-odds that are most
    often right in the other groups. What comes back within FAR utterances counts as new, as in the facts' baseline."""
    rows = [_backs(case) for case in cases if len(case.reading.switches)]
    said, live = ([row[:, 3] > 0 for row in rows] for _ in range(2))
    for others, own in cross_fit([c.group for c in cases if len(c.reading.switches)]):
        pool = np.concatenate([rows[i] for i in (others if len(others) else own)])
        grid = [np.inf, *np.quantile(pool[:, 0], RETURN_GRID)]
        best = max(grid, key=lambda t: float(((pool[:, 0] >= t) == pool[:, 1]).mean()))
        for i in own:
            said[i] = rows[i][:, 0] >= best
    return (
        {"always new": _share([[(row[:, 1] == 0).sum(), len(row)] for row in rows])}
        | _told_back(rows, said)
        | {f"live {name}": score for name, score in _told_back(rows, live).items()}
    )


def _told_back(rows: Sequence[Floats], said: Sequence[NDArray[np.bool_]]) -> dict[str, Score]:
    right = [[(s == row[:, 1]).sum(), len(row)] for row, s in zip(rows, said, strict=True)]
    found = [[(s * row[:, 1]).sum(), row[:, 1].sum()] for row, s in zip(rows, said, strict=True)]
    same = [[(s * row[:, 1] * row[:, 2]).sum(), row[:, 1].sum()] for row, s in zip(rows, said, strict=True)]
    return {"accuracy": _share(right), "return recall": _share(found), "right topic": _share(same)}


def _backs(case: Case) -> Floats:
    """A row for each change of topic: log-odds of a return, 1 for one, 1 if the likeliest is the right one, 1 if the
    likeliest of all is a return."""
    topic, left = case.meeting.topic, away(case.meeting.topic)
    rows = []
    for at, logits in zip(case.reading.switches.tolist(), case.reading.back, strict=True):
        z = logits.copy()
        near = np.unique(topic[max(0, at - FAR) : at])
        z[1 + near[near < len(z) - 1]] = -1e4
        odds = float(np.logaddexp.reduce(z[1:]) - z[0])
        rows.append((odds, left[at] > FAR, int(z[1:].argmax()) == topic[at], logits.argmax() > 0))
    return np.array(rows, np.float32)
