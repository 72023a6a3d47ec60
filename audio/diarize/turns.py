"""Who speaks when: labelled windows as turns, and the speaker of a moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.diarize.windows import Heard
from audio.speech import SAMPLE_RATE

BRIDGED_S = 0.5  # a shorter pause does not end a turn
NEAR_S = 0.7  # what is this near to a turn still belongs to it where nobody speaks


@dataclass(frozen=True, slots=True)
class Turn:
    """One speaker's stretch; turns of different speakers may overlap."""

    speaker: str
    start_s: float
    end_s: float
    source: str = ""


def turns(heard: Sequence[Heard], labels: Sequence[str]) -> list[Turn]:
    """The labelled windows of some segments; between two windows of a run the border is in the middle.

    What begins or ends a run reaches into the pause beside it as far as speech was heard there, at most to its middle
    and to the segment's beginning.
    """
    found: list[Turn] = []
    at = 0
    for segment in heard:
        own = labels[at : at + len(segment.starts)]
        at += len(segment.starts)
        reach = np.zeros((len(own), 2), np.int64) if segment.reach is None else segment.reach
        middles = (segment.starts + segment.stops) / 2
        pauses = (segment.stops[:-1] + segment.starts[1:]) / 2
        for i, speaker in enumerate(own):
            first = i == 0 or segment.runs[i - 1] != segment.runs[i]
            last = i + 1 == len(own) or segment.runs[i + 1] != segment.runs[i]
            start, stop = segment.starts[i] - reach[i, 0], segment.stops[i] + reach[i, 1]
            if i:
                start = max(start, pauses[i - 1]) if first else (middles[i - 1] + middles[i]) / 2
            if i + 1 < len(own):
                stop = min(stop, pauses[i]) if last else (middles[i] + middles[i + 1]) / 2
            start = max(start, segment.start)
            found.append(Turn(speaker, float(start) / SAMPLE_RATE, float(stop) / SAMPLE_RATE, segment.source))
    return joined(found)


def joined(found: Iterable[Turn], bridged_s: float = BRIDGED_S) -> list[Turn]:
    """By start; turns of one speaker run on over short pauses in which nobody else of the source speaks."""
    merged: list[Turn] = []
    for turn in sorted(found, key=lambda t: (t.source, t.start_s)):
        last = merged[-1] if merged else None
        same = last and (last.speaker, last.source) == (turn.speaker, turn.source)
        if last and same and turn.start_s - last.end_s <= bridged_s:
            merged[-1] = Turn(last.speaker, last.start_s, max(last.end_s, turn.end_s), last.source)
        else:
            merged.append(turn)
    return sorted(merged, key=lambda t: t.start_s)


def overlapping(
    asked: Sequence[tuple[float, float]], spans: Sequence[tuple[float, float]]
) -> Iterator[tuple[int, list[int]]]:
    """For each of `asked` by its start: its index, and those of the `spans` that share time with it, by their start.

    One sweep over both: the work grows with their number, and with how many share a moment, not with the product.
    """
    ahead = sorted(range(len(spans)), key=lambda k: spans[k][0])[::-1]
    near: list[int] = []
    for i in sorted(range(len(asked)), key=lambda i: asked[i][0]):
        start, end = asked[i]
        while ahead and spans[ahead[-1]][0] < end:
            near.append(ahead.pop())
        near = [k for k in near if spans[k][1] > start]  # what is over by now is over for all that are asked later
        yield i, [k for k in near if spans[k][0] < end]


class Schedule:
    """Turns, made ready for many questions about moments."""

    def __init__(self, found: Sequence[Turn]) -> None:
        self._turns: dict[str, list[Turn]] = {}
        for turn in found:
            self._turns.setdefault(turn.source, []).append(turn)
        edges = {source: [(t.start_s, t.end_s) for t in own] for source, own in self._turns.items()}
        self._edges: Mapping[str, NDArray[Any]] = {source: np.array(pairs) for source, pairs in edges.items()}

    def speakers(self, start_s: float, end_s: float, source: str, *, near_s: float = NEAR_S) -> list[str]:
        """Who speaks from `start_s` to `end_s` on this source, the longest first; the nearest where nobody does."""
        if source not in self._edges:
            return []
        starts, ends = self._edges[source].T
        common = np.minimum(end_s, ends) - np.maximum(start_s, starts)  # below 0: how far away
        own = self._turns[source]
        spoken: dict[str, float] = {}
        for i in np.flatnonzero(common > 0):
            spoken[own[i].speaker] = spoken.get(own[i].speaker, 0.0) + float(common[i])
        if spoken:
            return sorted(spoken, key=lambda speaker: -spoken[speaker])
        nearest = int(common.argmax())
        return [own[nearest].speaker] if common[nearest] >= -near_s else []

    def others(self, start_s: float, end_s: float, *, speaker: str) -> list[str]:
        """Who else speaks during at least half of this time, on any source."""
        found: list[str] = []
        for source, edges in self._edges.items():
            common = np.minimum(end_s, edges[:, 1]) - np.maximum(start_s, edges[:, 0])
            long = np.flatnonzero(common >= max(0.05, (end_s - start_s) / 2))
            found += [self._turns[source][i].speaker for i in long]
        return sorted({other for other in found if other != speaker})


def talk_s(found: Iterable[Turn]) -> dict[str, float]:
    """Seconds that each speaker speaks."""
    total: dict[str, float] = {}
    for turn in found:
        total[turn.speaker] = total.get(turn.speaker, 0.0) + turn.end_s - turn.start_s
    return total


def label_after(taken: Iterable[str]) -> str:
    """The label "S7" where "S6" is the highest of `taken`."""
    return f"S{1 + max((int(label[1:]) for label in taken if label[1:].isdecimal()), default=0)}"


def relabelled(found: Sequence[Turn], labels: Mapping[str, str]) -> tuple[Turn, ...]:
    """`found`, with other labels for some speakers."""
    return tuple(replace(t, speaker=labels[t.speaker]) if t.speaker in labels else t for t in found)


def shared_s(found: Sequence[Turn], like: Sequence[Turn]) -> dict[tuple[str, str], float]:
    """Seconds that a speaker of `found` and one of `like` have in common."""
    common: dict[tuple[str, str], float] = {}
    for source in {turn.source for turn in found}:
        ours, theirs = ([turn for turn in given if turn.source == source] for given in (found, like))
        for i, beside in overlapping(*([(t.start_s, t.end_s) for t in given] for given in (ours, theirs))):
            for a, b in ((ours[i], theirs[k]) for k in beside):
                both_s = min(a.end_s, b.end_s) - max(a.start_s, b.start_s)
                common[a.speaker, b.speaker] = common.get((a.speaker, b.speaker), 0.0) + both_s
    return common


def renamed(found: Sequence[Turn], like: Sequence[Turn], taken: Iterable[str]) -> list[Turn]:
    """`found` with the labels of `like` where they mostly mean the same voice, and new labels for the others."""
    common = shared_s(found, like)
    names: dict[str, str] = {}
    for (own, other), _ in sorted(common.items(), key=lambda item: -item[1]):
        if own not in names and other not in names.values():
            names[own] = other
    used = {*taken, *names.values()}
    for turn in found:
        if turn.speaker not in names:
            names[turn.speaker] = label_after(used)
            used.add(names[turn.speaker])
    return [Turn(names[t.speaker], t.start_s, t.end_s, t.source) for t in found]
