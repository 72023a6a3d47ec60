"""Texts as unit vectors, behind one seam: the embedded model, or one of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.passage import ShelfError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Vectors = NDArray[np.float32]  # (n, d), each of length 1, or 0 where the model knows nothing of a text
EMBEDDED = Path(str(files("retrieval").joinpath("embedded")))
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

    name = "embedded-1"

    def __init__(self, folder: Path = EMBEDDED) -> None:
        self._folder = folder

    @property
    def dimensions(self) -> int:
        """d of its vectors."""
        return int(self._table.shape[1])

    def __call__(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        readable = [text[:LONGEST].encode("utf-8", "replace").decode() for text in texts]
        tokenized = self._tokenizer.encode_batch(readable, add_special_tokens=False)
        for i, tokens in enumerate(tokenized):
            if tokens.ids:
                vectors[i] = self._table[tokens.ids].astype(np.float32).T @ self._weights[tokens.ids]
        return _unit(vectors)

    @cached_property
    def _model(self) -> dict[str, NDArray[Any]]:
        try:
            with np.load(self._folder / "vectors.npz", allow_pickle=False) as stored:
                return {name: stored[name] for name in ("vectors", "weights")}
        except (OSError, ValueError, KeyError) as error:
            raise ShelfError(f"the embedded model in {self._folder} is damaged; install rapporteur again") from error

    @property
    def _table(self) -> NDArray[np.int8]:
        return self._model["vectors"]

    @property
    def _weights(self) -> NDArray[np.float32]:
        return self._model["weights"]

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return word_pieces(self._folder / "vocabulary.txt")


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


def word_pieces(vocabulary: Path) -> Tokenizer:
    """BERT's lower-case word pieces: any word is some of them."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    pieces = vocabulary.read_text(encoding="utf-8").rstrip("\n").split("\n")
    tokenizer = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-12)
    return unit
