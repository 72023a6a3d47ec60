"""The trained memory as safetensors: the network with the probes that it sees, and beside it what marks are made of.

The second file ("weights.marks.safetensors" beside "weights.safetensors") holds what is fitted in minutes: the marks'
columns of the probes, the tagger of acts, the minutes, what reads all anew at the end, how each becomes a probability,
and on which meetings.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from memory.corpora import ROLES, MindError
from memory.ends import Ends
from memory.model import MemoryTransformer, Sizes
from memory.probes import COLUMNS, MARKS, WIDE, Probes
from memory.roles import Roles
from memory.state import BAG
from memory.stretch import Minutes
from memory.tagger import Tagger
from memory.words import TIME_BUCKETS, WIDTH, Weights

SHIPPED = Path(__file__).parent / "weights.safetensors"
FORMAT = 1
_ENDS = tuple(f.name for f in fields(Ends))


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
    tagger: Tagger | None = None
    minutes: Minutes | None = None
    roles: Roles | None = None
    ends: Ends | None = None
    fitted: frozenset[str] = frozenset()  # meetings that it learnt from, as far as the files say; marks count alone


def beside(path: Path) -> Path:
    """Where the marks of these weights lie."""
    return path.with_name(f"{path.stem}.marks{path.suffix}")


def save(path: Path, shipped: Shipped) -> None:
    """Write with 16 bit floats: half the size, no measured loss."""
    tensors = {f"model.{name}": t.detach().numpy() for name, t in shipped.model.state_dict().items()}
    tensors |= {"probes.matrix": shipped.probes.matrix, "probes.bias": shipped.probes.bias}
    tensors |= {"probes.own": shipped.probes.weights.own, "probes.near": shipped.probes.weights.near}
    header = {
        "format": str(FORMAT),
        "sizes": json.dumps(asdict(shipped.model.sizes)),
        "calibrations": json.dumps({task: asdict(c) for task, c in shipped.calibrations.items()}),
        "fitted": json.dumps(sorted(shipped.fitted)),
    }
    _write(path, {name: np.ascontiguousarray(t, np.float16) for name, t in tensors.items()}, header)
    if shipped.tagger or shipped.minutes or shipped.roles or shipped.ends:
        save_marks(path, shipped)


def save_marks(path: Path, shipped: Shipped) -> None:
    """Write the file beside `path` only: columns as bytes, a scale each; the tagger with 16 bit floats."""
    columns, scale = _in_bytes(shipped.probes.matrix[_telling(shipped.probes.weights), COLUMNS:WIDE])
    tensors: dict[str, NDArray[Any]] = {"marks": columns, "scale": scale}
    tensors["bias"] = np.ascontiguousarray(shipped.probes.bias[COLUMNS:WIDE], np.float32)
    if shipped.tagger:
        state = shipped.tagger.state_dict().items()
        tensors |= {f"tagger.{name}": t.detach().numpy().astype(np.float16) for name, t in state}
    if shipped.minutes:
        tensors |= {"minutes.weights": shipped.minutes.weights, "minutes.bias": shipped.minutes.bias}
    if shipped.roles:
        telling = shipped.roles.telling.astype(np.float16)
        columns, scale = _in_bytes(shipped.roles.weights[telling > 0])  # all others count nothing
        tensors |= {"roles.weights": columns, "roles.scale": scale, "roles.bias": shipped.roles.bias}
        tensors["roles.telling"] = telling
    if shipped.ends:
        tensors |= {f"ends.{name}": getattr(shipped.ends, name) for name in _ENDS}
    header = {
        "format": str(FORMAT),
        "columns": json.dumps(list(MARKS)),
        "calibrations": json.dumps({task: asdict(c) for task, c in shipped.calibrations.items()}),
        "fitted": json.dumps(sorted(shipped.fitted)),
    }
    _write(beside(path), tensors, header)


def _in_bytes(columns: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Columns (n, c) as whole numbers of a scale (c,) each."""
    scale = np.maximum(np.abs(columns).max(0), 1e-9) / 127
    return np.rint(columns / scale).astype(np.int8), scale.astype(np.float32)


def _telling(weights: Weights) -> NDArray[np.bool_]:
    """The features (WIDTH,) that any utterance can have; all others have no weight."""
    near = weights.near > 0
    return np.concatenate([weights.own > 0, near, near, np.ones(TIME_BUCKETS, bool)])


