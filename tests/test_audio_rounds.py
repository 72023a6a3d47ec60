"""The rounds around a network: all audio is decoded, as whisper's own `transcribe` does it for one window."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from whisper.audio import log_mel_spectrogram, pad_or_trim
from whisper.decoding import DecodingResult
from whisper.tokenizer import Tokenizer, get_tokenizer
from whisper.transcribe import transcribe

from audio.engines import RecognitionOptions, RecognizedSegment
from audio.engines.features import Mel, log_mel
from audio.engines.rounds import ROUNDS, Decoded, Draft, Task, cut_at_timestamps, recognize_windows
from audio.speech import SAMPLE_RATE, AudioError, Samples

# openai-whisper leaves its vocabulary file open for the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file .*tiktoken:ResourceWarning")

GREEDY = RecognitionOptions(temperatures=(0.0,))
STAMP_0 = 50363  # <|0.00|> of the English vocabulary
Script = Callable[[Task, float], Decoded]


class Scripted:
    """A network that writes what a script says, window after window, and remembers what it was asked."""

    n_mels, n_text_ctx, num_languages = 80, 448, 99

    def __init__(self, script: Script, *, multilingual: bool = False, languages: tuple[str, ...] = ()) -> None:
        self.script, self.multilingual, self.languages = script, multilingual, languages
        self.asked: list[tuple[int, float, Task]] = []  # windows, temperature, task

    def encode(self, mel: Mel) -> list[int]:
        return list(range(len(mel)))

    def take(self, encoded: list[int], rows: list[int]) -> list[int]:
        return [encoded[row] for row in rows]

    def detect_languages(self, encoded: list[int]) -> list[str]:
        return [self.languages[row] for row in encoded]

    def decode(self, encoded: list[int], task: Task, temperature: float) -> list[Decoded]:
        self.asked.append((len(encoded), temperature, task))
        return [self.script(task, temperature) for _ in encoded]

    def add_words(self, encoded: list[int], tokenizer: Tokenizer, drafts: list[list[Draft]], frames: list[int]) -> None:
        """Every word takes a tenth of a second."""
        for segments in drafts:
            for draft in segments:
                spoken = tokenizer.decode([token for token in draft["tokens"] if token < tokenizer.eot]).split()
                draft["words"] = [
                    {"word": f" {word}", "start": i / 10, "end": (i + 1) / 10, "probability": 0.5}
                    for i, word in enumerate(spoken)
                ]


def wrote(text: str, *, avg_logprob: float = -0.2, no_speech_prob: float = 0.0) -> Decoded:
    """Tokens of a text with timestamps in it: "<0.0> hello<1.5>"."""
    tokens: list[int] = []
    for part in text.replace("<", "\n<").replace(">", ">\n").split("\n"):
        stamp = part.startswith("<")
        tokens += [STAMP_0 + round(float(part[1:-1]) * 50)] if stamp else get_tokenizer(False).encode(part)
    return Decoded(tokens, avg_logprob, no_speech_prob)


def in_turn(*texts: str | Decoded) -> Script:
    left = iter(texts)

    def script(task: Task, temperature: float) -> Decoded:
        text = next(left)
        decoded = wrote(text) if isinstance(text, str) else text
        return replace(decoded, tokens=decoded.tokens[: task.max_tokens])

    return script


def sound(seconds: float) -> Samples:
    rng = np.random.default_rng(1)
    return rng.normal(0, 0.1, round(seconds * SAMPLE_RATE)).astype(np.float32)


def recognized(network: Scripted, seconds: float, options: RecognitionOptions = GREEDY) -> list[RecognizedSegment]:
    (window,) = recognize_windows(network, [sound(seconds)], options)
    return list(window.segments)


def told(segments: Iterable[RecognizedSegment]) -> list[tuple[float, float, str]]:
    return [(round(s.start_s, 2), round(s.end_s, 2), s.text) for s in segments]


@pytest.mark.parametrize("seconds", [0.0, 0.01, 1.0, 7.77, 29.96, 29.99, 30.0])
@pytest.mark.parametrize("n_mels", [80, 128])
def test_the_mel_is_whispers_of_the_padded_window(seconds: float, n_mels: int) -> None:
    window = sound(seconds)
    window.setflags(write=False)
    expected = log_mel_spectrogram(pad_or_trim(torch.tensor(window)), n_mels)
    ours = torch.from_numpy(log_mel([window, window], n_mels))
    torch.testing.assert_close(ours, expected.repeat(2, 1, 1), atol=1e-5, rtol=0)


@st.composite
def answers(draw: st.DrawFn) -> list[int]:
    """Tokens as whisper's timestamp rules allow them: text between rising stamps, the last segment maybe open."""
    stamps = sorted(draw(st.sets(st.integers(0, 100).map(lambda number: 15 * number), min_size=1, max_size=7)))
    tokens = [STAMP_0 + stamps[0]]
    for before, stamp in pairwise(stamps):
        tokens += [400 + before % 50, STAMP_0 + stamp, STAMP_0 + stamp]
    ending = draw(st.sampled_from(["closed", "pair", "text", "text"]))
    if ending == "closed" and len(stamps) > 1:
        return tokens[:-1]
    return tokens if ending == "pair" and len(stamps) > 1 else [*tokens, 407, 408]


