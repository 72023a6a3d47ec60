"""Dialogue acts from words in their order and from who spoke when around them: a small network beside the memory.

An act depends on REACH utterances before it and LOOKAHEAD after, on nothing else, so that it keeps no state.

Letters of shapes: B stretches, T utterances that are judged, N that are read for them (REACH + T + LOOKAHEAD),
u width of an utterance, d of a moment (an utterance with those around it), O utterances seen around one (SEEN).
Words in their order: patterns of two and three, as in Kim 2014, and the first and last two words as they stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memory.corpora import ACTS, Heard
from memory.probes import FLAGS, GROUPS
from memory.words import LOOKAHEAD, Floats, Ints, bucket

BUCKETS = 4096  # hashed words; 0 = none
LONGEST = 24  # words of an utterance that are read; of a longer one the first 16 and the last 8
_LAST = 8
BACK = 6  # utterances before one whose words it sees
MOMENTS = 4  # an act is judged from this many moments, its own the last
REACH = BACK + MOMENTS - 1
SEEN = BACK + 1 + LOOKAHEAD
OWN, PAIR = 4, 8  # numbers of an utterance itself, and of two utterances
WORD, GRAMS, UTTERANCE, MOMENT = 32, 64, 96, 128
LINEAR = len(ACTS) + len(FLAGS)  # logits of the LR
_SLOW_S = 2.0  # seconds by which the clock's numbers are told apart


@dataclass(frozen=True)
class Scene:
    """A stretch of n utterances as the tagger takes it."""

    words: Ints  # (n, LONGEST)
    own: Floats  # (n, OWN)
    around: Floats  # (n, SEEN, PAIR) zero where nothing was said
    linear: Floats  # (n, LINEAR) what the LR makes of them: its log-probabilities of acts, and the marks

    def __len__(self) -> int:
        return len(self.words)


def scene(heard: Sequence[Heard], said: Sequence[Sequence[str]], probes: Floats) -> Scene:
    """Numbers of these utterances: `said` are their words, `probes` (n, P) the logits of the LR."""
    count = np.array([len(words) for words in said], np.float32)
    start_s, end_s = (np.array([getattr(u, name) for u in heard], np.float32) for name in ("start_s", "end_s"))
    lasted_s = np.maximum(end_s - start_s, 0.0)
    own = [np.log1p(lasted_s), np.log1p(count), np.log1p(count / np.maximum(lasted_s, 0.1)) / 2]
    return Scene(
        words=np.array([_numbers(words) for words in said], np.int64).reshape(-1, LONGEST),
        own=np.stack([*own, np.log1p(start_s / 60) / 4], 1).astype(np.float32),
        around=_around([u.speaker for u in heard], start_s, end_s),
        linear=_linear(probes),
    )


def _numbers(words: Sequence[str]) -> list[int]:
    kept = [*words[: LONGEST - _LAST], *words[-_LAST:]] if len(words) > LONGEST else words
    numbers = [1 + bucket(word, BUCKETS - 1) for word in kept]
    return numbers + [0] * (LONGEST - len(numbers))


def _around(speakers: Sequence[str], start_s: Floats, end_s: Floats) -> Floats:
    """How each utterance stands to those around it: whether one person spoke, and what overlaps (n, SEEN, PAIR)."""
    numbers = {label: i for i, label in enumerate(dict.fromkeys(speakers))}
    who = np.array([numbers[label] for label in speakers], np.int64)
    me = np.arange(len(who))[:, None]
    other = me + np.arange(-BACK, LOOKAHEAD + 1)
    there = (other >= 0) & (other < len(who))
    other = other.clip(0, max(len(who) - 1, 0))
    same = (who[other] == who[me]) & np.array([bool(label) for label in speakers], bool)[me]
    begins, ends, begin, end = start_s[other], end_s[other], start_s[me], end_s[me]
    clocks = [np.tanh(gap / _SLOW_S) for gap in (begins - begin, ends - begin, begins - end, ends - end)]
    covers, lies_in = (begins <= begin) & (ends >= end), (begins >= begin) & (ends <= end)
    numbers_of = np.stack([same, *clocks, covers, lies_in, there], -1).astype(np.float32)
    return np.asarray(numbers_of * there[..., None], np.float32)


def _linear(probes: Floats) -> Floats:
    acts = probes[:, GROUPS["act"]] - probes[:, GROUPS["act"]].max(1, keepdims=True)
    acts = acts - np.log(np.exp(acts).sum(1, keepdims=True))
    flags = np.concatenate([probes[:, GROUPS[name]] for name in FLAGS], 1)
    return np.concatenate([acts.clip(-8) / 2, flags / 3], 1).astype(np.float32)


@dataclass(frozen=True)
class Stretches:
    """What the network reads: B stretches of T utterances that are judged, with those before and after."""

    words: Tensor  # (B, N, LONGEST)
    own: Tensor  # (B, N, OWN)
    said: Tensor  # (B, N) 1 where there is an utterance
    around: Tensor  # (B, MOMENTS - 1 + T, SEEN, PAIR)
    linear: Tensor  # (B, T, LINEAR)


def stretches(scenes: Sequence[tuple[Scene, int]], size: int) -> Stretches:
    """`size` utterances of each scene from the given one on, which may lie before its first or behind its last."""

    def cut(values: Sequence[Floats | Ints], before: int, after: int) -> Tensor:
        out = np.zeros((len(scenes), before + size + after, *values[0].shape[1:]), values[0].dtype)
        for row, ((_, first), value) in enumerate(zip(scenes, values, strict=True)):
            low, high = max(0, first - before), min(len(value), first + size + after)
            if low < high:
                out[row, low - first + before : high - first + before] = value[low:high]
        return torch.from_numpy(out)

    return Stretches(
        words=cut([s.words for s, _ in scenes], REACH, LOOKAHEAD),
        own=cut([s.own for s, _ in scenes], REACH, LOOKAHEAD),
        said=cut([np.ones(len(s), np.float32) for s, _ in scenes], REACH, LOOKAHEAD),
        around=cut([s.around for s, _ in scenes], MOMENTS - 1, 0),
        linear=cut([s.linear for s, _ in scenes], 0, 0),
    )


class Tagger(nn.Module):
    """Stretches -> logits (B, T, 15)."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(BUCKETS, WORD, padding_idx=0)
        nn.init.normal_(self.words.weight, std=0.3)
        with torch.no_grad():
            self.words.weight[0] = 0.0
        self.two, self.three = (nn.Conv1d(WORD, GRAMS, n, padding=1) for n in (2, 3))
        self.ends = nn.Linear(4 * WORD, UTTERANCE)
        self.utterance = nn.Linear(2 * GRAMS + WORD + OWN, UTTERANCE)
        self.around, self.mine = nn.Linear(SEEN * UTTERANCE, MOMENT), nn.Linear(SEEN * UTTERANCE, MOMENT, bias=False)
        self.clock, self.before = nn.Linear(SEEN * PAIR, MOMENT), nn.Linear(MOMENTS * MOMENT, MOMENT)
        self.joined = nn.Linear(MOMENT + UTTERANCE + LINEAR, MOMENT)
        self.out = nn.Linear(MOMENT + LINEAR, len(ACTS))
        self.drop, self.lost = nn.Dropout(0.3), 0.1  # words lost in training

    def forward(self, read: Stretches) -> Tensor:
        """Logits of the judged utterances."""
        said = self._utterances(read.words.flatten(0, 1), read.own.flatten(0, 1))
        said = said.view(*read.said.shape, -1) * read.said.unsqueeze(-1)  # (B, N, u)
        near = self.drop(said.unfold(1, SEEN, 1).transpose(2, 3))  # (B, MOMENTS - 1 + T, O, u)
        mine = near * read.around[..., :1]  # of the same speaker
        moment = torch.relu(
            self.around(near.flatten(2)) + self.mine(mine.flatten(2)) + self.clock(read.around.flatten(2))
        )
        past = moment.unfold(1, MOMENTS, 1).flatten(2)  # (B, T, d * MOMENTS)
        now = torch.relu(self.before(self.drop(past))) + moment[:, MOMENTS - 1 :]
        own = said[:, REACH : REACH + now.shape[1]]
        joined = torch.relu(self.joined(torch.cat([self.drop(now), own, read.linear], -1)))
        logits: Tensor = self.out(torch.cat([self.drop(joined), read.linear], -1))
        return logits

    def _utterances(self, words: Tensor, own: Tensor) -> Tensor:
        """words (n, LONGEST), own (n, OWN) -> (n, u)"""
        if self.training:
            words = words * (torch.rand(words.shape) >= self.lost)
        vectors, count = self.words(words), (words > 0).sum(1)
        turned = vectors.transpose(1, 2)
        grams = [torch.relu(conv(turned).amax(2)) for conv in (self.two, self.three)]
        mean = vectors.sum(1) / count.clamp(min=1).sqrt().unsqueeze(1)
        last = torch.stack([count - 1, count - 2], 1).clamp(min=0)
        behind = vectors.gather(1, last.unsqueeze(-1).expand(-1, -1, vectors.shape[2]))
        ends = torch.cat([vectors[:, :2], behind], 1).flatten(1)
        return torch.relu(self.utterance(self.drop(torch.cat([*grams, mean, own], 1))) + self.ends(ends))


@torch.no_grad()
def tagged(tagger: Tagger, said: Scene, *, first: int = 0, count: int = 0) -> Floats:
    """Logits (count, 15) of the utterances from `first` on, all that follow where count is 0."""
    count = count or len(said) - first
    if count <= 0:
        return np.zeros((0, len(ACTS)), np.float32)
    tagger.eval()
    logits = F.log_softmax(tagger(stretches([(said, first)], count))[0], -1)
    return np.asarray(logits.numpy(), np.float32)
