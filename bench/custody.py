"""`python -m bench.custody --data DIR --held DIR`: others at memory.custody's task.

The rules that write the program's minutes, which are not trained: they hear the same sentences as text, and know the
twelve names as a meeting knows those of its speakers. And the public recurrent memory transformer; it needs
`pip install recurrent-memory-transformer-pytorch==0.7.0`, which nothing else does. It gets our encoder of utterances,
the same width, layers, segments, curriculum, steps and optimiser; its memory is its own (Bulatov et al. 2022), with and
without the Transformer-XL cache that it brings.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from audio.speech import Scores, Utterance
from memory.corpora import Annotated, load
from memory.custody import (
    HEAD,
    NAMES,
    NOBODY,
    SIZES,
    THINGS,
    Course,
    Marked,
    Round,
    drawn,
    examine,
    pool_of,
    schooled,
    script,
    table,
    tally,
    train,
)
from memory.extract import Extractor
from memory.model import Encoder, Sizes
from memory.people import People

RULES = "the program's rules"
KINDS = {RULES: False, "public RMT": False, "public RMT with cache": True}  # and whether the package's cache is on
SURE = Scores(avg_logprob=-0.2, no_speech_prob=0.0, compression_ratio=1.0, temperature=0.0)


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
        self.transformer.pos_emb.weight.data.mul_(0.1)  # it learns sooner where places do not drown what is said
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


def ruled(meetings: Sequence[Annotated], course: Course, *, seed: int) -> Marked:
    """What the items of the minutes say, asked as the rivals are asked; over talk of real meetings, as text."""
    rng, course = drawn(course, seed)
    talk = [heard for meeting in meetings for heard in meeting.heard]
    people = People(names={name: name.capitalize() for name in NAMES})
    counts = np.zeros((3, 2))
    scripts = [script(rng, course, SIZES.segment) for _ in range(course.streams)]
    for (lines, answers), start in zip(scripts, rng.integers(len(talk), size=course.streams), strict=True):
        rules = Extractor(date(2026, 3, 10), people=people)
        for at in range(course.segments * SIZES.segment):
            if at in answers:
                said = torch.tensor([owner(rules, THINGS[lines[at].what])])
                counts += tally(said, torch.tensor([answers[at][0]]), torch.tensor([bool(answers[at][1])]))
            other = talk[(start + at) % len(talk)]
            text, speaker = (written(lines[at].text), "chair") if at in lines else (other.text, other.speaker)
            rules.hear(Utterance(f"u{at}", text, at * 4.0, at * 4.0 + 3.0, "en", SURE, speaker=speaker))
    return Marked.of(counts)


def written(text: str) -> str:
    """A sentence as a recogniser writes it."""
    text = " ".join(word.capitalize() if word in NAMES else word for word in text.split())
    text = text.replace(" ,", ",").replace(" ?", "?")
    return text[0].upper() + text[1:] + ("" if text.endswith("?") else ".")


def owner(rules: Extractor, thing: str) -> int:
    """Whose the latest task is that has both words of `thing`, as an index of NAMES."""
    words = frozenset(thing.split())
    for item in reversed(rules.book.items.values()):
        if item.kind == "action" and words <= frozenset(item.what.lower().split()) and item.owner.name in NAMES:
            return NAMES.index(item.owner.name)
    return NOBODY


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.custody", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="annotated meetings whose talk is the background")
    parser.add_argument("--held", type=Path, required=True, help="other meetings, for the exams")
    parser.add_argument("--only", nargs="*", default=list(KINDS), help=f"some of: {', '.join(KINDS)}")
    schooled(parser)
    given = parser.parse_args()
    torch.set_num_threads(1)
    say = partial(print, flush=True)
    exams = load(given.held)
    pool, held = pool_of(load(given.data)), pool_of(exams)
    say("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
    for name in given.only:
        asked: Callable[[Course], Marked] = partial(ruled, exams, seed=given.seed + 1)
        if name != RULES:
            torch.manual_seed(given.seed)
            rival = Public(cache=KINDS[name])
            train(rival, pool, seed=given.seed, say=say, steps=given.steps, rate=given.rate)
            asked = partial(examine, rival, held, seed=given.seed + 1)
        for line in table(name, asked):
            say(line)


if __name__ == "__main__":
    main()
