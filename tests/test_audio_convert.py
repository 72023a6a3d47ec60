"""A checkpoint in openai-whisper's format means the same to both engines, and a bad one runs nothing."""

import json
import os
import pickle
import random
import socket
import threading
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
import torch
import whisper
from faster_whisper import WhisperModel
from hypothesis import given, settings
from hypothesis import strategies as st
from whisper.decoding import DecodingOptions, DecodingTask
from whisper.model import ModelDimensions, Whisper
from whisper.tokenizer import get_tokenizer

from audio.checksum import sha256_of
from audio.engines.conversions import ct2_folder
from audio.engines.convert import alignment_heads, load_checkpoint, tokenizer_json
from audio.speech import AudioError

ENGLISH = ModelDimensions(80, 1500, 32, 2, 2, 51864, 448, 32, 2, 3)
MULTILINGUAL = ModelDimensions(128, 1500, 32, 2, 2, 51866, 448, 32, 2, 2)  # as large-v3: more mels, one language more
VOCABULARIES = [(False, 99), (True, 99), (True, 100)]
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=60)  # the assigned: \p{L} differs beyond
TRICKY = [
    "", " ", "  a   b ", "don't we'll I'M they'RE", "3.14159 12,000", "naïve café — “quotes” …", "\r\n\t x\u3000z",
    "日本語 한국어 русский עברית", "👩‍👩‍👧‍👦 ♪♪♪", "a" * 300, "!!!???---===", " <|en| >", "\x00\x7f\x85",
]  # fmt: skip

# openai-whisper leaves its vocabulary file open for the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file .*tiktoken:ResourceWarning")


def write_checkpoint(path: Path, dims: ModelDimensions, dtype: torch.dtype = torch.float32) -> Path:
    """Random weights, none of them at its neutral value, so that one in a wrong place shows."""
    torch.manual_seed(3)
    model = Whisper(dims)
    for name, parameter in model.named_parameters():  # places outweigh tokens, or the text would be one token for ever
        torch.nn.init.normal_(parameter, std=1.0 if "positional" in name else 0.02 if "token" in name else 0.3)
    state = {name: tensor.to(dtype) for name, tensor in model.state_dict().items()}
    torch.save({"dims": asdict(dims), "model_state_dict": state, "extra": {"head": torch.ones(2)}}, path)
    return path


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("english") / "tiny.pt", ENGLISH)


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ct2")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def greedy(model: Whisper, mel: torch.Tensor, count: int) -> list[int]:
    options = DecodingOptions(language="en", fp16=False, without_timestamps=True, sample_len=count)
    return list(whisper.decode(model, mel, options).tokens)


def greedy_ct2(engine: WhisperModel, mel: torch.Tensor, prompt: tuple[int, ...], count: int) -> list[int]:
    length = 2 * count  # CTranslate2 keeps half of it for the prompt
    found = engine.model.generate(engine.encode(mel.numpy()), [list(prompt)], beam_size=1, max_length=length)
    return list(found[0].sequences_ids[0])


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(("dims", "dtype"), [(ENGLISH, torch.float16), (MULTILINGUAL, torch.bfloat16)])
def test_both_engines_compute_the_same(
    dims: ModelDimensions, dtype: torch.dtype, tmp_path: Path, cache_folder: Path
) -> None:
    path = write_checkpoint(tmp_path / "tiny.pt", dims, dtype)
    model = whisper.load_model(str(path), device="cpu")
    engine = WhisperModel(str(ct2_folder(path, cache=cache_folder)), device="cpu", compute_type="float32")
    noise = torch.randn(10 * 16_000, generator=torch.Generator().manual_seed(1))
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(noise), dims.n_mels)  # (n_mels, 3000)

    with torch.no_grad():
        encoded = model.encoder(mel[None]).numpy()
    np.testing.assert_allclose(np.asarray(engine.encode(mel.numpy())), encoded, atol=1e-3)
    tokenizer = get_tokenizer(model.is_multilingual, num_languages=model.num_languages, language="en")
    expected = greedy(model, mel, 12)
    assert len(set(expected)) > 1  # a constant would prove little
    assert greedy_ct2(engine, mel, tokenizer.sot_sequence_including_notimestamps, 12) == expected
    if model.is_multilingual:
        _, chances = model.detect_language(mel)
        found = {
            name.strip("<|>"): chance for name, chance in engine.model.detect_language(engine.encode(mel.numpy()))[0]
        }
        assert found == pytest.approx(chances, abs=1e-4)
    assert engine.feature_extractor.mel_filters.shape[0] == dims.n_mels


