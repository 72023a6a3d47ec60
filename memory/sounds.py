"""How words sound, so that a name that was misheard is still known; nothing here knows whose name it is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache

_Sound = str | Callable[[re.Match[str]], str]
_RULES: tuple[tuple[re.Pattern[str], _Sound], ...] = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"^(?:kn|gn|pn|wr|ps)", lambda m: m[0][1]),
        (r"^x", "s"),
        (r"^wh(?=o)", "h"),
        (r"^wh", "w"),
        (r"mb$", "m"),
        (r"sch", "x"),
        (r"tch|cia|ch|sh|[st]i(?=[oa])", "x"),
        (r"ck|q|c(?![iey])", "k"),
        (r"c", "s"),
        (r"dg(?=[iey])", "j"),
        (r"gh(?![aeiouy])", ""),
        (r"gn(?=$|ed$)", "n"),
        (r"g(?=[iey])", "j"),
        (r"g", "k"),
        (r"ph", "f"),
        (r"th", "0"),
        (r"x", "ks"),
        (r"z", "s"),
        (r"(?<=[a-z0])h(?![aeiouy])", ""),
        (r"h(?=[aeiouy])", "h"),
        (r"[wy](?![aeiou])", ""),
    )
)


_UNVOICED = str.maketrans("vdbj", "ftpx")


@lru_cache(maxsize=50_000)
def key(word: str) -> str:
    """The consonants as they sound, after Metaphone (Philips, Hanging on the Metaphone, 1990), and coarser: voiced and
    unvoiced ones are the same, as recognisers confuse them; a vowel stands only at the beginning, as "a".
    """
    return re.sub(r"(.)\1+", lambda m: m[1], _consonants(word).translate(_UNVOICED))


@lru_cache(maxsize=50_000)
def _consonants(word: str) -> str:
    sound = _letters(word)
    for pattern, instead in _RULES:
        sound = pattern.sub(instead, sound)
    sound = re.sub(r"^[aeiouy]+", "a", sound)
    return sound[:1] + re.sub(r"[aeiouwy]", "", sound[1:])


def _letters(word: str) -> str:
    """Those of the alphabet, doubled ones once."""
    plain = unicodedata.normalize("NFKD", word.lower().replace("ß", "ss"))
    return re.sub(r"(.)\1", lambda m: m[1], re.sub(r"[^a-z]", "", plain))


def homophones(one: str, other: str) -> bool:
    """Whether two words of three letters or more have the same consonants and as many syllables: "whole" and "hall"."""
    if min(len(one), len(other)) < 3 or one == other or _consonants(one) != _consonants(other):
        return False
    return _syllables(one) == _syllables(other)


def _syllables(word: str) -> int:
    """Runs of vowels, without a last "e", which is seldom heard."""
    return len(re.findall(r"[aeiouy]+", re.sub(r"(?<=[^aeiouy])e$", "", _letters(word))))


def distance(one: str, other: str) -> int:
    """Letters to insert, take out, replace or swap (Damerau 1964, swaps of neighbours only)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        last, row = row, [i]
        for j, its in enumerate(other, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != its))
            if i > 1 and j > 1 and letter == other[j - 2] and its == one[i - 2]:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before = last
    return row[-1]


SAME = 0.85  # likeness from which one word counts as another misheard; "Maria" and "Marina" are two (0.75)


@lru_cache(maxsize=50_000)
def alike(one: str, other: str) -> float:
    """How alike two words are to eye and ear, 0 to 1: the mean of their letters' and their sounds' likeness."""
    letters = 1 - distance(one, other) / max(len(one), len(other), 1)
    sounds = key(one), key(other)
    return (letters + 1 - distance(*sounds) / max(len(sounds[0]), len(sounds[1]), 1)) / 2


def nearest(word: str, known: Iterable[str]) -> str:
    """The one of the known words that this is, misheard; "" where none is like it, or two are."""
    ranked = sorted(((alike(word, other), other) for other in known), reverse=True)[:2]
    if not ranked or len(word) < 4 or ranked[0][0] < SAME:
        return ""
    return "" if len(ranked) > 1 and ranked[1][0] > ranked[0][0] - 0.1 else ranked[0][1]


@lru_cache(maxsize=50_000)
def shared(one: frozenset[str], other: frozenset[str]) -> int:
    """How many words of the smaller set the larger one has, as they are or misheard."""
    small, large = sorted((one, other), key=len)
    left = [word for word in large - small if len(word) > 3]
    near = sum(1 for word in small - large if len(word) > 3 and any(alike(word, it) >= SAME for it in left))
    return len(small & large) + near
