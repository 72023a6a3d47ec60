"""The speakers of one meeting: followed while it runs, decided once more over the whole of it at the end.

`Voices` is all the state there is. It follows from the segments alone, so an interrupted meeting makes it again from
its sound; nothing of it is written anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.diarize.clusters import UNIT_S, Groups, agglomerate, centroids, gains, path
from audio.diarize.encoder import HOP
from audio.diarize.shelf import Kept, taken_up
from audio.diarize.somebody import Windows, somebody, windows_of
from audio.diarize.turns import Turn, label_after, overlapping, relabelled, renamed, shared_s, turns
from audio.diarize.windows import LONG, STEP, Heard, Stretch, labelled, stretches
from audio.speech import SAMPLE_RATE

JOINS = 0.5  # evidence from which a stretch joins a voice online: more begins too many voices, less makes one of two
SURE = 0.5  # evidence for one voice from which two online speakers become one
BEGINS_S = 2.4  # of speech that sounds like nobody, from which it is somebody new online: less may be two at once
SEEN_S = 4.0  # of speech, from which a group counts as a voice when the meeting is cut anew
ROUNDS = 3  # of path and centroids; the fourth changes nothing
REVIEW_S, REVIEW_GROWTH = 30.0, 0.25  # of speech, or this part more, between looks at the whole while it runs
REVIEWED_S = 1200.0  # of speech, after which nothing is looked at as a whole before the end: labels must not wait
SLACK_S = 0.1  # that a window may reach over its turn's ends
BLOCK = 1200  # stretches agglomerated at once, some 40 minutes; longer meetings are done in parts first


@dataclass(frozen=True)
class DiarizeOptions:
    """How many speakers there may be, and what an ablation leaves out."""

    least: int = 1
    most: int | None = None
    changes: bool = True  # look for changes of the voice inside a run of speech


NOBODY = Groups(np.zeros((0, 0)), np.zeros(0), ())


@dataclass(frozen=True)
class Voices:
    """What is known of a meeting's voices so far."""

    heard: tuple[Kept, ...] = ()
    turns: tuple[Turn, ...] = ()  # online, merges applied
    labels: tuple[str, ...] = ()  # of the groups
    groups: Groups = field(default_factory=lambda: NOBODY)
    waiting: Groups = field(default_factory=lambda: NOBODY)  # what sounds like nobody, too little of it for a voice
    taken: tuple[str, ...] = ()  # all labels ever given
    reviewed_s: float = 0.0  # how much had been said when the whole was last looked at


@dataclass(frozen=True)
class Step:
    """What a segment adds: its turns, and speakers that turned out to be others (old label -> label)."""

    voices: Voices
    turns: tuple[Turn, ...]
    merged: dict[str, str]


@dataclass(frozen=True)
class Concluded:
    """The whole meeting, decided at once."""

    turns: tuple[Turn, ...]
    centroids: dict[str, NDArray[Any]]  # label -> unit vector (d,)


def follow(voices: Voices, heard: Heard, options: DiarizeOptions, *, laid: Callable[[Heard], Kept] = taken_up) -> Step:
    """The next segment: its stretches join a voice or begin one, then its windows find their way through the voices.

    `laid` may put aside what is not needed before the end.
    """
    if not len(heard.starts):
        return Step(voices, (), {})
    found = stretches(heard, changes=options.changes)
    long = [s for s in found if s.length >= LONG]
    if not long and not voices.labels:
        long = sorted(found, key=lambda s: -s.length)[:1]
    for stretch in long:
        voices = _joined(voices, Groups.of([stretch]), options)
    voices, merged = _merged(voices, options)
    near = voices.groups.sums / np.linalg.norm(voices.groups.sums, axis=1, keepdims=True)
    said = tuple(turns([heard], [voices.labels[k] for k in path([heard], near)]))
    earlier = relabelled(voices.turns, merged)
    voices, further = _reviewed(replace(voices, heard=(*voices.heard, laid(heard)), turns=(*earlier, *said)), options)
    merged = {old: further.get(now, now) for old, now in merged.items()} | further
    return Step(replace(voices, turns=relabelled(voices.turns, further)), relabelled(said, further), merged)


