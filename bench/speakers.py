"""Who spoke when, scored: `python -m bench.speakers [--data DIR] [--made 14] [--minutes 3]`.

DER is pyannote.metrics' with overlap included; a collar of 0.25 s counts on each side of a border. cpWER is MeetEval's
on the words of the reference, each given to the speaker of its time, so it measures attribution alone.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from audio.diarize.diarizer import DiarizeOptions, Voices, conclude, follow
from audio.diarize.encoder import Ge2eEncoder
from audio.diarize.identity import Voiceprint, identify
from audio.diarize.turns import Schedule, Turn, talk_s, turns
from audio.diarize.windows import Heard, listen
from audio.segmenter import FILE, LIVE, segment
from audio.speech import SAMPLE_RATE, AudioChunk, Samples
from audio.vad import GatedVad
from bench.meetings import TESTING, Meeting, Rooms, make, manners, passages
from bench.report import circumstances, progress, table
from bench.score import MEETING

DATA = Path(__file__).parents[2] / "shared" / "data"
ENCODER = Ge2eEncoder()
NAIVE_S, NAIVE_COSINE = 1.5, 0.75  # the baseline's windows, and the average cosine at which it stops joining
UNCHANGED = DiarizeOptions(changes=False)


@dataclass(frozen=True)
class Case:
    """A recording and who speaks in it when."""

    name: str
    samples: Samples
    reference: tuple[Turn, ...]
    words: tuple[tuple[str, float, float, str], ...]  # speaker, start_s, end_s, text
    room: str = ""


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


def made(meeting: Meeting) -> Case:
    """A made meeting; its words are spread over their lines by letters."""
    reference = tuple(Turn(s.speaker, s.start / SAMPLE_RATE, s.stop / SAMPLE_RATE) for s in meeting.lines)
    pairs = zip(meeting.lines, reference, strict=True)
    words = tuple(w for s, t in pairs for w in _spread(t.speaker, t.start_s, t.end_s, s.text))
    return Case(meeting.name, meeting.samples, reference, words, meeting.room)


def _spread(speaker: str, start_s: float, end_s: float, text: str) -> Iterator[tuple[str, float, float, str]]:
    parts = text.split()
    letters, at = sum(map(len, parts)), 0
    for part in parts:
        first, at = at, at + len(part)
        length_s = (end_s - start_s) / letters
        yield speaker, start_s + first * length_s, start_s + at * length_s, part


@dataclass(frozen=True)
class Found:
    """What the systems say of a case, by the name of the system, and what it cost."""

    turns: dict[str, tuple[Turn, ...]]
    heard: tuple[Heard, ...]
    final_voices: dict[str, Any]
    cost_s: float  # embedding and both clusterings, on one thread
    delays_s: tuple[float, ...]  # of live labels, from the end of a segment that came in live


def diarize(case: Case) -> Found:
    """Ours online and at the end, with and without looking for changes, and the naive baseline."""
    chunks = [AudioChunk(case.samples[i : i + 16_000], i) for i in range(0, len(case.samples), 16_000)]
    segments = list(segment(chunks, GatedVad, FILE))
    began = time.perf_counter()
    voices, delays = Voices(), list[float]()
    for one in segments:
        voices = follow(voices, listen(one, ENCODER), DiarizeOptions()).voices
    final = conclude(voices, DiarizeOptions())
    cost_s = time.perf_counter() - began
    live = Voices()
    for one in segment(chunks, GatedVad, LIVE):
        began = time.perf_counter()
        live = follow(live, listen(one, ENCODER), DiarizeOptions()).voices
        delays.append(time.perf_counter() - began)
    whole = Voices()
    for heard in voices.heard:
        whole = follow(whole, heard, UNCHANGED).voices
    count = len({t.speaker for t in case.reference})
    known = DiarizeOptions(least=count, most=count)
    systems = {
        "offline": final.turns,
        "online": voices.turns,
        "online, live segments": live.turns,
        "offline, no changes": conclude(whole, UNCHANGED).turns,
        "offline, count told": conclude(voices, known).turns,
        "naive": tuple(naive(voices.heard)),
    }
    return Found(systems, voices.heard, final.centroids, cost_s, tuple(delays))


def naive(heard: Sequence[Heard]) -> list[Turn]:
    """Windows of 1.5 s or so without overlap, average-linkage clustering until a fixed cosine, nothing else."""
    pieces = [(h, i) for h in heard for i in range(len(h.starts)) if i == 0 or h.runs[i] != h.runs[i - 1] or i % 6 == 0]
    if not pieces:
        return []
    points = np.array([h.embeddings[i] for h, i in pieces], float)
    near, sizes = points @ points.T, np.ones(len(points))
    groups = [[n] for n in range(len(points))]
    np.fill_diagonal(near, -1)
    while (top := near.max()) > NAIVE_COSINE:
        a, b = np.unravel_index(int(near.argmax()), near.shape)
        near[a] = near[:, a] = (near[a] * sizes[a] + near[b] * sizes[b]) / (sizes[a] + sizes[b])
        sizes[a] += sizes[b]
        near[b] = near[:, b] = near[a, a] = -1
        groups[int(a)] += groups[int(b)]
        groups[int(b)] = []
        assert top <= 1.01
    label = {n: f"N{g}" for g, group in enumerate(groups) for n in group}
    by_window = {(id(h), i): label[n] for n, (h, i) in enumerate(pieces)}
    labels: list[str] = []
    for h in heard:
        for i in range(len(h.starts)):
            labels.append(by_window.get((id(h), i)) or labels[-1])
    return turns(heard, labels)


def error_rate(reference: Sequence[Turn], found: Sequence[Turn], collar_s: float) -> dict[str, float]:
    """DER and its parts by pyannote.metrics, whose collar is both sides together."""
    from pyannote.core import Annotation, Segment
    from pyannote.metrics.diarization import DiarizationErrorRate

    def annotation(given: Sequence[Turn]) -> Any:
        made_of = Annotation()
        for n, turn in enumerate(given):
            made_of[Segment(turn.start_s, turn.end_s), n] = turn.speaker
        return made_of

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = DiarizationErrorRate(collar=2 * collar_s)(annotation(reference), annotation(found), detailed=True)
    total = parts["total"] or 1.0
    names = {"miss": "missed detection", "false": "false alarm", "confusion": "confusion"}
    return {"DER": sum(parts[v] for v in names.values()) / total} | {k: parts[v] / total for k, v in names.items()}


def words_right(case: Case, found: Sequence[Turn]) -> tuple[float, float]:
    """Share of words whose speaker is right under the best mapping, and cpWER with reference words."""
    from meeteval.wer.wer.cp import cp_word_error_rate
    from scipy.optimize import linear_sum_assignment

    schedule = Schedule(found)
    given = [(who, (schedule.speakers(a, b, "") or ["none"])[0], text) for who, a, b, text in case.words]
    rows, columns = sorted({g[0] for g in given}), sorted({g[1] for g in given})
    counts = np.array([[sum(g[0] == r and g[1] == c for g in given) for c in columns] for r in rows])
    best = counts[linear_sum_assignment(-counts)].sum() if given else 0
    streams = lambda at: {k: " ".join(g[2] for g in given if g[at] == k) for k in {g[at] for g in given}}
    few = len(rows) <= 15 and len(columns) <= 15  # MeetEval refuses more
    scored = cp_word_error_rate(streams(0), streams(1)) if given and few else None  # type: ignore[no-untyped-call]
    return float(best) / max(1, len(given)), float(scored.error_rate or 0.0) if scored else 0.0


def report_rows(cases: Sequence[Case], found: Sequence[Found]) -> Iterator[list[str]]:
    """A line a case and system."""
    for case, one in zip(cases, found, strict=True):
        for system, hypothesis in one.turns.items():
            strict, loose = (error_rate(case.reference, hypothesis, c) for c in (0.0, 0.25))
            right, cp = words_right(case, hypothesis)
            people = len({t.speaker for t in case.reference})
            yield [
                f"{case.name}, {system}",
                f"{people} / {len(talk_s(hypothesis))}",
                *(f"{strict[k]:.1%}" for k in ("DER",)),
                *(f"{loose[k]:.1%}" for k in ("DER", "miss", "false", "confusion")),
                f"{right:.1%}",
                f"{cp:.1%}",
            ]


def trade_off(cases: Sequence[Case], found: Sequence[Found], cast: dict[str, list[str]]) -> Iterator[list[str]]:
    """Half of the voices enrolled from their first meeting and looked for in all later ones, at several thresholds."""
    prints: dict[str, Voiceprint] = {}
    trials: list[tuple[dict[str, Any], dict[str, str]]] = []
    enrolled = {name for n, name in enumerate(sorted({v for names in cast.values() for v in names})) if n % 2 == 0}
    for case, one in zip(cases, found, strict=True):
        truth = _truth(case, one, cast[case.name])
        for label, voice in truth.items():
            if voice in enrolled and voice not in prints:
                prints[voice] = Voiceprint(voice, ENCODER.name, one.final_voices[label])
                truth = {k: v for k, v in truth.items() if v != voice}
        trials.append(({k: one.final_voices[k] for k in truth}, truth))
    for alike in (0.76, 0.80, 0.82, 0.84, 0.86, 0.88, 0.90):
        hits = wrong = strangers = named = known_count = 0
        for voices, truth in trials:
            who = {
                i.speaker: i.person for i in identify(voices, list(prints.values()), encoder=ENCODER.name, alike=alike)
            }
            for label, voice in truth.items():
                known_count += voice in prints
                hits += voice in prints and who.get(label) == voice
                wrong += voice in prints and who.get(label, voice) != voice
                strangers += voice not in enrolled
                named += voice not in enrolled and label in who
        yield [f"{alike:.2f}", f"{hits} of {known_count}", str(wrong), f"{named} of {strangers}"]


def _truth(case: Case, one: Found, names: list[str]) -> dict[str, str]:
    """Label -> the voice that mostly speaks in its turns, for speakers with 5 s or more."""
    truth: dict[str, str] = {}
    schedule = Schedule(case.reference)
    spoken = talk_s(one.turns["offline"])
    for label in one.final_voices:
        own = [t for t in one.turns["offline"] if t.speaker == label]
        votes: dict[str, float] = {}
        for t in own:
            for who in schedule.speakers(t.start_s, t.end_s, "")[:1]:
                votes[who] = votes.get(who, 0.0) + t.end_s - t.start_s
        if votes and spoken[label] >= 5 and max(votes.values()) > 0.8 * sum(votes.values()):
            truth[label] = names[int(max(votes, key=lambda who: votes[who])[1:])]
    return truth


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--made", type=int, default=14)
    parser.add_argument("--minutes", type=float, default=3.0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cases, cast = [sample()], dict[str, list[str]]()
    if given.data.is_dir():
        cases += real(given.data / "audio" / "ami-30s")
        parts = passages(given.data / "ami" / "train", np.random.default_rng(1))
        print("How AMI's speakers behave:", {k: round(float(v), 3) for k, v in manners(parts).items()})
        rooms = Rooms.of(given.data / "audio" / "speechbrain")
        for n in range(given.made):
            order = np.random.default_rng(1000 + n).permutation(len(TESTING))[: 2 + n % 7]
            voices = [TESTING[i] for i in order]
            minutes = given.minutes
            meeting = make(f"made {n}", parts, voices=voices, seed=5000 + n, minutes=minutes, rooms=rooms)
            cast[meeting.name] = [v.name for v in voices]
            cases.append(made(meeting))
            progress(f"{meeting.name}: {len(voices)} voices, {meeting.room}")
    found = []
    for case in cases:
        found.append(diarize(case))
        progress(case.name)
    header = [
        "",
        "speakers / found",
        "DER, collar 0",
        "DER, 0.25 s",
        "missed",
        "false",
        "confused",
        "words right",
        "cpWER",
    ]
    print(table(header, report_rows(cases, found)))
    for group, chosen in (("made", lambda n: n.startswith("made")), ("AMI", lambda n: n[:3] in ("trn", "dev"))):
        _print_means(group, [(c, f) for c, f in zip(cases, found, strict=True) if chosen(c.name)])
    hours = sum(len(c.samples) for c in cases) / SAMPLE_RATE / 3600
    delays = np.array([d for f in found for d in f.delays_s])
    print(f"cost: {sum(f.cost_s for f in found) / hours:.0f} s an hour of audio on one thread")
    print(
        f"live labels: median {np.median(delays):.2f} s, 95 % {np.percentile(delays, 95):.2f} s after a segment's end"
    )
    made_ones = [(c, f) for c, f in zip(cases, found, strict=True) if c.name in cast]
    if made_ones:
        rows = trade_off([c for c, _ in made_ones], [f for _, f in made_ones], cast)
        print(table(["cosine", "enrolled voices recognised", "taken for another", "unknown voices given a name"], rows))
    print(circumstances())


def _print_means(group: str, pairs: Sequence[tuple[Case, Found]]) -> None:
    if not pairs:
        return
    for system in pairs[0][1].turns:
        strict, loose = (
            np.mean([error_rate(c.reference, f.turns[system], s)["DER"] for c, f in pairs]) for s in (0.0, 0.25)
        )
        counts = [len(talk_s(f.turns[system])) - len({t.speaker for t in c.reference}) for c, f in pairs]
        right = np.mean([n == 0 for n in counts])
        print(f"{group}, {system}: mean DER {strict:.1%} (collar 0), {loose:.1%} (0.25 s); count {right:.0%} {counts}")


if __name__ == "__main__":
    main()
