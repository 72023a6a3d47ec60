"""By when: finds the words of a date in a sentence and the day they mean, counted from the meeting's day.

What several people would read differently keeps its words and gets no date: "next Friday" on a Tuesday, "soon".
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from memory.calendar_words import FOREIGN, MONTHS, NUMBERS, ORDINALS, SHORT_MONTHS, TENS, WEEKDAYS, holiday
from memory.notes import Due
from memory.wording import Sentence

_DAY = "|".join(WEEKDAYS)
_MONTH = "|".join([*MONTHS, *SHORT_MONTHS])
_TENS_ORD = r"(?:(?:twenty|thirty) (?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth))"
_ORD = rf"(?:{_TENS_ORD}|{'|'.join(ORDINALS)}|\d{{1,2}}(?:st|nd|rd|th))"
_NUM = (
    rf"(?:\d{{1,3}}|(?:twenty|thirty) (?:one|two|three|four|five|six|seven|eight|nine)|a couple of|{'|'.join(NUMBERS)})"
)
_PART = r"(?:morning|afternoon|evening|night|noon|lunch ?time|midday)"
_LEAD = (
    r"(?:by|before|until|till|no later than|not later than|at the latest(?: by| on)?|due(?: on| by)?|on|for|from|within|"
    r"during|around|at|as of|in)"
)
_TAIL = rf"(?: (?:at )?(?:{_PART}|the latest|eod|cob|close of business|end of day|first thing|in the (?:morning|afternoon|evening)))*"
_CLOCK = r"(?: at (?:\d{1,2}|" + "|".join(list(NUMBERS)[:12]) + r")(?: (?:o'clock|am|pm|thirty|fifteen))?)?"
_UNIT = r"(?:(?:working|business|week) )?(?:hours?|days?|weeks?|months?|fortnights?|years?|quarters?)"
_FEAST = "good friday|easter monday|easter|ascension|pentecost|whit monday|christmas eve|christmas|new year eve|new year|halloween|boxing day"


@dataclass(frozen=True)
class Found:
    """A date in a sentence: words `first` up to, not with, `last`."""

    due: Due
    first: int
    last: int


def find_due(sentence: Sentence, day: date, *, language: str = "en") -> Found | None:
    """The date that the sentence sets, or the words of one that is vague; None where it names none."""
    words, back = _in_english(sentence.words, language)
    plain = " ".join(words)
    best: tuple[int, re.Match[str], _Rule] | None = None
    for rule in _RULES:
        for found in rule.pattern.finditer(plain):
            if rule.needs_lead and not found["lead"]:
                continue
            score = len(found[0].split()) + (3 if found["lead"] in _STRONG else 0)
            if best is None or score > best[0]:
                best = score, found, rule
    if best is None:
        return None
    _, found, rule = best
    first = plain[: found.start()].count(" ")
    last = first + len(found[0].split())
    meant = _resolved(rule, found, day)
    begin, end = back[first], back[last - 1] + 1
    phrase = " ".join(sentence.original(begin, end).split())
    if sentence.unsure & set(sentence.words[begin:end]):  # what the recogniser doubts is not made a day of
        meant = None
    return Found(Due(phrase, meant.isoformat() if meant else ""), begin, end)


def _resolved(rule: _Rule, found: re.Match[str], day: date) -> date | None:
    try:
        meant = rule.meaning(found, day)
    except (ValueError, OverflowError):  # the thirty-first of June
        return None
    named = found.groupdict().get("named")
    if meant and named and meant.weekday() != WEEKDAYS[named]:
        return None  # "Tuesday the fifteenth", which is none: one of them was misheard, or said wrong
    return meant - timedelta(days=1) if meant and found["lead"] == "before" and rule.exact else meant


_STRONG = ("by", "before", "until", "till", "no later than", "not later than", "within", "due", "due on", "due by")


_UNITS = ("weeks", "days", "months")


def _in_english(words: tuple[str, ...], language: str) -> tuple[list[str], list[int]]:
    """English words, and for each the number of the word that it stands for."""
    foreign = FOREIGN.get(language, {})
    made: list[str] = []
    back: list[int] = []
    for i, word in enumerate(words):
        for part in foreign.get(word, word).split():
            made.append(part)
            back.append(i)
    if not foreign:  # "into weeks", "in to weeks": how recognisers write "in two weeks"
        at = [i for i, (word, after) in enumerate(pairwise(made)) if word == "into" and after in _UNITS]
        for i in reversed(at):
            made[i : i + 1], back[i : i + 1] = ["in", "two"], [back[i]] * 2
        made = [
            "two" if w in ("to", "too") and a == "in" and b in _UNITS else w
            for a, w, b in zip(["", *made], made, [*made[1:], ""], strict=False)
        ]
    return made, back


@dataclass(frozen=True)
class _Rule:
    """A form of dates, and what it means on a given day; None = the words do not say."""

    pattern: re.Pattern[str]
    meaning: Callable[[re.Match[str], date], date | None]
    needs_lead: bool = False  # without by, on, until and such it is no date
    exact: bool = True  # a single day: "before" it means the day before


def _rule(body: str, meaning: Callable[[re.Match[str], date], date | None], **how: bool) -> _Rule:
    return _Rule(re.compile(rf"(?<!\S)(?:(?P<lead>{_LEAD}) )?{body}(?!\S)"), meaning, **how)


def _number(words: str) -> int:
    if words.isdigit():
        return int(words)
    if words == "a couple of":
        return 2
    return sum(NUMBERS[word] for word in words.split())


def _ordinal(words: str) -> int:
    if words[0].isdigit():
        return int(re.sub(r"\D", "", words))
    return sum(TENS.get(word, 0) or ORDINALS[word] for word in words.split())


def _weekday(found: re.Match[str], day: date) -> date | None:
    """ "Friday" is the next one; on a Friday it may be today's, so it stays open, as "next Friday" does on a Tuesday."""
    wanted = WEEKDAYS[found["day"]]
    ahead = (wanted - day.weekday()) % 7
    which = found["which"] or found["weeks"] or ""
    if which in ("next week", "week"):
        return day + timedelta(days=7 - day.weekday() + wanted)
    if which.startswith("this"):
        return day + timedelta(days=ahead) if wanted >= day.weekday() else None
    if which == "next":
        if ahead == 0:
            return day + timedelta(days=7)
        return None if wanted > day.weekday() else day + timedelta(days=ahead)
    if ahead == 0 and not which:
        return None
    return day + timedelta(days=ahead or 7)


