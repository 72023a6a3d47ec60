"""What both engines share: windows are decoded in rounds until no audio is left, and again while a text looks wrong.

Letters: B windows, M mel bands. A round counts its times from the start of the audio that it hears.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NotRequired, Protocol, TypedDict, TypeVar

from audio.engines import RecognitionOptions, RecognizedSegment, RecognizedWindow
from audio.engines.features import (
    HOP_LENGTH,
    N_SAMPLES,
    Mel,
    compression_ratio,
    get_tokenizer,
    language_code,
    languages,
    log_mel,
)
from audio.speech import SAMPLE_RATE, AudioError, Samples, Scores, Word

if TYPE_CHECKING:
    from whisper.tokenizer import Tokenizer

ROUNDS = 30  # at most for one window: a model that comes back more than once a second is lost
MIN_REST = SAMPLE_RATE // 10  # samples: a shorter rest holds no word
STAMP_S = 0.02  # from one timestamp token to the next: 30 s / 1500 encoder positions

E = TypeVar("E")  # encoded audio of several windows, in the engine's own form


@dataclass(frozen=True)
class Task:
    """What the network is to write: in which language, after which text, how long."""

    tokenizer: Tokenizer
    prompt: tuple[int, ...]  # text that went before
    max_tokens: int
    beam_size: int

    @property
    def initial_tokens(self) -> list[int]:
        """All that the decoder reads before it writes."""
        before = [self.tokenizer.sot_prev, *self.prompt] if self.prompt else []
        return [*before, *self.tokenizer.sot_sequence]


@dataclass(frozen=True)
class Decoded:
    """What the network wrote for one window."""

    tokens: list[int]  # text and timestamps, without the end token
    avg_logprob: float
    no_speech_prob: float


class Draft(TypedDict):
    """A segment in the making, in the form that both libraries' word timing reads and completes."""

    seek: int  # always 0: times count from the start of the round's audio
    start: float
    end: float
    tokens: list[int]
    words: NotRequired[list[dict[str, Any]]]  # word, start, end, probability


class Network(Protocol[E]):
    """Where the engines differ: how the network is run."""

    multilingual: bool
    num_languages: int
    n_mels: int
    n_text_ctx: int

    def encode(self, mel: Mel) -> E:
        """Log-mel windows (B, M, 3000) to what the other methods take."""

    def take(self, encoded: E, rows: list[int]) -> E:
        """Some of the windows."""

    def detect_languages(self, encoded: E) -> list[str]:
        """The most probable language of each window; asked of multilingual models only."""

    def decode(self, encoded: E, task: Task, temperature: float) -> list[Decoded]:
        """Write by Whisper's default rules: no blank, no non-speech symbols, a first timestamp of at most 1 s."""

    def add_words(self, encoded: E, tokenizer: Tokenizer, drafts: list[list[Draft]], frames: list[int]) -> None:
        """Put timed words into the segments of every window; its first `frames` (10 ms each) are audio."""


@dataclass(frozen=True)
class _Rest:
    """Audio of a window that is still to be decoded."""

    window: int
    sound: Samples
    start: int = 0  # in samples of the window
    rounds: int = 0  # so far
    written: int = 0  # tokens so far


@dataclass(frozen=True)
class _Answer:
    """The text of a round that was accepted, or the best of those that were not."""

    tokens: list[int]
    scores: Scores


@dataclass
class _Heard:
    """What one round made of one rest."""

    rest: _Rest
    answer: _Answer
    drafts: list[Draft]
    resume_s: float | None = None  # decode again from here; None = all audio is covered
    cut_short: bool = False  # the token budget ended the text amid a segment: resume where its last word ends


def recognize_windows(
    network: Network[E], windows: Sequence[Samples], options: RecognitionOptions
) -> list[RecognizedWindow]:
    """Decode windows of at most 30 s as one batch; what a round leaves unfinished is decoded again in the next.

    Raises AudioError where the model cannot do what `options` ask.
    """
    assert all(len(window) <= N_SAMPLES for window in windows), "a window is at most 30 s"
    language = spoken_language_code(network, options)
    if language is None:
        return _each_in_its_language(network, windows, options)
    found: list[list[RecognizedSegment]] = [[] for _ in windows]
    rests = [_Rest(index, window) for index, window in enumerate(windows) if len(window) >= MIN_REST]
    while rests:
        task = task_of(network, language, options, budget=_budget(options, max(rest.written for rest in rests)))
        encoded = network.encode(log_mel([rest.sound for rest in rests], network.n_mels))
        answers = _answers(network, encoded, task, options)
        heard = [_hear(rest, answer, task, options) for rest, answer in zip(rests, answers, strict=True)]
        _time_words(network, encoded, task, heard, always=options.word_timestamps)
        for one in heard:
            found[one.rest.window] += _segments(one, task.tokenizer, words=options.word_timestamps)
        rests = [rest for one in heard if (rest := _left(one))]
    return [RecognizedWindow(language, tuple(segments)) for segments in found]