def _write(path: Path, tensors: dict[str, NDArray[Any]], header: dict[str, str]) -> None:
    part = path.with_suffix(".part")
    save_file(tensors, part, metadata=header)
    part.replace(path)


def _read(path: Path) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
            if header.get("format") != str(FORMAT):
                raise MindError(f"{path} has format {header.get('format')}, not {FORMAT}; train again or update")
            return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        advice = "install rapporteur again" if path.parent == SHIPPED.parent else "check the name, or train again"
        raise MindError(f"the memory's weights {path} cannot be read ({error}); {advice}") from error


def load(path: Path = SHIPPED) -> Shipped:
    """Read what `save` wrote. Raises MindError where a file is missing, damaged or of another format."""
    shipped = _loaded(path)
    if shipped.probes.matrix.shape[1] != WIDE:
        raise MindError(f"{beside(path)} is missing; install rapporteur again or run python -m memory.calibrate")
    return shipped


def load_network(path: Path) -> Shipped:
    """The same, also where the marks are missing or those of another version: then they say nothing."""
    shipped = _loaded(path)
    if shipped.probes.matrix.shape[1] == WIDE:
        return shipped
    matrix, bias, blank = shipped.probes.matrix[:, :COLUMNS], shipped.probes.bias[:COLUMNS], WIDE - COLUMNS
    probes = Probes(np.pad(matrix, ((0, 0), (0, blank))), np.pad(bias, (0, blank)), shipped.probes.weights)
    return replace(shipped, probes=probes)


def _loaded(path: Path) -> Shipped:
    header, raw = _read(path)
    tensors = {name: t.astype(np.float32) for name, t in raw.items()}
    model = MemoryTransformer(Sizes(**json.loads(header["sizes"])))
    prefix = "model."
    model.load_state_dict(
        {n.removeprefix(prefix): torch.from_numpy(t) for n, t in tensors.items() if n.startswith(prefix)}
    )
    probes = Probes(
        tensors["probes.matrix"], tensors["probes.bias"], Weights(tensors["probes.own"], tensors["probes.near"])
    )
    fitted = frozenset(json.loads(header.get("fitted", "[]")))
    shipped = Shipped(model.eval(), probes, _calibrations(header), fitted=fitted)
    return _with_marks(shipped, beside(path)) if beside(path).exists() else shipped


def _calibrations(header: dict[str, str]) -> dict[str, Calibration]:
    return {task: Calibration(**values) for task, values in json.loads(header["calibrations"]).items()}


def _with_marks(shipped: Shipped, path: Path) -> Shipped:
    header, tensors = _read(path)
    others = "roles.telling" in tensors and len(tensors["roles.telling"]) != BAG  # bags of words were smaller once
    if others or json.loads(header["columns"]) != list(MARKS):
        raise MindError(f"{path} holds other marks than this version; install rapporteur again")
    marks = np.zeros((WIDTH, len(MARKS)), np.float32)
    marks[_telling(shipped.probes.weights)] = tensors["marks"] * tensors["scale"]
    tagger, minutes, roles, ends = None, None, None, None
    if "minutes.bias" in tensors:
        minutes = Minutes(tensors["minutes.weights"], tensors["minutes.bias"])
    if "roles.bias" in tensors:
        telling = tensors["roles.telling"].astype(np.float32)
        weights = np.zeros((BAG, len(ROLES)), np.float32)
        weights[telling > 0] = tensors["roles.weights"] * tensors["roles.scale"]
        roles = Roles(weights, tensors["roles.bias"], telling)
    if "ends.bias" in tensors:
        ends = Ends(**{name: tensors[f"ends.{name}"] for name in _ENDS})
    if "tagger.out.bias" in tensors:
        tagger, prefix = Tagger().eval(), "tagger."
        mine = {n.removeprefix(prefix): t.astype(np.float32) for n, t in tensors.items() if n.startswith(prefix)}
        tagger.load_state_dict({name: torch.from_numpy(t) for name, t in mine.items()})
    return replace(
        shipped,
        probes=Probes(
            np.concatenate([shipped.probes.matrix[:, :COLUMNS], marks], 1),
            np.append(shipped.probes.bias[:COLUMNS], tensors["bias"]).astype(np.float32),
            shipped.probes.weights,
        ),
        calibrations=_calibrations(header),
        tagger=tagger,
        minutes=minutes,
        roles=roles,
        ends=ends,
        fitted=frozenset(json.loads(header["fitted"])),
    )
