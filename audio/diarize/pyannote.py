"""pyannote.audio 4 as the judge of the whole meeting: better on real meetings, if its gated models are there.

Its models are pickles that can run any program, so only files whose SHA-256 is known are loaded. Its telemetry is
off before it is imported. On a machine without CUDA its dependencies torchaudio and torchcodec are often CUDA builds
that do not load; torchaudio works without its extension, and torchcodec is not needed, for the sound comes as an array.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import types
import warnings
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from audio.checksum import sha256_of
from audio.diarize.diarizer import DiarizeOptions
from audio.diarize.turns import Turn, joined
from audio.speech import SAMPLE_RATE, AudioChunk, AudioError

OFFICIAL = "pyannote/speaker-diarization-community-1"
KNOWN: frozenset[str] = frozenset()  # none could be checked here; speakers.sha256 lists what the user trusts
_PIPELINES = {"pyannote.audio.pipelines.SpeakerDiarization"}
_MODELS = ("segmentation", "embedding", "plda")
_PLAIN = {"pipeline", "params", "version", "dependencies", "freeze"}  # keys that bring no program
_ADVICE = "install it with `pip install rapporteur[diarize]`, or use the embedded engine"
PICKLES = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl", ".npz", ".npy"})


def diarize(
    chunks: Iterable[AudioChunk], pipeline: str, options: DiarizeOptions, *, allowed: Sequence[str], offline: bool
) -> list[Turn]:
    """The turns of a whole recording; where several speak at once there are several turns.

    Raises AudioError where pyannote.audio or the pipeline is missing, not trusted or fails.
    """
    folder = _trusted(_folder(pipeline, offline=offline), allowed)
    loaded = _load(folder)
    samples = np.concatenate([chunk.samples for chunk in chunks])
    import torch

    limits = {"min_speakers": options.least, "max_speakers": options.most}
    if options.least == options.most:
        limits = {"num_speakers": options.most}
    heard = {"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            output = loaded(heard, **{name: limit for name, limit in limits.items() if limit is not None})
    except (RuntimeError, ValueError, IndexError) as error:
        raise AudioError(
            f"pyannote could not tell the speakers apart ({error}); use the embedded engine: --speaker-engine embedded"
        ) from error
    return combined(_turns(output.speaker_diarization), _turns(output.exclusive_speaker_diarization))


def combined(overlapping: Sequence[Turn], exclusive: Sequence[Turn]) -> list[Turn]:
    """The exclusive turns, which fit words best, and from the others those stretches in which somebody else speaks."""
    found = list(exclusive)
    for turn in overlapping:
        rest = [(turn.start_s, turn.end_s)]
        for own in exclusive:
            if own.speaker == turn.speaker:
                rest = [piece for span in rest for piece in _without(span, (own.start_s, own.end_s))]
        found += [Turn(turn.speaker, start_s, end_s) for start_s, end_s in rest if end_s - start_s > 0.05]
    return joined(found, bridged_s=0.05)


def _without(span: tuple[float, float], cut: tuple[float, float]) -> list[tuple[float, float]]:
    pieces = [(span[0], min(span[1], cut[0])), (max(span[0], cut[1]), span[1])]
    return [piece for piece in pieces if piece[1] > piece[0]]


def _turns(annotation: Any) -> list[Turn]:
    return [Turn(str(who), float(at.start), float(at.end)) for at, _, who in annotation.itertracks(yield_label=True)]


def named(pipeline: str) -> None:
    """Raises AudioError where the settings name no pipeline."""
    if not pipeline:
        raise AudioError(f"pyannote needs a pipeline; set speakers.pipeline to a folder or to {OFFICIAL}")


def ready(pipeline: str, *, allowed: Sequence[str], offline: bool) -> None:
    """Raises AudioError, as `diarize` would, where it is clear before anything is heard that it could not be used."""
    _trusted(_folder(pipeline, offline=offline), allowed)
    if find_spec("pyannote") is None or find_spec("pyannote.audio") is None:
        raise AudioError(f"pyannote.audio is not installed; {_ADVICE}")


def _folder(pipeline: str, *, offline: bool) -> Path:
    named(pipeline)
    if Path(pipeline).is_dir():
        return Path(pipeline)
    if pipeline != OFFICIAL:
        raise AudioError(
            f"{pipeline} is neither a folder nor {OFFICIAL}; other names may run on somebody's servers and are refused"
        )
    if offline:
        raise AudioError(f"{OFFICIAL} would be downloaded, but recognition.offline is set; name a folder that has it")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    try:
        return Path(snapshot_download(OFFICIAL, token=os.environ.get("HF_TOKEN") or None))
    except GatedRepoError as error:
        raise AudioError(
            f"{OFFICIAL} is gated: accept its conditions at https://hf.co/{OFFICIAL}, make a token at "
            "https://hf.co/settings/tokens, and set HF_TOKEN to it"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise AudioError(f"{OFFICIAL} could not be downloaded ({type(error).__name__}); try again later") from error


def _trusted(folder: Path, allowed: Sequence[str]) -> Path:
    """`folder` if it asks for nothing outside of it, and every file that may hold a pickle is known by its checksum."""
    config = folder / "config.yaml"
    if not config.is_file():
        raise AudioError(f"{folder} holds no pyannote pipeline, for config.yaml is missing; name the pipeline's folder")
    _modest(config)
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix.lower() in PICKLES):
        checksum = sha256_of(path)
        if checksum not in KNOWN and checksum not in allowed:
            raise AudioError(
                f"{path} can run any program when it is loaded and its checksum is not known; if it is from a "
                f"source you trust, add {checksum} to speakers.sha256"
            )
    return folder


def _modest(config: Path) -> None:
    """Refuses a pipeline of another class, which may be any program or somebody's server, and models from elsewhere."""
    try:
        wanted = yaml.safe_load(config.read_text("utf-8"))
        pipeline, others = wanted["pipeline"], set(wanted) - _PLAIN
        name, parameters = pipeline["name"], pipeline.get("params", {})
        models = [parameters[part] for part in _MODELS if part in parameters]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise AudioError(f"{config} is no pyannote pipeline; download the pipeline again") from error
    if name not in _PIPELINES or others:
        raise AudioError(
            f"{config} wants {', '.join(sorted(map(str, others))) or name}, which is not part of a plain "
            f"speaker diarization; use the files of {OFFICIAL}"
        )
    if len(models) < len(_MODELS) or not all(re.fullmatch(r"\$model/[\w-]+", str(model)) for model in models):
        raise AudioError(
            f"{config} names models outside its folder; put {', '.join(_MODELS)} into it and write $model/segmentation"
        )


def _load(folder: Path) -> Any:
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    _importable_torchaudio()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that torchcodec is missing
            pipelines = importlib.import_module("pyannote.audio")
            loaded = pipelines.Pipeline.from_pretrained(folder)
    except (ImportError, OSError) as error:
        raise AudioError(f"pyannote.audio cannot be used ({type(error).__name__}: {error}); {_ADVICE}") from error
    if loaded is None:
        raise AudioError(f"{folder} is no pyannote pipeline that can be loaded; download it again")
    return loaded


def _importable_torchaudio() -> None:
    """A CUDA build of torchaudio beside a CPU torch: imported without its compiled extension."""
    try:
        importlib.import_module("torchaudio")
    except ImportError:
        return  # pyannote's own import says what is missing
    except OSError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
            del sys.modules[name]
        stand_in: Any = types.ModuleType("torchaudio._extension")
        stand_in._IS_TORCHAUDIO_EXT_AVAILABLE = stand_in._IS_ALIGN_AVAILABLE = False
        stand_in._check_cuda_version = lambda: None
        stand_in.fail_if_no_align = lambda function: function
        stand_in.__path__ = []
        sys.modules["torchaudio._extension"] = stand_in
        importlib.import_module("torchaudio")
