"""The memory at work: utterances one by one, the marks of each at most three utterances later, one state in and out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from memory import ends, policy, stretch, topics
from memory.corpora import ACTS, GROUP_OWNER, ROLES, Heard, MindError
from memory.marks import GROUP, UNKNOWN, Marks
from memory.metrics import APART, TRAIL, sigmoid
from memory.model import Segment, Switches
from memory.packing import logits_of, pack, segment
from memory.probes import FLAGS, GROUPS, MARKS
from memory.recurrence import ALL_ON, Output, empty, step
from memory.roles import ROLE_SHARE, joint, with_more
from memory.state import HITS, ITEM_SLOTS, SPEAKERS, TENSORS, TOPIC_SLOTS, TOPICS, Eviction, Ledger, MemoryState
from memory.statistics import Statistics, statistics
from memory.stretch import Minute, Row
from memory.tagger import REACH, scene, tagged
from memory.weights import SHIPPED, Calibration, Shipped
from memory.weights import load as load_weights
from memory.words import LOOKAHEAD, Floats, Weights, tokens

Boundary = Literal["", "new", "return"]
_READ = 3  # archive rows that a mark names
_READ_FROM = 0.15  # share of the archive's attention from which a row is named
_SURE_ROLE = 0.5  # probability from which a role is said


@dataclass(frozen=True)
class Heed:
    """What one more utterance led to."""

    state: MemoryState
    marks: tuple[Marks, ...]
    statistics: Statistics | None  # where a segment went into the banks
    minutes: tuple[Minute, ...] = ()  # that are over, and the one after each too


@dataclass(frozen=True)
class _Read:
    """What a step made of the open segment."""

    output: Output
    batch: Segment
    logits: dict[str, Floats]  # (S, classes) by task, network and probes mixed as calibrated
    first: int  # utterances of it that were marked before
    acts: Floats | None  # (n, 15) logits of the tagger from there on


class Mind:
    """Loaded weights, shared by all meetings; whatever a meeting taught it is in its MemoryState."""

    def __init__(self, shipped: Shipped, switches: Switches = ALL_ON) -> None:
        self.model, self._probes, self._switches = shipped.model.eval(), shipped.probes, switches
        self._tagger, self._minutes, self._roles = shipped.tagger, shipped.minutes, shipped.roles
        self._ends = shipped.ends
        windows = (f"{task} windows{when}" for task in stretch.TASKS for when in ("", " anew"))
        names = (*FLAGS, "act", "owner", *windows)
        self._calibrations = {name: shipped.calibrations.get(name, Calibration()) for name in names}

    @staticmethod
    def load(
        path: Path = SHIPPED, *, switches: Switches = ALL_ON, segment: int = 0, reach: int = 0, recency: float = 1.0
    ) -> Mind:
        """Shipped or other weights; `segment` (0 = as trained), `reach` and `recency` as in `Sizes`.

        Raises MindError where the weights are missing or damaged.
        """
        shipped = load_weights(path)
        sizes = shipped.model.sizes
        shipped.model.sizes = replace(sizes, segment=segment or sizes.segment, reach=reach, recency=recency)
        return Mind(shipped, switches)

    @property
    def segment(self) -> int:
        """Utterances that go into the banks together."""
        return self.model.sizes.segment

    def empty(self) -> MemoryState:
        """A memory that has heard nothing."""
        return empty(self.model).detach()

    def load_state(self, path: Path) -> MemoryState:
        """What a meeting left. Raises MindError where the file is damaged, or of another version or model."""
        state, fresh = MemoryState.load(path), self.empty()
        if any(getattr(state, name).shape != getattr(fresh, name).shape for name in TENSORS):
            raise MindError(f"{path} was made by a memory of another size; delete it to start anew")
        return state

    @property
    def weights(self) -> Weights:
        """How telling words are."""
        return self._probes.weights

    def threshold(self, task: str) -> float:
        """Probability from which a mark of this task counts; "action windows": of a minute, "... anew": at the end."""
        return self._calibrations[task].threshold

    def read(self, utterances: Iterable[Heard], state: MemoryState | None = None) -> Iterator[Marks]:
        """The marks of a whole meeting; for the state use `hear` and `finish`."""
        state = state or self.empty()
        for heard in utterances:
            heed = self.hear(state, heard)
            state = heed.state
            yield from heed.marks
        yield from self.finish(state).marks

    @torch.no_grad()
    def hear(self, state: MemoryState, heard: Heard) -> Heed:
        """One more utterance. The marks that come are those of the one LOOKAHEAD before it."""
        state = replace(
            state, ledger=replace(state.ledger, pending=(*state.ledger.pending, heard), heard=state.ledger.heard + 1)
        )
        ready = len(state.ledger.pending) - LOOKAHEAD
        return self._advance(state, ready) if ready > 0 else Heed(state, (), None)

    @torch.no_grad()
    def absorb(self, state: MemoryState, said: Sequence[Heard]) -> Heed:
        """What `hear` makes of these utterances one by one, in a step for each segment instead of each utterance."""
        marks: list[Marks] = []
        minutes: list[Minute] = []
        full, done, told = self.segment + LOOKAHEAD, 0, None
        while done < len(said):
            more = said[done : done + max(1, full - len(state.ledger.pending))]
            done += len(more)
            ledger = replace(state.ledger, pending=(*state.ledger.pending, *more), heard=state.ledger.heard + len(more))
            heed = Heed(replace(state, ledger=ledger), (), None)
            if len(ledger.pending) > LOOKAHEAD:
                heed = self._advance(heed.state, len(ledger.pending) - LOOKAHEAD)
            state, told = heed.state, heed.statistics
            marks += heed.marks
            minutes += heed.minutes
        return Heed(state, tuple(marks), told, tuple(minutes))

    @torch.no_grad()
    def finish(self, state: MemoryState) -> Heed:
        """The meeting is over: marks of the last utterances; the memory can go on with the next of the series."""
        heed = Heed(state, (), None)
        while heed.state.ledger.pending:
            step = self._advance(heed.state, len(heed.state.ledger.pending), last=True)
            heed = Heed(step.state, (*heed.marks, *step.marks), step.statistics, (*heed.minutes, *step.minutes))
        ledger, minutes = self._told(heed.state.ledger, None)
        ledger = replace(ledger, context=(), topic=-1, opened=0, topic_of=(-1,) * TOPICS, since_turn=0)
        ledger = replace(ledger, meetings=ledger.meetings + 1, heard=0, opens=(), rows=(), told_minute=-1)
        state = topics.closed(replace(heed.state, ledger=ledger))
        return replace(heed, state=state, minutes=(*heed.minutes, *minutes))

    def reread(self, said: Sequence[Heard]) -> ends.Reread | None:
        """All that was said in a meeting that is over, read anew; None where these weights cannot."""
        return ends.reread(self._ends, self._probes, self._roles, said) if self._ends and said else None

    def _advance(self, state: MemoryState, ready: int, *, last: bool = False) -> Heed:
        """Marks of what is ready of the open segment; into the banks with it once it is full, or the last."""
        began, size = time.perf_counter(), self.model.sizes.segment
        ledger = state.ledger
        said = (*ledger.context, *ledger.pending)
        words = [tokens(heard.text) for heard in said]
        packed, speakers = pack(said, self._probes, texts=words, labels=ledger.speakers)
        batch = segment([(packed, len(ledger.context))], size)
        state = replace(state, ledger=replace(ledger, speakers=speakers))
        after, output = step(self.model, state, batch, switches=self._switches)
        first, count = len(ledger.topics), min(ready, size)
        acts = None
        if self._tagger and count > first:
            began_at = len(ledger.context) + first
            acts = tagged(self._tagger, scene(said, words, packed.probes), first=began_at, count=count - first)
        read = _Read(output, batch, self._mixed(output, batch), first, acts)
        marks: list[Marks] = []
        minutes: list[Minute] = []
        new, logits = state.ledger, logits_of(batch.probes[0].numpy()).tolist()
        for at in range(first, count):
            state = self._said(state, new.pending[at], int(batch.speaker[0, at]), words[len(ledger.context) + at])
            mark, new = self._mark(replace(state, ledger=new), read, at)
            marks.append(mark)
            row = Row(mark.utterance_id, stretch.minute_of(new.pending[at].start_s), tuple(logits[at]))
            new, over = self._told(new, row)
            minutes += over
        state = replace(state, ledger=new)
        if ready < size and not last:
            return Heed(state, tuple(marks), None, tuple(minutes))
        kept = self._pinned(self._commit(state, replace(after, said=state.said), output, count), read)
        took_ms = (time.perf_counter() - began) * 1000
        return Heed(kept, tuple(marks), statistics(state, kept, output, count, took_ms), tuple(minutes))

    def _said(self, state: MemoryState, heard: Heard, slot: int, words: Sequence[str]) -> MemoryState:
        """With what a marked utterance adds to its speaker's bag."""
        if self._roles is None or not heard.speaker:
            return state
        said = state.said.clone()
        said[0, slot] = torch.from_numpy(with_more(said[0, slot].numpy(), words))
        return replace(state, said=said)

    def _role(self, state: MemoryState, logits: Tensor, slot: int) -> Floats:
        """Probabilities (4,) of a speaker's roles, nobody else considered."""
        odds = logits.log_softmax(-1)
        if self._roles is not None:
            linear = torch.from_numpy(self._roles.logits(state.said[0, slot].numpy()))
            odds = ROLE_SHARE * odds + (1 - ROLE_SHARE) * linear
        return np.asarray(odds.softmax(-1).numpy(), np.float32)

    def _told(self, ledger: Ledger, row: Row | None) -> tuple[Ledger, list[Minute]]:
        """What minutes are over with one more marked utterance, or at the end."""
        if self._minutes is None:
            return ledger, []
        rows, over = stretch.told(self._minutes, ledger.rows, row, last_told=ledger.told_minute)
        last = stretch.minute_of(over[-1].start_s) if over else ledger.told_minute
        return replace(ledger, rows=rows, told_minute=last), over

    def _mixed(self, output: Output, batch: Segment) -> dict[str, Floats]:
        out = {}
        for task in (*FLAGS, "act", "owner"):
            share, logits = self._calibrations[task].share, output.logits[task][0]
            probe = batch.probes[0, : len(logits), MARKS.get(task, GROUPS[task])]
            out[task] = np.asarray((share * logits + (1 - share) * probe).numpy(), np.float32)
        return out

    def _probability(self, task: str, read: _Read, at: int) -> float:
        """Calibrated, of a yes-no task."""
        how = self._calibrations[task]
        return float(sigmoid(np.float32(how.slope) * read.logits[task][at] + np.float32(how.offset))[0])

    def _act(self, read: _Read, at: int) -> str:
        """By the tagger, where there is one: on held-out meetings the network adds nothing to it."""
        logits = read.logits["act"][at] if read.acts is None else read.acts[at - read.first]
        return ACTS[int(logits.argmax())]

    def _opens(self, ledger: Ledger, read: _Read, at: int) -> tuple[Ledger, float]:
        """Probability that a topic begins here, by the last few log-odds of it."""
        how = self._calibrations["opens"]
        ledger = replace(ledger, opens=(*ledger.opens, float(read.logits["opens"][at, 0]))[-TRAIL:])
        mean = np.array(ledger.opens, np.float32).mean()
        return ledger, float(sigmoid(np.array(how.slope * mean + how.offset, np.float32)))

    def _mark(self, state: MemoryState, read: _Read, at: int) -> tuple[Marks, Ledger]:
        ledger, output = state.ledger, read.output
        heard = ledger.pending[at]
        flags = {task: self._probability(task, read, at) for task in ("action", "decision", "problem", "salient")}
        speaker = int(read.batch.speaker[0, at])
        ledger, role = _roles(ledger, self._role(state, output.logits["role"][0, at], speaker), speaker, heard.speaker)
        ledger, opens = self._opens(ledger, read, at)
        ledger, boundary = self._topic(state, ledger, output, at, opens)
        wanted = np.exp(read.logits["owner"][at] - read.logits["owner"][at].max())
        owner, sure = _owner(ledger, np.asarray(wanted / wanted.sum(), np.float32))
        mark = Marks(
            utterance_id=heard.id,
            act=self._act(read, at),
            action=flags["action"],
            owner=owner,
            owner_probability=sure,
            decision=flags["decision"],
            question=flags["problem"],
            salience=flags["salient"],
            topic=ledger.topic,
            boundary=boundary,
            role=role,
            read_ids=_read_ids(state, output, at),
        )
        return mark, ledger

    def _topic(
        self, state: MemoryState, ledger: Ledger, output: Output, at: int, opens: float
    ) -> tuple[Ledger, Boundary]:
        """Which topic the utterance belongs to, and whether it opens or comes back with it."""
        said: Boundary = ""
        slot = ledger.topic_of.index(ledger.topic) if ledger.topic >= 0 else -1
        if ledger.topic < 0:
            ledger, slot, said = *_opened(ledger), "new"
        elif opens >= self.threshold("opens") and ledger.since_turn > APART:
            numbers = torch.tensor([[*ledger.topics, *[slot] * (output.h.shape[1] - len(ledger.topics))]])
            logits, _ = topics.point(self.model, state, output.h, output.told, numbers, torch.tensor([[0, at]]))
            choice = int(logits[0].argmax())
            if choice and ledger.topic_of[choice - 1] >= 0:
                slot, said = choice - 1, "return"
                ledger = replace(ledger, topic=ledger.topic_of[slot], since_turn=0)
            else:
                ledger, slot, said = *_opened(ledger), "new"
        return replace(ledger, topics=(*ledger.topics, slot), since_turn=ledger.since_turn + 1), said

    def _commit(self, before: MemoryState, after: MemoryState, output: Output, count: int) -> MemoryState:
        """The segment's first `count` utterances are in the banks; the ledger says from where."""
        ledger = before.ledger
        numbers = torch.full((1, output.h.shape[1]), -1)
        numbers[0, :count] = torch.tensor(ledger.topics[:count])
        written = topics.write(replace(after, position=before.position), output.told, numbers)
        done = ledger.pending[:count]
        ids = [u.id for u in done]
        for slot in range(SPEAKERS):
            mine = [u.id for u in done if u.speaker and _slot(ledger, u.speaker) == slot]
            ledger = policy.came_from(ledger, slot, mine)
        for slot in range(TOPICS):
            mine = [i for i, topic in zip(ids, ledger.topics, strict=False) if topic == slot]
            anew = before.slot_clock[0, TOPIC_SLOTS.start + slot, HITS] == 0
            ledger = policy.came_from(ledger, TOPIC_SLOTS.start + slot, mine, anew=bool(anew))
        ledger = _item_provenance(before, ledger, output, ids)
        rows = int(after.archive_filled[0].sum())
        ledger = replace(
            ledger,
            pending=ledger.pending[count:],
            topics=(),
            context=(*ledger.context, *done)[-REACH:],
            archive=(*ledger.archive, *ids)[-rows:] if rows else (),
        )
        return replace(written, position=after.position, ledger=ledger)

    def _pinned(self, state: MemoryState, read: _Read) -> MemoryState:
        """Item slots that a probable action item was written to are kept to the last."""
        held = [
            ITEM_SLOTS.start + int(where)
            for column, where, _ in read.output.item_writes[0].tolist()
            if column >= 0 and self._probability("action", read, int(column)) >= self.threshold("action")
        ]
        return policy.pin(state, held) if held else state


