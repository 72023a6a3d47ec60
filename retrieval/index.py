"""Nearest vectors: FAISS, exact while that is fast, in cells when there are many; kept with a checksum."""

from __future__ import annotations

import os
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.embed import Vectors

EXACT_UP_TO = 200_000  # vectors; an exact search of as many takes some 20 ms
PROBED = 32  # cells looked into
_MAGIC = b"rapporteur index 1\n"


class DamagedIndexError(Exception):
    """The file is not the one that was written; the index is to be made again from its vectors."""


class Index:
    """Vectors by id; ids are positive and never come back where there was nothing to find."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._faiss: Any = _exact(dimensions)

    def __len__(self) -> int:
        return int(self._faiss.ntotal)

    def add(self, ids: NDArray[np.int64], vectors: Vectors) -> None:
        """Ids that are not in it yet, and their vectors (n, d); many turn an exact index into one in cells."""
        assert vectors.shape == (len(ids), self.dimensions)
        if len(self) <= EXACT_UP_TO < len(self) + len(ids):
            ids, vectors = self._with_present(ids, vectors)
            self._faiss = _in_cells(vectors)
        if len(ids):
            self._faiss.add_with_ids(np.ascontiguousarray(vectors, np.float32), ids)

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Forgets these; what is not in it is passed over."""
        if len(ids) and len(self):
            self._faiss.remove_ids(np.asarray(ids, np.int64))

    def search(self, vector: Vectors, most: int) -> list[tuple[int, float]]:
        """The ids nearest to one vector (d,) with their cosines, nearest first."""
        if not len(self) or most < 1 or not vector.any():
            return []
        scores, ids = self._faiss.search(np.ascontiguousarray(vector[None], np.float32), min(most, len(self)))
        return [(int(i), float(s)) for i, s in zip(ids[0], scores[0], strict=True) if i >= 0]

    def save(self, path: Path, label: str) -> None:
        """In one step; `label` says what it was made from, and `load` wants it again. Raises OSError."""
        import faiss

        content = label.encode() + b"\n" + faiss.serialize_index(self._faiss).tobytes()
        unfinished = path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            with unfinished.open("xb") as file:
                file.write(_MAGIC + sha256(content).hexdigest().encode() + b"\n" + content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path, label: str, dimensions: int) -> Index:
        """Raises DamagedIndexError for a missing, altered, foreign or outdated file, before FAISS reads it."""
        import faiss

        try:
            content = path.read_bytes()
        except OSError as error:
            raise DamagedIndexError(str(path)) from error
        magic, checksum, body = content[: len(_MAGIC)], *_cut(content[len(_MAGIC) :])
        made_from, data = _cut(body)
        if magic != _MAGIC or checksum != sha256(body).hexdigest().encode() or made_from != label.encode():
            raise DamagedIndexError(str(path))
        index = cls(dimensions)
        index._faiss = faiss.deserialize_index(np.frombuffer(data, np.uint8))
        if index._faiss.d != dimensions:
            raise DamagedIndexError(str(path))
        return index

    def _with_present(self, ids: NDArray[np.int64], vectors: Vectors) -> tuple[NDArray[np.int64], Vectors]:
        import faiss

        present = faiss.vector_to_array(self._faiss.id_map)
        kept = self._faiss.index.reconstruct_n(0, len(self))
        return np.concatenate([present, ids]), np.concatenate([kept, vectors])


def _cut(content: bytes) -> tuple[bytes, bytes]:
    first, _, rest = content.partition(b"\n")
    return first, rest


def _exact(dimensions: int) -> Any:
    import faiss

    return faiss.IndexIDMap2(faiss.IndexFlatIP(dimensions))


def _in_cells(vectors: Vectors) -> Any:
    """An untrained index cannot be searched, so it is trained on the vectors that it will hold."""
    import faiss

    cells = int(4 * np.sqrt(len(vectors)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(vectors.shape[1]), vectors.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
    sample = np.random.default_rng(0).choice(len(vectors), min(len(vectors), 40 * cells), replace=False)
    index.train(np.ascontiguousarray(vectors[np.sort(sample)], np.float32))
    index.nprobe = PROBED
    return index