def _reviewed(voices: Voices, options: DiarizeOptions) -> tuple[Voices, dict[str, str]]:
    """Speakers whose turns mostly fall to one voice, if the meeting ended now, become one; looked at now and then."""
    said_s = sum(one.windows for one in voices.heard) * STEP * HOP / SAMPLE_RATE
    due_s = voices.reviewed_s + max(REVIEW_S, REVIEW_GROWTH * voices.reviewed_s)
    if not due_s <= said_s <= REVIEWED_S:
        return voices, {}
    voices = replace(voices, reviewed_s=said_s)
    common = shared_s(voices.turns, _decided(voices, options))
    first: dict[str, str] = {}
    merged: dict[str, str] = {}
    for label in voices.labels:
        own = {voice: both_s for (speaker, voice), both_s in common.items() if speaker == label}
        mostly = [voice for voice, both_s in own.items() if 2 * both_s > sum(own.values())]
        kept = first.setdefault(mostly[0], label) if mostly else label
        if kept != label and len(voices.labels) > options.least:
            voices, merged = _as_one(voices, label, kept), merged | {label: kept}
    return voices, merged


def _joined(voices: Voices, new: Groups, options: DiarizeOptions) -> Voices:
    """With one more group in the voice that gains most evidence by it, as a voice of its own, or kept for later."""
    if not voices.labels:
        return _begun(voices, new)
    together, best, gain = _nearest(voices.groups, new)
    if gain > JOINS or len(voices.labels) == options.most:
        return replace(voices, groups=_united(together, best, len(voices.labels)))
    if UNIT_S * new.counts[0] >= BEGINS_S:
        return _begun(voices, new)
    if gain > 0:
        return replace(voices, groups=_united(together, best, len(voices.labels)))
    return _waited(voices, new, options)


def _begun(voices: Voices, new: Groups) -> Voices:
    label = label_after(voices.taken)
    groups = _stacked(voices.groups, new)
    return replace(voices, groups=groups, labels=(*voices.labels, label), taken=(*voices.taken, label))


def _waited(voices: Voices, new: Groups, options: DiarizeOptions) -> Voices:
    """With what sounds like nobody kept beside others of the kind, which are heard once more when they are enough."""
    waiting, best, gain = _nearest(voices.waiting, new)
    if gain <= 0:
        return replace(voices, waiting=waiting)
    waiting = _united(waiting, best, len(waiting.counts) - 1)
    if UNIT_S * waiting.counts[best] < BEGINS_S:
        return replace(voices, waiting=waiting)
    rest = [k for k in range(len(waiting.counts)) if k != best]
    return _joined(replace(voices, waiting=waiting.some(rest)), waiting.some([best]), options)


def _nearest(groups: Groups, new: Groups) -> tuple[Groups, int, float]:
    """All together, the new one last; which of `groups` gains most evidence with it, and how much."""
    together = _stacked(groups, new)
    gain = gains(together, one=len(groups.counts))
    best = int(gain.argmax())
    return together, best, float(gain[best])


def _merged(voices: Voices, options: DiarizeOptions) -> tuple[Voices, dict[str, str]]:
    """Two speakers become one where the evidence says so; the label that came first stays."""
    merged: dict[str, str] = {}
    while len(voices.labels) > max(1, options.least):
        gain = np.array([gains(voices.groups, one=i) for i in range(len(voices.labels))])
        a, b = sorted(divmod(int(gain.argmax()), len(voices.labels)))
        if gain[a, b] <= SURE:
            break
        old, kept = voices.labels[b], voices.labels[a]
        merged = {label: kept if now == old else now for label, now in merged.items()} | {old: kept}
        voices = _as_one(voices, old, kept)
    return voices, merged


def _as_one(voices: Voices, old: str, kept: str) -> Voices:
    a, b = voices.labels.index(kept), voices.labels.index(old)
    labels = tuple(label for label in voices.labels if label != old)
    return replace(voices, groups=_united(voices.groups, a, b), labels=labels)


def _stacked(one: Groups, other: Groups) -> Groups:
    if not len(one.counts):
        return other
    sums, counts = np.vstack([one.sums, other.sums]), np.concatenate([one.counts, other.counts])
    return Groups(sums, counts, (*one.sources, *other.sources))


def _united(groups: Groups, a: int, b: int) -> Groups:
    """With group `b` in group `a`."""
    sums, counts, sources = groups.sums.copy(), groups.counts.copy(), list(groups.sources)
    sums[a], counts[a], sources[a] = sums[a] + sums[b], counts[a] + counts[b], sources[a] | sources[b]
    rest = [i for i in range(len(counts)) if i != b]
    return Groups(sums[rest], counts[rest], tuple(sources[i] for i in rest))


def conclude(voices: Voices, options: DiarizeOptions) -> Concluded:
    """All that was heard, clustered at once; labels stay with the voices that mostly had them."""
    named = renamed(_decided(voices, options), voices.turns, voices.taken)
    return Concluded(tuple(named), voiced(voices, named))


