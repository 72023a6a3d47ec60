"""What people say to get or give help without naming it a task: more policies like those of `cues.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from memory.calendar_words import ORDINALS
from memory.cues import SOFT, Hearing, Policy, cue_of, me, span_of
from memory.doing import base_form, does_something, starts_a_task
from memory.due import Found, find_due
from memory.notes import NOBODY, Cue, Due
from memory.people import vocative
from memory.tasks import Span, infinitive
from memory.wording import Sentence, content_of, read

_LEAD = re.compile(
    r"^(?:(?:so|and|then|okay|yes|no|but|well|good|great|right|all right|fine|perfect|thanks|thank you|now|do that|sorry|please|just) )*"
)
_TAG = re.compile(r"(?<!\S)(?:will|can|could|would) you(?: please)?$")


def imperatives(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "Paolo, call the repair man, please", "and take photos, will you?"."""
    plain = sentence.plain
    name = vocative(sentence, hearing.people)
    tag = _TAG.search(plain)
    please = bool(re.search(r"(?<!\S)please$|^(?:\w+ )?please ", plain))
    end = sentence.word_at(tag.start()) if tag else len(sentence.words) - plain.endswith(" please")
    begin = _LEAD.match(plain)
    first = begin[0].count(" ") if begin else 0
    if name and name in sentence.words[first : first + 2]:
        first = sentence.words.index(name, first) + 1
        while first < len(sentence.words) and sentence.words[first] in ("please", "just", "then", "so", "and"):
            first += 1
    elif not (tag or please):
        return
    words = sentence.words[first:end]
    if len(words) < 2 or not does_something(words) or base_form(words[0]) != words[0]:
        return  # "Paolo called": told, not asked
    span = Span(sentence, first, end, hearing.day, hearing.language)
    owner = hearing.people.owner(name) if name else NOBODY
    cue = cue_of("ask", span, 0.45 + (0.1 if name or tag else 0.0) + (0.05 if please else 0.0), owner)
    if cue and (cue.what or cue.details):
        yield cue


_WISH = re.compile(
    rf"(?<!\S)(?:can|could|may|might) (?:i|we) {SOFT}(?P<what>(?:have|get) (?:it|them|that|those|the|your|a|an|some)\b.*)"
)
_FRONTED = re.compile(r"(?:^|(?<!\S)(?:so|and|then|okay|now) )(?:[^\W\d_]+ )?(?P<thing>(?:the|that|your|those) \S.*?)$")


