"""Requests and hand-outs by their grammar: tags, conditionals, needs of a thing, reminders, bare imperatives, the present."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from memory.cues import SOFT, Hearing, Policy, cue_of, me, span_of
from memory.doing import base_form, does_something, starts_a_task
from memory.notes import NOBODY, Cue, Owner
from memory.people import vocative
from memory.tasks import Span
from memory.wording import STOP, Sentence

_TAGGED = re.compile(
    rf"(?<!\S)you {SOFT}(?:will|can|could|would|are going to|are to|take|do) {SOFT}(?P<what>(?!not\b)\S.*?) (?:will|would|can|could|are|do) (?:you(?: not)?|not you)$|"
    rf"(?<!\S)you {SOFT}(?:will|can|are going to) {SOFT}(?P<right>(?!not\b)\S.*?) (?:right|okay|yes|please)$|"
    rf"(?<!\S)(?!it\b|that\b|this\b|they\b|there\b|we\b|i\b)[^\W\d_]+ (?:will|can|is going to) {SOFT}(?P<spoken>(?!not\b)\S.*?) (?:will|would|can|are) you(?: not)?$"
)
_WOULD_YOU = re.compile(
    rf"^(?:(?:and|so|then|okay|great|good|perfect|[^\W\d_]+(?: [^\W\d_]+)?) )??you (?:would|will|could) {SOFT}(?P<what>(?!not\b|have\b|like\b|want\b|be\b|need\b|see\b|say\b|think\b|rather\b)\S.*)"
)
_MIND = re.compile(rf"(?:^|(?<!\S)(?:[^\W\d_]+|you) )mind {SOFT}(?P<what>\w+ing\b.*)")
_IF_YOU = re.compile(
    r"^(?:(?:[^\W\d_]+|so|and|then|and then|okay) )?if you (?:could|would|can)(?: please| just| maybe| also)* (?P<what>\S.*)"
)
_IN_CHARGE = re.compile(
    r"(?<!\S)you (?:are|will be) (?:in charge of|responsible for|looking after|taking care of|taking on|taking over|down for) (?P<what>(?!it\b|that\b|this\b)\S.*)"
)
_MAIN_CLAUSE = re.compile(
    r"(?<!\S)(?:i|we|it|that|they|he|she|you) (?:would|will|could|can|might|am|are|is|should)(?!\S)|(?<!\S)then(?!\S)"
)
_REMINDED = re.compile(
    rf"(?<!\S)you (?:were|are|had been) {SOFT}(?:going to|supposed to|meant to|due to|to) (?P<what>\S.*)|"
    rf"(?<!\S)you (?:wanted to|promised to|had promised to|offered to|had offered to|said you would|said you were going to) (?P<said>\S.*)"
)


def asked_of_you(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "You'll write that up, won't you?", "mind ordering one?", "if you'd let me have a list", "you were going to ..."."""
    name = vocative(sentence, hearing.people)
    owner = hearing.people.owner(name) if name else NOBODY
    for pattern, strength in (
        (_IN_CHARGE, 0.48),
        (_TAGGED, 0.5),
        (_WOULD_YOU, 0.42),
        (_MIND, 0.5),
        (_IF_YOU, 0.45),
        (_REMINDED, 0.42),
    ):
        found = pattern.search(sentence.plain)
        if not found:
            continue
        if pattern is _IF_YOU and (sentence.plain.startswith("but") or _MAIN_CLAUSE.search(found["what"])):
            continue
        if (pattern is _REMINDED and sentence.asks) or (pattern is _WOULD_YOU and not sentence.asks):
            continue
        group = next(key for key, words in found.groupdict().items() if words)
        last = sentence.word_at(found.end(group) + 1)
        span = Span(sentence, sentence.word_at(found.start(group)), last, hearing.day, hearing.language)
        if span.words and (
            span.refers or does_something(span.words) or pattern in (_MIND, _IN_CHARGE) or span.due.date
        ):
            cue = cue_of("ask", span, strength + (0.08 if name else 0.0), owner)
            if pattern is _IN_CHARGE and name and not span.refers:
                cue = Cue("ask", span.text, owner, span.due, 0.55)
            if cue:
                yield cue
                return


