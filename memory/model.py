"""The recurrent-memory transformer, whole, in reading order: utterances and a memory in, logits and a memory out.

Letters of shapes
  B  streams (meetings read side by side)      d  width                     P  columns of the probes
  S  utterances of a segment                   h  attention heads           K  slots (speakers, topics, items)
  L  cached utterances                         M  memory tokens             k  width of a slot's key
  A  archive rows                              T  numbers of the clock      v  width of a slot's value

Sources: cache with relative positions, Transformer-XL (Dai et al. 2019, 3.2-3.3); memory tokens, Recurrent Memory
Transformer (Bulatov et al. 2022, 3.2), their gate as in Block-Recurrent Transformers (Hutchins et al. 2022, 3.2);
slots, the delta rule of Schlag et al. 2021 (4.2) at one address; archive, Memorizing Transformers (Wu et al. 2022, 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memory.probes import COLUMNS, FLAGS, GROUPS, OWNERS
from memory.state import ITEM_SLOTS, SLOTS, SPEAKER_SLOTS, SPEAKERS
from memory.words import LOOKAHEAD, TIMES, WORD_BUCKETS

ACTS, ROLES = 15, 4
LONGEST = 32  # words of an utterance that are read in order; of AMI's one in a hundred is longer
BACK = 4  # utterances before one that are mixed into it at once
HEADS = {"act": ACTS, "owner": OWNERS, "swapped": 1, **dict.fromkeys(FLAGS, 1)}


@dataclass(frozen=True)
class Sizes:
    """How large everything is; a state fits the model of its sizes only."""

    d: int = 128  # width
    heads: int = 4
    layers: int = 2
    words: int = 64  # width of the learned word vectors
    grams: int = 96  # learned patterns of two words, and as many of three
    segment: int = 32  # S
    cache: int = 128  # L
    tokens: int = 8  # M
    key: int = 32  # k
    value: int = 48  # v
    archive: int = 4096  # A
    archived: int = 48  # width of an archive row
    top: int = 8  # archive rows that an utterance reads
    writes: int = 4  # item slots written a segment, at most
    reach: int = 0  # cached utterances that are read, 0 = all; with the next a knob, not a size: any fits any weights
    recency: float = 1.0  # how much the learned slopes count: more keeps to what is near, 0 goes by likeness alone


@dataclass(frozen=True)
class Switches:
    """Which banks are on."""

    cache: bool = True
    tokens: bool = True
    slots: bool = True
    archive: bool = True


@dataclass(frozen=True)
class Segment:
    """S utterances of B streams, and the LOOKAHEAD after them."""

    words: Tensor  # (W,) flat word buckets of all B * (S + LOOKAHEAD) utterances
    offsets: Tensor  # (B * (S + LOOKAHEAD),) where each begins
    probes: Tensor  # (B, S + LOOKAHEAD, P or more) logits of the probes; the network sees the first P
    times: Tensor  # (B, S + LOOKAHEAD, T)
    start_s: Tensor  # (B, S) seconds
    speaker: Tensor  # (B, S) slot by first appearance
    valid: Tensor  # (B, S + LOOKAHEAD) bool; False = nothing was said
    known: Tensor  # (B, S) bool: the speaker is known


class Wording(nn.Module):
    """An utterance's words in their order: the strongest patterns of two and of three, and their mean (Kim 2014)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.words = nn.Embedding(WORD_BUCKETS, sizes.words)
        nn.init.normal_(self.words.weight, std=0.3)
        self.two, self.three = nn.Conv1d(sizes.words, sizes.grams, 2), nn.Conv1d(sizes.words, sizes.grams, 3)
        self.drop = nn.Dropout(0.3)

    def forward(self, words: Tensor, offsets: Tensor) -> Tensor:
        """words (W,) flat, offsets (n,) -> (n, 2 * grams + words)"""
        lengths = torch.diff(offsets, append=torch.tensor([len(words)])).clamp(max=LONGEST)
        places = torch.arange(max(int(lengths.max()), 1))
        there = places < lengths.view(-1, 1)  # (n, longest)
        flat = torch.cat([words, words.new_zeros(1)])  # an empty last utterance begins behind the end
        each = self.words(flat[(offsets.view(-1, 1) + places).clamp(max=len(words))]) * there.unsqueeze(-1)
        each = self.drop(each)
        mean = each.sum(1) / lengths.clamp(min=1).unsqueeze(-1)
        framed = F.pad(each.transpose(1, 2), (1, 3))  # begin and end are words too, whatever the others' lengths
        best = [F.gelu(conv(framed)).amax(2) for conv in (self.two, self.three)]
        return torch.cat([*best, mean], -1)


