"""What the encoder's inner states say of a voice beside its embedding, and how a voice holds both.

The embedding is what the network was trained to keep; an inner layer still knows what it throws away. Its states, their
mean over time, are projected where voices of one place differ most against the windows of one voice: linear
discriminants (Fisher 1936), learnt from synthetic voices in shared places by `python -m bench.traits`. A voice is the
embedding and its traits side by side, each of unit length times the root of its share: one cosine weighs both.

Letters: n windows, s states (256), t traits (64), r of them that outlast a change of the place (24).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TRAITS = Path(__file__).with_name("traits.npz")
SHARE = 0.85  # of the embedding in a cosine: with less, real voices are told apart less well
WIDTH = 256  # of the embedding, and of the states
Matrix = NDArray[Any]


def joined(embeddings: Matrix, states: Matrix) -> NDArray[np.float32]:
    """Unit vectors (n, 256) and states (n, s) to voices (n, 256 + t) of unit length."""
    mean, directions = _learnt()
    found = np.hstack([np.sqrt(SHARE) * embeddings, np.sqrt(1 - SHARE) * unit((states - mean) @ directions)])
    return found.astype(np.float32)


def embedding(voice: Matrix) -> Matrix:
    """The embedding (..., 256) of a voice, of unit length: all there is of one kept before there were traits."""
    return unit(voice[..., :WIDTH])


def traits_of(voice: Matrix) -> Matrix:
    """The traits (..., t) of a voice that has them."""
    found: Matrix = voice[..., WIDTH:] / np.sqrt(1 - SHARE)
    return found


def unit(vectors: Matrix) -> Matrix:
    """Of unit length along the last axis; zero stays zero."""
    found: Matrix = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return found


@cache
def _learnt() -> tuple[Matrix, Matrix]:
    """Mean (s,) and directions (s, t)."""
    with np.load(TRAITS) as file:
        return file["mean"].astype(float), file["directions"].astype(float)
