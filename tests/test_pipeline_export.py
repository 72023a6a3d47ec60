"""Files equal whisper's own, show speech to the letter, and appear whole or not at all."""

from __future__ import annotations

import errno
import html
import json
import os
import stat
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from whisper.utils import get_writer

from audio.speech import Scores, Utterance, Word
from pipeline.events import PipelineError
from pipeline.export import FORMATS, ExportOptions, OutputFolder, write
from pipeline.export.subtitles import SubtitleOptions
from pipeline.transcript import Transcript

SCORES = Scores(avg_logprob=-0.3, no_speech_prob=0.02, compression_ratio=1.2, temperature=0.2)
EMPTY = Transcript(
    meeting="2026-11-24-sync-ab12",
    title="Weekly sync",
    began="2026-11-24T10:00:00+01:00",
    language="en",
    duration_s=60.0,
    source="talks/monday.mp3",
    audio_sha256="ab" * 32,
    engine="openai-whisper",
    model="/home/ada/models/base.en.pt",
    utterances=(),
    suppressed=(),
)
DEFAULTS = ExportOptions()
WHISPERS = ("txt", "srt", "vtt", "tsv", "json")


def utterance(text: str, start_s: float = 1.0, end_s: float = 2.0, **others: Any) -> Utterance:
    return replace(Utterance("u1", text, start_s, end_s, "en", SCORES), **others)


def meeting(*texts: str, **others: Any) -> Transcript:
    said = tuple(utterance(text, 3.0 * i, 3.0 * i + 2, id=f"u{i + 1}") for i, text in enumerate(texts))
    return replace(EMPTY, utterances=said, **others)


def exported(transcript: Transcript, format: str, options: ExportOptions = DEFAULTS) -> str:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"file.{format}"
        write(transcript, format, path, options)
        return path.read_bytes().decode("utf-8")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def whispers(result: dict[str, Any], format: str, options: SubtitleOptions) -> str:
    """What the whisper command writes for its result."""
    with TemporaryDirectory() as folder:
        get_writer(format, folder)(result, "monday.mp3", asdict(options))
        return (Path(folder) / f"monday.{format}").read_bytes().decode("utf-8")


# One line of any characters, with a liking for those that a format could trip over. Whisper's texts and words begin
# with a space.
ODD = st.sampled_from(
    ["-->", "<b>", "</i>", "&amp;", "&", "00:00:01,000 --> 00:00:02,000", "WEBVTT", "🙂", "1", "\\N", '"', "ß"]
)
LINE = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cn"))
WORD = st.one_of(ODD, st.text(LINE, min_size=1, max_size=8)).map(lambda text: f" {text}")


@st.composite
def results(draw: st.DrawFn) -> tuple[dict[str, Any], Transcript]:
    """The same meeting as whisper's result and as our transcript."""
    timed = draw(st.booleans())
    moment = st.floats(0.0, 4.0).map(lambda gap: round(gap, 2))
    now, segments, said = draw(st.sampled_from([0.0, 58.5, 3599.0])), [], []
    for number in range(draw(st.integers(0, 5))):
        words, start = [], (now := round(now + draw(moment), 2))
        for text in draw(st.lists(WORD, min_size=int(not timed), max_size=6)):
            begin, now = now, round(now + draw(moment), 2)
            words.append(Word(text, begin, now, draw(st.floats(0, 1))))
        text = "".join(word.text for word in words)
        said.append(
            utterance(
                text, start, now, id=f"u{number + 1}", words=tuple(words) if timed else (), tokens=(50363, number)
            )
        )
        segments.append(
            {
                "id": number,
                "seek": round(start * 100),
                "start": start,
                "end": now,
                "text": text,
                "tokens": [50363, number],
            }
            | {"temperature": 0.2, "avg_logprob": -0.3, "compression_ratio": 1.2, "no_speech_prob": 0.02}
            | (
                {
                    "words": [
                        {"word": w.text, "start": w.start_s, "end": w.end_s, "probability": w.probability}
                        for w in words
                    ]
                }
                if timed
                else {}
            )
        )
    assume(not timed or not said or any(u.words for u in said))
    result = {"text": "".join(u.text or " " for u in said), "segments": segments, "language": "en"}
    return result, replace(EMPTY, utterances=tuple(said))


LIMIT = st.none() | st.integers(1, 40)
OPTIONS = st.builds(SubtitleOptions, LIMIT, st.none() | st.integers(1, 3), st.none() | st.integers(1, 5), st.booleans())


@settings(max_examples=80, deadline=None)
@given(results(), OPTIONS, st.sampled_from(["txt", "srt", "tsv"]))
def test_files_equal_whispers_own_byte_for_byte(
    same: tuple[dict[str, Any], Transcript], options: SubtitleOptions, format: str
) -> None:
    result, transcript = same
    assert exported(transcript, format, ExportOptions(options)) == whispers(result, format, options)


