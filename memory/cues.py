"""What single sentences say about tasks: small policies in a list, each reading one form of speech.

A policy sees one sentence and gives cues; which item a cue belongs to, and whether it counts, the notebook decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date

from memory.doing import does_something, is_light, starts_a_task
from memory.notes import NOBODY, Cue, Owner
from memory.people import EVERYBODY, ROLE, TEAM, People, vocative
from memory.tasks import Span, infinitive
from memory.wording import Sentence, tidy


@dataclass(frozen=True)
class Hearing:
    """What a policy may know beside the sentence."""

    people: People
    day: date  # of the meeting
    language: str = "en"


Policy = Callable[[Sentence, Hearing], Iterator[Cue]]
SOFT = r"(?:(?:also|then|just|still|probably|definitely|certainly|quickly|maybe|perhaps|actually|really|now|gladly|happily|personally|first|all|both|basically|simply|kindly|please) )*"
_WILL = r"(?:will|shall|am going to|are going to|is going to)"
_SUBJECTLESS = re.compile(
    r"^(?:(?:okay|so|and|then|yes|sure|no problem|good|right|fine) )*will (?:do|look|check|send|ask|book|order|write|update|prepare)\b"
)


def matches(pattern: re.Pattern[str], sentence: Sentence) -> Iterator[tuple[re.Match[str], int]]:
    """Each match, and the word at which its group "what" begins."""
    for found in pattern.finditer(sentence.plain):
        yield found, sentence.word_at(found.start("what"))


def span_of(sentence: Sentence, first: int, hearing: Hearing) -> Span:
    return Span(sentence, first, len(sentence.words), hearing.day, hearing.language)


def me(sentence: Sentence) -> Owner:
    return Owner("speaker", sentence.speaker) if sentence.speaker else NOBODY


def cue_of(kind: str, span: Span, strength: float, owner: Owner = NOBODY, *, needed: bool = False) -> Cue | None:
    """The cue of a span that is a task, or that points at one; None for neither."""
    if span.refers or not span.words:
        return Cue(kind, "", owner, span.due, strength, "that", {"doing": span.text} if span.does else {})
    worth = span.worth(needed=needed)
    return None if worth <= -1 else Cue(kind, span.text, owner, span.due, min(0.95, strength + worth))


_COMMITS: tuple[tuple[re.Pattern[str], float], ...] = tuple(
    (re.compile(pattern), strength)
    for pattern, strength in (
        (rf"(?<!\S)(?:(?<!if )(?<!when )(?<!as )i|me and \w+|\w+ and i) {SOFT}{_WILL} (?!not\b|never\b){SOFT}(?P<what>\S.*)", 0.6),
        (rf"(?<!\S)(?<!if )i {SOFT}(?:promise|volunteer|offer|commit|plan|intend) to {SOFT}(?P<what>\S.*)", 0.65),
        (r"(?<!\S)i would (?:be (?:happy|glad|willing) to|love to|like to volunteer to|gladly|happily) (?!but\b)(?P<what>\S.*)", 0.6),
        (rf"(?<!\S)(?<!if )(?<!think )(?<!did )(?<!do )i {SOFT}(?:need|have|ought|am supposed) to {SOFT}(?P<what>\S.*)", 0.42),
        (rf"(?<!\S)i {SOFT}(?:should|must) {SOFT}(?!not\b|say\b|have\b)(?P<what>\S.*)", 0.38),
        (r"(?<!\S)let me (?P<what>(?:look into|look up|check (?:with|that with|whether|if)|find out|send|get back|ask|arrange|organise|handle|take care|draft|take (?:that|this|it) on)\b.*)", 0.5),
        (r"(?<!\S)i am (?:on|responsible for|in charge of) (?P<what>(?:it|that|this|the \S.*))", 0.5),
        (r"(?<!\S)(?P<what>leave (?:it|that|this) (?:to|with) (?:me|my))", 0.6),
        (r"(?<!\S)my (?:task|job|action item|action|to do) (?:is|will be|for next week is) to (?P<what>\S.*)", 0.6),
        (r"^(?:so |okay |and )*(?:i|me) (?:take|have|own) (?:the )?(?:action|task|job) (?:item )?(?:to|of) (?P<what>\S.*)", 0.7),
        (r"(?<!\S)(?:put|note) (?:that |it )?(?:me )?down for me(?: to)?(?: (?P<what>\S.*))?", 0.5),
    )
)  # fmt: skip


def commitments(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "I will order the cases by Friday": the speaker takes a task on."""
    mine = me(sentence)
    hedged = bool(re.search(r"^(?:and |so |but |well )*(?:if|when|maybe|perhaps)\b", sentence.plain)) or sentence.asks
    for pattern, strength in _COMMITS:
        for found in pattern.finditer(sentence.plain):
            if "what" not in found.groupdict() or found["what"] is None:
                continue
            if found["what"].startswith("leave"):
                yield Cue("claim", "", mine, strength=strength, about="that")
                continue
            span = span_of(sentence, sentence.word_at(found.start("what")), hearing)
            cue = cue_of("commit", span, strength - (0.25 if hedged else 0.0), mine)
            if cue and (cue.what or not set(span.words) <= _AT_YOU):
                yield cue if cue.what else replace(cue, kind="claim")
    if _SUBJECTLESS.match(sentence.plain) and not sentence.asks:
        yield Cue("claim", "", mine, strength=0.5, about="that")


