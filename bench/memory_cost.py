"""`python -m bench.memory_cost [--plot FILE.svg]`: what a segment costs after so much was said, beside full attention.

Ours reads its banks, which stop growing. Full attention is the same network whose cache holds all that was said, and
which has no other bank. Utterances are drawn at random: their content does not change the cost.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from memory.mind import Mind
from memory.model import MemoryTransformer, Segment, Switches
from memory.probes import COLUMNS
from memory.recurrence import empty, step
from memory.state import MemoryState
from memory.words import LOOKAHEAD, TIMES, WORD_BUCKETS

LENGTHS = (128, 512, 1024, 2048, 4096, 8192, 16384)  # utterances; AMI has 29 a minute, so 16,384 are nine hours
FULL = Switches(cache=True, tokens=False, slots=False, archive=False)
_WIDTH, _HEIGHT, _EDGE = 640, 360, 60


def drawn(size: int) -> Segment:
    """A segment of random words."""
    span, rng = size + LOOKAHEAD, np.random.default_rng(0)
    return Segment(
        words=torch.from_numpy(rng.integers(WORD_BUCKETS, size=8 * span)),
        offsets=torch.arange(0, 8 * span, 8),
        probes=torch.zeros(1, span, COLUMNS),
        times=torch.zeros(1, span, TIMES),
        start_s=torch.arange(size, dtype=torch.float32).view(1, -1) * 2,
        speaker=torch.arange(size).view(1, -1) % 4,
        valid=torch.ones(1, span, dtype=torch.bool),
        known=torch.ones(1, size, dtype=torch.bool),
    )


def full_of(state: MemoryState, said: int) -> MemoryState:
    """The state as if so much had been said."""
    return replace(
        state,
        cache=torch.randn_like(state.cache),
        cache_filled=torch.ones_like(state.cache_filled),
        archive=torch.nn.functional.normalize(torch.randn_like(state.archive), dim=-1),
        archive_filled=(torch.arange(state.archive.shape[1]) >= state.archive.shape[1] - said).view(1, -1),
        position=torch.full_like(state.position, said),
    )


@torch.no_grad()
def took_ms(model: MemoryTransformer, said: int, switches: Switches, *, repeats: int = 15) -> float:
    """Median processor time of a step: other work on the machine does not count."""
    state, segment = full_of(empty(model), said), drawn(model.sizes.segment)
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        step(model, state, segment, switches=switches)
        taken.append((time.process_time() - began) * 1000)
    return float(np.median(taken))


def full_attention(model: MemoryTransformer, said: int) -> MemoryTransformer:
    """The same weights with a cache for all that was said."""
    wide = MemoryTransformer(replace(model.sizes, cache=said, archive=1))
    wide.load_state_dict(model.state_dict())
    return wide.eval()


def chart(rows: list[tuple[int, float, float]]) -> str:
    """SVG of both curves, utterances across, milliseconds up, both by their logarithm."""
    most, least = max(max(r[1:]) for r in rows), min(min(r[1:]) for r in rows)

    def place(said: int, ms: float) -> str:
        across = np.log(said / rows[0][0]) / np.log(rows[-1][0] / rows[0][0])
        up = np.log(ms / least) / max(np.log(most / least), 1e-9)
        return f"{_EDGE + across * (_WIDTH - 2 * _EDGE):.1f},{_HEIGHT - _EDGE - up * (_HEIGHT - 2 * _EDGE):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="white"/>',
        f'<text x="{_EDGE}" y="24" font-size="15">A segment\'s cost by what was said before it</text>',
    ]
    for column, name, color in ((1, "this memory", "#2b6cb0"), (2, "full attention", "#c05621")):
        points = " ".join(place(r[0], r[column]) for r in rows)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>')
        x, y = place(rows[-1][0], rows[-1][column]).split(",")
        parts.append(f'<text x="{x}" y="{float(y) - 8:.1f}" fill="{color}" text-anchor="end">{name}</text>')
    for said, *_ in rows:
        parts.append(
            f'<text x="{place(said, least).split(",")[0]}" y="{_HEIGHT - 36}" text-anchor="middle">{said}</text>'
        )
    for ms in (least, most):
        parts.append(
            f'<text x="{_EDGE - 8}" y="{place(rows[0][0], ms).split(",")[1]}" text-anchor="end">{ms:.0f} ms</text>'
        )
    parts.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 12}" text-anchor="middle">utterances before</text>')
    return "\n".join([*parts, "</svg>\n"])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory_cost", description=__doc__)
    parser.add_argument("--plot", type=Path, help="SVG file to draw")
    given = parser.parse_args()
    torch.set_num_threads(1)
    model, rows = Mind.load().model, []
    print("| utterances before | this memory, ms | full attention, ms | this memory, MB | full attention, MB |")
    print("|---|---|---|---|---|")
    for said in LENGTHS:
        wide = full_attention(model, said)
        ours, theirs = took_ms(model, said, Switches()), took_ms(wide, said, FULL)
        rows.append((said, ours, theirs))
        sizes = (empty(model).bytes() / 1e6, empty(wide).cache.numel() * 4 / 1e6)
        print(f"| {said} | {ours:.1f} | {theirs:.1f} | {sizes[0]:.2f} | {sizes[1]:.2f} |", flush=True)
    if given.plot:
        given.plot.write_text(chart(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
