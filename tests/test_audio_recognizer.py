"""Batches of segments become utterances once, in order, on the source's clock, also across an interruption."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.engines import RecognitionOptions, RecognizedSegment, RecognizedWindow
from audio.recognizer import Batch, recognize, spoken_language
from audio.speech import SAMPLE_RATE, Samples, Scores, SpeechSegment, Utterance, Word

SURE = Scores(avg_logprob=-0.2, no_speech_prob=0.01, compression_ratio=1.2, temperature=0.0)
SILENT = Scores(avg_logprob=-1.2, no_speech_prob=0.9, compression_ratio=1.2, temperature=0.0)
ENGLISH = RecognitionOptions(language="en")


class Reader:
    """An engine that reads what the first samples of a window spell: how many segments, and in which language."""

    name, model, multilingual = "reader", "none", True
    languages = ("en", "de")

    def __init__(self, scores: Scores = SURE) -> None:
        self.scores = scores
        self.calls: list[tuple[int, str | None]] = []

    def __call__(self, windows: Sequence[Samples], options: RecognitionOptions) -> list[RecognizedWindow]:
        self.calls.append((len(windows), options.language))
        return [self.read(window, options.language) for window in windows]

    def read(self, window: Samples, language: str | None) -> RecognizedWindow:
        name, pieces, own_language = (round(float(value) * 1000) for value in window[:3])
        step_s = len(window) / SAMPLE_RATE / max(pieces, 1)
        spoken = language or self.languages[own_language]
        segments = [
            RecognizedSegment(f" {spoken} {name} part {i}", i * step_s, (i + 1) * step_s, (name, i), self.scores)
            for i in range(pieces)
        ]
        return RecognizedWindow(spoken, tuple(segments))


def segment(name: int, start_s: float, *, pieces: int = 1, source: str = "", language: int = 0) -> SpeechSegment:
    samples = np.zeros(SAMPLE_RATE, np.float32)
    samples[:3] = np.array([name, pieces, language]) / 1000
    return SpeechSegment(samples, start=round(start_s * SAMPLE_RATE), source=source)


def run(
    segments: Sequence[SpeechSegment],
    *,
    engine: Reader | None = None,
    options: RecognitionOptions = ENGLISH,
    batch_size: int = 3,
    done: dict[str, int] | None = None,
    first_id: int = 1,
) -> list[Batch]:
    engine = engine or Reader()
    return list(recognize(segments, engine, options=options, batch_size=batch_size, done=done or {}, first_id=first_id))


def texts(batches: Sequence[Batch]) -> list[str]:
    return [utterance.text for batch in batches for utterance in batch.utterances]


SPEECH = st.lists(st.tuples(st.sampled_from(["left", "right"]), st.integers(0, 3)), max_size=12).map(
    lambda drawn: [segment(i, i * 1.5, pieces=n, source=source) for i, (source, n) in enumerate(drawn)]
)


def test_samples_become_seconds_of_the_source() -> None:
    (batch,) = run([segment(7, 2.5, pieces=2)])
    assert [(u.id, u.start_s, u.end_s) for u in batch.utterances] == [("u1", 2.5, 3.0), ("u2", 3.0, 3.5)]
    assert batch.reached == {"": round(3.5 * SAMPLE_RATE)}


@given(SPEECH, st.integers(1, 5))
def test_all_that_was_recognised_comes_out_once_and_numbered(segments: list[SpeechSegment], batch_size: int) -> None:
    engine = Reader()
    batches = run(segments, engine=engine, batch_size=batch_size)
    said = [u for batch in batches for u in batch.utterances]
    assert sorted(u.tokens for u in said) == sorted(
        piece.tokens for s in segments for piece in engine.read(s.samples, "en").segments
    )
    assert [u.id for u in said] == [f"u{i + 1}" for i in range(len(said))]
    assert all(count <= batch_size for count, _ in engine.calls)
    reached = {source: sample for batch in batches for source, sample in batch.reached.items()}
    assert reached == {s.source: s.stop for s in segments}


@given(SPEECH, st.integers(1, 4), st.data())
def test_a_resumed_run_says_the_rest_and_nothing_twice(
    segments: list[SpeechSegment], batch_size: int, data: st.DataObject
) -> None:
    whole = run(segments, batch_size=batch_size)
    confirmed: dict[str, int] = {}
    kept: list[Utterance] = []
    stop = data.draw(st.integers(0, len(whole)))
    for number, batch in enumerate(whole[: stop + 1]):
        sources = list(batch.reached) if number < stop else data.draw(st.sampled_from([[], list(batch.reached)[:1]]))
        confirmed |= {source: batch.reached[source] for source in sources}  # the journal lost what follows
        kept += [u for u in batch.utterances if u.source in sources]
    last = max((int(u.id[1:]) for u in kept), default=0)
    engine = Reader()
    resumed = run(segments, engine=engine, batch_size=batch_size, done=confirmed, first_id=last + 1)
    anew = [u for batch in resumed for u in batch.utterances]
    assert sorted(u.tokens for u in kept + anew) == sorted(u.tokens for batch in whole for u in batch.utterances)
    assert [u.id for u in anew] == [f"u{last + 1 + i}" for i in range(len(anew))]
    assert len(engine.calls) <= len(whole) - stop  # finished batches are not recognised again


def test_several_sources_are_told_in_the_order_of_their_clock() -> None:
    late, early = segment(1, 10.0, source="a"), segment(2, 4.0, source="b")
    (batch,) = run([late, early])
    assert [u.source for u in batch.utterances] == ["b", "a"]
    assert batch.reached == {"a": late.stop, "b": early.stop}


TIMES = st.floats(-5, 35, allow_nan=False)


@given(st.lists(st.tuples(TIMES, TIMES, st.lists(st.tuples(TIMES, TIMES), max_size=4)), max_size=5))
def test_times_stay_in_the_segment_and_in_order(drawn: list[tuple[float, float, list[tuple[float, float]]]]) -> None:
    class Confused(Reader):
        def read(self, window: Samples, language: str | None) -> RecognizedWindow:
            return RecognizedWindow(
                "en",
                tuple(
                    RecognizedSegment(" some text", a, b, (), SURE, tuple(Word(" x", c, d, 0.5) for c, d in words))
                    for a, b, words in drawn
                ),
            )

    heard = segment(1, 100.0)
    (batch,) = run([heard], engine=Confused())
    assert len(batch.utterances) == len(drawn)
    times = [t for u in batch.utterances for t in (u.start_s, u.end_s)]
    assert [100.0, *times, 101.0] == sorted([100.0, *times, 101.0])
    for u in batch.utterances:
        within = [u.start_s, *(t for word in u.words for t in (word.start_s, word.end_s)), u.end_s]
        assert within == sorted(within)


def test_what_a_guard_suppressed_is_told_with_its_reason() -> None:
    (batch,) = run([segment(1, 0.0)], engine=Reader(SILENT))
    assert [(u.text, u.suppressed) for u in batch.utterances] == [(" en 1 part 0", "no speech")]


def test_the_first_texts_settle_the_language_of_the_meeting() -> None:
    segments = [segment(i, i * 2.0, language=i == 1) for i in range(6)]
    engine = Reader()
    batches = run(segments, engine=engine, options=RecognitionOptions())
    assert engine.calls == [(3, None), (1, "en"), (3, "en")]  # the one that seemed German is heard again
    assert {u.language for batch in batches for u in batch.utterances} == {"en"}
    assert texts(batches) == [f" en {i} part 0" for i in range(6)]


def test_suppressed_text_settles_no_language() -> None:
    engine = Reader(SILENT)
    run([segment(i, i * 2.0) for i in range(6)], engine=engine, options=RecognitionOptions())
    assert engine.calls == [(3, None), (3, None)]


def test_the_spoken_language_is_that_of_most_time() -> None:
    def utterance(language: str, seconds: float, suppressed: str = "") -> Utterance:
        return Utterance("u1", " x", 0.0, seconds, language, SURE, suppressed=suppressed)

    said = [utterance("de", 3.0), utterance("en", 2.0), utterance("en", 2.0), utterance("fr", 60.0, "no speech")]
    assert spoken_language(said) == "en"
    assert spoken_language([replace(u, suppressed="no words") for u in said]) is None


def test_nothing_is_read_ahead_of_the_batch() -> None:
    """A batch comes out before the segments after it are even cut."""
    read: list[int] = []

    def cut() -> Iterator[SpeechSegment]:
        for i in range(4):
            read.append(i)
            yield segment(i, i * 2.0)

    batches = recognize(cut(), Reader(), options=ENGLISH, batch_size=2, done={}, first_id=1)
    assert texts([next(batches)]) == [" en 0 part 0", " en 1 part 0"]
    assert read == [0, 1]


def test_an_engine_that_forgets_a_window_is_found_out() -> None:
    class Forgetful(Reader):
        def __call__(self, windows: Sequence[Samples], options: RecognitionOptions) -> list[RecognizedWindow]:
            return super().__call__(windows[1:], options)

    with pytest.raises(ValueError, match="shorter"):
        run([segment(0, 0.0), segment(1, 2.0)], engine=Forgetful())
