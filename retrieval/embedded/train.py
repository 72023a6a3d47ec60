"""Makes the embedded model: `python -m retrieval.embedded.train --model FOLDER --ami FOLDER --out FOLDER`.

First each word piece's vector is what a sentence encoder says of it alone, on its main axes, and its weight grows with
its rank in the vocabulary, which is sorted by frequency; this is how Tulkens & van Dongen, Model2Vec (2024), distil.
Then vectors and weights learn to bring what a summary of AMI train says near to the windows of speech that it rests
on: a softmax over the windows of two meetings, held near the start, so that words AMI does not know keep their sense.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from retrieval.embed import word_pieces
from retrieval.embedded.encoder import Encoder

TEACHER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # all-MiniLM-L6-v2
DIMENSIONS, EPOCHS, WINDOW_WORDS = 192, 8, 80
RATE_VECTORS, RATE_WEIGHTS, RATE_SHARPNESS = 2e-2, 1e-2, 5e-2  # Adam
PULL_VECTORS, PULL_WEIGHTS = 1.0, 0.3  # how strongly both are held near where they started
FORGET = 0.15  # share of the pieces left out at random
KINDS = ("abstract", "actions", "decisions", "problems")
HELD_OUT = 7  # every seventh meeting, for choosing the numbers above
Pieces = list[list[int]]


@dataclass(frozen=True)
class Lesson:
    """A meeting's windows of speech, and what a summary says with the windows that it rests on."""

    windows: tuple[str, ...]
    statements: tuple[tuple[str, frozenset[int]], ...]


class Model(torch.nn.Module):
    """Weighted mean of vectors, of length 1."""

    def __init__(self, vectors: np.ndarray[Any, Any], weights: np.ndarray[Any, Any]) -> None:
        super().__init__()
        self.vectors = torch.nn.Parameter(torch.tensor(vectors, dtype=torch.float32))
        self.log_weights = torch.nn.Parameter(torch.tensor(np.log1p(weights), dtype=torch.float32))
        self.sharpness = torch.nn.Parameter(torch.tensor(15.0))

    def forward(self, texts: Pieces) -> torch.Tensor:
        """(n, d)."""
        flat = torch.tensor([piece for text in texts for piece in text])
        offsets = torch.tensor(np.cumsum([0, *(len(text) for text in texts[:-1])]))
        summed = F.embedding_bag(flat, self.vectors, offsets, mode="sum", per_sample_weights=self.weights()[flat])
        return F.normalize(summed, dim=1)

    def weights(self) -> torch.Tensor:
        """(v,), none negative."""
        return torch.expm1(self.log_weights).clamp(min=0)


def lessons(folder: Path, *, held_out: bool = False, kinds: Sequence[str] = KINDS) -> list[Lesson]:
    """AMI's meetings that have a summary of these kinds."""
    found = []
    for path in sorted(folder.glob("*.json")):
        meeting = json.loads(path.read_text(encoding="utf-8"))
        lesson = _lesson(meeting["utterances"], meeting.get("summary") or {}, kinds)
        found += [lesson] if lesson.statements else []
    return [lesson for i, lesson in enumerate(found) if (i % HELD_OUT == 0) == held_out]


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


def distilled(folder: Path, vocabulary: Sequence[str]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Vectors (v, d) and weights (v,) before any lesson."""
    if sha256((folder / "model.safetensors").read_bytes()).hexdigest() != TEACHER_SHA256:
        sys.exit(f"{folder} does not hold all-MiniLM-L6-v2 as its authors published it")
    start, end = vocabulary.index("[CLS]"), vocabulary.index("[SEP]")
    views = Encoder(folder)([[start, i, end] for i in range(len(vocabulary))])
    views -= views.mean(0)
    axes = np.linalg.svd(views[::3], full_matrices=False)[2][:DIMENSIONS]
    vectors = views @ axes.T
    special = [piece.startswith("[") and piece.endswith("]") and len(piece) > 3 for piece in vocabulary]
    weights = np.where(special, 0, np.log1p(np.arange(len(vocabulary))))
    return vectors / np.abs(vectors).mean(), weights


def train(model: Model, meetings: list[tuple[Pieces, Pieces, list[frozenset[int]]]]) -> None:
    """All epochs; two meetings a step, so that a window of the other one is never right."""
    first = model.vectors.detach().clone(), model.log_weights.detach().clone()
    rates = ((model.vectors, RATE_VECTORS), (model.log_weights, RATE_WEIGHTS), (model.sharpness, RATE_SHARPNESS))
    optimizer = torch.optim.Adam([{"params": [values], "lr": rate} for values, rate in rates])
    for epoch in range(EPOCHS):
        random.shuffle(meetings)
        for pair in zip(meetings[::2], meetings[1::2], strict=False):
            loss = _loss(model, pair, first)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {loss.item():.3f}", file=sys.stderr, flush=True)


def _loss(model: Model, pair: Sequence[Any], first: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    windows: Pieces = [window for meeting in pair for window in meeting[0]]
    statements: Pieces = [statement for meeting in pair for statement in meeting[1]]
    right = torch.zeros(len(statements), len(windows), dtype=torch.bool)
    row = shift = 0
    for meeting in pair:
        for evidence in meeting[2]:
            right[row, [shift + i for i in evidence]] = True
            row += 1
        shift += len(meeting[0])
    seen = model([_thinned(text) for text in windows])
    asked = model([_thinned(text) for text in statements])
    likely = (asked @ seen.T * model.sharpness.clamp(5, 40)).log_softmax(1)
    used = torch.unique(torch.tensor([piece for text in windows + statements for piece in text]))
    moved = PULL_VECTORS * (model.vectors[used] - first[0][used]).square().mean()
    moved = moved + PULL_WEIGHTS * (model.log_weights[used] - first[1][used]).square().mean()
    loss: torch.Tensor = moved - ((likely * right).sum(1) / right.sum(1)).mean()
    return loss


def _thinned(text: list[int]) -> list[int]:
    return [piece for piece in text if random.random() > FORGET] or text


def save(model: Model, folder: Path) -> None:
    """Vectors as int8, each scaled to its largest value, the scale in the weight."""
    vectors = model.vectors.detach().numpy()
    scale = np.abs(vectors).max(1) / 127
    whole = np.rint(vectors / np.maximum(scale, 1e-12)[:, None]).astype(np.int8)
    weights = (model.weights().detach().numpy() * scale).astype(np.float32)
    np.savez_compressed(folder / "vectors.npz", vectors=whole, weights=weights)


def main() -> None:
    """Train on all lessons but the held out ones, and write the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "ami", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    random.seed(0)
    torch.manual_seed(0)
    given.out.mkdir(parents=True, exist_ok=True)
    vocabulary = (given.model / "vocab.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    (given.out / "vocabulary.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    tokenizer = word_pieces(given.out / "vocabulary.txt")

    def pieces(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids) or [1]

    model = Model(*distilled(given.model, vocabulary))
    train(
        model,
        [
            ([pieces(w) for w in m.windows], [pieces(s) for s, _ in m.statements], [e for _, e in m.statements])
            for m in lessons(given.ami)
        ],
    )
    save(model, given.out)


if __name__ == "__main__":
    main()
