"""`python -m memory.train`: teach the memory from annotated meetings; stops and goes on where it was.

An epoch draws everything from (seed, epoch), so that a run that was broken off and resumed ends with the same weights.
"""

from __future__ import annotations

import argparse
import math
import pickle
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from memory import material, streams, topics
from memory.corpora import MISSING, Annotated, MindError, folds, load, run
from memory.material import Readable, Say
from memory.model import MemoryTransformer, Sizes, Switches
from memory.probes import FLAGS, Probes
from memory.recurrence import ALL_ON, Output, empty, step
from memory.state import TOPICS, MemoryState
from memory.weights import Shipped, save
from memory.weights import load as load_weights

WEIGHT = {  # of each task's loss; with more for the rare ones and roles their noise drowned the rest (LOG.md)
    "act": 1.0,
    "role": 0.1,
    "owner": 0.5,
    "swapped": 0.1,
    "action": 3.0,
    "decision": 2.0,
    "problem": 1.0,
    "salient": 1.5,
    "opens": 2.0,
    "turns": 1.5,
    "return": 0.2,
    "write": 0.2,
}
WORTH = 20.0  # how much more an item missed by the write gate counts than another utterance let in
ARCHIVE = 768  # rows while training
BANK_DROP = 0.1  # a bank is off for a whole step of all streams


@dataclass(frozen=True)
class Plan:
    """How the model is trained."""

    epochs: int = 6
    streams: int = 8
    rate: float = 2e-3
    decay: float = 0.05
    seed: int = 0
    depths: tuple[int, ...] = (1, 2, 4)  # segments that a gradient goes back, in equal parts of the training
    switches: Switches = ALL_ON


ADAPTED = Plan(epochs=3, streams=4, rate=4e-4, depths=(2,))  # a handful of meetings, from weights that know others


