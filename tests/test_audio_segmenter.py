"""Segmenting, on sound whose value is its probability of speech."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.segmenter import FILE, LIVE, Endpoint, Segmenter, SegmenterOptions, segment
from audio.sources import file_source
from audio.speech import SAMPLE_RATE, AudioChunk, AudioError, Samples, SpeechSegment
from audio.vad import Frames, GatedVad, Probabilities
from tests.fakes import FakeVad

SAMPLES = Path(__file__).parents[1] / "samples"
FRAME = 512


class Candid:
    """Believes what it is told: the first sample of a frame is the frame's probability."""

    frame = FRAME

    def __call__(self, frames: Frames) -> Probabilities:
        return frames[:, 0]


def told(*stretches: tuple[float, float]) -> Samples:
    """Sound of (probability, seconds) stretches, in whole frames."""
    return np.concatenate([np.full(round(s * SAMPLE_RATE / FRAME) * FRAME, p, np.float32) for p, s in stretches])


def chunked(samples: Samples, lengths: Iterable[int], *, start: int = 0, source: str = "") -> list[AudioChunk]:
    """The sound in chunks of these lengths, and the rest in one."""
    cuts = np.minimum(np.cumsum([0, *lengths]), len(samples))
    return [AudioChunk(samples[a:b], start + int(a), source) for a, b in pairwise([*cuts, len(samples)])]


def segmented(samples: Samples, options: SegmenterOptions = FILE, *, start: int = 0) -> list[SpeechSegment]:
    seconds = [SAMPLE_RATE] * (len(samples) // SAMPLE_RATE)
    return list(segment(chunked(samples, seconds, start=start), Candid, options))


def spans_s(segments: Sequence[SpeechSegment]) -> list[tuple[float, float]]:
    return [(one.start / SAMPLE_RATE, one.stop / SAMPLE_RATE) for one in segments]


def near(*spans: tuple[float, float]) -> object:
    return [pytest.approx(span, abs=FRAME / SAMPLE_RATE) for span in spans]


# Properties

QUICK = replace(LIVE, longest_s=3.0, cut_within_s=1.0, endpoints=(Endpoint(400), Endpoint(150, after_s=1.0)))
stretches = st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0]), st.floats(0.032, 2.5)), max_size=12)
sounds = stretches.map(lambda drawn: told((0.0, 0.1), *drawn))
tails = st.integers(0, FRAME - 1).map(lambda n: np.ones(n, np.float32))


@pytest.mark.parametrize("options", [FILE, LIVE, QUICK])
@settings(max_examples=40)
@given(sound=sounds, tail=tails, lengths=st.lists(st.integers(0, 20_000), max_size=30))
def test_how_the_sound_is_chunked_makes_no_difference(
    options: SegmenterOptions, sound: Samples, tail: Samples, lengths: list[int]
) -> None:
    samples = np.concatenate([sound, tail])
    whole, parts = (list(segment(chunked(samples, cut), Candid, options)) for cut in ([], lengths))
    assert [(a.start, a.stop, a.speech_share) for a in whole] == [(b.start, b.stop, b.speech_share) for b in parts]
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a.samples, b.samples)


@pytest.mark.parametrize("options", [FILE, LIVE, QUICK])
@settings(max_examples=40)
@given(sound=sounds, tail=tails, start=st.sampled_from([0, 12_345]))
def test_segments_are_true_and_hold_all_speech(
    options: SegmenterOptions, sound: Samples, tail: Samples, start: int
) -> None:
    samples = np.concatenate([sound, tail])
    segments = segmented(samples, options, start=start)
    assert all(a.stop <= b.start for a, b in pairwise(segments))
    inside = np.zeros(len(samples), bool)
    for one in segments:
        assert start <= one.start < one.stop <= start + len(samples)
        assert len(one.samples) <= options.longest_s * SAMPLE_RATE
        assert 0 < one.speech_share <= 1
        np.testing.assert_array_equal(one.samples, samples[one.start - start : one.stop - start])
        inside[one.start - start : one.stop - start] = True
    for first, last in certain_speech(sound, options):
        assert inside[first:last].all()


