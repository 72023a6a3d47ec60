"""Baselines without training: TextTiling for topics, plain sums of log-odds for roles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import log, sqrt

import numpy as np

from memory.probes import GROUPS
from memory.words import Floats, Ints, tokens

BLOCK = 20  # utterances on each side of a gap
_SMOOTH = 5


def text_tiling(texts: Sequence[str]) -> Ints:
    """Where topics begin (Hearst 1997): valleys of likeness between the words before and after; sees the future."""
    bags = [Counter(word for word in tokens(text) if len(word) > 3) for text in texts]
    held = Counter(word for bag in bags for word in bag)
    rare = {word: log(len(bags) / n) for word, n in held.items()}
    likeness = np.array([_cosine(bags[max(0, i - BLOCK) : i], bags[i : i + BLOCK], rare) for i in range(1, len(bags))])
    likeness = np.convolve(likeness, np.ones(_SMOOTH) / _SMOOTH, "same")
    depth = np.array(
        [
            likeness[: i + 1][-2 * BLOCK :].max() + likeness[i:][: 2 * BLOCK].max() - 2 * v
            for i, v in enumerate(likeness)
        ]
    )
    cutoff = depth.mean() + depth.std() / 2
    found: list[int] = []
    for i in np.argsort(-depth):
        if depth[i] >= cutoff and all(abs(i + 1 - f) > BLOCK for f in found):
            found.append(int(i) + 1)
    return np.array(sorted(found), np.int64)


def _cosine(before: Sequence[Counter[str]], after: Sequence[Counter[str]], rare: dict[str, float]) -> float:
    a, b = (sum(bags, Counter()) for bags in (before, after))
    dot = sum(n * b[word] * rare[word] ** 2 for word, n in a.items())
    lengths = sqrt(sum((n * rare[w]) ** 2 for w, n in a.items()) * sum((n * rare[w]) ** 2 for w, n in b.items()))
    return dot / lengths if lengths else 0.0


def summed_roles(probes: Floats, speaker: Ints, *, prior: Floats, last: int = 0) -> Floats:
    """Role log-odds (n, 4) of each utterance's speaker: the sum over all, or the `last`, of their own utterances."""
    logits = probes[:, GROUPS["role"]] - prior  # counted once, not with every utterance
    own = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    out = np.zeros_like(own)
    for who in set(speaker.tolist()):
        places = np.flatnonzero(speaker == who)
        sums = own[places].cumsum(0)
        if last:
            sums[last:] = sums[last:] - sums[:-last].copy()
        out[places] = sums
    return np.asarray(out, np.float32)
