"""Who spoke when: `python -m bench.speakers [--quick] [--tuning|--learning] [--made 14] [--minutes 3] [--data DIR]`.

DER is pyannote.metrics' with overlap included; a collar of 0.25 s counts on each side of a border. cpWER is MeetEval's,
on the words of the reference, each given to the speaker of its time, so that it measures attribution alone; the sample
meeting is also recognised by the command itself. `--tuning` takes the voices that thresholds were set on, `--learning`
those that traits were learnt from, half of them in made-up rooms, `--quick` four short meetings and two clips.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from audio.diarize.diarizer import DiarizeOptions, Voices, conclude, follow
from audio.diarize.encoder import Ge2eEncoder
from audio.diarize.shelf import taken_up
from audio.diarize.turns import Turn, talk_s
from audio.diarize.windows import listen
from audio.segmenter import FILE, LIVE, Segmenter, segment
from audio.speech import SAMPLE_RATE, AudioChunk, Samples
from audio.vad import detector
from bench.acquaintance import CURVE, curve, voiced
from bench.command import shown_utterances
from bench.diarization import Said, error_rate, naive, recognised_right, words_right
from bench.meetings import TESTING, TUNING, Meeting, Rooms, make, manners, passages
from bench.report import circumstances, progress, table
from bench.rooms import learning, made_up
from bench.score import MEETING, meeting_lines
from pipeline.library import Library
from pipeline.transcript import Transcript

DATA = Path(__file__).parents[2] / "shared" / "data"
ENCODER = Ge2eEncoder()
HEARS = partial(detector, "gated")
UNCHANGED = DiarizeOptions(changes=False)
BLOCK = SAMPLE_RATE // 10  # samples that come in at once where latency is measured


@dataclass(frozen=True)
class Case:
    """A recording and who speaks in it when."""

    name: str
    samples: Samples
    reference: tuple[Turn, ...]
    words: tuple[Said, ...]
    room: str = ""
    cast: tuple[str, ...] = ()  # of a made meeting: the voices V0, V1, ...

    @property
    def people(self) -> int:
        """How many speak."""
        return len({turn.speaker for turn in self.reference})


@dataclass(frozen=True)
class Found:
    """What the systems say of a case, by the name of the system, and what it cost."""

    turns: dict[str, tuple[Turn, ...]]
    vectors: dict[str, NDArray[Any]]  # of the offline speakers
    cost_s: float  # embedding and both clusterings, on one thread
    delays_s: tuple[float, ...]  # of live labels, from the end of the last speech of a segment


def sample() -> Case:
    """The sample meeting."""
    lines = json.loads(MEETING.with_suffix(".json").read_text(encoding="utf-8"))["utterances"]
    reference = tuple(Turn(u["speaker"], u["start_s"], u["end_s"]) for u in lines)
    words = tuple(w for u in lines for w in _spread(u["speaker"], u["start_s"], u["end_s"], u["text"]))
    return Case("sample", soundfile.read(MEETING, dtype="float32")[0], reference, words)


def real(folder: Path) -> Iterator[Case]:
    """The AMI clips: RTTM and word times."""
    for path in sorted(folder.glob("*.flac")):
        rows = [line.split() for line in path.with_suffix(".rttm").read_text().splitlines()]
        reference = tuple(Turn(row[7], float(row[3]), float(row[3]) + float(row[4])) for row in rows)
        lines = [line.split("\t") for line in path.with_suffix(".words.tsv").read_text().splitlines()[1:]]
        words = tuple((who, float(start), float(end), text) for start, end, who, text in lines)
        yield Case(path.stem, soundfile.read(path, dtype="float32")[0], reference, words)


def made(meeting: Meeting, cast: Sequence[str]) -> Case:
    """A made meeting; its words are spread over their lines by letters."""
    reference = tuple(Turn(s.speaker, s.start / SAMPLE_RATE, s.stop / SAMPLE_RATE) for s in meeting.lines)
    pairs = zip(meeting.lines, reference, strict=True)
    words = tuple(w for s, t in pairs for w in _spread(t.speaker, t.start_s, t.end_s, s.text))
    return Case(meeting.name, meeting.samples, reference, words, meeting.room, tuple(cast))


def _spread(speaker: str, start_s: float, end_s: float, text: str) -> Iterator[Said]:
    parts = text.split()
    letters, at = sum(map(len, parts)), 0
    for part in parts:
        first, at = at, at + len(part)
        length_s = (end_s - start_s) / letters
        yield speaker, start_s + first * length_s, start_s + at * length_s, part


def diarize(case: Case) -> Found:
    """Ours online and at the end, with and without looking for changes, and the naive baseline."""
    chunks = [AudioChunk(case.samples[i : i + SAMPLE_RATE], i) for i in range(0, len(case.samples), SAMPLE_RATE)]
    segments = list(segment(chunks, HEARS, FILE))
    began = time.perf_counter()
    voices = Voices()
    for one in segments:
        voices = follow(voices, listen(one, ENCODER), DiarizeOptions()).voices
    final = conclude(voices, DiarizeOptions())
    cost_s = time.perf_counter() - began
    live, delays_s = _live(case.samples)
    whole = Voices()
    for heard in map(taken_up, voices.heard):
        whole = follow(whole, heard, UNCHANGED).voices
    systems = {
        "offline": final.turns,
        "offline, count told": conclude(voices, DiarizeOptions(case.people, case.people)).turns,
        "offline, no changes": conclude(whole, UNCHANGED).turns,
        "online": voices.turns,
        "online, live segments": live.turns,
        "naive": tuple(naive([taken_up(heard) for heard in voices.heard])),
    }
    return Found(systems, final.centroids, cost_s, tuple(delays_s))


def _live(samples: Samples) -> tuple[Voices, list[float]]:
    """As it comes in; the delay is what the segmenter waits after the last speech, and the work on the segment."""
    segmenter, voices, delays_s = Segmenter(HEARS(), LIVE), Voices(), []
    for start in range(0, len(samples), BLOCK):
        chunk = AudioChunk(samples[start : start + BLOCK], start)
        for one in segmenter.push(chunk):
            began = time.perf_counter()
            voices = follow(voices, listen(one, ENCODER), DiarizeOptions()).voices
            worked_s = time.perf_counter() - began
            spoken = one.spoken[-1][1] if one.spoken else one.stop
            delays_s.append((chunk.stop - spoken) / SAMPLE_RATE + worked_s)
    for one in segmenter.flush():
        voices = follow(voices, listen(one, ENCODER), DiarizeOptions()).voices
    return voices, delays_s


def summary(pairs: Sequence[tuple[Case, Found]]) -> Iterator[list[str]]:
    """A line a system: means over the cases."""
    for system in pairs[0][1].turns:
        strict, loose = (
            [error_rate(case.reference, found.turns[system], collar_s=c) for case, found in pairs] for c in (0.0, 0.25)
        )
        scored = [words_right(case.words, found.turns[system]) for case, found in pairs]
        counts = [len(talk_s(found.turns[system])) - case.people for case, found in pairs]
        yield [
            system,
            f"{np.mean([one['DER'] for one in strict]):.1%}",
            *(f"{np.mean([one[key] for one in loose]):.1%}" for key in ("DER", "miss", "false", "confusion")),
            f"{sum(n == 0 for n in counts)} of {len(counts)}",
            f"{np.mean(counts):+.1f}",
            f"{np.mean([right for right, _ in scored]):.1%}",
            f"{np.nanmean([cp for _, cp in scored]):.1%}" if not all(np.isnan([cp for _, cp in scored])) else "",
        ]


SUMMARY = (
    *("system", "DER, collar 0", "DER, 0.25 s", "missed", "false", "confused"),
    *("count right", "count, mean error", "words right", "cpWER"),
)


def one_by_one(pairs: Sequence[tuple[Case, Found]]) -> Iterator[list[str]]:
    """A line a case."""
    for case, found in pairs:
        rates = {
            name: error_rate(case.reference, found.turns[name], collar_s=0.25)
            for name in ("offline", "online", "naive")
        }
        yield [
            f"{case.name} {case.room}".strip(),
            f"{case.people} / {len(talk_s(found.turns['offline']))}",
            *(f"{rates[name]['DER']:.1%}" for name in rates),
            f"{rates['offline']['miss']:.1%}",
            f"{rates['offline']['confusion']:.1%}",
        ]


ONE_BY_ONE = ("", "speakers / found", "DER offline", "online", "naive", "missed, offline", "confused, offline")


def cases(given: argparse.Namespace) -> Iterator[Case]:
    """The sample, the AMI clips and the made meetings, as far as their material is there."""
    yield sample()
    if not given.data.is_dir():
        progress(f"no test material at {given.data}: the sample alone")
        return
    clips = list(real(given.data / "audio" / "ami-30s"))
    yield from clips[:2] if given.quick else clips
    parts = passages(given.data / "ami" / "train", np.random.default_rng(2 if given.tuning else 1))
    print("How AMI's speakers behave:", {k: round(float(v), 3) for k, v in manners(parts).items()}, "\n")
    rooms = Rooms.of(given.data / "audio" / "speechbrain")
    voices, first, seed = (TUNING, 9000, 700) if given.tuning else (TESTING, 1000, 5000)
    if given.learning:
        voices, first, seed = tuple(learning()), 20_000, 30_000
    for n in range(4 if given.quick else given.made):
        chosen = [voices[i] for i in np.random.default_rng(first + n).permutation(len(voices))[: 2 + n % 7]]
        minutes = 1.0 if given.quick else given.minutes
        there = made_up(np.random.default_rng(seed - n)) if given.learning and n % 2 else rooms
        meeting = make(f"made {n}", parts, voices=chosen, seed=seed + n, minutes=minutes, rooms=there)
        yield made(meeting, [voice.name for voice in chosen])


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--made", type=int, default=14)
    parser.add_argument("--minutes", type=float, default=3.0)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--tuning", action="store_true")
    chosen.add_argument("--learning", action="store_true")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    pairs: list[tuple[Case, Found]] = []
    for case in cases(given):
        pairs.append((case, diarize(case)))
        progress(f"{case.name}: {len(case.samples) / SAMPLE_RATE:.0f} s, {case.people} speakers {case.room}")
    groups = {"Sample": pairs[:1], "AMI clips": [], "Made meetings": [pair for pair in pairs if pair[0].cast]}
    groups["AMI clips"] = [pair for pair in pairs[1:] if not pair[0].cast]
    for name, group in groups.items():
        if group:
            print(f"{name}\n\n{table(SUMMARY, summary(group))}\n")
    print(f"{table(ONE_BY_ONE, one_by_one(pairs))}\n")
    hours = sum(len(case.samples) for case, _ in pairs) / SAMPLE_RATE / 3600
    print(f"Cost: {sum(found.cost_s for _, found in pairs) / hours:.0f} s an hour of audio on one thread.")
    delays_s = np.array([delay for _, found in pairs for delay in found.delays_s])
    median_s, late_s = np.quantile(delays_s, (0.5, 0.95))
    print(f"Live labels after the last speech: median {median_s:.2f} s, 95 % {late_s:.2f} s.")
    print(_recognised(), "\n")
    known = [
        voiced(case.reference, found.turns["offline"], found.vectors, list(case.cast))
        for case, found in pairs
        if case.cast
    ]
    if known:
        print(f"Voices met again\n\n{table(CURVE, curve(known))}\n")
        print(f"The same, enrolled in their first two meetings\n\n{table(CURVE, curve(known, enrolled_in=2))}\n")
        print(f"The same as the first, voices as they are\n\n{table(CURVE, curve(known, 'as it is'))}\n")
    print(circumstances())


def _recognised() -> str:
    """The sample through the whole command."""
    progress("the sample through the command")
    with tempfile.TemporaryDirectory() as home:
        shown_utterances([MEETING], Path(home))
        library = Library(Path(home) / "library")
        transcript = Transcript.of(library.events(library.meeting("latest")))
    right, cp = recognised_right(meeting_lines(), transcript.utterances)
    found = f"{right:.1%} of rightly recognised words have the right speaker, cpWER {cp:.1%}"
    return f"The sample through `rapporteur transcribe`: {found}."


if __name__ == "__main__":
    main()
