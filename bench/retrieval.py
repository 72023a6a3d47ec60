"""How well the shelf finds what is meant, against BM25 alone, and how fast: `python -m bench.retrieval`."""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from bench.report import circumstances, progress, table
from retrieval import search as searching
from retrieval.embed import Embedder, load
from retrieval.embedded.train import Lesson, lessons
from retrieval.passage import Passage
from retrieval.references import cited
from retrieval.search import search
from retrieval.shelf import Shelf

ROOT = Path(__file__).parents[1]
FIRST = 5
KINDS = ("actions", "decisions", "problems")
# What the sample's documents answer, and what nothing of the sample answers.
QUESTIONS = (
    ("How many people took part in the survey?", "survey-report.md", 1),
    ("What do the users say about the battery life?", "survey-report.md", 2),
    ("Do customers own a cable for charging?", "survey-report.md", 2),
    ("Which complaint was named most often?", "survey-report.md", 3),
    ("Would people talk to their television?", "survey-report.md", 4),
    ("How much money did the board give?", "budget.pdf", 1),
    ("What may we spend on posters and the press?", "budget.pdf", 2),
    ("What does the circuit board cost?", "budget.pdf", 3),
    ("How much more does rubber cost than plastic?", "budget.pdf", 4),
    ("How long does the safety test take?", "test-plan.docx", 5),
    ("From which height do we drop the remote controls?", "test-plan.docx", 4),
    ("How many days of normal use must a charge last?", "test-plan.docx", 3),
)
UNANSWERABLE = (
    "Who won the football match on Saturday?",
    "What is the capital of Australia?",
    "How do I cook a risotto for six guests?",
    "When does the ferry to the island leave?",
    "Which vaccine is given to small children first?",
    "Why did the Roman empire fall?",
    "How deep is the lake behind the monastery?",
    "What interest does the savings account pay?",
    "Is the violinist playing Brahms tonight?",
    "Where can I renew my passport?",
    "Which trains go to Lisbon at night?",
    "Does the museum of modern art open on Mondays?",
)
Ranking = Callable[[Shelf, str], list[int]]


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ami", type=Path, default=ROOT.parent / "shared/data/ami")
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--fit", action="store_true", help="print the numbers of the score, from AMI train, instead")
    given = parser.parse_args()
    embedder = load(given.model)
    if given.fit:
        print(fitted(given.ami / "train", embedder))
        return
    if given.ami.is_dir():
        print(ami_report(given.ami / "dev", embedder), "\n")
    else:
        progress(f"{given.ami} is not there: AMI is left out")
    print(sample_report(embedder), "\n")
    print(speed_report(given.ami / "train", given.passages, embedder), "\n")
    print(circumstances())


def ami_report(folder: Path, embedder: Embedder) -> str:
    """Recall@5 and MRR of decisions, actions and problems against the windows of speech that they rest on."""
    meetings = [m for held_out in (False, True) for m in lessons(folder, held_out=held_out, kinds=KINDS)]
    pools = {"its meeting": [[m] for m in meetings], "all meetings": [meetings]}
    rows = []
    for name, ranking in SYSTEMS.items():
        row = [name]
        for pool in pools.values():
            scores = [score for group in pool for score in _scores(group, embedder, ranking)]
            row += [f"{statistics.mean(values):.3f}" for values in zip(*scores, strict=True)]
        rows.append(row)
    count = sum(len(m.statements) for m in meetings)
    head = [f"{count} statements of AMI dev", *(f"{m}, in {p}" for p in pools for m in ("recall@5", "MRR"))]
    return table(head, rows)


def _scores(group: Sequence[Lesson], embedder: Embedder, ranking: Ranking) -> Iterator[tuple[float, float]]:
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder), embedder)
        first = [_shelve(shelf, f"m{i}", meeting.windows) for i, meeting in enumerate(group)]
        for start, meeting in zip(first, group, strict=True):
            for text, evidence in meeting.statements:
                right = {start + i for i in evidence}
                ranked = ranking(shelf, text)
                found = [i for i, number in enumerate(ranked, 1) if number in right]
                top = len([i for i in found if i <= FIRST])
                yield top / min(FIRST, len(right)), 1 / found[0] if found else 0.0


def _shelve(shelf: Shelf, name: str, texts: Sequence[str]) -> int:
    """Returns the number of the first passage."""
    before = shelf.with_db(lambda db: db.execute("select coalesce(max(id), 0) from passage").fetchone()[0])
    shelf.put(
        name,
        [Passage(name, "", text, 0, len(text), lines=("u1",), at_s=0.0) for text in texts],
        kind="meeting",
        mark="",
    )
    return int(before) + 1


def _bm25_plain(shelf: Shelf, text: str) -> list[int]:
    """SQLite's FTS5 over the words as they are, any of them."""

    def work(db: sqlite3.Connection) -> list[int]:
        db.execute("create virtual table temp.plain using fts5 (text, tokenize='unicode61')")
        db.execute("insert into temp.plain (rowid, text) select id, text from passage")
        words = " OR ".join(f'"{word}"' for word in "".join(c if c.isalnum() else " " for c in text).split())
        rows = db.execute(
            "select rowid from temp.plain where plain match ? order by rank limit 100", (words,)
        ).fetchall()
        return [row[0] for row in rows]

    return shelf.with_db(work)


def _bm25_ours(shelf: Shelf, text: str) -> list[int]:
    question = searching._question(shelf, text)
    return [number for number, _ in shelf.with_db(lambda db: searching._by_words(db, question, ""))]