def _decided(voices: Voices, options: DiarizeOptions) -> list[Turn]:
    """Turns of everything that was heard, whose labels mean nothing yet."""
    heard = [taken_up(kept) for kept in voices.heard]
    found = _long([s for one in heard for s in stretches(one, changes=options.changes)])
    if not found:
        return []
    groups, parts = _clustered(found, options)
    if options.changes:
        found = _long(_cut_again(heard, groups))
        groups, parts = _clustered(found, options)
    windows = windows_of(heard, [[found[i] for i in part] for part in parts])
    labels = _paths(heard, _main_voices(groups, windows, options), ROUNDS)
    return turns(heard, [f"#{k}" for k in labels])


def _long(found: list[Stretch]) -> list[Stretch]:
    return [stretch for stretch in found if stretch.length >= LONG] or found


def _cut_again(heard: Sequence[Heard], groups: Groups) -> list[Stretch]:
    """All stretches as these groups' voices divide the meeting: changes between like voices are seen only now.

    Resegmentation with the voices found, as in Landini et al., "Bayesian HMM clustering of x-vector sequences (VBx)"
    (Computer Speech & Language 2022), here before the voices are counted.
    """
    somebody = [k for k in range(len(groups.counts)) if UNIT_S * groups.counts[k] >= SEEN_S]
    labels = _paths(heard, groups.some(somebody or [int(groups.counts.argmax())]), rounds=1)
    edges = np.cumsum([0, *(len(one.starts) for one in heard)])
    return [
        s for one, first, last in zip(heard, edges, edges[1:], strict=False) for s in labelled(one, labels[first:last])
    ]


def _paths(heard: Sequence[Heard], voices: Groups, rounds: int) -> NDArray[np.int64]:
    """The voice of every window; voices and path take `rounds` turns in making each other better."""
    near = voices.sums / np.linalg.norm(voices.sums, axis=1, keepdims=True)
    embeddings = np.concatenate([one.embeddings for one in heard])
    labels = path(heard, near)
    for _ in range(rounds):
        near = centroids(embeddings, labels, near)
        labels = path(heard, near)
    return labels


def _clustered(found: Sequence[Stretch], options: DiarizeOptions) -> tuple[Groups, list[list[int]]]:
    """Agglomerated, as many as the evidence says, and their members.

    Many stretches are joined block by block and then the blocks' voices.
    """
    groups, parts = Groups.of(found), [[i] for i in range(len(found))]
    if len(found) > BLOCK:
        blocks = [list(range(i, min(i + BLOCK, len(found)))) for i in range(0, len(found), BLOCK)]
        parts = [[block[i] for i in part] for block in blocks for part in agglomerate(groups.some(block))]
    joined = agglomerate(groups.summed(parts), least=options.least)
    parts = [[i for n in group for i in parts[n]] for group in joined]
    return groups.summed(parts), parts


def _main_voices(found: Groups, windows: Sequence[Windows], options: DiarizeOptions) -> Groups:
    """Those that are somebody, then as many as the options allow."""
    kept = somebody(found, windows)
    order = [int(k) for k in np.argsort(-found.counts, kind="stable")]
    kept += [k for k in order if k not in kept][: max(0, options.least - len(kept))]
    main = found.some(kept)
    return main.summed(agglomerate(main, least=options.least, most=options.most))


def voiced(voices: Voices, decided: Sequence[Turn]) -> dict[str, NDArray[Any]]:
    """Each speaker's voice: the mean of the windows that lie in the speaker's turns, as a unit vector."""
    sums: dict[str, NDArray[Any]] = {}
    for source in dict.fromkeys(heard.source for heard in voices.heard):
        own = [turn for turn in decided if turn.source == source]
        spans = [(turn.start_s - SLACK_S, turn.end_s + SLACK_S) for turn in own]
        heard = [taken_up(one) for one in voices.heard if one.source == source]
        windows = [
            (a / SAMPLE_RATE, b / SAMPLE_RATE) for one in heard for a, b in zip(one.starts, one.stops, strict=True)
        ]
        embeddings = [embedding for one in heard for embedding in one.embeddings]
        for i, beside in overlapping(windows, spans):
            start_s, stop_s = windows[i]
            within = (own[k].speaker for k in beside if spans[k][0] <= start_s and stop_s <= spans[k][1])
            for speaker in islice(within, 1):
                sums[speaker] = sums.get(speaker, np.zeros(len(embeddings[i]))) + embeddings[i]
    return {speaker: total / np.linalg.norm(total) for speaker, total in sums.items()}
