"""Answers to what was put to the meeting as a choice: "the hazer or dry ice?" "Hazer.", "do we get a cat?" "No cat."."""

from __future__ import annotations

import re
from collections.abc import Iterator

from memory.cues import Hearing, Policy
from memory.notes import Cue
from memory.wording import STOP, Sentence, content_of, tidy

_LEAD = r"^(?:(?:okay|so|right|well|then|good|fine|yes|sorry|all right|and|oh|let us say|i say|i would say|i vote for|make it|we take|we go with|go with|take) )*"
_CHOICE = re.compile(
    _LEAD
    + r"(?P<what>(?:no |the |a |an |on |in |at |by )?(?:[\w'-]+ ){0,2}?[\w'-]+)(?: (?:then|please|it is|done|it will be|for me|final))*$"
)
_PUT = re.compile(
    r"(?<!\S)(?:do|shall|should|are|will|can|could|would) we (?!have\b|know\b|need\b|remember\b|think\b|see\b|hear\b|mean\b)(?P<what>\S.*)|"
    r"^(?:\w+ )?(?P<or>(?:(?!you|he|she|they|it|i|that)[\w'-]+ ){1,4}or (?!something|anything|whatever|so|just|not|what)\S+(?: \S+){0,5})$"
)
_NO_CHOICE = re.compile(
    r"(?<!\S)(?:is|are|am|was|were|do|did|have|has|it|that|this|there|here|what|who|why|how|thanks|thank|actually|really|basically|problem|idea|way|chance|worries)(?!\S)"
)


def choices(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "Hazer.", "no cat", "blue, please": counts where it answers a choice that was put."""
    found = _CHOICE.match(sentence.plain)
    if not found or sentence.asks or len(sentence.words) > 7 or _NO_CHOICE.search(found["what"]):
        return
    first = sentence.word_at(found.start("what"))
    what = tidy(sentence.original(first, first + len(found["what"].split())))
    if any(word not in STOP for word in found["what"].split()):
        yield Cue("choose", what, strength=0.4)


def put(sentence: Sentence) -> str:
    """What a question leaves the meeting to choose, in its own words; "" where it asks for something else."""
    found = _PUT.search(sentence.plain) if sentence.asks else None
    if not found:
        return ""
    group = "what" if found["what"] else "or"
    first = sentence.word_at(found.start(group))
    last = sentence.word_at(found.end(group) + 1)
    return tidy(sentence.original(first, last))


def chooses(what: str, sentence: Sentence) -> bool:
    """Whether some words are an answer to this question: one of its alternatives, or a no to what it names."""
    asked = content_of(put(sentence))
    either = " or " in sentence.plain and not sentence.plain.endswith(("or not", "or no", "or what"))
    said = content_of(what)
    return bool(said) and said <= asked and (either or what.lower().startswith("no "))


POLICIES: tuple[Policy, ...] = (choices,)
