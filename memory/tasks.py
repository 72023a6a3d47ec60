"""The part of a sentence that is a task: where it begins and ends, its date, and whether it only points at one."""

from __future__ import annotations

import re
from datetime import date

from memory.doing import BARE, TALK_BY_A_DAY, base_form, is_light, starts_a_task, worth
from memory.due import Found, find_due
from memory.notes import Due
from memory.wording import STOP, Sentence, stem, tidy

_LEADING = re.compile(
    r"^(?:(?:also|then|just|please|maybe|perhaps|probably|definitely|certainly|quickly|now|still|first|actually|really|be|"
    r"try to|try and|go and|go ahead and|make sure to|make sure you|make sure that you|make sure we|remember to|have to|need to|"
    r"be able to|start to|all|both|basically|simply|kindly|better|personally|gladly|happily|each|kind of|sort of|like|"
    r"going to be|going to|supposed to|you know|i think|i guess) )+"
)
_BREAK = re.compile(
    r"(?<!\S)(?:and (?:i|we|you|he|she|they|it|then|that|so|also|maybe)|but|because|so(?: that)?(?= (?:i|we|you|he|she|they|it|that))|if|which|whereas|"
    r"although|unless|instead(?: of)?|okay|all right|right|you know|i (?:think|guess|mean|hope|suppose)|is that|will you|would you|"
    r"can you|could you|please|thanks|thank you|since|or (?:something|whatever|so|i|we|you)|and (?:stuff|things|so on)|(?:when|before|after) (?:i|you|we)|yes|no|well|"
    r"while (?:i|you|we)|as (?:well|i|you|we)|too|for (?:me|us|you)|that is|do you|are you|and the other|and see|then|however|who is|who will|anyway|from (?:him|her|me|us|you))(?!\S)"
)
_NAME_JOIN = re.compile(r"^and [a-z]+ (?:will|is going to|should|can|could|would|has to|needs to)(?!\S)")
_REFERS = re.compile(
    r"^(?:(?:do|handle|take|take care of|take over|look into|look after|sort out|see to|get on|be on|deal with|organise|arrange|check|fix|cover|manage|"
    r"own|follow up on|work on|pick up|have a look at|take a look at|look at|find out|get)(?: on)? )?(?:it|that|this|so|those|them|these|that one|this one|that out|it out|this out|that up|it up|that task|this task|all that|care of (?:it|that|this))(?: (?:for (?:us|you|me)|myself|too|today|tomorrow))?$"
)


