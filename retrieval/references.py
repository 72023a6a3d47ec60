"""What somebody means who says "section three of the survey report": document, section or page, and the passage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePath

from retrieval.passage import Hit, Passage
from retrieval.search import clearest, quoted, search, shared, within
from retrieval.shelf import Shelf
from retrieval.words import STOPWORDS, keywords, stem, terms

_PLACE = {"section": "section", "chapter": "section", "part": "section", "page": "page"}
_MISHEARD = {"won": 1, "to": 2, "too": 2, "tree": 3, "for": 4, "fore": 4, "ate": 8}  # numbers, where "of the" follows
LIKE = 0.75  # likeness (difflib) from which a word next to others that fit is taken for one misheard: "action three"
UNNAMED = 0.78  # score from which words that name no document count as taken from one
NAMED = 0.15  # share of the words, by weight, that a named document's passage must hold when no place is named
WORDS = 3  # and that many of its words must stand there
MOSTLY = 0.6  # share of the words of a sentence that names no document, but follows on one that was named
CLOSE = 3  # passages of a named place whose sentences are compared
MOST_BACK = 3  # utterances after which a document that was named is no longer the one that is meant


@dataclass(frozen=True)
class Reference:
    """What a stretch of speech refers to."""

    hit: Hit  # its quote is the sentence that is meant
    named: bool  # the document was named, now or just before; else the words alone tell
    section: int | None  # as it was said
    page: int | None


def cited(text: str, shelf: Shelf, *, before: Sequence[str] = ()) -> Reference | None:
    """The passage that `text` refers to, or None; `before` is what was said just before, the latest last."""
    known = list(shelf.marks("document"))
    documents = _named(text, known)
    section, page = _number_after(text, "section"), _number_after(text, "page")
    if not section and not page:  # nothing of a place was understood, or not all of it
        section, page, documents = _misheard_place(text, documents, known)
    if not documents and (section or page):
        documents = next(filter(None, (_named(said, known) for said in list(before)[: -MOST_BACK - 1 : -1])), [])
    if documents or section or page:
        return _at_place(text, shelf, documents, section, page)
    hits = search(shelf, text, most=1, kind="document")
    if hits and hits[0].score >= UNNAMED and shared(text, hits[0].passage) >= WORDS:
        return Reference(quoted(shelf, text, hits[0]), False, None, None)
    return _goes_on(text, shelf, before, known)


def _goes_on(text: str, shelf: Shelf, before: Sequence[str], known: Sequence[str]) -> Reference | None:
    """The sentence of the document that was named just before, where most of what is said stands in it."""
    documents = next(filter(None, (_named(said, known) for said in list(before)[: -MOST_BACK - 1 : -1])), [])
    chosen = [p for document in documents for p in shelf.passages_of(document)]
    if not chosen:
        return None
    hit = clearest(shelf, text, within(shelf, text, chosen)[:CLOSE])
    both = set(map(stem, terms(hit.quote))) & set(keywords(text))
    enough = len(both) >= WORDS and len(both) >= MOSTLY * len(set(keywords(text)))
    return Reference(hit, True, None, None) if enough else None


def _at_place(
    text: str, shelf: Shelf, documents: Sequence[str], section: int | None, page: int | None
) -> Reference | None:
    """The passage of these documents, or of any where none is named, that lies there and says what is said."""
    said = _without_names(text, documents)
    if documents:
        chosen = [p for document in documents for p in shelf.passages_of(document) if _at(p, section, page)]
        hits = within(shelf, said, chosen)
    else:
        hits = search(shelf, said, kind="document", fits=lambda p: _at(p, section, page) and shared(said, p) > 0)
    hits = [hit for hit in hits[:CLOSE] if section or page or hit.overlap >= NAMED]
    return Reference(clearest(shelf, said, hits), bool(documents), section, page) if hits else None


def _named(text: str, documents: Sequence[str]) -> list[str]:
    """The documents whose name is said in one piece; the longest name wins: "test report" is not any report."""
    said = [stem(term) for term in terms(text)]
    heard = {d: len(_name(d)) for d in documents if _name(d) and _stands_in(_name(d), said)}
    if not heard:  # one word of several may be misheard: "the survey rapport"
        heard = {d: len(_name(d)) for d in documents if len(_name(d)) > 1 and _nearly_in(_name(d), said)}
    longest = max(heard.values(), default=0)
    return [document for document, length in heard.items() if length == longest]


@lru_cache(maxsize=10_000)
def _name(document: str) -> list[str]:
    return [stem(term) for term in terms(PurePath(document).stem)]


def _stands_in(part: list[str], whole: list[str]) -> bool:
    return any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1))


def _nearly_in(part: list[str], whole: list[str]) -> bool:
    windows = (whole[i : i + len(part)] for i in range(len(whole) - len(part) + 1))
    return any(
        sum(a != b for a, b in zip(part, window, strict=True)) == 1
        and all(_like(a, b) for a, b in zip(window, part, strict=True))
        for window in windows
    )


def _number_after(text: str, kind: str) -> int | None:
    """The number in "section three", "page 12"; None where none is said."""
    said = terms(re.sub(r"\bone\b", "1", text, flags=re.IGNORECASE).replace("§", " section "))
    for word, number in pairwise(said):
        if _PLACE.get(word) == kind and number.isdigit() and len(number) < 5:
            return int(number)
    return None


def _misheard_place(text: str, documents: list[str], known: Sequence[str]) -> tuple[int | None, int | None, list[str]]:
    """Section, page and documents of "action for of the test and": the form tells that a place of a document is meant.

    A word before a number counts as "section" or "page" where it is nearly that word and a document follows whose name
    has at least one of the words said; where several have, none is meant.
    """
    said = terms(text)
    for i, (word, number, of) in enumerate(zip(said, said[1:], said[2:], strict=False)):
        value = int(number) if number.isdigit() and len(number) < 5 else _MISHEARD.get(number, 0)
        kind = next((kind for place, kind in _PLACE.items() if _like(word, place)), "")
        if not value or not kind or of != "of" or said[i + 3 : i + 4] not in (["the"], ["our"], ["your"], ["that"]):
            continue
        after = [stem(term) for term in said[i + 3 : i + 7] if term not in STOPWORDS]
        meant = documents or [d for d in known if set(_name(d)) & set(after)]
        if len(meant) == 1:
            return (value, None, meant) if kind == "section" else (None, value, meant)
    return None, None, documents


def _like(word: str, other: str) -> bool:
    return word == other or (len(word) > 3 and SequenceMatcher(None, word, other).ratio() >= LIKE)


def _at(passage: Passage, section: int | None, page: int | None) -> bool:
    return (section is None or passage.number == section) and (page is None or passage.page == page)


def _without_names(text: str, documents: Sequence[str]) -> str:
    """What is said of the document, without what names the place: that stands on every passage of it."""
    names = {stem(term) for document in documents for term in terms(PurePath(document).stem)} | {*_PLACE, "pag"}
    kept = [term for term in terms(text) if stem(term) not in names and term not in STOPWORDS]
    numbers = {str(n) for n in (_number_after(text, "section"), _number_after(text, "page")) if n}
    return " ".join(term for term in kept if term not in numbers) or text