@settings(deadline=None, max_examples=25)
@given(st.lists(answers(), min_size=1, max_size=5), st.integers(5, 100))
def test_a_window_is_cut_and_continued_as_whisper_does(written: list[list[int]], tenths: int) -> None:
    """Whisper's loop and ours are told the same answers over and over, and must come to the same segments."""
    calls = {"theirs": 0, "ours": 0}

    def answer(who: str) -> list[int]:
        calls[who] += 1
        return written[(calls[who] - 1) % len(written)]

    class Model(SimpleNamespace):
        def decode(self, mel: torch.Tensor, options: Any) -> DecodingResult:
            return DecodingResult(mel, "en", None, answer("theirs"), "", -0.2, 0.0, 0.0, 1.0)

    model = Model(
        dims=SimpleNamespace(n_mels=80, n_audio_ctx=1500, n_text_ctx=448),
        device=torch.device("cpu"),
        is_multilingual=False,
        num_languages=99,
    )
    asked = {"language": "en", "temperature": 0.0, "fp16": False, "condition_on_previous_text": False}
    theirs = transcribe(model, sound(tenths / 10), **asked)["segments"]
    ours = recognized(Scripted(lambda task, temperature: Decoded(answer("ours"), -0.2, 0.0)), tenths / 10)
    most = min(calls["theirs"], ROUNDS)
    assert most - 5 <= calls["ours"] <= most  # whisper also decodes the last 0.1 s, in steps of at least 20 ms
    if calls["ours"] != calls["theirs"]:
        theirs = theirs[: len(ours) - 1]  # our last round keeps its unfinished text
    assert [list(s.tokens) for s in ours[: len(theirs)]] == [s["tokens"] for s in theirs]
    for mine, one in zip(ours, theirs, strict=False):
        if sum(token >= STAMP_0 for token in one["tokens"]) > 1:
            assert mine.end_s == pytest.approx(one["end"])


@pytest.mark.parametrize(
    ("text", "finished", "unfinished"),
    [
        ("<0.4> one<2.0>", [(0.4, 2.0, " one")], None),
        ("<0.4> one", [(0.4, 9.0, " one")], None),  # to the end of the audio, not to its own start
        ("<0.0> one<2.0><2.5> two<4.0>", [(0.0, 2.0, " one"), (2.5, 4.0, " two")], None),
        ("<0.0> one<2.0><2.5> two", [(0.0, 2.0, " one")], (2.5, 9.0, " two")),
        ("<0.0> one<2.0><2.0>", [(0.0, 2.0, " one")], (2.0, 9.0, "")),
        (" one", [(0.0, 9.0, " one")], None),
        ("", [(0.0, 9.0, "")], None),
    ],
)
def test_segments_end_where_timestamps_meet(
    text: str, finished: list[tuple[float, float, str]], unfinished: tuple[float, float, str] | None
) -> None:
    def plain(draft: Draft) -> tuple[float, float, str]:
        return draft["start"], draft["end"], get_tokenizer(False).decode(draft["tokens"])

    drafts, rest = cut_at_timestamps(wrote(text).tokens, STAMP_0, 9.0)
    assert [plain(draft) for draft in drafts] == finished
    assert (plain(rest) if rest else None) == unfinished


