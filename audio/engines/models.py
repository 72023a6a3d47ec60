"""Finds, checks and pulls Whisper weights: official names, files, CTranslate2 folders, the embedded model.

The names, addresses and checksums of the official models are those of the installed openai-whisper, and its
download folder is ours: what the `whisper` command fetched is found, and what we fetch it finds.
The libraries are imported where they are asked, so that commands that need none of them start at once.
"""

from __future__ import annotations

import ast
import difflib
import http.client
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Literal

from audio.checksum import sha256_of
from audio.engines.features import whisper_folder
from audio.speech import AudioError

Engine = Literal["openai-whisper", "faster-whisper"]
Progress = Callable[[int, int], None]  # bytes on this machine, bytes in all (0 = unknown)

EMBEDDED = Path(__file__).parents[1] / "embedded" / "model.pt"
# It is sure of its own voices: no sentence of the sample is below -0.45; what it writes over music is below -0.75.
EMBEDDED_LOGPROB = -0.7
EMBEDDED_WARNING = (
    "THE EMBEDDED MODEL UNDERSTANDS ONLY THE SYNTHETIC VOICES IT WAS MADE FROM (espeak-ng, flite), NOT PEOPLE: "
    "it shows that everything works; for human speech run `rapporteur models pull base.en`"
)

# What `auto` prefers among the models already here, best first. A GPU takes the most accurate. A processor alone
# needs 4.3 s a window for the encoder of `small` (2 cores), so anything above it is a last resort, lightest first.
ON_GPU = ("large-v3", "large-v3-turbo", "large-v2", "large-v1", "medium", "small", "base", "tiny")
ON_CPU = ("small", "base", "tiny", "medium", "large-v3-turbo", "large-v3", "large-v2", "large-v1")

# What "auto" computes in, where it is not float32.
_COMPUTE = {
    ("openai-whisper", "cuda"): "float16",
    ("faster-whisper", "cuda"): "float16",
    ("faster-whisper", "cpu"): "int8",
}
_HUB_OWNERS = ("Systran", "mobiuslabsgmbh")  # who publishes the conversions that faster-whisper fetches by name
_CT2_FILES = ("model.bin", "config.json", "tokenizer.json")  # without the last, faster-whisper asks the network


@dataclass(frozen=True)
class ModelFile:
    """Weights on this machine."""

    name: str  # official name, "embedded", or the path as it was given
    path: Path  # a checkpoint file or a CTranslate2 folder
    kind: Literal["pt", "ct2"]
    sha256: str = ""  # as published; "" where nobody published one


@dataclass(frozen=True)
class Choice:
    """What `auto` settled on; both sentences are for the user."""

    model: ModelFile
    reason: str
    warning: str = ""


@dataclass(frozen=True)
class _Source:
    """Where an official checkpoint is published."""

    name: str  # "large-v3" for "large", too
    url: str
    sha256: str  # the last folder of the URL


def resolve(name: str, *, engine: Engine, offline: bool = False, progress: Progress | None = None) -> ModelFile:
    """The intact file of an official name, of "embedded" or of a path; a missing official one is downloaded.

    Raises AudioError where there is none, where it is not for `engine`, or where it is missing and `offline`.
    """
    if name == "embedded":
        return _at_path(EMBEDDED, name, engine)
    if name not in _sources():
        return _at_path(Path(name).expanduser(), name, engine)
    found = _on_disk(name, engine)
    if found and _intact(found):
        return found
    if offline:
        state = f"{found.path} is damaged" if found else f"the model {name} is not on this machine"
        raise AudioError(f"{state}, and nothing is downloaded offline: run `rapporteur models pull {name}` once online")
    return pull(name, progress=progress)


