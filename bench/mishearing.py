"""Words as a recogniser would have written them: a seeded corruptor, for tests of what is made of transcripts.

It knows no model: words become others that sound like them, small ones go, words come apart or run together, endings
change, full stops and commas move. What it really did is counted, not what it was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from audio.speech import Utterance
from memory.people import GIVEN
from memory.sounds import alike, key

VOCABULARY = Path(__file__).parents[1] / "audio" / "embedded" / "vocabulary.txt"
_HOMOPHONES = (
    "to two too|for four|their there|one won|right write|by buy bye|our are hour|in and|a the|week weak|weeks weaks|"
    "no know|new knew|see sea|meet meat|hear here|wait weight|then than|of off|an and|is his|it at|will well|eight ate|"
    "our hour|male mail|peace piece|board bored|sign sine|plan plane|sent send|ask asked|we he|you your|can can't|"
    "i'll all|i'll I|let's lets|fifteenth fifteen|twentieth twenty|tenth ten|fifth fifth|monday mondays|would wood|"
    "twelfth twelve|thirtieth thirtieth|hall whole|price prize|case cause|by my|him them|hers her|do to|who how"
)
_SMALL = frozenset(
    "a an the of to in on at by for and so then that is are will be it do we i you with or as have".split()
)
_INSERTED = ("the", "a", "and", "of", "to", "it", "in", "that")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_NEAR = 0.62  # likeness from which one word may be heard as another
_HOW = ("sound", "drop", "end", "insert", "split")
_OFTEN = (0.5, 0.2, 0.12, 0.1, 0.08)  # a guess: about what the embedded model's errors look like


@dataclass(frozen=True)
class Ears:
    """What may be heard instead: words by how they begin to sound."""

    near: dict[str, tuple[str, ...]]  # first two sounds -> words

    @staticmethod
    def of(texts: Iterable[str]) -> Ears:
        """Of the words of some texts, the embedded model's vocabulary, and given names."""
        words = {*VOCABULARY.read_text(encoding="utf-8").split(), *GIVEN, *_plain(" ".join(texts))}
        near: dict[str, list[str]] = {}
        for word in sorted(words):
            near.setdefault(key(word)[:2], []).append(word)
        return Ears({sound: tuple(those) for sound, those in near.items()})

    def instead(self, word: str, rng: np.random.Generator) -> str:
        """Another word that sounds like this one; the same where none does."""
        plain = word.lower()
        groups = [group.split() for group in _HOMOPHONES.split("|") if plain in group.lower().split()]
        options = [other for group in groups for other in group if other.lower() != plain]
        near = self.near.get(key(plain)[:2], ())
        options += [other for other in near if other != plain and alike(plain, other) >= _NEAR]
        return options[int(rng.integers(len(options)))] if options else word


def _plain(text: str) -> list[str]:
    return [found[0].lower() for found in _WORD.finditer(text)]


def misheard(utterances: Sequence[Utterance], rate: float, ears: Ears, seed: int) -> list[Utterance]:
    """The utterances with about `rate` of their words wrong and as many of their sentences cut or joined wrongly."""
    rng = np.random.default_rng(seed)
    heard = [replace(u, text=_sentences(_words(u.text, rate, ears, rng), rate, rng)) for u in utterances]
    return [utterance for utterance in heard if utterance.text.strip(" .,?!")]


def _words(text: str, rate: float, ears: Ears, rng: np.random.Generator) -> str:
    made, at = [], 0
    for found in _WORD.finditer(text):
        made.append(text[at : found.start()])
        at = found.end()
        made.append(_heard(found[0], ears, rng) if rng.random() < rate else found[0])
    return re.sub(r"\s+", " ", "".join(made) + text[at:]).strip()


def _heard(word: str, ears: Ears, rng: np.random.Generator) -> str:
    how = str(rng.choice(_HOW, p=_OFTEN))
    if how == "drop" and word.lower() in _SMALL:
        return ""
    if how == "insert":
        return f"{word} {_INSERTED[int(rng.integers(len(_INSERTED)))]}"
    if how == "end" and len(word) > 3:
        return (
            word.removesuffix("s")
            if word.endswith("s")
            else word.removesuffix("ed")
            if word.endswith("ed")
            else f"{word}s"
        )
    if how == "split" and len(word) > 5:
        cut = int(rng.integers(3, len(word) - 2))
        return f"{word[:cut]} {word[cut:]}"
    other = ears.instead(word, rng)
    return other.capitalize() if word[0].isupper() and word != "I" else other


def _sentences(text: str, rate: float, rng: np.random.Generator) -> str:
    """A full stop in the midst, or two sentences run together, or a comma lost, each with this chance."""
    words = text.split()
    if len(words) > 5 and rng.random() < rate:
        at = int(rng.integers(2, len(words) - 2))
        words[at : at + 2] = [words[at].rstrip(".,?!") + ".", words[at + 1].capitalize()]
    if rng.random() < rate:
        words = [word.rstrip(",.?!") for word in words]
    if rng.random() < rate:
        at = int(rng.integers(0, len(words))) if words else 0
        words[at : at + 1] = [f"{words[at].rstrip('.,?!')} ,."] if words else []
    return " ".join(words)


def errors(said: Sequence[Utterance], heard: Sequence[Utterance]) -> tuple[int, int]:
    """Wrong words (inserted, lost, replaced) and all words of what was said, utterance by utterance."""
    texts = {u.id: _plain(u.text) for u in heard}
    wrong = sum(_edits(_plain(u.text), texts.get(u.id, [])) for u in said)
    return wrong, sum(len(_plain(u.text)) for u in said)


def _edits(one: Sequence[str], other: Sequence[str]) -> int:
    row = list(range(len(other) + 1))
    for i, word in enumerate(one, 1):
        last, row = row, [i]
        for j, its in enumerate(other, 1):
            row.append(min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (word != its)))
    return row[-1]
