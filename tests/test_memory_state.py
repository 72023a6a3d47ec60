"""The memory's state: one value in, one out, whole after any cut, and nothing flows where it must not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from torch import Tensor

from memory import policy
from memory.corpora import Heard, MindError
from memory.ends import NUMBERS, Ends
from memory.marks import Marks
from memory.metrics import peaks, sigmoid, trailed
from memory.mind import Heed, Mind, forget
from memory.model import MemoryTransformer, Segment, Sizes, Switches
from memory.packing import pack, segment
from memory.probes import COLUMNS, MARKS, WIDE, Probes
from memory.recurrence import empty, run, step
from memory.roles import Roles
from memory.state import BAG, HITS, ITEM_SLOTS, PINNED, SPEAKER_SLOTS, TENSORS, WRITTEN, MemoryState
from memory.stretch import COLUMNS as OF_MINUTES
from memory.stretch import FEATURES, TASKS, Minute, Minutes, table
from memory.tagger import Tagger
from memory.weights import Calibration, Shipped
from memory.words import NEAR_BUCKETS, OWN_BUCKETS, WIDTH, Weights

torch.set_num_threads(1)  # small work: more threads only wait for each other
SIZES = Sizes(d=32, words=16, segment=8, cache=16, tokens=4, archive=24, archived=16, key=8, value=16)
WORDS = "the remote needs a battery button screen colour price market user who takes it we decide yes no okay".split()


def conversation(count: int, *, seed: int = 0, speakers: str = "ABC") -> list[Heard]:
    rng = np.random.default_rng(seed)
    said = []
    for i in range(count):
        text = " ".join(rng.choice(WORDS, int(rng.integers(1, 9)))) + "."
        said.append(Heard(f"u{i + 1}", text, str(rng.choice(list(speakers))), 3.0 * i, 3.0 * i + 2.5))
    return said


def untrained(seed: int = 1) -> Shipped:
    """A model that nothing was taught, all its weights drawn, so that every path carries something."""
    torch.manual_seed(seed)
    model = MemoryTransformer(SIZES)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    rng = np.random.default_rng(seed)
    matrix = rng.normal(0, 0.3, (WIDTH, COLUMNS)).astype(np.float32)
    matrix = np.concatenate([matrix, matrix[:, COLUMNS - len(MARKS) :]], 1)  # the marks' own columns
    weights = Weights(np.ones(OWN_BUCKETS, np.float32), np.ones(NEAR_BUCKETS, np.float32))
    minutes = Minutes(rng.normal(0, 0.2, (len(TASKS), FEATURES)).astype(np.float32), np.zeros(len(TASKS), np.float32))
    probes = Probes(matrix, np.zeros(WIDE, np.float32), weights)
    roles = Roles(rng.normal(0, 3, (BAG, 4)).astype(np.float32), np.zeros(4, np.float32), np.ones(BAG, np.float32))
    blank, ones = np.zeros((len(TASKS), NUMBERS), np.float32), np.ones((len(TASKS), NUMBERS), np.float32)
    drawn = rng.normal(0, 0.4, blank.shape).astype(np.float32)
    ends = Ends(drawn, np.full(len(TASKS), -2, np.float32), blank, ones)
    return Shipped(model.eval(), probes, tagger=Tagger().eval(), minutes=minutes, roles=roles, ends=ends)


SHIPPED = untrained()
MIND = Mind(SHIPPED)


def segments(count: int) -> list[Segment]:
    packed, _ = pack(conversation(8 * count), SHIPPED.probes)
    return [segment([(packed, 8 * i)], 8) for i in range(count)]


def heard_all(said: list[Heard], state: MemoryState | None = None) -> tuple[MemoryState, list[Marks]]:
    state = state or MIND.empty()
    marks: list[Marks] = []
    for heard in said:
        heed = MIND.hear(state, heard)
        state = heed.state
        marks += heed.marks
    last: Heed = MIND.finish(state)
    return last.state, [*marks, *last.marks]


def close(a: MemoryState, b: MemoryState) -> bool:
    return all(torch.allclose(getattr(a, n).float(), getattr(b, n).float(), atol=1e-5) for n in TENSORS)


def test_every_utterance_is_marked_once_in_order_and_at_most_three_late() -> None:
    said, state, seen = conversation(30), MIND.empty(), 0
    for number, heard in enumerate(said, 1):
        heed = MIND.hear(state, heard)
        state = heed.state
        seen += len(heed.marks)
        assert seen == max(0, number - 3)
    assert [m.utterance_id for m in heard_all(said)[1]] == [u.id for u in said]


def test_slices_equal_the_whole() -> None:
    """Utterance by utterance gives what one pass over whole segments gives, logits and state."""
    said = conversation(40)
    packed, _ = pack(said, SHIPPED.probes)
    state = empty(SHIPPED.model)
    roles: list[Tensor] = []
    with torch.no_grad():
        for first in range(0, 40, 8):
            state, output = step(SHIPPED.model, state, segment([(packed, first)], 8))
            roles.append(output.logits["act"][0])
    live, _ = heard_all(said)
    for name in set(TENSORS) - {"slot_value", "slot_clock", "said"}:  # bags are filled where utterances are marked
        assert torch.allclose(getattr(live, name).float(), getattr(state, name).float(), atol=1e-4), name
    assert torch.allclose(live.slot_value[:, SPEAKER_SLOTS], state.slot_value[:, SPEAKER_SLOTS], atol=1e-4)


def test_topics_begin_live_where_the_whole_says() -> None:
    """One by one, with a state, the boundaries of the evaluation's decoder, which has the whole meeting."""
    said = conversation(120, seed=5)
    loud = Mind(replace(SHIPPED, calibrations={"opens": Calibration(share=0.0, threshold=0.55)}))
    packed, _ = pack(said, SHIPPED.probes)
    expected = peaks(sigmoid(trailed(packed.probes[:, MARKS["opens"]][:, 0])), 0.55)
    found = [i for i, mark in enumerate(loud.read(said)) if mark.boundary and i]
    assert len(found) > 2
    assert found == expected.tolist()


