"""Keywords and titles of a topic, made of its own words: those said far more often than elsewhere, nothing invented.

How surprising it is that so many utterances have a word is its log-likelihood ratio against the larger of two rates:
in the meetings that the weights were counted on, and in the rest of this one (Dunning 1993, "Accurate Methods for the
Statistics of Surprise and Coincidence"). Against a product of frequencies it wins because a common word needs many
utterances, not one more than elsewhere (bench/README.md).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from math import exp, log

from memory.wording import FILLERS, STOP
from memory.words import NEAR_BUCKETS, Weights, bucket

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*(?!-)\b")
_TAIL = re.compile(r"(?:n['’]t|['’](?:s|re|ve|ll|d|m|t))$")
_RARE = 9.0  # weight of a word that the corpus of the weights hardly has
_HERE = 0.5  # share of its rate in the rest of the meeting that a word must exceed: of what all is about some may stay
_UNSEEN = 50  # utterances without the word that the rest of the meeting has besides: at its beginning it says little
_ONCE = 0.5  # worth of a word that one utterance has
_NO_WORD = FILLERS | STOP | frozenset(
    "okay yeah mm-hmm uh-huh hmm kind sort things stuff gonna wanna kinda really actually good alright yep nope blah "
    "uh-oh didn don doesn isn wasn couldn wouldn shouldn won haven hasn hadn aren weren ain hello hey bye welcome "
    "thank thanks sorry guess one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred minute minutes "
    "hour hours morning afternoon today first second third last next new great nice already quite together "
    "bad fine cool hard real enough either indeed important hope went doing making made gets comes coming talk talking "
    "wanting thinking thought decided felt seen saw woulda gotta ought though later start starts".split()
)  # fmt: skip
_LINKS = frozenset("of and for the to in on".split())  # what may stand inside a term
_PHRASE = 3  # words of a term at most
_TERMS, _NEAR_BEST = 3, 0.4  # terms of a title at most, and the share of the best one's worth that the others have
_LONGER = 1.15  # how much more a term of several words is worth than its words: it tells more of what was meant


def keywords(inside: Sequence[str], outside: Sequence[str], weights: Weights, *, count: int = 6) -> list[str]:
    """Words of surprisingly many utterances inside, the most surprising first, in lower case."""
    scores = _scores(inside, outside, weights)
    return [word for word, _ in sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:count]]


def title(inside: Sequence[str], outside: Sequence[str], weights: Weights) -> str:
    """Up to three terms as they were said, "Touch screen, buttons"; "" where nothing tells."""
    scores = _scores(inside, outside, weights)
    said = _said(inside, scores)
    worth = {term: _worth(term, said, scores) for term in said}
    picked: list[str] = []
    for term in sorted((t for t in worth if worth[t]), key=lambda t: (-worth[t], t)):
        if len(picked) == _TERMS or (picked and worth[term] < _NEAR_BEST * worth[picked[0]]):
            break
        if not _shared(term, picked):
            picked.append(term)
    shown = ", ".join(max(sorted(said[term]), key=lambda s: (said[term][s], s.islower())) for term in picked)
    return shown[:1].upper() + shown[1:]


def _shared(term: str, picked: Sequence[str]) -> bool:
    """Whether a word of the term, or its singular or plural, was named already."""
    stems = {word.rstrip("s") for other in picked for word in other.split()}
    return any(word.rstrip("s") in stems for word in term.split() if word not in _LINKS)


def _said(inside: Sequence[str], scores: dict[str, float]) -> dict[str, Counter[str]]:
    """Every term in lower case, and in how many utterances it is spelled in which way."""
    said: dict[str, Counter[str]] = {}
    for text in inside:
        found = dict(_terms(text, scores))
        for term, spelled in found.items():
            said.setdefault(term, Counter())[spelled] += 1
    return said


def _terms(text: str, scores: dict[str, float]) -> Iterator[tuple[str, str]]:
    """Runs of telling words with nothing but a blank between them, plain and as they are spelled."""
    words = list(_WORD.finditer(text))
    plain = [_plain(word.group()) for word in words]
    for start, first in enumerate(plain):
        for stop in range(start + 1, min(start + _PHRASE, len(words)) + 1):
            run, last = plain[start:stop], words[stop - 1]
            if first not in scores or (stop > start + 1 and text[words[stop - 2].end() : last.start()] != " "):
                break
            if run[-1] in scores and all(w in scores or w in _LINKS for w in run) and len(set(run)) == len(run):
                yield " ".join(run), _TAIL.sub("", text[words[start].start() : last.end()])


def _worth(term: str, said: dict[str, Counter[str]], scores: dict[str, float]) -> float:
    """What its words are worth where they are said as this term; several of them must have been said so twice."""
    words = [word for word in term.split() if word not in _LINKS]
    often = said[term].total()
    if len(words) == 1:
        return scores[words[0]]
    return _LONGER * sum(scores[w] * often / said[w].total() for w in words) if often > 1 else 0.0


def _plain(word: str) -> str:
    return _TAIL.sub("", word.lower())


def _scores(inside: Sequence[str], outside: Sequence[str], weights: Weights) -> dict[str, float]:
    here, there = (
        Counter(w for t in texts for w in {_plain(w) for w in _WORD.findall(t)}) for texts in (inside, outside)
    )
    scores = {}
    for word, n in here.items():
        if len(word) < 3 or word in _NO_WORD or (word.endswith("ly") and len(word) > 4):
            continue
        rate = max(
            exp(-(float(weights.near[bucket(word, NEAR_BUCKETS)]) or _RARE)),
            _HERE * there[word] / (len(outside) + _UNSEEN),
        )
        expected = len(inside) * rate
        if n > expected:
            scores[word] = (n * log(n / expected) - (n - expected)) * (_ONCE if n == 1 else 1.0)
    return scores