@settings(max_examples=80, deadline=None)
@given(results(), OPTIONS)
def test_vtt_equals_whispers_own_but_for_escaped_speech(
    same: tuple[dict[str, Any], Transcript], options: SubtitleOptions
) -> None:
    result, transcript = same
    ours, theirs = (exported(transcript, "vtt", ExportOptions(options)), whispers(result, "vtt", options))
    assume("-->" not in result["text"])  # whisper changes what was said, or lets a false time line through
    assert html.unescape(ours) == theirs
    if not set("&<>") & set(result["text"]):
        assert ours == theirs


@settings(max_examples=40, deadline=None)
@given(results())
def test_json_equals_whispers_own_but_for_further_keys(same: tuple[dict[str, Any], Transcript]) -> None:
    result, transcript = same
    ours = json.loads(exported(transcript, "json"))
    for segment in ours["segments"]:
        for key in ("utterance", "source", "flags"):
            del segment[key]
    assert json.dumps(dict([*ours.items()][:3])) == whispers(result, "json", SubtitleOptions())


def test_json_tells_what_whisper_does_not() -> None:
    said = utterance(" Yes.", id="u7", source="left", flags=("repetition collapsed",))
    left_out = utterance(" Thanks for watching.", 30, 31, id="u8", suppressed="no speech")
    found = json.loads(exported(replace(EMPTY, utterances=(said,), suppressed=(left_out,)), "json"))
    assert (found["meeting"], found["title"], found["duration"]) == (EMPTY.meeting, "Weekly sync", 60.0)
    assert (found["file"], found["model"]) == ("monday.mp3", "base.en.pt")  # names, not folders
    assert (
        found["segments"][0].items() >= {"utterance": "u7", "source": "left", "flags": ["repetition collapsed"]}.items()
    )
    assert [(s["utterance"], s["reason"]) for s in found["suppressed"]] == [("u8", "no speech")]
    assert found["text"] == " Yes."


def test_json_joins_texts_that_lost_their_space() -> None:
    assert json.loads(exported(meeting(" One.", "Two."), "json"))["text"] == " One. Two."
    assert json.loads(exported(meeting("一。", "二。", language="zh"), "json"))["text"] == "一。二。"


@pytest.mark.parametrize("format", ["srt", "vtt"])
def test_a_corrected_text_stays_among_timed_words(format: str) -> None:
    timed = utterance(" Hello there.", words=(Word(" Hello", 1.0, 1.5, 0.9), Word(" there.", 1.5, 2.0, 0.9)))
    corrected = utterance("General Kenobi.", 3.0, 4.0, id="u2")
    found = exported(replace(EMPTY, utterances=(timed, corrected)), format)
    assert "Hello there.\n" in found
    assert "General Kenobi.\n" in found


def test_vtt_escapes_speech_and_breaks_it_where_plain_text_breaks() -> None:
    def spoken(first: str) -> Transcript:
        words = tuple(Word(f" {text}", i, i + 1, 0.9) for i, text in enumerate([first, "and", "then", "some"]))
        return replace(EMPTY, utterances=(utterance("".join(w.text for w in words), 0, 4, words=words),))

    options = ExportOptions(SubtitleOptions(max_line_width=12, max_line_count=2, highlight_words=True))
    hostile, plain = exported(spoken("<b>&"), "vtt", options), exported(spoken("1234"), "vtt", options)
    assert "<u>&lt;b&gt;&amp;</u> and" in hostile
    assert hostile.replace("&lt;b&gt;&amp;", "1234") == plain
    assert "a --&gt; b" in exported(meeting(" a --> b"), "vtt")


INJECTION = "one\n\n2\n00:00:09,000 --> 00:00:10,000\r\ntwo\tthree\u2028four\x00five\ud800"


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("timed", [False, True])
def test_line_ends_and_controls_in_speech_start_nothing(format: str, timed: bool) -> None:
    def said(text: str) -> Transcript:
        words = (Word(text, 1.0, 2.0, 0.9),) if timed else ()
        left_out = utterance(text, 5, 6, id="u2", suppressed=text)
        return replace(
            EMPTY,
            title=text,
            source=text,
            model=text,
            utterances=(utterance(text, words=words),),
            suppressed=(left_out,),
        )

    found, harmless = exported(said(INJECTION), format), exported(said("word"), format)
    assert len(found.splitlines()) == len(harmless.splitlines())
    assert found.count("\t") == harmless.count("\t")
    assert not {"\x00", "\ud800", "\u2028"} & set(found)


