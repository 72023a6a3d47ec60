"""Voices enrolled from one made meeting and met again in others: who is recognised, and who is taken for somebody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.diarize.encoder import Ge2eEncoder
from audio.diarize.identity import Voiceprint, identify
from audio.diarize.turns import Schedule, Turn, talk_s

THRESHOLDS = tuple(n / 100 for n in range(40, 93, 4))
DIRECTIONS = 20  # of rooms and noises that are taken out; of 8, 12 and 20 the best on voices they were not made from
CURVE = ("cosine", "enrolled voices recognised", "taken for another", "unknown voices given a name")
_ENOUGH_S = 5.0  # of speech, as enrolment asks for
_PURE = 0.8  # of a speaker's time that is one voice's; a mixture is nobody to be recognised


@dataclass(frozen=True)
class Voiced:
    """A meeting's speakers as vectors, and whose voice each is."""

    vectors: Mapping[str, NDArray[Any]]
    voices: Mapping[str, str]  # label -> the program's name of the voice


def voiced(
    reference: Sequence[Turn], found: Sequence[Turn], vectors: Mapping[str, NDArray[Any]], cast: list[str]
) -> Voiced:
    """Speakers who speak long enough, and mostly with one of the `cast`, whose turns in `reference` are V0, V1, ..."""
    voices: dict[str, str] = {}
    schedule, spoken_s = Schedule(reference), talk_s(found)
    for label in vectors:
        votes: dict[str, float] = {}
        for turn in found:
            if turn.speaker == label:
                for who in schedule.speakers(turn.start_s, turn.end_s, "")[:1]:
                    votes[who] = votes.get(who, 0.0) + turn.end_s - turn.start_s
        if votes and spoken_s[label] >= _ENOUGH_S and max(votes.values()) > _PURE * sum(votes.values()):
            voices[label] = cast[int(max(votes, key=lambda who: votes[who])[1:])]
    return Voiced({label: vectors[label] for label in voices}, voices)


def learn_rooms(meetings: Sequence[Voiced], file: Path) -> None:
    """Write the mean voice, and the directions in which one and the same voice differs most from meeting to meeting."""
    pairs = [(voice, meeting.vectors[label]) for meeting in meetings for label, voice in meeting.voices.items()]
    own = {name: np.array([vector for voice, vector in pairs if voice == name]) for name, _ in pairs}
    differences = np.concatenate([vectors - vectors.mean(axis=0) for vectors in own.values()])
    _, _, directions = np.linalg.svd(differences, full_matrices=False)
    mean = np.mean([vector for _, vector in pairs], axis=0)
    known = {"mean": mean.astype(np.float32), "directions": directions[:DIRECTIONS].astype(np.float32)}
    np.savez(file, allow_pickle=False, encoder=np.array(Ge2eEncoder.name), **known)


def curve(meetings: Sequence[Voiced], encoder: str = Ge2eEncoder.name) -> Iterator[list[str]]:
    """Half of the voices are enrolled in the first meeting they have, the others never; then the halves change places.

    A voice that stands in a meeting as two speakers can be recognised once.
    """
    names = sorted({voice for meeting in meetings for voice in meeting.voices.values()})
    for alike in THRESHOLDS:
        counts = [_trials(meetings, set(names[half::2]), alike, encoder) for half in (0, 1)]
        hits, wrong, known, named, unknown = (sum(column) for column in zip(*counts, strict=True))
        yield [f"{alike:.2f}", f"{hits} of {known}", str(wrong), f"{named} of {unknown}"]


def _trials(
    meetings: Sequence[Voiced], enrolled: set[str], alike: float, encoder: str
) -> tuple[int, int, int, int, int]:
    prints: dict[str, Voiceprint] = {}
    hits = wrong = known = named = unknown = 0
    for meeting in meetings:
        who = {
            i.speaker: i.person for i in identify(meeting.vectors, list(prints.values()), encoder=encoder, alike=alike)
        }
        there = set(meeting.voices.values())
        known += len(there & prints.keys())
        hits += len({voice for label, voice in meeting.voices.items() if who.get(label) == voice})
        wrong += sum(voice in prints and who.get(label, voice) != voice for label, voice in meeting.voices.items())
        unknown += sum(voice not in prints for voice in meeting.voices.values())
        named += sum(voice not in prints and label in who for label, voice in meeting.voices.items())
        for label, voice in meeting.voices.items():
            if voice in enrolled and voice not in prints:
                prints[voice] = Voiceprint(voice, encoder, meeting.vectors[label])
    return hits, wrong, known, named, unknown
