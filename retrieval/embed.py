"""Texts as unit vectors, behind one seam: the embedded model, or one of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from retrieval.passage import ShelfError
from retrieval.words import stem, terms

Vectors = NDArray[np.float32]  # (n, d), each of length 1, or 0 where the model knows nothing of a text
EMBEDDED = Path(str(files("retrieval").joinpath("embedded")))
MEANING, WORDS = "meaning.npz", "words.txt"  # in a folder of the embedded model
BUCKETS, LETTERS = 8192, range(3, 6)  # into which the parts of an unknown word fall, and their lengths
REMEMBERED = 50_000  # words whose rows are not looked up again
LONGEST = 2_000  # characters of a text that count; a passage has 600


class Embedder(Protocol):
    """What turns texts into vectors; vectors of one name can be compared with each other and with no others."""

    name: str

    @property
    def dimensions(self) -> int:
        """d of its vectors."""

    def __call__(self, texts: Sequence[str]) -> Vectors: ...


class Embedded:
    """The mean of its words' vectors, each with a weight: no network, no download; embedded/MODEL_CARD.md says more."""

    name = "embedded-2"

    def __init__(self, folder: Path = EMBEDDED) -> None:
        self._folder = folder

    @property
    def dimensions(self) -> int:
        """d of its vectors."""
        return int(self._table.shape[1])

    def __call__(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for i, text in enumerate(texts):
            read = [self._rows(stem(term)) for term in terms(text[:LONGEST])]
            if read:
                rows = np.concatenate(read)
                shares = np.repeat([1 / len(some) for some in read], [len(some) for some in read])
                vectors[i] = self._table[rows].astype(np.float32).T @ (self._weights[rows] * shares.astype(np.float32))
        return _unit(vectors)

    def _rows(self, word: str) -> NDArray[np.int64]:
        if word not in self._read:
            if len(self._read) >= REMEMBERED:
                self._read.clear()
            known = self._known.get(word)
            parts = letters(word, BUCKETS) if known is None else []
            self._read[word] = np.array([len(self._known) + part for part in parts] if known is None else [known])
        return self._read[word]

    @cached_property
    def _read(self) -> dict[str, NDArray[np.int64]]:
        return {}

    @cached_property
    def _model(self) -> dict[str, NDArray[Any]]:
        try:
            with np.load(self._folder / MEANING, allow_pickle=False) as stored:
                return {name: stored[name] for name in ("vectors", "weights")}
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise ShelfError(f"the embedded model in {self._folder} is damaged; install rapporteur again") from error

    @property
    def _table(self) -> NDArray[np.int8]:
        return self._model["vectors"]

    @property
    def _weights(self) -> NDArray[np.float32]:
        return self._model["weights"]

    @cached_property
    def _known(self) -> dict[str, int]:
        try:
            words = (self._folder / WORDS).read_text(encoding="utf-8").split()
        except (OSError, ValueError) as error:
            raise ShelfError(f"the embedded model in {self._folder} is damaged; install rapporteur again") from error
        if len(words) + BUCKETS != len(self._weights):
            raise ShelfError(f"the embedded model in {self._folder} is damaged; install rapporteur again")
        return {word: i for i, word in enumerate(words)}


def letters(word: str, buckets: int) -> list[int]:
    """The buckets of a word's runs of 3 to 5 letters, its ends marked; after Bojanowski et al., Enriching word vectors
    with subword information, 2017. Any word has some."""
    marked = f"<{word}>"
    runs = [marked[i : i + n] for n in LETTERS for i in range(len(marked) - n + 1)] or [marked]
    return [crc32(run.encode("utf-8", "replace")) % buckets for run in runs]


class _Library:
    """A model of model2vec or sentence-transformers; both know it by name or path and have the same `encode`."""

    def __init__(self, name: str, model: Any) -> None:
        self.name, self._model = name, model
        self.dimensions = int(self(["a"]).shape[1])

    def __call__(self, texts: Sequence[str]) -> Vectors:
        encoded = self._model.encode([text[:LONGEST] for text in texts], show_progress_bar=False)
        return _unit(np.asarray(encoded, np.float32).reshape(len(texts), -1))


def load(name: str, *, offline: bool = True) -> Embedder:
    """ "embedded", or a model by path or name; the latter is fetched by its library unless `offline`.

    A folder with `config_sentence_transformers.json` or `modules.json` that names a transformer is one of
    sentence-transformers; everything else is tried with model2vec first. Raises ShelfError where it cannot be had.
    """
    if name in ("", "embedded"):
        return Embedded()
    if offline and not Path(name).expanduser().is_dir():
        raise ShelfError(
            f'there is no folder "{name}" and nothing may be downloaded; give retrieval.model a path, or "embedded"'
        )
    place = str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name
    static = not (Path(place) / "modules.json").exists()
    tried = [_model2vec, _sentence_transformers] if static else [_sentence_transformers]
    troubles = []
    for loader in tried:
        try:
            return _Library(f"{loader.__name__.strip('_')}:{name}", loader(place))
        except (ImportError, OSError, ValueError, KeyError) as error:
            troubles.append(f"{loader.__name__.strip('_').replace('_', '-')}: {type(error).__name__}")
    raise ShelfError(
        f'the model "{name}" cannot be loaded ({"; ".join(troubles)}); '
        'install the library that it is for, or set retrieval.model to "embedded"'
    )


def _model2vec(place: str) -> Any:
    from model2vec import StaticModel

    return StaticModel.from_pretrained(place)


def _sentence_transformers(place: str) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(place, device="cpu", trust_remote_code=False)


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-12)
    return unit