def test_minutes_are_told_live_as_from_the_whole() -> None:
    said = conversation(120, seed=6)
    packed, _ = pack(said, SHIPPED.probes)
    assert SHIPPED.minutes is not None
    logits = np.concatenate([packed.probes[:, MARKS[name]] for name in OF_MINUTES], 1)
    expected = SHIPPED.minutes.chances(table(logits, packed.start_s))
    state, told = MIND.empty(), list[Minute]()
    for heard in said:
        heed = MIND.hear(state, heard)
        state = heed.state
        told += heed.minutes
    told += MIND.finish(state).minutes
    assert [minute.start_s for minute in told] == [60.0 * k for k in range(6)]
    assert np.allclose([[m.action, m.decision] for m in told], expected, atol=1e-5)
    at_once = MIND.absorb(MIND.empty(), said)
    assert (*at_once.minutes, *MIND.finish(at_once.state).minutes) == tuple(told)


def test_saved_and_loaded_in_the_middle_equals_uninterrupted(tmp_path: Path) -> None:
    said = conversation(45)
    whole, marks = heard_all(said)
    for cut in (1, 10, 19, 33):
        state = MIND.empty()
        before: list[Marks] = []
        for heard in said[:cut]:
            heed = MIND.hear(state, heard)
            state = heed.state
            before += heed.marks
        state.save(tmp_path / "m.safetensors")
        again, after = heard_all(said[cut:], MemoryState.load(tmp_path / "m.safetensors"))
        assert [*before, *after] == marks
        assert close(again, whole)
        assert again.ledger == whole.ledger