def test_an_unfinished_segment_is_decoded_again_and_counted_from_the_window() -> None:
    network = Scripted(in_turn("<0.0> one<2.0><2.0> tw", "<0.1> two<3.0><3.2>", "<0.0> three<4.0>"))
    assert told(recognized(network, 10)) == [(0, 2, " one"), (2.1, 5, " two"), (5, 9, " three")]


def test_only_windows_with_a_rest_go_again() -> None:
    network = Scripted(in_turn("<0.0> a<2.0>", "<0.0> b<2.0><2.0> x", "<0.0> c<1.0>", "<0.0> d<1.0>"))
    windows = recognize_windows(network, [sound(4)] * 3, GREEDY)
    assert [told(window.segments) for window in windows] == [
        [(0, 2, " a")],
        [(0, 2, " b"), (2, 3, " d")],
        [(0, 1, " c")],
    ]
    assert [count for count, _, _ in network.asked] == [3, 1]


def test_a_text_that_fills_the_models_context_goes_on_where_its_last_word_ends() -> None:
    tokenizer = get_tokenizer(False)
    words = [token for token in range(300, 2000) if re.fullmatch(" [a-z]+", tokenizer.decode([token]))][:300]
    full = Decoded([STAMP_0, *words], avg_logprob=-0.2, no_speech_prob=0.0)
    first, rest = recognized(Scripted(in_turn(full, "<0.0> rest<2.0>")), 30)
    assert (first.text, first.words) == (tokenizer.decode(words[:223]), ())
    assert (rest.text, rest.start_s) == (" rest", 22.3)


def test_a_loop_that_fills_the_models_context_does_not_go_on() -> None:
    network = Scripted(lambda task, temperature: wrote("<0.0>" + " on and" * 112))
    assert len(recognized(network, 30)) == 1


def test_a_budget_of_the_user_ends_the_window_and_keeps_all_that_was_written() -> None:
    network = Scripted(in_turn("<0.0> one<2.0><2.0> two three four five"))
    assert told(recognized(network, 9, replace(GREEDY, max_tokens=6))) == [(0, 2, " one"), (2, 9, " two three")]
    network = Scripted(in_turn("<0.0> one<2.0><2.0> two", "<0.0> two<3.0><3.0> three"))
    assert told(recognized(network, 9, replace(GREEDY, max_tokens=8)))[:2] == [(0, 2, " one"), (2, 5, " two")]
    assert [task.max_tokens for _, _, task in network.asked] == [8, 3]


def test_a_model_that_does_not_get_on_is_stopped_and_its_text_kept() -> None:
    network = Scripted(lambda task, temperature: wrote("<0.0> a<0.0><0.0> b"))
    assert [text for *_, text in told(recognized(network, 9))] == [" a", " b"]
    network = Scripted(lambda task, temperature: wrote("<0.0> a<0.02><0.02> b"))
    assert [s.text for s in recognized(network, 9)] == [" a"] * ROUNDS + [" b"]


def test_silence_is_not_decoded_again() -> None:
    network = Scripted(in_turn(wrote("<0.0> a<2.0><2.0> b", avg_logprob=-1.5, no_speech_prob=0.9)))
    assert [s.text for s in recognized(network, 9, RecognitionOptions())] == [" a", " b"]  # the guards' business


def test_only_texts_that_look_wrong_are_sampled_at_the_next_temperature() -> None:
    loop = wrote("<0.0>" + " again and again" * 30)
    doubted = wrote("<0.0> hm<1.0>", avg_logprob=-1.3)
    network = Scripted(in_turn("<0.0> a<1.0>", loop, doubted, loop, "<0.0> c<1.0>", "<0.0> b<1.0>"))
    windows = recognize_windows(network, [sound(2)] * 3, RecognitionOptions())
    assert [window.segments[0].text for window in windows] == [" a", " b", " c"]
    assert [window.segments[0].scores.temperature for window in windows] == [0.0, 0.4, 0.2]
    assert [(count, temperature) for count, temperature, _ in network.asked] == [(3, 0.0), (2, 0.2), (1, 0.4)]


def test_the_most_probable_is_taken_where_no_temperature_helps() -> None:
    loop = wrote("<0.0>" + " again and again" * 30, avg_logprob=-0.1)
    tries = [wrote(f"<0.0> {text}<1.0>", avg_logprob=p) for text, p in (("x", -1.6), ("y", -1.1), ("z", -1.4))]
    options = RecognitionOptions(temperatures=(0.0, 0.2, 0.4, 0.6))
    (found,) = recognized(Scripted(in_turn(loop, *tries)), 2, options)
    assert (found.text, found.scores.temperature) == (" y", 0.4)


