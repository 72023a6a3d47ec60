"""Models are found, checked and pulled; all downloads come from a server in the test, the real one is never asked."""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import ctranslate2
import pytest
import torch
import whisper
from whisper.model import ModelDimensions, Whisper

from audio.engines import models
from audio.engines.models import EMBEDDED_WARNING, Engine, auto, device_and_compute, installed, pull, resolve, verify
from audio.speech import AudioError

SIZE = 400_000  # bytes of every published "model"
CUT = 150_000  # bytes after which a server that cuts, cuts


def content(file: str) -> bytes:
    """What the server publishes as `file`."""
    return hashlib.shake_128(file.encode()).digest(SIZE)


@dataclass
class Host:
    """A publisher of models and its misbehaviour."""

    url: str = ""
    ranges: list[str] = field(default_factory=list)  # the Range header of every request, "" = none
    sent: int = 0  # bytes of bodies
    cut: int | None = None  # bytes that every connection brings before it breaks
    knows_ranges: bool = True
    corrupt: bool = False
    status: int = 200
    hang: threading.Event | None = None  # a connection that is cut stays open, silent, until this is set

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.ranges.append(request.headers.get("Range", ""))
        body = content(Path(request.path).name)
        start = int(self.ranges[-1].removeprefix("bytes=").removesuffix("-") or 0) if self.knows_ranges else 0
        status = self.status if self.status != 200 else 416 if start >= SIZE else 206 if start else 200
        request.send_response(status)
        body = b"" if status in (404, 416) else body[start:]
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        body = b"\0" * len(body) if self.corrupt else body
        self.sent += len(body[: self.cut])  # before the client can know
        request.wfile.write(body[: self.cut])
        if self.hang and self.cut is not None:
            self.hang.wait(10)


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host.answer(self)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        host.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield host
        if host.hang:
            host.hang.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def machine(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without models; returns the folder of whisper's downloads."""
    for variable in ("HF_HOME", "HF_HUB_CACHE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(models, "EMBEDDED", tmp_path / "embedded.pt")
    (tmp_path / "embedded.pt").write_bytes(b"embedded")
    published = {name: Path(url).name for name, url in whisper._MODELS.items()}
    table = {n: f"{host.url}/{hashlib.sha256(content(file)).hexdigest()}/{file}" for n, file in published.items()}
    monkeypatch.setattr(whisper, "_MODELS", table)
    return tmp_path / "cache" / "whisper"


def put(machine: Path, *names: str) -> None:
    """As if the whisper command had downloaded them."""
    machine.mkdir(parents=True, exist_ok=True)
    for name in names:
        (machine / f"{name}.pt").write_bytes(content(f"{name}.pt"))


def put_hub(name: str, owner: str = "Systran", snapshot: str = "1") -> Path:
    """As if faster-whisper had downloaded it."""
    cache = Path(os.environ["XDG_CACHE_HOME"], "huggingface", "hub")
    folder = cache / f"models--{owner}--faster-whisper-{name}" / "snapshots" / snapshot
    folder.mkdir(parents=True)
    for file in ("model.bin", "config.json", "tokenizer.json"):
        (folder / file).write_text("{}")
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_pull_keeps_the_published_bytes_and_tells_how_far_it_is(machine: Path, host: Host) -> None:
    steps: list[tuple[int, int]] = []
    model = pull("base.en", progress=lambda done, total: steps.append((done, total)))
    assert model.path.read_bytes() == content("base.en.pt")
    assert names(machine) == {"base.en.pt"}
    assert steps == sorted(steps)
    assert {total for _, total in steps} == {SIZE}
    assert steps[-1][0] == SIZE
    assert pull("base.en") == model
    assert len(host.ranges) == 1  # what is here is not fetched again


def test_an_alias_is_the_same_file(host: Host) -> None:
    assert pull("turbo") == pull("large-v3-turbo")
    assert resolve("large", engine="openai-whisper") == resolve("large-v3", engine="openai-whisper")
    assert len(host.ranges) == 2


def test_pull_renews_connections_that_break(host: Host) -> None:
    host.cut = CUT
    assert pull("tiny").path.read_bytes() == content("tiny.pt")
    assert host.ranges == ["", f"bytes={CUT}-", f"bytes={2 * CUT}-"]


def test_pull_keeps_what_came_before_a_silence(host: Host) -> None:
    host.cut, host.hang = CUT, threading.Event()
    assert pull("tiny", timeout_s=0.3).path.read_bytes() == content("tiny.pt")
    assert host.ranges == ["", f"bytes={CUT}-", f"bytes={2 * CUT}-"]


def test_a_stopped_pull_is_continued_by_the_next(machine: Path, host: Host) -> None:
    machine.mkdir(parents=True)
    (machine / "tiny.pt.part").write_bytes(content("tiny.pt")[:CUT])
    host.cut = 0
    with pytest.raises(AudioError, match=r"stopped after 0\.1 MB .*run `rapporteur models pull tiny` to continue"):
        pull("tiny")
    assert names(machine) == {"tiny.pt.part"}
    host.cut = None
    assert pull("tiny").path.read_bytes() == content("tiny.pt")
    assert host.sent == SIZE - CUT
    assert names(machine) == {"tiny.pt"}


def test_a_server_without_ranges_starts_anew(machine: Path, host: Host) -> None:
    machine.mkdir(parents=True)
    (machine / "tiny.pt.part").write_bytes(content("tiny.pt")[:CUT])
    host.knows_ranges = False
    assert pull("tiny").path.read_bytes() == content("tiny.pt")


def test_wrong_bytes_are_refused_and_not_kept(machine: Path, host: Host) -> None:
    host.corrupt = True
    with pytest.raises(AudioError, match=r"SHA-256 differs\) and was deleted"):
        pull("tiny")
    assert names(machine) == set()


@pytest.mark.parametrize("surplus", [b"", b"more"])
def test_a_part_that_lacks_nothing_is_judged_by_its_checksum(surplus: bytes, machine: Path) -> None:
    machine.mkdir(parents=True)
    (machine / "tiny.pt.part").write_bytes(content("tiny.pt") + surplus)
    if surplus:
        with pytest.raises(AudioError, match="deleted"):
            pull("tiny")
    assert pull("tiny").path.read_bytes() == content("tiny.pt")


def test_what_the_network_does_is_one_sentence(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.status = 404
    with pytest.raises(AudioError, match="404"):
        pull("tiny")
    host.status, host.cut, host.hang = 200, 0, threading.Event()
    with pytest.raises(AudioError, match="timed out"):
        pull("tiny", timeout_s=0.2)
    monkeypatch.setitem(whisper._MODELS, "base", f"http://127.0.0.1:9/{'0' * 64}/base.pt")  # port 9: nobody listens
    with pytest.raises(AudioError, match="refused"):
        pull("base")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows guards the part itself")
def test_two_processes_do_not_write_the_same_part(machine: Path, host: Host) -> None:
    import fcntl

    machine.mkdir(parents=True)
    with (machine / "tiny.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        with pytest.raises(AudioError, match="another process is downloading tiny"):
            pull("tiny")
    assert host.ranges == []
    assert pull("tiny").path.is_file()


def test_a_folder_that_cannot_be_written_is_named(machine: Path) -> None:
    machine.parent.mkdir()
    machine.write_text("a file where the folder should be")
    with pytest.raises(AudioError, match="XDG_CACHE_HOME"):
        pull("tiny")


def test_a_damaged_download_is_mended_online_and_named_offline(machine: Path, host: Host) -> None:
    put(machine, "base")
    (machine / "base.pt").write_bytes(content("base.pt")[:-1])  # as an interrupted whisper command leaves it
    with pytest.raises(AudioError, match="damaged"):
        resolve("base", engine="openai-whisper", offline=True)
    assert host.ranges == []
    assert resolve("base", engine="openai-whisper").path.read_bytes() == content("base.pt")


def test_offline_asks_nobody(host: Host) -> None:
    with pytest.raises(AudioError, match="tiny is not on this machine, and nothing is downloaded offline"):
        resolve("tiny", engine="faster-whisper", offline=True)
    assert auto("base.en", engine="openai-whisper", device="cpu", offline=True).model.name == "embedded"
    assert host.ranges == []


def test_names_that_nobody_knows_get_a_hint() -> None:
    with pytest.raises(AudioError, match=r"did you mean base\.en"):
        resolve("base-en", engine="openai-whisper")
    with pytest.raises(AudioError, match=r"one of tiny\.en"):
        resolve("./zzz/qqq.bin", engine="openai-whisper")
    with pytest.raises(AudioError, match="no model and no file"):
        pull("embedded-or-not")


def test_paths_are_taken_for_what_they_are(tmp_path: Path) -> None:
    file, folder = tmp_path / "mine.pt", put_hub("mine")
    file.write_bytes(b"")
    assert resolve(str(file), engine="faster-whisper").kind == "pt"
    assert resolve(str(folder), engine="faster-whisper").kind == "ct2"
    with pytest.raises(AudioError, match="choose the engine faster-whisper"):
        resolve(str(folder), engine="openai-whisper")
    (folder / "tokenizer.json").unlink()  # faster-whisper would fetch one
    with pytest.raises(AudioError, match=r"lacks tokenizer\.json"):
        resolve(str(folder), engine="faster-whisper")


def test_an_installation_without_the_embedded_model_says_so() -> None:
    assert resolve("embedded", engine="faster-whisper").path == models.EMBEDDED
    models.EMBEDDED.unlink()
    with pytest.raises(AudioError, match="no embedded model"):
        resolve("embedded", engine="faster-whisper")
    assert installed() == []


def test_faster_whispers_own_downloads_are_found(machine: Path) -> None:
    put(machine, "small")
    old, new = put_hub("small", snapshot="old"), put_hub("small", snapshot="new")
    os.utime(old, (1, 1))
    (put_hub("base") / "model.bin").unlink()  # broken off
    turbo = put_hub("large-v3-turbo", owner="mobiuslabsgmbh")
    put_hub("medium", owner="somebody")
    assert resolve("small", engine="faster-whisper", offline=True).path == new
    assert resolve("small", engine="openai-whisper", offline=True).kind == "pt"
    assert resolve("turbo", engine="faster-whisper", offline=True).path == turbo
    for name in ("base", "medium"):
        with pytest.raises(AudioError, match="offline"):
            resolve(name, engine="faster-whisper", offline=True)


@pytest.mark.parametrize(
    ("here", "device", "language", "best"),
    [
        ("tiny base small large-v3", "cuda", None, "large-v3"),
        ("tiny base small large-v3", "cpu", None, "small"),
        ("large-v2 large-v3-turbo medium", "cpu", None, "medium"),
        ("large-v2 large-v3-turbo medium", "mps", None, "large-v3-turbo"),
        ("base base.en tiny.en", "cpu", "en", "base.en"),
        ("base base.en tiny.en", "cpu", "de", "base"),
        ("base base.en small.en", "cpu", None, "base"),
        ("base tiny.en", "cpu", "en", "base"),
    ],
)
def test_auto_takes_the_best_that_is_here(here: str, device: str, language: str, best: str, machine: Path) -> None:
    put(machine, *here.split())
    choice = auto("base.en", engine="openai-whisper", device=device, language=language)
    assert choice.model.name == best
    assert best in choice.reason
    assert choice.warning == ""


def test_auto_warns_where_only_english_is_here(machine: Path, host: Host) -> None:
    put(machine, "base.en")
    assert "English only" in auto("base", engine="openai-whisper", device="cpu").warning
    assert auto("base", engine="openai-whisper", device="cpu", language="de").model.name == "base"
    assert len(host.ranges) == 1


def test_auto_passes_over_a_damaged_model(machine: Path) -> None:
    put(machine, "small", "tiny")
    (machine / "small.pt").write_bytes(b"half")
    assert auto("base", engine="faster-whisper", device="cpu").model.name == "tiny"


def test_auto_pulls_what_is_configured_and_falls_on_the_embedded_model(host: Host) -> None:
    host.status = 404
    choice = auto("base.en", engine="openai-whisper", device="cpu")
    assert choice.model.name == "embedded"
    assert choice.warning == EMBEDDED_WARNING
    assert "404" in choice.reason
    host.status = 200
    choice = auto("base.en", engine="openai-whisper", device="cpu")
    assert (choice.model.name, choice.warning) == ("base.en", "")
    assert "embedded" in auto("embedded", engine="openai-whisper", device="cpu", language="fr").model.name


def test_installed_lists_everything_best_first(machine: Path) -> None:
    put(machine, "tiny", "base.en", "medium")
    put_hub("base")
    assert [model.name for model in installed()] == ["medium", "base", "base.en", "tiny", "embedded"]
    assert [model.name for model in installed("openai-whisper")] == ["medium", "base.en", "tiny", "embedded"]


def test_verify_tells_good_files_from_bad(machine: Path, tmp_path: Path) -> None:
    put(machine, "tiny", "base")
    (machine / "base.pt").write_bytes(content("base.pt")[::-1])
    good, bad = resolve("tiny", engine="openai-whisper"), next(m for m in installed() if m.name == "base")
    verify(good)
    with pytest.raises(AudioError, match=r"models pull base`"):
        verify(bad)
    with pytest.raises(AudioError, match="not a Whisper checkpoint"):
        verify(resolve("embedded", engine="openai-whisper"))
    dims = ModelDimensions(80, 1500, 8, 1, 1, 51864, 448, 8, 1, 1)
    torch.save({"dims": asdict(dims), "model_state_dict": Whisper(dims).state_dict()}, tmp_path / "embedded.pt")
    verify(resolve("embedded", engine="openai-whisper"))
    with pytest.raises(AudioError, match="not a usable CTranslate2 model"):
        verify(models.ModelFile("x", put_hub("x"), "ct2"))


@pytest.mark.parametrize(
    ("engine", "cuda", "mps", "asked", "found"),
    [
        ("openai-whisper", True, False, ("auto", "auto"), ("cuda", "float16")),
        ("openai-whisper", False, True, ("auto", "auto"), ("mps", "float32")),
        ("openai-whisper", False, False, ("auto", "auto"), ("cpu", "float32")),
        ("openai-whisper", True, False, ("cuda", "float32"), ("cuda", "float32")),
        ("faster-whisper", False, True, ("auto", "auto"), ("cpu", "int8")),
        ("faster-whisper", False, True, ("mps", "float32"), ("cpu", "float32")),
        ("faster-whisper", True, False, ("auto", "auto"), ("cuda", "float16")),
        ("openai-whisper", False, False, ("cuda", "auto"), None),
        ("openai-whisper", False, False, ("auto", "int8"), None),
        ("faster-whisper", False, False, ("cpu", "float8"), None),
        ("faster-whisper", False, False, ("tpu", "auto"), None),
    ],
)
def test_device_and_compute(
    engine: Engine,
    cuda: bool,
    mps: bool,
    asked: tuple[str, str],
    found: tuple[str, str] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    able = {"cpu": {"float32", "int8", "int8_float32"}, "cuda": {"float32", "float16", "int8"}}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: int(cuda))
    monkeypatch.setattr(ctranslate2, "get_supported_compute_types", able.__getitem__)
    if found:
        assert device_and_compute(engine, device=asked[0], compute_type=asked[1]) == found
    else:
        with pytest.raises(AudioError, match="choose auto or"):
            device_and_compute(engine, device=asked[0], compute_type=asked[1])


def test_offline_reaches_the_libraries_beneath() -> None:
    script = (
        "import sys; from audio.engines import models; assert 'huggingface_hub' not in sys.modules; "
        "models.go_offline(); from huggingface_hub.constants import HF_HUB_OFFLINE; print(HF_HUB_OFFLINE)"
    )
    environment = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
