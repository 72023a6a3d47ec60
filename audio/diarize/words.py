"""Whose words: utterances are cut where the speaker changes, always between two words."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import groupby

from audio.diarize.turns import Schedule
from audio.speech import Utterance, Word

SHORTEST_S = 0.35  # a shorter run of words of another speaker is an inexact time, not a turn
OVERLAP = "overlap"  # flag of an utterance in which somebody else speaks, too


def attributed(utterance: Utterance, schedule: Schedule) -> list[Utterance]:
    """The utterance with its speaker, or its parts with theirs; their texts, words and times add up to its own."""
    if utterance.suppressed:
        return [utterance]
    words = utterance.words or spelled(utterance)
    whole = schedule.speakers(utterance.start_s, utterance.end_s, utterance.source)
    if not words or len(whole) < 2:
        return [_marked(replace(utterance, speaker=whole[0] if whole else ""), schedule)]
    runs = _smooth([(_speaker(word, schedule, utterance, whole[0]), [word]) for word in words])
    if len(runs) == 1:
        return [_marked(replace(utterance, speaker=runs[0][0]), schedule)]
    parts = []
    for n, (speaker, own) in enumerate(runs):
        part = replace(
            utterance,
            text="".join(word.text for word in own),
            start_s=own[0].start_s if n else utterance.start_s,
            end_s=own[-1].end_s if n + 1 < len(runs) else utterance.end_s,
            words=tuple(own) if utterance.words else (),
            tokens=utterance.tokens if n == 0 else (),  # the decoder's, of the whole; they cannot be divided by speaker
            speaker=speaker,
        )
        parts.append(_marked(part, schedule))
    return parts


def spelled(utterance: Utterance) -> tuple[Word, ...]:
    """Words with times by their letters, where the recogniser gave none; probability 0 says that they are guesses."""
    pieces = re.findall(r"\s*\S+", utterance.text)
    letters = sum(map(len, pieces))
    words, at = [], 0
    length_s = utterance.end_s - utterance.start_s
    for piece in pieces:
        start_s = utterance.start_s + length_s * at / letters
        at += len(piece)
        end_s = utterance.start_s + length_s * at / letters
        words.append(Word(piece, round(start_s, 3), round(end_s, 3), 0.0))
    return tuple(words)


def _speaker(word: Word, schedule: Schedule, utterance: Utterance, otherwise: str) -> str:
    found = schedule.speakers(word.start_s, word.end_s, utterance.source)
    return found[0] if found else otherwise


def _smooth(labelled: list[tuple[str, list[Word]]]) -> list[tuple[str, list[Word]]]:
    """Runs of one speaker; a run too short to be a turn goes to the longer neighbour, the shortest first."""
    runs = _runs(labelled)
    while len(runs) > 1:
        shortest = min(range(len(runs)), key=lambda n: _length_s(runs[n][1]))
        if _length_s(runs[shortest][1]) >= SHORTEST_S:
            break
        beside = [n for n in (shortest - 1, shortest + 1) if 0 <= n < len(runs)]
        heir = max(beside, key=lambda n: _length_s(runs[n][1]))
        runs[shortest] = (runs[heir][0], runs[shortest][1])
        runs = _runs(runs)
    return runs


def _runs(labelled: list[tuple[str, list[Word]]]) -> list[tuple[str, list[Word]]]:
    grouped = ((speaker, list(run)) for speaker, run in groupby(labelled, key=lambda pair: pair[0]))
    return [(speaker, [word for _, own in run for word in own]) for speaker, run in grouped]


def _length_s(words: list[Word]) -> float:
    return words[-1].end_s - words[0].start_s


def _marked(utterance: Utterance, schedule: Schedule) -> Utterance:
    """Overlap is said, not hidden: in the flags of the utterance, and on each timed word that somebody speaks over."""
    if not utterance.speaker:
        return utterance
    words = tuple(_word(word, utterance.speaker, schedule) for word in utterance.words)
    timed = words or tuple(_word(word, utterance.speaker, schedule) for word in spelled(utterance))
    if not any(word.speaker for word in timed):
        return utterance
    flags = (*(f for f in utterance.flags if f != OVERLAP), OVERLAP)
    return replace(utterance, words=words, flags=flags)


def _word(word: Word, speaker: str, schedule: Schedule) -> Word:
    others = schedule.others(word.start_s, word.end_s, speaker=speaker)
    return replace(word, speaker="+".join([speaker, *others])) if others else word
