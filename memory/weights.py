"""The trained memory as one safetensors file: probes, model, sizes, thresholds, and how each probability is made."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from memory.corpora import MindError
from memory.model import MemoryTransformer, Sizes
from memory.probes import Probes
from memory.words import Weights

SHIPPED = Path(__file__).parent / "weights.safetensors"
FORMAT = 1


@dataclass(frozen=True)
class Calibration:
    """A task's decision: probability = sigmoid(slope * logit + offset), logit = the mix of model and probe."""

    share: float = 1.0  # of the model in the mix, the rest is the probe's; 0 = the baseline is better
    slope: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5  # probability from which the mark counts


@dataclass(frozen=True)
class Shipped:
    """All that reading utterances takes."""

    model: MemoryTransformer
    probes: Probes
    calibrations: dict[str, Calibration] = field(default_factory=dict)


def save(path: Path, shipped: Shipped) -> None:
    """Write with 16 bit floats: half the size, no measured loss."""
    tensors = {f"model.{name}": t.detach().numpy() for name, t in shipped.model.state_dict().items()}
    tensors |= {"probes.matrix": shipped.probes.matrix, "probes.bias": shipped.probes.bias}
    tensors |= {"probes.own": shipped.probes.weights.own, "probes.near": shipped.probes.weights.near}
    header = {
        "format": str(FORMAT),
        "sizes": json.dumps(asdict(shipped.model.sizes)),
        "calibrations": json.dumps({task: asdict(c) for task, c in shipped.calibrations.items()}),
    }
    part = path.with_suffix(".part")
    save_file({name: np.ascontiguousarray(t, np.float16) for name, t in tensors.items()}, part, metadata=header)
    part.replace(path)


def load(path: Path = SHIPPED) -> Shipped:
    """Read what `save` wrote. Raises MindError where the file is missing, damaged or of another format."""
    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
            if header.get("format") != str(FORMAT):
                raise MindError(f"{path} has format {header.get('format')}, not {FORMAT}; train again or update")
            tensors = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise MindError(f"the memory's weights {path} cannot be read ({error}); install rapporteur again") from error
    model = MemoryTransformer(Sizes(**json.loads(header["sizes"])))
    prefix = "model."
    model.load_state_dict(
        {n.removeprefix(prefix): torch.from_numpy(t) for n, t in tensors.items() if n.startswith(prefix)}
    )
    probes = Probes(
        tensors["probes.matrix"], tensors["probes.bias"], Weights(tensors["probes.own"], tensors["probes.near"])
    )
    kept = {task: Calibration(**values) for task, values in json.loads(header["calibrations"]).items()}
    return Shipped(model.eval(), probes, kept)
