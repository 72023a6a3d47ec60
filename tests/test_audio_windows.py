"""Training windows of the embedded recogniser: what is in the sound is what the targets say."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from whisper.tokenizer import Tokenizer, get_tokenizer

from audio.embedded.phones import FRAME, PAUSE, PHONES
from audio.embedded.windows import (
    IGNORED,
    PROMPT_TOKENS,
    SLOPES,
    STAMP_ERROR,
    STAMPS,
    Batch,
    Speech,
    Vocabulary,
    Windows,
    coloured_noise,
    english_filters,
    frame_of,
    log_mel,
    misread,
)
from audio.speech import SAMPLE_RATE

TEXTS = ("Good morning everybody.", "The case is made of rubber.", "What did the people say?", "Yes.")


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Speech:
    """A tone for each sentence, as long as its text."""
    folder = tmp_path_factory.mktemp("speech")
    sounds, lines, at, frame = [], [], 0, 0
    for number, text in enumerate(TEXTS * 2):
        length = len(text) * SAMPLE_RATE // 15
        sounds.append(np.sin(np.arange(length) * (0.1 + 0.05 * number)) * 20_000)
        lines.append([text, "slt", at, at + length, frame])
        at, frame = at + length, frame - (-length // FRAME)
    np.save(folder / "audio.npy", np.concatenate(sounds).astype(np.int16))
    np.save(folder / "phones.npy", np.full(frame, next(i for i, p in enumerate(PHONES) if p != PAUSE), np.uint8))
    (folder / "lines.json").write_text(json.dumps(lines))
    return Speech([folder])


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return get_tokenizer(multilingual=False)


@pytest.fixture(scope="module")
def vocabulary(tokenizer: Tokenizer) -> Vocabulary:
    return Vocabulary.of(TEXTS, (), tokenizer)


def batches(speech: Speech, vocabulary: Vocabulary, tokenizer: Tokenizer, *, shifted: bool = False) -> list[Batch]:
    windows = Windows(speech, vocabulary, tokenizer, seed=3)
    return [windows.batch(4, 12, shifted=shifted) for _ in range(6)]


def test_a_seed_gives_the_same_windows_again(speech: Speech, vocabulary: Vocabulary, tokenizer: Tokenizer) -> None:
    one, other = (batches(speech, vocabulary, tokenizer) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a.audio, b.audio)
        assert torch.equal(a.targets, b.targets)


@pytest.mark.parametrize("shifted", [False, True])
def test_timestamps_say_where_the_sentences_are(
    speech: Speech, vocabulary: Vocabulary, tokenizer: Tokenizer, shifted: bool
) -> None:
    begin, checked = vocabulary.encode([tokenizer.timestamp_begin])[0], 0
    for batch in batches(speech, vocabulary, tokenizer, shifted=shifted):
        for row in range(len(batch.targets)):
            wanted = [t for t in batch.targets[row].tolist() if t != IGNORED and t >= begin and t < begin + 1501]
            for start, stop in zip(wanted[::2], wanted[1::2], strict=False):
                first, last = start - begin - batch.offset, stop - begin - batch.offset
                spoken = batch.phones[row, first + 1 : last - 1] != PHONES.index(PAUSE)
                assert spoken.all()
                checked += 1
    assert checked > 20


def test_a_prompt_is_read_and_never_asked_for(speech: Speech, vocabulary: Vocabulary, tokenizer: Tokenizer) -> None:
    before, sot, begin = vocabulary.encode([tokenizer.sot_prev, tokenizer.sot, tokenizer.timestamp_begin])
    stamped, plain = 0, 0
    for batch in batches(speech, vocabulary, tokenizer):
        for tokens, targets in zip(batch.tokens.tolist(), batch.targets.tolist(), strict=True):
            prompt = tokens.index(sot)
            assert all(target == IGNORED for target in targets[:prompt])
            assert targets[prompt] != IGNORED
            if prompt:
                assert tokens[0] == before
                assert prompt <= PROMPT_TOKENS + 1
                stamped, plain = (stamped + 1, plain) if max(tokens[1:prompt]) >= begin else (stamped, plain + 1)
    assert stamped > plain > 0


def test_a_frame_is_20_ms_and_a_window_whispers_own(
    speech: Speech, vocabulary: Vocabulary, tokenizer: Tokenizer
) -> None:
    assert frame_of(SAMPLE_RATE) == 50
    batch = batches(speech, vocabulary, tokenizer)[0]
    assert batch.audio.shape == (4, 12 * SAMPLE_RATE)
    assert batch.phones.shape == (4, 600)
    assert log_mel(batch.audio, batch.ceiling, english_filters()).shape == (4, 80, 1200)


@pytest.mark.parametrize("slope", SLOPES)
def test_noise_has_its_colour(slope: float) -> None:
    noise = coloured_noise(2**17, slope, np.random.default_rng(1))
    power = np.abs(np.fft.rfft(noise)) ** 2
    hertz = np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE)
    low, high = (power[(hertz > f) & (hertz < 2 * f)].mean() for f in (100, 3200))
    assert np.log2(low / high) == pytest.approx(5 * slope, abs=0.5)
    assert noise.std() == pytest.approx(1, abs=0.01)


def test_the_decoder_reads_mistakes_where_the_truth_was() -> None:
    """Words become other words and times move a little; what is no word stays, and the same seed errs alike."""
    eot, begin = 100, 110
    truth = torch.tensor([101, 5, 6, 7, 8, 102, begin, *range(20, 60), begin + 700, begin + STAMPS])
    readings = [misread(truth, eot, begin, np.random.default_rng(seed)) for seed in range(40)]
    again = [misread(truth, eot, begin, np.random.default_rng(seed)) for seed in range(40)]
    assert all(torch.equal(a, b) for a, b in zip(readings, again, strict=True))
    untouched = sum(torch.equal(reading, truth) for reading in readings)
    assert 5 < untouched < 30  # neither all nor none
    words, stamps = truth < eot, (truth >= begin) & (truth < begin + STAMPS)
    for reading in readings:
        assert torch.equal(reading[~words & ~stamps], truth[~words & ~stamps])
        assert bool((reading[words] < eot).all())
        assert int((reading[stamps] - truth[stamps]).abs().max()) <= STAMP_ERROR
    assert any(bool((reading[words] != truth[words]).sum() > 3) for reading in readings)
