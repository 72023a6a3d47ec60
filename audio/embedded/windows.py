"""Training windows: spoken sentences packed into fixed lengths, with Whisper's target tokens.

Letters: B windows, N samples, T tokens, F encoder frames (50 a second).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from whisper.audio import HOP_LENGTH, N_FFT, mel_filters
from whisper.tokenizer import Tokenizer

from audio.embedded.phones import FRAME, PAUSE, PHONES
from audio.embedded.texts import stutters, words
from audio.speech import SAMPLE_RATE

FRAMES_PER_SECOND = 50  # encoder frames: HOP_LENGTH of 160 samples, then a stride of 2
CTC_LETTERS = " abcdefghijklmnopqrstuvwxyz'"  # index + 1; 0 is the blank
FIRST_TIMESTAMP_LIMIT = 50  # Whisper's decoder allows at most 1.00 s (50 x 20 ms) for the first one
IGNORED = -100
SLOPES = (0.0, 0.5, 1.0, 1.5, 2.0)  # of a noise's power over frequency, 1 / f ** slope: white, pink, brown and between
NOISE_S = 64  # of each
PROMPTED, STAMPED = 0.6, 0.7  # windows with a prompt; prompts with timestamps
PROMPT_TOKENS = 223  # Whisper keeps so many
PROMPT_LINES = 26  # at most; after a minute of a meeting every prompt is of full length
STAMPS = 1501  # timestamp tokens: 0.00 to 30.00 s
MISREAD, WRONG = 0.6, 0.15  # windows whose decoder reads mistakes; of their words at most
LOOPED, LOOP_TOKENS = 0.3, 10  # of these windows; at most, read twice
STAMP_ERROR = 5  # timestamps at most, 0.1 s


@dataclass(frozen=True)
class Line:
    """One spoken sentence of the recorded set: `start` and `stop` in samples of `Speech.audio`."""

    text: str
    voice: str
    start: int
    stop: int
    frame: int  # its first one in `Speech.phones`


class Speech:
    """The recorded sentences of one or several folders written by `voices.record`."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.audio: list[NDArray[np.int16]] = []
        self._phones: list[NDArray[np.uint8]] = []
        self.lines: list[tuple[int, Line]] = []
        for folder in folders:
            recorded = json.loads((folder / "lines.json").read_text(encoding="utf-8"))
            lines = [Line(*line) for line in recorded]
            self.lines += [(len(self.audio), line) for line in lines if not stutters(line.text)]
            self.audio.append(np.load(folder / "audio.npy", mmap_mode="r"))
            self._phones.append(np.load(folder / "phones.npy"))

    def samples(self, index: int) -> NDArray[np.float32]:
        """Sentence `index`, shape (N,), in [-1, 1]."""
        part, line = self.lines[index]
        return (self.audio[part][line.start : line.stop] / np.float32(32768)).astype(np.float32)

    def phones(self, index: int) -> NDArray[np.uint8]:
        """The phone of each 20-ms frame of sentence `index`, shape (ceil(N / 320),)."""
        part, line = self.lines[index]
        return self._phones[part][line.frame : line.frame - (line.start - line.stop) // FRAME]


@dataclass(frozen=True)
class Vocabulary:
    """The tokens that training can produce, numbered densely; all others share the last number.

    Whisper's English vocabulary has 51,864 tokens, the closed vocabulary needs about 4,500 of them:
    training on the short list makes the output layer ten times cheaper.
    """

    kept: tuple[int, ...]
    size: int  # of the full vocabulary

    @cached_property
    def _number(self) -> dict[int, int]:
        return {token: i for i, token in enumerate(self.kept)}

    def encode(self, tokens: Iterable[int]) -> list[int]:
        """Full token ids to short numbers."""
        return [self._number.get(token, len(self.kept)) for token in tokens]

    @classmethod
    def of(cls, sentences: Iterable[str], known: Iterable[str], tokenizer: Tokenizer) -> Vocabulary:
        """All tokens of `sentences`, of the `known` words in three spellings, and all special tokens."""
        texts = {f" {s}" for s in sentences}
        texts |= {form for w in known for form in (f" {w}", f" {w.capitalize()}", w)}
        tokens = {t for text in texts for t in tokenizer.encode(text)}
        size = tokenizer.timestamp_begin + STAMPS
        return cls(tuple(sorted(tokens | set(range(tokenizer.eot, size)))), size)


@dataclass(frozen=True)
class Batch:
    """What one training step reads."""

    audio: Tensor  # (B, N) float32
    ceiling: Tensor  # (B,) log10 units added to the loudest mel bin, as a louder file around it would
    tokens: Tensor  # (B, T) decoder input, short numbers
    targets: Tensor  # (B, T) next token or IGNORED
    places: Tensor  # (B, T) encoder frame where the target is spoken, in the window; -1 where it is not
    letters: list[Tensor]  # CTC targets; empty where the text of the audio is not fully known
    phones: Tensor  # (B, F) what is spoken in each encoder frame
    offset: int  # encoder frames that this window is pretended to start at


def log_mel(audio: Tensor, ceiling: Tensor, filters: Tensor) -> Tensor:
    """Whisper's log-mel spectrogram with the clamp taken per window: (B, N) -> (B, 80, N / 160)."""
    stft = torch.stft(audio, N_FFT, HOP_LENGTH, window=torch.hann_window(N_FFT), return_complex=True)
    mel = filters @ (stft[..., :-1].abs() ** 2)
    log_spec = torch.clamp(mel, min=1e-10).log10()
    top = log_spec.amax(dim=(1, 2), keepdim=True) + ceiling[:, None, None]
    scaled: Tensor = (torch.maximum(log_spec, top - 8.0) + 4.0) / 4.0
    return scaled


def english_filters() -> Tensor:
    """Whisper's 80 mel filters, shape (80, 201)."""
    filters: Tensor = mel_filters("cpu", 80)
    return filters


def letters_of(text: str) -> list[int]:
    """CTC target of a text: letters, spaces and apostrophes."""
    return [CTC_LETTERS.index(c) + 1 for c in " ".join(words(text))]


@dataclass(frozen=True)
class _Window:
    """One drawn window."""

    audio: NDArray[np.float32]  # (N,)
    tokens: list[int]  # full ids: optional previous text, <sot>, ..., <eot>
    places: list[int]  # the frames where those after <sot> are spoken
    letters: list[int]  # CTC
    phones: NDArray[np.uint8]  # (F,)


class Windows:
    """Draws random training windows; one generator, so a seed gives the same windows again."""

    def __init__(self, speech: Speech, vocabulary: Vocabulary, tokenizer: Tokenizer, seed: int) -> None:
        self.speech, self.vocabulary, self.tokenizer = speech, vocabulary, tokenizer
        self.rng = np.random.default_rng(seed)
        self._noises = [coloured_noise(NOISE_S * SAMPLE_RATE, slope, self.rng) for slope in SLOPES]

    def batch(self, count: int, seconds: int, *, shifted: bool) -> Batch:
        """`count` windows of `seconds`; `shifted` moves positions and timestamps to a random place."""
        offset = int(self.rng.integers(0, 1500 - seconds * FRAMES_PER_SECOND + 1)) if shifted else 0
        drawn = [self._window(seconds, offset) for _ in range(count)]
        longest = max(len(window.tokens) for window in drawn) - 1
        eot, begin = self.vocabulary.encode([self.tokenizer.eot, self.tokenizer.timestamp_begin])
        tokens, targets = torch.full((count, longest), eot), torch.full((count, longest), IGNORED)
        places = torch.full((count, longest), -1)
        for row, window in enumerate(drawn):
            ids, prompt = torch.tensor(self.vocabulary.encode(window.tokens)), window.tokens.index(self.tokenizer.sot)
            tokens[row, : len(ids) - 1] = misread(ids[:-1], eot, begin, self.rng)
            targets[row, prompt : len(ids) - 1] = ids[prompt + 1 :]
            places[row, prompt : prompt + len(window.places)] = torch.tensor(window.places)
            if self.tokenizer.no_speech in window.tokens:  # at <sot> predict "no speech", then end at once
                tokens[row, 1 : len(ids) - 1] = begin
        ceiling = torch.tensor(self.rng.uniform(0, 0.6, count) * (self.rng.random(count) < 0.5), dtype=torch.float32)
        audio = torch.from_numpy(np.stack([window.audio for window in drawn]))
        phones = torch.from_numpy(np.stack([window.phones for window in drawn]).astype(np.int64))
        letters = [torch.tensor(window.letters) for window in drawn]
        return Batch(audio, ceiling, tokens, targets, places, letters, phones, offset)

    def _window(self, seconds: int, offset: int) -> _Window:
        rng, size = self.rng, seconds * SAMPLE_RATE
        audio = np.zeros(size, np.float32)
        phones = np.full(seconds * FRAMES_PER_SECOND, PHONES.index(PAUSE), np.uint8)
        if rng.random() < 0.03:
            audio += self._noise(size) * np.float32(10 ** rng.uniform(-5, -1.5))
            return _Window(audio, [self.tokenizer.sot, self.tokenizer.no_speech, self.tokenizer.eot], [-1], [], phones)
        spoken, cut_at = self._fill(audio, phones)
        audio *= np.float32(10 ** rng.uniform(-0.7, 0))
        audio += self._noise(size) * np.float32(10 ** rng.uniform(-5, -2.3))
        tokens, places = self._tokens(spoken, cut_at, offset)
        text = " ".join(self.speech.lines[index][1].text for index, _ in spoken)
        return _Window(audio, tokens, places, letters_of(text) if cut_at is None else [], phones)

    def _noise(self, size: int) -> NDArray[np.float32]:
        """Two colours in random parts, RMS 1: who knows white noise alone takes a quiet room's for speech."""
        total = np.zeros(size, np.float32)
        share = float(self.rng.random())
        for part in (share, 1 - share):
            noise = self._noises[int(self.rng.integers(len(self._noises)))]
            at = int(self.rng.integers(len(noise) - size + 1))
            total += np.float32(part**0.5) * noise[at : at + size]
        return total

    def _fill(self, audio: NDArray[np.float32], phones: NDArray[np.uint8]) -> tuple[list[tuple[int, int]], int | None]:
        """Put sentences into `audio`; returns them with their start sample, and where a cut one starts."""
        rng, spoken = self.rng, list[tuple[int, int]]()
        full = len(audio) < 20 * SAMPLE_RATE or rng.random() < 0.6
        stop = len(audio) if full else int(len(audio) * rng.uniform(0.15, 1))
        at = int(rng.uniform(0, 0.9) * SAMPLE_RATE)
        while True:
            index = int(rng.integers(len(self.speech.lines)))
            samples, heard = self.speech.samples(index), self.speech.phones(index)
            if at + len(samples) > stop:
                if not spoken and len(samples) > 0.8 * len(audio):
                    continue  # longer than any window of this length: draw another
                if not spoken:
                    at = max(0, stop - len(samples))
                    stop = len(audio)
                    continue
                if stop == len(audio) and rng.random() < 0.4 and stop - at > SAMPLE_RATE // 2:
                    audio[at:] += samples[: stop - at]
                    _place(phones, frame_of(at), heard)
                    return spoken, at
                return spoken, None
            audio[at : at + len(samples)] += samples * np.float32(rng.uniform(0.5, 1))
            _place(phones, frame_of(at), heard)
            spoken.append((index, at))
            at += len(samples) + int(rng.choice([0.15, 0.5, 1.2]) * rng.uniform(0.5, 1.5) * SAMPLE_RATE)

    def _tokens(self, spoken: list[tuple[int, int]], cut_at: int | None, offset: int) -> tuple[list[int], list[int]]:
        """Whisper's sequence (optional previous text, <sot>, segments between timestamps) and its frames."""
        tokenizer, rng, begin = self.tokenizer, self.rng, self.tokenizer.timestamp_begin
        timed = rng.random() >= 0.2 or cut_at is not None
        body, frames = (list[int](), list[int]()) if timed else ([tokenizer.no_timestamps], [-1])
        for index, at in spoken:
            line = self.speech.lines[index][1]
            first, last = frame_of(at), min(frame_of(at + line.stop - line.start), 1500 - offset)
            text = tokenizer.encode(" " + line.text)
            middles = [first + place for place in _spread(text, self.speech.phones(index), tokenizer)]
            body += [begin + offset + first, *text, begin + offset + last] if timed else text
            frames += [first, *middles, last] if timed else middles
        if timed and not offset:
            body[0] = min(body[0], begin + FIRST_TIMESTAMP_LIMIT)
        if cut_at is not None:
            body.append(begin + offset + frame_of(cut_at))
            frames.append(frame_of(cut_at))
        return [*self._prompt(), tokenizer.sot, *body, tokenizer.eot], frames

    def _prompt(self) -> list[int]:
        """The text before, which many windows have: `transcribe` gives it with its timestamps, users without."""
        if self.rng.random() >= PROMPTED:
            return []
        tokenizer, begin = self.tokenizer, self.tokenizer.timestamp_begin
        stamped, before, at = self.rng.random() < STAMPED, list[int](), 0
        for index in self.rng.integers(len(self.speech.lines), size=int(self.rng.integers(1, PROMPT_LINES + 1))):
            line = self.speech.lines[int(index)][1]
            text, length = tokenizer.encode(" " + line.text), frame_of(line.stop - line.start)
            start = at + int(self.rng.integers(10, 60))
            start = start if start + length < STAMPS else 0  # the next window of 30 s
            at = start + length
            before += [begin + start, *text, begin + min(at, STAMPS - 1)] if stamped else text
        return [tokenizer.sot_prev, *before[-PROMPT_TOKENS:]]


def misread(ids: Tensor, eot: int, begin: int, rng: np.random.Generator) -> Tensor:
    """What the decoder reads of the truth: (T,) short numbers -> (T,), in many windows wrong in places.

    At recognition it reads its own mistakes; who has only read the truth loses its place after the first, or
    says what it has just said again (exposure bias: Bengio et al. 2015, scheduled sampling). Wrong words come from
    anywhere in the vocabulary or from elsewhere in the window; text numbers are those under `eot`, timestamps
    those from `begin` on.
    """
    if rng.random() >= MISREAD:
        return ids
    read, text = ids.numpy().copy(), np.flatnonzero(ids.numpy() < eot)
    if len(text):
        wrong = text[rng.random(len(text)) < rng.uniform(0, WRONG)]
        anywhere, elsewhere = rng.integers(eot, size=len(wrong)), read[rng.choice(text, len(wrong))]
        read[wrong] = np.where(rng.random(len(wrong)) < 0.5, anywhere, elsewhere)
    if len(text) > 2 * LOOP_TOKENS and rng.random() < LOOPED:
        length = int(rng.integers(1, LOOP_TOKENS + 1))
        at = int(rng.integers(length, len(text) - length + 1))
        read[text[at : at + length]] = read[text[at - length : at]]
    stamps = np.flatnonzero((read >= begin) & (read < begin + STAMPS))
    moved = read[stamps] + rng.integers(-STAMP_ERROR, STAMP_ERROR + 1, size=len(stamps))
    read[stamps] = moved.clip(begin, begin + STAMPS - 1)
    return torch.from_numpy(read)


def coloured_noise(length: int, slope: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise whose power falls as 1 / f ** `slope` from 30 Hz on, RMS 1, shape (length,)."""
    spectrum = np.fft.rfft(rng.standard_normal(length).astype(np.float32))
    hertz = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    spectrum *= np.maximum(hertz, 30) ** (-slope / 2)
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, length)
    scaled: NDArray[np.float32] = (noise / noise.std()).astype(np.float32)
    return scaled


def frame_of(sample: int) -> int:
    """The encoder frame at a sample."""
    return round(sample * FRAMES_PER_SECOND / SAMPLE_RATE)


def _place(phones: NDArray[np.uint8], first: int, heard: NDArray[np.uint8]) -> None:
    """Write a sentence's phones into a window's, from frame `first` as far as it goes."""
    room = phones[first : first + len(heard)]
    room[:] = heard[: len(room)]


def _spread(tokens: list[int], heard: NDArray[np.uint8], tokenizer: Tokenizer) -> list[int]:
    """Where each token of a sentence is spoken, if every letter takes as long as any other and pauses none."""
    ends = np.cumsum([len(tokenizer.decode([token])) for token in tokens])
    middles = (ends - np.diff(ends, prepend=0) / 2) / ends[-1]
    voiced = np.flatnonzero(heard != PHONES.index(PAUSE))
    return [int(voiced[int(m * len(voiced))]) for m in middles]