def losses(
    model: MemoryTransformer, before: MemoryState, output: Output, labels: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Mean loss of every task that the batch has labels for; of owners and returns, which are few, a scaled sum.

    As means, the two or three of a batch outweighed its hundreds of utterances, and nothing else was learnt.
    """
    out = {}
    for task, logits in output.logits.items():
        known = labels[task] != MISSING
        if not bool(known.any()):
            continue
        mine, wanted = logits[known], labels[task][known]
        if task in FLAGS or task == "swapped":
            out[task] = F.binary_cross_entropy_with_logits(mine[:, 0], wanted.float())
        elif task == "owner":
            out[task] = F.cross_entropy(mine, wanted, reduction="sum") / 32
        else:
            out[task] = F.cross_entropy(mine, wanted)
    kept = torch.maximum(labels["action"], labels["decision"])
    if bool((kept != MISSING).any()):  # actions and decisions are worth an item slot
        chance, wanted = output.strength[kept != MISSING].clamp(1e-5, 1 - 1e-5), kept[kept != MISSING].float()
        out["write"] = -(WORTH * wanted * chance.log() + (1 - wanted) * (1 - chance).log()).mean()
    where = ((labels["turns"] == 1) & (labels["topic"] < TOPICS)).nonzero()
    if len(where):
        logits, there = topics.point(model, before, output.h, output.told, labels["topic"], where)
        topic = labels["topic"][where[:, 0], where[:, 1]]
        back = there[torch.arange(len(where)), topic]
        out["return"] = F.cross_entropy(logits, torch.where(back, 1 + topic, 0), reduction="sum") / 64
    return out


def train(
    ready: Sequence[Readable], plan: Plan, sizes: Sizes, *, checkpoint: Path | None = None, say: Say = print
) -> MemoryTransformer:
    """The model after plan.epochs; a checkpoint of the same plan is gone on from. Raises MindError for another's."""
    torch.manual_seed(plan.seed)
    return taught(MemoryTransformer(sizes), ready, plan, checkpoint=checkpoint, say=say)


def adapt(shipped: Shipped, meetings: Sequence[Annotated], plan: Plan = ADAPTED, *, say: Say = print) -> Shipped:
    """Shipped weights, taught a little more by a few annotated meetings of another domain: the network and the marks.

    Thresholds, minutes, roles, the tagger and the columns that the network sees stay.
    """
    torch.manual_seed(plan.seed)
    model = MemoryTransformer(shipped.model.sizes)
    model.load_state_dict(shipped.model.state_dict())
    counted = material.count(meetings, shipped.probes.weights)
    ready = [material.read(c, shipped.probes) for c in counted]
    return replace(
        shipped,
        model=taught(model, ready, plan, say=say),
        probes=material.marked(shipped.probes, counted, adapted=True),
        fitted=shipped.fitted | {m.name for m in meetings},
    )


def taught(
    model: MemoryTransformer, ready: Sequence[Readable], plan: Plan, *, checkpoint: Path | None = None, say: Say = print
) -> MemoryTransformer:
    """The model after plan.epochs more of these meetings."""
    optimizer = _optimizer(model, plan)
    first = _resume(checkpoint, model, optimizer, plan) if checkpoint else 0
    for number in range(first, plan.epochs):
        began = time.monotonic()
        torch.manual_seed(plan.seed * 1000 + number)
        depth = plan.depths[min(number * len(plan.depths) // plan.epochs, len(plan.depths) - 1)]
        means = _epoch(model, optimizer, ready, plan, number=number, depth=depth)
        line = " ".join(f"{task} {mean:.3f}" for task, mean in means.items())
        say(f"epoch {number + 1}/{plan.epochs} depth {depth} {time.monotonic() - began:.0f} s: {line}")
        if checkpoint:
            _keep(checkpoint, model, optimizer, plan, epochs=number + 1)
    return model.eval()


def _epoch(
    model: MemoryTransformer,
    optimizer: torch.optim.Optimizer,
    ready: Sequence[Readable],
    plan: Plan,
    *,
    number: int,
    depth: int,
) -> dict[str, float]:
    model.train()
    rng = np.random.default_rng([plan.seed, number])
    sums: dict[str, list[float]] = {}
    size, state = model.sizes.segment, empty(model, plan.streams, archive=ARCHIVE)
    window: list[Tensor] = []
    for batch in streams.epoch(ready, rng, streams=plan.streams, size=size):
        state = state.where(~batch.begins, empty(model, plan.streams, archive=ARCHIVE))
        before = state
        state, output = step(model, state, batch.segment, switches=_drop(plan.switches, rng))
        found = losses(model, before, output, batch.labels)
        state = topics.write(replace(state, position=before.position), output.told, batch.labels["topic"])
        state = replace(state, position=before.position + batch.segment.valid[:, :size].sum(1))
        window.append(sum((WEIGHT[task] * loss for task, loss in found.items()), torch.zeros(())))
        for task, loss in found.items():
            sums.setdefault(task, []).append(float(loss.detach()))
        if len(window) == depth:
            _descend(model, optimizer, window, plan, number=number)
            state, window = state.detach(), []
    if window:
        _descend(model, optimizer, window, plan, number=number)
    return {task: float(np.mean(values)) for task, values in sums.items()}


def _descend(
    model: MemoryTransformer, optimizer: torch.optim.Optimizer, window: list[Tensor], plan: Plan, *, number: int
) -> None:
    loss = torch.stack(window).mean()
    optimizer.zero_grad()
    if not loss.requires_grad:
        return
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
    share = number / max(plan.epochs - 1, 1)
    for group in optimizer.param_groups:  # warm-up within the first epoch is not needed: the probes carry it
        group["lr"] = group["scale"] * plan.rate * (0.5 * (1 + math.cos(math.pi * share)) * 0.95 + 0.05)
    optimizer.step()


def _drop(switches: Switches, rng: np.random.Generator) -> Switches:
    """Each bank is off for some steps, so that none is leant on alone."""
    return Switches(**{name: on and bool(rng.random() >= BANK_DROP) for name, on in asdict(switches).items()})


def _optimizer(model: MemoryTransformer, plan: Plan) -> torch.optim.Optimizer:
    """Gates, slopes and norms learn faster and do not decay: with it they stay shut, as others found."""
    fast = ("gate", "slow", "forget", "fade", "bank", "near", "sharp", "trust", "sure", "strength")
    groups: dict[str, list[Tensor]] = {"fast": [], "flat": [], "plain": []}
    for name, parameter in model.named_parameters():
        part = "fast" if any(word in name.split(".") for word in fast) else "flat" if parameter.dim() < 2 else "plain"
        groups[part].append(parameter)
    return torch.optim.AdamW(
        [
            {"params": groups["plain"], "weight_decay": plan.decay, "scale": 1.0},
            {"params": groups["flat"], "weight_decay": 0.0, "scale": 1.0},
            {"params": groups["fast"], "weight_decay": 0.0, "scale": 5.0},
        ],
        lr=plan.rate,
        betas=(0.9, 0.98),
    )


def _keep(path: Path, model: MemoryTransformer, optimizer: torch.optim.Optimizer, plan: Plan, *, epochs: int) -> None:
    part = path.with_suffix(".part")
    kept = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "plan": asdict(plan), "epochs": epochs}
    torch.save(kept, part)
    part.replace(path)


def _resume(path: Path, model: MemoryTransformer, optimizer: torch.optim.Optimizer, plan: Plan) -> int:
    if not path.exists():
        return 0
    kept = torch.load(path, weights_only=True)
    if kept["plan"] != asdict(plan):
        raise MindError(f"{path} was made by another plan; name another checkpoint or delete it")
    model.load_state_dict(kept["model"])
    optimizer.load_state_dict(kept["optimizer"])
    return int(kept["epochs"])


def prepared(meetings: Sequence[Annotated], *, cache: Path | None, say: Say) -> tuple[Probes, list[Readable]]:
    """Probes of all meetings, and the meetings as read by probes that never saw their series; kept in `cache`."""
    names = [m.name for m in meetings]
    if cache and cache.exists():
        kept, probes, ready = pickle.loads(cache.read_bytes())
        if kept == names:
            return probes, ready
    weights = material.weights_of(meetings)
    probes, ready, _ = material.prepare(material.count(meetings, weights), [], weights, say=say)
    if cache:
        cache.write_bytes(pickle.dumps((names, probes, ready)))
    return probes, ready


def _part(text: str) -> tuple[int, int]:
    """The second of five parts from "2/5"; ValueError, which argparse tells, where there is none."""
    number, count = map(int, text.split("/"))
    if not 1 <= number <= count or count < 2:
        raise ValueError
    return number, count


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m memory.train", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of annotated meetings to learn from")
    parser.add_argument("--also", type=Path, help="a second folder, for cross-validation over both")
    parser.add_argument("--fold", type=_part, help="2/5: leave out the second of five parts, whole series each")
    parser.add_argument("--out", type=Path, required=True, help="weights to write; the checkpoint lies beside them")
    parser.add_argument("--cache", type=Path, help="file that keeps the fitted probes between runs")
    parser.add_argument("--epochs", type=int, default=Plan.epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--adapt", type=Path, help="weights to adapt to the meetings of --data instead of starting anew"
    )
    banks = [field.name for field in fields(Switches)]
    parser.add_argument("--without", nargs="*", default=[], choices=banks, help="banks to leave out")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.use_deterministic_algorithms(True)
    meetings = load(given.data) + (load(given.also) if given.also else [])
    if given.fold:
        number, count = given.fold
        meetings = list(folds(meetings, count))[number - 1][0]
    say = partial(print, flush=True)
    if given.adapt:
        save(given.out, adapt(load_weights(given.adapt), meetings, replace(ADAPTED, seed=given.seed), say=say))
        return
    if len({meeting.series for meeting in meetings}) < 2:
        raise MindError(f"{given.data} holds one series only; training needs others to judge it by, --adapt does not")
    probes, ready = prepared(meetings, cache=given.cache, say=say)
    switches = Switches(**{name: name not in given.without for name in asdict(Switches())})
    plan = Plan(epochs=given.epochs, seed=given.seed, switches=switches)
    model = train(ready, plan, Sizes(), checkpoint=given.out.with_suffix(".checkpoint"), say=say)
    save(given.out, Shipped(model, probes, fitted=frozenset(m.name for m in meetings)))
    say(f"{given.out}: {given.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
