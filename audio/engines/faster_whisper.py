"""faster-whisper as a Transcriber: a CTranslate2 folder, on batches of windows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ctranslate2 import StorageView, set_random_seed
from faster_whisper import WhisperModel
from numpy.typing import NDArray

from audio.engines import RecognitionOptions, RecognizedSegment, RecognizedWindow
from audio.engines.drafts import draft
from audio.engines.features import Mel, suppressed
from audio.engines.rounds import STAMP_S, Decoded, Draft, Task, recognize_windows
from audio.speech import AudioError, Samples, Word

if TYPE_CHECKING:
    from whisper.tokenizer import Tokenizer

Features = NDArray[np.float32]  # (B, 1500, d)

_MAX_INITIAL_TIMESTAMP_S = 1.0  # whisper's default
_PREPENDED, _APPENDED = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"  # whisper's: punctuation that joins a word


class FasterWhisper:
    """A folder made by our converter or published for faster-whisper; nothing is ever downloaded.

    `compute_type` is one of CTranslate2's, `threads` its threads (0 = its default), shared by `workers` that take
    windows side by side. Two with one thread each do a batch in 0.6 of the time of one with two threads (8 million
    parameters, int8), but a single window has but one worker, and what is sampled depends on which of them does it.
    Raises AudioError where the folder lacks a file, is damaged, or cannot be run like that.
    """

    name = "faster-whisper"

    def __init__(
        self, folder: Path, *, device: str = "cpu", compute_type: str = "float32", threads: int = 0, workers: int = 1
    ) -> None:
        for name in ("model.bin", "tokenizer.json"):  # without the latter the library would ask the network
            if not (folder / name).is_file():
                raise AudioError(f"{folder} has no {name}: give a folder that was converted for faster-whisper")
        set_random_seed(0)  # a model's workers read it once: the same run samples the same text
        try:
            self._whisper = WhisperModel(
                str(folder),
                device=device,
                compute_type=compute_type,
                cpu_threads=-(-threads // workers),
                num_workers=workers,
                local_files_only=True,
            )
        except (RuntimeError, ValueError) as error:
            remedy = "convert it again, or choose another device or compute type"
            raise AudioError(f"{folder} does not run on {device} in {compute_type} ({error}): {remedy}") from error
        self._workers = workers
        self._side_by_side = ThreadPoolExecutor(workers).map
        self.model = str(folder)
        self._symbols: list[int] = _told(folder / "config.json").get("suppress_ids", [])
        self.multilingual: bool = self._whisper.model.is_multilingual
        self.num_languages = 100 if self._whisper.hf_tokenizer.token_to_id("<|yue|>") else 99
        self.n_mels: int = self._whisper.model.n_mels
        self.n_text_ctx: int = self._whisper.max_length

    def __call__(self, windows: Sequence[Samples], options: RecognitionOptions) -> list[RecognizedWindow]:
        return recognize_windows(self, windows, options)

    def draft(self, window: Samples, options: RecognitionOptions, *, timed: bool, whole: bool) -> RecognizedSegment:
        return draft(self, window, options, timed=timed, whole=whole)

    def encode(self, mel: Mel) -> Features:
        """Log-mel windows (B, M, 2F) to audio features; a CPU is nearly twice as fast window by window."""
        on_cpu = self._whisper.model.device == "cpu"
        parts = [StorageView.from_array(part) for part in np.split(mel, len(mel) if on_cpu else 1)]
        return np.concatenate(
            [*self._side_by_side(lambda part: _array(self._whisper.model.encode(part, to_cpu=True)), parts)]
        )

    def take(self, encoded: Features, rows: list[int]) -> Features:
        """Some of the windows."""
        return encoded[rows]

    def detect_languages(self, encoded: Features) -> list[str]:
        """The most probable language of each window."""
        ranked = self._whisper.model.detect_language(StorageView.from_array(encoded))
        return [best.strip("<|>") for (best, _), *_ in ranked]

    def decode(self, encoded: Features, task: Task, temperature: float) -> list[Decoded]:
        """One call of CTranslate2 for each worker's share of the windows, by whisper's rules on what may be written."""
        shares = np.array_split(encoded, max(1, min(self._workers, len(encoded))))
        written = self._side_by_side(lambda share: self._generate(share, task, temperature), shares)
        return [decoded for share in written for decoded in share]

    def _generate(self, encoded: Features, task: Task, temperature: float) -> list[Decoded]:
        prompt = task.initial_tokens
        results = self._whisper.model.generate(
            StorageView.from_array(np.ascontiguousarray(encoded)),
            [prompt] * len(encoded),
            beam_size=task.beam_size if temperature == 0 else 1,
            # it writes at most half of this, and at most this with all of the prompt but its last token
            max_length=max(2 * task.max_tokens, task.max_tokens + len(prompt) - 1),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=self._suppressed(task.tokenizer),
            max_initial_timestamp_index=round(_MAX_INITIAL_TIMESTAMP_S / STAMP_S),
            sampling_topk=1 if temperature == 0 else 0,
            sampling_temperature=temperature or 1.0,
        )
        written = [(result.sequences_ids[0], result.scores[0], result.no_speech_prob) for result in results]
        # the score is per token, whisper counts the end token, too
        return [Decoded(ids, score * len(ids) / (len(ids) + 1), silence) for ids, score, silence in written]

    def add_words(self, encoded: Features, tokenizer: Tokenizer, drafts: list[list[Draft]], frames: list[int]) -> None:
        """Put timed words into the segments; window by window, or one's last word would move the next one's first."""
        for features, segments, num_frames in zip(encoded, drafts, frames, strict=True):
            view = StorageView.from_array(features[None])
            self._whisper.add_word_timestamps([segments], tokenizer, view, [num_frames], _PREPENDED, _APPENDED, 0.0)

    def words(self, encoded: Features, task: Task, tokens: Sequence[int], frames: int) -> list[Word]:
        """Each word ends where CTranslate2's `align` ends it.

        It gives no attention, only the monotonic path through it (dynamic time warping over the alignment heads): what
        AlignAtt is told here are word times, not the attention itself.
        """
        text = [token for token in tokens if token < task.tokenizer.eot]
        found: list[Draft] = [{"seek": 0, "start": 0.0, "end": frames * 0.01, "tokens": text}]
        self.add_words(encoded, task.tokenizer, [found], [max(2, frames)])
        return [Word(w["word"], float(w["start"]), float(w["end"]), float(w["probability"])) for w in found[0]["words"]]

    def _suppressed(self, tokenizer: Tokenizer) -> list[int]:
        return suppressed(tokenizer, self._symbols)


def _array(view: StorageView) -> Features:
    return np.asarray(view, dtype=np.float32)


def _told(config: Path) -> dict[str, Any]:
    """A folder's configuration; none where it has none."""
    try:
        told: dict[str, Any] = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told