def cut_at_timestamps(tokens: list[int], timestamp_begin: int, duration_s: float) -> tuple[list[Draft], Draft | None]:
    """The finished segments of one window, and the unfinished one after the last pair of timestamps.

    As whisper's `transcribe`: a segment ends where two timestamps meet, and a single one at the very end closes the
    last. Unlike there, a text without a pair starts at its first timestamp, which is never taken for its end.
    """
    stamped = [token >= timestamp_begin for token in tokens]
    bounds = [0, *(i for i in range(1, len(tokens)) if stamped[i - 1] and stamped[i]), len(tokens)]

    def draft(part: list[int]) -> Draft:
        start_s, *later = [(t - timestamp_begin) * STAMP_S for t in part if t >= timestamp_begin] or [0.0]
        return {"seek": 0, "start": start_s, "end": later[-1] if later else max(start_s, duration_s), "tokens": part}

    drafts = [draft(tokens[start:stop]) for start, stop in pairwise(bounds)]
    if len(drafts) > 1 and stamped[-2:] != [False, True]:
        return drafts[:-1], drafts[-1]
    return drafts, None


def _each_in_its_language(
    network: Network[E], windows: Sequence[Samples], options: RecognitionOptions
) -> list[RecognizedWindow]:
    """Detect every window's language and decode together what shares one."""
    if not windows:
        return []
    codes = network.detect_languages(network.encode(log_mel(windows, network.n_mels)))
    found: dict[int, RecognizedWindow] = {}
    for code in sorted(set(codes)):
        rows = [row for row, detected in enumerate(codes) if detected == code]
        spoken = recognize_windows(network, [windows[row] for row in rows], replace(options, language=code))
        found |= zip(rows, spoken, strict=True)
    return [found[row] for row in range(len(windows))]


def spoken_language_code(network: Network[E], options: RecognitionOptions) -> str | None:
    """The code of the language to write down, None where it is to be detected; refuses what the model cannot do."""
    if options.task not in ("transcribe", "translate"):
        raise AudioError(f"there is no task {options.task!r}: choose transcribe or translate")
    name = (options.language or "").lower()
    code = language_code(name)
    if not network.multilingual:
        if code not in ("", "en") or options.task == "translate":
            raise AudioError("this model knows English only: choose a multilingual model, one without .en in its name")
        return "en"
    if code and code not in languages()[: network.num_languages]:
        raise AudioError(f"the model does not know the language {options.language!r}: give a code like en, de or zh")
    return code or None


def _budget(options: RecognitionOptions, written: int) -> int | None:
    """The tokens that are left of a window's budget; None = there is none."""
    return None if options.max_tokens is None else options.max_tokens - written


def task_of(network: Network[E], language: str, options: RecognitionOptions, *, budget: int | None) -> Task:
    """What the network is to write, at most `budget` tokens, and never more than half of its text context."""
    tokenizer = get_tokenizer(
        network.multilingual, num_languages=network.num_languages, language=language, task=options.task
    )
    half = network.n_text_ctx // 2
    hot, before = (
        tokenizer.encode(f" {text.strip()}", disallowed_special=()) if text else []
        for text in (options.hotwords, options.initial_prompt)
    )
    hot = hot[: half - 1]
    prompt = (*hot, *before[max(0, len(hot) + len(before) - (half - 1)) :])  # the end of a long prompt matters most
    free = network.n_text_ctx - len(prompt) - 1 - len(tokenizer.sot_sequence)
    return Task(tokenizer, prompt, min(half, free, half if budget is None else budget), options.beam_size)