def test_words_are_timed_on_request_and_on_the_windows_clock() -> None:
    network = Scripted(in_turn("<0.0> one two<2.0><2.0> x", "<0.0> three<1.0>"))
    segments = recognized(network, 4, replace(GREEDY, word_timestamps=True))
    assert [(w.text, w.start_s, w.end_s) for s in segments for w in s.words] == [
        (" one", 0.0, 0.1),
        (" two", 0.1, 0.2),
        (" three", 2.0, 2.1),
    ]


def test_hotwords_and_prompt_go_before_every_window_and_fit() -> None:
    def prompt(hotwords: str | None, before: str | None) -> str:
        network = Scripted(lambda task, temperature: wrote("<0.0> a<1.0>"))
        recognized(network, 2, replace(GREEDY, hotwords=hotwords, initial_prompt=before))
        ((_, _, task),) = network.asked
        assert len(task.initial_tokens) + task.max_tokens <= 448
        assert len(task.prompt) <= 223
        return str(task.tokenizer.encoding.decode(task.initial_tokens))

    assert prompt(None, None) == "<|startoftranscript|>"
    assert prompt(" Rapporteur ", "The budget.") == "<|startofprev|> Rapporteur The budget.<|startoftranscript|>"
    assert prompt(None, "one " * 400 + "end").endswith(" one end<|startoftranscript|>")  # a prompt keeps its end,
    assert prompt("first" + " more" * 400, "gone").startswith("<|startofprev|> first more")  # hotwords their beginning
    assert prompt("a <|endoftext|> b", None).count("<|") == 3  # what looks like a token is plain text
    network = Scripted(lambda task, temperature: wrote("<0.0> a<1.0>"))
    recognized(network, 2, replace(GREEDY, hotwords="a <|endoftext|> b"))
    assert network.asked[0][2].tokenizer.eot not in network.asked[0][2].prompt


def test_each_window_is_decoded_in_the_language_it_seems_to_be_in() -> None:
    written = wrote("<0.0> a<1.0>")
    stamps = replace(written, tokens=[token + 1 if token >= STAMP_0 else token for token in written.tokens])
    network = Scripted(lambda task, temperature: stamps, multilingual=True, languages=("de", "en", "de"))
    windows = recognize_windows(network, [sound(2)] * 3, GREEDY)
    assert [window.language for window in windows] == ["de", "en", "de"]
    assert [(count, task.tokenizer.language) for count, _, task in network.asked] == [(2, "de"), (1, "en")]
    assert recognize_windows(network, [], GREEDY) == []


@pytest.mark.parametrize(
    ("multilingual", "options", "message"),
    [
        (False, replace(GREEDY, language="de"), "English only"),
        (False, replace(GREEDY, task="translate"), "English only"),
        (True, replace(GREEDY, language="elvish"), "does not know the language 'elvish'"),
        (True, replace(GREEDY, language="yue"), "does not know the language 'yue'"),  # came with large-v3
        (True, replace(GREEDY, language="en", task="sing"), "no task 'sing'"),
    ],
)
def test_what_the_model_cannot_do_is_refused(multilingual: bool, options: RecognitionOptions, message: str) -> None:
    network = Scripted(in_turn(), multilingual=multilingual)
    with pytest.raises(AudioError, match=message):
        recognized(network, 2, options)


def test_languages_may_be_named() -> None:
    network = Scripted(lambda task, temperature: Decoded([STAMP_0 + 1], -0.1, 0.0), multilingual=True)
    (window,) = recognize_windows(network, [sound(2)], replace(GREEDY, language="German", task="translate"))
    assert window.language == "de"
    tokenizer = network.asked[0][2].tokenizer
    assert tokenizer.encoding.decode(network.asked[0][2].initial_tokens) == "<|startoftranscript|><|de|><|translate|>"


def test_windows_too_short_for_a_word_hold_none() -> None:
    network = Scripted(in_turn("<0.0> a<1.0>"))
    windows = recognize_windows(network, [sound(0), sound(0.05), sound(2)], GREEDY)
    assert [len(window.segments) for window in windows] == [0, 0, 1]
