"""Vectors before any lesson, from which words stand together in AMI train: latent semantic analysis.

Positive pointwise mutual information of a word and its neighbours, of which the main axes are kept; the context's
frequency to the power of 0.75 and square roots of the singular values, after Levy, Goldberg & Dagan, Improving
distributional similarity with lessons learned from word embeddings, 2015.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from retrieval.embed import BUCKETS, letters

DIMENSIONS = 192
OFTEN = 3  # times that a word stands in the text before it gets a vector of its own
REACH = 30  # words on each side that are neighbours: what is talked about, more than how
SMOOTHING, COMMON = 0.75, 1e-3  # the latter: share of all words from which on a word weighs less than half
Texts = Sequence[Sequence[str]]


def vocabulary(texts: Texts) -> list[str]:
    """The words that stand there often enough, the most frequent first."""
    counts = Counter(word for text in texts for word in text)
    return sorted((w for w, n in counts.items() if n >= OFTEN), key=lambda w: (-counts[w], w))


def begin(texts: Texts, words: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vectors (v + buckets, d) and weights (v + buckets,) of words, then of parts of words."""
    known = {word: i for i, word in enumerate(words)}
    read = [np.array([known[w] for w in text if w in known], np.int64) for text in texts]
    counts = np.bincount(np.concatenate(read), minlength=len(words)).astype(np.float32)
    vectors = _main_axes(_mutual(_neighbours(read, len(words))))
    vectors -= counts @ vectors / counts.sum()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9
    weights = COMMON / (COMMON + counts / counts.sum())  # Arora, Liang & Ma, 2017
    parts = _parts(vectors, words)
    return np.concatenate([vectors, parts]), np.concatenate([weights, np.ones(BUCKETS)]).astype(np.float32)


def _neighbours(read: Sequence[NDArray[np.int64]], count: int) -> NDArray[np.float32]:
    """(v, v): how often two words stand within reach, the nearer the more."""
    table = np.zeros((count, count), np.float32)
    flat = table.reshape(-1)
    for text in read:
        for distance in range(1, min(REACH, len(text) - 1) + 1):
            pairs, times = np.unique(text[:-distance] * count + text[distance:], return_counts=True)
            flat[pairs] += times * (1 - (distance - 1) / REACH)
    table += table.T.copy()
    return table


def _mutual(table: NDArray[np.float32]) -> NDArray[np.float32]:
    context = table.sum(0) ** SMOOTHING
    expected = table.sum(1, keepdims=True) * (context / context.sum())
    table /= np.maximum(expected, 1e-9)
    positive: NDArray[np.float32] = np.log(np.maximum(table, 1.0))
    return positive


def _main_axes(table: NDArray[np.float32]) -> NDArray[np.float32]:
    u, s, _ = torch.svd_lowrank(torch.from_numpy(table), q=DIMENSIONS + 32, niter=4)
    kept: NDArray[np.float32] = (u * s.sqrt())[:, :DIMENSIONS].numpy()
    return kept


def _parts(vectors: NDArray[np.float32], words: Sequence[str]) -> NDArray[np.float32]:
    """(buckets, d): the mean of the words that have a part, so that a new word is near to those with its letters, and
    something by chance where no word has it, so that a new word is near to itself."""
    parts = np.random.default_rng(0).normal(size=(BUCKETS, vectors.shape[1])).astype(np.float32)
    parts /= np.linalg.norm(parts, axis=1, keepdims=True)
    for vector, word in zip(vectors, words, strict=True):
        rows = letters(word, BUCKETS)
        np.add.at(parts, rows, vector)
    normed: NDArray[np.float32] = parts / np.linalg.norm(parts, axis=1, keepdims=True)
    return normed
