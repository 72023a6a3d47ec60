"""Train the embedded recogniser: `python -m audio.embedded.train --ami DIR --work DIR`.

`audio.embedded.losses` says what it is trained on. The embeddings of the timestamps are a learned map of
the encoder's positional sinusoids, so that what is learned of one holds for all.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from whisper.model import Whisper
from whisper.tokenizer import get_tokenizer

from audio.embedded.losses import losses
from audio.embedded.network import Heads, build, shorten
from audio.embedded.texts import ami_sentences, compound_sentences, corpus, vocabulary
from audio.embedded.voices import record
from audio.embedded.windows import Speech, Vocabulary, Windows, english_filters

COMMON_WORDS = 1200  # of the AMI train meetings, beside all words of our templates
SENTENCES, COMPOUND_SENTENCES = 30_000, 5_000
AVERAGED = 0.998  # of the running mean of the weights a step keeps; its memory is some 500 steps


@dataclass(frozen=True)
class Length:
    """One kind of training window: attention that is aligned on short ones grows to Whisper's 30 s."""

    seconds: int
    windows: int  # a batch
    shares: tuple[float, float, float, float]  # of the steps, at 0, 1/3, 2/3 and 3/3 of the time
    shifted: bool = False  # positions and timestamps moved to a random place of the 30 s


@dataclass(frozen=True)
class Plan:
    """How long and how hard to train."""

    minutes: float = 110.0  # wall time over all resumptions; the cosine ends here
    peak_rate: float = 8e-4
    behind: float = 0.0  # share of the lengths' course that a trained model has behind it
    warm_up_steps: int = 200
    ctc_weight: float = 0.5
    phone_weight: float = 0.5
    guide_weight: float = 0.3
    weight_decay: float = 0.01
    seed: int = 1
    lengths: tuple[Length, ...] = (
        Length(6, 10, (0.25, 0.15, 0.10, 0.10)),
        Length(6, 10, (0.30, 0.15, 0.05, 0.00), shifted=True),
        Length(12, 5, (0.20, 0.20, 0.10, 0.05), shifted=True),
        Length(18, 3, (0.05, 0.10, 0.15, 0.15)),
        Length(30, 2, (0.20, 0.40, 0.60, 0.70)),
    )

    def choose(self, done: float, chooser: random.Random) -> Length:
        """The next batch's length when the share `done` of the time is gone."""
        done = self.behind + (1 - self.behind) * done
        third = min(2, int(done * 3))
        within = done * 3 - third
        shares = [row.shares[third] * (1 - within) + row.shares[third + 1] * within for row in self.lengths]
        return chooser.choices(self.lengths, shares)[0]


def rate(plan: Plan, step: int, done: float) -> float:
    """Learning rate: linear warm-up by steps, cosine by the share of the time that is gone."""
    return plan.peak_rate * min(1.0, (step + 1) / plan.warm_up_steps) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, done)))


def prepare(ami: Path, work: Path) -> tuple[list[Path], list[str], set[str]]:
    """Speak the training and the unseen sentences, once: folders, training sentences, vocabulary."""
    sentences = ami_sentences(ami)
    spoken = corpus(sentences, common=COMMON_WORDS, count=SENTENCES, seed=1)
    compounds = list(islice(compound_sentences(random.Random(4)), COMPOUND_SENTENCES))
    folders = [work / "train0", work / "train1", work / "train2"]
    parts = (spoken[:4000], spoken[4000:], compounds)
    for folder, part, seed in zip(folders, parts, (2, 3, 4), strict=True):
        if not (folder / "lines.json").exists():
            record(part, folder, seed=seed)
    return folders, spoken, vocabulary(sentences, COMMON_WORDS)


