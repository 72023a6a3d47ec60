"""Both engines write what whisper itself writes, in batches as alone."""

import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import whisper
from whisper.audio import log_mel_spectrogram, pad_or_trim
from whisper.decoding import DecodingOptions
from whisper.model import ModelDimensions, Whisper

from audio.engines import RecognitionOptions, RecognizedWindow, Transcriber
from audio.engines.conversions import ct2_folder
from audio.engines.faster_whisper import FasterWhisper
from audio.engines.features import log_mel
from audio.engines.openai_whisper import OpenAIWhisper
from audio.engines.rounds import Task
from audio.speech import SAMPLE_RATE, AudioError, Samples

# openai-whisper leaves its vocabulary file open for the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file .*tiktoken:ResourceWarning")

ENGLISH = ModelDimensions(80, 1500, 64, 2, 2, 51864, 448, 64, 2, 2)
MULTILINGUAL = ModelDimensions(128, 1500, 32, 2, 2, 51866, 448, 32, 2, 2)  # as large-v3: more mels, one language more
GREEDY = RecognitionOptions(language="en", temperatures=(0.0,), max_tokens=24)


def write_checkpoint(path: Path, dims: ModelDimensions, *, ending: float = 1.0) -> Path:
    """Random weights; `ending` weighs the token that ends a text."""
    torch.manual_seed(5)
    model = Whisper(dims)
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, std=1.0 if "positional" in name else 0.02 if "token" in name else 0.3)
    with torch.no_grad():
        model.decoder.token_embedding.weight[whisper.tokenizer.get_tokenizer(model.is_multilingual).eot] *= ending
    torch.save({"dims": asdict(dims), "model_state_dict": model.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("english") / "tiny.pt", ENGLISH, ending=8.0)


@pytest.fixture(scope="module")
def openai(checkpoint: Path) -> OpenAIWhisper:
    return OpenAIWhisper(checkpoint)


@pytest.fixture(scope="module")
def faster(checkpoint: Path) -> FasterWhisper:
    return FasterWhisper(ct2_folder(checkpoint, cache=checkpoint.parent), threads=1)


@pytest.fixture(scope="module")
def both_multilingual(tmp_path_factory: pytest.TempPathFactory) -> tuple[OpenAIWhisper, FasterWhisper]:
    path = write_checkpoint(tmp_path_factory.mktemp("multilingual") / "tiny.pt", MULTILINGUAL)
    return OpenAIWhisper(path), FasterWhisper(ct2_folder(path, cache=path.parent), threads=1)


def sounds(*seconds: float) -> list[Samples]:
    """Tones under noise, each window its own."""
    rng = np.random.default_rng(2)
    made = []
    for length_s in seconds:
        time_s = np.arange(round(length_s * SAMPLE_RATE)) / SAMPLE_RATE
        tone = np.sin(2 * np.pi * rng.uniform(100, 3000) * time_s) * rng.uniform(0.01, 0.9)
        made.append((tone + rng.normal(0, 0.05, len(time_s))).astype(np.float32))
    return made


def tokens(windows: Sequence[RecognizedWindow]) -> list[list[int]]:
    return [[token for segment in window.segments for token in segment.tokens] for window in windows]


def test_greedy_text_is_whispers_own_in_a_batch_and_alone(openai: OpenAIWhisper, checkpoint: Path) -> None:
    """Windows that end at different steps leave the batch, and the others must not notice."""
    stock = whisper.load_model(str(checkpoint))
    windows = sounds(30, 2, 9, 1, 5)
    task = Task(whisper.tokenizer.get_tokenizer(False), prompt=(), max_tokens=60, beam_size=1)
    ours = openai.decode(openai.encode(log_mel(windows, 80)), task, 0.0)
    options = DecodingOptions(language="en", fp16=False, sample_len=60)
    theirs = [stock.decode(log_mel_spectrogram(pad_or_trim(torch.tensor(w)), 80), options) for w in windows]
    assert [d.tokens for d in ours] == [r.tokens for r in theirs]
    assert len({len(d.tokens) for d in ours}) > 2  # they do end at different steps
    np.testing.assert_allclose([d.avg_logprob for d in ours], [r.avg_logprob for r in theirs], rtol=1e-3)
    np.testing.assert_allclose([d.no_speech_prob for d in ours], [r.no_speech_prob for r in theirs], rtol=1e-3)
    alone = [openai.decode(openai.encode(log_mel([w], 80)), task, 0.0)[0].tokens for w in windows]
    assert alone == [d.tokens for d in ours]


def test_beams_and_prompts_are_whispers_own(openai: OpenAIWhisper, checkpoint: Path) -> None:
    stock = whisper.load_model(str(checkpoint))
    windows = sounds(4, 12)
    prompt = tuple(whisper.tokenizer.get_tokenizer(False).encode(" what was said before"))
    task = Task(whisper.tokenizer.get_tokenizer(False), prompt, max_tokens=20, beam_size=3)
    ours = openai.decode(openai.encode(log_mel(windows, 80)), task, 0.0)
    options = DecodingOptions(language="en", fp16=False, beam_size=3, sample_len=20, prompt=list(prompt))
    theirs = [stock.decode(log_mel_spectrogram(pad_or_trim(torch.tensor(w)), 80), options) for w in windows]
    assert [d.tokens for d in ours] == [r.tokens for r in theirs]


@pytest.mark.parametrize(
    "options",
    [
        GREEDY,
        replace(GREEDY, max_tokens=None),
        replace(GREEDY, max_tokens=5),
        replace(GREEDY, initial_prompt="the budget", hotwords="Rapporteur"),
        replace(GREEDY, initial_prompt="one two three " * 200, max_tokens=3),  # a prompt longer than the text
        replace(GREEDY, word_timestamps=True),
        replace(GREEDY, beam_size=3),
    ],
    ids=["greedy", "unlimited", "budget", "prompt", "long prompt", "words", "beams"],
)
def test_both_engines_say_the_same(openai: OpenAIWhisper, faster: FasterWhisper, options: RecognitionOptions) -> None:
    windows = sounds(6, 1.5)
    mine, theirs = openai(windows, options), faster(windows, options)
    assert tokens(mine) == tokens(theirs)
    assert any(tokens(mine))
    segments = [pair for a, b in zip(mine, theirs, strict=True) for pair in zip(a.segments, b.segments, strict=True)]
    for a, b in segments:
        assert a.text == b.text
        mine_s, theirs_s = ([one.start_s, one.end_s, *asdict(one.scores).values()] for one in (a, b))
        np.testing.assert_allclose(mine_s, theirs_s, atol=2e-3)
        assert [word.text for word in a.words] == [word.text for word in b.words]
        assert bool(a.words) == options.word_timestamps
    if options.word_timestamps:
        assert all("".join(word.text for word in a.words) == a.text for a, _ in segments)


def test_both_engines_detect_the_same_languages(both_multilingual: tuple[OpenAIWhisper, FasterWhisper]) -> None:
    mine, theirs = (engine(sounds(3, 20), replace(GREEDY, language=None)) for engine in both_multilingual)
    assert [window.language for window in mine] == [window.language for window in theirs]
    assert tokens(mine) == tokens(theirs)
    assert all(engine.multilingual and engine.num_languages == 100 for engine in both_multilingual)


@pytest.mark.parametrize("language", ["de", "yue"])
def test_both_engines_translate_alike(language: str, both_multilingual: tuple[OpenAIWhisper, FasterWhisper]) -> None:
    options = replace(GREEDY, language=language, task="translate")
    mine, theirs = (engine(sounds(3), options)[0].segments[0] for engine in both_multilingual)
    assert mine.tokens == theirs.tokens
    assert mine.scores.avg_logprob == pytest.approx(theirs.scores.avg_logprob, abs=1e-3)


def test_sampled_text_is_the_same_every_time_and_touches_no_other_random_numbers(openai: OpenAIWhisper) -> None:
    options = replace(GREEDY, temperatures=(1.0,))
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first = tokens(openai(sounds(4, 5), options))
    assert torch.equal(torch.rand(3), expected)
    assert tokens(openai(sounds(4, 5), options)) == first != tokens(openai(sounds(4, 5), GREEDY))


def test_faster_whisper_samples_the_same_in_every_run(checkpoint: Path, faster: FasterWhisper) -> None:
    folder, options = ct2_folder(checkpoint, cache=checkpoint.parent), replace(GREEDY, temperatures=(1.0,))
    first, again = (FasterWhisper(folder, threads=1)(sounds(4, 5), options) for _ in range(2))
    assert tokens(first) == tokens(again) != tokens(faster(sounds(4, 5), GREEDY))
    assert {segment.scores.temperature for window in first for segment in window.segments} == {1.0}


@pytest.mark.parametrize("name", ["openai", "faster"])
def test_several_meetings_may_share_an_engine(name: str, request: pytest.FixtureRequest) -> None:
    engine: Transcriber = request.getfixturevalue(name)
    pieces = [sounds(2, 3), sounds(4), sounds(5, 6)]
    alone = [tokens(engine(piece, GREEDY)) for piece in pieces]
    with ThreadPoolExecutor(3) as meetings:
        assert list(meetings.map(lambda piece: tokens(engine(piece, GREEDY)), pieces)) == alone


def test_word_timing_leaves_the_number_of_threads_alone(openai: OpenAIWhisper) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        openai(sounds(3, 4), replace(GREEDY, word_timestamps=True))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_threads_are_set_only_on_request(checkpoint: Path) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        OpenAIWhisper(checkpoint)
        assert torch.get_num_threads() == 3
        OpenAIWhisper(checkpoint, threads=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_bfloat16_hears_nearly_the_same(openai: OpenAIWhisper, checkpoint: Path) -> None:
    mel = log_mel(sounds(5), 80)
    exact, rough = openai.encode(mel), OpenAIWhisper(checkpoint, compute_type="bfloat16").encode(mel)
    assert rough.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(exact, rough, dim=-1).mean() > 0.99
    assert not torch.equal(exact, rough)


def test_no_windows_or_empty_ones_give_no_text(openai: OpenAIWhisper, faster: FasterWhisper) -> None:
    engines: tuple[Transcriber, ...] = (openai, faster)
    for engine in engines:
        assert engine([], GREEDY) == []
        (window,) = engine(sounds(0), GREEDY)
        assert window.segments == ()


def test_what_cannot_be_run_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="cannot compute in float16 on cpu"):
        OpenAIWhisper(checkpoint, compute_type="float16")
    with pytest.raises(AudioError, match="cannot be read"):
        OpenAIWhisper(tmp_path / "missing.pt")
    with pytest.raises(AudioError, match=r"has no model\.bin"):
        FasterWhisper(tmp_path)
    (tmp_path / "model.bin").write_bytes(b"not a model")
    with pytest.raises(AudioError, match=r"has no tokenizer\.json"):
        FasterWhisper(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(AudioError, match="does not run on cpu"):
        FasterWhisper(tmp_path)
    with pytest.raises(AudioError, match="in nonsense"):
        FasterWhisper(ct2_folder(checkpoint, cache=checkpoint.parent), compute_type="nonsense")


def test_two_workers_write_what_one_does(checkpoint: Path) -> None:
    folder, noise = ct2_folder(checkpoint, cache=checkpoint.parent), np.random.default_rng(3)
    alone, two = FasterWhisper(folder, threads=1), FasterWhisper(folder, threads=2, workers=2)
    batch = [noise.normal(0, 0.1, SAMPLE_RATE * seconds).astype(np.float32) for seconds in (3, 9, 1, 20, 5)]
    assert two(batch, GREEDY) == alone(batch, GREEDY)
    assert two(batch[:1], GREEDY) == alone(batch[:1], GREEDY)  # one worker has nothing to do
    assert two([], GREEDY) == []


def test_a_folder_without_a_list_of_symbols_is_told_the_tokenizers(checkpoint: Path, tmp_path: Path) -> None:
    folder, tokenizer = tmp_path / "plain", whisper.tokenizer.get_tokenizer(False)
    shutil.copytree(ct2_folder(checkpoint, cache=checkpoint.parent), folder)
    listed = FasterWhisper(folder, threads=1)._suppressed(tokenizer)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    del config["suppress_ids"]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert FasterWhisper(folder, threads=1)._suppressed(tokenizer) == listed
