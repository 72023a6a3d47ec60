"""The network of the GE2E speaker encoder (Wan et al. 2018), apart so that only its user imports torch.

Letters: n stretches, f frames of 10 ms, m mel channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audio.diarize.encoder import CHANNELS
from audio.diarize.traits import WIDTH

_LAYERS = 3
_INNER = 1  # the layer, from 0, whose states are kept beside the embedding


class _Network(torch.nn.Module):
    """The LSTM's layers stand apart, for what an inner one says is lost in a module of three."""

    def __init__(self) -> None:
        super().__init__()
        widths = (CHANNELS, *[WIDTH] * (_LAYERS - 1))
        self.layers = torch.nn.ModuleList(torch.nn.LSTM(width, WIDTH, batch_first=True) for width in widths)
        self.linear = torch.nn.Linear(WIDTH, WIDTH)

    def forward(self, mels: torch.Tensor) -> torch.Tensor:
        """(n, f, m) to (n, 512): the embedding of unit length, then the mean over time of an inner layer's states."""
        states, inner = mels, mels
        for depth, layer in enumerate(self.layers):
            states, _ = layer(states)  # (n, f, 256)
            inner = states if depth == _INNER else inner
        raw = torch.relu(self.linear(states[:, -1]))  # (n, 256)
        return torch.cat([torch.nn.functional.normalize(raw, dim=1), inner.mean(dim=1)], dim=1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """The steps of an LSTM are too short to be shared: on a busy machine two threads took ten times the work of one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def load(weights: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Mel power (n, f, m) to embeddings and inner states (n, 512), with the weights of a checkpoint."""
    state = torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
    network = _Network()
    own = {name: value for name, value in state.items() if name.startswith("linear.")}
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        own |= {f"layers.{depth}.{name}_l0": state[f"lstm.{name}_l{depth}"] for depth in range(_LAYERS)}
    network.load_state_dict(own)
    network.eval()

    def embed(mels: NDArray[np.float32]) -> NDArray[np.float32]:
        with _one_thread(), torch.inference_mode():
            found: NDArray[np.float32] = network(torch.from_numpy(mels)).numpy()
        return found

    return embed