def test_a_full_disk_is_one_sentence_and_nothing_is_left_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(tensors: object, part: Path, metadata: object) -> None:
        part.write_bytes(b"half of it")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("memory.state.save_file", full)
    with pytest.raises(MindError, match="No space left on device"):
        MIND.empty().save(tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_damaged_or_foreign_state_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    MIND.empty().save(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(MindError, match="is no memory"):
        MemoryState.load(path)


@pytest.mark.parametrize("truncate", [1, 2, 3])
def test_the_gradient_at_a_fact_one_segment_beyond_the_truncation_is_exactly_zero(truncate: int) -> None:
    """K segments back it has one, K + 1 back none; without truncation there too."""
    for limit, asked, flows in ((truncate, truncate, True), (truncate, truncate + 1, False), (0, truncate + 1, True)):
        parts = segments(asked)
        fact = parts[0].probes.clone().requires_grad_()
        parts[0] = replace(parts[0], probes=fact)
        outputs = [o for _, o in run(SHIPPED.model, empty(SHIPPED.model), parts, truncate=limit)]
        (gradient,) = torch.autograd.grad(outputs[-1].logits["act"].sum(), fact, allow_unused=True)
        found = gradient is not None and bool((gradient != 0).any())
        assert found is flows, (limit, asked)


def test_a_detached_state_carries_no_gradient() -> None:
    state, _ = step(SHIPPED.model, empty(SHIPPED.model), segments(1)[0])
    assert any(getattr(state, n).requires_grad for n in TENSORS)
    assert not any(getattr(state.detach(), n).requires_grad for n in TENSORS)


@pytest.mark.parametrize("bank", ["cache", "tokens", "slot_value", "archive"])
def test_changing_the_state_changes_the_output(bank: str) -> None:
    first, second = segments(2)
    with torch.no_grad():
        state, _ = step(SHIPPED.model, empty(SHIPPED.model), first)
        other = replace(state, **{bank: getattr(state, bank).flip(-1) + 0.5})
        same, changed = (step(SHIPPED.model, s, second)[1].logits["act"] for s in (state, other))
    assert not torch.allclose(same, changed, atol=1e-4)


@pytest.mark.parametrize("bank", ["cache", "tokens", "slots", "archive"])
def test_a_bank_that_is_off_is_not_read(bank: str) -> None:
    """Only that bank's content differs between two states: switched off the outputs are equal, switched on not."""
    names = {"cache": ["cache"], "tokens": ["tokens"], "slots": ["slot_value", "slot_key"], "archive": ["archive"]}[
        bank
    ]
    first, second = segments(2)
    with torch.no_grad():
        state, _ = step(SHIPPED.model, empty(SHIPPED.model), first)
        other = replace(state, **{n: getattr(state, n).flip(-1) + 0.5 for n in names})
        for on in (False, True):
            switches = replace(Switches(), **{bank: on})
            a, b = (step(SHIPPED.model, s, second, switches=switches)[1].logits["act"] for s in (state, other))
            assert torch.allclose(a, b, atol=1e-6) is not on


def test_how_far_back_the_cache_is_read_and_how_much_nearness_counts_can_be_set() -> None:
    first, second = segments(2)

    def acts(**knobs: float) -> Tensor:
        model = MemoryTransformer(replace(SHIPPED.model.sizes, **knobs)).eval()  # type: ignore[arg-type]
        model.load_state_dict(SHIPPED.model.state_dict())
        with torch.no_grad():
            return step(model, step(model, empty(model), first)[0], second)[1].logits["act"]

    trained = acts()
    assert torch.equal(acts(reach=SHIPPED.model.sizes.cache), trained)
    assert not torch.allclose(acts(reach=4), trained, atol=1e-3)
    assert torch.equal(acts(recency=1.0), trained)
    assert not torch.allclose(acts(recency=0.0), trained, atol=1e-3)


def test_the_state_that_goes_in_stays_as_it_is() -> None:
    first, second = segments(2)
    with torch.no_grad():
        state, _ = step(SHIPPED.model, empty(SHIPPED.model), first)
        kept = state.map(lambda t: t.clone())
        step(SHIPPED.model, state, second)
    assert close(state, kept)


def test_to_forget_a_speaker_equals_never_having_heard_them() -> None:
    said = [conversation(30), conversation(20, seed=3)]
    forgotten = forget(MIND, said, "B")
    never = MIND.empty()
    for number, meeting in enumerate(said):
        for heard in meeting:
            if heard.speaker != "B":
                never = MIND.hear(never, heard).state
        never = MIND.finish(never).state if number == 0 else never
    assert close(forgotten, never)
    assert forgotten.ledger == never.ledger
    assert "B" not in forgotten.ledger.speakers
    theirs = {u.id for u in said[0] if u.speaker == "B"} - {u.id for u in said[1] if u.speaker != "B"}
    held = {i for ids in forgotten.ledger.provenance for i in ids} | set(forgotten.ledger.archive)
    kept = {u.id for m in said for u in m if u.speaker != "B"}
    assert held <= kept
    assert theirs


def test_names_of_speakers_do_not_matter_only_their_order() -> None:
    said = conversation(30)
    renamed = [replace(u, speaker={"A": "x", "B": "yy", "C": "z"}[u.speaker]) for u in said]
    ours, theirs = heard_all(said)[1], heard_all(renamed)[1]
    assert [replace(m, owner="") for m in ours] == [replace(m, owner="") for m in theirs]


def test_slots_tell_when_and_from_where_they_were_written() -> None:
    said = conversation(32)
    state, _ = heard_all(said)
    for number, label in enumerate(state.ledger.speakers):
        mine = [u.id for u in said if u.speaker == label]
        assert state.ledger.provenance[number] == tuple(mine[-12:])
        assert int(state.slot_clock[0, number, HITS]) == len(mine)
        assert int(state.slot_clock[0, number, WRITTEN]) == int(mine[-1][1:]) - 1


def test_the_archive_keeps_the_newest_rows_and_no_more() -> None:
    state, _ = heard_all(conversation(40))
    assert state.ledger.archive == tuple(f"u{i}" for i in range(17, 41))  # 24 rows
    assert bool(state.archive_filled.all())
    assert state.bytes() == MIND.empty().bytes()  # flat, however long the meeting


def test_a_pinned_slot_is_not_evicted_and_an_old_one_is() -> None:
    state, _ = heard_all(conversation(40))
    used = [s for s in range(ITEM_SLOTS.start, ITEM_SLOTS.stop) if state.slot_clock[0, s, HITS] > 0]
    clock = state.slot_clock.clone()
    clock[:, used, 1:3] = 0.0  # neither written nor read since the start
    state = policy.pin(replace(state, slot_clock=clock), used[:1])
    after = policy.evict(state, older_than=20)
    assert after.slot_clock[0, used[0], HITS] > 0
    assert after.slot_clock[0, used[0], PINNED] == 1
    assert all(after.slot_clock[0, s, HITS] == 0 for s in used[1:])
    gone = [e for e in after.ledger.evictions if e.reason == "old"]
    assert {e.slot for e in gone} == set(used[1:])


def test_what_is_absorbed_at_once_is_what_is_heard_one_by_one() -> None:
    said = conversation(45)
    state = MIND.empty()
    marks: list[Marks] = []
    for heard in said:
        heed = MIND.hear(state, heard)
        state = heed.state
        marks += heed.marks
    for cut in (0, 3, 17):
        first = MIND.absorb(MIND.empty(), said[:cut])
        rest = MIND.absorb(first.state, said[cut:])
        assert [*first.marks, *rest.marks] == marks
        assert close(rest.state, state)
        assert rest.state.ledger == state.ledger


def test_clear_empties_a_slot_and_says_so() -> None:
    state, _ = heard_all(conversation(24))
    after = policy.clear(state, [0], "tested")
    assert after.slot_clock[0, 0].tolist() == [-1, -1, -1, 0, 0]
    assert not after.slot_value[0, 0].any()
    assert after.ledger.provenance[0] == ()
    assert [e.reason for e in after.ledger.evictions[-1:]] == ["tested"]
    assert after.ledger.evicted == state.ledger.evicted + 1
    assert torch.equal(after.slot_value[0, 1:], state.slot_value[0, 1:])


def test_handed_on_keeps_whom_the_next_meeting_can_know() -> None:
    state, _ = heard_all(conversation(40))
    labels = state.ledger.speakers
    after = policy.handed_on(state, "m1", [labels[2], labels[0]])
    assert after.ledger.speakers == (labels[0], labels[2])
    assert torch.equal(after.slot_value[0, 1], state.slot_value[0, 2])
    assert torch.equal(after.said[0, 1], state.said[0, 2])
    assert after.slot_clock[0, 2, HITS] == 0 == int(after.said[0, 2].sum()) < int(state.said[0, 1].sum())
    assert after.ledger.provenance[1] == tuple(f"m1/{id}" for id in state.ledger.provenance[2])
    assert policy.handed_on(after, "m2", labels).ledger.provenance[1] == after.ledger.provenance[1]
    assert torch.equal(after.slot_value[0, ITEM_SLOTS], state.slot_value[0, ITEM_SLOTS])


def test_prune_makes_one_of_two_slots_that_hold_the_same() -> None:
    state, _ = heard_all(conversation(24))
    a, b = ITEM_SLOTS.start, ITEM_SLOTS.start + 5
    key, value, clock = (getattr(state, n).clone() for n in ("slot_key", "slot_value", "slot_clock"))
    key[0, ITEM_SLOTS], value[0, ITEM_SLOTS], clock[0, ITEM_SLOTS] = 0.0, 0.0, torch.tensor([-1.0, -1.0, -1.0, 0, 0])
    key[0, [a, b], 0], value[0, [a, b], 1] = 1.0, 1.0
    clock[0, a], clock[0, b] = torch.tensor([2.0, 5, 5, 3, 0]), torch.tensor([9.0, 12, 12, 2, 1])
    ledger = policy.came_from(policy.came_from(state.ledger, a, ["u3"], anew=True), b, ["u10"], anew=True)
    pruned = policy.prune(replace(state, slot_key=key, slot_value=value, slot_clock=clock, ledger=ledger))
    assert pruned.slot_clock[0, a].tolist() == [2, 12, 12, 5, 1]
    assert pruned.slot_clock[0, b, HITS] == 0
    assert pruned.ledger.provenance[a] == ("u3", "u10")


def test_a_state_that_cannot_be_written_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MindError, match="could not be kept"):
        MIND.empty().save(tmp_path / "missing" / "m.safetensors")
