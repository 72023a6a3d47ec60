"""`python -m memory.custody`: who has it now? Tasks given out, moved and asked for much later, over real talk.

A test of memory with known answers: templated sentences are put between the utterances of annotated meetings. Nothing
of it is shipped. Every rival is trained alike: the same sentences, steps, curriculum and optimiser, the same encoder of
utterances. A stage of the curriculum begins where the one before it is learnt, as recurrent memories need (Bulatov et
al. 2023, 2304.11062; Rodkin et al. 2024, 2407.04841: skipping stages is what fails).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from memory.corpora import MISSING, Annotated, load
from memory.model import MemoryTransformer, Segment, Sizes, Switches
from memory.probes import COLUMNS
from memory.recurrence import empty, step
from memory.words import LOOKAHEAD, TIMES, Ints, tokens, word_buckets

NAMES = "anna boris clara dieter emma farid greta hugo irene jonas karla leo".split()
NOBODY = len(NAMES)  # the answer where a task was never given out
FIRST = "battery screen button market colour budget speaker case".split()
SECOND = "study sketch report test order survey review plan".split()
THINGS = [f"{first} {second}" for first in FIRST for second in SECOND]
GIVEN = ("{who} takes the {what} by friday", "{who} will do the {what}", "the {what} goes to {who}")
MOVED = ("give the {what} to {who} instead", "no , {who} takes over the {what}")
TALK = ("{who} likes the {what}", "{who} asked about the {what}")  # names beside a task that is not given out
ASKED = ("who has the {what} ?", "who does the {what} now ?")
SIZES = Sizes(
    d=64, heads=2, words=32, grams=32, segment=16, cache=64, tokens=8, value=48, archive=64, archived=32, writes=16
)
BANKS = {  # each rival is the same network with only these banks
    "item slots": Switches(cache=True, tokens=False, slots=True, archive=False),
    "all banks": Switches(),
    "archive only": Switches(cache=False, tokens=False, slots=False, archive=True),
    "cache only (Transformer-XL)": Switches(cache=True, tokens=False, slots=False, archive=False),
    "tokens only (RMT)": Switches(cache=False, tokens=True, slots=False, archive=False),
    "no memory": Switches(cache=False, tokens=False, slots=False, archive=False),
}


@dataclass(frozen=True)
class Course:
    """What is asked of the memory."""

    things: int  # tasks given out
    segments: int
    questions: int = 4  # a segment
    late: bool = False  # all questions in the last segment, all facts in the first four
    streams: int = 16
    enough: float = 0.9  # share of right answers, over WINDOW steps, from which the next stage of training begins


STAGES = (
    Course(1, 1, enough=0.8),  # "who was named last" gets 0.84; the rest needs one task told from another
    *(Course(things, segments) for things, segments in ((4, 1), (1, 2), (2, 2))),
    *(Course(things, 4, streams=8) for things in (2, 4, 8, 16, 32)),
)  # one after another; the last takes the steps that are left
STEPS, WINDOW = 1000, 40
RATE, WARMING = 2e-3, 50  # the highest rate of learning, and the steps until it is reached
GATES, FASTER = ("tokens.gate", "archive.gate", "slots.write", "slots.strength"), 5.0  # gates learn faster, undecayed


@dataclass(frozen=True)
class Round:
    """A segment and the answers that it asks for."""

    segment: Segment
    answer: Tensor  # (B, S) index in NAMES or NOBODY, MISSING where nothing is asked
    moved: Tensor  # (B, S) bool: the task had another owner before
    told: Tensor  # (B, S) bool: a task is given out here


@dataclass(frozen=True)
class Line:
    """A sentence that is put between those of the meeting."""

    text: str
    what: int = -1
    who: int = -1  # who has it from here on
    asks: bool = False


def episode(rng: np.random.Generator, pool: Sequence[Ints], course: Course, size: int) -> list[Round]:
    """`course.segments` rounds of `size` utterances, drawn anew."""
    scripts = [script(rng, course, size) for _ in range(course.streams)]
    starts = rng.integers(len(pool), size=course.streams)
    rounds = []
    for number in range(course.segments):
        said: list[Ints] = []
        labels = np.full((3, course.streams, size), MISSING)
        for row, (lines, answers) in enumerate(scripts):
            for column in range(size + LOOKAHEAD):
                at = number * size + column
                line = lines.get(at)
                told = word_buckets(line.text.split()) if line else pool[(starts[row] + at) % len(pool)]
                said.append(np.asarray(told, np.int64))
                if line and column < size:
                    labels[0, row, column], labels[1, row, column] = answers.get(at, (MISSING, 0))
                    labels[2, row, column] = line.who >= 0
        rounds.append(_round(said, labels, size))
    return rounds


def _round(said: list[Ints], labels: Ints, size: int) -> Round:
    streams = labels.shape[1]
    lengths = np.array([len(words) for words in said])
    span = size + LOOKAHEAD
    segment = Segment(
        words=torch.from_numpy(np.concatenate(said)),
        offsets=torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)[:-1]])),
        probes=torch.zeros(streams, span, COLUMNS),
        times=torch.zeros(streams, span, TIMES),
        start_s=torch.zeros(streams, size),
        speaker=torch.zeros(streams, size, dtype=torch.long),
        valid=torch.ones(streams, span, dtype=torch.bool),
        known=torch.zeros(streams, size, dtype=torch.bool),
    )
    answer, moved, told = map(torch.from_numpy, labels)
    return Round(segment, answer, moved > 0, told > 0)


def script(rng: np.random.Generator, course: Course, size: int) -> tuple[dict[int, Line], dict[int, tuple[int, int]]]:
    """(lines by utterance, by utterance of a question the answer and whether the task had moved)."""
    total = course.segments * size
    early = min(4, course.segments) * size if course.late else total
    lines: dict[int, Line] = {}

    def put(first: int, stop: int, line: Line) -> int:
        at = int(rng.integers(first, max(stop, first + 1)))
        while at in lines:
            at += 1
        if at < total:
            lines[at] = line
        return at

    order = rng.permutation(len(THINGS))
    for what in order[: course.things].tolist():
        at = put(0, early // 2, _given(rng, what, GIVEN))
        if rng.random() < 0.5:
            at = put(at + 1, early * 3 // 4, _given(rng, what, MOVED))
        if rng.random() < 0.3:
            put(0, early, replace(_given(rng, what, TALK), who=-1))
    asked = [course.segments - 1] * 3 if course.late else range(course.segments)
    for number in asked:
        for _ in range(course.questions):
            at = put(number * size, (number + 1) * size, Line(""))
            given = [line.what for when, line in lines.items() if when < at and line.who >= 0]
            never = not given or rng.random() < 0.2
            what = int(rng.choice(order[course.things :] if never else given))
            if at < total:
                lines[at] = Line(_pick(rng, ASKED).format(what=THINGS[what]), what, asks=True)
    return lines, _answers(lines)


def _given(rng: np.random.Generator, what: int, forms: Sequence[str]) -> Line:
    who = int(rng.integers(len(NAMES)))
    return Line(_pick(rng, forms).format(who=NAMES[who], what=THINGS[what]), what, who)


def _pick(rng: np.random.Generator, forms: Sequence[str]) -> str:
    return forms[int(rng.integers(len(forms)))]


def _answers(lines: dict[int, Line]) -> dict[int, tuple[int, int]]:
    holder: dict[int, int] = {}
    times: dict[int, int] = {}
    answers = {}
    for at in sorted(lines):
        line = lines[at]
        if line.asks:
            answers[at] = (holder.get(line.what, NOBODY), int(times.get(line.what, 0) > 1))
        elif line.who >= 0:
            holder[line.what] = line.who
            times[line.what] = times.get(line.what, 0) + 1
    return answers


class Rival(Protocol):
    """What can take the course: answers (B, S, names + 1) of every segment, and an extra loss of its own."""

    def __call__(self, rounds: Sequence[Round]) -> Iterator[tuple[Tensor, Tensor]]: ...


class Asked(nn.Module):
    """The memory of this project with some of its banks, and an answer read from each utterance."""

    def __init__(self, switches: Switches, sizes: Sizes = SIZES) -> None:
        super().__init__()
        self.memory, self.switches = MemoryTransformer(sizes), switches
        self.answer = nn.Linear(sizes.d, len(NAMES) + 1)
        nn.init.zeros_(self.memory.tokens.gate.bias)  # at 2.2 tokens take up a tenth, and are learnt more slowly
        self.memory.encoder.ahead.requires_grad_(False).weight.data.zero_()  # what follows is no part of these tasks

    def forward(self, rounds: Sequence[Round]) -> Iterator[tuple[Tensor, Tensor]]:
        """Segment after segment; the state goes on, with its gradients."""
        streams, size = rounds[0].answer.shape
        state = empty(self.memory, streams, archive=min(len(rounds), 64) * size)
        for each in rounds:
            state, output = step(self.memory, state, each.segment, switches=self.switches)
            gate = F.binary_cross_entropy(output.strength.clamp(1e-5, 1 - 1e-5), each.told.float())
            yield self.answer(output.h), gate


def train(
    rival: nn.Module,
    pool: Sequence[Ints],
    *,
    seed: int,
    say: Callable[[str], None],
    stages: Sequence[Course] = STAGES,
    steps: int = STEPS,
    rate: float = RATE,
) -> int:
    """Stage after stage, as far as `steps` go; the same for every rival, deterministic under the seed.

    Returns how many stages were learnt.
    """
    rng = np.random.default_rng(seed)
    for module in rival.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # a word that is lost is a wrong label here
    optimizer = _optimizer(rival, rate)
    stage, since, began = 0, 0, time.monotonic()
    scores: list[float] = []
    for done in range(1, steps + 1):
        loss, score = _lesson(rival, episode(rng, pool, stages[stage], SIZES.segment))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(rival.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = group["most"] * min(1.0, done / WARMING) * max(0.05, 1 - done / steps)
        optimizer.step()
        scores.append(score)
        lately = float(np.mean(scores[-WINDOW:]))
        learnt = done - since >= WINDOW and lately >= stages[stage].enough
        if done == steps or (learnt and stage + 1 < len(stages)):
            course, took = stages[stage], time.monotonic() - began
            say(f"  {course.things} tasks, {course.segments} segments: {lately:.3f} after {done} steps, {took:.0f} s")
            stage, since = stage + learnt, done
    return stage


def _optimizer(rival: nn.Module, rate: float) -> torch.optim.AdamW:
    named = [(name, weight) for name, weight in rival.named_parameters() if weight.requires_grad]
    gates = [weight for name, weight in named if any(gate in name for gate in GATES)]
    others = [weight for name, weight in named if not any(gate in name for gate in GATES)]
    groups = [
        {"params": others, "weight_decay": 0.01, "most": rate},
        {"params": gates, "weight_decay": 0.0, "most": rate * FASTER},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=rate)


def _lesson(rival: nn.Module, rounds: list[Round]) -> tuple[Tensor, float]:
    """The loss of an episode, a segment, and the share of right answers."""
    loss = torch.zeros(())
    right = asked = 0
    for each, (logits, gate) in _run(rival, rounds):
        known = each.answer != MISSING
        loss = loss + gate
        if known.any():
            loss = loss + F.cross_entropy(logits[known], each.answer[known])
        right += int((logits[known].argmax(-1) == each.answer[known]).sum())
        asked += int(known.sum())
    return loss / len(rounds), right / max(asked, 1)


def _run(rival: nn.Module, rounds: list[Round]) -> Iterable[tuple[Round, tuple[Tensor, Tensor]]]:
    return zip(rounds, rival(rounds), strict=True)


@dataclass(frozen=True)
class Marked:
    """How a rival did in one course."""

    known: float  # share of right answers where the task was given out
    moved: float  # of these, where it was given to somebody else since
    invented: float  # share of names given for a task that was never given out

    @staticmethod
    def of(counts: NDArray[np.float64]) -> Marked:
        """From what `tally` counted."""
        return Marked(*(float(hits / max(all_, 1)) for hits, all_ in counts))


def drawn(course: Course, seed: int) -> tuple[np.random.Generator, Course]:
    """What is drawn in an exam, and from which numbers."""
    return np.random.default_rng([seed, course.things, course.segments]), replace(course, late=True, questions=3)


@torch.no_grad()
def examine(rival: nn.Module, pool: Sequence[Ints], course: Course, *, seed: int, repeats: int = 3) -> Marked:
    """Questions of the last segment only, about facts of the first four."""
    rival.eval()
    rng, course = drawn(course, seed)
    counts = np.zeros((3, 2))
    for _ in range(repeats):
        for each, (logits, _) in _run(rival, episode(rng, pool, course, SIZES.segment)):
            asked = each.answer != MISSING
            counts += tally(logits.argmax(-1)[asked], each.answer[asked], each.moved[asked])
    return Marked.of(counts)


def tally(said: Tensor, answer: Tensor, moved: Tensor) -> NDArray[np.float64]:
    """Of questions, each (n,): how many count for each share of `Marked`, and of how many (3, 2)."""
    real, right = answer != NOBODY, said == answer
    cases = ((real, right), (real & moved, right), (~real, ~right))
    return np.array([[float((which & hit).sum()), float(which.sum())] for which, hit in cases])


def pool_of(meetings: Sequence[Annotated]) -> list[Ints]:
    """The utterances of real meetings, as they follow each other."""
    return [np.asarray(word_buckets(tokens(u.text)), np.int64) for m in meetings for u in m.heard]


THINGS_ASKED, LENGTHS = (1, 8, 32), (4, 16, 64)  # tasks given out, and segments until the end, of the exams
HEAD = ("memory", "tasks", *(f"{length} segments" for length in LENGTHS))


def table(name: str, exam: Callable[[Course], Marked]) -> Iterator[str]:
    """Lines of the table, each cell "right / right after a change / invented"."""
    for things in THINGS_ASKED:
        marks = [exam(Course(things, segments)) for segments in LENGTHS]
        cells = (f"{mark.known:.3f} / {mark.moved:.3f} / {mark.invented:.3f}" for mark in marks)
        yield " | ".join((f"| {name} | {things}", *cells)) + " |"


def schooled(parser: argparse.ArgumentParser) -> None:
    """The options of training."""
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--rate", type=float, default=RATE, help="of learning, at its highest")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m memory.custody", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="annotated meetings whose talk is the background")
    parser.add_argument("--held", type=Path, help="other meetings, whose talk is the background of the exams")
    parser.add_argument("--only", nargs="*", default=list(BANKS), help=f"some of: {', '.join(BANKS)}")
    schooled(parser)
    given = parser.parse_args()
    torch.set_num_threads(1)
    say = partial(print, flush=True)
    pool = pool_of(load(given.data))
    held = pool_of(load(given.held)) if given.held else pool
    say("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
    for name in given.only:
        torch.manual_seed(given.seed)
        rival = Asked(BANKS[name])
        train(rival, pool, seed=given.seed, say=say, steps=given.steps, rate=given.rate)
        for line in table(name, partial(examine, rival, held, seed=given.seed + 1)):
            say(line)


if __name__ == "__main__":
    main()
