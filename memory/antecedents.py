"""What "it", "them" and "him" stand for, in what was said just before; nothing where that is not clear.

First what was said of the same verb ("who sends it?" after "you have to send the reading"), then the last subject or object.
What only stands after a preposition of place ("under the stairs") is seldom taken up again (centering: Grosz, Joshi and
Weinstein, Computational Linguistics 21, 1995).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from memory.doing import base_form
from memory.people import TITLES, People
from memory.wording import STOP, Sentence, stem, tidy

PRONOUN = re.compile(r"\b(?:it|that|them|those|one|him|her)\b", re.IGNORECASE)  # stands for a thing or somebody
_SOMEBODY = frozenset("him her them".split())
_SPEAK = frozenset(
    "ask call contact email e-mail inform invite message phone remind ring speak talk tell text write".split()
)
_GET = frozenset("borrow bring buy collect fetch find get grab hire order organise print rent".split())
_NEED = frozenset("need lack miss require want".split())
_DETERMINERS = frozenset("the a an my your our this some any these those their his her every".split())
_COUNTS = frozenset("another more two three four five six seven eight nine ten".split())
_AFTER_VERB = frozenset("to at for up over out off with about in on back round them him her us you me it".split())
_PLACED = frozenset(
    "under on in from behind near after before during since until into beside inside outside above below next down along across through by".split()
)
_NO_NOUN = frozenset(
    "even yet already again though anyway myself yourself himself herself themselves came went said".split()
)
_SAME_VERB, _JUST_SAID = 8, 3  # sentences
_REFUSED = re.compile(r"(?<!\S)(?:would|could) (?:\w+ ){0,4}?but(?!\S)|^(?:\w+ )?(?:if|unless|suppose)(?!\S)")

_SEVERAL = re.compile(  # "radiology have moved it": an office or a firm that is many
    r"(?:^|(?<!\S)(?:but|and|because|that|so) )(?P<who>(?:the |our )?(?!(?:we|you|they|these|those|there|i|who|what|people|some|all|both|any|things|how)\b)[a-z]+) (?:have|are|were|want|say)(?!\S)"
)
_A_MATTER = re.compile(r"\b(?:figure|find|check|work|sort) that out\b", re.IGNORECASE)  # no thing


def meant(doing: str, recent: Iterable[Sentence], people: People) -> tuple[str, str] | None:
    """What the pronoun in "send it" or "write to him" stands for, and the utterance that says it."""
    words = doing.lower().split()
    pronoun = PRONOUN.search(doing)
    if len(words) < 2 or pronoun is None or _A_MATTER.search(doing):
        return None
    before = [sentence for sentence in recent if not _REFUSED.search(sentence.plain)][::-1]
    verbs = {stem(verb) for verb in _like(base_form(words[0]))}
    for sentence in before[:_SAME_VERB]:
        for at, word in enumerate(sentence.words):
            before_it = sentence.words[at - 1] if at else ""  # "the reading" is no verb, and "has got" no getting
            no_verb = before_it in _DETERMINERS or (word == "got" and before_it in ("have", "has"))
            if not no_verb and stem(base_form(word)) in verbs and (found := _object(sentence, at + 1, people)):
                return found, sentence.utterance_id
    if pronoun[0].lower() in _SOMEBODY and base_form(words[0]) in _SPEAK:
        several = pronoun[0].lower() == "them"  # "the insurer needs to hear of it": a firm, an office
        for sentence in before[:_JUST_SAID]:
            if several and (office := _SEVERAL.search(sentence.plain)):
                return office["who"], sentence.utterance_id
            first = several and bool(set(sentence.words[:1]) & _DETERMINERS)
            if found := _thing(sentence, 0) if first else "" if several else _somebody(sentence, people):
                return found, sentence.utterance_id
        return None
    for sentence in before[:_JUST_SAID]:
        if found := last_thing(sentence):
            return found, sentence.utterance_id
    return None


def last_thing(sentence: Sentence) -> str:
    """The last thing that a sentence names as its subject or object, as "the password" in "I don't have the password"."""
    for at in range(len(sentence.words) - 1, -1, -1):
        placed = at > 0 and sentence.words[at - 1] in _PLACED
        if at and sentence.words[at - 1] == "got" and "not" not in sentence.words[:at]:
            continue  # "give it to me, I've got the login": what one has is not what he is promised
        that = sentence.words[at] == "that" and at > 0 and sentence.words[at - 1] not in STOP  # "touches that lot"
        if (that or sentence.words[at] in _DETERMINERS) and not placed and (found := _thing(sentence, at)):
            return found
    return ""


def _like(verb: str) -> frozenset[str]:
    """The verbs that say the same of a thing or of somebody."""
    if verb in _SPEAK:
        return _SPEAK
    return _GET | _NEED if verb in _GET else frozenset({verb})


def _thing(sentence: Sentence, at: int) -> str:
    """The noun after the determiner at this word, up to three words long; "" where there is none."""
    words, last = sentence.words, at + 1
    while last < len(words) and last - at < 4 and words[last] not in STOP and words[last] not in _NO_NOUN:
        if last > at + 1 and "," in sentence.gap(last):
            break
        last += 1
    if last == at + 1:
        return ""
    named = tidy(sentence.original(at + 1, last))
    return tidy(sentence.original(at, last)) if words[at] in _COUNTS else f"the {named}"


def _object(sentence: Sentence, at: int, people: People) -> str:
    """The object that begins at this word, past "to" and "them"; "" for a pronoun or none."""
    words = sentence.words
    while at < len(words) and words[at] in _AFTER_VERB and words[at] not in _DETERMINERS:
        at += 1
    if at >= len(words):
        return ""
    if words[at] in _COUNTS:
        return _thing(sentence, at) or tidy(sentence.original(at, min(len(words), at + 2)))
    if words[at] in _DETERMINERS:
        return _thing(sentence, at)
    if people.is_name(sentence, at) or words[at] in TITLES:
        return _somebody(sentence, people, at)
    alone = at + 1 == len(words) or words[at + 1] in STOP or "," in sentence.gap(at + 1)
    return sentence.original(at, at + 1) if alone and words[at] not in STOP and words[at] not in _NO_NOUN else ""


def _somebody(sentence: Sentence, people: People, first: int = 0) -> str:
    """Who is named from this word on, with his title."""
    for at in range(first, len(sentence.words)):
        titled = sentence.words[at] in TITLES and at + 1 < len(sentence.words)
        if titled or (people.is_name(sentence, at) and "," not in sentence.text[slice(*_around(sentence, at))]):
            return sentence.original(at, at + 1 + titled)
    return ""


def _around(sentence: Sentence, at: int) -> tuple[int, int]:
    """The word with the character after it: a comma there is an address, "Peter, ..."."""
    first, last = sentence.spans[at]
    return first, last + 1