def certain_speech(sound: Samples, options: SegmenterOptions) -> list[tuple[int, int]]:
    """Stretches above the upper threshold that last long enough, as (first, last) samples."""
    edges = np.flatnonzero(np.diff(np.pad(sound >= options.speech_on, 1).astype(np.int8))).reshape(-1, 2)
    least = round(options.min_speech_ms * SAMPLE_RATE / 1000)
    return [(a, b) for a, b in edges.tolist() if b - a >= least]


def test_memory_stays_within_a_segment_and_a_chunk() -> None:
    rng = np.random.default_rng(1)
    for options in (FILE, LIVE):
        segmenter, most = Segmenter(Candid(), options), 0
        for n in range(600):
            speech = rng.random() < 0.7 or 200 < n < 400
            segmenter.push(AudioChunk(np.full(SAMPLE_RATE, speech, np.float32), n * SAMPLE_RATE))
            most = max(most, sum(len(chunk.samples) for chunk in segmenter._chunks))
        assert most <= 32 * SAMPLE_RATE


# Decisions


def test_speech_begins_at_one_threshold_and_ends_below_another() -> None:
    assert segmented(told((0, 1), (0.45, 5), (0, 4))) == []
    (one,) = segmented(told((0, 1), (0.6, 1), (0.4, 3), (0.3, 4)))
    assert spans_s([one]) == near((0.75, 5.25))
    assert one.speech_share == pytest.approx(4 / 4.5, abs=0.02)


def test_a_click_is_not_speech_and_keeps_no_segment_open() -> None:
    click = (1.0, 0.064)
    assert segmented(told((0, 1), click, (0, 5))) == []
    assert spans_s(segmented(told((0, 1), (1, 1), *[(0, 1.5), click] * 4, (0, 3)))) == near((0.75, 2.25))


def test_pads_reach_neither_beyond_the_sound_nor_into_the_neighbour() -> None:
    options = replace(FILE, endpoints=(Endpoint(300),))
    sound = told((1, 1), (0, 0.384), (1, 1))
    assert spans_s(segmented(sound, options)) == near((0, 1.25), (1.25, len(sound) / SAMPLE_RATE))


def test_the_tail_is_heard_to_its_last_sample() -> None:
    sound = np.concatenate([told((0, 1), (1, 1)), np.ones(300, np.float32)])
    (one,) = segmented(sound)
    assert one.stop == len(sound)


# Endpoints


def test_a_longer_segment_ends_at_a_shorter_pause() -> None:
    options = SegmenterOptions((Endpoint(1000), Endpoint(300, after_s=5)))
    sound = told((1, 2), (0, 0.5), (1, 4), (0, 0.5), (1, 2), (0, 0.5), (1, 1), (0, 2))
    assert spans_s(segmented(sound, options)) == near((0, 6.75), (6.75, 10.75))


def test_windows_for_recordings_are_full_but_hold_no_long_silence() -> None:
    talk = told(*[(1.0, 1.8), (0.0, 0.7)] * 80)
    segments = segmented(talk)
    assert np.mean([len(one.samples) for one in segments[:-1]]) > 25 * SAMPLE_RATE
    far_apart = told((1, 2), (0, 3.2), (1, 16), (0, 2.2), (1, 2), (0, 2.5), (1, 2))
    assert [round(stop - start) for start, stop in spans_s(segmented(far_apart))] == [2, 16, 7]


# What is too long


def test_what_is_too_long_is_cut_in_the_last_pause_and_never_in_a_word() -> None:
    words = [(1.0, 0.4), (0.05, 0.16)] * 150  # no pause ends a segment
    segments = segmented(told(*words))
    assert len(segments) > 2
    for before, after in pairwise(segments):
        assert before.stop == after.start
        assert max(before.samples[-1], after.samples[0]) < 0.5
        assert len(before.samples) > 24 * SAMPLE_RATE


