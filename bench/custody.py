"""`python -m bench.custody --data DIR --held DIR`: the public recurrent memory transformer at memory.custody's task.

Needs `pip install recurrent-memory-transformer-pytorch==0.7.0`, which nothing else does. It gets our encoder of
utterances, the same width, layers, segments, steps and optimiser; its memory is its own (Bulatov et al. 2022), with
and without the Transformer-XL cache that it brings.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from memory.corpora import load
from memory.custody import HEAD, NAMES, SIZES, Round, pool_of, rows, train
from memory.model import Encoder, Sizes


class _Held(nn.Module):
    """Stands where the package looks its tokens up: utterances are vectors already."""

    vectors: Tensor

    def forward(self, _: Tensor) -> Tensor:
        """(B, S, d)"""
        return self.vectors


class Public(nn.Module):
    """The package's transformer over our utterance vectors."""

    def __init__(self, *, cache: bool, sizes: Sizes = SIZES) -> None:
        super().__init__()
        from recurrent_memory_transformer_pytorch import RecurrentMemoryTransformer

        self.encoder = Encoder(sizes)
        self.encoder.ahead.requires_grad_(False).weight.data.zero_()
        self.transformer: Any = RecurrentMemoryTransformer(
            dim=sizes.d,
            num_tokens=len(NAMES) + 1,
            depth=sizes.layers,
            num_memory_tokens=sizes.tokens,
            seq_len=sizes.segment,
            dim_head=sizes.d // sizes.heads,
            heads=sizes.heads,
            use_xl_memories=cache,
            emb_gradient_frac=1.0,  # its default, 0.1, is a trick for token tables
        )
        self.held = _Held()
        self.transformer.token_emb = self.held

    def forward(self, rounds: Sequence[Round]) -> Iterator[tuple[Tensor, Tensor]]:
        """Segment after segment; memories and cache go on, with their gradients where the package lets them."""
        memories = caches = None
        for each in rounds:
            self.held.vectors, _ = self.encoder(each.segment)
            places = torch.zeros(each.answer.shape, dtype=torch.long)
            logits, memories, caches = self.transformer(places, memories, xl_memories=caches)
            yield logits, torch.zeros(())


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.custody", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="annotated meetings whose talk is the background")
    parser.add_argument("--held", type=Path, required=True, help="other meetings, for the exams")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    say = partial(print, flush=True)
    pool, held = pool_of(load(given.data)), pool_of(load(given.held))
    say("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
    for name, cache in (("public RMT with cache", True), ("public RMT", False)):
        torch.manual_seed(given.seed)
        rival = Public(cache=cache)
        train(rival, pool, seed=given.seed, say=say)
        for row in rows(name, rival, held, seed=given.seed):
            say(row)


if __name__ == "__main__":
    main()
