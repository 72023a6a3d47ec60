"""The page shows speech as text only, carries or finds its sound, fetches nothing, and obeys mouse and keys."""

from __future__ import annotations

import base64
import fcntl
import io
import json
import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import av
import numpy as np
import pytest
import soundfile as sf

from audio.speech import AudioError, Scores, Utterance, Word
from pipeline.export import ExportOptions, PageOptions, write
from pipeline.transcript import Transcript

SCORES = Scores(avg_logprob=-0.3, no_speech_prob=0.02, compression_ratio=1.2, temperature=0.0)
LINES = (
    "Good morning, shall we start?",
    "The release moves to Thursday.",
    "Who tells the customers?",
    "I do, on Monday.",
)
HOSTILE = (
    "<img src=x onerror=hacked=1>",
    "</script><script>hacked=1</script>",
    "</style><svg onload=hacked=1>",
    '" onfocus="hacked=1" autofocus="',
    "'><a href=javascript:hacked=1>",
    "{{ 7 * 7 }}{% raw %}",
    "<!--",
    "&lt;b&gt;",
)


def meeting(*texts: str, **others: Any) -> Transcript:
    """An utterance every 3 s."""
    said = tuple(Utterance(f"u{i + 1}", f" {text}", 3.0 * i, 3.0 * i + 2, "en", SCORES) for i, text in enumerate(texts))
    plain = Transcript(
        meeting="2026-11-24-sync-ab12",
        title="Weekly sync",
        began="2026-11-24T10:00:00+01:00",
        language="en",
        duration_s=3.0 * len(texts),
        source="-",
        audio_sha256="ab" * 32,
        engine="openai-whisper",
        model="base.en",
        utterances=said,
        suppressed=(),
    )
    return replace(plain, **others)


def heard(recording: Path) -> dict[str, str]:
    return {"source": str(recording), "audio_sha256": sha256(recording.read_bytes()).hexdigest()}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """12 s of a tone that rises, so that each moment can be told from the others."""
    seconds = np.arange(12 * 16_000) / 16_000
    path = tmp_path / "sound" / "it's 50% <ours> #1?.wav"
    path.parent.mkdir()
    sf.write(path, (0.3 * np.sin(2 * np.pi * (200 + 50 * seconds) * seconds)).astype(np.float32), 16_000)
    return path


def page(transcript: Transcript, folder: Path, options: PageOptions | None = None) -> str:
    write(transcript, "html", folder / "page.html", ExportOptions(page=options or PageOptions()))
    return (folder / "page.html").read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Tags with their attributes, and the text outside of style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] not in ("style", "script"):
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_changes_no_tag(text: str, tmp_path: Path) -> None:
    def made(text: str) -> Outline:
        word = Word(f" {text}", 0.0, 1.0, 0.1)
        said = replace(meeting(text).utterances[0], source=text, words=(word,))
        gone = replace(meeting(text).utterances[0], suppressed=text)
        names = dict.fromkeys(("title", "source", "engine", "model"), text)
        return Outline(page(meeting("", utterances=(said,), suppressed=(gone,), **names), tmp_path))

    hostile, harmless = made(text), made("harmless")
    assert [(tag, list(a)) for tag, a in hostile.tags] == [(tag, list(a)) for tag, a in harmless.tags]
    assert " ".join(hostile.texts).count(text.rsplit("/", 1)[-1]) >= 5  # of source and model only the name is shown
    assert "{{" not in "".join(harmless.texts)


