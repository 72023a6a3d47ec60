"""What strangers, crashes and noise can do: refused in one sentence, nothing opened, fetched, lost or invented."""

from __future__ import annotations

import ctypes
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from audio.speech import Samples, Utterance
from bench import noise
from bench.command import ROOT, environment
from bench.score import MEETING
from pipeline import cli
from pipeline.events import Concluded, Event, Reached, Said
from pipeline.journal import JOURNAL, read
from tests.mutations import recording
from tests.shared_data import SHARED

BROKEN_AUDIO, BROKEN_REQUEST = 3, 4  # exit codes: AudioError, PipelineError
RESIDENT_LIMIT_MB = 300
IN_ACCESS, IN_OPEN = 0x1, 0x20  # inotify(7)

RUBBISH: dict[str, bytes] = {
    "empty.wav": b"",
    "random.mp3": random.Random(1).randbytes(50_000),
    "zeros.flac": bytes(50_000),
    "headless.m4a": recording("m4a")[:-9000],  # its index stood at the end
    "header.wav": recording("wav")[:44],
    "stub.flac": recording("flac")[:60],
    "stub.ogg": recording("ogg")[:100],
    "stub.webm": recording("webm")[:100],
    "minutes.wav": b"We met on Monday and decided nothing.\n" * 100,
    "page.wav": b"<!doctype html><html><body><audio src='http://127.0.0.1/x'></audio></body></html>",
    "picture.mp3": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(400),
}
DISGUISED: dict[str, str] = {  # {near} is a recording in the same folder, {url} a server of ours
    "concat.mp3": "ffconcat version 1.0\nfile {near}\n",
    "concat.wav": "ffconcat version 1.0\nfile {path}\n",
    "fetching.mp3": "ffconcat version 1.0\nfile {url}\n",
    "chained.mp3": "ffconcat version 1.0\nfile concat:{near}|{near}\n",
    "playlist.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{near}\n#EXTINF:2,\n{url}\n#EXT-X-ENDLIST\n",
    "playlist.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{near}\n#EXTINF:2,\n{url}\n#EXT-X-ENDLIST\n",
    "manifest.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="x">'
    '<Period><AdaptationSet contentType="audio" mimeType="audio/mp4"><Representation id="1" bandwidth="1">'
    "<BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
}


@dataclass(frozen=True)
class Answer:
    """What the command did."""

    code: int
    out: str
    err: str

    @property
    def refused(self) -> bool:
        """One sentence on stderr, and nothing else anywhere."""
        return self.err.count("\n") == 1 and self.err.startswith("rapporteur: ") and not self.out


Ask = Callable[..., Answer]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ask:
    """`rapporteur transcribe ...` in this process; what is refused must be refused before a model is loaded."""

    def load_engine(*_: object, **__: object) -> None:
        pytest.fail("a model was loaded")

    def asked(*arguments: str | Path) -> Answer:
        monkeypatch.setattr("sys.argv", ["rapporteur", "transcribe", "--output-dir", str(tmp_path / "out"),
                                         "--model", "embedded", *map(str, arguments)])  # fmt: skip
        with pytest.raises(SystemExit) as left:
            cli.main()
        return Answer(int(left.value.code or 0), *capfd.readouterr())

    for name, value in environment(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("pipeline.build.load_engine", load_engine)
    capfd.readouterr()
    return asked


@dataclass
class Trap:
    """A recording that nobody may open and a server that nobody may call."""

    near: Path
    url: str
    requests: list[str] = field(default_factory=list)
    inotify: int = -1

    @property
    def opened(self) -> bool:
        """Since it was last asked."""
        try:
            return bool(os.read(self.inotify, 65536))
        except BlockingIOError:
            return False


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Trap]:
    if sys.platform != "linux":
        pytest.skip("inotify tells only Linux who opens a file")

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            laid.requests.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        near = tmp_path / "near.wav"
        near.write_bytes(recording("wav"))
        laid = Trap(near, f"http://127.0.0.1:{server.server_port}/x.wav")
        libc = ctypes.CDLL(None)
        laid.inotify = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(laid.inotify, os.fsencode(near), IN_OPEN | IN_ACCESS) >= 0
        yield laid
        os.close(laid.inotify)
        server.shutdown()


