"""Train the embedded recogniser: `python -m audio.embedded.train --ami DIR --work DIR`.

Loss: cross-entropy over the decoder; over the phone of every frame, in the encoder's middle, since the
voices tell when they say what (low-level tasks belong on low layers: Toshniwal et al. 2017); character
CTC at its end (Watanabe et al. 2017, hybrid CTC/attention); and the guidance of some cross-attention
heads to the frames where a token is spoken (after Tachibana et al. 2018, guided attention). The
embeddings of the timestamps are a learned map of the encoder's positional sinusoids, so that what is
learned of one holds for all.
Letters: B windows, T tokens, F encoder frames, d = 256 width, R = short vocabulary, P = phones.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from whisper.model import ModelDimensions, Whisper, sinusoids
from whisper.tokenizer import get_tokenizer

from audio.embedded.attention import head_by_head
from audio.embedded.phones import PHONES
from audio.embedded.texts import ami_sentences, compound_sentences, corpus, vocabulary
from audio.embedded.voices import record
from audio.embedded.windows import IGNORED, STAMPS, Batch, Speech, Vocabulary, Windows, english_filters, log_mel

COMMON_WORDS = 1200  # of the AMI train meetings, beside all words of our templates
SENTENCES, COMPOUND_SENTENCES = 30_000, 5_000
N_MELS, N_AUDIO_CTX, N_STATE, N_HEAD, N_AUDIO_LAYER, N_TEXT_LAYER, N_TEXT_CTX = 80, 1500, 256, 4, 4, 3, 448
CTC_OUTPUTS = 29
GUIDED_LAYERS, GUIDED_HEADS = (1, 2), 2  # the layers that Whisper's word timing reads, and how many heads in each
GUIDE_FRAMES = 15  # 0.3 s on either side
STAMP_BLUR = (0.4, 0.2, 0.1)  # of a timestamp's target: itself, its neighbours (20 ms), theirs


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


def build(vocabulary: Vocabulary) -> Whisper:
    """The model with the short vocabulary; its last token stands for every token never used."""
    dims = ModelDimensions(
        N_MELS,
        N_AUDIO_CTX,
        N_STATE,
        N_HEAD,
        N_AUDIO_LAYER,
        len(vocabulary.kept) + 1,
        N_TEXT_CTX,
        N_STATE,
        N_HEAD,
        N_TEXT_LAYER,
    )
    return Whisper(dims)


def shorten(full: dict[str, Tensor], vocabulary: Vocabulary) -> dict[str, Tensor]:
    """A full checkpoint's weights with the embedding cut to the short vocabulary."""
    weights = {name: tensor.float() for name, tensor in full.items()}
    embedding = weights["decoder.token_embedding.weight"]
    rest = torch.ones(len(embedding), dtype=torch.bool)
    rest[list(vocabulary.kept)] = False
    weights["decoder.token_embedding.weight"] = torch.cat(
        [embedding[list(vocabulary.kept)], embedding[rest].mean(0, keepdim=True)]
    )
    return weights


def lengthen(short: dict[str, Tensor], vocabulary: Vocabulary) -> dict[str, Tensor]:
    """The official format again: every unused token gets the one shared row."""
    weights = dict(short)
    embedding = short["decoder.token_embedding.weight"]
    full = embedding[-1:].repeat(vocabulary.size, 1)
    full[list(vocabulary.kept)] = embedding[:-1]
    weights["decoder.token_embedding.weight"] = full
    return weights


class Heads(nn.Module):
    """What only training needs: the encoder's letters and phones."""

    def __init__(self) -> None:
        super().__init__()
        self.ctc = nn.Linear(N_STATE, CTC_OUTPUTS)
        self.phones = nn.Linear(N_STATE, len(PHONES))  # of the encoder's middle
        self.stamps = nn.Linear(N_STATE, N_STATE, bias=False)  # a time's sinusoids to its token's embedding
        self.times: Tensor
        self.register_buffer("times", sinusoids(STAMPS, N_STATE), persistent=False)

    def embedding(self, model: Whisper) -> Tensor:
        """The short vocabulary's embedding, its timestamps made from their times: (R, d)."""
        rows = model.decoder.token_embedding.weight
        return torch.cat([rows[: -STAMPS - 1], self.stamps(self.times), rows[-1:]])

    def fit(self, model: Whisper) -> None:
        """Take over the timestamps of a trained model, as far as such a map can."""
        rows, times = model.decoder.token_embedding.weight[-STAMPS - 1 : -1].detach(), self.times
        ridge = times.T @ times + torch.eye(N_STATE)
        self.stamps.weight.data.copy_(torch.linalg.solve(ridge, times.T @ rows).T)


def encode(model: Whisper, mel: Tensor, offset: int) -> tuple[Tensor, Tensor]:
    """Whisper's encoder on windows shorter than 30 s, placed at frame `offset`.

    (B, 80, 2F) -> its output and, normalised, its middle: (B, F, d), (B, F, d).
    """
    encoder = model.encoder
    x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel)))).permute(0, 2, 1)  # (B, F, d)
    x = (x + encoder.positional_embedding[offset : offset + x.shape[1]]).to(x.dtype)
    middle = x
    for number, block in enumerate(encoder.blocks, 1):
        x = block(x)
        middle = x if number == len(encoder.blocks) // 2 else middle
    return encoder.ln_post(x), F.layer_norm(middle, (N_STATE,))


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
    """Where training stands; saved and loaded whole."""

    model: Whisper
    heads: Heads
    optimizer: torch.optim.AdamW
    step: int = 0
    minutes: float = 0.0

    def save(self, path: Path, vocabulary: Vocabulary) -> None:
        """Write the checkpoint beside `path` and move it there in one step."""
        self.model.decoder.token_embedding.weight.data.copy_(self.heads.embedding(self.model))
        state = {
            "model": self.model.state_dict(),
            "heads": self.heads.state_dict(),
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
    )


def train(course: Course, windows: Windows, plan: Plan, vocabulary: Vocabulary, checkpoint: Path) -> None:
    """Run until the plan's minutes are spent; a checkpoint every three minutes."""
    filters, chooser = english_filters(), random.Random(plan.seed + course.step)
    unused = vocabulary.size - len(vocabulary.kept)
    parameters = [*course.model.parameters(), *course.heads.parameters()]
    course.model.train()
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