_WANTS_THING = re.compile(
    rf"(?<!\S)(?:i|we) {SOFT}(?:need|want|require|must have|have to have|need to have|would have to have|will need|would like|am waiting for|are waiting for|am still missing|are still missing) "
    rf"(?P<what>(?:the|your|our|a|an|some|these|those|all|every\S*|[^\W\d_]+'s|that|more|two|three|four|five|ten)(?: \S+)+)"
)
_FROM = re.compile(
    r"(?<!\S)(?:from|of) (?P<who>[^\W\d_]+)(?: (?:by|before|for|on|until|tomorrow|today|please|first).*)?$"
)


def wanted_things(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "I need the visitor numbers from Ying": a request for a thing, of somebody, or by a day."""
    found = _WANTS_THING.search(sentence.plain)
    if not found or sentence.asks or re.search(r"(?<!\S)(?:if|not|never|would not)(?!\S)", sentence.plain[: found.start("what")]):  # fmt: skip
        return
    first = sentence.word_at(found.start("what"))
    span = Span(sentence, first, len(sentence.words), hearing.day, hearing.language)
    asked = _FROM.search(sentence.plain)
    at = sentence.word_at(asked.start("who")) if asked else -1
    name = sentence.words[at] if asked and (hearing.people.is_name(sentence, at) or sentence.words[at] == "you") else ""
    who = vocative(sentence, hearing.people) if name in ("", "you") else name
    if not name and not (span.due.date and (who or span.due.phrase.lower().startswith(("by", "before", "until")))):
        return
    if name and at > first:
        span = Span(sentence, first, at - 1, hearing.day, hearing.language)
    if any(word not in STOP for word in span.words) and "to" not in span.words[:3]:
        yield Cue("ask", span.text, hearing.people.owner(who) if who else NOBODY, span.due, 0.55)


_LEAD = re.compile(
    r"^(?:(?:so|and|then|okay|yes|no|but|well|good|great|right|all right|fine|perfect|thanks|thank you|now|also|just|do|go and|please) )*"
)


def bare_imperatives(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "Ring the insurer and ask about the roof", "you and your people build a platform": only counts once it is taken."""
    if sentence.asks:
        return
    begin = _LEAD.match(sentence.plain)
    first = begin[0].count(" ") if begin else 0
    words = sentence.words
    if first < len(words) - 2 and hearing.people.is_name(sentence, first):
        first += 1
    subject = re.match(r"(?:you(?: (?:guys|two|both|all))?(?: and (?:your|the) \w+)?) ", " ".join(words[first:]) + " ")
    if subject:
        first += subject[0].count(" ")
    rest = words[first:]
    if len(rest) < 2 or base_form(rest[0]) != rest[0] or not does_something(rest) or rest[1] in _NOT_ASKED:
        return
    if rest[0] in _NOUNS_TOO and rest[1] not in _OBJECT:
        return  # "work on the roof was slow", "plan B": a noun
    span = span_of(sentence, first, hearing)
    name = vocative(sentence, hearing.people)
    owner = hearing.people.owner(name) if name else NOBODY
    cue = cue_of("ask", span, 0.3 + (0.1 if subject or name else 0.0), owner)
    if cue and (cue.what or cue.details):
        yield replace(cue, strength=min(0.45, cue.strength), details={**cue.details, "bare": "yes"})


_NOT_ASKED = frozenset("is are was were will would has have had can could should must did does and or of".split())
_OBJECT = frozenset("the a an this that these those it them him her my your our their his some all every each".split())
_NOUNS_TOO = frozenset(
    "answer audit block brief bring call change charge check code cook copy cover cut demo design document draft drive drop "
    "email fax figure file film filter fit form format gather grade grant hand handle help hold host hook issue label lead "
    "level lift light link list load lock log look mail map mark measure model move note number offer oil order outline paint "
    "park pass patch pay phone pick pilot pin place plan plant plaster plug post press price print process produce program "
    "project promote pump purchase push queue quote rake record release rent repair reply report request research return "
    "ring roll round run sand save scan schedule seal search set shift ship shop show sign sketch slice sort source split "
    "spray stack staff stamp start stick stock stop store study supply survey swap sweep switch talk tape taste test text "
    "tie tile time top trace track train transfer treat trim try tune turn type update upgrade vacuum visit volunteer walk "
    "wash watch water weed weight wire work wrap write".split()
)

_NO_TASKS = (
    "going",
    "looking",
    "meeting",
    "seeing",
    "visiting",
    "attending",
    "working",
    "taking",
    "talking",
    "running",
)
_IS_DOING = re.compile(
    r"(?:^|(?<!\S)(?:so|then|okay|and|right|good|great) )(?P<who>[^\W\d_]+) (?:is )?(?P<what>(?P<verb>\w+ing) \S.*)"
)
_I_AM_DOING = re.compile(rf"(?<!\S)(?:i am|i will be) {SOFT}(?P<what>(?P<verb>\w+ing) \S.*)")


def progressive(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "I'm sending it out on Monday", "so Kim's doing the demo": the present tense with a day to come, or as an outcome."""
    if sentence.asks or re.search(r"(?<!\S)(?:if|when|not|was|were|while)(?!\S)", sentence.plain):
        return
    mine = _I_AM_DOING.search(sentence.plain)
    if mine and (starts_a_task([mine["verb"]]) or mine["verb"] == "doing") and mine["verb"] not in _NO_TASKS:
        span = span_of(sentence, sentence.word_at(mine.start("what")), hearing)
        if span.due.date and span.due.date > hearing.day.isoformat():
            cue = cue_of("commit", span, 0.45, me(sentence))
            if cue and cue.what:
                yield cue
        return
    found = _IS_DOING.search(sentence.plain)
    if found and (starts_a_task([found["verb"]]) or found["verb"] == "doing"):
        at = sentence.word_at(found.start("who"))
        span = span_of(sentence, sentence.word_at(found.start("what")), hearing)
        outcome = found.start("who") > 0 or sentence.plain.endswith(" then")
        if hearing.people.is_name(sentence, at) and (outcome or span.due.date):
            owner = hearing.people.owner(found["who"])
            yield Cue("assign", "" if span.refers else span.text, owner, span.due, 0.58, "that" if span.refers else "")


_RIGHT_AWAY = re.compile(
    r"^(?:(?:okay|yes|right|sure|oh|brilliant|great|perfect|fine) )*(?P<what>(?P<verb>\w+ing) (?:it|that|them|this|the|those|your|my) ?.*?)"
    r"(?: (?:right (?:after (?:this|that)|now|away)|straight (?:away|after)|as we speak|now|today|tonight|tomorrow))$"
)


def right_away(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "Pushing it right after this.": the first person's short form of the present."""
    found = _RIGHT_AWAY.match(sentence.plain)
    if found and not sentence.asks and starts_a_task([found["verb"]]):
        first, last = sentence.word_at(found.start("what")), sentence.word_at(found.end("what") + 1)
        span = Span(sentence, first, last, hearing.day, hearing.language)
        if cue := cue_of("commit", span, 0.55, me(sentence)):
            yield cue if cue.what else replace(cue, kind="claim")


_ACTION_FOR = re.compile(
    r"^(?:(?:so|and|okay|next|then|an|one|another|the) )*(?:action|task|to do|todo|job|action item|action point) (?:for|on|to) (?P<who>[^\W\d_]+) (?:is )?(?:to )?(?P<what>\S.*)"
)
_FRONTED = re.compile(
    r"^(?:(?:so|and|okay|now|then|what about|how about|about|as for|regarding) )*(?P<what>(?:the|that|those|these|your|our|my) [\w' -]+?) "
    r"(?:can|could|will|would) you (?:\w+ ){0,2}?(?P<it>it|that|those|them|these|one)(?!\S)"
)


def fronted(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "The posters, Ben, can you do those by Monday?": what "those" are stands at the sentence's head."""
    found = _FRONTED.search(sentence.plain)
    if not found:
        return
    first, last = sentence.word_at(found.start("what")), sentence.word_at(found.end("what") + 1)
    if last - first > 2 and hearing.people.is_name(sentence, last - 1):
        last -= 1
    name = vocative(sentence, hearing.people)
    due = span_of(sentence, sentence.word_at(found.start("it")), hearing).due
    span = Span(sentence, first, last, hearing.day, hearing.language)
    if any(word not in STOP for word in span.words):
        yield Cue("ask", span.text, hearing.people.owner(name) if name else NOBODY, due, 0.55)


_CLEFT = re.compile(
    r"(?<!\S)it (?:is|will be|is going to be) (?P<who>[^\W\d_]+) who (?:will |is going to |is to |should )?(?P<what>\S.*)"
)
_HAVE_THEM = re.compile(
    rf"(?<!\S)(?:let us|we (?:will|should|can)|i will|i would like to|i want to|we are going to) {SOFT}(?:have|get|let|make) (?P<who>[^\W\d_]+) (?:to )?(?P<what>\S.*)"
)


def others(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "Then it's Clara who calls the school", "let's have Ben look into the heating"."""
    for pattern in (_ACTION_FOR, _CLEFT, _HAVE_THEM):
        found = pattern.search(sentence.plain)
        if not found or sentence.asks or not hearing.people.is_name(sentence, sentence.word_at(found.start("who"))):
            continue
        span = span_of(sentence, sentence.word_at(found.start("what")), hearing)
        if does_something((base_form(span.words[0]), *span.words[1:]) if span.words else ()):
            cue = cue_of("assign", span, 0.52, hearing.people.owner(found["who"]))
            if cue and cue.what:
                yield cue
                return


_IS_WITH = re.compile(
    r"(?:^|(?<!\S)(?:so|then|okay|and|that means|right) )(?:(?:so|then|okay|right) )*(?P<what>(?:(?:the|that|this|your|our|my) )?\S(?:.{0,40}\S)?) (?:is|are|stays|sits|lies|rests) with (?P<who>[^\W\d_]+)(?: then| now| for now)?$"
)
_TAKES = re.compile(
    r"(?:^|(?<!\S)(?:so|then|okay|and|right|great|good) )(?P<who>[^\W\d_]+) (?:has got|takes|owns|will take) (?P<what>(?:the|that|this) .*|that|it|this)$"
)


def placed(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "So the survey is with Keisha", "Sam has that one": where a task lies now."""
    for pattern in (_IS_WITH, _TAKES):
        found = pattern.search(sentence.plain)
        if not found or sentence.asks:
            continue
        at = sentence.word_at(found.start("who"))
        speaks = found["who"] == "me"
        if not (speaks or hearing.people.is_name(sentence, at)):
            continue
        last = sentence.word_at(found.end("what") + 1)
        span = Span(sentence, sentence.word_at(found.start("what")), last, hearing.day, hearing.language)
        owner: Owner = me(sentence) if speaks else hearing.people.owner(found["who"])
        if not owner:
            continue
        yield Cue("move", span.text, owner, span.due, 0.6, "that" if span.refers else "", {"placed": "yes"})
        return


POLICIES: tuple[Policy, ...] = (
    asked_of_you,
    wanted_things,
    bare_imperatives,
    progressive,
    right_away,
    others,
    placed,
    fronted,
)
