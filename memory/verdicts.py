"""What single sentences say about decisions and open questions: policies like those of `cues.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from memory.cues import Hearing, Policy
from memory.doing import base_form, starts_a_task
from memory.notes import Cue
from memory.tasks import Span
from memory.wording import Sentence, content

_ACT = (
    r"(?:go|take|use|choose|pick|move|keep|drop|leave|sell|put|add|remove|cancel|postpone|stick|start|buy|switch|launch|stay|make|"
    r"cut|give|hire|open|close|build|ship|sign|accept|reject|skip|stop|order|delay|replace|reduce|increase|raise|lower|"
    r"include|exclude|target|focus|offer|extend|shorten|adopt|approve|allow|merge|split|settle|opt|change|bring|try)"
)
_SO = r"(?:so|then|okay|all right|good|right|fine|great|well|yes|now|clear|therefore|in that case|that means)"
_DECISIONS: tuple[tuple[re.Pattern[str], float], ...] = tuple(
    (re.compile(pattern), strength)
    for pattern, strength in (
        (r"(?<!\S)we (?:have )?(?:all )?(?:agree|agreed|decide|decided|settle|settled|resolve|resolved|opt|opted|vote|voted) (?:to|on|for|that|upon|in favour of|in favor of|against) (?P<what>\S.*)", 0.75),
        (r"(?<!\S)(?:it is|it was|that is|we are) (?:decided|agreed|settled|clear)(?: then)?(?: that)? (?P<what>\S.*)", 0.6),
        (r"(?<!\S)(?:the|our|my|final) decision (?:is|was|will be)(?: that| to)? (?P<what>\S.*)", 0.7),
        (r"^(?:" + _SO + r" )*decided (?P<what>\S.*)", 0.65),
        (r"(?<!\S)(?:let us|we will|we|we are going to|i would say we|i think we should|we should|we can) (?:just |all |then |therefore |definitely |simply )*(?P<what>(?:go|stick|stay|work|proceed) (?:with|for|ahead with)\b.*)", 0.6),
        (rf"(?:^|(?<!\S){_SO} )(?:{_SO} )*(?:let us|we will|we are going to|we are|we|we just) (?:just |all |then |therefore |not )*(?P<what>{_ACT}\b.*)", 0.42),
        (rf"(?:^|(?<!\S){_SO} )(?:{_SO} )+we (?P<what>(?:do not|will not|are not going to) (?!have\b|need\b|know\b|want\b|think\b|see\b|even\b|get\b|really\b)\S.*)", 0.55),
        (r"(?:^|(?<!\S)(?:so|then|okay|and|but|well) )(?P<what>(?:from|as of|starting) (?:now on|today|tomorrow|next \w+|january|february|march|april|may|june|july|august|september|october|november|december|monday|tuesday|wednesday|thursday|friday|saturday|sunday|the \w+)(?: on)? (?:the|we|our|every|all|there|everybody|nobody|nothing|each|no|you) \S.*)", 0.52),
        (rf"(?<!\S)(?:forget|drop|scrap|skip) (?:about )?(?:the|that|this) (?:\S+ ){{1,5}}?(?:and |so )?we (?P<what>{_ACT}\b.*)", 0.6),
        (r"(?<!\S)(?:therefore|in that case|then it is clear|in the end) (?:let us|we) (?P<what>" + _ACT + r"\b.*)", 0.55),
        (rf"^(?:(?:{_SO}|and) )+we (?P<what>(?P<doing>[a-z]+) (?:to|the|an?|with|for|our) \S.*)", 0.42),
        (r"(?:^|(?<!\S)(?:so|then|okay|and|but|well) )until (?:then|further notice) (?P<what>(?:we|nobody|nothing|everybody) \S.*)", 0.5),
        (rf"^(?:{_SO} )+we will (?P<what>get (?:a|an|another|some|somebody) \S.*)", 0.42),
        (r"(?<!\S)i (?:have )?(?:decide|decided) (?:to|that|on) (?P<what>\S.*)", 0.6),
        (r"(?<!\S)(?:so|then|okay|good|therefore) (?:it is|it will be|that will be) (?:going to be )?(?P<what>(?:the|a|an|no)\b.*) then$", 0.45),
        (r"(?<!\S)(?P<what>(?:the|this|our) \S.*?) (?:is|was|has been) (?:approved|accepted|rejected|agreed|chosen|confirmed|adopted|decided)(?!\S)", 0.55),
    )
)  # fmt: skip
EXPLICIT = 0.7  # strength of words that call a decision one
_NOT_DECIDED = re.compile(
    r"\b(?:if we|whether|should we|do we|could we|can we|not sure|what if|not decided|have not|did not|did we|why did|until we|before we|when we|"
    r"have to decide|need to decide|must decide|we might|maybe we|we could)\b"
)
_IDLE = re.compile(
    r"^(?:go (?:on|back|over|through|to the next|ahead$|around|home|for lunch)|start(?: with| now|$)|move on|take (?:a|that|a look|it)|keep (?:going|it in mind|that in mind|in mind|talking)|put that|make (?:sure|it clear)|"
    r"leave (?:it|that)(?: there| open)?$|close (?:the )?meeting|open the meeting|use (?:this|that) time|stop (?:here|there)|give (?:you|me|us|it)|change the subject|stay (?:on|in) (?:time|schedule)|"
    r"start (?:the|our) (?:meeting|presentation)|bring (?:it|that|this) up|try (?:to|it|that|and)|add (?:that|something)|focus on (?:that|this) (?:now|later|first)|move (?:on|to the next|over to|back)|switch over|"
    r"open (?:it|that)|close (?:it|that|up|this)|finish|cut (?:it|that) short|work|be|have|see|say|know|think|mean|talk)\b"
)


def decisions(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "So we agree to ...", "we go with the rubber case"."""
    if sentence.asks or _NOT_DECIDED.search(sentence.plain):
        return
    for pattern, strength in _DECISIONS:
        if strength < EXPLICIT and postponed(sentence):
            continue
        for found in pattern.finditer(sentence.plain):
            span = told(sentence, found, hearing, _after_we(sentence, sentence.word_at(found.start("what"))))
            words = span.words
            doing = found.groupdict().get("doing")
            if doing and (base_form(doing) != doing or not starts_a_task([doing])):
                continue  # "and then we checked the website": told
            if len(words) < 2 or _IDLE.match(" ".join(words)) or span.refers or not content(words):
                continue
            yield Cue("decide", span.text, strength=strength)
            return