def _ahead(found: re.Match[str], day: date) -> date | None:
    """In so many days, working days, weeks, months."""
    unit, number = found["unit"], _number(found["number"])
    origin = found.groupdict().get("start")
    start = day + timedelta(days=1) if origin == "tomorrow" else day
    if origin in WEEKDAYS:
        start = day + timedelta(days=((WEEKDAYS[origin] - day.weekday()) % 7) or 7)
    if unit.startswith("hour"):
        return start if number <= 8 else None
    if unit.startswith(("working", "business")) or unit.startswith("week d"):
        return _working_days(start, number)
    if unit.startswith("day"):
        return start + timedelta(days=number)
    if unit.startswith(("week", "fortnight")):
        return start + timedelta(weeks=number * (2 if unit.startswith("fortnight") else 1))
    return _months_on(start, number * {"m": 1, "q": 3, "y": 12}[unit[0]])


def _working_days(day: date, number: int) -> date:
    while number:
        day += timedelta(days=1)
        number -= day.weekday() < 5
    return day


def _months_on(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _last_of_month(year: int, month: int) -> date:
    return date(year, month, calendar.monthrange(year, month)[1])


def _end(found: re.Match[str], day: date) -> date | None:
    """The last working day of a week, the last day of anything longer."""
    unit, on = found["unit"], 1 if found["which"] in ("next", "the next", "the coming", "the following") else 0
    if unit in ("day", "business"):
        return day + timedelta(days=on)
    if unit == "week":
        return day + timedelta(days=4 - day.weekday() + 7 * on) if day.weekday() <= 4 or on else None
    if unit == "month":
        later = _months_on(day.replace(day=1), on)
        return _last_of_month(later.year, later.month)
    if unit == "quarter":
        later = _months_on(day.replace(day=1), 3 * on)
        return _last_of_month(later.year, (later.month + 2) // 3 * 3)
    return date(day.year + on, 12, 31)


def _end_of_named(found: re.Match[str], day: date) -> date | None:
    """The end of June, the end of Q2: the next one that is not over."""
    named = found.groupdict()
    month = _month(named["month"]) if named.get("month") else 3 * _QUARTERS[named["quarter"]]
    last = _last_of_month(day.year, month)
    return last if last >= day else _last_of_month(day.year + 1, month)


_QUARTERS = {"q1": 1, "q2": 2, "q3": 3, "q4": 4, "first": 1, "second": 2, "third": 3, "fourth": 4, "last": 4}
_QUARTERS |= {f"q {n}": i for i, names in enumerate(("1 one", "2 two", "3 three", "4 four"), 1) for n in names.split()}


def _month(name: str) -> int:
    return MONTHS.get(name) or SHORT_MONTHS[name]


def _day_of_month(found: re.Match[str], day: date) -> date | None:
    """The twentieth: of this month, or of the next where it is past; today's own number stays open."""
    number = _ordinal(found["ord"])
    if number == day.day:
        return None
    if number > day.day and number <= calendar.monthrange(day.year, day.month)[1]:
        return day.replace(day=number)
    later = _months_on(day.replace(day=1), 1)
    return later.replace(day=number)


def _day_and_month(found: re.Match[str], day: date) -> date | None:
    words = found["ord"]
    number = _ordinal(words) if re.fullmatch(_ORD, words) else _number(words)
    meant = date(int(found["year"] or day.year), _month(found["month"]), number)
    return meant if found["year"] or meant >= day else meant.replace(year=day.year + 1)


def _nth_weekday(found: re.Match[str], day: date) -> date | None:
    """The first Monday of next month, the last Friday of June."""
    if found["month"]:
        start = date(day.year + (_month(found["month"]) < day.month), _month(found["month"]), 1)
    else:
        start = _months_on(day.replace(day=1), 1 if found["which"] == "next" else 0)
    days = [start + timedelta(days=i) for i in range(calendar.monthrange(start.year, start.month)[1])]
    fitting = [d for d in days if d.weekday() == WEEKDAYS[found["day"]]]
    place = found["nth"]
    return fitting[-1] if place == "last" else fitting[ORDINALS[place] - 1]


def _feast(found: re.Match[str], day: date) -> date | None:
    meant = holiday(found["feast"], day.year)
    return holiday(found["feast"], day.year + 1) if meant and meant < day else meant


def _iso(found: re.Match[str], day: date) -> date | None:
    return date(int(found["y"]), int(found["m"]), int(found["d"]))


def _range(found: re.Match[str], day: date) -> date | None:
    """This week, next month: at the latest on its last working day."""
    unit = found["unit"]
    if found["lead"] in ("before", "from", "around", "as of"):
        return None
    on = 0 if found["which"] == "this" else 1
    if unit == "week":
        return day + timedelta(days=4 - day.weekday() + 7 * on) if day.weekday() <= 4 or on else None
    if unit == "weekend":
        return day + timedelta(days=6 - day.weekday()) if not on else None
    if unit == "month":
        later = _months_on(day.replace(day=1), on)
        return _last_of_month(later.year, later.month)
    return None


_NOUN_AFTER = r"(?! (?!(?:at|and|so|to|then|if|in|please|or|okay|for|because|with|but|as|is|i|we|you|that|when|right|latest|remember|anyway|though|it|they|he|she)(?!\S))\S)"
_WEEKDAY_BODY = (
    rf"(?:first thing )?(?:(?:in|at) the (?:morning|evening|afternoon) (?:of|on) |noon on |(?:eod|cob|end of day|close of business)(?: on)? )?"
    rf"(?:(?:the )?(?P<which>next|this coming|this|coming|following) )?(?P<day>{_DAY})(?: (?P<weeks>next week|this week|week)(?! to))?{_TAIL}{_CLOCK}"
)
_RULES: tuple[_Rule, ...] = (
    _rule(rf"(?:first thing )?(?P<word>today|tonight|this (?:morning|afternoon|evening)|eod|cob|(?:the )?(?:end|close) of (?:the |this )?(?:day|business|business day)(?! tomorrow)|noon|lunch ?time|lunch)(?! {_DAY})(?! on {_DAY})(?! tomorrow){_TAIL}{_CLOCK}",
          lambda f, d: d, exact=False),
    _rule(rf"(?:first thing |noon |midday |lunch ?time |(?:the )?(?:end|close) of (?:the )?(?:day|business) |eod |cob )?tomorrow{_TAIL}{_CLOCK}", lambda f, d: d + timedelta(days=1)),
    _rule(rf"(?:the day after tomorrow|overmorrow){_TAIL}", lambda f, d: d + timedelta(days=2)),
    _rule(_WEEKDAY_BODY, _weekday),
    _rule(rf"(?:(?:in|within)(?: the next)? )(?P<number>{_NUM}) (?P<unit>{_UNIT})(?: (?:time|from now))?", _ahead, exact=False),
    _rule(rf"(?:the next )(?P<number>{_NUM}) (?P<unit>{_UNIT})", _ahead, needs_lead=True, exact=False),
    _rule(rf"(?P<number>{_NUM}) (?P<unit>{_UNIT}) from (?P<start>now|today|tomorrow|{_DAY})", _ahead),
    _rule(r"(?:the )?(?:eow)", lambda f, d: d + timedelta(days=4 - d.weekday()) if d.weekday() <= 4 else None, exact=False),
    _rule(r"(?:the )?(?:end|close|last day) of (?P<which>(?:the |this )?next|the coming|the following|this|the|of the)? ?(?P<unit>week|month|quarter|year)s?", _end, exact=False),
    _rule(r"(?:(?P<eo>eom|eoq|eoy)|month end|year end|quarter end)", lambda f, d: _end_short(f, d), exact=False),
    _rule(rf"(?:the )?end of (?:(?P<month>{_MONTH})|(?:the )?(?P<quarter>{'|'.join(_QUARTERS)})(?: quarter)?)", _end_of_named, exact=False),
    _rule(r"(?:the )?(?P<quarter>q ?[1-4])", _end_of_named, needs_lead=True, exact=False),
    _rule(rf"the (?P<ord>{_ORD}){_NOUN_AFTER}{_CLOCK}", _day_of_month, needs_lead=True),
    _rule(rf"(?:(?P<named>{_DAY}) )?(?:the )?(?P<ord>{_ORD}|\d{{1,2}}) (?:of )?(?P<month>{_MONTH})(?: (?P<year>20\d\d))?", _day_and_month),
    _rule(rf"(?:(?P<named>{_DAY}) )?(?P<month>{_MONTH}) (?:the )?(?P<ord>{_ORD}|\d{{1,2}}|{_NUM})(?: (?P<year>20\d\d))?(?! percent| euros| dollars| people)", _day_and_month),
    _rule(rf"(?:(?P<named>{_DAY}) )the (?P<ord>{_ORD})", _day_of_month),
    _rule(rf"the (?P<nth>first|second|third|fourth|last) (?P<day>{_DAY}) (?:of|in) (?:(?P<which>next|this|the) month|(?P<month>{_MONTH}))", _nth_weekday),
    _Rule(re.compile(rf"(?<!\S)(?P<lead>by|until|before) the (?:{'|'.join(NUMBERS)}|(?:{'|'.join(TENS)}) \w+|\d{{1,2}})$"), lambda f, d: None, exact=False),
    _rule(rf"(?P<feast>{_FEAST})(?: day)?", _feast, needs_lead=True),
    _rule(r"(?P<y>20\d\d) (?P<m>[01]?\d) (?P<d>[0-3]?\d)", _iso),
    _rule(r"(?P<which>this|next) (?P<unit>week|weekend|month)", _range, exact=False),
    _rule(rf"(?P<month>{_MONTH})", lambda f, d: _end_of_named(f, d) if f["lead"] in ("in", "during", "within") else None, needs_lead=True, exact=False),
    _rule(r"(?:the |our |your )?(?:next|following|coming) (?:meeting|time|session|call|sprint|review|quarter|year|few (?:days|weeks)|couple of (?:days|weeks))", lambda f, d: None, needs_lead=True, exact=False),
    _rule(r"(?:as soon as possible|asap|sometime (?:this|next) (?:week|month|year)|in the (?:next few|coming) (?:days|weeks)|in a few (?:days|weeks)|soon|later this (?:week|month|year))", lambda f, d: None, exact=False),
)  # fmt: skip


def _end_short(found: re.Match[str], day: date) -> date | None:
    text = found[0]
    if "eom" in text or "month" in text:
        return _last_of_month(day.year, day.month)
    if "eoq" in text or "quarter" in text:
        return _last_of_month(day.year, (day.month + 2) // 3 * 3)
    return date(day.year, 12, 31)