def auto(
    configured: str,
    *,
    engine: Engine,
    device: str,
    language: str | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Choice:
    """The best official model already here; else `configured`, downloaded; else the embedded one with a warning.

    `device` is "cpu", "cuda" or "mps"; ON_CPU and ON_GPU are the order. A model for English only goes before its
    multilingual sister where `language` is "en", is the last resort where it is None, and is never taken for others.
    """
    best = next((model for model in _candidates(engine, device, language) if _intact(model)), None)
    if best:
        deaf = best.name.endswith(".en") and language is None
        warning = f"{best.name} understands English only; pull a multilingual model for other languages" if deaf else ""
        return Choice(best, f"{best.name} is the best model on this machine for the {device}", warning)
    try:
        model = resolve(configured, engine=engine, offline=offline, progress=progress)
    except AudioError as error:
        reason = f"no Whisper model is on this machine and {configured} could not be had ({error})"
        return Choice(resolve("embedded", engine=engine), reason, EMBEDDED_WARNING)
    reason = f"{configured} is configured and no other model is on this machine"
    return Choice(model, reason, EMBEDDED_WARNING if configured == "embedded" else "")


def installed(engine: Engine | None = None) -> list[ModelFile]:
    """Every model on this machine that `engine` (None: either) can use, best first; nothing is checked."""
    found = [
        model
        for size in ON_GPU
        for name in (size, f"{size}.en")
        for model in (_on_disk(name, "openai-whisper"), _hub_folder(name))
        if model and not (engine == "openai-whisper" and model.kind == "ct2")
    ]
    return found + ([ModelFile("embedded", EMBEDDED, "pt")] if EMBEDDED.is_file() else [])


def verify(model: ModelFile) -> None:
    """Checks the published SHA-256 where there is one, else loads the model without running code from it.

    Raises AudioError where the file is not what it should be.
    """
    if model.sha256:
        if not _intact(model):
            raise AudioError(
                f"{model.path} is not the published {model.name} (its SHA-256 differs): "
                f"run `rapporteur models pull {model.name}`"
            )
    elif model.kind == "pt":
        from audio.engines.convert import load_checkpoint

        load_checkpoint(model.path)
    else:
        import ctranslate2

        try:
            ctranslate2.models.Whisper(str(model.path), device="cpu")
        except (LookupError, MemoryError, RuntimeError, ValueError) as error:
            raise AudioError(f"{model.path} is not a usable CTranslate2 model ({error}): convert it again") from error


def pull(name: str, *, progress: Progress | None = None, timeout_s: float = 30.0) -> ModelFile:
    """Downloads an official model into whisper's folder, continuing what an earlier attempt left in `NAME.pt.part`.

    Only a file with the published SHA-256 gets its name; one that is already there is not fetched again. Raises
    AudioError where the download stops (the part stays) or the bytes are wrong (nothing stays).
    """
    source = _sources().get(name)
    if source is None:
        raise AudioError(_unknown(name))
    model = ModelFile(source.name, cache_folder() / f"{source.name}.pt", "pt", source.sha256)
    part = model.path.with_name(f"{model.path.name}.part")
    try:
        model.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(model.path.with_suffix(".lock")):
            if not _intact(model):
                _download(source, part, progress or (lambda done, total: None), timeout_s)
                _check(part, source)
                part.replace(model.path)
    except OSError as error:
        reason = f"{name} could not be kept in {model.path.parent} ({error.strerror or error})"
        raise AudioError(f"{reason}: make the folder writable or set XDG_CACHE_HOME") from error
    return model


def device_and_compute(engine: Engine, *, device: str = "auto", compute_type: str = "auto") -> tuple[str, str]:
    """The device ("cuda", "mps" or "cpu") and number type to run `engine` with; raises AudioError on what it cannot do.

    CTranslate2 does not know Apple's GPU: "mps" means the CPU there.
    """
    devices = _devices(engine)
    if device == "auto":
        device = devices[0]
    elif device == "mps" and engine == "faster-whisper":
        device = "cpu"
    if device not in devices:
        raise AudioError(f"{engine} finds no {device} here: choose auto or one of {', '.join(devices)}")
    if engine == "faster-whisper":
        import ctranslate2

        able = sorted(ctranslate2.get_supported_compute_types(device))
    else:
        able = ["float32"] if device == "cpu" else ["float16", "float32"]
    if compute_type not in ("auto", *able):
        raise AudioError(f"{engine} cannot compute in {compute_type} on {device}: choose auto or {', '.join(able)}")
    return device, _COMPUTE.get((engine, device), "float32") if compute_type == "auto" else compute_type


def official_names() -> list[str]:
    """The models that can be pulled."""
    return list(_sources())


def go_offline() -> None:
    """Shuts the libraries' own ways to model hubs; they look once, so call it before an engine is imported."""
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_DATASETS_OFFLINE="1")


def cache_folder() -> Path:
    """Where openai-whisper keeps its downloads."""
    return _user_cache() / "whisper"


def _sources() -> dict[str, _Source]:
    """By official name, aliases ("large", "turbo") included."""
    return {name: _Source(Path(url).stem, url, url.split("/")[-2]) for name, url in _urls().items()}


def _urls() -> dict[str, str]:
    """openai-whisper's table; read from its source until it is imported, which takes seconds: torch, numba."""
    if "whisper" in sys.modules:
        return sys.modules["whisper"]._MODELS  # type: ignore[no-any-return]
    return _urls_in_source()


@cache
def _urls_in_source() -> dict[str, str]:
    for node in ast.parse((whisper_folder() / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "_MODELS" for t in node.targets):
            urls: dict[str, str] = ast.literal_eval(node.value)
            return urls
    raise AudioError("this openai-whisper has no table of models: install the version that requirements.lock names")


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, [*_sources(), "embedded"], n=1)
    hint = f"did you mean {near[0]}?" if near else f"give a path, embedded or one of {', '.join(_sources())}"
    return f"there is no model and no file {name!r}: {hint}"


