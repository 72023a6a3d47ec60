"""Drafts of growing windows by both engines: near the final text, in bounds, and timed by attention or alignment."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audio.engines import LiveTranscriber, RecognitionOptions
from audio.engines.drafts import TOKENS, TOKENS_PER_S, spread
from audio.engines.models import EMBEDDED
from audio.speech import SAMPLE_RATE, Samples
from bench.score import MEETING, word_error_rate

ENGLISH = RecognitionOptions(language="en", temperatures=(0.0,))
ENGINES = ["openai-whisper", "faster-whisper"]
BEGIN_S, END_S = 3.7, 6.9  # of the third utterance of the sample


@cache
def engine(name: str, cache_folder: Path) -> LiveTranscriber:
    if name == "openai-whisper":
        from audio.engines.openai_whisper import OpenAIWhisper

        return OpenAIWhisper(EMBEDDED)
    from audio.engines.conversions import ct2_folder
    from audio.engines.faster_whisper import FasterWhisper

    return FasterWhisper(ct2_folder(EMBEDDED, cache=cache_folder, quantization="float32"), threads=1)


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("converted")


def sentence() -> Samples:
    sound, _ = soundfile.read(MEETING, dtype="float32")
    cut: Samples = sound[int(BEGIN_S * SAMPLE_RATE) : int(END_S * SAMPLE_RATE)]
    return cut


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("whole", [False, True])
def test_a_draft_of_a_whole_sentence_is_near_its_final_text(name: str, whole: bool, converted: Path) -> None:
    transcriber = engine(name, converted)
    (window,) = transcriber([sentence()], ENGLISH)
    final = "".join(segment.text for segment in window.segments)
    draft = transcriber.draft(sentence(), ENGLISH, timed=False, whole=whole)
    assert word_error_rate(final, draft.text) <= 0.25
    assert [word.text.strip() for word in draft.words] == draft.text.split()


@pytest.mark.parametrize("name", ENGINES)
def test_timed_words_end_inside_the_audio_and_mostly_in_order(name: str, converted: Path) -> None:
    draft = engine(name, converted).draft(sentence(), ENGLISH, timed=True, whole=False)
    ends = [word.end_s for word in draft.words]
    assert len(ends) > 4
    assert all(0 <= word.start_s <= word.end_s <= END_S - BEGIN_S + 0.02 for word in draft.words)
    assert sum(a <= b for a, b in pairwise(ends)) >= 0.7 * (len(ends) - 1)
    assert "".join(word.text for word in draft.words).split() == draft.text.split()


@pytest.mark.parametrize("name", ENGINES)
def test_a_growing_window_is_listened_to_further_and_further(name: str, converted: Path) -> None:
    transcriber = engine(name, converted)
    lengths = [1.2, 2.2, 3.2]
    last = [
        max(
            w.end_s
            for w in transcriber.draft(sentence()[: int(s * SAMPLE_RATE)], ENGLISH, timed=True, whole=False).words
        )
        for s in lengths
    ]
    assert last == sorted(last)
    assert all(end_s <= length_s + 0.02 for end_s, length_s in zip(last, lengths, strict=True))


@pytest.mark.parametrize("name", ENGINES)
def test_a_draft_of_noise_ends_within_its_budget(name: str, converted: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.2, 0.2, SAMPLE_RATE).astype(np.float32)
    draft = engine(name, converted).draft(noise, ENGLISH, timed=True, whole=False)
    assert len(draft.tokens) <= TOKENS + TOKENS_PER_S


@pytest.mark.parametrize("name", ENGINES)
def test_a_draft_leaves_final_text_as_it_was(name: str, converted: Path) -> None:
    transcriber: Any = engine(name, converted)
    before = transcriber([sentence()], ENGLISH)
    transcriber.draft(sentence(), ENGLISH, timed=True, whole=False)
    assert transcriber([sentence()], ENGLISH) == before


def test_words_without_times_are_spread_by_their_letters() -> None:
    words = spread(" We shipped it.", 1.5)
    assert [word.text for word in words] == [" We", " shipped", " it."]
    assert [round(word.end_s, 2) for word in words] == [0.3, 1.1, 1.5]
    assert words[1].start_s == words[0].end_s
    assert spread("", 1.0) == []