def _disguised(name: str, trap: Trap) -> Path:
    path = trap.near.with_name(name)
    path.write_text(DISGUISED[name].format(near=trap.near.name, path=trap.near, url=trap.url), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", RUBBISH)
def test_what_holds_no_sound_is_refused_in_one_sentence(name: str, ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(RUBBISH[name])
    answer = ask(path)
    assert answer.refused
    assert answer.code == BROKEN_AUDIO
    assert str(path) in answer.err
    assert not list(tmp_path.rglob(JOURNAL)), "a meeting was made of it"


def test_one_bad_file_among_two_is_named_and_counted(ask: Ask, tmp_path: Path) -> None:
    for name in ("empty.wav", "page.wav"):
        (tmp_path / name).write_bytes(RUBBISH[name])
    answer = ask(tmp_path / "empty.wav", tmp_path / "page.wav")
    assert answer.code == BROKEN_AUDIO
    assert "empty.wav" in answer.err
    assert "page.wav" in answer.err
    assert "Traceback" not in answer.err


def test_the_trap_works(trap: Trap) -> None:
    """Were FFmpeg given the name of a file to open as it likes, both alarms would ring."""
    for name in ("concat.mp3", "fetching.mp3"):
        path = _disguised(name, trap)
        try:
            with av.open(str(path), options={"safe": "0", "protocol_whitelist": "file,http,tcp"}) as container:
                list(container.decode(audio=0))
        except (av.FFmpegError, OSError):
            pass
    assert trap.opened
    assert trap.requests


@pytest.mark.parametrize("name", DISGUISED)
def test_a_disguised_playlist_is_refused_and_nothing_in_it_opened_or_fetched(name: str, trap: Trap, ask: Ask) -> None:
    answer = ask(_disguised(name, trap))
    assert answer.refused
    assert answer.code == BROKEN_AUDIO
    assert not trap.opened
    assert not trap.requests


@pytest.mark.parametrize(
    "form", ["{url}", "concat:{path}", "file:{path}", "cache:{url}", "subfile,,start,0,end,0,,:{path}"]
)
def test_an_address_is_not_a_recording(form: str, trap: Trap, ask: Ask) -> None:
    answer = ask(form.format(url=trap.url, path=trap.near))
    assert answer.refused
    assert answer.code == BROKEN_AUDIO
    assert not trap.opened
    assert not trap.requests


def test_a_video_without_sound_is_refused_and_says_so(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "silent-film.mp4"
    with av.open(str(path), "w") as film:
        stream = film.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for packet in (*stream.encode(av.VideoFrame(32, 32, "yuv420p")), *stream.encode(None)):
            film.mux(packet)
    answer = ask(path)
    assert answer.refused
    assert answer.code == BROKEN_AUDIO
    assert "no sound" in answer.err


def test_a_folder_without_recordings_is_refused(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "minutes.txt").write_text("nothing to hear", encoding="utf-8")
    answer = ask(tmp_path / "papers")
    assert answer.refused
    assert answer.code == BROKEN_AUDIO


def test_an_unknown_setting_is_refused_with_the_nearest_one(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("recognition:\n  modell: base\n", encoding="utf-8")
    answer = ask(MEETING, "--config", tmp_path / "own.yaml")
    assert answer.refused
    assert answer.code == BROKEN_REQUEST
    assert "recognition.modell" in answer.err
    assert "did you mean recognition.model?" in answer.err


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    answer = ask(MEETING, "--output-dir", tmp_path / "file" / "out")
    assert answer.refused
    assert answer.code == BROKEN_REQUEST


def _decode_mutants(count: int, seed: int, folder: Path) -> list[list[str]]:
    """[name, what became of it, samples, seconds] of each mutant, all decoded by one process."""
    command = [sys.executable, "-m", "tests.mutations", str(count), str(seed), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, f"{done.stdout.splitlines()[-1:]} {done.stderr[-2000:]}"
    assert done.stderr == ""
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.parametrize(("count", "seed"), [(1000, 1), pytest.param(20_000, 2, marks=pytest.mark.slow)])
def test_no_mutated_file_crashes_stalls_or_exhausts_the_decoder(count: int, seed: int, tmp_path: Path) -> None:
    judged = _decode_mutants(count, seed, tmp_path)
    assert len(judged) == count
    outcomes = [outcome for _, outcome, *_ in judged]
    assert min(outcomes.count("heard"), outcomes.count("refused")) > count / 5, "the mutants are too tame or too wild"


def _write_silence(path: Path, hours: int) -> None:
    minute = np.zeros((1, 60 * 16_000), np.int16)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("flac", rate=16_000, layout="mono")
        for number in range(hours * 60):
            frame = av.AudioFrame.from_ndarray(minute, "s16", "mono")
            frame.sample_rate, frame.pts = 16_000, number * minute.shape[1]
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


LISTEN = """
import sys
from audio.segmenter import segment
from audio.sources import file_source
from audio.vad import GatedVad
heard = []
def counted(chunks):
    for chunk in chunks:
        heard[:] = [chunk.stop]
        yield chunk
segments = list(segment(counted(file_source(sys.argv[1])), GatedVad))
print(heard[0], len(segments), open("/proc/self/status").read())
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of another process is read from /proc")
def test_ten_hours_are_heard_in_little_memory(tmp_path: Path) -> None:
    _write_silence(tmp_path / "long.flac", hours=10)
    command = [sys.executable, "-c", LISTEN, str(tmp_path / "long.flac")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    heard, segments, status = done.stdout.split(maxsplit=2)
    peak = re.search(r"VmHWM:\s*(\d+) kB", status)
    assert peak
    assert (int(heard), int(segments)) == (10 * 3600 * 16_000, 0)
    assert int(peak[1]) / 1000 < RESIDENT_LIMIT_MB


class Killed:
    """A file job that is killed and started again, in a library of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        sound, rate = soundfile.read(MEETING, frames=75 * 16_000)
        self.audio = folder.parent / "meeting.flac"
        soundfile.write(self.audio, sound, rate)
        flags = [
            "--model",
            "embedded",
            "--temperature",
            "0",
            "--batch-size",
            "1",
            "--output-dir",
            str(folder),
            "--output-format",
            "tsv",
        ]
        self.command = [sys.executable, "-m", "pipeline.cli", "transcribe", str(self.audio), "--json", *flags]

    def run(self, *, stop_after_lines: int | None = None, then_s: float = 0.0) -> list[str]:
        """The lines that it printed until it ended, or was killed some time after one of them."""
        lines: list[str] = []
        with subprocess.Popen(
            self.command, cwd=ROOT, env=environment(self.folder), stdout=subprocess.PIPE, encoding="utf-8"
        ) as process:
            assert process.stdout
            while len(lines) != stop_after_lines and (line := process.stdout.readline()):
                lines.append(line)
            if stop_after_lines is not None:
                time.sleep(then_s)
                process.kill()
        assert stop_after_lines is not None or process.returncode == 0
        return lines

    def events(self) -> list[Event]:
        """All that the only journal says; nothing where there is none yet."""
        journals = list(self.folder.rglob(JOURNAL))
        assert len(journals) <= 1, "the same command made a second meeting"
        return list(read(journals[0])) if journals else []

    def settled(self) -> list[Utterance]:
        """The utterances that a Reached confirms."""
        events = self.events()
        last = max((at for at, event in enumerate(events) if isinstance(event, Reached)), default=0)
        return [event.utterance for event in events[:last] if isinstance(event, Said)]


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_9_loses_no_finished_utterance_and_the_same_command_goes_on(kills: int, tmp_path: Path) -> None:
    whole, torn = Killed(tmp_path / "whole"), Killed(tmp_path / "torn")
    began = time.monotonic()
    lines = whole.run()
    whole_s = time.monotonic() - began
    first_reached = next(at for at, line in enumerate(lines, 1) if '"event":"reached"' in line)
    rng, saved = random.Random(kills), 0
    for number in range(kills):
        before = torn.settled()
        lines_first = first_reached if number == 0 else rng.choice((0, rng.randrange(len(lines) - 1)))
        then_s = rng.uniform(0, 0.3) if lines_first else rng.uniform(0, whole_s)
        torn.run(stop_after_lines=lines_first, then_s=then_s)
        assert torn.settled()[: len(before)] == before
        saved += bool(torn.settled()) and not any(isinstance(event, Concluded) for event in torn.events())
    assert saved, "no kill came after something was kept and before the end"
    torn.run()
    kept = [[event.utterance for event in job.events() if isinstance(event, Said)] for job in (whole, torn)]
    assert kept[0] == kept[1]
    assert (whole.folder / "meeting.tsv").read_bytes() == (torn.folder / "meeting.tsv").read_bytes()


def _meeting(length: int) -> Samples:
    sound, _ = soundfile.read(MEETING, frames=length, dtype="float32")
    return np.asarray(sound, np.float32)


def test_a_minute_of_everything_that_is_not_speech_gives_no_word() -> None:
    recorded = noise.recorded(SHARED / "audio") if SHARED.is_dir() else {}
    kinds = noise.synthetic() | recorded | {"speech": {"meeting": _meeting}}
    heard = {one.name: one for one in noise.listen(kinds, 1.0, "--model", "embedded")}
    assert heard.pop("speech, meeting").words > 50, "nothing is heard at all"
    assert [one for one in heard.values() if one.words or one.utterances] == []
