"""What somebody means who says "section three of the survey report": document, section or page, and the passage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath

from retrieval.passage import Hit, Passage
from retrieval.search import clearest, quoted, search, shared, within
from retrieval.shelf import Shelf
from retrieval.words import STOPWORDS, stem, terms

_PLACE = {"section": "section", "chapter": "section", "part": "section", "page": "page"}
UNNAMED = 0.78  # score from which words that name no document count as taken from one
NAMED = 0.15  # share of the words, by weight, that a named document's passage must hold when no place is named
WORDS = 3  # and that many of its words must stand there
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
    by_document: dict[str, list[Passage]] = {}
    for _, passage in shelf.all_passages("document"):
        by_document.setdefault(passage.document, []).append(passage)
    section, page = _number_after(text, "section"), _number_after(text, "page")
    documents = _named(text, by_document)
    if not documents and (section or page):
        documents = next(filter(None, (_named(said, by_document) for said in list(before)[: -MOST_BACK - 1 : -1])), [])
    if documents or section or page:
        chosen = [p for d in (documents or by_document) for p in by_document[d] if _at(p, section, page)]
        said = _without_names(text, documents)
        hits = [hit for hit in within(shelf, said, chosen)[:CLOSE] if section or page or hit.overlap >= NAMED]
        if hits:
            return Reference(clearest(shelf, said, hits), bool(documents), section, page)
        if documents or not by_document:
            return None
    hits = search(shelf, text, most=1, kind="document")
    if hits and hits[0].score >= UNNAMED and shared(text, hits[0].passage) >= WORDS:
        return Reference(quoted(shelf, text, hits[0]), False, None, None)
    return None


def _named(text: str, documents: dict[str, list[Passage]]) -> list[str]:
    """The documents whose name is said in one piece; the longest name wins: "test report" is not any report."""
    said = [stem(term) for term in terms(text)]
    names = {document: [stem(term) for term in terms(PurePath(document).stem)] for document in documents}
    heard = {d: len(name) for d, name in names.items() if name and _stands_in(name, said)}
    longest = max(heard.values(), default=0)
    return [document for document, length in heard.items() if length == longest]


def _stands_in(part: list[str], whole: list[str]) -> bool:
    return any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1))


def _number_after(text: str, kind: str) -> int | None:
    """The number in "section three", "page 12"; None where none is said."""
    said = terms(re.sub(r"\bone\b", "1", text, flags=re.IGNORECASE).replace("§", " section "))
    for word, number in pairwise(said):
        if _PLACE.get(word) == kind and number.isdigit() and len(number) < 5:
            return int(number)
    return None


def _at(passage: Passage, section: int | None, page: int | None) -> bool:
    return (section is None or passage.number == section) and (page is None or passage.page == page)


def _without_names(text: str, documents: Sequence[str]) -> str:
    """What is said of the document, without what names the place: that stands on every passage of it."""
    names = {stem(term) for document in documents for term in terms(PurePath(document).stem)} | {*_PLACE, "pag"}
    kept = [term for term in terms(text) if stem(term) not in names and term not in STOPWORDS]
    numbers = {str(n) for n in (_number_after(text, "section"), _number_after(text, "page")) if n}
    return " ".join(term for term in kept if term not in numbers) or text
