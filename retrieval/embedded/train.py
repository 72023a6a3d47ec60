"""Makes the embedded model: `python -m retrieval.embedded.train --ami FOLDER --out FOLDER`, from AMI train alone.

First each word's vector says which words it stands among (`start.py`). Then vectors and weights learn to bring what a
summary says near to the windows of speech that it rests on: a softmax over the windows of two meetings, held near the
start, so that words that no summary uses keep their sense. Some words are read by their letters meanwhile, as words
that are unknown always are.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from retrieval.embed import BUCKETS, MEANING, WORDS, letters
from retrieval.embedded.start import begin, vocabulary
from retrieval.words import stem, terms

EPOCHS, WINDOW_WORDS = 4, 80
RATE_VECTORS, RATE_WEIGHTS, RATE_SHARPNESS = 1e-2, 1e-2, 5e-2  # Adam
PULL_VECTORS, PULL_WEIGHTS = 10.0, 0.3  # how strongly both are held near where they started
FORGET, SPELL = 0.15, 0.1  # share of the words left out, and read by their letters, at random
KINDS = ("abstract", "actions", "decisions", "problems")
HELD_OUT = 7  # every seventh series of meetings, for choosing EPOCHS and the weight against BM25
Pieces = list[NDArray[np.int64]]


@dataclass(frozen=True)
class Lesson:
    """A meeting's windows of speech, and what a summary says with the windows that it rests on."""

    windows: tuple[str, ...]
    statements: tuple[tuple[str, frozenset[int]], ...]