def _meaning(shelf: Shelf, text: str) -> list[int]:
    return [number for number, _ in shelf.near(shelf.embedder([text])[0], searching.CANDIDATES)]


def _fused(shelf: Shelf, text: str) -> list[int]:
    place = {(p.document, p.text): number for number, p in shelf.all_passages("meeting")}
    return [place[hit.passage.document, hit.passage.text] for hit in search(shelf, text, most=50)]


SYSTEMS: dict[str, Ranking] = {
    "BM25 alone": _bm25_plain,
    "BM25 of our terms": _bm25_ours,
    "meaning alone": _meaning,
    "**both, as the shelf searches**": _fused,
}


def sample_report(embedder: Embedder) -> str:
    """The sample's references and questions against its documents."""
    meeting = json.loads((ROOT / "samples/meeting.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder), embedder)
        shelf.sync([ROOT / "samples/docs"])
        said = [(u["id"], u["text"]) for u in meeting["utterances"]]
        found = {id: cited(text, shelf, before=[t for _, t in said[:i]]) for i, (id, text) in enumerate(said)}
        wanted = {r["utterance"]: r for r in meeting["references"]}
        right = sum(
            (f := found[id]) is not None
            and f.hit.passage.name == r["document"]
            and r["quote"] in f.hit.quote
            and r.get("section", f.hit.passage.number) == f.hit.passage.number
            and r.get("page", f.hit.passage.page) == f.hit.passage.page
            for id, r in wanted.items()
        )
        more = [id for id, f in found.items() if f and id not in wanted]
        first = [search(shelf, question, most=5) for question, _, _ in QUESTIONS]
        places = [[(h.passage.name, h.passage.number) for h in hits] for hits in first]
        top = sum(p[:1] == [(d, n)] for p, (_, d, n) in zip(places, QUESTIONS, strict=True))
        answered = sum(hits[0].score >= searching.SURE for hits in first if hits)
        silent = sum(not h or h[0].score < searching.SURE for h in (search(shelf, q, most=1) for q in UNANSWERABLE))
    rows = [
        ["references found with document, section or page, and quote", f"{right} of {len(wanted)}"],
        [
            f"other sentences taken for references ({', '.join(more) or 'none'})",
            f"{len(more)} of {len(said) - len(wanted)}",
        ],
        ["questions whose first hit is the right section", f"{top} of {len(QUESTIONS)}"],
        ["of these questions, surely answered", f"{answered} of {len(QUESTIONS)}"],
        ["questions without an answer: nothing found", f"{silent} of {len(UNANSWERABLE)}"],
    ]
    return table(["the sample and its documents", "count"], rows)


def speed_report(folder: Path, count: int, embedder: Embedder) -> str:
    """Time of a question on many passages: sentences of AMI train put together anew by chance."""
    rng = np.random.default_rng(0)
    known = lessons(folder) if folder.is_dir() else []
    words = np.array([word for m in known for w in m.windows for word in w.split()] or QUESTIONS[0][0].split())
    starts = rng.integers(0, max(1, len(words) - 12), (count, 8))
    with tempfile.TemporaryDirectory() as home:
        shelf = Shelf(Path(home), embedder)
        began = time.perf_counter()
        texts = (". ".join(" ".join(words[s : s + 12]) for s in row) for row in starts)
        passages = [Passage("d", "", text, 0, len(text)) for text in texts]
        for start in range(0, count, 2_000):
            shelf.put(f"d{start}", passages[start : start + 2_000], kind="document", mark="")
        shelved_s = time.perf_counter() - began
        began = time.perf_counter()
        search(shelf, "the battery")
        first_s = time.perf_counter() - began
        questions = [q for q, _, _ in QUESTIONS] + list(UNANSWERABLE)
        times = []
        for question in questions * 3:
            began = time.perf_counter()
            search(shelf, question)
            times.append(1_000 * (time.perf_counter() - began))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = [
        ["shelving", f"{shelved_s:.0f} s"],
        ["first question, index made or loaded", f"{first_s:.2f} s"],
        ["a question, median", f"{statistics.median(times):.0f} ms"],
        ["a question, 95th percentile", f"{np.percentile(times, 95):.0f} ms"],
        ["peak memory of the whole process, with torch and the test's own texts", f"{peak:.0f} MB"],
    ]
    return table([f"{count:,} passages", "measured"], rows)


def fitted(folder: Path, embedder: Embedder) -> str:
    """Bias and factors of a hit's score: a logistic of whether the first hit is right, other meetings' questions as
    ones without an answer."""
    meetings = lessons(folder, held_out=True)
    features, labels = [], []
    for i, meeting in enumerate(meetings):
        with tempfile.TemporaryDirectory() as home:
            shelf = Shelf(Path(home), embedder)
            start = _shelve(shelf, "m", meeting.windows)
            place = {p.text: number - start for number, p in shelf.all_passages("meeting")}
            foreign = meetings[(i + len(meetings) // 2) % len(meetings)].statements
            for text, evidence in [*meeting.statements, *((t, frozenset()) for t, _ in foreign)]:
                for hit in search(shelf, text, most=1):
                    features.append([1.0, hit.cosine, hit.overlap])
                    labels.append(place[hit.passage.text] in evidence)
    x, y = np.array(features), np.array(labels, float)
    w = np.zeros(3)
    for _ in range(50):  # Newton
        p = 1 / (1 + np.exp(-x @ w))
        w += np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(3), x.T @ (y - p))
    return f"{len(y)} hits, {y.mean():.2f} right: BIAS, BY_COSINE, BY_OVERLAP = " + ", ".join(f"{v:.2f}" for v in w)


if __name__ == "__main__":
    main()
