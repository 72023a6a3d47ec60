"""MemoryState: the one recurrent value. One goes into a step, one comes out.

Letters of shapes: B streams, N layers, L cached utterances, M memory tokens, K slots, A archive rows, d width,
k width of a slot's key, v of its value, a of an archive row.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from memory.corpora import Heard, MindError
from memory.stretch import Row

VERSION = 4  # 4: what each speaker said, single words in more buckets
SPEAKERS, TOPICS, ITEMS = 12, 24, 32  # slots of each kind, in this order along K
SLOTS = SPEAKERS + TOPICS + ITEMS
BAG = 2**15  # hashed words of a speaker; in fewer, words that tell a role fall together with others (LOG.md)
SPEAKER_SLOTS = slice(0, SPEAKERS)
TOPIC_SLOTS = slice(SPEAKERS, SPEAKERS + TOPICS)
ITEM_SLOTS = slice(SPEAKERS + TOPICS, SLOTS)
CREATED, WRITTEN, READ, HITS, PINNED = range(
    5
)  # columns of `slot_clock`, the first three in utterances since the start
NEVER = -1.0
PROVENANCE = 12  # utterance ids that a slot remembers that it came from; the oldest give way


@dataclass(frozen=True)
class Eviction:
    """A slot that was given to something else."""

    slot: int
    at: int  # utterances since the start
    age: int  # utterances since it was written
    hits: int
    reason: str  # "full", "merged", "forgotten"


@dataclass(frozen=True)
class Ledger:
    """What the tensors cannot say: who, which utterances, which topics. Words only of what is not in the banks yet."""

    speakers: tuple[str, ...] = ()  # label of each speaker slot
    roles: tuple[tuple[float, ...], ...] = ()  # role probabilities of each alone, as they stood when last heard
    provenance: tuple[tuple[str, ...], ...] = ((),) * SLOTS  # utterance ids of each slot
    archive: tuple[str, ...] = ()  # utterance id of each archive row that is in use
    pending: tuple[Heard, ...] = ()  # heard, but not yet in the banks
    context: tuple[Heard, ...] = ()  # the last of the same meeting that are in the banks: the words before
    topics: tuple[int, ...] = ()  # number of the topic of each pending utterance that was marked
    topic: int = -1  # number of the topic that is open, by first appearance; -1 before the first utterance
    opened: int = 0  # topics so far
    topic_of: tuple[int, ...] = (-1,) * TOPICS  # number of the topic in each topic slot
    heard: int = 0  # utterances of the open meeting, the pending ones included
    since_turn: int = 0  # utterances since the topic changed
    opens: tuple[float, ...] = ()  # log-odds that a topic begins at the last that were marked
    rows: tuple[Row, ...] = ()  # marked utterances of the minutes that are not told yet, and of the one before
    told_minute: int = -1  # the last minute that was told
    evictions: tuple[Eviction, ...] = ()  # the latest
    evicted: int = 0  # of all, also those no longer listed
    meetings: int = 0  # finished


@dataclass(frozen=True)
class MemoryState:
    """All that the memory knows. Tensors of B streams; the ledger belongs to the one stream of a meeting."""

    cache: Tensor  # (B, N, L, d) inputs of every layer at the last L utterances, newest last
    cache_s: Tensor  # (B, L) when they began, seconds
    cache_filled: Tensor  # (B, L) bool
    tokens: Tensor  # (B, M, d) recurrent memory tokens
    slot_key: Tensor  # (B, K, k) unit vectors, zero where by number (speakers, topics)
    slot_value: Tensor  # (B, K, v)
    slot_clock: Tensor  # (B, K, 5) created, last written, last read, hits, 1 where it may not be evicted
    said: Tensor  # (B, SPEAKERS, BAG) uint8: how often each speaker said what (`memory.roles`)
    archive: Tensor  # (B, A, a) unit vectors of utterances, newest last
    archive_filled: Tensor  # (B, A) bool
    archive_at: Tensor  # (B, A) utterances since the start
    position: Tensor  # (B,) utterances in the banks since the start
    ledger: Ledger = field(default_factory=Ledger)

    def map(self, change: Callable[[Tensor], Tensor]) -> MemoryState:
        """The same with every tensor changed."""
        return MemoryState(**{name: change(getattr(self, name)) for name in TENSORS}, ledger=self.ledger)

    def detach(self) -> MemoryState:
        """The same value without the way back for gradients: the border of truncated backpropagation."""
        return self.map(lambda t: t.detach())

    def to(self, device: torch.device | str) -> MemoryState:
        """On another device."""
        return self.map(lambda t: t.to(device))

    def bytes(self) -> int:
        """Size of the tensors."""
        return sum(t.numel() * t.element_size() for t in (getattr(self, name) for name in TENSORS))

    def where(self, keep: Tensor, other: MemoryState) -> MemoryState:
        """Stream by stream (B,) this state, or the `other`."""
        merged = {}
        for name in TENSORS:
            mine, theirs = getattr(self, name), getattr(other, name)
            merged[name] = torch.where(keep.view(-1, *[1] * (mine.dim() - 1)), mine, theirs)
        return MemoryState(**merged, ledger=self.ledger)

    def save(self, path: Path) -> None:
        """Write all of it as safetensors; a reader sees the old file or the new one, never a part."""
        tensors = {name: getattr(self, name).detach().cpu().contiguous() for name in TENSORS}
        part = path.with_suffix(".part")
        header = {"version": str(VERSION), "ledger": json.dumps(asdict(self.ledger))}
        try:
            save_file(tensors, part, metadata=header)
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(path)
        except (OSError, SafetensorError) as error:  # the second: a full disk, in the library's own words
            with suppress(OSError):
                part.unlink()
            raise MindError(f"the memory could not be kept in {path} ({error}); make room there") from error

    @staticmethod
    def load(path: Path) -> MemoryState:
        """Read what `save` wrote. Raises MindError where the file is damaged or of another version."""
        try:
            with safe_open(path, framework="pt") as file:
                header = file.metadata() or {}
                if header.get("version") != str(VERSION):
                    raise MindError(f"{path} is a memory of version {header.get('version')}; delete it to start anew")
                tensors = {name: file.get_tensor(name) for name in TENSORS}
            return MemoryState(**tensors, ledger=_ledger(json.loads(header["ledger"])))
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise MindError(f"{path} is no memory ({type(error).__name__}); delete it to start anew") from error


TENSORS = tuple(f.name for f in fields(MemoryState) if f.name != "ledger")


def _ledger(record: dict[str, Any]) -> Ledger:
    nested = {"pending": Heard, "context": Heard, "evictions": Eviction, "rows": Row}
    plain: dict[str, Any] = {
        name: tuple(nested[name](**{k: _tuples(v) for k, v in entry.items()}) for entry in value)
        if name in nested
        else _tuples(value)
        for name, value in record.items()
    }
    return Ledger(**plain)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