def wishes(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "The drawings of the second floor, can I have them by Friday?"."""
    found = _WISH.search(sentence.plain)
    if not found:
        return
    name = vocative(sentence, hearing.people)
    owner = hearing.people.owner(name) if name else NOBODY
    span = span_of(sentence, sentence.word_at(found.start("what")), hearing)
    what = span.text
    if span.words[1:2] and span.words[1] in ("it", "them", "that", "those"):
        thing = _FRONTED.search(sentence.plain[: found.start()].rstrip())
        if not thing:
            return
        first = sentence.word_at(thing.start("thing"))
        what = Span(sentence, first, sentence.word_at(found.start()), hearing.day).text
    if len(content_of(what)) > 0 and (name or span.due.date):
        yield Cue("ask", what, owner, span.due, 0.55)


_PROPOSES = re.compile(
    rf"(?<!\S)(?:shall|should) i {SOFT}(?P<what>(?!not\b)\S.*)|(?<!\S)(?:do )?you want me to {SOFT}(?P<me>\S.*)"
)


def proposals(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "Shall I write it?": counts once somebody says yes."""
    found = _PROPOSES.search(sentence.plain)
    if found and (sentence.asks or found["me"]):
        group = "what" if found["what"] else "me"
        first = sentence.word_at(found.start(group))
        span = span_of(sentence, first, hearing)
        cue = cue_of("propose", span, 0.6, me(sentence))
        if cue:
            yield cue


_FINE = r"(?:great|good|nice|lovely|wonderful|perfect|helpful|huge|big|help|kind|brilliant|fantastic|marvellous|marvelous|super|amazing|ideal|excellent|useful|sweet|generous)"
_WELCOME = re.compile(
    r"^(?:(?:oh|ah|well|yes|okay|and|so|then|would you|could you|really|no) )*(?:thank you|thanks|cheers|go (?:ahead|for it|on)|do(?: that| so| it| please)?$|do that|deal|yes please|please|please do|if you (?:would|could|like|do not mind)|"
    rf"(?:that|it) (?:would|will) be (?:a |an |very |really |most |so |absolutely |just |extremely )*{_FINE}|that is (?:a |very |really |most |so )*{_FINE}(?: of you)?|(?:very|how|most|so) (?:kind|sweet|generous|good)|"
    rf"you are (?:saving|a star|an angel|the best|a (?:life saver|lifesaver|hero|treasure|gem|legend))|{_FINE}|would you|i would (?:appreciate|love|like) (?:that|it)|let us do (?:it|that))(?!\S)"
)


_WELCOME_AT_LAST = re.compile(
    rf"(?<!\S)(?:yes please|please do|go ahead|that would be {_FINE}|(?:wonderful|perfect|brilliant|marvellous) thank you|thanks|thank you)$"
)


def welcomes(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "That would be great": what was offered just before is taken."""
    if (not sentence.asks or sentence.plain in ("would you", "could you")) and (
        _WELCOME.search(sentence.plain) or _WELCOME_AT_LAST.search(sentence.plain)
    ):
        yield Cue("welcome", due=span_of(sentence, 0, hearing).due, strength=0.6)


_DOES = re.compile(
    r"^(?:(?:so|okay|and|then|great|good|perfect|right|fine|all right|well|yes|that means) )*(?P<who>[^\W\d_]+) (?P<what>(?P<verb>\w+s) \S.*)"
)


def confirmations(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "So Anders does the figures": a task is given in the present tense, as an outcome."""
    found = _DOES.match(sentence.plain)
    if not found or sentence.asks or found["verb"] in ("is", "has", "was", "needs", "wants", "says", "moves", "goes"):
        return
    base = base_form(found["verb"])
    doing = found["verb"] in ("does", "takes", "makes") or (base != found["verb"] and starts_a_task((base,)))
    at = sentence.word_at(found.start("who"))
    outcome = at > 0 or sentence.plain.endswith(" then")
    if not doing or not hearing.people.is_name(sentence, at):
        return
    span = span_of(sentence, at + 1, hearing)
    if outcome or span.due.date:
        owner = hearing.people.owner(found["who"])
        yield Cue(
            "assign", "" if span.refers else infinitive(span.text), owner, span.due, 0.6, "that" if span.refers else ""
        )


_WOULD = re.compile(
    rf"(?<!\S)i (?:had )?(?:said|promised|told you|told them|wanted|was going|was supposed|was meant|meant)(?: \w+){{0,3}}? (?:i would|to|that i would) {SOFT}(?P<what>\S.*)"
)
_VOWED = re.compile(
    r"^(?:(?:so|then|okay|yes|right|and) )*(?P<what>(?:the|that|my|our|your) \S.*?) (?:(?:i|we) promise|promised|you have my word|i will see to (?:it|that))$"
)
_GIVEN_WORD = re.compile(
    rf"(?<!\S)i (?:have |did )?(?:promised?|agreed?|volunteered|offered)(?: [^\W\d_]+){{0,2}}? (?:to|that i would|i would) {SOFT}(?P<what>\S.*)"
)
_YET = re.compile(r"\b(?:have not|did not (?:get|manage|have)|not yet|still have to|forgot|had no time|never got)\b")


def belated(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "I said I'd write the guide, and I haven't got round to it", "the report goes out on Monday, I promise"."""
    vowed = _VOWED.search(sentence.plain)
    if vowed and not sentence.asks:
        span = span_of(sentence, sentence.word_at(vowed.start("what")), hearing)
        if span.due.date and content_of(span.text):
            yield Cue("commit", span.text, me(sentence), span.due, 0.6)
            return
    given = _GIVEN_WORD.search(sentence.plain)
    if given and not sentence.asks:
        cue = cue_of("commit", span_of(sentence, sentence.word_at(given.start("what")), hearing), 0.55, me(sentence))
        if cue and cue.what:
            yield cue
            return
    found = _WOULD.search(sentence.plain)
    if found and _YET.search(sentence.plain):
        span = Span(sentence, sentence.word_at(found.start("what")), len(sentence.words), hearing.day)
        cue = cue_of("commit", span, 0.5, me(sentence))
        if cue and cue.what:
            yield replace(cue, details={"owed": "yes"})


_PRESENT = re.compile(r"(?:^|(?<!\S)(?:and|so|then|okay|but) )i (?P<what>[a-z]+ (?:the|a|an|my|our|your|some|\w+) .*)")


def dated(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "I book the hall in two weeks": with a day to come, the present tense is a promise; "will" may be lost on the way."""
    found = _PRESENT.search(sentence.plain)
    if not found or sentence.asks or not starts_a_task(found["what"].split()[:1]):
        return
    verb = found["what"].split()[0]
    if base_form(verb) != verb or verb in _SPEAKS:
        return
    span = span_of(sentence, sentence.word_at(found.start("what")), hearing)
    if span.due.date:
        cue = cue_of("commit", span, 0.35, me(sentence))
        if cue and cue.what:
            yield cue


_SPEAKS = frozenset("propose suggest recommend move vote ask order answer offer request promise".split())
_INQUIRES = re.compile(
    r"(?<!\S)(?P<who>let me|i will|i am going to|i can|i could|i would have to|i would need to|i have to|i need to) (?:just |quickly |go and )?"
    r"(?P<what>find out|look (?:it|that|this) up|look up|check(?: that| it| this)?|ask(?: around)?)"
    r"(?: (?:and|then|first|for you|by|before|on|tomorrow|today|tonight|this|next|monday|tuesday|wednesday|thursday|friday)(?!\S).*)?$"
)


def inquiries(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "What does a stand cost?" "Let me find out.": the question just asked is what is to be found out."""
    found = _INQUIRES.search(sentence.plain)
    if found and not sentence.asks:
        sure = found["who"] in ("let me", "i will", "i am going to")
        due = span_of(sentence, sentence.word_at(found.start("what")), hearing).due
        yield Cue("inquire", "", me(sentence), due, 0.6 if sure else 0.4, details={"sure": "yes"} if sure else {})


_JOKE = re.compile(
    r"(?<!\S)(?:(?:i am |i was |we are )?(?:only|just) (?:joking|kidding|a joke)|that was a joke|kidding)(?!\S)"
)


def jokes(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "Only joking": what was said just before was none."""
    if _JOKE.search(sentence.plain):
        yield Cue("joke", strength=0.9)


def by_when(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "By Friday, please.": a sentence that is a date and nothing else belongs to the task before it."""
    found = find_due(sentence, hearing.day, language=hearing.language)
    if found is None and (ordinal := _ORDINAL.match(sentence.plain)):  # "the thirteenth, then"
        meant = find_due(read(f"on the {ordinal['ord']}"), hearing.day)
        first = sentence.word_at(ordinal.start("ord"))
        found = Found(Due(sentence.original(first, first + 1), meant.due.date), first, first + 1) if meant else None
    if found is None or not found.due.date or sentence.asks:
        return
    rest = [w for i, w in enumerate(sentence.words) if not found.first <= i < found.last]
    if len(sentence.words) <= 8 and all(word in _AROUND_DATES for word in rest):
        yield Cue("when", due=found.due, strength=0.6)


_ORDINAL = re.compile(rf"^(?:\w+ )??(?:the )?(?P<ord>{'|'.join(ORDINALS)}|\d{{1,2}}(?:st|nd|rd|th))(?!\S)")
_AROUND_DATES = frozenset(
    "yes okay please say let us and so then maybe sure right well if possible at the latest i think anyway is fine works for "
    "me good make it remember that would be great perfect".split()
)
_BEFORE_NOW = re.compile(r"(?<!\S)(?:i|we) (?:said|told you|meant|wrote|thought it was) (?P<old>\S.*)")


def corrections(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "Sorry, I said Thursday, they want it on Wednesday": another day for what has the old one."""
    told = _BEFORE_NOW.search(sentence.plain)
    if not told:
        return
    first = sentence.word_at(told.start("old"))
    old = find_due(sentence.part(first, first + 5), hearing.day)
    new = find_due(sentence.part(first + old.last, len(sentence.words)), hearing.day) if old else None
    if old and new and old.due.date and new.due.date and old.due.date != new.due.date:
        name = vocative(sentence, hearing.people)
        owner = hearing.people.owner(name) if name else NOBODY
        yield Cue("redate", "", owner, new.due, 0.7, details={"old": old.due.date})


POLICIES: tuple[Policy, ...] = (
    imperatives, wishes, proposals, inquiries, welcomes, confirmations, belated, dated, jokes, by_when, corrections,
)  # fmt: skip