def test_nothing_is_fetched_and_nothing_else_may_run(tmp_path: Path, recording: Path) -> None:
    for options in (PageOptions(), PageOptions(link_audio=True)):
        text = page(meeting(*LINES, **heard(recording)), tmp_path, options)
        outline = Outline(text)
        policy = next(
            a["content"] or "" for a in outline.all("meta") if a.get("http-equiv") == "Content-Security-Policy"
        )
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        for kind in ("style", "script"):
            (inline,) = re.findall(f"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
            assert rules[f"{kind}-src"] == f"'sha256-{base64.b64encode(sha256(inline.encode()).digest()).decode()}'"
        assert (rules["default-src"], rules["base-uri"], rules["form-action"]) == ("'none'",) * 3
        assert rules["media-src"] == ("'self' file:" if options.link_audio else "data:")
        urls = [
            value for _, a in outline.tags for name, value in a.items() if name in ("src", "href", "action", "srcset")
        ]
        assert len(urls) == 1, "only the sound has an address"
        assert not re.search(r"https?:|//\w+\.\w|@import|url\((?!#)", re.sub(r'"data:[^"]*"', "", text))


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_the_sound_is_in_the_page_as_long_as_it_was(tmp_path: Path, recording: Path, channels: int) -> None:
    original, _ = sf.read(recording, dtype="float32")
    sf.write(recording, np.repeat(original[:, None], channels, axis=1), 16_000)
    text = page(meeting(*LINES, **heard(recording)), tmp_path)
    (audio,) = Outline(text).all("audio")
    kind, _, data = (audio["src"] or "").partition(";base64,")
    assert kind == "data:audio/mpeg"
    assert len(data) < 12 * 32_000 / 8 * 4 / 3 * 1.05
    with av.open(io.BytesIO(base64.b64decode(data)), "r") as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert str(tmp_path) not in text
    assert len(sound) == len(original)
    at = slice(9 * 16_000, 10 * 16_000)
    assert np.corrcoef(sound[at], original[at])[0, 1] > 0.95  # a click at 9 s plays what was said at 9 s


def test_the_sound_is_linked_on_request_or_where_it_is_too_long(tmp_path: Path, recording: Path) -> None:
    transcript = meeting(*LINES, **heard(recording))
    for options, duration_s in ((PageOptions(link_audio=True), 12.0), (PageOptions(), 3 * 3600.0)):
        folder = tmp_path / "pages" / "deep"
        (audio,) = Outline(page(replace(transcript, duration_s=duration_s), folder, options)).all("audio")
        assert (folder / unquote(audio["src"] or "")).resolve() == recording.resolve()
        assert ":" not in (audio["src"] or "")


def test_without_a_recording_the_page_is_for_reading(tmp_path: Path) -> None:
    changed = tmp_path / "changed.wav"
    changed.touch()
    for source in ("-", str(tmp_path / "gone.wav"), str(changed), "USB Microphone"):
        outline = Outline(page(meeting(*LINES, source=source), tmp_path))
        assert not outline.all("audio")
        assert not outline.all("button")
        assert [a["href"] for a in outline.all("a")] == ["#u1", "#u2", "#u3", "#u4"]


def test_a_recording_that_is_none_is_an_error_and_leaves_no_page(tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound at all")
    with pytest.raises(AudioError):
        page(meeting(*LINES, **heard(broken)), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["broken.wav"]


def test_unsure_words_are_marked_and_corrected_text_is_shown_as_corrected(tmp_path: Path) -> None:
    words = [
        Word(" We", 0, 1, 0.9),
        Word(" ship", 1, 2, 0.2),
        Word(" it", 2, 3, 0.4),
        Word(" now", 3, 4, 0.5),
        Word(".", 4, 4, 0.9),
    ]
    said = replace(meeting("We ship it now.").utterances[0], words=tuple(words))
    corrected = replace(said, id="u2", text="We sell it now.")
    text = page(meeting("", utterances=(said, corrected)), tmp_path)
    assert '<p dir="auto"> We <span class="unsure">ship it</span> now.</p>' in text
    assert '<p dir="auto">We sell it now.</p>' in text


def test_what_was_left_out_is_counted_not_shown(tmp_path: Path) -> None:
    gone = replace(meeting("Thanks for watching!").utterances[0], start_s=3601.0, end_s=3604.5, suppressed="no speech")
    text = page(meeting(*LINES, suppressed=(gone,), duration_s=4000.0), tmp_path)
    assert "1 stretch was left out (no speech)" in text
    assert "<li>01:00:01 to 01:00:04: no speech</li>" in text
    assert "watching" not in text


def test_a_long_meeting_becomes_a_page_in_seconds(tmp_path: Path) -> None:
    words = tuple(Word(f" word{i}", 0.1 * i, 0.1 * i + 0.1, 0.3 if i % 9 == 0 else 0.9) for i in range(12))
    one = replace(meeting("").utterances[0], text="".join(word.text for word in words), words=words)
    said = tuple(replace(one, id=f"u{i}", start_s=2.7 * i, end_s=2.7 * i + 2) for i in range(4000))
    started = time.process_time()
    text = page(meeting("", utterances=said, duration_s=10_800.0), tmp_path)
    assert time.process_time() - started < 3
    assert text.count('<li id="u') == 4000
    assert len(text) < 3e6


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
KEY_CODES = {"ArrowDown": 40, "ArrowUp": 38, "Enter": 13, "Escape": 27}  # Windows's; others are the letter's


class Chromium:
    """A browser driven through its DevTools pipe: messages are JSON, each ended by a zero byte."""

    def __init__(self, profile: Path) -> None:
        commands, self._out = os.pipe()
        self._in, answers = os.pipe()
        theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (commands, answers)]
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(
            [str(CHROMIUM), *flags, "--window-size=1200,900", "about:blank"],
            preexec_fn=lambda: [os.dup2(end, fd) for fd, end in enumerate(theirs, 3)] and None,  # it listens on 3 and 4
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (commands, answers, *theirs):
            os.close(end)
        self._unread, self._count, self._session = b"", 0, {}
        self.events: list[dict[str, Any]] = []
        target = next(t["targetId"] for t in self("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self._session = {"sessionId": self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **parameters: Any) -> Any:
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters, **self._session}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._count:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            assert select.select([self._in], [], [], 60)[0], "Chromium does not answer"
            self._unread += os.read(self._in, 1 << 20) or pytest.fail("Chromium ended")
        line, _, self._unread = self._unread.partition(b"\0")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def open(self, path: Path) -> None:
        self.events.clear()
        self("Page.navigate", url=path.as_uri())
        self.until("location.protocol === 'file:' && document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        answer = self("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait for what the page does in its own time."""
        end = time.monotonic() + 30
        while not self.value(condition):
            assert time.monotonic() < end, f"never came: {condition}"
            time.sleep(0.02)

    def press(self, *keys: str) -> None:
        for key in keys:
            code = KEY_CODES.get(key) or ord(key.upper())
            text = {"text": "\r" if key == "Enter" else key} if key not in ("ArrowDown", "ArrowUp", "Escape") else {}
            self("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
            self("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def click(self, selector: str) -> None:
        box = self.value(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        for kind in ("mousePressed", "mouseReleased"):
            self("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def complaints(self) -> list[dict[str, Any]]:
        """Violations of the policy and other log entries, errors of the script, dialogs."""
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Page.javascriptDialogOpening")
        return [event for event in self.events if event["method"] in kinds]

    def requests(self) -> set[str]:
        """The addresses outside of the page that were asked for, its own among them."""
        sent = [event["params"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return {url for event in sent if not (url := event["request"]["url"]).startswith("data:")}

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for end in (self._in, self._out):
            os.close(end)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    if CHROMIUM is None:
        pytest.skip("no Chromium to drive")
    browser = Chromium(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


FOCUSED = "document.activeElement.closest('li')?.id"


@pytest.mark.parametrize("linked", [False, True])
def test_a_click_on_a_line_plays_that_moment(chromium: Chromium, tmp_path: Path, recording: Path, linked: bool) -> None:
    page(meeting(*LINES, **heard(recording)), tmp_path, PageOptions(link_audio=linked))
    chromium.open(tmp_path / "page.html")
    chromium.click("#u3 p")
    chromium.until("document.querySelector('[aria-current]')?.id === 'u3' && audio.currentTime > 6")
    assert chromium.value("location.hash") == "#u3"
    assert not chromium.value("audio.paused")
    chromium.press(" ")
    chromium.until("audio.paused")
    chromium.press("k")
    assert chromium.value(FOCUSED) == "u2"
    chromium.press("Enter")
    chromium.until("document.querySelector('[aria-current]')?.id === 'u2' && audio.currentTime > 3")
    assert chromium.value("document.querySelector('#position').textContent") in ("00:03", "00:04", "00:05")
    assert not chromium.complaints()
    assert chromium.requests() <= {(tmp_path / "page.html").as_uri(), chromium.value("audio.src")}


def test_keys_search_and_move_among_what_was_found(chromium: Chromium, tmp_path: Path, recording: Path) -> None:
    page(meeting(*LINES, **heard(recording)), tmp_path)
    chromium.open(tmp_path / "page.html")
    chromium.press("j", "j", "ArrowDown", "k")
    assert chromium.value(FOCUSED) == "u2"
    chromium.press("/", *"MO")
    assert chromium.value("lines.filter((line) => !line.hidden).map((line) => line.id).join()") == "u1,u2,u4"
    assert chromium.value("document.querySelector('#count').value") == "3 of 4 lines"
    assert chromium.value("CSS.highlights.get('found').size") == 3
    chromium.press("ArrowDown", "j", "j")
    assert chromium.value(FOCUSED) == "u4"
    chromium.press("Escape")
    assert chromium.value("lines.filter((line) => !line.hidden).length") == 4
    assert chromium.value("audio.paused")
    assert not chromium.complaints()


def test_a_page_of_hostile_texts_does_nothing(chromium: Chromium, tmp_path: Path) -> None:
    page(meeting(*HOSTILE, title=HOSTILE[1], source=HOSTILE[0]), tmp_path)
    chromium.open(tmp_path / "page.html")
    assert chromium.value("[...document.querySelectorAll('#lines p')].map((p) => p.textContent.trim())") == [*HOSTILE]
    assert chromium.value("[typeof hacked, document.title]") == ["undefined", HOSTILE[1]]
    assert not chromium.complaints()


def test_the_page_fits_a_phone_and_paper(chromium: Chromium, tmp_path: Path, recording: Path) -> None:
    page(meeting(*LINES, "W" * 200, title="T" * 120, **heard(recording)), tmp_path)
    chromium("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
    chromium.open(tmp_path / "page.html")
    assert chromium.value("document.documentElement.scrollWidth") == 360
    chromium("Emulation.setEmulatedMedia", media="print")
    assert chromium.value("getComputedStyle(document.querySelector('#player')).display") == "none"
    chromium("Emulation.setEmulatedMedia", media="")
    chromium("Emulation.clearDeviceMetricsOverride")


def test_a_line_that_is_addressed_is_where_play_starts(chromium: Chromium, tmp_path: Path, recording: Path) -> None:
    page(meeting(*LINES, **heard(recording)), tmp_path)
    chromium.open(tmp_path / "page.html")
    chromium.value("void (location.hash = '#u4')")
    chromium.until("audio.currentTime === 9")
    assert chromium.value(FOCUSED) == "u4"
