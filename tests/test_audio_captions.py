"""Captions: finals are those of a recording, hypotheses give way to a slow machine, late finals are made up for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest

from audio.agreement import AlignAtt, LocalAgreement
from audio.captions import CaptionOptions, Late, Now, Sketches, attend, caption
from audio.engines import RecognitionOptions, RecognizedSegment
from audio.engines.drafts import spread
from audio.recognizer import Batch, Recognizer, recognize
from audio.segmenter import LIVE, SENTENCES, SegmenterOptions, segment
from audio.speech import SAMPLE_RATE, AudioChunk, Hypothesis, Samples, Scores, SpeechSegment, Utterance
from tests.fakes import SURE, FakeTranscriber, FakeVad

ENGLISH = RecognitionOptions(language="en")
OPTIONS = CaptionOptions(LocalAgreement(2))
Found = Batch | Hypothesis | Late


def meeting(talks: int = 4) -> Samples:
    """Stretches of noise of 1 to 2.5 s, a second of silence after each."""
    rng = np.random.default_rng(1)
    parts = [np.pad(rng.uniform(-0.3, 0.3, SAMPLE_RATE + 8000 * i), (0, SAMPLE_RATE)) for i in range(talks)]
    return np.concatenate(parts).astype(np.float32)


@dataclass
class World:
    """A machine on which a second of decoding takes as long as it is told to, and where capture never waits."""

    sound: Samples
    speed: float = 0.0  # seconds of work for one second of audio
    now_s: float = 0.0
    heard_s: float = 0.0

    def chunks(self) -> Iterator[AudioChunk]:
        for start in range(0, len(self.sound), 1600):
            chunk = AudioChunk(self.sound[start : start + 1600], start)
            self.heard_s = chunk.stop / SAMPLE_RATE
            self.now_s = max(self.now_s, self.heard_s)
            yield chunk

    def behind_s(self) -> float:
        return min(self.now_s, len(self.sound) / SAMPLE_RATE) - self.heard_s

    def work(self, window: Samples) -> None:
        self.now_s += self.speed * len(window) / SAMPLE_RATE


class Slow(FakeTranscriber):
    """Takes the world's time."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world, self.drafts = world, list[int]()

    def __call__(self, windows, options):  # type: ignore[no-untyped-def]
        for window in windows:
            self.world.work(window)
        return super().__call__(windows, options)

    def draft(self, window: Samples, options: RecognitionOptions, *, timed: bool, whole: bool) -> RecognizedSegment:
        self.world.work(window)
        self.drafts.append(len(window))
        return super().draft(window, options, timed=timed, whole=whole)


def captioned(world: World, engine: Slow, options: CaptionOptions = OPTIONS) -> list[Found]:
    heard = attend(world.chunks(), FakeVad, SENTENCES, waiting=lambda: world.behind_s() > 0)
    recognizer = Recognizer(engine, ENGLISH)
    return list(caption(heard, recognizer, engine, options=options, behind_s=world.behind_s, clock=lambda: world.now_s))


def finals(found: list[Found]) -> list[Utterance]:
    return [utterance for item in found if isinstance(item, Batch) for utterance in item.utterances]


def of_recording(sound: Samples, options: SegmenterOptions = SENTENCES) -> list[Utterance]:
    segments = segment([AudioChunk(sound, 0)], FakeVad, options)
    found = recognize(segments, FakeTranscriber(), options=ENGLISH, batch_size=8, done={}, first_id=1)
    return [utterance for batch in found for utterance in batch.utterances]


def test_live_and_file_agree() -> None:
    world = World(meeting())
    assert finals(captioned(world, Slow(world))) == of_recording(world.sound)


@pytest.mark.parametrize("options", [LIVE, SENTENCES])
def test_attending_finds_the_segments_of_a_recording(options: SegmenterOptions) -> None:
    world = World(meeting())
    heard = list(attend(world.chunks(), FakeVad, options, waiting=lambda: False))
    live = [(item.start, item.stop) for item in heard if isinstance(item, SpeechSegment)]
    assert live == [(item.start, item.stop) for item in segment([AudioChunk(world.sound, 0)], FakeVad, options)]
    assert any(isinstance(item, Now) and item.growing for item in heard)


