"""Decisions by their form: what comes out of a talk ("the lake it is", "then the lift stays closed") and what is moved."""

from __future__ import annotations

import re
from collections.abc import Iterator

from memory.calendar_words import NUMBERS, ORDINALS, WEEKDAYS
from memory.cues import SOFT, Hearing, Policy
from memory.notes import Cue
from memory.standing import supposed, untagged
from memory.tasks import Span
from memory.wording import STOP, Sentence

_SO = (
    r"(?:so|then|okay|all right|good|right|fine|great|well|yes|now|therefore|in that case|in which case|that means|that settles it|"
    r"no|and|perfect|wonderful|excellent|agreed|done|that is everybody|hence)"
)
_LED = rf"(?:^|(?<!\S){_SO} )"  # at the sentence's start, or after a word that draws a conclusion
_CONCLUDES = (
    rf"^(?:so|then|okay|all right|right|therefore|good|fine|in (?:that|which) case|that means|hence)(?: {_SO})* "
)
_NOT_A_THING = (
    r"(?!(?:what|that|this|how|who|when|where|why|which|whatever|as|it|there|the way|here|i|you|he|she|they|we|if|whether|"
    r"do|does|did|is|are|was|were|has|have|can|could|will|would|should)(?!\S))"
)
_THING = (  # no pronoun and no verb of another clause in it
    r"(?!(?:evening|morning|afternoon|night|day|idea|point|question|luck|job|news|let)(?!\S))[\w'-]+ "
    r"(?:(?!(?:let|us|me|i|you|we|he|she|they|it|who|which|that|because|but|thank|thanks|please)(?!\S))[\w'-]+ ){0,5}?"
)
_TURNS_OUT = (
    r"(?:stays?|remains?|moves? (?:to|into|from|back|up|forward)|goes (?:to|back|into|ahead)|becomes?|(?:starts?|begins?|ends?|opens?|closes?) (?:at|on|in|with|from|earlier|later|next)|takes? place|"
    r"comes? (?:first|last|before)|switch(?:es)? to|falls? away|(?:is|are|gets?|get) (?:moved|cancelled|canceled|postponed|dropped|cut|scrapped|kept|replaced|closed|opened|reduced|raised|"
    r"changed|shortened|extended|merged|split|renamed|put off|brought forward|called off|going ahead|out|off the table))"
)
_WILL = r"(?:will (?:be|have|go|stay|start|move|become|take|end|run)|(?:is|are) (?:going to|to) (?:be|have|go|stay|start|move))"
_TIMED = (
    r"(?:from now on|as of (?:now|next|this|today|tomorrow|the|january|february|march|april|may|june|july|august|september|october|november|december|monday|tuesday|wednesday|thursday|friday)|"
    r"from (?:now|today|tomorrow|next|monday|tuesday|wednesday|thursday|friday|january|february|march|april|may|june|july|august|september|october|november|december|the \w+) on(?:wards)?|"
    r"until (?:further notice|then|the|we|next)|for the time being|in future|any ?more|any longer|for good|for now|as planned|as before|after all|instead|at the latest)"
)
_OUTCOMES: tuple[tuple[re.Pattern[str], float], ...] = tuple(
    (re.compile(pattern), strength)
    for pattern, strength in (
        (rf"{_LED}(?:{_SO} )*{_NOT_A_THING}(?P<what>(?:[\w'-]+ ){{1,6}}?)it (?:is|will be|shall be)(?= then$|$)", 0.62),
        (rf"{_LED}(?:{_SO} )*(?:we are|we will be|i am) (?:all )?(?P<what>(?:going|sticking|staying) (?:with|for|ahead with)\b.*)", 0.62),
        (rf"{_CONCLUDES}{_NOT_A_THING}(?P<what>{_THING}{_TURNS_OUT}(?!\S).*)", 0.52),
        (rf"{_CONCLUDES}{_NOT_A_THING}(?P<what>{_THING}{_WILL}(?!\S).*)", 0.42),
        (rf"^{_NOT_A_THING}(?P<what>{_THING}(?:{_TURNS_OUT}|{_WILL})(?!\S).*(?<!\S){_TIMED}(?!\S).*)", 0.45),
        (rf"{_LED}(?:{_SO} )*(?P<what>no more (?!than\b|questions?\b|time\b|about\b|i\b|we\b|or\b|to\b|of\b)\w+(?: \S+)*)", 0.52),
        (rf"{_LED}(?:{_SO} )*(?P<what>no (?!problem|bother|worr|idea|objection|doubt|need|thanks|one\b|way\b|reason|wonder|chance|matter|question|offence|harm|i\b|we\b|it\b|that\b|not\b|but\b|the\b|you\b|he\b|she\b|they\b)[\w'-]+(?: [\w'-]+){{0,4}}? (?:before|after|until|without|during|in|on|for|this|next|{_TIMED})(?!\S).*)", 0.5),
        (rf"{_LED}(?:{_SO} )*(?P<what>(?:nobody|nothing) \w+s? .*(?:{_TIMED}|without|before|unless|until)(?!\S).*)", 0.52),
        (r"(?<!\S)(?:(?:the )?motion (?:is )?carried|(?:that|it) is (?:settled|decided|agreed)|agreed|decided|decision (?:made|taken))(?: then)? (?P<what>(?:we|the|our|from|no|nobody|everybody) \S.*)", 0.65),
        (rf"{_LED}(?:{_SO} )*(?:i|we) (?:do not|will not) want (?P<what>\S.*) and that is (?:final|that|it)$", 0.6),
    )
)  # fmt: skip
_IT_IS = _OUTCOMES[0][0]
_FINAL = re.compile(
    r"(?<!\S)(?:full stop|period|end of story|and that is final|that is final|that is that|no discussion)$"
)
_WE_FIRMLY = re.compile(
    rf"^(?:{_SO} )*we (?P<what>(?:will not|do not|are not going to|are going to|will|\w+) (?!have\b|know\b|think\b|said\b|see\b)\S.*)"
)
_COUNTED = re.compile(rf"(?<!\S)(?:{'|'.join((*WEEKDAYS, *NUMBERS, *ORDINALS))}|\d+)(?!\S)")
_ELLIPSIS = re.compile(
    rf"^(?:{_SO} )*{_NOT_A_THING}(?P<what>(?:(?:the|a|an|on|in|at|from|from the|for|to) )?[\w'-]+(?: [\w'-]+){{0,4}}?) then$"
)
_HEDGED = re.compile(
    r"\b(?:if|whether|maybe|perhaps|might|could|should|would|must be|seems?|think|guess|suppose|hope|not sure|what if|usually|always|often|never|was|were|had|did|been|because|when|who|which|need|needs|has to|have to|do|does|how|what|cause|like|look|looks)\b"
)