def test_of_several_pauses_the_clearest_is_chosen() -> None:
    sound = told((1, 25.5), (0.3, 0.096), (1, 1), (0.0, 0.32), (1, 1), (0.2, 0.096), (1, 9))
    first, second = segmented(sound)
    assert first.stop / SAMPLE_RATE == pytest.approx(26.75, abs=0.15)
    assert second.stop == len(sound)


def test_speech_without_any_pause_is_cut_where_it_is_least_certain() -> None:
    sound = told((1, 27), (0.8, 0.096), (1, 30))
    first, *rest = segmented(sound)
    assert first.stop / SAMPLE_RATE == pytest.approx(27.05, abs=0.06)
    assert sum(len(one.samples) for one in (first, *rest)) == len(sound)


def test_real_speech_is_all_inside_and_in_full_windows() -> None:
    chunks = list(file_source(SAMPLES / "meeting.flac"))
    segments = list(segment(chunks, GatedVad))
    inside = np.zeros(chunks[-1].stop, bool)
    for one in segments:
        inside[one.start : one.stop] = True
    for utterance in json.loads((SAMPLES / "meeting.json").read_text(encoding="utf-8"))["utterances"]:
        start, stop = (round(utterance[key] * SAMPLE_RATE) for key in ("start_s", "end_s"))
        assert inside[start:stop].mean() > 0.97, utterance["id"]
    assert len(segments) <= 12  # 296 s: ten windows at the very least


# Sources, the open segment, mistakes


def test_sources_are_segmented_apart() -> None:
    left, right = told((0, 1), (1, 2), (0, 5)), told((0, 4), (1, 2), (0, 2))
    seconds = [SAMPLE_RATE] * 8
    both = zip(chunked(left, seconds, source="left"), chunked(right, seconds, source="right"), strict=True)
    segments = list(segment([chunk for pair in both for chunk in pair], Candid))
    assert [one.source for one in segments] == ["left", "right"]
    assert spans_s(segments) == [*spans_s(segmented(left)), *spans_s(segmented(right))]


def test_the_open_segment_grows_until_it_is_closed() -> None:
    sound = told((0, 1), (1, 3), (0, 2))
    segmenter = Segmenter(Candid(), LIVE)
    closed: list[SpeechSegment] = []
    seen: list[SpeechSegment | None] = [segmenter.open_segment]
    for chunk in chunked(sound, [SAMPLE_RATE // 2] * 12):
        closed += segmenter.push(chunk)
        seen.append(segmenter.open_segment)
    growing = [one for one in seen if one]
    assert (seen[0], seen[-1]) == (None, None)
    assert len(growing) >= 6
    for one in growing:
        np.testing.assert_array_equal(one.samples, sound[one.start : one.stop])
    lengths = [len(one.samples) for one in (*growing, *closed)]
    assert lengths == sorted(lengths)
    assert {one.start for one in growing} == {closed[0].start}


def test_no_sound_has_no_segments() -> None:
    assert list(segment([], Candid)) == []
    assert Segmenter(Candid()).flush() == []
    assert segmented(np.ones(100, np.float32)) == []


def test_chunks_that_do_not_follow_are_a_mistake() -> None:
    segmenter = Segmenter(Candid())
    segmenter.push(AudioChunk(told((0, 1)), 0))
    with pytest.raises(AssertionError):
        segmenter.push(AudioChunk(told((0, 1)), 20_000))


@pytest.mark.parametrize(
    "wrong",
    [{"speech_off": 0.6}, {"speech_off": 0.0}, {"longest_s": 31}, {"cut_within_s": 30}, {"pad_before_ms": 26_000}],
)
def test_options_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(AudioError):
        replace(FILE, **wrong)  # type: ignore[arg-type]


def test_what_was_spoken_lies_within_the_segment_also_at_the_end_of_the_sound() -> None:
    (found,) = segment([AudioChunk(np.ones(SAMPLE_RATE, np.float32), 0)], FakeVad, FILE)
    assert found.spoken[-1][1] == found.stop == SAMPLE_RATE