def test_nothing_is_told_of_how_things_stand_while_more_is_waiting() -> None:
    world = World(meeting())
    heard = attend(world.chunks(), FakeVad, LIVE, waiting=lambda: True)
    assert not [item for item in heard if isinstance(item, Now)]


def test_hypotheses_grow_firm_words_stay_and_an_empty_one_follows_the_final() -> None:
    world = World(meeting(1))
    found = captioned(world, Slow(world))
    texts = [item for item in found if isinstance(item, Hypothesis)]
    assert len(texts) > 2
    for earlier, later in pairwise(texts[:-1]):
        assert later.firm >= earlier.firm
        kept = [word.text for word in earlier.words[: earlier.firm]]
        assert [word.text for word in later.words[: earlier.firm]] == kept
    assert texts[-2].firm > 0
    assert [isinstance(item, Batch) for item in found[-2:]] == [True, False]
    assert texts[-1].text == ""


def test_the_last_provisional_words_wait_and_firm_ones_never_do() -> None:
    shown, held = list[Hypothesis](), list[Hypothesis]()
    for found, options in ((shown, OPTIONS), (held, replace(OPTIONS, hold_back=2))):
        world = World(meeting(1))
        found += [item for item in captioned(world, Slow(world), options) if isinstance(item, Hypothesis) and item.text]
    by_length = {item.end_s: item for item in shown}
    assert held
    for item in held:
        whole = by_length[item.end_s]
        assert item.firm == whole.firm
        assert len(item.words) == max(whole.firm, len(whole.words) - 2)
    assert any(len(item.words) < len(by_length[item.end_s].words) for item in held)


def test_attention_makes_firm_what_lies_before_the_margin() -> None:
    world = World(meeting(1))
    found = captioned(world, Slow(world), CaptionOptions(AlignAtt(0.5), timed=True))
    last = [item for item in found if isinstance(item, Hypothesis) and item.text][-1]
    assert last.firm == sum(word.end_s <= last.end_s - 0.5 + 1e-9 for word in last.words)


def test_a_slower_machine_writes_fewer_hypotheses_and_its_finals_are_no_later() -> None:
    counts = []
    for speed in (0.0, 0.3, 0.6):
        world = World(meeting(8), speed)
        engine = Slow(world)
        found = captioned(world, engine)
        assert not [item for item in found if isinstance(item, Late)]
        assert len(finals(found)) == 8
        counts.append(len(engine.drafts))
    assert counts[0] > counts[1] > counts[2]


def test_a_machine_that_is_too_slow_sets_finals_aside_and_makes_up_for_all_of_them() -> None:
    world = World(meeting(12), speed=2.5)
    found = captioned(world, Slow(world), replace(OPTIONS, defer_after_s=3))
    late = [item for item in found if isinstance(item, Late)]
    assert late
    assert late[0].behind_s > 3
    said = finals(found)
    expected = of_recording(world.sound)
    assert sorted((u.start_s, u.text) for u in said) == [(u.start_s, u.text) for u in expected]
    assert [u.id for u in said] == [f"u{n}" for n in range(1, len(expected) + 1)]
    starts = [u.start_s for u in said]
    assert starts != sorted(starts), "newer speech was not kept waiting by what was set aside"


def test_while_finals_are_missing_no_batch_says_that_it_is_done() -> None:
    world = World(meeting(12), speed=2.5)
    found = captioned(world, Slow(world), replace(OPTIONS, defer_after_s=3))
    done = 0
    said_until: list[Utterance] = []
    for batch in (item for item in found if isinstance(item, Batch)):
        said_until += batch.utterances
        if batch.reached:
            done = batch.reached[""]
            before = [u for u in of_recording(world.sound) if u.end_s <= done / SAMPLE_RATE]
            assert {u.start_s for u in before} <= {u.start_s for u in said_until}
    last = list(segment([AudioChunk(world.sound, 0)], FakeVad, SENTENCES))[-1]
    assert done == last.stop


