"""Who spoke: the encoder is the published one, voices are counted, words and not segments get speakers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import whisper.audio
from numpy.typing import NDArray

from audio.diarize.attribution import Diarizer, attribute
from audio.diarize.clusters import Groups, agglomerate
from audio.diarize.diarizer import DiarizeOptions, Voices, conclude, follow, voiced
from audio.diarize.encoder import Embeddings, Ge2eEncoder, Mel, levelled, mel_filters, mel_power, weights
from audio.diarize.shelf import Laid, Shelf, taken_up
from audio.diarize.traits import SHARE, WIDTH
from audio.diarize.turns import Schedule, Turn, joined, overlapping, renamed
from audio.diarize.windows import Heard, Stretch, labelled, listen
from audio.diarize.words import attributed
from audio.recognizer import Batch
from audio.speech import SAMPLE_RATE, Samples, SpeechSegment, Utterance, Word
from tests.fakes import SURE, unit

needs_weights = pytest.mark.skipif(not weights().is_file(), reason="resemblyzer 0.1.4 is not installed")


class ToneEncoder:
    """Hears a voice by its pitch: the loudest mel channel, with a little noise that is always the same."""

    name = "tones"

    def __call__(self, stretches: list[Mel]) -> Embeddings:
        found = np.zeros((len(stretches), 40), np.float32)
        for n, stretch in enumerate(stretches):
            found[n] = np.sqrt(stretch.mean(axis=0))
        unit_length: NDArray[np.float32] = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
        return unit_length


def tone(hertz: float, seconds: float, level: float = 0.2) -> Samples:
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


PITCH = {"a": 300.0, "b": 1200.0, "c": 3000.0}


def segment_of(script: str, *, start_s: float = 0.0, each_s: float = 2.5, source: str = "") -> SpeechSegment:
    """Voices one after another without a pause."""
    return SpeechSegment(np.concatenate([tone(PITCH[v], each_s) for v in script]), round(start_s * SAMPLE_RATE), source)


def said(start_s: float, end_s: float, text: str, source: str = "", words: tuple[Word, ...] = ()) -> Utterance:
    return Utterance("u1", text, start_s, end_s, "en", SURE, words, (1, 2), source=source)


ONE_OR_MORE = DiarizeOptions()


def spoken(*scripts: str, options: DiarizeOptions = ONE_OR_MORE) -> Voices:
    voices = Voices()
    for n, script in enumerate(scripts):
        voices = follow(voices, listen(segment_of(script, start_s=20.0 * n), ToneEncoder()), options).voices
    return voices


def test_the_mel_filters_are_slaneys_as_whisper_has_them() -> None:
    assert np.abs(mel_filters(80) - whisper.audio.mel_filters("cpu", 80).numpy()).max() < 1e-8


@needs_weights
def test_the_encoder_gives_what_resemblyzers_own_code_gives() -> None:
    t = np.arange(32_000) / SAMPLE_RATE
    square = 0.1 * np.sign(np.sin(2 * np.pi * 120 * t)) * (1 + 0.5 * np.sin(2 * np.pi * 3 * t))
    sound = (square + 0.05 * np.sin(2 * np.pi * 900 * t * (1 + 0.1 * t))).astype(np.float32)
    mel = mel_power(sound)
    assert mel.sum() == pytest.approx(987.825, rel=1e-4)  # librosa 0.11, computed once with resemblyzer 0.1.4 itself
    (voice,) = Ge2eEncoder()([mel[:160]])
    assert np.linalg.norm(voice) == pytest.approx(1, abs=1e-5)
    embedding = voice[:WIDTH] / np.sqrt(SHARE)
    largest = [168, 238, 199, 57, 42, 201]
    assert np.argsort(-embedding)[:6].tolist() == largest
    assert embedding[largest] == pytest.approx([0.21505, 0.21044, 0.19903, 0.18807, 0.17375, 0.16915], abs=2e-5)


@needs_weights
def test_loudness_does_not_change_a_voice_and_silence_does_no_harm() -> None:
    loud, quiet = tone(200, 2.0, 0.5), tone(200, 2.0, 0.005)
    a, b = Ge2eEncoder()([levelled(mel_power(s), s)[:160] for s in (loud, quiet)])
    assert float(a @ b) > 0.999
    silent = np.zeros(SAMPLE_RATE, np.float32)
    assert np.isfinite(Ge2eEncoder()([levelled(mel_power(silent), silent)])).all()


def test_windows_lie_inside_runs_of_speech_and_short_runs_are_one_window() -> None:
    runs = ((0, 8_000), (16_000, 80_000))
    heard = listen(SpeechSegment(tone(300, 6.0), 0, spoken=runs), ToneEncoder())
    for start, stop, run in zip(heard.starts, heard.stops, heard.runs, strict=True):
        assert runs[run][0] <= start < stop <= runs[run][1]
    assert (heard.runs == 0).sum() == 1


def test_voices_are_counted_and_turns_follow_them_inside_one_segment() -> None:
    voices = spoken("abab", "cabc")
    for turns in (voices.turns, conclude(voices, DiarizeOptions()).turns):
        assert len({turn.speaker for turn in turns}) == 3
        borders = [turn.start_s for turn in turns if turn.start_s < 15]
        assert borders == pytest.approx([0.0, 2.5, 5.0, 7.5], abs=0.3)


def test_labels_stay_when_the_meeting_is_decided_once_more() -> None:
    voices = spoken("ab", "cc", "ba")
    final = conclude(voices, DiarizeOptions()).turns
    online = Schedule(voices.turns)
    assert {t.speaker for t in final} == {"S1", "S2", "S3"}
    assert all(online.speakers(t.start_s, t.end_s, "")[0] == t.speaker for t in final)


@pytest.mark.parametrize(("least", "most", "count"), [(1, 2, 2), (1, 1, 1), (3, 3, 3)])
def test_the_number_of_speakers_can_be_told(least: int, most: int, count: int) -> None:
    options = DiarizeOptions(least, most)
    assert len(conclude(spoken("abc", "abc", options=options), options).centroids) == count


def test_one_speaker_is_one_and_nobody_is_nobody() -> None:
    assert {t.speaker for t in conclude(spoken("aaaa", "aa"), DiarizeOptions()).turns} == {"S1"}
    assert conclude(Voices(), DiarizeOptions()).turns == ()
    assert conclude(spoken("a"), DiarizeOptions(least=5)).centroids.keys() == {"S1"}


def test_twenty_voices_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    points = np.abs(rng.normal(size=(20, 256)) * (rng.random((20, 256)) < 0.3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    stretches = [Stretch("", 0, 48_000, points[i % 20] + rng.normal(0, 0.01, 256)) for i in range(200)]
    assert sorted(map(sorted, agglomerate(Groups.of(stretches)))) == [list(range(i, 200, 20)) for i in range(20)]


def taken(voices: Voices) -> list[Heard]:
    """What was heard, from wherever it waits."""
    return [taken_up(kept) for kept in voices.heard]


def spread(*voices: NDArray[np.float64], each_s: float, times: int, at_s: float = 0.0) -> Voices:
    """Each of these voices in a segment of its own, `times` times in turn."""
    rng = np.random.default_rng(0)
    state = Voices()
    for n in range(times * len(voices)):
        windows = max(1, round((each_s - 1.6) / 0.25) + 1)
        starts = round((at_s + 20 * n) * SAMPLE_RATE) + np.arange(windows) * SAMPLE_RATE // 4
        heard = voices[n % len(voices)] + rng.normal(0, 0.01, (windows, len(voices[0])))
        heard /= np.linalg.norm(heard, axis=1, keepdims=True)
        stops = starts + round(1.6 * SAMPLE_RATE)
        run = np.zeros(windows, np.int64)
        state = replace(
            state, heard=(*state.heard, Heard("", int(starts[0]), starts, stops, run, heard.astype(np.float32)))
        )
    return state


def test_who_lies_between_two_others_is_no_third_unless_he_speaks_as_long() -> None:
    a, b = unit(1, 0.5, 0, 0), unit(0, 0.5, 1, 0)
    both = unit(*(a + b))
    long, short = spread(a, b, each_s=4.0, times=6), spread(both, each_s=2.2, times=4, at_s=9000)
    mixed = Voices(heard=(*long.heard, *short.heard))
    assert len(conclude(mixed, DiarizeOptions()).centroids) == 2
    assert len(conclude(mixed, DiarizeOptions(least=3)).centroids) == 3, "whoever counted them knows better"
    aside = spread(unit(0.5, 0, 0.5, 1), each_s=2.2, times=4, at_s=9000)
    assert len(conclude(Voices(heard=(*long.heard, *aside.heard)), DiarizeOptions()).centroids) == 3
    as_long = spread(both, each_s=4.0, times=6, at_s=9000)
    assert len(conclude(Voices(heard=(*long.heard, *as_long.heard)), DiarizeOptions()).centroids) == 3


def test_a_scrap_of_a_voice_is_nobody_in_a_long_meeting_and_somebody_in_a_short_one() -> None:
    a, b, c = unit(1, 0.2, 0), unit(0, 1, 0.2), unit(0.2, 0, 1)
    scrap = spread(c, each_s=4.0, times=1, at_s=9000)
    for times, count in ((20, 2), (2, 3)):
        heard = (*spread(a, b, each_s=6.0, times=times).heard, *scrap.heard)
        assert len(conclude(Voices(heard=heard), ONE_OR_MORE).centroids) == count


def test_twenty_people_in_one_meeting_are_twenty() -> None:
    rng = np.random.default_rng(1)
    points = np.abs(rng.normal(size=(20, 256)) * (rng.random((20, 256)) < 0.3))
    found = conclude(spread(*(unit(*point) for point in points), each_s=4.0, times=3), DiarizeOptions())
    assert len(found.centroids) == 20
    assert len({t.speaker for t in found.turns}) == 20


def test_how_segments_are_cut_into_batches_changes_no_label() -> None:
    segments = [segment_of(s, start_s=20.0 * n) for n, s in enumerate(["ab", "b", "ca"])]
    utterances = [said(s.start / SAMPLE_RATE, s.stop / SAMPLE_RATE, " one two three four") for s in segments]
    pairs = list(zip(segments, utterances, strict=True))

    def run(size: int) -> list[tuple[str, str, str]]:
        groups = [pairs[i : i + size] for i in range(0, 3, size)]
        batches = [Batch(tuple(u for _, u in group), {}, tuple(s for s, _ in group)) for group in groups]
        done = list(attribute(batches, Diarizer(ToneEncoder()), first_id=1))
        final = {id: label for batch in done for id, label in batch.relabelled.items()}
        return [(u.id, u.text, final.get(u.id, u.speaker)) for batch in done for u in batch.utterances]

    assert run(1) == run(3)
    assert [text for _, text, _ in run(1)][:2] == [" one two", " three four"]


def test_a_broken_meeting_that_is_heard_again_has_the_same_speakers() -> None:
    segments = [segment_of(s, start_s=20.0 * n) for n, s in enumerate(["a", "b", "a"])]
    batches = [Batch((said(s.start / SAMPLE_RATE, s.stop / SAMPLE_RATE, " word"),), {}, (s,)) for s in segments]
    diarizer = Diarizer(ToneEncoder())
    whole = [u for batch in attribute(batches, diarizer, first_id=1) for u in batch.utterances]
    resumed = [Batch((), {}, batch.segments) for batch in batches[:2]] + batches[2:]
    rest = [u for batch in attribute(resumed, diarizer, first_id=3, past=whole[:2]) for u in batch.utterances]
    assert rest == whole[2:]
    apart = [u for batch in attribute(batches[2:], diarizer, first_id=3, past=whole[:2]) for u in batch.utterances]
    assert [u.speaker for u in apart] == ["S3"], "what is not heard again cannot be the same label"


def test_words_are_divided_where_the_speaker_changes() -> None:
    schedule = Schedule([Turn("S1", 0.0, 2.0), Turn("S2", 2.0, 4.0)])
    words = tuple(Word(f" w{i}", i * 0.5, i * 0.5 + 0.5, 0.9) for i in range(8))
    whole = said(0.0, 4.0, "".join(w.text for w in words), words=words)
    parts = attributed(whole, schedule)
    assert [p.speaker for p in parts] == ["S1", "S2"]
    assert "".join(p.text for p in parts) == whole.text
    assert [w for p in parts for w in p.words] == list(words)
    assert (parts[0].start_s, parts[-1].end_s) == (whole.start_s, whole.end_s)
    assert all(a.end_s <= b.start_s for a, b in pairwise(parts))
    assert attributed(replace(whole, suppressed="no speech"), schedule) == [replace(whole, suppressed="no speech")]


def test_overlap_is_marked_on_the_utterance_and_its_words() -> None:
    schedule = Schedule([Turn("S1", 0.0, 4.0, "left"), Turn("S2", 1.0, 2.0, "right")])
    words = tuple(Word(f" w{i}", float(i), i + 1.0, 0.9) for i in range(4))
    (one,) = attributed(said(0.0, 4.0, " w0 w1 w2 w3", "left", words), schedule)
    assert (one.speaker, one.flags) == ("S1", ("overlap",))
    assert [w.speaker for w in one.words] == ["", "S1+S2", "", ""]


def test_a_pause_does_not_end_a_turn_but_another_speaker_does() -> None:
    turns = [Turn("S1", 0, 1), Turn("S1", 1.3, 2), Turn("S2", 2.1, 2.2), Turn("S1", 2.3, 3)]
    assert [(t.speaker, t.start_s, t.end_s) for t in joined(turns)] == [("S1", 0, 2), ("S2", 2.1, 2.2), ("S1", 2.3, 3)]


def test_renamed_keeps_labels_one_to_one() -> None:
    like = [Turn("S1", 0, 5), Turn("S2", 5, 6)]
    found = renamed([Turn("x", 0, 2), Turn("y", 2, 5), Turn("z", 5, 6)], like, {"S1", "S2", "S3"})
    assert [t.speaker for t in found] == ["S4", "S1", "S2"]


def test_separate_tracks_speak_for_separate_people() -> None:
    near = [Stretch(source, 0, 48_000, unit(1, 0.9 * n, 0)) for n, source in enumerate(["left", "right"])]
    same = [replace(stretch, source="") for stretch in near]
    assert len(agglomerate(Groups.of(same))) == 1
    assert len(agglomerate(Groups.of(near))) == 2


def test_what_is_heard_of_silence_is_nothing() -> None:
    heard = listen(SpeechSegment(np.zeros(1600, np.float32), 0), ToneEncoder())
    assert isinstance(heard, Heard)
    assert follow(Voices(), heard, DiarizeOptions()).turns == ()


def test_the_overlapping_are_found_as_by_comparing_all_but_in_one_sweep() -> None:
    rng = np.random.default_rng(0)
    asked, spans = ([(s, s + w) for s, w in rng.uniform(0, (60, 5), (80, 2)).tolist()] for _ in range(2))
    found = dict(overlapping(asked, spans))
    for i, (start, end) in enumerate(asked):
        every = sorted((k for k, (a, b) in enumerate(spans) if a < end and b > start), key=lambda k: spans[k][0])
        assert found[i] == every


def test_the_end_of_a_meeting_is_work_that_grows_with_its_length() -> None:
    class Counted(list[tuple[float, float]]):
        looked_at = 0

        def __getitem__(self, at: Any) -> Any:
            self.looked_at += 1
            return super().__getitem__(at)

    def work(length: int) -> int:
        turns = Counted((2.0 * n, 2.0 * n + 1.9) for n in range(length))
        windows = [(2.0 * n + 0.1, 2.0 * n + 1.7) for n in range(length)]
        assert [len(beside) for _, beside in overlapping(windows, turns)] == [1] * length
        return turns.looked_at

    assert work(4000) == pytest.approx(10 * work(400), rel=0.05)


def test_a_voice_is_made_of_the_windows_inside_its_turns_on_its_own_track() -> None:
    left, right = taken(spread(unit(1, 0.2, 0), unit(0, 0.2, 1), each_s=4.0, times=2))[:2]
    voices = Voices(heard=(replace(left, source="left"), replace(right, source="right")))
    first, second = (float(one.starts[0]) / SAMPLE_RATE for one in (left, right))
    spans = [("S1", first, first + 4, "left"), ("S2", second, second + 2, "right"), ("S3", second + 0.1, 60, "right")]
    found = voiced(voices, [Turn(*span) for span in spans])
    assert found["S1"] == pytest.approx(unit(*left.embeddings.sum(axis=0)), abs=1e-6)
    assert found["S2"] == pytest.approx(
        unit(*right.embeddings[:3].sum(axis=0)), abs=1e-6
    )  # up to 2.1 s, the first turn
    assert found["S3"] == pytest.approx(unit(*right.embeddings[3:].sum(axis=0)), abs=1e-6)


def test_a_segment_is_cut_anew_where_its_windows_got_other_labels() -> None:
    (heard,) = taken(spread(unit(1, 0.2), each_s=6.0, times=1))
    labels = np.where(heard.starts - heard.starts[0] < 2 * SAMPLE_RATE, 0, 1)
    first, second = labelled(heard, labels)
    assert (first.start, second.stop) == (heard.starts[0], heard.stops[-1])
    assert first.stop == second.start == heard.starts[0] + round(2.675 * SAMPLE_RATE)  # between the windows' middles
    assert [s.length for s in labelled(heard, np.zeros(len(labels), int))] == [heard.stops[-1] - heard.starts[0]]
    gone = labelled(heard, np.where(np.arange(len(labels)) == 4, 1, 0))
    assert len(gone) == 2, "a piece shorter than every window holds none"


def test_online_a_scrap_that_sounds_like_nobody_waits_until_there_is_more_of_it() -> None:
    a, b, other = unit(1, 0.2, 0), unit(0, 1, 0.2), unit(0.2, 0, 1)
    long = taken(spread(a, b, each_s=6.0, times=2))
    scraps = [replace(one, start=one.start + 10_000_000) for one in taken(spread(other, each_s=2.0, times=2))]
    counts, state = list[int](), Voices()
    for heard in (*long, *scraps):
        state = follow(state, heard, ONE_OR_MORE).voices
        counts.append(len(state.labels))
    assert counts == [1, 2, 2, 2, 2, 3]
    assert len(state.waiting.counts) == 0
    whole = follow(state, taken(spread(unit(-1, 0.5, 0.2), each_s=3.0, times=1))[0], ONE_OR_MORE).voices
    assert len(whole.labels) == 4, "as much at once is somebody"


def test_what_waits_on_disk_is_the_same_and_a_full_disk_keeps_them_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = [listen(segment_of(script, start_s=9.0 * n), ToneEncoder()) for n, script in enumerate(("ab", "c", "ba"))]
    with Shelf() as shelf:
        laid = [shelf.laid(one) for one in heard]
        for one, other in zip(reversed(heard), reversed(laid), strict=True):
            assert isinstance(other, Laid)
            again = taken_up(other)
            assert (other.source, other.start, other.windows) == (again.source, again.start, again.windows)
            assert (one.source, one.start) == (again.source, again.start)
            for name in ("starts", "stops", "runs", "embeddings", "reach"):
                assert np.array_equal(getattr(one, name), getattr(again, name))
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with Shelf() as shelf:
        assert shelf.laid(heard[0]) is heard[0]


def full(**_: object) -> None:
    raise OSError(28, "No space left on device")