def told(sentence: Sentence, found: re.Match[str], hearing: Hearing, first: int = -1) -> Span:
    """The words of the pattern's group "what", or from word `first` on; "to the fifteenth of June" belongs to them and
    is not by when."""
    first = sentence.word_at(found.start("what")) if first < 0 else first
    span = Span(sentence, first, sentence.word_at(found.end("what") + 1), hearing.day, hearing.language)
    span.found = None
    return span


def _after_we(sentence: Sentence, first: int) -> int:
    """Past "we", "we will" where the pattern ended before it: what follows is the decision."""
    rest = re.match(
        r"(?:that )?(?:we (?:will |are going to |should |would |just )?|let us |to )",
        " ".join(sentence.words[first:]) + " ",
    )
    return first + rest[0].count(" ") if rest else first


_REVERSES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<!\S)(?:we|i|let us)?(?: \w+)? ?(?:take back|withdraw|revoke|undo|reverse|overturn|overrule|revise|cancel|drop|scrap) (?:that|this|the|our|my)(?: \w+){0,2}? ?(?:decision|agreement|choice|plan|idea)(?: (?:to|of|for|about) .*?)??(?: (?:and|so|instead) (?:we |we will |let us |rather )?(?P<what>\S.*))?$",
        r"(?<!\S)take back (?:that|this|it|what)\b(?:.*? (?:and |so |done )?(?P<what>" + _ACT + r" .*))?",
        r"(?<!\S)(?:forget|never mind|scratch) (?:what we (?:said|decided|agreed)|that|the decision)\b(?:.*?(?:and|we|instead) (?P<what>"
        + _ACT
        + r" .*))?",
        r"(?<!\S)we (?:change|changed|are changing|will change) (?:that|this|the|our) (?:decision|plan|choice)(?: (?:and|to|so)(?: we)? (?P<what>\S.*))?",
        r"(?<!\S)(?:instead|rather) (?:we|let us) (?:will |are going to )?(?P<what>" + _ACT + r" .*)",
        r"(?<!\S)(?:we|let us) (?:will |are going to )?(?P<what>" + _ACT + r" .*?) (?:instead|after all)(?!\S)",
        r"(?<!\S)(?:we|let us) (?:do|will|would) not (?P<what>" + _ACT + r" .*?) after all(?!\S)",
    )
)
_MIND_CHANGED = re.compile(
    r"(?<!\S)(?:i|we) (?:have |had )?(?:change|changed|am changing|are changing) (?:my|our) minds?(?!\S)"
)


