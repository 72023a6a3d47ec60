"""A source's clock and the meeting's: drift, lost sound, late sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from audio.speech import SAMPLE_RATE, AudioChunk
from audio.timeline import Steering, Track

Blocks = Iterable[tuple[np.ndarray, float]]


def blocks(sound: np.ndarray, rate_hz: float, *, ppm: float = 0.0, begin_s: float = 0.0, seed: int = 0) -> Iterator:  # type: ignore[type-arg]
    """20 ms blocks of a device whose clock runs `ppm` fast; each arrives up to 30 ms after its end."""
    late = np.random.default_rng(seed)
    length = round(rate_hz * 0.02)
    for start in range(0, len(sound), length):
        block = sound[start : start + length]
        yield block, begin_s + (start + len(block)) / (rate_hz * (1 + ppm * 1e-6)) + float(late.gamma(1.0, 0.004))


def played(track: Track, rate_hz: float, given: Blocks) -> list[AudioChunk]:
    chunks = track.begin(rate_hz)
    for samples, arrived_s in given:
        chunks += track.push(samples, arrived_s)
    return chunks + track.end()


def joined(chunks: list[AudioChunk]) -> np.ndarray:
    assert [c.start for c in chunks] == list(np.cumsum([0, *(len(c.samples) for c in chunks[:-1])]))
    return np.concatenate([c.samples for c in chunks])


def clicks(rate_hz: float, length_s: float, every_s: float) -> np.ndarray:
    sound = np.zeros(round(rate_hz * length_s), np.float32)
    for at_s in np.arange(every_s, length_s, every_s):
        sound[round(at_s * rate_hz) : round(at_s * rate_hz) + round(0.002 * rate_hz)] = 0.5
    return sound


def click_times_s(sound: np.ndarray) -> np.ndarray:
    loud = np.flatnonzero(np.abs(sound) > 0.2)
    return loud[np.diff(loud, prepend=-SAMPLE_RATE) > SAMPLE_RATE // 2] / SAMPLE_RATE


@pytest.fixture
def lost() -> list[tuple[int, float]]:
    return []


@pytest.fixture
def track(lost: list[tuple[int, float]]) -> Track:
    return Track("microphone", lambda at, length_s: lost.append((at, length_s)))


@pytest.mark.parametrize("rate_hz", [8_000.0, 16_000.0, 44_100.0, 48_000.0])
def test_sound_of_any_rate_comes_out_the_same_at_16_khz(track: Track, rate_hz: float) -> None:
    time_s = np.arange(round(3 * rate_hz)) / rate_hz
    sound = (0.4 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)
    heard = joined(played(track, rate_hz, blocks(sound, rate_hz)))
    assert abs(len(heard) - 3 * SAMPLE_RATE) < 0.03 * SAMPLE_RATE
    middle = heard[SAMPLE_RATE : 2 * SAMPLE_RATE]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert spectrum.argmax() == 440
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.4 / np.sqrt(2), rel=0.01)


@pytest.mark.parametrize("ppm", [200.0, -200.0])
def test_after_four_hours_a_clock_that_is_off_has_put_nothing_more_than_50_ms_away(ppm: float) -> None:
    """The arithmetic of the correction alone, with the delays of a busy machine."""
    steering, late = Steering(), np.random.default_rng(1)
    clock_s, track_s, errors_s = 0.0, 0.0, []
    for i in range(4 * 3600 * 10):
        clock_s += 0.1
        true_s = clock_s / (1 + ppm * 1e-6)
        track_s += 0.1 * (1 + steering.warp)
        arrived_s = true_s + 0.02 + float(late.gamma(1.0, 0.01)) + (0.2 if i % 97 == 0 else 0.0)
        steering.note(clock_s, arrived_s, arrived_s - track_s)
        errors_s.append(track_s - true_s)
    assert max(map(abs, errors_s)) <= 0.05
    assert abs(errors_s[-1]) <= 0.03
    assert 4 * 3600 * abs(ppm) * 1e-6 > 2.8  # what it would be without


@pytest.mark.parametrize("ppm", [200.0, -200.0])
def test_sound_of_a_clock_that_is_off_stays_in_its_place(
    track: Track, lost: list[tuple[int, float]], ppm: float
) -> None:
    length_s = 300.0
    sound = clicks(8_000, length_s, every_s=10.0)
    at_s = click_times_s(joined(played(track, 8_000, blocks(sound, 8_000, ppm=ppm))))
    true_s = np.arange(10.0, length_s, 10.0) / (1 + ppm * 1e-6)
    assert len(at_s) == len(true_s)
    assert np.abs(at_s - true_s).max() <= 0.05
    assert np.abs(at_s - true_s)[-5:].max() <= 0.02
    assert not lost


def test_lost_sound_becomes_silence_of_the_same_length_where_it_was(
    track: Track, lost: list[tuple[int, float]]
) -> None:
    sound = clicks(48_000, 20.0, every_s=1.0)
    given = list(blocks(sound, 48_000))
    kept = [pair for i, pair in enumerate(given) if not 500 <= i < 660]  # 3.2 s from 10.0 s on are never delivered
    at_s = click_times_s(joined(played(track, 48_000, kept)))
    assert at_s == pytest.approx([*range(1, 10), *range(14, 20)], abs=0.03)
    [(at, length_s)] = lost
    assert at / SAMPLE_RATE == pytest.approx(10.0, abs=0.05)
    assert length_s == pytest.approx(3.2, abs=0.03)


def test_sound_that_is_only_late_is_kept_whole(track: Track, lost: list[tuple[int, float]]) -> None:
    sound = clicks(48_000, 20.0, every_s=1.0)
    held_up = [
        (block, max(at_s, 14.0 + 0.002 * i) if 500 <= i < 700 else at_s)
        for i, (block, at_s) in enumerate(blocks(sound, 48_000))
    ]  # what belongs between 10 and 14 s comes in a burst at 14 s
    at_s = click_times_s(joined(played(track, 48_000, held_up)))
    assert at_s == pytest.approx(np.arange(1, 20), abs=0.03)
    assert not lost


def test_small_losses_are_made_good_when_they_add_up(track: Track, lost: list[tuple[int, float]]) -> None:
    sound = clicks(16_000, 120.0, every_s=1.0)
    kept = [pair for i, pair in enumerate(blocks(sound, 16_000)) if i % 250 != 25]  # 20 ms of every 5 s
    at_s = click_times_s(joined(played(track, 16_000, kept)))
    assert np.abs(at_s - np.round(at_s)).max() <= 0.13
    assert np.abs(at_s - np.round(at_s))[-1] <= 0.08
    assert lost


def test_a_stretch_at_another_rate_is_placed_by_the_clock(track: Track, lost: list[tuple[int, float]]) -> None:
    first, second = clicks(48_000, 5.0, every_s=1.0), clicks(16_000, 5.0, every_s=1.0)
    chunks = played(track, 48_000, blocks(first, 48_000))
    chunks += played(track, 16_000, blocks(second, 16_000, begin_s=7.5))
    assert click_times_s(joined(chunks)) == pytest.approx([1, 2, 3, 4, 8.5, 9.5, 10.5, 11.5], abs=0.03)
    [(at, length_s)] = lost
    assert (at / SAMPLE_RATE, length_s) == pytest.approx((5.0, 2.5), abs=0.05)


def test_silence_is_filled_in_while_a_source_is_away_and_what_comes_too_late_is_left_out(track: Track) -> None:
    sound = clicks(16_000, 20.0, every_s=1.0)
    given = [
        (block, max(at_s, 16.0 + 0.0005 * i) if i >= 250 else at_s)
        for i, (block, at_s) in enumerate(blocks(sound, 16_000))
    ]
    chunks = track.begin(16_000)
    for i, (samples, arrived_s) in enumerate(given):
        if i == 250:  # nothing came from 5 to 16 s; the line was filled up to 11
            chunks += track.fill(9.0) + track.fill(11.0)
            assert track.position == 11 * SAMPLE_RATE
        chunks += track.push(samples, arrived_s)
    at_s = click_times_s(joined(chunks + track.end()))
    assert at_s == pytest.approx([1, 2, 3, 4, *range(11, 20)], abs=0.03)


def test_how_the_sound_is_cut_into_blocks_makes_no_difference(lost: list[tuple[int, float]]) -> None:
    sound = np.random.default_rng(2).normal(0, 0.1, 48_000 * 5).astype(np.float32)

    def heard(length: int) -> np.ndarray:
        pieces = [(sound[i : i + length], (min(i + length, len(sound))) / 48_000) for i in range(0, len(sound), length)]
        return joined(played(Track("", lambda at, length_s: None), 48_000, pieces))

    whole = heard(4_800)
    assert np.abs(heard(960) - whole).max() < 1e-5
    assert np.abs(heard(997) - whole).max() < 1e-5