_AT_YOU = frozenset("show tell ask call help give send write you us to".split())  # "I'll show you" takes nothing on


_OFFER = re.compile(rf"(?<!\S)(?<!if )(?<!think )(?<!so )i {SOFT}(?:can|could|may|might) {SOFT}(?!not\b|see\b|remember\b|hear\b|imagine\b|never\b)(?P<what>\S.*)")  # fmt: skip


def offers(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "I can do the drop test instead of you": counts where a task waits for it."""
    mine = me(sentence)
    for _, first in matches(_OFFER, sentence):
        span = span_of(sentence, first, hearing)
        instead = bool(re.search(r"\binstead\b|\bfor (?:him|her|you)\b|\btake over\b", sentence.plain))
        cue = cue_of("offer", span, 0.55 if instead else 0.38, mine)
        if "have" in span.words[:1] and span.due.date and len(span.words) > 2:  # "I can have a patch up by Wednesday"
            yield Cue("propose", tidy(span.text.partition(" ")[2]), mine, span.due, 0.6)
        elif cue:
            details = {"instead": "yes"} if instead else {}
            yield Cue("offer" if cue.what else "claim", cue.what, mine, cue.due, cue.strength, cue.about, details)


_ASKS: tuple[tuple[re.Pattern[str], float], ...] = tuple(
    (re.compile(pattern), strength)
    for pattern, strength in (
        (rf"(?<!\S)(?:can|could|would|will) (?:one of )?you {SOFT}(?:be able to |be so kind (?:as )?to |be willing to )?{SOFT}(?!mind\b|like\b|agree\b|say\b|have\b|want\b)(?P<what>\S.*)", 0.5),
        (r"(?<!\S)would you mind (?P<what>\w+ing\b.*)", 0.5),
        (rf"(?<!\S)(?:(?:is there )?any chance (?:that )?you (?:could|can|would|might)|(?:would|do|will) you have (?:the |any )?time to|do you think you (?:could|can|would)|could i (?:get|ask) you to|i was wondering (?:if|whether) you (?:could|would|might)|"
         rf"would you be up for) {SOFT}(?P<what>\S.*)", 0.5),
        (rf"(?<!\S)(?:maybe you (?:could|can)|perhaps you (?:could|can)|why do not you|how about you) {SOFT}(?P<what>\S.*)", 0.25),
        (rf"(?<!\S)(?:i|we) (?:would like|want|need|would appreciate|would ask|expect) (?:it if )?you(?: all| two| guys)?(?: to| could| would)? {SOFT}(?P<what>\S.*)", 0.5),
        (rf"(?<!\S)can (?:i|we) ask you(?: all| two| guys)? to {SOFT}(?P<what>\S.*)", 0.55),
        (rf"(?<!\S)(?:please|do not forget to|remember to|make sure to|make sure you|be sure to) {SOFT}(?!let (?:me|us|it|that|you)\b|note\b|do not\b)(?P<what>\S.*)", 0.45),
        (r"(?<!\S)(?:is it|would it be) possible for you to (?P<what>\S.*)", 0.5),
        (r"(?<!\S)(?:it would (?:be (?:great|good|nice|helpful|lovely|useful|ideal)|help)|that would be (?:great|good)|i would (?:appreciate it|be grateful)) if you(?: could| can| would)? (?P<what>\S.*)", 0.5),
        (r"(?<!\S)are you (?:able|willing|happy) to (?P<what>\S.*)", 0.45),
    )
)  # fmt: skip


_ASKED_HOW = re.compile(r"(?<!\S)(?:how|what|why|where|when|which|who)(?: \w+)? $")


def requests(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "Maria, can you present the results?": a task that waits for an answer."""
    name = vocative(sentence, hearing.people)
    asked = hearing.people.owner(name) if name else NOBODY
    several = re.search(rf"(?<!\S)(?:{EVERYBODY}|you all|you two|you guys)(?!\S)", sentence.plain)
    owner = Owner("group", several[0]) if several and not name else asked
    for pattern, strength in _ASKS:
        for found, first in matches(pattern, sentence):
            if _ASKED_HOW.search(sentence.plain[: found.start()]):
                continue
            if "please" in found[0].split()[:1] and not does_something(found["what"].split()):
                continue
            span = span_of(sentence, first, hearing)
            cue = cue_of("ask", span, strength, owner)
            if cue and (cue.what or cue.details or pattern is _ASKS[0][0]):
                yield cue
                return


_YOU_ARE_TO = re.compile(
    rf"(?<!\S)(?P<who>you(?: two| guys| both| all| and \w+)?) {SOFT}(?:are {SOFT}(?:going to|to|supposed to)|will|should|must|have to|need to|shall|can|could|might want to|might) "
    rf"{SOFT}(?:have to |need to )?(?:be (?=\w+ing\b))?(?!not\b|see\b|have\b|get\b|be able\b|find that\b)(?P<what>\S.*)"
)
_IS_TO = re.compile(
    rf"(?<!\S)(?P<who>{EVERYBODY}|{TEAM}|{ROLE}|[^\W\d_]+(?: and [^\W\d_]+)?) {SOFT}(?:will|going to|is {SOFT}(?:going to|to|supposed to|expected to)|are {SOFT}(?:going to|to|supposed to)|should|must|has to|needs to|have to|need to|shall|can) "
    rf"{SOFT}(?:be (?=\w+ing\b))?(?!not\b|you\b|we\b|i\b|they\b|he\b|she\b)(?P<what>\S.*)"
)
_NAMED_TO = re.compile(
    r"^(?:(?:so|okay|and|action|action item|task|next|then|to do) )*(?:for )?(?P<who>[^\W\d_]+(?: and [^\W\d_]+)?) to (?P<what>\S.*)"
)
_RESPONSIBLE = re.compile(
    rf"(?<!\S)(?P<who>you|{ROLE}|{TEAM}|[^\W\d_]+) (?:is|are|will be) (?:responsible for|in charge of|going to be responsible for) (?P<what>\S.*)"
)
_FOR_ROLE = re.compile(
    rf"^(?:(?:so|and|okay|then) )*(?:for )?(?:the |our |you )?(?P<who>{ROLE}|marketing) (?:that is |it is |that would be )?(?P<what>(?:the )?(?:working|technical|user|components?|product|look|trend|functional|market)\b.*)"
)


def assignments(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "Maria will book the hall", "the industrial designer is going to work on the case"."""
    name = vocative(sentence, hearing.people)
    for found, first in matches(_YOU_ARE_TO, sentence):
        if sentence.asks or _conditional(sentence, found.start()):
            continue
        span = span_of(sentence, first, hearing)
        sure = re.search(
            r"\b(?:going to|will|have to|need to|must|supposed)\b", found[0][: found.start("what") - found.start()]
        )
        if not starts_a_task(span.words) or not (sure or name):
            continue
        owner = Owner("group", found["who"]) if found["who"] != "you" else hearing.people.owner(name)
        strength = 0.5 if sure and (name or re.search(r"going to|supposed", found[0])) else 0.35
        cue = cue_of("ask" if found["who"] == "you" else "assign", span, strength, owner)
        if cue and cue.what:
            yield cue
            return
    for pattern, strength in ((_IS_TO, 0.52), (_NAMED_TO, 0.6), (_RESPONSIBLE, 0.7), (_FOR_ROLE, 0.5)):
        for found, first in matches(pattern, sentence):
            owner = _third_person(found["who"], sentence, sentence.word_at(found.start("who")), hearing.people)
            if not owner or _conditional(sentence, found.start()):
                continue
            span = span_of(sentence, first, hearing)
            cue = cue_of("assign", span, strength - (0.25 if sentence.asks or " can " in found[0][:40] else 0.0), owner)
            if (
                cue
                and cue.what
                and (
                    pattern in (_RESPONSIBLE, _FOR_ROLE)
                    or starts_a_task(span.words)
                    or is_light(span.words)
                    or cue.due.date
                )
            ):
                yield cue
                return


def _conditional(sentence: Sentence, at: int) -> bool:
    before = sentence.plain[:at].split()[-4:]
    return bool(
        {"if", "when", "that", "what", "how", "because", "where", "which", "think", "so that", "whether"} & set(before)
    )


def _third_person(words: str, sentence: Sentence, first: int, people: People) -> Owner:
    """The person or group of these words; NOBODY for "it", "the customers" and all that is no one here."""
    if re.fullmatch(rf"{EVERYBODY}|{TEAM}|{ROLE}", words):
        return people.owner(words)
    parts = words.split(" and ")
    at = first
    for part in parts:
        if not people.is_name(sentence, at):
            return NOBODY
        at += len(part.split()) + 1
    return people.owner(words) if len(parts) == 1 else Owner("group", words)


_NEEDS: tuple[tuple[re.Pattern[str], float, str], ...] = tuple(
    (re.compile(pattern), strength, owner)
    for pattern, strength, owner in (
        (rf"(?<!\S)(?:somebody|anybody|one of (?:us|you)|some one) {SOFT}(?:has to|needs to|should|must|will have to|ought to|is going to have to|could|can|will) {SOFT}(?!not\b)(?P<what>\S.*)", 0.55, ""),
        (rf"(?<!\S)(?:we|i) (?:will |would |shall |still )*{SOFT}(?:need|want) (?:somebody|one person|a volunteer) (?:to|who (?:can|could|will)) {SOFT}(?P<what>\S.*)", 0.55, ""),
        (r"(?<!\S)whose (?:job|task|turn|business) is it to (?P<what>\S.*)", 0.45, "who"),
        (rf"(?<!\S)who {SOFT}(?:is going to|will|can|could|wants to|would like to|should|has time to|would|is able to|is willing to) {SOFT}(?P<what>\S.*)", 0.45, "who"),
        (rf"(?<!\S)who (?:is|are) {SOFT}(?!going\b|coming\b|having\b|being\b|saying\b|talking\b|asking\b|looking\b|missing\b)(?P<what>\w+ing\b.*)", 0.45, "who"),
        (r"^(?:(?:and|so|okay|then|but|now) )*who (?P<what>\w+s (?:the|our|a|an|these|those|out|up) \S.*)", 0.45, "who"),
        (r"^(?:(?:and|so|okay|then|but|now) )*who (?P<what>(?!is\b|was\b|has\b|says\b|knows\b|wants\b|needs\b)\w+s (?:it|that|them|this|those))(?: though| then| now)*$", 0.45, "who"),
        (r"(?<!\S)(?P<what>(?:the|this|that|our) (?:\w+ ){1,4}?(?:needs?|has|have) to (?:change|go|come|move)(?!\S).*)", 0.38, ""),
        (r"(?<!\S)(?:any volunteers|volunteers|who volunteers|anybody|who is up|any takers) (?:for|to) (?P<what>\S.*)", 0.45, "who"),
        (r"(?<!\S)(?P<what>(?:the|this|that|our|a|an) (?:\w+ ){1,7}?(?:needs? to be|has to be|have to be|must be|should be|still needs to be) (?:\w+ly )?(?:updated|sent|written|checked|fixed|done|finished|prepared|booked|ordered|tested|reviewed|signed|repeated|translated|printed|published|cleaned|arranged|organised|organized|submitted|paid|confirmed|cancelled|called|informed|invited|repaired|replaced|rewritten|corrected|completed|measured|collected|shared|delivered|drafted|revised|installed|renewed|scheduled|clarified|investigated)\b.*)", 0.45, ""),
        (r"(?<!\S)(?:what (?:still )?(?:needs|remains|has) to be done is(?: to)?|it remains to|still to do is(?: to)?|the next step is to|next step is to) (?P<what>\S.*)", 0.5, ""),
        (r"^(?:(?:and|so|okay|next|another|the|one|new|first|last) )*(?:action item|action point|to do|task)(?: is| for (?:us|the team) is)?(?: to)? (?P<what>\S.*)", 0.5, ""),
        (rf"(?<!\S)(?:it would be (?:great|good|nice) if|can|could) somebody (?:could |would )?{SOFT}(?P<what>\S.*)", 0.5, ""),
        (rf"(?<!\S)(?<!do )(?<!if )(?<!think )(?<!what )we {SOFT}(?:will|are going to|have to|need to|must|should|ought to) {SOFT}(?:have to |need to )?(?!not\b)(?P<what>\S.*)", 0.35, "we"),
        (rf"(?<!\S)let us {SOFT}(?P<what>(?:ask|send|order|book|invite|contact|email|call|arrange|schedule|prepare|write|update|check with|find out)\b.*)", 0.35, "we"),
    )
)  # fmt: skip


def needs(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "Somebody has to ask the supplier": a task that nobody has taken yet."""
    for pattern, strength, owner in _NEEDS:
        for _, first in matches(pattern, sentence):
            if owner == "we" and sentence.asks:
                continue
            span = span_of(sentence, first, hearing)
            if owner == "we" and not starts_a_task(span.words):
                continue
            if owner == "who" and not (starts_a_task(span.words) or span.refers or span.words[:1] in _DOES_OR_NAMES):
                continue
            held = Owner("group", "we") if owner == "we" else NOBODY
            passive = span.words and span.words[0] in ("the", "this", "that", "our", "a", "an")
            cue = (
                Cue("need", span.text, NOBODY, span.due, strength + 0.1)
                if passive
                else cue_of("need", span, strength, held, needed="somebody has to" in sentence.plain)
            )
            if cue:
                details = {"asks_who": "yes"} if owner == "who" else {}
                if cue.about and span.does:
                    details["doing"] = infinitive(span.text)
                what = infinitive(cue.what) if owner == "who" else cue.what
                yield Cue("need", what, held, cue.due, cue.strength, cue.about, details)
                return


_DOES_OR_NAMES = (
    ("do",),
    ("doing",),
    ("the",),
    ("our",),
    ("a",),
    ("an",),
)  # "who is doing the shopping", "who is up for the stall"
_MOVES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:^|(?<!\S)(?:so|okay|then|and|that) )(?:(?:so|okay|then|and|well|right|good|now|all right|that) )*(?P<what>(?:the |this |that |his |her |your |my )?\S(?:.*\S)?) (?:moves|goes|passes|shifts|is moved|is handed|is passed|goes over|moves over|will go|will move|is going|changes hands) (?:over )?(?:from (?P<old>[^\W\d_]+)(?: to (?P<who>[^\W\d_]+))?|to (?P<to>[^\W\d_]+)(?: instead| now| then)?$)",
        r"(?<!\S)(?P<who>[^\W\d_]+) (?:takes|will take|is taking|can take|should take) (?:over )?(?P<what>(?:the |this |that |it)\S?.*?)(?: over)? from (?P<old>[^\W\d_]+)",
        r"(?<!\S)(?P<who>[^\W\d_]+) (?:takes|will take|is taking|should take) over (?P<what>(?:the |this |that |it)\S?.*)",
        r"(?<!\S)(?:let us |we |we will |i will |i would |i )?(?:give|hand|pass|reassign|move|assign|transfer) (?:over )?(?P<what>(?:the |this |that |it)(?:\S.*\S)?) (?:over )?(?:from (?P<old>[^\W\d_]+) )?to (?P<who>[^\W\d_]+)(?: instead)?",
        r"(?<!\S)(?P<who>[^\W\d_]+) (?:will|is going to|should|can) (?:do|make|run|handle|finish|prepare|write) (?P<what>(?:the |this |that |it)(?:\S.*?\S)?) instead(?: of (?P<old>[^\W\d_]+))?",
    )
)


def moves(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "The drop test moves from David to Ben": a task changes hands."""
    for pattern in _MOVES:
        found = pattern.search(sentence.plain)
        if not found or sentence.asks:
            continue
        groups = found.groupdict()
        named = next((key for key in ("who", "to") if groups.get(key)), "")
        at = sentence.word_at(found.start(named)) if named else -1
        speaks = groups.get(named) in ("i", "me")
        known = bool(named) and (speaks or hearing.people.is_name(sentence, at))
        old = groups.get("old")
        if not known and not (old and hearing.people.is_name(sentence, sentence.word_at(found.start("old")))):
            continue
        owner = NOBODY
        if known:
            owner = me(sentence) if speaks else hearing.people.owner(groups[named])
        span = Span(
            sentence, sentence.word_at(found.start("what")), sentence.word_at(found.end("what") + 1), hearing.day
        )
        before = hearing.people.owner(old) if old else NOBODY
        yield Cue(
            "move",
            span.text,
            owner,
            span.due,
            0.7,
            "that" if span.refers else "",
            {"old": before.name} if before else {},
        )
        return


POLICIES: tuple[Policy, ...] = (moves, commitments, offers, requests, assignments, needs)
