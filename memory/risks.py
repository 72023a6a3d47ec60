"""What may go wrong: where it is called a risk, and where something bad is said to follow, or to be possible."""

from __future__ import annotations

import re
from collections.abc import Iterator

from memory.cues import Hearing, Policy
from memory.notes import Cue
from memory.verdicts import told
from memory.wording import Sentence, tidy

_RISKS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<!\S)(?:there is|there are|there was|we have|we see|i see|we run|it is)(?: \w+){0,2}? (?:a|the|some|one|another|big|real|high|serious)?(?: \w+)? ?(?:risk|danger|threat|chance)(?: here)? (?:that|of|is that|with) (?P<what>\S.*)",
        r"(?<!\S)(?:there is|there was|we run|we have)(?: \w+){0,2}? (?:risk|danger|chance) (?P<what>(?:the|we|it|they|he|she|nobody|our|a|this) (?:\S+ ){0,6}?(?:will|would|might|may|could|can not|does|do|is|gets?)\b.*)",
        r"(?<!\S)(?:the|a|one|another|our|my)(?: \w+)? (?:risk|danger|threat|worry|fear|concern) (?:is|here is|would be|with that is)(?: that)? (?P<what>\S.*)",
        r"(?<!\S)(?:i am|we are)(?: a bit| a little| very| really| quite)? (?:worried|concerned|afraid|anxious|nervous) (?:that|about) (?P<what>\S.*)",
        r"(?<!\S)(?:i am|we are)(?: a bit| a little| very| really)? afraid (?P<what>(?:we|it|they|the|he|she|there|nobody|somebody) (?:\w+ )*?(?:might|may|could|will|is going to) .*)",
        r"(?<!\S)what (?:worries|scares|bothers|frightens) (?:me|us) (?:\w+ )?is (?:that )?(?P<what>\S.*)",
        r"^(?P<what>(?:we|it|they|the|he|she|there) (?:\w+ )*?(?:might|may|could|will) .*?) (?:and )?that (?:is what )?(?:\w+ )?(?:worries|scares|bothers|frightens) (?:me|us)",
        r"(?<!\S)(?:we )?risk (?P<what>(?:losing|missing|running|being|not)\b.*)",
    )
)


# What nobody wants to happen, as far as the words alone say so.
_LOSS = (
    r"(?:lose|miss|fail|fall (?:down|apart|through|behind|over|ill)|collapse|crash|break(?: down| off)?|burst|leak|flood|overrun|"
    r"run (?:out|late|over|short)|be (?:late|too late|fined|sued|closed|stuck|stranded|in trouble|stuffed|finished|short|cancelled|delayed|ruined|lost|gone|"
    r"without|unable|left|out of)|get (?:fined|sued|sick|hurt|stuck|lost|into trouble)|end up (?:without|with no|in|late|paying)|lapse|lapses|expire|clash|drown|"
    r"freeze|burn down|go (?:wrong|bust|under|bankrupt|off|missing)|slip|spoil|rot|have (?:no (?!problem|doubt|trouble)|nothing|nobody)|not (?:be able|make it|come|arrive|hold|finish|open|pass))"
)
_SUBJECT = r"(?:we|it|they|he|she|nobody|(?:the|our|my|this|that|his|her|their) (?:[\w'-]+ ){1,4}?)"
_FOLLOWS = rf"{_SUBJECT} ?(?:(?:will|might|may|could|is going to|are going to) (?:\w+ ){{0,2}}?{_LOSS}|lose|loses|miss|misses|comes? down|falls? (?:down|apart|through|behind)|collapses?|bursts?|floods?|fails?|breaks? (?:down|apart)|stops? working|lapses?|expires?|rots?|goes (?:bust|under|wrong|off)|(?:am|are|is) (?:stuffed|finished|stuck|lost|in trouble|done for))"
_IF = re.compile(
    rf"(?P<what>(?<!\S)(?:if|unless) (?!i were\b|we had\b|i had\b|only\b|my (?:grandmother|granny)\b)(?:\S+ ){{2,12}}?(?:then )?(?<!even ){_FOLLOWS}(?!\S).*)"
)
_IF_LAST = re.compile(
    rf"(?:^|(?<!\S)(?:and|but|so|because|then|well|that) )(?P<what>{_FOLLOWS}(?!\S)(?: \S+){{0,8}}? (?:if|unless) (?!i were\b|we had\b|i had\b|only\b)\S.*)"
)
_MAY = re.compile(
    rf"^(?:(?:and|but|so|then|also|well|be serious|now) )*(?P<what>{_SUBJECT} ?(?:might|may|could)(?: (?:well|still|easily|also|just))? {_LOSS}(?!\S).*)"
)
_THAT_IS_IT = re.compile(
    r"^(?P<what>\S.*?) (?:and )?that is (?:the|my|our) (?:danger|risk|worry|problem|fear|trouble)$"
)
_THEN = re.compile(rf"^(?:(?:well|and|so) )*then (?P<what>(?:{_FOLLOWS}|(?:we|they) can not \w+)(?!\S).*)")
_TAGS = ("do not we", "will not we", "are not we", "will not it")  # a question only in form
_UNREAL = re.compile(r"(?<!\S)(?:would|had|were|was|did)(?!\S)")


def risks(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "There is a risk that the rubber comes late", "if it rains we lose the hay", "we might run out of chairs"."""
    asks = sentence.asks and not sentence.plain.endswith(_TAGS)
    if asks or re.search(r"\bno (?:risk|danger)\b", sentence.plain):
        return
    for pattern in (*_RISKS, _THAT_IS_IT, _IF, _IF_LAST, _MAY):
        found = pattern.search(sentence.plain)
        if found and (pattern in _RISKS or not _UNREAL.search(found["what"])):
            span = told(sentence, found, hearing)
            whole = sentence.original(span.first, sentence.word_at(found.end("what") + 1))
            what = span.text if pattern in _RISKS else tidy(whole)
            if len(span.words) > 1:
                yield Cue("risk", what, strength=0.6)
                return
    follows = _THEN.match(sentence.plain)
    if follows:
        yield Cue("follows", told(sentence, follows, hearing).text, strength=0.5)


POLICIES: tuple[Policy, ...] = (risks,)
