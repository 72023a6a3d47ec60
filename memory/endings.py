"""What ends a task or frees its owner: policies like those of `cues.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from memory.cues import SOFT, Hearing, Policy, matches, me, span_of
from memory.notes import Cue
from memory.tasks import Span
from memory.wording import Sentence

_RELEASES = tuple(
    re.compile(pattern.replace("{s}", SOFT))
    for pattern in (
        r"(?<!\S)i {s}am (?:{s}too|far too|much too|so|very|really) (?:busy|full|loaded|late) (?:for|with|to do) (?P<what>\S.*)",
        r"(?<!\S)i {s}(?:can not|will not be able to|am not able to|do not have (?:the )?time (?:to|for)|have no time (?:to|for)|will not have time (?:to|for)|can no longer) {s}(?P<what>\S.*)",
        r"(?<!\S)(?:somebody|anybody) else (?:has to|should|needs to|must|will have to) {s}(?P<what>\S.*)",
    )
)


def releases(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "I am too busy for the drop test": its owner lets go of a task."""
    for pattern in _RELEASES:
        for _, first in matches(pattern, sentence):
            span = span_of(sentence, first, hearing)
            owner = me(sentence)
            yield Cue("release", span.text, owner, strength=0.6, about="that" if span.refers else "")
            return


_DONE = tuple(
    re.compile(pattern.replace("{s}", SOFT))
    for pattern in (
        r"(?<!\S)(?:i|we|he|she|they|[^\W\d_]+) (?:have|has) {s}(?:already |just |now |finally )?(?!not\b|to\b|been\b|a\b|the\b|no\b)(?P<what>\w+(?:ed|en|nt|ne|ght|de|d|t|wn)\b.*)",
        r"(?<!\S)(?:i|we) {s}(?:already )?(?P<what>(?:finished|completed|sent|booked|ordered|updated|wrote|did|checked|fixed|called|asked|prepared|talked to|spoke to|presented|repeated|delivered|submitted|emailed|posted|tested|shared|reviewed|signed|paid|bought|made|found|ran|printed|invited|measured)\b.*)",
        r"(?<!\S)(?P<what>(?:the |this |that |it |our |my )\S?.*?) (?:is|was|are|were|has been|have been) (?:already |now |all )?(?:done|finished|completed|complete|sent|booked|ordered|ready|fixed|delivered|submitted|signed|paid|updated)(?: already| now)?(?!\S)",
    )
)


def completions(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "I have booked the hall": counts for a task that is open."""
    if sentence.asks or re.search(r"\b(?:not|never|if|when|once|until|after)\b", sentence.plain):
        return
    for pattern in _DONE:
        for found, first in matches(pattern, sentence):
            last = sentence.word_at(found.end("what") + 1)
            span = Span(sentence, first, last, hearing.day, hearing.language)
            if span.words:
                yield Cue("done", span.text, me(sentence), strength=0.6, about="that" if span.refers else "")
                return


_DROPS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<!\S)(?:we|you|i) do not (?:need|have|want)(?: to)? (?P<what>\S.*?) (?:any ?more|any longer|after all|now)(?!\S)",
        r"(?<!\S)(?:we|you) no longer (?:need|have|want)(?: to)? (?P<what>\S.*)",
        r"(?<!\S)(?:there is |we have )?no need (?:any more |any longer )?(?:to|for) (?P<what>\S.*)",
        r"(?<!\S)(?:let us |we can |we will |we should |you can |so |then |okay )*(?:forget(?: about)?|drop|scrap|skip|cancel|abandon|never mind) (?P<what>(?:the|that|this|about)\b.*)",
        r"(?<!\S)(?P<what>(?:the |this |that |our )\S?.*?) (?:is|are) (?:no longer (?:needed|necessary|required)|not needed any ?more|not necessary any ?more|cancelled|canceled|off the table|obsolete|dropped)(?!\S)",
    )
)


def drops(sentence: Sentence, hearing: Hearing) -> Iterator[Cue]:
    """ "We do not need the poster any more": counts for a task that is open."""
    for pattern in _DROPS:
        for found, first in matches(pattern, sentence):
            last = sentence.word_at(found.end("what") + 1)
            span = Span(sentence, first, last, hearing.day, hearing.language)
            if span.words and not sentence.asks:
                yield Cue("drop", span.text, strength=0.6, about="that" if span.refers else "")
                return


POLICIES: tuple[Policy, ...] = (releases, completions, drops)