@dataclass
class Course:
    """Where training stands; saved and loaded whole.

    What is released is the running mean of the weights: batches are of a minute, their noise is large.
    """

    model: Whisper
    heads: Heads
    optimizer: torch.optim.AdamW
    mean: AveragedModel
    step: int = 0
    minutes: float = 0.0

    def save(self, path: Path, vocabulary: Vocabulary) -> None:
        """Write the checkpoint beside `path` and move it there in one step."""
        self.model.decoder.token_embedding.weight.data.copy_(self.heads.embedding(self.model))
        state = {
            "model": self.model.state_dict(),
            "heads": self.heads.state_dict(),
            "mean": self.mean.state_dict(),
            "step": self.step,
            "optimizer": self.optimizer.state_dict(),
            "minutes": self.minutes,
            "kept": list(vocabulary.kept),
        }
        torch.save(state, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def load(self, path: Path) -> None:
        """Continue from `path`."""
        state: dict[str, Any] = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.heads.load_state_dict(state["heads"])
        self.mean.load_state_dict(state["mean"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.minutes = state["step"], state["minutes"]


def begin(plan: Plan, vocabulary: Vocabulary, start_from: Path | None) -> Course:
    """A new course, from random weights or from a Whisper checkpoint of the same width."""
    torch.manual_seed(plan.seed)
    model, heads = build(vocabulary), Heads()
    if start_from:
        checkpoint = torch.load(start_from, map_location="cpu", weights_only=True)
        model.load_state_dict(shorten(checkpoint["model_state_dict"], vocabulary))
        if "heads" in checkpoint:
            heads.load_state_dict({k: v.float() for k, v in checkpoint["heads"].items()}, strict=False)
        if "stamps.weight" not in checkpoint.get("heads", {}):
            heads.fit(model)
    parameters = [*model.parameters(), *heads.parameters()]
    return Course(
        model,
        heads,
        torch.optim.AdamW(parameters, lr=plan.peak_rate, betas=(0.9, 0.98), weight_decay=plan.weight_decay, fused=True),
        AveragedModel(nn.ModuleList([model, heads]), multi_avg_fn=get_ema_multi_avg_fn(AVERAGED)),  # type: ignore[no-untyped-call]
    )


def train(course: Course, windows: Windows, plan: Plan, vocabulary: Vocabulary, checkpoint: Path) -> None:
    """Run until the plan's minutes are spent; a checkpoint every three minutes."""
    filters, chooser = english_filters(), random.Random(plan.seed + course.step)
    unused = vocabulary.size - len(vocabulary.kept)
    parameters = [*course.model.parameters(), *course.heads.parameters()]
    pair = nn.ModuleList([course.model, course.heads])
    pair.train()
    begun, spent, saved, shown = time.monotonic(), course.minutes, course.minutes, dict[int, float]()
    while course.minutes < plan.minutes:
        done = course.minutes / plan.minutes
        length = plan.choose(done, chooser)
        for group in course.optimizer.param_groups:
            group["lr"] = rate(plan, course.step, done)
        batch = windows.batch(length.windows, length.seconds, shifted=length.shifted)
        found = losses(course.model, course.heads, batch, filters=filters, unused=unused)
        course.optimizer.zero_grad(set_to_none=True)
        total = found.decoder + plan.phone_weight * found.phones + plan.ctc_weight * found.ctc
        (total + plan.guide_weight * found.guide).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        course.optimizer.step()
        course.mean.update_parameters(pair)
        course.step += 1
        course.minutes = spent + (time.monotonic() - begun) / 60
        loss = found.decoder.item()
        shown[length.seconds] = 0.95 * shown.get(length.seconds, loss) + 0.05 * loss
        if course.step % 50 == 0:
            by_length = "  ".join(f"{s} s {loss:.3f}" for s, loss in sorted(shown.items()))
            others = "  ".join(f"{field.name} {getattr(found, field.name).item():.3f}" for field in fields(found)[1:])
            print(f"{course.minutes:6.1f} min  step {course.step}  {by_length}  {others}", file=sys.stderr, flush=True)
        if course.minutes - saved > 3:
            course.save(checkpoint, vocabulary)
            saved = course.minutes
    course.save(checkpoint, vocabulary)


def main() -> None:
    """Prepare the speech, train or resume, leave `checkpoint.pt` in the work folder."""
    parser = argparse.ArgumentParser(description="Train the embedded recogniser; stop and start it as you like.")
    parser.add_argument("--ami", type=Path, required=True, help="folder of AMI train meetings (JSON)")
    parser.add_argument("--work", type=Path, required=True, help="folder for speech and checkpoints")
    parser.add_argument("--start-from", type=Path, help="Whisper checkpoint of the same width to begin with")
    parser.add_argument("--minutes", type=float, default=Plan.minutes)
    parser.add_argument("--peak-rate", type=float, default=Plan.peak_rate, help="a trained model wants a lower one")
    parser.add_argument("--behind", type=float, default=Plan.behind, help="share of the lengths' course to leave out")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    plan = Plan(options.minutes, options.peak_rate, options.behind)
    folders, sentences, known = prepare(options.ami, options.work)
    tokenizer = get_tokenizer(multilingual=False)
    short = Vocabulary.of(sentences, known, tokenizer)
    course, checkpoint = begin(plan, short, options.start_from), options.work / "checkpoint.pt"
    if checkpoint.exists():
        course.load(checkpoint)
    windows = Windows(Speech(folders), short, tokenizer, seed=plan.seed + course.step)
    print(
        f"{len(short.kept)} tokens, {sum(p.numel() for p in course.model.parameters()) / 1e6:.1f} M parameters",
        file=sys.stderr,
    )
    train(course, windows, plan, short, checkpoint)


if __name__ == "__main__":
    main()