def _slot(ledger: Ledger, speaker: str) -> int:
    return min(ledger.speakers.index(speaker), SPEAKERS - 1)


def _opened(ledger: Ledger) -> tuple[Ledger, int]:
    """A new topic in the next slot; after TOPICS of them the oldest gives way."""
    number = ledger.opened
    slot = number % TOPICS
    of = (*ledger.topic_of[:slot], number, *ledger.topic_of[slot + 1 :])
    return replace(ledger, topic=number, opened=number + 1, topic_of=of, since_turn=0), slot


def _roles(ledger: Ledger, chances: Floats, slot: int, label: str) -> tuple[Ledger, str]:
    if not label:
        return ledger, ""
    blank = (0.0,) * len(ROLES)
    held = [*ledger.roles, *[blank] * (slot + 1 - len(ledger.roles))]
    held[slot] = tuple(round(float(c), 6) for c in chances)
    ledger = replace(ledger, roles=tuple(held))
    shared = _shared(ledger).get(ledger.speakers[slot], chances)
    best = int(shared.argmax())
    return ledger, ROLES[best] if float(shared[best]) >= _SURE_ROLE else ""


def _shared(ledger: Ledger) -> dict[str, Floats]:
    """Probabilities (4,) of everybody's role where no two have the same."""
    people = {label: roles for label, roles in zip(ledger.speakers, ledger.roles, strict=False) if any(roles)}
    rows = joint(np.array(list(people.values()), np.float32).reshape(-1, len(ROLES)))
    return dict(zip(people, rows, strict=True))


