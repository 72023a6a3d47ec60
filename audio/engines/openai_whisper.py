"""openai-whisper as a Transcriber: whisper's own model and search, on batches of windows."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from threading import Lock
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from whisper.decoding import DecodingOptions, DecodingTask, PyTorchInference
from whisper.model import ModelDimensions, Whisper, disable_sdpa
from whisper.timing import add_word_timestamps
from whisper.tokenizer import Tokenizer

from audio.checksum import sha256_of
from audio.engines import RecognitionOptions, RecognizedSegment, RecognizedWindow
from audio.engines.convert import alignment_heads, load_checkpoint
from audio.engines.drafts import draft, joined
from audio.engines.features import N_FRAMES, Mel
from audio.engines.rounds import STAMP_S, Decoded, Draft, Task, recognize_windows
from audio.speech import AudioError, Samples, Word

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class OpenAIWhisper:
    """A checkpoint in whisper's official format. One meeting is decoded at a time, the others wait.

    `compute_type`: "float32", "float16" on a GPU, or "bfloat16", which runs the encoder in it and the decoder in
    float32 (1.4 times the encoder speed on a CPU with AVX-512 BF16). `threads`: torch's, 0 = leave as they are.
    Raises AudioError where the file is no Whisper checkpoint or the CPU is asked for float16.
    """

    name = "openai-whisper"

    def __init__(self, path: Path, *, device: str = "cpu", compute_type: str = "float32", threads: int = 0) -> None:
        if compute_type not in _DTYPES or (compute_type == "float16" and device == "cpu"):
            raise AudioError(f"{self.name} cannot compute in {compute_type} on {device}: choose float32 or bfloat16")
        if threads:
            torch.set_num_threads(threads)
        dims, weights = load_checkpoint(path)
        network = Whisper(dims)
        network.load_state_dict(weights)
        if heads := alignment_heads(sha256_of(path)):
            network.set_alignment_heads(heads)
        heads_in_time = network.alignment_heads  # a sparse matrix, which not every GPU can hold
        del network.alignment_heads
        self._dtype = _DTYPES[compute_type]
        for module in network.modules() if compute_type == "float16" else network.encoder.modules():
            if isinstance(module, (nn.Linear, nn.Conv1d, nn.Embedding)):  # layer norms stay in float32, as whisper's do
                module.to(self._dtype)
        self._network = network.eval().to(device)
        # whisper times words in float64, which Apple's GPU lacks
        decoder = deepcopy(network.decoder).to("cpu", torch.float32) if device == "mps" else network.decoder
        self._aligner = _Aligner(dims, decoder, heads_in_time)
        self._turn = Lock()  # whisper keeps a decoding's caches as hooks on the model
        self.model = str(path)
        self.multilingual: bool = network.is_multilingual
        self.num_languages: int = network.num_languages
        self.n_mels: int = dims.n_mels
        self.n_text_ctx: int = dims.n_text_ctx

    def __call__(self, windows: Sequence[Samples], options: RecognitionOptions) -> list[RecognizedWindow]:
        with self._turn, torch.inference_mode():
            return recognize_windows(self, windows, options)

    def draft(self, window: Samples, options: RecognitionOptions, *, timed: bool, whole: bool) -> RecognizedSegment:
        with self._turn, torch.inference_mode():
            return draft(self, window, options, timed=timed, whole=whole)

    def encode(self, mel: Mel) -> Tensor:
        """Log-mel windows (B, M, 2F) to audio features (B, F, d); a CPU is a quarter faster window by window."""
        on_cpu = self._network.device.type == "cpu"
        windows = torch.from_numpy(mel).to(self._network.device, self._dtype)
        features = torch.cat(
            [_encoded(self._network.encoder, part) for part in torch.split(windows, 1 if on_cpu else len(mel))]
        )
        return features.to(torch.float32) if self._dtype == torch.bfloat16 else features

    def take(self, encoded: Tensor, rows: list[int]) -> Tensor:
        """Some of the windows."""
        return encoded[rows]

    def detect_languages(self, encoded: Tensor) -> list[str]:
        """The most probable language of each window."""
        _, probabilities = self._network.detect_language(encoded)
        return [max(of_window, key=of_window.get) for of_window in probabilities]

    def decode(self, encoded: Tensor, task: Task, temperature: float) -> list[Decoded]:
        """One pass of whisper's search over all windows; a beam search takes them one by one, as whisper must."""
        beam = task.beam_size if temperature == 0 and task.beam_size > 1 else None
        options = DecodingOptions(
            task=task.tokenizer.task or "transcribe",
            language=task.tokenizer.language or "en",
            temperature=temperature,
            sample_len=task.max_tokens,
            beam_size=beam,
            prompt=list(task.prompt),
            fp16=self._dtype == torch.float16,
        )
        with torch.random.fork_rng(devices=[encoded.device] if encoded.is_cuda else []):
            torch.manual_seed(0)  # the same audio gives the same text, also when it is sampled
            results = [
                result
                for part in torch.split(encoded, 1 if beam else len(encoded))
                for result in self._search(options).run(part)
            ]
        return [Decoded(result.tokens, result.avg_logprob, result.no_speech_prob) for result in results]

    def add_words(self, encoded: Tensor, tokenizer: Tokenizer, drafts: list[list[Draft]], frames: list[int]) -> None:
        """Put timed words into the segments, by whisper's cross-attention alignment."""
        threads = torch.get_num_threads()
        for features, segments, num_frames in zip(encoded, drafts, frames, strict=True):
            try:
                add_word_timestamps(
                    segments=segments,
                    model=self._aligner,
                    tokenizer=tokenizer,
                    mel=self._aligner.fed(features),
                    num_frames=num_frames,
                    last_speech_timestamp=0.0,
                )
            finally:
                torch.set_num_threads(threads)  # numba, which whisper aligns with, sets it to all cores

    def words(self, encoded: Tensor, task: Task, tokens: Sequence[int], frames: int) -> list[Word]:
        """Each word ends at the newest frame that one of its tokens attended to most, as AlignAtt reads it.

        (Papi et al. 2023, section 3: the mean of the cross-attention over the heads that follow the audio.)
        """
        tokenizer = task.tokenizer
        text = [token for token in tokens if token < tokenizer.eot]
        read = [*tokenizer.sot_sequence, tokenizer.no_timestamps, *text]
        heads = self._aligner.alignment_heads.coalesce().indices().T.tolist()
        caught: dict[int, Tensor] = {}
        hooks = [
            block.cross_attn.register_forward_hook(lambda _, __, out, layer=layer: caught.update({layer: out[-1]}))
            for layer, block in enumerate(self._aligner.decoder.blocks)
        ]
        try:
            with disable_sdpa():  # else whisper computes no attention matrix
                self._aligner(self._aligner.fed(encoded), torch.tensor([read], device=self._aligner.device))
        finally:
            for hook in hooks:
                hook.remove()
        rows = slice(len(tokenizer.sot_sequence), len(read) - 1)  # the row that reads a token predicts the next one
        scores = torch.stack(
            [caught[layer][0, head, rows, : max(1, frames // 2)] for layer, head in heads]
        )  # (H, T, F)
        attended = scores.float().softmax(dim=-1).mean(dim=0).argmax(dim=-1)  # (T,)
        return joined(text, ((attended + 1) * STAMP_S).numpy(), task)

    def _search(self, options: DecodingOptions) -> DecodingTask:
        search = DecodingTask(self._network, options)
        search._get_audio_features = lambda features: features  # whisper would encode features of less than 30 s again
        if options.beam_size is None:
            search.inference = _Shrinking(self._network, len(search.initial_tokens), search.tokenizer.eot)
        return search


def _encoded(encoder: Any, mel: Tensor) -> Tensor:
    """Whisper's encoder, also of less than 30 s: it then uses only the first of its positions."""
    if mel.shape[-1] == N_FRAMES:
        features: Tensor = encoder(mel)
        return features
    x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel)))).permute(0, 2, 1)  # (B, F, d)
    x = (x + encoder.positional_embedding[: x.shape[1]]).to(x.dtype)
    for block in encoder.blocks:
        x = block(x)
    features = encoder.ln_post(x)
    return features