@pytest.mark.parametrize("quantization", ["int8", "float16"])
def test_quantized_weights_stay_close_and_small(quantization: str, english: Path, cache_folder: Path) -> None:
    mel = np.random.default_rng(0).normal(size=(80, 3000)).astype(np.float32)
    sizes, outputs = [], []
    for kind in ("float32", quantization):
        folder = ct2_folder(english, cache=cache_folder, quantization=kind)
        sizes.append((folder / "model.bin").stat().st_size)
        outputs.append(np.asarray(WhisperModel(str(folder), device="cpu").encode(mel)))
    assert sizes[1] < 0.6 * sizes[0]
    assert np.abs(outputs[1] - outputs[0]).max() < 0.1 * np.abs(outputs[0]).max()


def test_the_config_is_whispers(english: Path, cache_folder: Path) -> None:
    folder = ct2_folder(english, cache=cache_folder)
    config = json.loads((folder / "config.json").read_text())
    model = whisper.load_model(str(english), device="cpu")
    task = DecodingTask(model, DecodingOptions(language="en", fp16=False))
    assert tuple(config["suppress_ids"]) == task._get_suppress_tokens()
    assert config["suppress_ids_begin"] == [220, 50256]  # the space and the end of text
    assert config["alignment_heads"] == model.alignment_heads.indices().T.tolist()
    vocabulary = json.loads((folder / "vocabulary.json").read_text())
    assert len(vocabulary) == ENGLISH.n_vocab
    specials = get_tokenizer(False).special_tokens
    assert {token: vocabulary[at] for token, at in specials.items()} == {token: token for token in specials}


def test_an_official_file_keeps_its_alignment_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dims = replace(ENGLISH, n_text_layer=4, n_text_head=6, n_text_state=48, n_audio_state=48)  # tiny.en's 4 x 6 heads
    path = write_checkpoint(tmp_path / "tiny.en.pt", dims, torch.float16)
    monkeypatch.setitem(whisper._MODELS, "tiny.en", f"https://example.invalid/{sha256_of(path)}/tiny.en.pt")
    model = Whisper(dims)
    model.set_alignment_heads(whisper._ALIGNMENT_HEADS["tiny.en"])
    config = json.loads((ct2_folder(path, cache=tmp_path / "ct2") / "config.json").read_text())
    assert config["alignment_heads"] == model.alignment_heads.indices().T.tolist()
    assert alignment_heads(sha256_of(path)) == whisper._ALIGNMENT_HEADS["tiny.en"]
    assert alignment_heads("") is None


@cache
def converted_tokenizer(multilingual: bool, num_languages: int) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_str(tokenizer_json(multilingual, num_languages))


@pytest.mark.parametrize(("multilingual", "num_languages"), VOCABULARIES)
def test_special_tokens_have_the_official_ids(multilingual: bool, num_languages: int) -> None:
    ours = converted_tokenizer(multilingual, num_languages)
    official = get_tokenizer(multilingual, num_languages=num_languages)
    assert ours.get_vocab_size() == official.encoding.n_vocab
    assert {token: ours.token_to_id(token) for token in official.special_tokens} == official.special_tokens


@pytest.mark.parametrize(("multilingual", "num_languages"), VOCABULARIES[:2])
@pytest.mark.parametrize("text", TRICKY)
def test_tricky_texts_encode_as_whisper_does(text: str, multilingual: bool, num_languages: int) -> None:
    check_encoding(text, multilingual, num_languages)


@settings(deadline=None, max_examples=150)
@given(text=TEXTS, vocabulary=st.sampled_from(VOCABULARIES[:2]))
def test_any_text_encodes_as_whisper_does(text: str, vocabulary: tuple[bool, int]) -> None:
    check_encoding(text, *vocabulary)


def check_encoding(text: str, multilingual: bool, num_languages: int) -> None:
    ours = converted_tokenizer(multilingual, num_languages)
    ids = ours.encode(text, add_special_tokens=False).ids
    assert ids == get_tokenizer(multilingual).encoding.encode(text, disallowed_special=())
    assert ours.decode(ids) == text


@settings(deadline=None, max_examples=150)
@given(ids=st.lists(st.integers(0, 50255), max_size=30), multilingual=st.booleans())
def test_any_tokens_decode_as_whisper_does(ids: list[int], multilingual: bool) -> None:
    """Also sequences that no text encodes to, with halves of characters in them."""
    assert converted_tokenizer(multilingual, 99).decode(ids) == get_tokenizer(multilingual).decode(ids)


