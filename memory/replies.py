"""What people answer when something is to be done: yes, no, "already done", and the short forms of "I will do it"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from memory.cues import Hearing, Policy, cue_of, me, span_of
from memory.notes import Cue
from memory.people import vocative
from memory.tasks import Span
from memory.wording import Sentence

_LEAD = (
    r"^(?:(?:oh|ah|well|and|so|then|now|look|honestly|actually|but|right|okay|hey|go on|go on then|dear|"
    r"to be (?:honest|frank|fair)) )*"
)
# Yes: to a request it takes the task, to anything else it is only a yes.
_YES = re.compile(
    _LEAD
    + r"(?:(?:that|the) )?(?:yes|sure|okay|of course|no (?:problem|bother|worries|trouble|sweat|objections?)|not a problem|absolutely|definitely|"
    r"certainly|naturally|surely|all right|right|fine|great|good|lovely|gladly|happy to|happily|with pleasure|my pleasure|got it|consider it done|"
    r"will do|exactly|agreed|perfect|why not|noted|understood|done|deal|by all means|very well|okay then|as (?:always|ever|usual|every \w+)|"
    r"i (?:will|can|could|would|shall)$|i (?:would be|am) (?:happy|glad|delighted) to|i am on it|i suppose so|if (?:i must|you like|you want|you insist)|"
    r"(?:already )?on it|i do not mind|roger|copy that|my turn|as you wish|leave it|(?:right|straight) (?:after this|away)|at once)(?!\S)"
)
# The first person's short forms: the verb stands in what was asked.
_WILL_ELLIPTIC = re.compile(
    _LEAD + r"(?:yes |sure |okay |of course |fine |no problem )*i (?:will|can|could|shall|am going to|do not mind)"
    r"(?= (?:i|and|but i|by|on|first|tomorrow|today|tonight|this|next|as|from|in|before|at|right|yes|sure|over|after|when)(?!\S)|$)"
)
_NO = re.compile(
    _LEAD
    + r"(?:no(?! (?:problem|bother|worries|trouble|sweat|objections?|issue|need|doubt|more|longer|one))|nope|never|sorry|not (?:really|me|again|it|i|today|yet|possible|a chance|if)|"
    r"unfortunately|rather not|count me out|forget it|impossible|"
    r"i am (?:afraid|sorry|too busy|so busy|swamped|snowed under|full|away|off|out|on (?:holiday|leave|vacation))|"
    r"i (?:really |just |simply |still |honestly )*(?:can not|could not|will not|would not|would rather not|do not (?:think|have|know|want|fancy)|have not|have no|am not(?! sure))|"
    r"i would (?:rather not|prefer not|love to but|like to but|be happy to but|do (?:it|that) but))(?!\S)"
)
_WITHDRAWN = re.compile(
    r"(?<!\S)(?:would|could) (?:\w+ ){0,4}?but(?!\S)|(?<!\S)but (?:i (?:can not|could not|will not|would not|am (?:not|away|off|out|in|at|on|too|so|afraid)|do not|have (?:no|not|to))|"
    r"not (?:before|until|till|now|today|this|alone)|only if|no time|who|that is not)(?!\S)"
)
_ALL_THE_SAME = re.compile(r"(?<!\S)but (?:i|then i) (?:will|can|could|am going to)(?! not)(?!\S)")
_DID = re.compile(
    _LEAD
    + r"(?:yes |sure |no )*(?:i (?:did|have)(?: already| just| indeed)?(?= (?:and|but|yesterday|last|on|this)(?!\S)|$)|already (?:done|did|have|sent|booked|ordered|paid)|"
    r"(?:that|it) (?:is|was|has been) (?:already |all )?(?:done|sorted|sent|paid|ordered|booked))(?!\S)"
)
_PROMISED = re.compile(
    r"(?<!\S)(?:i (?:will|can|am going to)|will do|happy to|gladly|with pleasure|consider it done|of course|no bother|as every \w+|noted|got it|deal|i swear|i promise|(?:right|straight) (?:after this|away)|at once|"
    r"you (?:will|can|shall) (?:have|get) (?:it|them|that|those|one|something|everything|both|all)|i (?:would be|am) (?:happy|glad|delighted) to)(?!\S)"
)
_MY_DOING = re.compile(
    r"(?<!\S)i (?:will|can|could|am going to) (?:do|handle|take|sort|manage) (?:it|that|this|one|them|those)(?!\S)"
)


_YES_LAST = re.compile(r"(?<!\S)(?:yes|sure|okay|of course|no problem|why not|fine|i suppose so|i guess)$")
_PROMISED_AFTER_ALL = re.compile(r"(?<!\S)i will (?!not\b|be\b|never\b|have\b|see\b|tell\b|say\b|just\b)\w+")


def answers(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """Yes or no to what was asked just before; what is added to a yes belongs to the task."""
    plain = sentence.plain
    taken_back = bool(_WITHDRAWN.search(plain)) and not _ALL_THE_SAME.search(plain)
    if _DID.match(plain) and not sentence.asks:
        yield Cue("did", strength=0.6)
        return
    last = _YES_LAST.search(plain)
    yes = bool(_YES.match(plain) or _WILL_ELLIPTIC.match(plain) or _MY_DOING.search(plain))
    yes = yes or (last is not None and last.start() > 0 and "," in sentence.gap(sentence.word_at(last.start())))
    if _NO.match(plain) and _PROMISED_AFTER_ALL.search(plain) and not taken_back:
        return  # "no no, it's grand, I'll get them"
    if taken_back or (_NO.match(plain) and not _ALL_THE_SAME.search(plain) and not _MY_DOING.search(plain)):
        yield Cue("refuse", strength=0.6)
        return
    if not yes or sentence.asks:
        return
    details: dict[str, str] = {}
    more = re.search(
        r"(?<!\S)i (?:will|can|could) do (?:it|that|this) (?P<what>(?:with|for|including|using|together)\b.*)", plain
    )
    if more:
        details["adds"] = span_of(sentence, sentence.word_at(more.start("what")), hearing).text
    promised = _PROMISED.search(plain) or _WILL_ELLIPTIC.match(plain)
    if _WILL_ELLIPTIC.match(plain) or _MY_DOING.search(plain):
        details["myself"] = "yes"
    yield Cue("accept", due=span_of(sentence, 0, hearing).due, strength=0.75 if promised else 0.6, details=details)


_MINE = re.compile(
    r"(?<!\S)(?:leave (?:it|that|this|them|those)(?: one)? (?:to|with) me|(?:give|hand|pass|send|throw) (?:it|that|this|them|those)(?: one)?(?: over| on| across)? to me|"
    r"put (?:me|my name) (?:down|on (?:it|that|the list))|count on me|i (?:am|will get) (?:already )?(?:on|onto) (?:it|that|this)|(?:it is |that is )?(?:already )?on my (?:list|desk|plate|to do list)|"
    r"let me (?:do|take|have|handle|sort|deal with|see to|look after) (?:it|that|this|them|those|one)|i will (?:see to|deal with|look after|take over|take on|take) (?:it|that|this|them|those)|"
    r"i (?:have got|will have) (?:this|that) one|i will (?:pass|hand) (?:it|that|this) (?:on|over)|i will be the one|that (?:will be|would be) (?:me|mine|my job)|(?:that|it) is (?:me|my job|my task|mine then|mine)|put (?:me|my name) down for (?:that|it)|count me in)(?!\S)"
)
_ME = re.compile(r"^(?:okay |fine |well |yes )*(?:me|i will|i can|i could|i do|mine)$")


def claims(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "Leave it with me", "that'll be me", "put my name on it": what was just named is the speaker's."""
    if sentence.asks or re.search(r"(?<!\S)(?:if|not|never|when)(?!\S)", sentence.plain):
        return
    if _MINE.search(sentence.plain) or _ME.match(sentence.plain):
        due = span_of(sentence, 0, hearing).due
        yield Cue("claim", "", me(sentence), due, 0.6, "that")


