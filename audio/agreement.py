"""Which words of successive hypotheses may be trusted: pure rules behind one seam.

A policy sees all hypotheses of one growing segment and says, of each, how many leading words it holds to be firm. The
firm words themselves are kept by `Firming`: a later hypothesis continues them and never changes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from audio.speech import Word

ALIGN_ATT = "align-att"  # as the settings call it


@dataclass(frozen=True)
class Hearsay:
    """One hypothesis about a growing segment: its words, and how much of the segment there was to hear."""

    words: tuple[Word, ...]  # seconds count from the start of the segment
    length_s: float


class Policy(Protocol):
    """The hypotheses of one segment, the newest last -> how many leading words of the newest are firm."""

    @property
    def hypotheses(self) -> int:
        """How many it looks at."""
        ...

    def __call__(self, heard: Sequence[Hearsay]) -> int: ...


@dataclass(frozen=True)
class LocalAgreement:
    """Firm is what the last `hypotheses` have in common from the start on (Macháček et al. 2023, section 3.1)."""

    hypotheses: int = 2

    def __call__(self, heard: Sequence[Hearsay]) -> int:
        if len(heard) < self.hypotheses:
            return 0
        spoken = [[word.text for word in one.words] for one in heard[-self.hypotheses :]]
        agreed = 0
        for same in zip(*spoken, strict=False):
            if len(set(same)) > 1:
                break
            agreed += 1
        return agreed


@dataclass(frozen=True)
class AlignAtt:
    """Firm is what the decoder wrote before it listened to the newest `margin_s` of the audio (Papi et al. 2023).

    A word's `end_s` must say which moment the decoder attended to. The words after the first that reached into the
    margin wait, whatever they attended to.
    """

    margin_s: float = 0.5  # 25 encoder frames, as SimulStreaming
    hypotheses: int = 1

    def __call__(self, heard: Sequence[Hearsay]) -> int:
        limit_s = heard[-1].length_s - self.margin_s
        firm = 0
        for word in heard[-1].words:
            if word.end_s > limit_s:
                break
            firm += 1
        return firm


class Firming:
    """The firm words of one growing segment."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._heard: list[Hearsay] = []
        self.firm: tuple[Word, ...] = ()

    def add(self, heard: Hearsay) -> tuple[Word, ...]:
        """What is to be shown after this hypothesis: the firm words, `len(self.firm)` of them, and its own after them.

        Where it contradicts the firm words, it goes on after the part of it that resembles them most.
        """
        self._heard = [*self._heard, heard][-self._policy.hypotheses :]
        told = continuation([w.text for w in self.firm], [w.text for w in heard.words])
        trusted = self._policy(self._heard)
        self.firm += heard.words[told : max(told, trusted)]
        return self.firm + heard.words[max(told, trusted) :]


def continuation(firm: Sequence[str], newer: Sequence[str]) -> int:
    """How many leading words of `newer` say what `firm` says; of equally good numbers the one nearest to its length.

    The prefix of `newer` with the least edit distance to `firm`; letters count, case and punctuation do not.
    """
    ours, theirs = ([_letters(word) for word in words] for words in (firm, newer))
    row = list(range(len(theirs) + 1))  # distances of the first words of `ours` to every prefix of `theirs`
    for i, word in enumerate(ours, 1):
        above, row = row, [i]
        for j, other in enumerate(theirs, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (word != other)))
    return min(range(len(row)), key=lambda j: (row[j], abs(j - len(ours))))


def _letters(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter.isalnum())
