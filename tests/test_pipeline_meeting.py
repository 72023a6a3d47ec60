"""The flow: everything heard is said, kept before it is shown, and an interrupted meeting ends like a whole one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from audio.engines import RecognitionOptions
from audio.recognizer import Batch, recognize
from audio.segmenter import segment
from audio.speech import SAMPLE_RATE, AudioChunk, Samples, SpeechSegment, Utterance
from pipeline.events import Concluded, Corrected, Event, Learned, Named, Opened, Reached, Said, to_line
from pipeline.journal import Journal, ResumePoint, read
from pipeline.meeting import Heard, Parts, hear, keep, meet, names_follow
from tests.fakes import SURE, FakeTranscriber, FakeVad

OPENED = Opened("m", "Title", "2026-03-10T09:00:00+01:00", "x.wav", "a", "b", "fake", "fake", "0")


def recording(talks: int) -> Samples:
    """`talks` stretches of noise of growing length, 4 s of silence after each."""
    rng = np.random.default_rng(0)
    parts = [rng.uniform(-0.3, 0.3, SAMPLE_RATE + 1600 * i) for i in range(talks)]
    return np.concatenate([np.pad(part, (0, 4 * SAMPLE_RATE)) for part in parts]).astype(np.float32)


def chunks(sound: Samples, size: int = 7000, source: str = "") -> Iterator[AudioChunk]:
    for start in range(0, len(sound), size):
        yield AudioChunk(sound[start : start + size], start, source)


def parts(transcriber: FakeTranscriber, batch_size: int = 2) -> Parts:
    def recognized(heard: Iterable[Heard], resume: ResumePoint) -> Iterator[Batch]:
        return recognize(
            (item for item in heard if isinstance(item, SpeechSegment)),
            transcriber,
            options=RecognitionOptions(),
            batch_size=batch_size,
            done=resume.reached,
            first_id=resume.next_utterance,
        )

    return Parts(lambda heard: segment(heard, FakeVad), recognized)


def all_of(sound: Samples) -> list[Event]:
    return list(hear(chunks(sound), parts(FakeTranscriber()), ResumePoint({}, 1)))


def test_every_talk_becomes_one_utterance_in_order_and_the_end_is_said() -> None:
    sound = recording(5)
    events = all_of(sound)
    said = [e.utterance for e in events if isinstance(e, Said)]
    assert [u.id for u in said] == ["u1", "u2", "u3", "u4", "u5"]
    assert [u.start_s for u in said] == sorted(u.start_s for u in said)
    assert isinstance(events[-1], Concluded)
    assert events[-1].duration_s == len(sound) / SAMPLE_RATE
    assert isinstance(events[-2], Reached)
    assert events[-2].sample == len(sound)


@pytest.mark.parametrize("size", [160, 512, 16_000, 1_000_000])
def test_how_the_sound_comes_in_changes_nothing(size: int) -> None:
    sound = recording(3)
    expected = [to_line(e) for e in all_of(sound)]
    assert [to_line(e) for e in hear(chunks(sound, size), parts(FakeTranscriber()), ResumePoint({}, 1))] == expected


@pytest.mark.parametrize("stop_after", range(1, 12))
def test_a_meeting_cut_off_anywhere_and_resumed_equals_a_whole_one(tmp_path: Path, stop_after: int) -> None:
    sound = recording(6)
    whole = [to_line(e) for e in (OPENED, *all_of(sound))]
    with Journal(tmp_path) as journal:
        journal.append(OPENED)
        list(islice(keep(hear(chunks(sound), parts(FakeTranscriber()), journal.resume_point), journal), stop_after))
    second = FakeTranscriber()
    with Journal(tmp_path) as journal:
        done = journal.resume_point.reached.get("", 0)
        list(keep(hear(chunks(sound), parts(second), journal.resume_point), journal))
    lines = [to_line(e) for e in read(tmp_path / "journal.jsonl")]
    assert [line for line in lines if '"said"' in line] == [line for line in whole if '"said"' in line]
    assert lines[-1] == whole[-1]
    assert not done or len(second.heard) < 6, "what was done is not recognised again"


def test_nothing_is_shown_before_it_is_kept(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append(OPENED)
        for shown in keep(hear(chunks(recording(4)), parts(FakeTranscriber()), journal.resume_point), journal):
            assert to_line(shown) in [to_line(e) for e in read(journal.path)]


def test_two_sources_have_clocks_of_their_own_and_share_the_numbering() -> None:
    sound = recording(2)
    both = [c for pair in zip(chunks(sound, source="left"), chunks(sound, source="right"), strict=True) for c in pair]
    events = list(hear(both, parts(FakeTranscriber()), ResumePoint({}, 1)))
    said = [e.utterance for e in events if isinstance(e, Said)]
    assert sorted(u.source for u in said) == ["left", "left", "right", "right"]
    assert sorted(u.id for u in said) == ["u1", "u2", "u3", "u4"]
    assert {e.source: e.sample for e in events if isinstance(e, Reached)} == {"left": len(sound), "right": len(sound)}


def test_silence_is_a_meeting_without_words() -> None:
    events = all_of(np.zeros(5 * SAMPLE_RATE, np.float32))
    assert not [e for e in events if isinstance(e, Said)]
    assert isinstance(events[-1], Concluded)
    assert events[-1].speech_s == 0


def test_stages_hear_what_was_before_and_add_to_what_comes() -> None:
    def counting(past: Iterable[Event], coming: Iterable[Event]) -> Iterator[Event]:
        known = [e.utterance.id for e in past if isinstance(e, Said)]
        for event in coming:
            if isinstance(event, Said):
                known.append(event.utterance.id)
            if isinstance(event, Concluded):
                yield Learned("count", {"utterances": len(known)}, tuple(known))
            yield event

    before = Said(Utterance("u1", " Hi.", 0.0, 1.0, "en", SURE))
    events = list(
        meet(chunks(recording(3)), replace(parts(FakeTranscriber()), stages=(counting,)), ResumePoint({}, 2), [before])
    )
    learned = next(e for e in events if isinstance(e, Learned))
    assert learned.evidence[0] == "u1"
    assert len(learned.evidence) == 1 + sum(isinstance(e, Said) for e in events)
    assert isinstance(events[-1], Concluded)


def test_a_name_that_the_user_gave_follows_the_voice() -> None:
    def said(number: int, speaker: str) -> Said:
        return Said(Utterance(f"u{number}", " Yes.", number, number + 1.0, "en", SURE, speaker=speaker))

    end = Concluded(4.0, 3.0)
    talk: list[Event] = [said(1, "S1"), Named("S1", "Anna", "user"), said(2, "S2"), said(3, "S1")]
    moved: list[Event] = [Corrected(id, "speaker", "S4", "speakers") for id in ("u1", "u3")]
    follows = Named("S4", "Anna", "user")
    assert list(names_follow([], [*talk, *moved, end])) == [*talk, *moved, follows, end]
    assert list(names_follow(talk, [*moved, end])) == [*moved, follows, end]
    assert list(names_follow([*talk, *moved, follows], [end])) == [end]
    assert list(names_follow([], [*talk, moved[0], end])) == [*talk, moved[0], end]  # S1 still says something
    ben = Named("S4", "Ben", "user")
    assert list(names_follow([], [*talk, ben, *moved, end])) == [*talk, ben, *moved, end]
