"""A question to hits: words and meaning, fused, and how sure it is that a hit answers."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from retrieval.answering import suits
from retrieval.documents import sentences
from retrieval.passage import Hit, Passage
from retrieval.shelf import Shelf
from retrieval.words import keywords, stem, terms

MEANING = 0.4  # weight of nearness in meaning against words; chosen on held-out meetings of AMI train
CANDIDATES = 100  # passages that either way of searching brings
MOST_TERMS = 60  # of a question that count, the rarest first
# A hit's score is the logistic of these and its features; fitted by `python -m bench.retrieval
# --fit` on meetings of AMI train that the embedded model did not learn from, half of the questions without an answer.
BIAS, BY_COSINE, BY_OVERLAP = -3.84, 6.36, 1.77
SURE = 0.25  # from this score on a hit is given as an answer; of questions without one, few come near
Fits = Callable[[Passage], bool]


@dataclass(frozen=True)
class Question:
    """What is looked for, with the weight of each of its words on this shelf."""

    text: str
    weights: dict[str, float]  # term to its rarity; the terms are stemmed


def search(shelf: Shelf, text: str, *, most: int = 10, kind: str = "", fits: Fits | None = None) -> list[Hit]:
    """The best hits, the surest first; only those of a kind ("document", "meeting") or that fit, where asked.

    A hit's score says how likely it answers; what is below SURE is better not shown as an answer.
    """
    question = _question(shelf, text)
    lexical = dict(shelf.with_db(lambda db: _by_words(db, question, kind)))
    vector = shelf.embedder([text])[0]
    semantic = dict(shelf.near(vector, CANDIDATES * (1 if not kind and not fits else 5)))
    found = shelf.passages(sorted(lexical.keys() | semantic.keys()))
    kept = {number: p for number, p in found.items() if _of_kind(p, kind) and (fits is None or fits(p))}
    return _ranked(shelf, question, kept, lexical)[:most]


def containing(shelf: Shelf, text: str, *, most: int = 50) -> list[Hit]:
    """Passages of documents that hold all words of the text, in any form and order; the best match first."""
    found = list(dict.fromkeys(map(stem, terms(text))))
    query = " ".join('"' + term.replace('"', '""') + '"' for term in found)
    if not query:
        return []

    def work(db: sqlite3.Connection) -> list[int]:
        of_documents = "select passage.id from passage join document on document = document.id where kind = 'document'"
        rows = f"select rowid from words where words match ? and rowid in ({of_documents}) order by rank limit ?"
        return [int(row[0]) for row in db.execute(rows, (query, most))]

    numbers = shelf.with_db(work)
    passages = shelf.passages(numbers)
    return [clearest(shelf, text, [Hit(passages[number], 1.0, "", 0)]) for number in numbers]


def shared(text: str, passage: Passage) -> int:
    """How many different words of the text stand in the passage."""
    return len(set(keywords(text)) & set(map(stem, terms(f"{passage.section} {passage.text}"))))


def within(shelf: Shelf, text: str, passages: Sequence[Passage]) -> list[Hit]:
    """These passages as hits, the best first, whether or not they share a word with the text."""
    return _ranked(shelf, _question(shelf, text), dict(enumerate(passages)), {})


def _question(shelf: Shelf, text: str) -> Question:
    found = list(dict.fromkeys(keywords(text)))

    def work(db: sqlite3.Connection) -> dict[str, float]:
        total = db.execute("select count(*) from passage").fetchone()[0]
        rows = db.execute(f"select term, doc from vocabulary where term in ({', '.join('?' * len(found))})", found)
        frequency = dict(rows.fetchall())
        return {t: math.log(1 + (total - frequency.get(t, 0) + 0.5) / (frequency.get(t, 0) + 0.5)) for t in found}

    weights = shelf.with_db(work)
    return Question(text, dict(sorted(weights.items(), key=lambda item: -item[1])[:MOST_TERMS]))


def _by_words(db: sqlite3.Connection, question: Question, kind: str) -> list[tuple[int, float]]:
    """BM25 as SQLite's FTS5 computes it, positive."""
    query = " OR ".join('"' + term.replace('"', '""') + '"' for term in question.weights)
    if not query:
        return []
    of_kind = "and rowid in (select passage.id from passage join document on document = document.id where kind = ?)"
    rows = db.execute(
        f"select rowid, -rank from words where words match ? {of_kind if kind else ''} order by rank limit ?",
        (query, *([kind] if kind else []), CANDIDATES),
    )
    return [(int(number), float(score)) for number, score in rows]


