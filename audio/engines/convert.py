"""One checkpoint for both engines: reads openai-whisper's `.pt` safely and writes it as a CTranslate2 folder."""

from __future__ import annotations

import base64
import gzip
import json
import pickle
from dataclasses import astuple
from functools import lru_cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import tiktoken
import tokenizers
import torch
import whisper
from ctranslate2.specs.model_spec import ACCEPTED_MODEL_TYPES
from numpy.typing import NDArray
from tokenizers import decoders, models, pre_tokenizers
from torch import Tensor
from whisper.audio import HOP_LENGTH, N_FFT, SAMPLE_RATE
from whisper.model import AudioEncoder, ModelDimensions, TextDecoder
from whisper.tokenizer import get_tokenizer

from audio.engines.features import suppressed
from audio.speech import AudioError

_VOCABULARIES = range(51864, 51867)  # tokens: English; multilingual; multilingual with Cantonese
# What torch.load and nonsensical dimensions raise on files that are no checkpoint.
_NONSENSE = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
_MALFORMED = (pickle.UnpicklingError, EOFError, *_NONSENSE)
# GPT-2's printable stand-in for every byte: itself, or for the others the letters from U+0100 on, in turn.
_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
_BYTE_LETTERS = {byte: chr(byte) for byte in _PRINTABLE} | {byte: chr(0x100 + i) for i, byte in enumerate(_OTHERS)}

Weights = dict[str, Tensor]


def load_checkpoint(path: Path) -> tuple[ModelDimensions, Weights]:
    """Dimensions and weights of a checkpoint in the official format, on the CPU, in the precision they are stored in.

    Never runs code from the file. Raises AudioError where it is not a whole Whisper checkpoint.
    """
    remedy = "give a .pt file in openai-whisper's format"
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        dims, weights = ModelDimensions(**checkpoint["dims"]), dict(checkpoint["model_state_dict"])
        fits = _fits(dims, weights)
    except OSError as error:
        raise AudioError(f"{path} cannot be read ({error.strerror or error}): {remedy}") from error
    except _MALFORMED as error:
        raise AudioError(f"{path} is not a Whisper checkpoint, or a damaged one: {remedy}") from error
    if not fits:
        raise AudioError(f"the weights in {path} do not match the dimensions it states: {remedy}")
    return dims, weights


def alignment_heads(sha256: str) -> bytes | None:
    """Whisper's packed table of the heads that follow the audio in time, for an official file's SHA-256, else None."""
    name = next((name for name, url in whisper._MODELS.items() if url.split("/")[-2] == sha256), None)
    packed: bytes | None = whisper._ALIGNMENT_HEADS.get(name)
    return packed


@lru_cache
def tokenizer_json(multilingual: bool, num_languages: int) -> str:
    """Whisper's vocabulary in the format of the `tokenizers` library, with the same ids."""
    encoding = get_tokenizer(multilingual, num_languages=num_languages).encoding
    ranks = {token: rank for rank, token in enumerate(_tokens(encoding))}
    vocabulary = {_letters(token): rank for token, rank in ranks.items()}
    merges = [(_letters(left), _letters(right)) for left, right in (_halves(t, ranks) for t in ranks if len(t) > 1)]
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(_specials(encoding))
    return tokenizer.to_str()


def _fits(dims: ModelDimensions, weights: Weights) -> bool:
    """The weights are exactly those that openai-whisper would build for `dims`."""
    layers = dims.n_audio_layer + dims.n_text_layer
    if not all(isinstance(size, int) and size > 0 for size in astuple(dims)) or layers > len(weights):
        return False  # before anything is built from dimensions that lie
    with torch.device("meta"):  # shapes without memory
        encoder = AudioEncoder(dims.n_mels, dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_head, dims.n_audio_layer)
        decoder = TextDecoder(dims.n_vocab, dims.n_text_ctx, dims.n_text_state, dims.n_text_head, dims.n_text_layer)
    expected = torch.nn.ModuleDict({"encoder": encoder, "decoder": decoder}).state_dict()
    return (
        dims.n_vocab in _VOCABULARIES
        and dims.n_audio_state == dims.n_text_state
        and dims.n_audio_state % dims.n_audio_head == dims.n_text_state % dims.n_text_head == 0
        and {name: tensor.shape for name, tensor in expected.items()} == {name: w.shape for name, w in weights.items()}
        and all(tensor.is_floating_point() for tensor in weights.values())
    )


