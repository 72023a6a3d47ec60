"""Two sources that hear each other: what is said is kept once, and nothing of anybody's own is lost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

from audio.leaks import Leaks
from audio.segmenter import LIVE, segment
from audio.sources import file_source
from audio.speech import SAMPLE_RATE, AudioChunk, Samples, SpeechSegment
from audio.vad import detector

SAMPLE = Path(__file__).parents[1] / "samples" / "meeting.flac"
Tracks = dict[str, Samples]


@cache
def meeting() -> Samples:
    return np.concatenate([chunk.samples for chunk in file_source(SAMPLE)])


def said(start_s: float, stop_s: float, *, at_s: float, length_s: float) -> Samples:
    """A part of the sample meeting, put elsewhere."""
    sound = np.zeros(round(length_s * SAMPLE_RATE), np.float32)
    part = meeting()[round(start_s * SAMPLE_RATE) : round(stop_s * SAMPLE_RATE)]
    sound[round(at_s * SAMPLE_RATE) :][: len(part)] = part[: len(sound) - round(at_s * SAMPLE_RATE)]
    return sound


def leaked(sound: Samples, *, gain_db: float = -12.0, lag_s: float = 0.08, seed: int = 1) -> Samples:
    """As another microphone hears it: later, softer, through a room, with noise of its own."""
    random = np.random.default_rng(seed)
    n = SAMPLE_RATE // 3
    room = random.normal(0, 1, n) * 10 ** (-3 * np.arange(n) / n) * 0.3
    room[0] = np.sqrt((room**2).sum())
    size = len(sound) + n
    heard = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(room, size), size)[: len(sound)]
    heard *= 10 ** (gain_db / 20) * np.sqrt((sound**2).sum() / (heard**2).sum())
    shift = round(lag_s * SAMPLE_RATE)
    return np.asarray(np.pad(heard, (shift, 0))[: len(sound)] + random.normal(0, 0.0005, len(sound)), np.float32)


def chunks(tracks: Tracks, length: int = 1600) -> Iterator[AudioChunk]:
    for start in range(0, max(map(len, tracks.values())), length):
        for source, sound in tracks.items():
            yield AudioChunk(sound[start : start + length], start, source)


def kept(tracks: Tracks, *, clean: tuple[str, ...] = (), length: int = 1600) -> list[SpeechSegment]:
    leaks = Leaks(clean)
    return list(leaks.filtered(segment(leaks.tapped(chunks(tracks, length)), partial(detector, "gated"), LIVE)))


def spoken_s(segments: list[SpeechSegment], source: str) -> float:
    return sum(len(s.samples) for s in segments if s.source == source) / SAMPLE_RATE


def plain(tracks: Tracks) -> list[SpeechSegment]:
    return list(segment(chunks(tracks), partial(detector, "gated"), LIVE))


@pytest.mark.parametrize("order", [("far", "me"), ("me", "far")])
@pytest.mark.parametrize("gain_db", [-6.0, -18.0, -32.0])
def test_what_the_microphone_picks_up_of_the_far_side_is_shown_once(order: tuple[str, str], gain_db: float) -> None:
    far = said(0, 25, at_s=1, length_s=28)
    both = {"far": far, "me": leaked(far, gain_db=gain_db)}
    tracks = {name: both[name] for name in order}
    without, found = plain(tracks), kept(tracks, clean=("far",))
    assert spoken_s(without, "me") > 10  # it would be there twice
    assert spoken_s(found, "me") < 0.15 * spoken_s(without, "me")
    assert spoken_s(found, "far") == spoken_s(without, "far")


def test_two_microphones_in_a_room_keep_each_its_own_speaker() -> None:
    first, second = said(0, 10, at_s=1, length_s=26), said(12, 22, at_s=14, length_s=26)
    tracks = {"a": first + leaked(second, lag_s=0.01, seed=2), "b": second + leaked(first, lag_s=0.01, seed=3)}
    apart, found = plain({"a": first, "b": second}), kept(tracks)
    for source in ("a", "b"):
        assert spoken_s(found, source) == pytest.approx(spoken_s(apart, source), rel=0.25)


def test_own_speech_in_a_segment_with_a_leak_is_kept() -> None:
    far = said(0, 6, at_s=1, length_s=16)
    own = said(12, 18, at_s=7.4, length_s=16)
    found = kept({"far": far, "me": own + leaked(far, gain_db=-18)}, clean=("far",))
    heard = np.zeros(16 * SAMPLE_RATE, np.float32)
    for each in found:
        if each.source == "me":
            heard[each.start : each.stop] = each.samples
    voiced = np.abs(own) > 0.02
    assert np.abs(heard[voiced]).mean() > 0.9 * np.abs(own[voiced]).mean()


def test_people_who_speak_at_the_same_time_are_both_kept_whole() -> None:
    tracks = {"far": said(0, 20, at_s=1, length_s=22), "me": said(25, 45, at_s=1, length_s=22)}
    assert [(s.source, s.start, s.stop) for s in kept(tracks, clean=("far",))] == [
        (s.source, s.start, s.stop) for s in plain(tracks)
    ]


def test_a_copy_whose_original_nobody_keeps_is_kept() -> None:
    """The far side's own segments are lost on the way: then the microphone's copy is all there is."""
    far = said(0, 10, at_s=1, length_s=12)
    leaks = Leaks(("far",))
    tracks = {"far": far, "me": leaked(far)}
    segments = segment(leaks.tapped(chunks(tracks)), partial(detector, "gated"), LIVE)
    found = list(leaks.filtered(each for each in segments if each.source == "me"))
    assert spoken_s(found, "me") > 5


def test_one_source_passes_untouched_and_at_once() -> None:
    leaks = Leaks()
    segments = plain({"": said(0, 20, at_s=0, length_s=20)})
    passing = leaks.filtered(iter(segments))
    assert [next(passing) for _ in segments] == segments


def test_what_is_no_segment_passes() -> None:
    assert list(Leaks().filtered(["now", 3])) == ["now", 3]


def test_how_the_sound_is_cut_makes_no_difference() -> None:
    far = said(0, 10, at_s=1, length_s=12)
    tracks = {"far": far, "me": leaked(far)}
    whole, pieces = (kept(tracks, clean=("far",), length=length) for length in (4800, 800))
    assert [(s.source, s.start, s.stop) for s in whole] == [(s.source, s.start, s.stop) for s in pieces]