class Encoder(nn.Module):
    """One utterance as a vector: its words, the probes' view of it, its times, and the words of what follows it."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.wording = Wording(sizes)
        self.mix = nn.Linear(sizes.words + 2 * sizes.grams + COLUMNS + TIMES, sizes.d)
        self.ahead = nn.Linear(LOOKAHEAD * sizes.d, sizes.d, bias=False)
        self.drop = nn.Dropout(0.2)
        self.norm = nn.LayerNorm(sizes.d)

    def forward(self, segment: Segment) -> tuple[Tensor, Tensor]:
        """(B, S, d), and of each utterance's own words alone (B, S, 2 * grams + words)"""
        streams, size = segment.valid.shape
        words = self.drop(self.wording(segment.words, segment.offsets).view(streams, size, -1))
        probes = segment.probes[..., :COLUMNS]
        each = F.gelu(self.mix(torch.cat([words, self.drop(probes / 3), segment.times], -1)))
        span = size - LOOKAHEAD
        # Of what follows only the words: its probes and times would look still further ahead.
        told = torch.cat([words, torch.zeros_like(probes), torch.zeros_like(segment.times)], -1)
        ahead = F.gelu(self.mix(told)) * segment.valid.unsqueeze(-1)  # (B, S + LOOKAHEAD, d)
        after = torch.cat([ahead[:, 1 + i : 1 + i + span] for i in range(LOOKAHEAD)], -1)
        return self.norm(each[:, :span] + self.ahead(self.drop(after))), words[:, :span]