def _owner(ledger: Ledger, wanted: Floats) -> tuple[str, float]:
    """Who the sentence gives a task to: the role that it speaks of, at the person who seems to have it."""
    scores = {label: float(np.dot(wanted[: len(ROLES)], roles)) for label, roles in _shared(ledger).items()}
    total = sum(scores.values()) or 1.0
    single = float(wanted[: len(ROLES)].sum())
    best = max(scores, key=lambda label: scores[label], default=UNKNOWN)
    options = {GROUP: float(wanted[GROUP_OWNER]), UNKNOWN: float(wanted[GROUP_OWNER + 1])}
    if best:
        options[best] = single * scores[best] / total
    chosen = max(options, key=lambda who: options[who])
    return chosen, options[chosen]


def _read_ids(state: MemoryState, output: Output, at: int) -> tuple[str, ...]:
    """Utterances of the archive that got most of the attention."""
    offset = state.archive.shape[1] - len(state.ledger.archive)
    rows, mass = output.archive_rows[0, at], output.archive_mass[0, at]
    best = [int(r) - offset for r, m in zip(rows, mass, strict=True) if float(m) >= _READ_FROM][:_READ]
    return tuple(state.ledger.archive[r] for r in best if r >= 0)


def _item_provenance(before: MemoryState, ledger: Ledger, output: Output, ids: Sequence[str]) -> Ledger:
    clock = before.slot_clock[0]
    given: set[int] = set()
    for column, where, fresh in output.item_writes[0].tolist():
        if not 0 <= column < len(ids):
            continue
        slot = ITEM_SLOTS.start + int(where)
        if fresh and slot not in given and clock[slot, HITS] > 0:
            now = int(before.position[0]) + int(column)
            gone = Eviction(slot, now, now - int(clock[slot, 1]), int(clock[slot, HITS]), "full")
            ledger = policy.noted(ledger, [gone])
        given.add(slot)
        ledger = policy.came_from(ledger, slot, [ids[int(column)]], anew=bool(fresh))
    return ledger


def forget(mind: Mind, meetings: Sequence[Sequence[Heard]], speaker: str) -> MemoryState:
    """The memory after these meetings as if `speaker` had never spoken: heard again without them, for the memory
    tokens mix everybody. Equal to a run that never heard them."""
    state = mind.empty()
    for number, meeting in enumerate(meetings):
        state = mind.absorb(state, [heard for heard in meeting if heard.speaker != speaker]).state
        if number + 1 < len(meetings):
            state = mind.finish(state).state
    return state
