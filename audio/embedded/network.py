"""The embedded recogniser's network while it is trained: a short vocabulary, short windows, heads of its own.

Letters: B windows, F encoder frames, d = 256 width, R = short vocabulary, P = phones.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from whisper.model import ModelDimensions, Whisper, sinusoids

from audio.embedded.phones import PHONES
from audio.embedded.windows import STAMPS, Vocabulary

N_MELS, N_AUDIO_CTX, N_STATE, N_HEAD, N_AUDIO_LAYER, N_TEXT_LAYER, N_TEXT_CTX = 80, 1500, 256, 4, 4, 3, 448
CTC_OUTPUTS = 29


def build(vocabulary: Vocabulary) -> Whisper:
    """The model with the short vocabulary; its last token stands for every token never used."""
    dims = ModelDimensions(
        N_MELS,
        N_AUDIO_CTX,
        N_STATE,
        N_HEAD,
        N_AUDIO_LAYER,
        len(vocabulary.kept) + 1,
        N_TEXT_CTX,
        N_STATE,
        N_HEAD,
        N_TEXT_LAYER,
    )
    model = Whisper(dims)
    nn.init.normal_(model.decoder.positional_embedding, std=0.01)  # Whisper leaves it as the memory happens to be
    return model


def shorten(full: dict[str, Tensor], vocabulary: Vocabulary) -> dict[str, Tensor]:
    """A full checkpoint's weights with the embedding cut to the short vocabulary."""
    weights = {name: tensor.float() for name, tensor in full.items()}
    embedding = weights["decoder.token_embedding.weight"]
    rest = torch.ones(len(embedding), dtype=torch.bool)
    rest[list(vocabulary.kept)] = False
    weights["decoder.token_embedding.weight"] = torch.cat(
        [embedding[list(vocabulary.kept)], embedding[rest].mean(0, keepdim=True)]
    )
    return weights


def lengthen(short: dict[str, Tensor], vocabulary: Vocabulary) -> dict[str, Tensor]:
    """The official format again: every unused token gets the one shared row."""
    weights = dict(short)
    embedding = short["decoder.token_embedding.weight"]
    full = embedding[-1:].repeat(vocabulary.size, 1)
    full[list(vocabulary.kept)] = embedding[:-1]
    weights["decoder.token_embedding.weight"] = full
    return weights


class Heads(nn.Module):
    """What only training needs: the encoder's letters and phones."""

    def __init__(self) -> None:
        super().__init__()
        self.ctc = nn.Linear(N_STATE, CTC_OUTPUTS)
        self.phones = nn.Linear(N_STATE, len(PHONES))  # of the encoder's middle
        self.stamps = nn.Linear(N_STATE, N_STATE, bias=False)  # a time's sinusoids to its token's embedding
        self.times: Tensor
        self.register_buffer("times", sinusoids(STAMPS, N_STATE), persistent=False)

    def embedding(self, model: Whisper) -> Tensor:
        """The short vocabulary's embedding, its timestamps made from their times: (R, d)."""
        rows = model.decoder.token_embedding.weight
        return torch.cat([rows[: -STAMPS - 1], self.stamps(self.times), rows[-1:]])

    def fit(self, model: Whisper) -> None:
        """Take over the timestamps of a trained model, as far as such a map can."""
        rows, times = model.decoder.token_embedding.weight[-STAMPS - 1 : -1].detach(), self.times
        ridge = times.T @ times + torch.eye(N_STATE)
        self.stamps.weight.data.copy_(torch.linalg.solve(ridge, times.T @ rows).T)


def encode(model: Whisper, mel: Tensor, offset: int) -> tuple[Tensor, Tensor]:
    """Whisper's encoder on windows shorter than 30 s, placed at frame `offset`.

    (B, 80, 2F) -> its output and, normalised, its middle: (B, F, d), (B, F, d).
    """
    encoder = model.encoder
    x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel)))).permute(0, 2, 1)  # (B, F, d)
    x = (x + encoder.positional_embedding[offset : offset + x.shape[1]]).to(x.dtype)
    middle = x
    for number, block in enumerate(encoder.blocks, 1):
        x = block(x)
        middle = x if number == len(encoder.blocks) // 2 else middle
    return encoder.ln_post(x), F.layer_norm(middle, (N_STATE,))


def averaged(state: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The mean weights of a checkpoint: the model's, its timestamps made from the mean map, and the heads'."""
    parts: list[dict[str, Tensor]] = [
        {name.removeprefix(start): tensor for name, tensor in state["mean"].items() if name.startswith(start)}
        for start in ("module.0.", "module.1.")
    ]
    rows = parts[0]["decoder.token_embedding.weight"].clone()
    rows[-STAMPS - 1 : -1] = sinusoids(STAMPS, N_STATE) @ parts[1]["stamps.weight"].T
    return {**parts[0], "decoder.token_embedding.weight": rows}, parts[1]