def _at_path(path: Path, name: str, engine: Engine) -> ModelFile:
    if path.is_file():
        return ModelFile(name, path, "pt")
    if not path.is_dir():
        if name == "embedded":
            raise AudioError("this installation has no embedded model: run `rapporteur models pull base.en`")
        raise AudioError(_unknown(name))
    if missing := [file for file in _CT2_FILES if not (path / file).is_file()]:
        raise AudioError(f"{path} is not a CTranslate2 model: it lacks {', '.join(missing)}; give the folder with them")
    if engine == "openai-whisper":
        raise AudioError(f"{path} is a CTranslate2 model: choose the engine faster-whisper, or give a .pt file")
    return ModelFile(name, path, "ct2")


def _on_disk(name: str, engine: Engine) -> ModelFile | None:
    """The downloaded model of an official name: for faster-whisper its own conversion first, ready to load."""
    source = _sources().get(name)
    if source is None:
        return None
    path = cache_folder() / f"{source.name}.pt"
    folder = _hub_folder(source.name) if engine == "faster-whisper" else None
    return folder or (ModelFile(source.name, path, "pt", source.sha256) if path.is_file() else None)


def _hub_folder(name: str) -> ModelFile | None:
    """The newest complete conversion of `name` that faster-whisper left in the hub's cache."""
    home = Path(os.environ.get("HF_HOME") or _user_cache() / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    snapshots = [
        folder
        for owner in _HUB_OWNERS
        for folder in hub.glob(f"models--{owner}--faster-whisper-{name}/snapshots/*")
        if all((folder / file).is_file() for file in _CT2_FILES)
    ]
    return ModelFile(name, max(snapshots, key=lambda folder: folder.stat().st_mtime), "ct2") if snapshots else None


def _user_cache() -> Path:
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError as error:  # as in a container whose user has no name
        raise AudioError("there is no home directory to keep models in; set XDG_CACHE_HOME to a folder") from error


def _candidates(engine: Engine, device: str, language: str | None) -> Iterator[ModelFile]:
    """Official models on this machine that understand `language`, best first."""
    sizes = ON_CPU if device == "cpu" else ON_GPU
    names = {
        "en": [name for size in sizes for name in (f"{size}.en", size)],
        None: [*sizes, *(f"{size}.en" for size in sizes)],
    }.get(language, [*sizes])
    return (model for name in names if (model := _on_disk(name, engine)))


def _intact(model: ModelFile) -> bool:
    """The file is there and is what was published; without a published checksum, it is there."""
    return model.path.exists() and (not model.sha256 or sha256_of(model.path) == model.sha256)


def _devices(engine: Engine) -> list[str]:
    """What `engine` can run on here, fastest first."""
    if engine == "faster-whisper":
        import ctranslate2

        return [*(["cuda"] if ctranslate2.get_cuda_device_count() else []), "cpu"]
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    return [*(["cuda"] if cuda else []), *(["mps"] if mps else []), "cpu"]


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Keeps a second process from writing the same part; Windows itself refuses to rename a file that is open."""
    with lock.open("w") as file:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AudioError(f"another process is downloading {lock.stem}: wait until it is done") from None
        yield


def _download(source: _Source, part: Path, progress: Progress, timeout_s: float) -> None:
    """Fetches what `part` lacks; a broken connection is renewed for as long as each brings something."""
    while True:
        before, cause = _size(part), "the connection closed early"
        try:
            if _fetch(source.url, part, progress, timeout_s):
                return
        except (OSError, http.client.HTTPException) as error:
            cause = str(error) or type(error).__name__
        if _size(part) <= before:
            raise AudioError(
                f"the download of {source.name} stopped after {_size(part) / 1e6:.1f} MB ({cause}): check network and "
                f"disk, then run `rapporteur models pull {source.name}` to continue it"
            )


def _fetch(url: str, part: Path, progress: Progress, timeout_s: float) -> bool:
    """One connection: appends to `part`, or starts it anew where the server knows no ranges; True = it is whole."""
    have = _size(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return True  # nothing lies beyond what is here; the checksum decides
        raise
    with answer:
        resumed = answer.status == HTTPStatus.PARTIAL_CONTENT
        total = (answer.length or 0) + (have if resumed else 0)
        with part.open("ab" if resumed else "wb") as file:
            while block := answer.read1(1 << 20):  # read() would lose up to a whole block to a timeout
                file.write(block)
                progress(file.tell(), total)
    return _size(part) >= total


def _check(part: Path, source: _Source) -> None:
    """Deletes a download that is not what was published."""
    if sha256_of(part) != source.sha256:
        part.unlink()
        raise AudioError(
            f"what arrived from {source.url} is not the published {source.name} (its SHA-256 differs) and was deleted: "
            "try again, or from another network"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
