"""Which sentence answers: one that has what the question's word asks for, a day to "when", a number to "how many".

The kind of an answer from the question's first words is the oldest help in question answering (Prager et al., SIGIR 2000).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from retrieval.words import terms

_NUMBER = re.compile(
    r"\b(?:how (?:many|much|long|often|far|old|big|high|large|soon)|cost|costs|price|percentage|what (?:share|sum|number))\b"
)
_DAY = re.compile(r"\b(?:when|what (?:day|date|time)|which (?:day|date|week|month)|by when|until when|how soon)\b")
_WHO = re.compile(r"\b(?:who|whom|whose)\b")
_DAYS = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday january february march april june july august september october "
    "november december today tomorrow tonight yesterday week month spring summer autumn winter easter christmas morning evening".split()
)
_SOMEBODY = re.compile(r"(?<![.?!] )(?<!^)\b[A-Z][a-z]+|\bI\b|\b(?:he|she|we)\b")
HAS_IT = 0.3  # what having it counts, where 1 is having all words of the question
ASKS = 0.3  # what a sentence loses that is a question itself


def suits(question: str) -> Callable[[str], float]:
    """How a sentence suits the question by its form, beside its words and their meaning."""
    asked = question.lower()
    wants: Callable[[str], bool] = lambda _: False
    if _DAY.search(asked):
        wants = lambda said: bool(_DAYS & set(terms(said)))
    elif _NUMBER.search(asked):
        wants = _numbered
    elif _WHO.search(asked):
        wants = lambda said: bool(_SOMEBODY.search(said))
    return lambda said: HAS_IT * wants(said) - ASKS * said.rstrip(" \"'”").endswith("?")


def _numbered(said: str) -> bool:
    return any(term[0].isdigit() for term in terms(said) if term not in ("0", "1"))