class _Aligner:
    """The model as whisper's word timing sees it, but fed with audio that is already encoded."""

    def __init__(self, dims: ModelDimensions, decoder: nn.Module, alignment_heads: Tensor) -> None:
        self.dims, self.alignment_heads = dims, alignment_heads
        self.decoder: Any = decoder
        self.device = next(decoder.parameters()).device

    def fed(self, features: Tensor) -> Tensor:
        """Audio features where the decoder is and in a type that it takes."""
        return features if features.device == self.device else features.to(self.device, torch.float32)

    def __call__(self, features: Tensor, tokens: Tensor) -> Tensor:
        logits: Tensor = self.decoder(tokens, features)
        return logits


class _Shrinking(PyTorchInference):  # type: ignore[misc]
    """Whisper's step of the decoder; windows that have ended leave it, and do not run on with the longest one."""

    def __init__(self, network: Any, initial_token_length: int, eot: int) -> None:
        super().__init__(network, initial_token_length)
        self.eot, self.rows = eot, torch.empty(0, dtype=torch.long)

    def logits(self, tokens: Tensor, audio_features: Tensor) -> Tensor:
        """Next-token logits (B, 1, vocabulary); rows that have ended get zeros, their next token is forced anyway."""
        if tokens.shape[1] <= self.initial_token_length:
            self.rows = torch.arange(len(tokens), device=tokens.device)
            first: Tensor = super().logits(tokens, audio_features)
            return first
        going = tokens[self.rows, -1] != self.eot
        if not going.all():
            self.rows = self.rows[going]
            for module, cached in self.kv_cache.items():
                self.kv_cache[module] = cached[going]
        # of the features only the type is still read: their keys and values are in the cache
        logits: Tensor = super().logits(tokens[self.rows], audio_features[:1])
        everywhere = logits.new_zeros(len(tokens), *logits.shape[1:])
        everywhere[self.rows] = logits
        return everywhere
