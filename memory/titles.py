"""Keywords and titles of a topic, made of its own words: a class TF-IDF, no network, nothing invented."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from math import log1p

from memory.words import NEAR_BUCKETS, Weights, bucket

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_RARE = 9.0  # weight of a word that the corpus of the weights hardly has
_PLAIN = 3.2  # weight below which a word says nothing of a topic: in more than one of 25 utterances
_FILLERS = frozenset(
    "okay yeah mm-hmm uh-huh hmm um uh kind sort thing things stuff gonna wanna really actually maybe "
    "right well mean know think like just also very good bit lot something anything".split()
)
_PHRASE = 3  # words of a title at most


def keywords(inside: Sequence[str], outside: Sequence[str], weights: Weights, *, count: int = 6) -> list[str]:
    """Words said often inside and seldom outside, the most telling first, in lower case."""
    scores = _scores(inside, outside, weights)
    return [word for word, _ in sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:count]]


def title(inside: Sequence[str], outside: Sequence[str], weights: Weights) -> str:
    """The most telling run of words of the topic, as it was said; "" where nothing tells."""
    scores = _scores(inside, outside, weights)
    found: Counter[str] = Counter()
    spelled: dict[str, str] = {}
    for text in inside:
        words = _WORD.findall(text)
        for length in range(1, _PHRASE + 1):
            for start in range(len(words) - length + 1):
                run = words[start : start + length]
                if run[0].lower() in scores and run[-1].lower() in scores:
                    phrase = " ".join(run).lower()
                    found[phrase] += 1
                    spelled.setdefault(phrase, " ".join(run))
    worth = {p: n * sum(scores.get(w, 0.0) for w in set(p.split())) / len(p.split()) ** 0.5 for p, n in found.items()}
    best = max(sorted(worth), key=lambda p: worth[p], default="")
    return spelled[best][:1].upper() + spelled[best][1:] if best else ""


def _scores(inside: Sequence[str], outside: Sequence[str], weights: Weights) -> dict[str, float]:
    here, there = (Counter(w.lower() for text in texts for w in _WORD.findall(text)) for texts in (inside, outside))
    scores = {}
    for word, n in here.items():
        telling = float(weights.near[bucket(word, NEAR_BUCKETS)]) or _RARE
        if len(word) > 2 and telling >= _PLAIN and word not in _FILLERS:
            scores[word] = log1p(n) * telling * n / (n + 0.5 * there[word])
    return scores
