"""What the embedded recogniser is trained on.

Cross-entropy over the decoder; over the phone of every frame, in the encoder's middle, since the voices
tell when they say what (low-level tasks belong on low layers: Toshniwal et al. 2017); character CTC at its
end (Watanabe et al. 2017, hybrid CTC/attention); and the guidance of some cross-attention heads to the
frames where a token is spoken (after Tachibana et al. 2018, guided attention).
Letters: B windows, T tokens, F encoder frames, d = 256 width, R = short vocabulary, P = phones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from whisper.model import Whisper

from audio.embedded.attention import head_by_head
from audio.embedded.network import N_HEAD, N_STATE, Heads, encode
from audio.embedded.windows import IGNORED, STAMPS, Batch, log_mel

GUIDED_LAYERS, GUIDED_HEADS = (1, 2), 2  # the layers that Whisper's word timing reads, and how many heads in each
GUIDE_FRAMES = 15  # 0.3 s on either side
STAMP_BLUR = (0.4, 0.2, 0.1)  # of a timestamp's target: itself, its neighbours (20 ms), theirs


def decoder_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of a token, timestamps blurred: (B, T, R), (B, T) -> scalar."""
    scores, wanted = logits.float().log_softmax(-1).flatten(0, 1), targets.flatten()
    scores, wanted = scores[wanted != IGNORED], wanted[wanted != IGNORED]
    first, last = logits.shape[-1] - 1 - STAMPS, logits.shape[-1] - 2
    stamps = (wanted >= first) & (wanted <= last)
    words = -scores[~stamps].gather(1, wanted[~stamps, None]).sum()
    total = words
    for distance, weight in enumerate(STAMP_BLUR):
        for near in {distance, -distance}:
            neighbours = (wanted[stamps, None] + near).clamp(first, last)
            total = total - weight * scores[stamps].gather(1, neighbours).sum()
    return total / len(wanted)


def phone_loss(scores: Tensor, phones: Tensor) -> Tensor:
    """Mean cross-entropy of a frame: (B, F, P), (B, F) -> scalar."""
    return F.cross_entropy(scores.float().flatten(0, 1), phones.flatten())


def ctc_loss(scores: Tensor, letters: list[Tensor]) -> Tensor:
    """Mean CTC loss of the windows whose text is known: scores (B, F, 29) -> scalar."""
    known = [i for i, s in enumerate(letters) if len(s)]
    if not known:
        return scores.sum() * 0
    sizes = torch.tensor([len(letters[i]) for i in known])
    probabilities = scores.float()[known].log_softmax(-1).transpose(0, 1)  # (F, B, 29)
    heard = torch.full((len(known),), probabilities.shape[0])
    return F.ctc_loss(probabilities, torch.cat([letters[i] for i in known]), heard, sizes, zero_infinity=True)


def guide_loss(query: Tensor, key: Tensor, places: Tensor) -> Tensor:
    """-log of the attention that falls near the right frame: (B, T, d), (B, F, d), (B, T) -> scalar."""
    width = N_STATE // N_HEAD
    q = (
        query[..., : GUIDED_HEADS * width].reshape(*query.shape[:2], GUIDED_HEADS, width).transpose(1, 2)
    )  # (B, 2, T, 64)
    k = key[..., : GUIDED_HEADS * width].reshape(*key.shape[:2], GUIDED_HEADS, width).transpose(1, 2)  # (B, 2, F, 64)
    attention = (q @ k.transpose(-1, -2) * width**-0.5).float().softmax(-1)  # (B, 2, T, F)
    near = (torch.arange(key.shape[1]) - places[..., None]).abs() <= GUIDE_FRAMES  # (B, T, F)
    mass = (attention * near[:, None]).sum(-1).clamp_min(1e-6)  # (B, 2, T)
    spoken = (places >= 0)[:, None].expand_as(mass)
    loss: Tensor = -mass[spoken].log().mean() if spoken.any() else mass.sum() * 0
    return loss


@contextmanager
def watched(model: Whisper) -> Iterator[dict[tuple[int, str], Tensor]]:
    """Collects the queries and keys of the guided layers' cross-attention during a forward pass."""
    seen: dict[tuple[int, str], Tensor] = {}

    def keep(layer: int, name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda module, inputs, output: seen.__setitem__((layer, name), output)

    hooks = [
        getattr(model.decoder.blocks[layer].cross_attn, name).register_forward_hook(keep(layer, name))
        for layer in GUIDED_LAYERS
        for name in ("query", "key")
    ]
    yield seen
    for hook in hooks:
        hook.remove()


@dataclass(frozen=True)
class Losses:
    """Of one batch, all scalars."""

    decoder: Tensor
    ctc: Tensor
    phones: Tensor
    guide: Tensor


def losses(model: Whisper, heads: Heads, batch: Batch, *, filters: Tensor, unused: int) -> Losses:
    """All that is trained on; the shared last row of the short vocabulary stands for `unused` tokens."""
    mel = log_mel(batch.audio, batch.ceiling, filters)
    with torch.autocast("cpu", dtype=torch.bfloat16), head_by_head(), watched(model) as seen:
        frames, middle = encode(model, mel, batch.offset)
        rows = {"token_embedding.weight": heads.embedding(model)}
        logits = functional_call(model.decoder, rows, (batch.tokens, frames))  # (B, T, R)
        letters, phones = heads.ctc(frames), heads.phones(middle)
        guides = [guide_loss(seen[layer, "query"], seen[layer, "key"], batch.places) for layer in GUIDED_LAYERS]
    multiplicity = torch.zeros(logits.shape[-1])
    multiplicity[-1] = math.log(unused)
    return Losses(
        decoder_loss(logits.float() + multiplicity, batch.targets),
        ctc_loss(letters, batch.letters),
        phone_loss(phones, batch.phones),
        torch.stack(guides).mean(),
    )