class Span:
    """Part of a sentence that may be a task: words `first` up to, not with, `last`."""

    def __init__(self, sentence: Sentence, first: int, last: int, day: date, language: str = "en") -> None:
        self.sentence, self.first = sentence, first
        self.found: Found | None = find_due(sentence, day, language=language)
        self.last = self._cut(last)

    @property
    def due(self) -> Due:
        """The date that the sentence sets; Due() where it sets none."""
        return self.found.due if self.found else Due()

    def _cut(self, last: int) -> int:
        """Up to where another thought begins."""
        rest = " ".join(self.sentence.words[self.first : last])
        cuts = [found.start() for found in _BREAK.finditer(rest) if found.start()]
        if cuts:
            last = self.first + rest[: cuts[0]].count(" ")
        for word in range(self.first + 1, last):
            gap = self.sentence.gap(word)
            after = " ".join(self.sentence.words[word : word + 6])
            if ("," in gap or "–" in gap or " - " in gap) and not self._goes_on(word):
                return word
            if _NAME_JOIN.match(after):
                return word
        return last

    def _goes_on(self, word: int) -> bool:
        """Whether a comma only parts a list or a date: "the slides, the budget and the plan"."""
        words = self.sentence.words
        if self.found and word == self.found.first:
            return True
        return (
            words[word] in ("and", "the", "a", "an", "with", "to", "by", "for", "our", "including")
            and word + 1 < self.last_known
        )

    @property
    def last_known(self) -> int:
        """The end of the sentence."""
        return len(self.sentence.words)

    @property
    def words(self) -> tuple[str, ...]:
        """The task's plain words, without the date and without what leads up to it."""
        return tuple(self.sentence.words[i] for i in self._kept())

    def _led(self) -> list[int]:
        """The words without the date and what leads up to the verb."""
        kept = [i for i in range(self.first, self.last) if not self._dated(i)]
        plain = " ".join(self.sentence.words[i] for i in kept)
        lead = _LEADING.match(plain + " ")
        return kept[lead[0].count(" ") :] if lead else kept

    def _kept(self) -> list[int]:
        kept = self._led()
        while kept and self.sentence.words[kept[-1]] in _TRAILING:
            kept.pop()
        return kept

    def _dated(self, word: int) -> bool:
        if self.found is None or not self.found.first <= word < self.found.last:
            return False
        return not self.sentence.original(word, word + 1).lower().endswith(("'s", "’s"))  # "Saturday's shift"

    @property
    def text(self) -> str:
        """The task as it was said: runs of the original text, joined."""
        kept, runs = self._kept(), list[str]()
        begin = 0
        for i in range(1, len(kept) + 1):
            if i == len(kept) or kept[i] > kept[i - 1] + 1:
                runs.append(tidy(self.sentence.original(kept[begin], kept[i - 1] + 1)))
                begin = i
        return _named_as_a_task(tidy(" ".join(runs)))

    @property
    def refers(self) -> bool:
        """Whether it only points at a task that was named before: "that", "take care of it"."""
        words = [self.sentence.words[i] for i in self._led()]
        empty = len(words) > 1 and starts_a_task(words) and all(word in _POINTS for word in words[1:])
        return empty or bool(_REFERS.match(" ".join(words)))

    @property
    def does(self) -> bool:
        """Whether it says what is done to the thing that it only points at: "send it to you", "write to him", "put it up",
        not "take care of it"."""
        words = self.words
        at = next((i for i, word in enumerate(words[:3]) if i and word in POINTED), 0)
        led = words[1:at]
        if not at or not starts_a_task(words[:1]) or not set(led) <= _PARTICLES:
            return False
        return words[0] not in BARE or words[0] in _OBTAINS or bool(set(words[at + 1 : at + 2]) & _PARTICLES)

    def worth(self, *, needed: bool = False) -> float:
        """How much it looks like something to do after the meeting, -1 to 0.3; -1 is certainly none. What somebody is
        said to be `needed` for is hardly ever the talk itself."""
        words = self.words
        if not words or self.refers:
            return -1.0
        if len(words) < 2 or not (is_light(words) or any(word not in STOP for word in words[1:])):
            dated = bool(self.due.date) and len(words) > 1 and (starts_a_task(words) or words[0] in TALK_BY_A_DAY)
            return 0.0 if dated else -1.0  # "book the all in two weeks": the object was not understood
        now = bool({"now", "here", "briefly", "quickly"} & set(self.sentence.words))
        return worth(words, dated=bool(self.due.date), due=bool(self.due), needed=needed, now=now)


def _named_as_a_task(text: str) -> str:
    """ "updating the handbook" as "update the handbook"; a word whose stem would change stays as it was said."""
    first, _, rest = text.partition(" ")
    base = "do" if first.lower() == "doing" else base_form(first.lower())
    if not rest or not first.lower().endswith("ing") or stem(base) != stem(first.lower()) or first.lower() == "meeting":
        return text
    return f"{base.capitalize() if first[0].isupper() else base} {rest}"


def infinitive(text: str) -> str:
    """ "does the figures" as "do the figures"; as it was said where the stem would change."""
    first, _, rest = text.partition(" ")
    base = "do" if first.lower() == "does" else base_form(first.lower())
    return f"{base} {rest}" if (rest and stem(base) == stem(first.lower())) or first.lower() == "does" else text


POINTED = frozenset("it them that one him her".split())  # by a pronoun that stands for something named before
_PARTICLES = frozenset("up down in out off over back away through to at for with on".split())
_OBTAINS = frozenset("get find".split())
_POINTS = frozenset("it that this them those these him her you us over out to for on up too also myself one".split())
_TRAILING = frozenset(
    "and or but so then to the a an of for with by on in at okay also please is that right now too just maybe i we you um "
    "as from be".split()
)