def write_ct2(folder: Path, checkpoint: Path, *, quantization: str, heads: bytes | None) -> None:
    """Everything that faster-whisper reads, into an empty folder; `heads` is what `alignment_heads` found.

    Raises AudioError where the checkpoint or the quantization is none, OSError where the folder cannot be written.
    """
    if quantization not in ACCEPTED_MODEL_TYPES:
        raise AudioError(f"there is no quantization {quantization!r}: choose one of {', '.join(ACCEPTED_MODEL_TYPES)}")
    dims, weights = load_checkpoint(checkpoint)
    multilingual = dims.n_vocab > _VOCABULARIES.start
    tokenizer = get_tokenizer(multilingual, num_languages=dims.n_vocab - 51765 - multilingual)  # as Whisper counts them
    spec = ctranslate2.specs.WhisperSpec(dims.n_audio_layer, dims.n_audio_head, dims.n_text_layer, dims.n_text_head)
    _fill(spec, {name: _array(tensor) for name, tensor in weights.items()})
    spec.register_vocabulary(_vocabulary(tokenizer.encoding))
    spec.config.suppress_ids = suppressed(tokenizer)
    spec.config.suppress_ids_begin = [*tokenizer.encode(" "), tokenizer.eot]
    spec.config.lang_ids = sorted(tokenizer.all_language_tokens)
    spec.config.alignment_heads = _head_pairs(dims, heads)
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(folder))
    features = {"feature_size": dims.n_mels, "sampling_rate": SAMPLE_RATE, "hop_length": HOP_LENGTH, "n_fft": N_FFT}
    Path(folder, "preprocessor_config.json").write_text(json.dumps(features), encoding="utf-8")
    Path(folder, "tokenizer.json").write_text(tokenizer_json(multilingual, tokenizer.num_languages), encoding="utf-8")


def _fill(spec: Any, weights: dict[str, NDArray[Any]]) -> None:
    """The weights, from openai-whisper's names to CTranslate2's places."""
    linear, norm = partial(_linear, weights), partial(_norm, weights)
    for side, last_norm in (("encoder", "ln_post"), ("decoder", "ln")):
        half = getattr(spec, side)
        half.position_encodings.encodings = weights[f"{side}.positional_embedding"]
        norm(half.layer_norm, f"{side}.{last_norm}")
        for number, layer in enumerate(half.layer):
            block = f"{side}.blocks.{number}"
            norm(layer.self_attention.layer_norm, f"{block}.attn_ln")
            linear(layer.self_attention.linear[0], f"{block}.attn.query", f"{block}.attn.key", f"{block}.attn.value")
            linear(layer.self_attention.linear[1], f"{block}.attn.out")
            if side == "decoder":
                norm(layer.attention.layer_norm, f"{block}.cross_attn_ln")
                linear(layer.attention.linear[0], f"{block}.cross_attn.query")
                linear(layer.attention.linear[1], f"{block}.cross_attn.key", f"{block}.cross_attn.value")
                linear(layer.attention.linear[2], f"{block}.cross_attn.out")
            norm(layer.ffn.layer_norm, f"{block}.mlp_ln")
            linear(layer.ffn.linear_0, f"{block}.mlp.0")
            linear(layer.ffn.linear_1, f"{block}.mlp.2")
    linear(spec.encoder.conv1, "encoder.conv1")
    linear(spec.encoder.conv2, "encoder.conv2")
    spec.decoder.embeddings.weight = spec.decoder.projection.weight = weights["decoder.token_embedding.weight"]


def _linear(weights: dict[str, NDArray[Any]], spec: Any, *names: str) -> None:
    """One layer, or several of the same input stacked into one; Whisper's keys have no bias, which is a bias of 0."""
    parts = {name: weights[f"{name}.weight"] for name in names}
    spec.weight = np.concatenate([*parts.values()])
    spec.bias = np.concatenate([weights.get(f"{n}.bias", np.zeros(len(part), part.dtype)) for n, part in parts.items()])


def _norm(weights: dict[str, NDArray[Any]], spec: Any, name: str) -> None:
    spec.gamma, spec.beta = weights[f"{name}.weight"], weights[f"{name}.bias"]


def _array(tensor: Tensor) -> NDArray[Any]:
    """The tensor in a precision that numpy knows: halves stay halves."""
    return (tensor if tensor.dtype in (torch.float16, torch.float32) else tensor.float()).numpy()


def _head_pairs(dims: ModelDimensions, packed: bytes | None) -> list[tuple[int, int]]:
    """(layer, head) of the heads that follow the audio; all of the upper half of the layers where nobody chose them."""
    if packed is None:
        return list(product(range(dims.n_text_layer // 2, dims.n_text_layer), range(dims.n_text_head)))
    chosen = np.frombuffer(gzip.decompress(base64.b85decode(packed)), dtype=bool)
    return [divmod(int(place), dims.n_text_head) for place in np.flatnonzero(chosen)]


def _specials(encoding: tiktoken.Encoding) -> list[str]:
    """Whisper's control tokens in the order of their ids, which follow the vocabulary's."""
    return [encoding.decode([token]) for token in range(encoding.eot_token, encoding.n_vocab)]


def _vocabulary(encoding: tiktoken.Encoding) -> list[str]:
    return [*map(_letters, _tokens(encoding)), *_specials(encoding)]


def _tokens(encoding: tiktoken.Encoding) -> list[bytes]:
    """The text tokens in the order of their ids, which are their ranks."""
    return [encoding.decode_single_token_bytes(token) for token in range(encoding.eot_token)]


def _halves(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes]:
    """The two tokens whose merge made this one: byte-pair encoding, stopped before its last step."""
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        at = min(range(len(parts) - 1), key=lambda i: ranks.get(parts[i] + parts[i + 1], len(ranks)))
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts[0], parts[1]


def _letters(token: bytes) -> str:
    """The token as byte-level vocabularies write it."""
    return "".join(map(_BYTE_LETTERS.__getitem__, token))