class Parrot:
    """Says again what it is prompted with, and something else without a prompt."""

    def __init__(self, scores: Scores = SURE) -> None:
        self.prompts, self.scores = list[str | None](), scores

    def draft(self, window: Samples, options: RecognitionOptions, *, timed: bool, whole: bool) -> RecognizedSegment:
        self.prompts.append(options.initial_prompt)
        text = options.initial_prompt or " something new was said"
        return RecognizedSegment(f" {text.strip()}", 0, 1, (1,), self.scores, words_of(text))


def words_of(text: str):  # type: ignore[no-untyped-def]
    return tuple(spread(text, 1.0))


def open_segment(length_s: float = 1.0) -> SpeechSegment:
    return SpeechSegment(np.full(round(length_s * SAMPLE_RATE), 0.1, np.float32), 0)


def test_a_draft_that_repeats_its_prompt_is_written_without_it() -> None:
    parrot = Parrot()
    sketches = Sketches(parrot, replace(OPTIONS, context_words=5), lambda: 0.0)
    before = Utterance("u1", " we will ship it on Friday", 0, 1, "en", SURE)
    sketches.said(Batch((before,), {}))
    hypothesis = sketches.next([open_segment()], ENGLISH)
    assert parrot.prompts == ["will ship it on Friday", None]
    assert hypothesis is not None
    assert hypothesis.text == " something new was said"
    sketches.next([open_segment(2.0)], ENGLISH)
    assert parrot.prompts[2:] == [None], "the prompt is not tried again before another final"


@pytest.mark.parametrize("no_speech", [0.9, 0.0])
def test_what_the_guards_or_the_model_do_not_believe_is_not_shown(no_speech: float) -> None:
    sketches = Sketches(Parrot(replace(SURE, no_speech_prob=no_speech, avg_logprob=-2.0)), OPTIONS, lambda: 0.0)
    assert sketches.next([open_segment()], ENGLISH) is None


def test_of_two_sources_the_one_that_waited_longest_comes_first() -> None:
    sketches = Sketches(FakeTranscriber(), OPTIONS, lambda: 0.0)
    here, there = replace(open_segment(1.0), source="here"), replace(open_segment(2.0), source="there")
    shown = [sketches.next([here, there], ENGLISH) for _ in range(3)]
    assert [hypothesis and hypothesis.source for hypothesis in shown] == ["there", "here", None]


def test_a_segment_that_is_dropped_as_a_copy_takes_its_captions_with_it() -> None:
    def grown(start_s: float, length_s: float) -> Now:
        segment = open_segment(length_s)
        return Now((replace(segment, start=round(start_s * SAMPLE_RATE)),))

    class Parroting(FakeTranscriber):
        def draft(self, window: Samples, options: RecognitionOptions, *, timed: bool, whole: bool) -> RecognizedSegment:
            words = tuple(spread(f"said {len(window)}", 1.0))
            return RecognizedSegment(f" said {len(window)}", 0.0, 1.0, (1,), SURE, words)

    # the first stretch grows and, being a copy, never comes as a final; then another begins
    heard = [grown(0, 1), grown(0, 1.5), grown(0, 2), Now(()), grown(5, 1), grown(5, 1.5)]
    found = caption(
        heard,
        Recognizer(FakeTranscriber(), ENGLISH),
        Parroting(),
        options=replace(OPTIONS, share=1.0),
        behind_s=lambda: 0.0,
        clock=lambda: 0.0,
    )
    texts = [item for item in found if isinstance(item, Hypothesis)]
    assert [item.firm for item in texts] == [0, 1, 1, 0, 0, 1]
    assert texts[3].text == ""
    assert [len(item.words) for item in texts] == [2, 2, 2, 0, 2, 2]


def test_a_final_that_comes_late_does_not_take_away_the_captions_of_what_grows_by_then() -> None:
    late, growing = open_segment(1.0), replace(open_segment(1.0), start=5 * SAMPLE_RATE)
    sketches = Sketches(FakeTranscriber(), OPTIONS, lambda: 0.0)
    assert sketches.next([growing], ENGLISH)
    assert not list(sketches.closed(late))
    assert list(sketches.closed(growing))
