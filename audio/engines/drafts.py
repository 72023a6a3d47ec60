"""A quick look at what a growing segment says so far: one greedy pass over just the audio there is.

Whisper's encoder is made for 30 s. A published model's text suffers where much less is put in; how much, and what is
gained, `python -m bench.live --context` measures. Letters: M mel bands, F encoder frames of 20 ms, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from audio.engines import RecognitionOptions, RecognizedSegment
from audio.engines.features import HOP_LENGTH, compression_ratio, log_mel
from audio.engines.rounds import Network, Task, spoken_language_code, task_of
from audio.speech import SAMPLE_RATE, Samples, Scores, Word

MARGIN_S = 0.5  # silence after the audio; without it the embedded model runs on and on, more of it changes little
GRAIN = 32  # mel frames, 0.32 s: lengths are multiples of it, for oneDNN keeps a program of its own for every length
TOKENS, TOKENS_PER_S = 8, 8  # a draft's budget; fast English speech takes about 5 a second, a loop all there are

E = TypeVar("E")


class DraftingNetwork(Network[E], Protocol[E]):
    """A network that also takes mels shorter than 30 s and says what it listened to."""

    def words(self, encoded: E, task: Task, tokens: Sequence[int], frames: int) -> list[Word]:
        """The words of one window; `end_s` is the newest audio that the decoder attended to for them.

        The first `frames` (10 ms each) of the window are audio.
        """


def draft(
    network: DraftingNetwork[E], window: Samples, options: RecognitionOptions, *, timed: bool, whole: bool
) -> RecognizedSegment:
    """What the window says; `timed`: words end where the decoder listened, else they are spread by their letters.

    `whole`: the encoder sees 30 s, as for final text, instead of the window and MARGIN_S.
    """
    length_s = len(window) / SAMPLE_RATE
    mel = log_mel([window], network.n_mels)
    if not whole:
        frames = -(-(len(window) + round(MARGIN_S * SAMPLE_RATE)) // (HOP_LENGTH * GRAIN)) * GRAIN
        mel = np.ascontiguousarray(mel[:, :, :frames])
    encoded = network.encode(mel)
    language = spoken_language_code(network, options) or network.detect_languages(encoded)[0]
    task = task_of(network, language, options, budget=TOKENS + round(TOKENS_PER_S * length_s))
    (written,) = network.decode(encoded, task, 0.0)
    spoken = [token for token in written.tokens if token < task.tokenizer.eot]
    text = task.tokenizer.decode(spoken)
    words = spread(text, length_s)
    if timed and spoken:
        words = network.words(encoded, task, written.tokens, len(window) // HOP_LENGTH)
    scores = Scores(written.avg_logprob, written.no_speech_prob, compression_ratio(text.strip()), 0.0)
    return RecognizedSegment(text, 0.0, length_s, tuple(written.tokens), scores, tuple(words))


def spread(text: str, length_s: float) -> list[Word]:
    """The words as if every letter took as long as any other; a text without spaces is one word."""
    words = [f" {word}" for word in text.split()]
    total, at, placed = sum(map(len, words)), 0, list[Word]()
    for word in words:
        start_s, at = at / total * length_s, at + len(word)
        placed.append(Word(word, start_s, at / total * length_s, 1.0))
    return placed


def joined(tokens: Sequence[int], ends_s: NDArray[np.float64], task: Task) -> list[Word]:
    """Words of text tokens with the newest moment that any of their tokens attended to, `ends_s` of shape (T,)."""
    texts, groups = task.tokenizer.split_to_word_tokens([*tokens, task.tokenizer.eot])
    words, at, before_s = list[Word](), 0, 0.0
    for text, group in zip(texts[:-1], groups[:-1], strict=True):
        end_s = float(ends_s[at : at + len(group)].max())
        at += len(group)
        if words and not text.startswith(" ") and not any(letter.isalnum() for letter in text):
            last = words.pop()  # punctuation belongs to the word before it
            text, end_s = last.text + text, last.end_s
            before_s = last.start_s
        words.append(Word(text, min(before_s, end_s), end_s, 1.0))
        before_s = end_s
    return words