def test_a_folder_is_made_once_per_content_and_quantization(english: Path, tmp_path: Path) -> None:
    cache_path = tmp_path / "ct2"
    first = ct2_folder(english, cache=cache_path)
    made = (first / "model.bin").stat().st_mtime_ns
    assert ct2_folder(english, cache=cache_path) == first
    assert (first / "model.bin").stat().st_mtime_ns == made
    other = write_checkpoint(tmp_path / "other.pt", ENGLISH, torch.float16)
    assert (
        len({first, ct2_folder(other, cache=cache_path), ct2_folder(english, cache=cache_path, quantization="int8")})
        == 3
    )


def test_conversions_at_once_agree_and_leave_nothing_behind(english: Path, tmp_path: Path) -> None:
    barrier, found = threading.Barrier(3), []

    def convert() -> None:
        barrier.wait()
        found.append(ct2_folder(english, cache=tmp_path / "ct2"))

    threads = [threading.Thread(target=convert) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert [*(tmp_path / "ct2").iterdir()] == [found[0]]
    WhisperModel(str(found[0]), device="cpu")


def test_a_conversion_that_fails_leaves_nothing(tmp_path: Path, english: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"no checkpoint")
    with pytest.raises(AudioError, match="not a Whisper checkpoint"):
        ct2_folder(tmp_path / "bad.pt", cache=tmp_path / "ct2")
    assert [*(tmp_path / "ct2").iterdir()] == []
    with pytest.raises(AudioError, match="cannot be converted"):
        ct2_folder(english, cache=tmp_path / "bad.pt")  # not a folder
    with pytest.raises(AudioError, match="choose one of"):
        ct2_folder(english, cache=tmp_path / "ct2", quantization="int3")


class Evil:
    """Makes the file `canary` when it is unpickled by a loader that trusts what it reads."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.canary),)


def test_an_evil_checkpoint_runs_nothing(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    torch.save({"dims": asdict(ENGLISH), "model_state_dict": {}, "extra": Evil(canary)}, tmp_path / "zip.pt")
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps({"dims": Evil(canary)}, protocol=2))
    for name in ("zip.pt", "pickle.pt"):
        with pytest.raises(AudioError, match="not a Whisper checkpoint"):
            load_checkpoint(tmp_path / name)
        assert not canary.exists()
    torch.load(tmp_path / "zip.pt", weights_only=False)
    assert canary.exists()  # it does bite


@pytest.mark.parametrize(
    ("lies", "missing"),
    [
        ({"n_text_layer": 10**9}, None),
        ({"n_text_layer": -1}, None),
        ({"n_audio_head": 3, "n_text_head": 3}, None),
        ({"n_vocab": 51865}, None),
        ({"n_audio_ctx": "1500"}, None),
        ({"n_audio_ctx": 10**30}, None),
        ({"surprise": 1}, None),
        ({}, "decoder.ln.weight"),
    ],
)
def test_dimensions_that_lie_are_refused(
    lies: dict[str, Any], missing: str | None, english: Path, tmp_path: Path
) -> None:
    checkpoint = torch.load(english, weights_only=True)
    checkpoint["dims"] |= lies
    checkpoint["model_state_dict"].pop(missing, None)
    torch.save(checkpoint, tmp_path / "lies.pt")
    with pytest.raises(AudioError, match=r"lies\.pt"):
        load_checkpoint(tmp_path / "lies.pt")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02}q\x00.", b"RIFF" * 100, "text".encode("utf-16")])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(AudioError, match="not a Whisper checkpoint"):
        load_checkpoint(tmp_path / "x.pt")
    with pytest.raises(AudioError, match="cannot be read"):
        load_checkpoint(tmp_path / "absent.pt")


def test_a_damaged_checkpoint_never_crashes(english: Path, tmp_path: Path) -> None:
    whole, rng, path = english.read_bytes(), random.Random(5), tmp_path / "damaged.pt"
    for _ in range(60):
        damaged = bytearray(whole[: rng.choice([len(whole), rng.randrange(len(whole))])])
        for _ in range(rng.randrange(1, 8)):  # in the pickle at the front or in the zip's directory at the end
            edge = min(20_000, len(damaged))
            damaged[rng.choice([rng.randrange(edge), -1 - rng.randrange(edge)])] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            dims, weights = load_checkpoint(path)
        except AudioError as error:
            assert str(path) in str(error)  # noqa: PT017 - either outcome is right, a crash is not
        else:
            assert dims.n_text_layer > 0
            assert weights