def _ranked(shelf: Shelf, question: Question, found: dict[int, Passage], lexical: dict[int, float]) -> list[Hit]:
    """Ordered by both; what only one way of searching found is measured by the other one here."""
    if not found:
        return []
    texts = [f"{p.section}\n{p.text}" for p in found.values()]
    vectors = shelf.embedder([question.text, *texts])
    cosines = dict(zip(found, (vectors[1:] @ vectors[0]).tolist(), strict=True))
    overlaps = {number: _overlap(question, text) for number, text in zip(found, texts, strict=True)}
    lexical = lexical or overlaps
    words, meaning = _standardized(lexical, found), _standardized(cosines, found)
    ranks = {n: (1 - MEANING) * words[n] + MEANING * meaning[n] for n in found}
    order = sorted(found, key=lambda n: (-ranks[n], n))
    return [_hit(shelf, question, found[n], cosines[n], overlaps[n]) for n in order[:50]]


def _hit(shelf: Shelf, question: Question, passage: Passage, cosine: float, overlap: float) -> Hit:
    score = 1 / (1 + math.exp(-(BIAS + BY_COSINE * cosine + BY_OVERLAP * overlap)))
    return Hit(passage, score, passage.text, 0, cosine, overlap)


def quoted(shelf: Shelf, text: str, hit: Hit) -> Hit:
    """The hit with the sentence of its passage that fits the text best as its quote."""
    return clearest(shelf, text, [hit])


BESIDE = 0.25  # what meaning counts beside the words; more favours scraps: "Launch 15 000 0" above what is said of it


def answering(shelf: Shelf, text: str, hits: Sequence[Hit]) -> list[Hit]:
    """The hits with the sentence of each that answers the question best, the one that answers best of all first."""
    form = suits(text)
    found = [_fitting(shelf, text, [hit], form) for hit in hits]
    return [hit for hit, _ in sorted(found, key=lambda pair: -pair[1])]


def clearest(shelf: Shelf, text: str, hits: Sequence[Hit]) -> Hit:
    """Of some hits the one that has the sentence that fits the text best, with it as its quote."""
    return _fitting(shelf, text, hits, lambda _: 0.0)[0]


def _fitting(shelf: Shelf, text: str, hits: Sequence[Hit], form: Callable[[str], float]) -> tuple[Hit, float]:
    """The hit with the sentence that fits best by words, meaning and form, and how well."""
    spans = [(hit, start, stop) for hit in hits for start, stop in sentences(hit.passage.text)]
    question = _question(shelf, text)
    parts = [hit.passage.text[start:stop] for hit, start, stop in spans]
    vectors = shelf.embedder([text, *parts])
    near = vectors[1:] @ vectors[0]
    fit = [_overlap(question, part) + BESIDE * float(c) + form(part) for part, c in zip(parts, near, strict=True)]
    best = int(np.argmax(fit))
    hit, start, stop = spans[best]
    return replace(hit, quote=hit.passage.text[start:stop], start=start), fit[best]


def _overlap(question: Question, text: str) -> float:
    there = set(map(stem, terms(text)))
    total = sum(question.weights.values())
    return sum(weight for term, weight in question.weights.items() if term in there) / total if total else 0.0


def _standardized(scores: dict[int, float], found: dict[int, Passage]) -> dict[int, float]:
    """Mean 0 and deviation 1 over the candidates; what has no score counts as 0."""
    values = np.array([scores.get(number, 0.0) for number in found])
    return dict(zip(found, ((values - values.mean()) / (values.std() + 1e-9)).tolist(), strict=True))


def _of_kind(passage: Passage, kind: str) -> bool:
    return not kind or (kind == "meeting") == bool(passage.lines)
