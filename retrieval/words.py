"""Text as the terms by which it is found: folded, stemmed, numbers as digits, so that speech and print agree."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

# Function words and what fills speech; a question made only of them is searched with them.
STOPWORDS = frozenset(
    """a about after all also am an and any are as at be because been being but by can could did do does doing done for
    from get go got had has have having he her here him his how i if in into is it its just like me more most my no not
    of on one or our out over own said say says she should so some such than that the their them then there these they
    this those to too up us very was we well were what when where which while who whom why will with would you your
    yours am isn aren don didn doesn hasn haven wasn weren won ll re ve um uh oh okay ok yeah yes mm hmm mhm right
    really actually basically kind sort thing things lot bit quite let know think mean going gonna
    want wanted""".split()
)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\W_]+")
_GROUPED = re.compile(r"(?<![\d.,])(\d{1,3})(?:[ \u00a0\u202f,](\d{3}))+(?![\d])")  # 15 000, 15,000
_WIDE = re.compile(  # scripts written without spaces between words: Han, kana, Thai, Lao, Myanmar, Khmer
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
_UNITS += "seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINALS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth".split()
)
_ORDINALS += "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth".split()
_TENTHS = "twentieth thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth".split()
NUMBERS: dict[str, int] = {
    **{word: value for value, word in enumerate(_UNITS)},
    **{word: 20 + 10 * i for i, word in enumerate(_TENS)},
}
ORDINALS: dict[str, int] = {
    **{word: value for value, word in enumerate(_ORDINALS)},
    **{word: 20 + 10 * i for i, word in enumerate(_TENTHS)},
}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}


def terms(text: str) -> list[str]:
    """All terms of the text in order, stop words among them."""
    return [term for word in _spelled_numbers(_words(text)) for term in _split_wide(word)]


def keywords(text: str) -> list[str]:
    """The terms that say what the text is about; all of them where nothing else would be left."""
    found = [(stem(word), word) for word in terms(text)]
    return [term for term, word in found if word not in STOPWORDS and len(term) < 64] or [term for term, _ in found]


def index_text(text: str) -> str:
    """What the lexical index is given for a passage: its terms, stemmed, separated by spaces."""
    return " ".join(map(stem, terms(text)))


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """A light English stemmer: plurals, -ing, -ed, -er, -ly, -ment and final e; other scripts stay as they are.

    It need not give words, only the same term for the forms of one; after M. Porter, An algorithm for suffix
    stripping, 1980, with the steps that change meaning left out.
    """
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return word
    for ending, other in (("sses", "ss"), ("ies", "y"), ("ss", "ss"), ("us", "us"), ("is", "is"), ("s", "")):
        if word.endswith(ending):
            word = word.removesuffix(ending) + other
            break
    for ending in ("ingly", "edly", "ing", "ed", "ment", "ly", "er"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= (3 if ending in ("ing", "ed") else 4) and re.search("[aeiouy]", rest):
            word = rest
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    word = word.removesuffix("e") if len(word) > 3 else word
    return f"{word[:-1]}i" if len(word) > 2 and word.endswith("y") else word


def fold(text: str) -> str:
    """Lower case without accents, compatibility forms as the plain ones."""
    text = text.encode("utf-8", "replace").decode()  # half characters have no term
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c)) if not text.isascii() else decomposed


def _words(text: str) -> list[str]:
    joined = _GROUPED.sub(lambda found: re.sub(r"\D", "", found[0]), fold(text))
    return [word.replace("’", "'").removesuffix("'s").replace("'", "") for word in _WORD.findall(joined)]


def _split_wide(word: str) -> Iterator[str]:
    """Runs of a script without spaces as overlapping pairs of characters, all else whole."""
    at = 0
    for run in _WIDE.finditer(word):
        if run.start() > at:
            yield word[at : run.start()]
        characters = run[0]
        yield from (characters[i : i + 2] for i in range(max(1, len(characters) - 1)))
        at = run.end()
    if at < len(word):
        yield word[at:]


def _spelled_numbers(words: Iterable[str]) -> Iterator[str]:
    """ "fifteen thousand" as 15000, "twenty first" as 21, "fifteenth" and "15th" as 15."""
    total, part, pending = 0, 0, ""
    for word in [*words, ""]:
        if word in NUMBERS and _continues(part, NUMBERS[word], pending):
            part, pending = part + NUMBERS[word], word
        elif word in _SCALES and pending:
            total, part = (total, part * 100) if word == "hundred" else (total + part * _SCALES[word], 0)
            pending = word
        elif word == "and" and pending in _SCALES:
            continue
        elif word in ORDINALS and _continues(part, ORDINALS[word], pending):
            yield str(total + part + ORDINALS[word])
            total, part, pending = 0, 0, ""
        else:
            if pending:
                yield "one" if pending == "one" and word not in NUMBERS else str(total + part)  # alone mostly a pronoun
            total, part, pending = 0, 0, ""
            if word in NUMBERS:
                part, pending = NUMBERS[word], word
            elif word:
                yield _digits(ORDINALS.get(word, word))


def _continues(part: int, value: int, pending: str) -> bool:
    """Whether `value` may follow: "twenty" "one" and "hundred" "forty", but "two" "three" are two numbers."""
    if not pending or pending in _SCALES:
        return pending != "" or part == 0
    return part % 100 >= 20 and part % 10 == 0 and 0 < value < 10


def _digits(word: str | int) -> str:
    found = re.fullmatch(r"(\d+)(?:st|nd|rd|th)", str(word))
    return found[1] if found else str(word)