def reversals(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "We take back that decision and put the charger in the box"."""
    if sentence.asks:
        return
    if _MIND_CHANGED.search(sentence.plain):
        yield Cue("waver", strength=0.5)
    for pattern in _REVERSES:
        found = pattern.search(sentence.plain)
        if not found:
            continue
        what = ""
        if found["what"]:
            what = told(sentence, found, hearing).text
        named = re.search(r"(?:take back|withdraw|undo|reverse|revoke|forget|change)", sentence.plain)
        yield Cue(
            "reverse", what, strength=0.7 if named else 0.5, about="that", details={"named": "yes"} if named else {}
        )
        return


_AGREES = re.compile(
    r"^(?:(?:yes|okay|oh|well|right|and|so|then|apart from that) )*(?:agreed|i agree|i do$|we do$|we are$|fine(?: with me| by me| for me)?|perfect|sounds (?:\w+ )?(?:good|great|fine|right|sensible|reasonable|fair|like a plan)|that sounds (?:good|great|fine|right)|good idea|great|"
    r"exactly|absolutely|definitely|i like (?:it|that)|me too|same here|so do i|so am i|so would i|let us$|okay|yes|sure|all right|good|that is (?:fine|good|great|better|much better|right|okay)|"
    r"that was my favourite|that (?:gives?|saves?|makes?|helps?)|no objections?|(?:i am |we are )?(?:fine|happy|okay) with|works for (?:me|us)|suits (?:me|us)|excellent|very good|lovely|brilliant|makes sense|"
    r"(?:i am|we are) (?:all )?(?:for (?:it|that)|in favour|in$|on board|with you)|in favour|seconded|count (?:me|us) in|hear hear|fair enough|why not|understood|no problem|of course|thank (?:god|goodness)|hooray|finally|"
    r"i can live with (?:it|that)|that works|let us do (?:it|that)|i would be happy with (?:it|that))(?!\S)"
)

_AGREES_AT_LAST = re.compile(
    r"(?<!\S)(?:i like (?:it|that)|agreed|i agree|fine (?:with|by) me|sounds good|works for me|good idea|perfect|i am for (?:it|that)|suits me|is fine (?:with|by|for) (?:me|us)|so would i|let us)$"
)


_BUT = re.compile(r"^(?:\w+ ){1,3}but(?!\S)")
_MURMURS = re.compile(
    r"^(?:(?:yes|okay|oh|well|right|and|so|then|good|great|sure|all right|fine|exactly|absolutely) ?)+(?!\S)(?=$| (?:i|it|the|that|we|you|what|this|there|because|if|or|for|to|in|on)(?!\S))"
)


def agreements(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "Agreed", "fine with me": supports what was decided just before."""
    if (
        (_AGREES.match(sentence.plain) or _AGREES_AT_LAST.search(sentence.plain))
        and not sentence.asks
        and not _BUT.search(sentence.plain)
    ):
        yield Cue("agree", strength=0.5, details={} if _MURMURS.match(sentence.plain) else {"warmly": "yes"})


_QUESTION = re.compile(
    r"^(?:(?:and|so|but|okay|well|then|now|also|yes) )*(?:(?:the|one|another|my) (?:open )?(?:question|issue) (?:is|remains|that remains is)(?: still)? )?"
    r"(?P<what>(?:do|does|did|should|shall|can|could|will|would|is|are|what|which|who|how|when|where|why|whether)\b.*)"
)
_OPEN_QUESTION = re.compile(
    r"(?<!\S)(?:(?:the|an|one|another|still an|big) (?:open|remaining|unanswered|unresolved) (?:question|issue|point) (?:is|remains|would be)|"
    r"(?:it is|it remains|that is) (?:still )?(?:unclear|not clear|open|an open question|undecided|not decided|unresolved)|"
    r"we (?:still )?(?:do not|have not|need to|have to|must) (?:still )?(?:know|decide|decided|clarify|find out|figure out|clarified|agreed on|resolved)(?: yet)?) (?P<what>(?:whether|what|which|who|how|when|where|why|if|on|about)\b.*)"
)
_PARKED = re.compile(
    r"(?<!\S)(?:leave|keep|left|kept) (?P<what>\S.*?) open(?!\S)(?! (?:till|until|at|from) (?:half|quarter|noon|midnight|\d|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve))|(?<!\S)(?:leave|keep) (?P<kept>(?:that|this|the|it)\b.*?) for (?:next time|another (?:time|day)|later|now|the next \w+|next \w+)(?!\S)|(?<!\S)(?:we|i|let us) (?:will |have to |need to |would have to |should |can )*(?:have to )?(?:come back to|get back to|return to|revisit|sleep on|think about|think over) (?P<back>(?:that|this|it)(?: one)?)(?= later| then| next| when| tomorrow| in|$)|(?<!\S)(?P<waits>(?:that|this|it)(?: one)?) (?:has to|will have to|must|can|should) wait(?!\S)|(?<!\S)(?:park|postpone|defer|table|put off|adjourn|shelve) (?P<parked>(?:that|this|the|it)\b.*)|"
    r"(?<!\S)(?:decide|discuss|come back to|return to|look at|talk about|settle|answer|clarify) (?P<later>(?:that|this|it|the)\b.*?) (?:later|next time|another time|at the next meeting|in the next meeting|next week|offline)(?!\S)|"
    r"(?<!\S)(?P<still>(?:that|this|it|the)(?: \w+){0,4}?) (?:is|remains|stays) (?:still )?(?:open|undecided|unresolved|an open question)(?!\S)"
)
_UNKNOWN = re.compile(r"^(?:(?:well|yes|but|that|is|true|good|question|sorry|no|hmm) )*(?:i|we) (?:really |still |just )?(?:do not|have no|can not) (?:know|idea|say|tell|sure)\b|^(?:no idea|good question|hard to say|nobody knows|not sure yet)")  # fmt: skip


def postponed(sentence: Sentence) -> re.Match[str] | None:
    """ "We leave the display open", "let us decide that later"."""
    return None if sentence.asks else _PARKED.search(sentence.plain)


def questions(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """Questions, and what leaves one open; a question that nobody leaves open is just talk."""
    declared = _OPEN_QUESTION.search(sentence.plain)
    if declared:
        span = told(sentence, declared, hearing)
        if len(span.words) > 2:
            yield Cue("question", span.text, strength=0.6)
        return
    parked = postponed(sentence)
    if parked:
        name = next(key for key in ("what", "kept", "back", "waits", "parked", "later", "still") if parked[key])
        words = parked[name]
        about = "that" if words.split()[0] in ("that", "this", "it") and len(words.split()) < 2 else ""
        yield Cue("park", words, strength=0.65, about=about)
        return
    if _UNKNOWN.match(sentence.plain):
        yield Cue("unknown", strength=0.5)
    asked = _QUESTION.match(sentence.plain)
    if (
        asked
        and len(sentence.words) > 3
        and not re.search(r"\b(?:anything else|you all right|any questions|you know|finished)\b", sentence.plain)
    ):
        first = sentence.word_at(asked.start("what"))
        span = Span(sentence, first, len(sentence.words), hearing.day)
        yield Cue("asked", span.text or sentence.text, strength=0.5)


POLICIES: tuple[Policy, ...] = (reversals, decisions, agreements, questions)