class Speller:
    """Words as rows of the model's table: `known` ones have one of their own, all have those of their letters."""

    def __init__(self, known: Sequence[str]) -> None:
        self._ids = {word: i for i, word in enumerate(known)}
        self._known = len(known)
        self._spelled = [self._letters(word) for word in known]

    def read(self, text: str) -> NDArray[np.int64]:
        """Ids of the text's words; unknown ones get an id, too."""
        return np.array([self._id(stem(term)) for term in terms(text)], np.int64)

    def rows(self, texts: Pieces, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Rows, their shares in a word, and where each text begins; some words left out, some spelled."""
        words = np.concatenate(texts)
        owner = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
        kept = rng.random(len(words)) > FORGET
        words, owner = words[kept], owner[kept]
        spelled = (words >= self._known) | (rng.random(len(words)) < SPELL)
        parts = [self._spelled[word] for word in words[spelled].tolist()]
        lengths = np.array([len(part) for part in parts], np.int64)
        rows = np.concatenate([words[~spelled], *parts])
        shares = np.concatenate([np.ones((~spelled).sum()), np.repeat(1 / lengths, lengths)])
        owner = np.concatenate([owner[~spelled], np.repeat(owner[spelled], lengths)])
        order = np.argsort(owner, kind="stable")
        offsets = np.searchsorted(owner[order], np.arange(len(texts)))
        return torch.from_numpy(rows[order]), torch.from_numpy(shares[order]).float(), torch.from_numpy(offsets)

    def _id(self, word: str) -> int:
        if word not in self._ids:
            self._ids[word] = len(self._ids)
            self._spelled.append(self._letters(word))
        return self._ids[word]

    def _letters(self, word: str) -> NDArray[np.int64]:
        return np.array(letters(word, BUCKETS), np.int64) + self._known


class Model(torch.nn.Module):
    """Weighted mean of vectors, of length 1."""

    def __init__(self, vectors: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
        super().__init__()
        self.vectors = torch.nn.Parameter(torch.tensor(vectors))
        self.log_weights = torch.nn.Parameter(torch.tensor(np.log1p(weights)))
        self.sharpness = torch.nn.Parameter(torch.tensor(15.0))

    def forward(self, rows: torch.Tensor, shares: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        """(n, d)."""
        weights = self.weights()[rows] * shares
        return F.normalize(F.embedding_bag(rows, self.vectors, offsets, mode="sum", per_sample_weights=weights), dim=1)

    def weights(self) -> torch.Tensor:
        """(v,), none negative."""
        return torch.expm1(self.log_weights).clamp(min=0)


def lessons(folder: Path, *, held_out: bool = False, kinds: Sequence[str] = KINDS) -> list[Lesson]:
    """AMI's meetings that have a summary of these kinds."""
    found = [_lesson(m["utterances"], m.get("summary") or {}, kinds) for m in _meetings(folder, held_out=held_out)]
    return [lesson for lesson in found if lesson.statements]


def _meetings(folder: Path, *, held_out: bool) -> list[dict[str, Any]]:
    paths = sorted(folder.glob("*.json"))
    series = sorted({path.stem[:-1] for path in paths})  # ES2002a to ES2002d are one team's
    chosen = {name for i, name in enumerate(series) if (i % HELD_OUT == HELD_OUT // 2) == held_out}
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.stem[:-1] in chosen]


def _lesson(utterances: list[dict[str, Any]], summary: dict[str, Any], kinds: Sequence[str]) -> Lesson:
    windows: list[list[str]] = [[]]
    window_of = {}
    for utterance in utterances:
        if sum(len(text.split()) for text in windows[-1]) >= WINDOW_WORDS:
            windows.append([])
        windows[-1].append(utterance["text"])
        window_of[utterance["id"]] = len(windows) - 1
    statements = [
        (item["text"], frozenset(window_of[i] for i in item["evidence"] if i in window_of))
        for kind in kinds
        for item in summary.get(kind, ())
    ]
    return Lesson(tuple(" ".join(texts) for texts in windows), tuple((t, e) for t, e in statements if e))


def spoken_and_written(folder: Path) -> list[list[str]]:
    """The words of each meeting that is not held out, and of its summary, stemmed."""
    texts = []
    for meeting in _meetings(folder, held_out=False):
        said = " ".join(utterance["text"] for utterance in meeting["utterances"])
        written = [item["text"] for kind in KINDS for item in (meeting.get("summary") or {}).get(kind, ())]
        texts += [[stem(term) for term in terms(text)] for text in (said, *written)]
    return [text for text in texts if text]


def train(model: Model, speller: Speller, meetings: list[tuple[Pieces, Pieces, list[frozenset[int]]]]) -> None:
    """All epochs; two meetings a step, so that a window of the other one is never right."""
    first = model.vectors.detach().clone(), model.log_weights.detach().clone()
    rates = ((model.vectors, RATE_VECTORS), (model.log_weights, RATE_WEIGHTS), (model.sharpness, RATE_SHARPNESS))
    optimizer = torch.optim.Adam([{"params": [values], "lr": rate} for values, rate in rates])
    rng = np.random.default_rng(0)
    for epoch in range(EPOCHS):
        random.shuffle(meetings)
        for pair in zip(meetings[::2], meetings[1::2], strict=False):
            loss = _loss(model, speller, pair, first, rng)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {loss.item():.3f}", file=sys.stderr, flush=True)


def _loss(
    model: Model,
    speller: Speller,
    pair: Sequence[Any],
    first: tuple[torch.Tensor, torch.Tensor],
    rng: np.random.Generator,
) -> torch.Tensor:
    windows: Pieces = [window for meeting in pair for window in meeting[0]]
    statements: Pieces = [statement for meeting in pair for statement in meeting[1]]
    right = torch.zeros(len(statements), len(windows), dtype=torch.bool)
    row = shift = 0
    for meeting in pair:
        for evidence in meeting[2]:
            right[row, [shift + i for i in evidence]] = True
            row += 1
        shift += len(meeting[0])
    heard, asked = speller.rows(windows, rng), speller.rows(statements, rng)
    likely = (model(*asked) @ model(*heard).T * model.sharpness.clamp(5, 40)).log_softmax(1)
    used = torch.unique(torch.cat([heard[0], asked[0]]))
    moved = PULL_VECTORS * (model.vectors[used] - first[0][used]).square().mean()
    moved = moved + PULL_WEIGHTS * (model.log_weights[used] - first[1][used]).square().mean()
    loss: torch.Tensor = moved - ((likely * right).sum(1) / right.sum(1)).mean()
    return loss


def save(model: Model, words: Sequence[str], folder: Path) -> None:
    """Vectors as int8, each scaled to its largest value, the scale in the weight."""
    vectors = model.vectors.detach().numpy()
    scale = np.abs(vectors).max(1) / 127
    whole = np.rint(vectors / np.maximum(scale, 1e-12)[:, None]).astype(np.int8)
    weights = (model.weights().detach().numpy() * scale).astype(np.float32)
    np.savez_compressed(folder / MEANING, vectors=whole, weights=weights)
    (folder / WORDS).write_text("\n".join(words) + "\n", encoding="utf-8")


def main() -> None:
    """Train on all lessons but the held out ones, and write the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("ami", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    random.seed(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)  # the sums of several are not the same every time
    texts = spoken_and_written(given.ami)
    words = vocabulary(texts)
    speller, model = Speller(words), Model(*begin(texts, words))
    meetings = [
        ([speller.read(w) for w in m.windows], [speller.read(s) for s, _ in m.statements], [e for _, e in m.statements])
        for m in lessons(given.ami)
    ]
    train(model, speller, meetings)
    given.out.mkdir(parents=True, exist_ok=True)
    save(model, words, given.out)


if __name__ == "__main__":
    main()