class Nearby(nn.Module):
    """What the few utterances before one mean for it; those of earlier segments come from the cache."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.mix = nn.Conv1d(sizes.d, sizes.d, 1 + BACK)
        self.drop = nn.Dropout(0.2)

    def forward(self, past: Tensor, x: Tensor) -> Tensor:
        """past (B, BACK, d), x (B, S, d) -> (B, S, d)"""
        both = self.drop(torch.cat([past, x], 1)).transpose(1, 2)
        return x + F.gelu(self.mix(both)).transpose(1, 2)


@dataclass(frozen=True)
class Rows:
    """What a layer may attend to beside its own segment."""

    memory: Tensor  # (B, R, d) memory tokens and slots
    readable: Tensor  # (B, R) bool
    kind: Tensor  # (R,) which bank: 0 tokens, 1 speakers, 2 items
    cache_ok: Tensor  # (B, L) bool
    distance: Tensor  # (B, S, L + S) utterances back
    minutes: Tensor  # (B, S, L + S) minutes back
    seen: Tensor  # (B, S, L + S) bool: neither of the future nor empty
    recency: float


class Layer(nn.Module):
    """Pre-norm attention over memory, cache and segment, then a feed-forward block."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        d, self.heads = sizes.d, sizes.heads
        self.norm, self.memory_norm, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(d)
        self.query, self.both, self.out = nn.Linear(d, d), nn.Linear(d, 2 * d), nn.Linear(d, d)
        self.forget = nn.Parameter(torch.linspace(-3, 1, self.heads))  # recency slope a head, over log distance
        self.fade = nn.Parameter(torch.linspace(-4, 0, self.heads))  # and over minutes
        self.near = nn.Parameter(torch.zeros(self.heads, 9))  # exact relative positions 0 to 8
        self.bank = nn.Parameter(torch.zeros(self.heads, 3))
        self.feed = nn.Sequential(nn.Linear(d, 3 * d), nn.GELU(), nn.Dropout(0.1), nn.Linear(3 * d, d))
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor, cached: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
        """x (B, S, d), cached (B, L, d) -> (x of the next layer, attention mass (B, S, R) on the memory rows)."""
        streams, size, d = x.shape
        past = self.norm(torch.cat([cached, x], 1))
        keys = torch.cat([self.memory_norm(rows.memory), past], 1)  # (B, R + L + S, d)
        q = self.query(past[:, -size:]).view(streams, size, self.heads, -1).transpose(1, 2)
        k, v = self.both(keys).view(streams, keys.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        logits = q @ k.transpose(-1, -2) / math.sqrt(d / self.heads)  # (B, h, S, R + L + S)
        mass = (logits + self._bias(rows)).softmax(-1)
        read = (self.drop(mass) @ v).transpose(1, 2).reshape(streams, size, d)
        x = x + self.drop(self.out(read))
        return x + self.drop(self.feed(self.norm2(x))), mass[..., : rows.memory.shape[1]].mean(1)

    def _bias(self, rows: Rows) -> Tensor:
        """(B, h, S, R + L + S): nearer is better by a learned slope, what may not be seen is -inf."""
        slope = F.softplus(self.forget).view(1, -1, 1, 1) * torch.log1p(rows.distance).unsqueeze(1)
        fade = F.softplus(self.fade).view(1, -1, 1, 1) * rows.minutes.unsqueeze(1)
        exact = self.near[:, rows.distance.clamp(max=8).long()].transpose(0, 1)  # (B, h, S, L + S)
        near = (exact - rows.recency * (slope + fade)).masked_fill(~rows.seen.unsqueeze(1), -torch.inf)
        far = self.bank[:, rows.kind].view(1, self.bank.shape[0], 1, -1).expand(*near.shape[:3], -1)
        far = far.masked_fill(~rows.readable[:, None, None], -torch.inf)
        return torch.cat([far, near], -1)


class Archive(nn.Module):
    """Exact search of the nearest archive rows, read through a gate."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.top = sizes.top
        self.row = nn.Linear(sizes.d, sizes.archived, bias=False)
        self.query, self.value = nn.Linear(sizes.d, sizes.archived, bias=False), nn.Linear(sizes.archived, sizes.d)
        self.sharp, self.gate = nn.Parameter(torch.tensor(2.0)), nn.Linear(sizes.d, 1)
        nn.init.constant_(self.gate.bias, -1.0)

    def forward(self, x: Tensor, rows: Tensor, filled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, S, d), rows (B, A, a) -> (x, which rows (B, S, top), their weight (B, S, top))."""
        likeness = F.normalize(self.query(x), dim=-1) @ rows.transpose(1, 2)  # (B, S, A)
        likeness = likeness.masked_fill(~filled.unsqueeze(1), -2.0)
        best, which = likeness.topk(min(self.top, rows.shape[1]), -1)
        empty = best < -1.5
        weight = (best * self.sharp.exp()).masked_fill(empty, -1e4).softmax(-1) * ~empty
        found = rows.gather(1, which.flatten(1).unsqueeze(-1).expand(-1, -1, rows.shape[2]))  # (B, S * top, a)
        read = weight.unsqueeze(2) @ found.view(*which.shape, -1)  # (B, S, 1, a)
        some = (~empty).any(-1, keepdim=True)
        return x + torch.sigmoid(self.gate(x)) * self.value(read.squeeze(2)) * some, which, weight


def delta_weights(strength: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """The delta rule v <- v + b (u - v), S steps at once, for writes that each go to one of K places.

    strength (B, S) in [0, 1), place (B, S, K) one-hot or zero ->
    what each write is worth after the last step (B, S, K), what is left of the value before (B, K).
    """
    keep = torch.log1p(-strength.clamp(max=0.999)).unsqueeze(-1) * place  # (B, S, K) log of what a step leaves
    total = keep.cumsum(1)
    return strength.unsqueeze(-1) * place * (total[:, -1:] - total).exp(), total[:, -1].exp()


class Slots(nn.Module):
    """How speaker and item slots are written, and how a speaker's own slot is read, utterance by utterance."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.value = nn.Linear(sizes.d, sizes.value - ROLES)
        self.strength = nn.Linear(sizes.d, 1)
        nn.init.zeros_(self.strength.weight), nn.init.zeros_(self.strength.bias)
        self.slow = nn.Parameter(torch.tensor(1.0))  # 1: a running mean at the start of training
        self.own = nn.Linear(sizes.value + 1, sizes.d)
        self.words = sizes.words
        self.key = nn.Linear(sizes.words, sizes.key, bias=False)  # words in common are likeness from the start
        self.item, self.write = nn.Linear(2 * sizes.grams + sizes.words, sizes.value), nn.Linear(sizes.d, 1)
        self.sharp, self.nothing = nn.Parameter(torch.tensor(2.5)), nn.Parameter(torch.tensor(0.3))
        self.later = nn.Parameter(torch.tensor(2.0))  # of two that fit, how much the newer one is preferred
        self.found = nn.Linear(sizes.value + 1, sizes.d)
        with torch.no_grad():
            self.found.weight.mul_(4.0)  # what is found must be heard beside a normed utterance
        self.rows = nn.Linear(sizes.value + sizes.key, sizes.d)
        self.names = nn.Parameter(torch.randn(SPEAKERS, sizes.d) * 0.3)  # by order of appearance, never by name

    def written(self, x: Tensor, probes: Tensor) -> Tensor:
        """What an utterance tells of its speaker, (B, S, v): the role log-odds first."""
        return torch.cat([probes[..., GROUPS["role"]] / 3, torch.tanh(self.value(x))], -1)

    def beta(self, x: Tensor, before: Tensor) -> Tensor:
        """Write strength (B, S): a running mean, bent by what was said; `before` (B, S) counts earlier writes."""
        return torch.sigmoid(self.strength(x).squeeze(-1) - self.slow * torch.log(before + 0.02))

    def read_own(self, x: Tensor, told: Tensor, segment: Segment, value: Tensor, hits: Tensor) -> tuple[Tensor, Tensor]:
        """Each speaker's slot right after each utterance: value (B, S, v) and count (B, S).

        x (B, S, d), told (B, S, v), value (B, SPEAKERS, v) and hits (B, SPEAKERS) at the start of the segment.
        """
        size = x.shape[1]
        live = segment.valid[:, :size] & segment.known
        place = F.one_hot(segment.speaker, SPEAKERS).float() * live.unsqueeze(-1)
        before = (place.cumsum(1) - place + hits.unsqueeze(1)).gather(2, segment.speaker.unsqueeze(-1)).squeeze(-1)
        strength = self.beta(x, before) * live
        left = torch.log1p(-strength.clamp(max=0.999)).unsqueeze(-1) * place
        total = left.cumsum(1).gather(2, segment.speaker.unsqueeze(-1)).squeeze(-1)  # (B, S) of the own slot
        same = (place @ place.transpose(1, 2)).tril()  # (B, S, S): an earlier utterance of the same speaker
        gap = (total.unsqueeze(2) - total.unsqueeze(1)).clamp(max=0)
        weight = same * strength.unsqueeze(1) * gap.exp()
        old = value.gather(1, segment.speaker.unsqueeze(-1).expand(-1, -1, value.shape[2]))
        return weight @ told + total.exp().unsqueeze(-1) * old * live.unsqueeze(-1), before + live

    def items(self, x: Tensor, own: Tensor, live: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Key (B, S, k) and value (B, S, v) of each utterance's own words as an item, and write strength (B, S)."""
        strength = torch.sigmoid(self.write(x)).squeeze(-1) * live
        return F.normalize(self.key(own[..., -self.words :]), dim=-1), torch.tanh(self.item(own)), strength

    def recall(
        self, told: tuple[Tensor, Tensor, Tensor], key: Tensor, value: Tensor, age: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What the item slots, and the utterances before in the segment, hold under the key of each utterance.

        told as `items` gives it; key (B, K, k), value (B, K, v), age (B, K) since written, 0 to 1 of all that was
        heard, infinite where empty -> what was found, in the width of the model (B, S, d), and how much each slot
        was read (B, S, K). Of equal keys the newer counts.
        """
        mine, said, strength = told
        sharp, size = self.sharp.exp(), mine.shape[1]
        slots = mine @ key.transpose(1, 2) * sharp + (self.later * (1 - age.clamp(max=1))).unsqueeze(1)
        slots = slots.masked_fill(age.isinf().unsqueeze(1), -1e4)
        place = torch.arange(size)
        fresh = (strength + 1e-4).log() + self.later * (1 + place / size)  # (B, S)
        here = mine @ mine.transpose(1, 2) * sharp + fresh.unsqueeze(1)
        here = here.masked_fill(place.view(1, -1) >= place.view(-1, 1), -1e4)
        none = (self.nothing * sharp).expand(*mine.shape[:2], 1)
        mass = torch.cat([none, slots, here], -1).softmax(-1)
        split = 1 + key.shape[1]
        found = mass[..., 1:split] @ value + mass[..., split:] @ (said * strength.unsqueeze(-1))
        return self.found(torch.cat([found, mass[..., :1]], -1)), mass[..., 1:split]

    def readable(self, key: Tensor, value: Tensor, hits: Tensor) -> tuple[Tensor, Tensor]:
        """Speaker and item slots as rows (B, R, d) and which of them hold something (B, R)."""
        rows = self.rows(torch.cat([value, key], -1))
        speakers = rows[:, SPEAKER_SLOTS] + self.names
        return torch.cat([speakers, rows[:, ITEM_SLOTS]], 1), torch.cat(
            [hits[:, SPEAKER_SLOTS], hits[:, ITEM_SLOTS]], 1
        ) > 0


class Tokens(nn.Module):
    """Recurrent memory tokens: they attend to the segment and take up what a learned gate lets in."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(sizes.tokens, sizes.d) * 0.3)
        self.query, self.both = nn.Linear(sizes.d, sizes.d), nn.Linear(sizes.d, 2 * sizes.d)
        self.gate, self.norm = nn.Linear(2 * sizes.d, sizes.d), nn.LayerNorm(sizes.d)
        nn.init.constant_(self.gate.bias, 2.2)  # keeps 0.9 at the start

    def forward(self, tokens: Tensor, h: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """tokens (B, M, d), h (B, S, d), valid (B, S) -> (tokens, how much was let in (B, M))."""
        keys, values = self.both(h).chunk(2, -1)
        logits = self.query(tokens) @ keys.transpose(1, 2) / math.sqrt(h.shape[2])
        mass = logits.masked_fill(~valid.unsqueeze(1), -1e4).softmax(-1)
        new = torch.tanh(mass @ values)
        keep = torch.sigmoid(self.gate(torch.cat([tokens, new], -1)))
        changed = self.norm(keep * tokens + (1 - keep) * new)
        return torch.where(valid.any(1).view(-1, 1, 1), changed, tokens), (1 - keep).mean(-1)


class Topics(nn.Module):
    """A pointer at a change of topic: a new one, or one of the topic slots."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.told = nn.Linear(sizes.d, sizes.value)
        self.query, self.slot = nn.Linear(sizes.d, 32), nn.Linear(sizes.value, 32)
        self.new, self.age = nn.Linear(sizes.d + 1, 1), nn.Linear(2, 1)

    def forward(self, h: Tensor, value: Tensor, age: Tensor, hits: Tensor, now: Tensor) -> Tensor:
        """h (n, d), value (n, K, v), age and hits (n, K), now (n, K) bool the open topic -> logits (n, 1 + K)."""
        match = (self.slot(value) @ self.query(h).unsqueeze(-1)).squeeze(-1) / math.sqrt(32)
        match = match + self.age(torch.stack([torch.log1p(age), torch.log1p(hits)], -1)).squeeze(-1)
        match = match.masked_fill((hits == 0) | now, -1e4)
        count = torch.log1p((hits > 0).sum(-1, keepdim=True).float())
        return torch.cat([self.new(torch.cat([h, count], -1)), match], -1)


def _silent(d: int, size: int) -> nn.Linear:
    layer = nn.Linear(d, size)
    nn.init.zeros_(layer.weight), nn.init.zeros_(layer.bias)
    return layer


class Heads(nn.Module):
    """Logits of every task: what the probes say, corrected by what the memory knows."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.tasks = nn.ModuleDict()
        for name, size in HEADS.items():  # at the start of training the probes alone decide
            self.tasks[name] = _silent(sizes.d, size)
        self.trust = nn.ParameterDict({name: nn.Parameter(torch.tensor(1.0)) for name in HEADS if name in GROUPS})
        self.role, self.sure = nn.Linear(sizes.value + sizes.d, ROLES), nn.Parameter(torch.tensor(0.0))
        nn.init.zeros_(self.role.weight)

    def forward(self, h: Tensor, probes: Tensor, own: Tensor, count: Tensor) -> dict[str, Tensor]:
        """h (B, S, d), own (B, S, v) the speaker's slot after `count` utterances -> logits by task, (B, S, classes)."""
        out = {name: head(h) for name, head in self.tasks.items()}
        for name, trust in self.trust.items():
            out[name] = out[name] + trust * probes[..., GROUPS[name]]
        return {**out, "role": self.roles(own, count) + self.role(torch.cat([torch.zeros_like(own), h], -1)) * 0.5}

    def roles(self, own: Tensor, count: Tensor) -> Tensor:
        """Role logits (..., ROLES) of a speaker slot alone."""
        scale = F.softplus(self.sure) * torch.sqrt(count.clamp(min=1)).unsqueeze(-1)
        bent = F.linear(own, self.role.weight[:, : own.shape[-1]], self.role.bias)
        return scale * (own[..., :ROLES] * 3 + bent)


class MemoryTransformer(nn.Module):
    """All parts together; `recurrence.step` says how they meet."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.encoder, self.nearby = Encoder(sizes), Nearby(sizes)
        self.layers = nn.ModuleList(Layer(sizes) for _ in range(sizes.layers))
        self.archive, self.slots, self.tokens = Archive(sizes), Slots(sizes), Tokens(sizes)
        self.topics, self.heads, self.norm = Topics(sizes), Heads(sizes), nn.LayerNorm(sizes.d)


SLOT_ROWS = SPEAKERS + SLOTS - ITEM_SLOTS.start
