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


class _Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(CHANNELS, 256, 3, batch_first=True)
        self.linear = torch.nn.Linear(256, 256)

    def forward(self, mels: torch.Tensor) -> torch.Tensor:
        """(n, f, m) to (n, 256)."""
        _, (hidden, _) = self.lstm(mels)
        raw = torch.relu(self.linear(hidden[-1]))  # (n, 256)
        return torch.nn.functional.normalize(raw, dim=1)


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
    """Mel power (n, f, m) to embeddings of unit length (n, 256), with the weights of a checkpoint."""
    state = torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
    network = _Network()
    network.load_state_dict({name: value for name, value in state.items() if name.split(".")[0] in ("lstm", "linear")})
    network.eval()

    def embed(mels: NDArray[np.float32]) -> NDArray[np.float32]:
        with _one_thread(), torch.inference_mode():
            found: NDArray[np.float32] = network(torch.from_numpy(mels)).numpy()
        return found

    return embed