def _answers(network: Network[E], encoded: E, task: Task, options: RecognitionOptions) -> list[_Answer]:
    """Each window's text; one that looks wrong is written again at the next temperature."""
    tried: dict[int, list[_Answer]] = {}
    rows: list[int] = []
    for temperature in options.temperatures:
        part = network.take(encoded, rows) if rows else encoded
        written = network.decode(part, task, temperature)
        rows = rows or list(range(len(written)))
        for row, decoded in zip(rows, written, strict=True):
            ratio = compression_ratio(task.tokenizer.decode(decoded.tokens).strip())
            scores = Scores(decoded.avg_logprob, decoded.no_speech_prob, ratio, temperature)
            tried.setdefault(row, []).append(_Answer(decoded.tokens, scores))
        rows = [row for row in rows if _looks_wrong(tried[row][-1].scores, options)]
        if not rows:
            break
    return [_best(answers, options) for _, answers in sorted(tried.items())]


def _looks_wrong(scores: Scores, options: RecognitionOptions) -> bool:
    doubted = scores.avg_logprob < options.logprob_threshold
    repetitive = scores.compression_ratio > options.compression_ratio_threshold
    return (doubted or repetitive) and not options.hears_silence(scores)


def _best(answers: list[_Answer], options: RecognitionOptions) -> _Answer:
    """The accepted answer; else, as faster-whisper chooses, the most probable of the least repetitive."""
    if not _looks_wrong(answers[-1].scores, options):
        return answers[-1]
    fluent = [a for a in answers if a.scores.compression_ratio <= options.compression_ratio_threshold]
    return max(fluent or answers, key=lambda answer: answer.scores.avg_logprob)


def _hear(rest: _Rest, answer: _Answer, task: Task, options: RecognitionOptions) -> _Heard:
    """Cut an answer into segments and see whether it covers all of its audio."""
    tokens, begin = answer.tokens, task.tokenizer.timestamp_begin
    drafts, unfinished = cut_at_timestamps(tokens, begin, len(rest.sound) / SAMPLE_RATE)
    covered_s = drafts[-1]["end"]
    spent = options.max_tokens is not None and rest.written + len(tokens) >= options.max_tokens
    if spent or rest.rounds + 1 == ROUNDS or covered_s == 0 or options.hears_silence(answer.scores):
        return _Heard(rest, answer, [*drafts, unfinished] if unfinished else drafts)
    if unfinished or (len(tokens) == task.max_tokens and tokens[-1] >= begin):
        return _Heard(rest, answer, drafts, resume_s=covered_s)
    cut_short = len(tokens) == task.max_tokens and not _looks_wrong(answer.scores, options)  # a loop would go on and on
    return _Heard(rest, answer, drafts, cut_short=cut_short)


def _time_words(network: Network[E], encoded: E, task: Task, heard: list[_Heard], *, always: bool) -> None:
    """Time the words of all texts, or only of those that were cut short, to learn where."""
    for one in heard:
        one.drafts = [draft for draft in one.drafts if any(token < task.tokenizer.eot for token in draft["tokens"])]
    rows = [row for row, one in enumerate(heard) if one.drafts and (always or one.cut_short)]
    if not rows:
        return
    frames = [max(2, len(heard[row].rest.sound) // HOP_LENGTH) for row in rows]
    part = encoded if len(rows) == len(heard) else network.take(encoded, rows)
    network.add_words(part, task.tokenizer, [heard[row].drafts for row in rows], frames)
    for one in (heard[row] for row in rows):
        if one.cut_short and (words := one.drafts[-1]["words"]):
            one.resume_s = words[-1]["end"]


def _segments(heard: _Heard, tokenizer: Tokenizer, *, words: bool) -> list[RecognizedSegment]:
    offset_s = heard.rest.start / SAMPLE_RATE
    return [
        RecognizedSegment(
            text=text,
            start_s=offset_s + float(draft["start"]),
            end_s=offset_s + float(draft["end"]),
            tokens=tuple(draft["tokens"]),
            scores=heard.answer.scores,
            words=tuple(_word(word, offset_s) for word in draft["words"]) if words else (),
        )
        for draft in heard.drafts
        if (text := tokenizer.decode([token for token in draft["tokens"] if token < tokenizer.eot])).strip()
    ]


def _word(timed: dict[str, Any], offset_s: float) -> Word:
    start_s, end_s, probability = (float(timed[key]) for key in ("start", "end", "probability"))
    return Word(timed["word"], offset_s + start_s, offset_s + end_s, probability)


def _left(heard: _Heard) -> _Rest | None:
    """What the next round has to decode of this window."""
    rest = heard.rest
    skipped = round((heard.resume_s or 0) * SAMPLE_RATE)
    sound = rest.sound[skipped:]
    if not skipped or len(sound) < MIN_REST:
        return None
    return _Rest(rest.window, sound, rest.start + skipped, rest.rounds + 1, rest.written + len(heard.answer.tokens))
