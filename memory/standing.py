"""How far a clause stands for itself: what is only reported, supposed, wished, threatened, or put off to no day."""

from __future__ import annotations

import re
from dataclasses import replace

from memory.notes import Cue
from memory.wording import Sentence

_SAYING = (
    r"(?:said|says|say|told|tells|tell|asked|asks|thinks|thought|claims|claimed|mentioned|wrote|writes|believes|wants|wanted|warned|"
    r"suggested|suggests|reckons|insists|insisted|demands|demanded|promised|promises|announced|expects|hopes|hoped|wishes|wished)"
)
_REPORTED = re.compile(
    rf"(?<!\S)(?!(?:i|we|you|who|what|and|to|that|as|have|not|us|can|could|would|will|please)\b)[^\W\d_]+ (?:always |also |just |only |once |have |has |had )*{_SAYING}(?!\S)"
)
_SAID_BY_ME_BEFORE = re.compile(
    r"(?<!\S)(?:i|we) (?:always |once |often )?(?:had hoped|hoped|had (?:said|thought|wanted|planned|wished)|would have|wish|used to)(?!\S)"
)
_SUPPOSED = re.compile(
    r"(?:^|(?<!\S)(?:and|but|so|well|okay|yes|no) )(?:if|unless|suppose|supposing|imagine|assuming|in case|what if|even if|if only|were we to|had we|should (?:he|she|it|they))(?!\S)"
)
_UNREAL = re.compile(r"(?<!\S)(?:would have|could have|should have|might have|would sooner|would rather|over my dead body|whoever)(?!\S)")  # fmt: skip
_PAST = re.compile(r"(?<!\S)(?:yesterday|last (?:night|week|month|year|time)|ago|the other day|back then)(?!\S)")
_SOMEDAY = re.compile(
    r"(?<!\S)(?:one day|some day|someday|some time|sometime(?! (?:this|next))|at some point|in the long (?:run|term)|eventually|sooner or later|one of these days)(?!\S)"
)


_TAG = re.compile(
    r"(?<!\S)(?:agreed|okay|right|all right|yes|no objections|any objections|(?:(?:is|are) )?(?:everybody|you all|we all|we|you|that) "
    r"(?:all right|okay|happy|fine|agreed|in agreement|on board|all agreed)(?: with (?:that|it|this))?)$"
)


def untagged(sentence: Sentence) -> Sentence:
    """ "Nobody pays until then, agreed?" without its "agreed?": what is put to the others as if it were so."""
    tag = _TAG.search(sentence.plain) if sentence.asks else None
    first = sentence.word_at(tag.start()) if tag else 0
    if not first or "," not in sentence.gap(first):
        return sentence
    text = sentence.text[: sentence.spans[first][0]].rstrip(" ,")
    return replace(sentence.part(0, first), text=text)


def someday(sentence: Sentence) -> bool:
    """Whether it is put off to no day at all: "one day", "some time"."""
    return bool(_SOMEDAY.search(sentence.plain))


def supposed(sentence: Sentence, what: str = "") -> bool:
    """Whether these words of the sentence, or all of it, hold only under a condition that is named before them."""
    found = _SUPPOSED.search(sentence.plain)
    return bool(found and (not what or _after(sentence, found.end(), what)))


def reported(sentence: Sentence, what: str) -> bool:
    """Whether these words of the sentence are what somebody else said: "the dean told us we must ..."."""
    found = _REPORTED.search(sentence.plain)
    return bool(found and _after(sentence, found.end(), what))


def _after(sentence: Sentence, at: int, what: str) -> bool:
    first = next(iter(what.lower().split()), "")
    return bool(first and f" {first}" in sentence.plain[at:])


def doubted(cue: Cue, sentence: Sentence) -> float:
    """What the cue's strength loses where the sentence only reports or supposes it, or puts it off to no day."""
    loss = 0.0
    if cue.kind in ("need", "assign", "commit", "decide", "ask") and cue.what:
        loss += 0.6 if reported(sentence, cue.what) else 0.0
        loss += 0.25 if _UNREAL.search(sentence.plain) or _SAID_BY_ME_BEFORE.search(sentence.plain) else 0.0
        loss += 0.3 if _PAST.search(sentence.plain) and not (cue.due.date or "owed" in cue.details) else 0.0
    if cue.kind in ("need", "assign") and supposed(sentence, cue.what):
        loss += 0.2
    if cue.kind in ("need", "offer", "decide") and someday(sentence):
        loss += 0.25
    return loss