_HANDS_ME = re.compile(
    r"(?<!\S)(?:leave|give|hand|pass) (?P<what>(?:the|your|those|these|all the) \S.*?) (?:over |on )?(?:to|with) me(?!\S)|"
    r"(?<!\S)(?:put me|put my name|sign me) (?:down|up) for (?P<down>(?:the|a|an) \S.*)"
)
_TAKES_OVER = re.compile(
    r"(?<!\S)(?:let me|i will|i can|i could|shall i|i am happy to|i would happily) (?:gladly |happily |just )?(?:take|lift) (?P<what>(?:the|that|this|your|all the) \S.*?|it|that|this) (?:off|from|away from|over from) (?:you|your (?:hands|plate|desk|shoulders|list)|him|her|them|[^\W\d_]+)(?!\S)|"
    r"(?<!\S)(?:let me|i will|i can|i could) (?:gladly |happily )?(?:take over|step in for|stand in for|cover for|jump in for) (?P<over>(?:you |him |her |them |[^\W\d_]+ )?(?:on |with |for )?(?:the|that|this|your) \S.*)"
)


def takes_over(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "Let me take the survey off you": a task changes hands."""
    found = _TAKES_OVER.search(sentence.plain)
    if not found or (sentence.asks and "shall i" not in sentence.plain):
        return
    group = "what" if found["what"] else "over"
    first, last = sentence.word_at(found.start(group)), sentence.word_at(found.end(group) + 1)
    span = Span(sentence, first, last, hearing.day, hearing.language)
    yield Cue(
        "move", span.text, me(sentence), span_of(sentence, first, hearing).due, 0.65, "that" if span.refers else ""
    )


_SUBJECTLESS = re.compile(
    r"^(?:(?:yes|sure|okay|i am|i would be|and|also|always|very|more than) )*(?:happy|glad|delighted|pleased|willing) to (?P<what>\S.*)"
)


def takings(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "Leave the invoices to me", "happy to proofread the leaflet"."""
    if sentence.asks or re.search(r"(?<!\S)(?:if|not|never|but)(?!\S)", sentence.plain):
        return
    for pattern, strength in ((_HANDS_ME, 0.6), (_SUBJECTLESS, 0.5)):
        found = pattern.search(sentence.plain)
        if not found:
            continue
        group = next(key for key, words in found.groupdict().items() if words)
        first, last = sentence.word_at(found.start(group)), sentence.word_at(found.end(group) + 1)
        span = Span(sentence, first, last, hearing.day, hearing.language)
        if pattern is _HANDS_ME and not span.refers and span.words:
            yield Cue("commit", span.text, me(sentence), span_of(sentence, first, hearing).due, strength)
        elif pattern is _SUBJECTLESS and (cue := cue_of("commit", span, strength, me(sentence))) and cue.what:
            yield cue
        return


_WOULD_YOU = re.compile(
    r"(?<!\S)(?:would|could|can|will) you(?: please| maybe| perhaps| possibly)?(?: (?:do|take|handle|have|manage|sort|cover|see to|look after) (?:it|that|this|them|those)(?: one)?(?: on)?)?"
    r"(?: please| for (?:us|me)| then| again)?(?: (?P<name>[^\W\d_]+))?$"
)
_YOURS = re.compile(
    r"(?<!\S)(?:it is|that is|this is|that one is|then it is|that would be|that makes it) (?:yours|your job|your task|one for you)(?!\S)|(?<!\S)that (?:would|will) be you(?!\S)|(?<!\S)over to you(?!\S)"
)


def asks_back(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "Would you?", "could you do that, Aisha?", "that one is yours": a request for what was just named."""
    found = _WOULD_YOU.search(sentence.plain)
    if found and found["name"] and not hearing.people.is_name(sentence, len(sentence.words) - 1):
        found = None
    yours = _YOURS.search(sentence.plain)
    if (found and (sentence.asks or found.start() == 0)) or (
        yours and (not sentence.asks or "you" in yours[0].split()[-1:])
    ):
        name = vocative(sentence, hearing.people)
        owner = hearing.people.owner(name) if name else Cue("ask").owner
        yield Cue("ask", "", owner, span_of(sentence, 0, hearing).due, 0.5, "that")


_READY = re.compile(
    r"(?<!\S)(?:(?:it|that|this|they|those|mine|everything) (?:will|is going to) (?:be (?:done|ready|finished|there|sent|with you|in your (?:inbox|mail)|on your desk)|follow|come|reach you|go out)|"
    r"you (?:will|can|shall) (?:(?:get|have) (?:it|them|that|this|those|one|everything|something|both|all)|know))(?!\S)|"
    r"^(?:(?:okay|yes|and|so|then) )*(?:(?:it|that|they) )?should be (?:done|ready|finished|there|with you)(?!\S)"
)
_WILL_BE_THERE = re.compile(
    r"^(?:(?:so|then|okay|yes|and|right|the) )*?(?P<what>(?:the|my|your|that|those) [\w' -]+?) (?:will|is going to) be (?:with you|ready|done|finished|there|sent|in your (?:inbox|mail)|on your desk|up|online|out)(?!\S)"
)
_YOU_GET = re.compile(
    r"(?<!\S)you (?:will|shall|are going to) (?:get|have) (?P<what>(?:the|my|our|a|an|your|all the|some) \S.*)"
)


def promises(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "You'll have it on Monday", "it will be with you tonight", "you'll get the list by Friday"."""
    if sentence.asks or re.search(r"(?<!\S)(?:if|not|never|unless|when)(?!\S)", sentence.plain):
        return
    named = _YOU_GET.search(sentence.plain)
    if named:
        span = span_of(sentence, sentence.word_at(named.start("what")), hearing)
        if span.due.date and len(span.words) > 1:
            yield Cue("commit", span.text, me(sentence), span.due, 0.6)
            return
    there = _WILL_BE_THERE.search(sentence.plain)
    if there:
        last = sentence.word_at(there.end("what") + 1)
        span = Span(sentence, sentence.word_at(there.start("what")), last, hearing.day, hearing.language)
        if span.due.date and span.words:
            yield Cue("commit", span.text, me(sentence), span.due, 0.55)
            return
    if _READY.search(sentence.plain):
        due = span_of(sentence, 0, hearing).due
        if due or _HANDED.search(sentence.plain):
            thing = re.search(
                r"(?<!\S)you (?:will|can|shall) (?:get|have) (it|them|that|those|one)(?!\S)", sentence.plain
            )
            details = {"thing": thing[1]} if thing and due.date else {}
            yield Cue("ready", "", me(sentence), due, 0.75, details=details)


_HANDED = re.compile(r"(?<!\S)you (?:will|shall) (?:get|have) (?:it|them|that|those|one)(?!\S)")
POLICIES: tuple[Policy, ...] = (answers, claims, takings, takes_over, asks_back, promises)