_UNTIL = re.compile(r" (?:until|unless|before) ")
_CLAUSE = re.compile(r"(?<!\S)(?:is|are|am|let|get|go|got|that|it|i|you|we|he|she|they|back|see|bye|until|since|by|even|just|only|right|so|okay|(?:week|day|month) after)(?!\S)")  # fmt: skip


def _ends_in_it_is(sentence: Sentence) -> bool:
    """Whether "it is" is written out: "it's" ends no sentence."""
    return bool(re.search(r"\bit(?: is| will be| shall be|['’]ll be)(?:,? then)?\W*$", sentence.text, re.IGNORECASE))


def _span(sentence: Sentence, found: re.Match[str], hearing: Hearing) -> Span:
    first, last = sentence.word_at(found.start("what")), sentence.word_at(found.end("what") + 1)
    span = Span(sentence, first, last, hearing.day, hearing.language)
    span.found = None  # its dates are part of what is decided
    return span


def outcomes(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "The lake it is", "so story time moves to the ground floor", "no more bikes in the stairwell"."""
    put = untagged(sentence)
    tagged = {"motion": "yes"} if put is not sentence else {}
    sentence = put
    if sentence.asks or supposed(sentence):
        return
    plain = _FINAL.sub("", sentence.plain).strip()
    final = 0.1 if plain != sentence.plain else 0.0
    for pattern, strength in _OUTCOMES:
        found = pattern.search(plain)
        if (
            not found
            or _HEDGED.search(_UNTIL.split(found["what"])[0])
            or (pattern is _IT_IS and not _ends_in_it_is(sentence))
        ):
            continue
        span = _span(sentence, found, hearing)
        if span.words and any(word not in STOP or word.isdigit() for word in span.words):
            yield Cue("decide", span.text, strength=strength + final - (0.1 if tagged else 0.0), details=tagged)
            return
    if final and (found := _WE_FIRMLY.match(plain)):
        yield Cue("decide", _span(sentence, found, hearing).text, strength=0.6)
        return
    found = _ELLIPSIS.match(plain)
    apart = bool(found) and ("," in sentence.gap(len(sentence.words) - 1) or bool(_COUNTED.search(plain)))
    if found and len(sentence.words) <= 8 and apart:
        span = _span(sentence, found, hearing)
        no_thing = _HEDGED.search(found["what"]) or _CLAUSE.search(found["what"])
        if not no_thing and any(word not in STOP for word in span.words):
            yield Cue("decide", span.text, strength=0.42 if tagged else 0.5, details=tagged)


_MOTIONS: tuple[tuple[re.Pattern[str], float], ...] = tuple(
    (re.compile(pattern), strength)
    for pattern, strength in (
        (rf"(?<!\S)(?:i|we) {SOFT}(?:would )?(?:propose|suggest|recommend|move|vote)(?: that)?(?: we)?(?: for| to)? {SOFT}(?!it\b|that\b|this\b|you\b|how\b|what\b|on\b)(?P<what>\S.*)", 0.42),
        (rf"(?<!\S)(?:my (?:proposal|suggestion|vote) (?:is|would be|goes)|i am (?:all )?(?:for|in favour of)) (?:that )?(?:we )?(?:to |for )?{SOFT}(?!it\b|that\b|this\b|them\b|those\b|him\b|her\b|you\b)(?P<what>\S.*)", 0.4),
        (rf"(?<!\S)(?:shall|should) we {SOFT}(?:not )?{SOFT}(?:say |agree on |go for |go with )?(?P<what>(?!we\b|start\b|begin\b|move on\b|continue\b|talk\b|discuss\b|stop\b|do (?:it|that)\b)\S.*)", 0.32),
        (rf"(?<!\S)(?:why do not we|can we (?:all )?(?:agree|settle) (?:on|to|that(?: we)?)|are we (?:all )?agreed (?:on|to|that(?: we)?)) {SOFT}(?P<what>\S.*)", 0.42),
        (rf"(?<!\S)(?:how about|what about|why not) (?:we )?{SOFT}(?P<what>(?!if\b|i\b|you\b|me\b|him\b|her\b|them\b|that\b|it\b|this\b)\S.*)", 0.34),
        (rf"(?<!\S)(?:let us|we|can we|shall we|i would rather|i would rather we|could we) {SOFT}(?P<what>make it (?!clear|easier|short|quick|work|to\b|in\b)(?:the |a |an )?[\w'-]+.*)", 0.42),
        (rf"(?<!\S)let us {SOFT}(?P<what>(?:scrap|drop|cancel|forget|postpone|skip|keep|hold|stick|rent|hire|invite|meet|do|have|get|make|offer|take|run|pay|ask) (?!it there|that|on\b|it open)\S.*)", 0.4),
        (r"(?<!\S)(?:all (?:those )?in favour of|(?:is )?everybody (?:is )?(?:happy|fine|okay|agreed|in agreement) (?:with|on|to)|are (?:we|you) all (?:happy|fine|okay) with|any objections to) (?P<what>\S.*)", 0.42),
        (rf"(?<!\S)i (?:would )?say (?:that )?we {SOFT}(?P<what>\S.*)", 0.4),
        (r"(?<!\S)(?P<what>let us not (?!forget\b|go\b|talk\b|worry\b|start\b|get\b|discuss\b|argue\b)\S.*)", 0.4),
        (rf"^(?:{_SO} )*(?P<what>we are (?:not )?(?!going|talking|looking|thinking|having|being|trying|getting|working|meeting|running|waiting|still|doing|missing|coming|using|saying|speaking|discussing|hoping)\w+ing \S.*)", 0.4),
        (rf"(?<!\S)i would {SOFT}(?P<what>(?:go for|go with|take|pick|choose|prefer|vote for|keep|stick with) (?!it\b|that\b|this\b|a look\b)\S.*)", 0.34),
        (rf"^(?:{_SO} )*we (?:will|are going to) (?P<what>(?!not\b|see\b|be\b|have\b|get\b|go\b|come\b|talk\b|discuss\b|start\b|need\b|know\b|find\b|move\b|look\b|try\b)\w+ \S.*)", 0.4),
    )
)  # fmt: skip


def motions(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "I suggest we join the union": no decision until others agree."""
    for pattern, strength in _MOTIONS:
        found = pattern.search(sentence.plain)
        if not found or (strength < 0.4 and re.search(r"(?<!\S)(?:if|whether|what|which|who)(?!\S)", sentence.plain)):
            continue
        span = _span(sentence, found, hearing)
        if len(span.words) > 1 or any(word not in STOP for word in span.words):
            yield Cue("decide", span.text, strength=strength, details={"motion": "yes"})
            return


_SETTLES = re.compile(
    r"(?<!\S)(?:(?:that|it) is (?:all )?(?:decided|settled|agreed|a deal|carried|the decision|unanimous)|that settles it|motion carried|carried unanimously|"
    r"(?:then |so )?(?:that is|we are) (?:all )?(?:agreed|decided|settled)|we (?:keep|leave) it (?:at that|like that)|let us do (?:it|that)(?: like (?:that|this)| that way)?|do it like that|then we (?:keep|leave|do|take|make) (?:it|that)(?: like (?:that|this)| at that| that way)?$|"
    r"so be it|so decided|decided then|agreed then|let us (?:go for|go with|leave) (?:it|that))(?! (?:that|to|on|on the|whether|if|later))(?!\S)"
)
_OBJECTS = re.compile(
    r"^(?:(?:oh|well|but|and|sorry) )*(?:no(?! (?:problem|objections?|doubt|bother))|i (?:disagree|object|am against|do not (?:think|agree|like|want)|would not|would rather)|not (?:really|so|if|before|a good)|"
    r"over my dead body|absolutely not|never|that is (?:too|nonsense|outrageous|impossible|a bad)|hang on|hold on|wait)(?!\S)"
)


def verdict(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "That's decided", "motion carried": what was moved holds; "no, I'm against it": it does not."""
    if sentence.asks:
        return
    if _SETTLES.search(sentence.plain):
        yield Cue("settle", strength=0.7)
    elif _OBJECTS.match(sentence.plain):
        yield Cue("object", strength=0.6)


POLICIES: tuple[Policy, ...] = (outcomes, motions, verdict)