@pytest.mark.parametrize("format", FORMATS)
def test_a_meeting_without_words_still_makes_a_file(format: str) -> None:
    found = exported(EMPTY, format)
    if format in WHISPERS[:-1]:
        assert found == whispers({"text": "", "segments": [], "language": "en"}, format, SubtitleOptions())
    else:
        assert "Weekly sync" in found
    exported(replace(EMPTY, title="", began="", source="-", model="", engine="", language=""), format)


def test_exports_load_no_model_library() -> None:
    script = "import sys, pipeline.export.subtitles as s; s._whisper_writers(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[1])


MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
SPOKEN = st.lists(
    WORD
    | st.sampled_from([" [a](javascript:x)", " ![i](x)", " *b*", " `c`", " ~~d~~", " |", " #", " - e", " 1. f", "\\"])
)


def shown(markdown: str) -> list[str]:
    """The words that a reader of the rendered text sees, paragraph by paragraph."""
    blocks = [token.children for token in MARKDOWN.parse(markdown) if token.type == "inline"]
    texts = [
        "".join("\n" if t.type == "softbreak" else t.content for t in block if not t.nesting)
        for block in blocks
        if block
    ]
    assert not any(
        t.type in ("image", "link_open", "code_inline", "html_inline", "s_open") for b in blocks if b for t in b
    )
    return texts


@settings(max_examples=100, deadline=None)
@given(SPOKEN.map("".join))
def test_markdown_shows_speech_to_the_letter(text: str) -> None:
    read = " ".join(text.split())
    heading, _, line = shown(exported(meeting(text, title=f"About{text}"), "md"))
    assert heading == " ".join(f"About{text}".split())
    assert line == f"00:00:00 {read}".rstrip()


def test_markdown_names_what_matters() -> None:
    left_out = tuple(utterance("", 9, 10, suppressed=why) for why in ("no speech", "repetition", "no speech"))
    found = exported(replace(meeting(" First.", " Second."), suppressed=left_out, duration_s=4000.0), "md")
    assert found == (
        "# Weekly sync\n\n24 November 2026, 10:00 · 1 h 6 min · model base.en.pt (openai-whisper)\n\n"
        "**00:00:00** First.\n\n**00:00:03** Second.\n\n"
        "*3 stretches were left out (no speech: 2, repetition: 1)*\n"
    )


def test_an_existing_file_is_replaced_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "talk.txt"
    write(meeting(" First.", " More."), "txt", path)
    write(meeting(" Second."), "txt", path)
    assert path.read_text(encoding="utf-8") == "Second.\n"
    assert names(path.parent) == ["talk.txt"]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_a_file_has_the_mode_that_the_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(EMPTY, "txt", tmp_path / "talk.txt")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "talk.txt").stat().st_mode) == 0o640


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    path = tmp_path / "talk.txt"
    write(meeting(" Old."), "txt", path)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(step, fail)
    with pytest.raises(PipelineError if isinstance(error, OSError) else KeyboardInterrupt) as caught:
        write(meeting(" New."), "txt", path)
    assert path.read_text(encoding="utf-8") == "Old.\n"
    assert names(tmp_path) == ["talk.txt"]
    if isinstance(error, OSError):
        assert f"{path} could not be written (No space left on device)" in str(caught.value)


def test_a_place_that_takes_no_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.txt").mkdir()
    for path in (tmp_path / "file" / "talk.txt", tmp_path / "folder.txt", tmp_path / ("x" * 300)):
        with pytest.raises(PipelineError, match=r"could not be written \(.+\); choose another folder"):
            write(EMPTY, "txt", path)
    assert names(tmp_path) == ["file", "folder.txt"]


def test_an_unknown_format_names_the_known(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match='no format "docx"; choose one of txt, srt, vtt, tsv, json, md, html'):
        write(EMPTY, "docx", tmp_path / "talk.docx")


def test_files_are_named_after_the_source_and_never_collide() -> None:
    folder = OutputFolder(Path("out"))

    def named(source: str, id: str, format: str = "srt", sha256: str = "ab") -> str:
        return str(folder.path(replace(EMPTY, source=source, meeting=id, audio_sha256=sha256), format))

    assert named("a/talk.final.wav", "m1") == "out/talk.final.srt"
    assert named("a/talk.final.wav", "m1", "txt") == "out/talk.final.txt"
    assert named("b/Talk.final.mp3", "m2") == "out/Talk.final-2.srt"
    assert named("talk.final-2.wav", "m3") == "out/talk.final-2-2.srt"
    assert named("b/Talk.final.mp3", "m2", "txt") == "out/Talk.final-2.txt"
    assert named("-", "2026-11-24-meeting-ab12") == "out/2026-11-24-meeting-ab12.srt"
    assert named("USB Microphone: 2/4", "m5", sha256="") == "out/m5.srt"
