"""A live meeting: it ends like a recording, the user's acts are in it, it stops by itself, a past one replays."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
import soundfile

from audio.agreement import LocalAgreement
from audio.captions import CaptionOptions, attend, caption
from audio.engines import RecognitionOptions
from audio.live import Incident
from audio.paced import PacedFile
from audio.recognizer import Recognizer
from audio.segmenter import SENTENCES
from audio.speech import SAMPLE_RATE, AudioError
from pipeline import build
from pipeline.config import load
from pipeline.events import Concluded, Event, Hearing, Marked, Named, Opened, Reached, Said, Trouble
from pipeline.journal import ResumePoint, read
from pipeline.library import Library
from pipeline.live import LIVE_ROOM, Session, Wanted, replay
from pipeline.meeting import Heard, Parts, Recognized, hear
from tests.conftest import Typed
from tests.fakes import FakeTranscriber, FakeVad


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    talks = [np.pad(rng.uniform(-0.3, 0.3, SAMPLE_RATE), (SAMPLE_RATE // 2, SAMPLE_RATE // 2)) for _ in range(3)]
    path = tmp_path / "talk.wav"
    soundfile.write(path, np.concatenate(talks), SAMPLE_RATE)
    return path


def live(source: PacedFile, *, silence_s: float = 0) -> tuple[Session, Iterator[Event]]:
    session, engine = Session(source, source.chunks(), room=50), FakeTranscriber()

    def segmented(chunks: Iterable) -> Iterator[Heard]:  # type: ignore[type-arg]
        heard = attend(chunks, FakeVad, SENTENCES, waiting=session.waiting)
        return session.until_silent(heard, limit_s=silence_s)

    def recognized(heard: Iterable[Heard], resume: ResumePoint) -> Iterator[Recognized]:
        recognizer = Recognizer(engine, RecognitionOptions(language="en"))
        options = CaptionOptions(LocalAgreement(2), defer_after_s=1000)
        return caption(heard, recognizer, engine, options=options, behind_s=session.behind_s)

    parts = Parts(segmented, recognized)
    return session, session.events(lambda: hear(session.chunks(), parts, ResumePoint({}, 1)))


def test_it_is_heard_to_its_end(recording: Path) -> None:
    session, events = live(PacedFile(recording, pace=0))
    found = list(events)
    assert len([e for e in found if isinstance(e, Said)]) == 3
    assert found[-1] == Concluded(6.0, found[-1].speech_s)  # type: ignore[union-attr]
    assert session.elapsed_s == 6.0
    assert session.behind_s() == 0


def test_what_is_being_said_is_shown_before_it_is_final(recording: Path) -> None:
    _, events = live(PacedFile(recording, pace=4))
    kinds = [type(e) for e in events]
    assert kinds.index(Hearing) < kinds.index(Said)


def test_marks_names_and_pauses_are_events_at_their_moment(recording: Path) -> None:
    session, events = live(PacedFile(recording, pace=6))
    found: list[Event] = []
    for event in events:
        if isinstance(event, Said) and not any(isinstance(e, Said) for e in found):
            session.mark("important")
            session.name("S1", "Anna")
            session.toggle_pause()
            assert session.paused
            Timer(0.2, session.toggle_pause).start()
        found.append(event)
    marks = [e for e in found if isinstance(e, Marked)]
    assert [m.kind for m in marks] == ["mark", "paused", "resumed"]
    assert 1.5 <= marks[0].at_s <= 6
    assert marks[2].at_s - marks[1].at_s < 1, "the time line stands still in a pause"
    assert Named("S1", "Anna", "user") in found
    assert len([e for e in found if isinstance(e, Said)]) == 3


def test_stopping_keeps_what_was_said_until_then(recording: Path) -> None:
    session, events = live(PacedFile(recording, pace=5))
    found: list[Event] = []
    for event in events:
        if isinstance(event, Said):
            session.stop()
        found.append(event)
    assert isinstance(found[-1], Concluded)
    assert 1.5 <= found[-1].duration_s < 6


def test_it_stops_by_itself_when_nobody_speaks_any_more(tmp_path: Path) -> None:
    path = tmp_path / "quiet.wav"
    speech = np.random.default_rng(0).uniform(-0.3, 0.3, SAMPLE_RATE)
    soundfile.write(path, np.pad(speech, (0, 60 * SAMPLE_RATE)), SAMPLE_RATE)
    _, events = live(PacedFile(path, pace=50), silence_s=5)
    found = list(events)
    assert isinstance(found[-1], Concluded)
    assert 6 <= found[-1].duration_s < 40
    assert [e for e in found if isinstance(e, Trouble) and "nobody" in e.message]


def test_an_incident_is_a_trouble_with_its_moment_and_place(recording: Path) -> None:
    session, events = live(PacedFile(recording, pace=0))
    session.notify(Incident("was unplugged; plug it in", "desk", 8000))
    assert Trouble("desk: was unplugged; plug it in", 0.5) in list(events)


def test_an_error_of_the_source_reaches_who_shows_it(recording: Path) -> None:
    source = PacedFile(recording, pace=0)
    recording.write_bytes(b"gone bad")
    _, events = live(source)
    with pytest.raises(AudioError):
        list(events)


def test_leaving_early_stops_the_source(recording: Path) -> None:
    session, events = live(PacedFile(recording, pace=1))
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert not list(session.chunks())


def test_a_replay_takes_the_time_that_the_meeting_took() -> None:
    slept: list[float] = []
    events: list[Event] = [Marked(2.0, "mark"), Reached("", 3 * SAMPLE_RATE), Marked(2.5, "mark"), Concluded(9, 9)]
    assert list(replay(events, pace=2, sleep=slept.append)) == events
    assert slept == [1.0, 0.5]
    slept.clear()
    assert list(replay(events, pace=0, sleep=slept.append)) == events
    assert slept == []


def test_the_command_streams_keeps_and_writes_a_meeting(run: Typed, recording: Path, tmp_path: Path) -> None:
    code, out, err = run("listen", "--from-file", recording, "--pace", 4, "--json", "-o", tmp_path / "out", "-f", "txt")
    assert code == 0, err
    kinds = [json.loads(line)["event"] for line in out.splitlines()]
    assert kinds[0] == "opened"
    assert kinds[-1] == "concluded"
    assert {"hearing", "said", "reached"} <= set(kinds)
    (journal,) = (tmp_path / "home" / "meetings").glob("*/journal.jsonl")
    kept = list(read(journal))
    assert not [e for e in kept if isinstance(e, Hearing)]
    assert isinstance(kept[0], Opened)
    assert kept[0].audio_sha256 == ""
    assert len(list((tmp_path / "out").iterdir())) == 3  # the words and the minutes as page and text
    code, out, err = run("replay", "--pace", 0, "--json")
    assert code == 0, err
    *again, recorded = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in again] == [k for k in kinds if k != "hearing"]
    assert recorded["kind"] == "recording"


def test_the_command_gives_the_finals_that_a_file_gives(run: Typed, recording: Path) -> None:
    texts = []
    for command in (["transcribe", recording], ["listen", "--from-file", recording, "--pace", 0]):
        code, out, err = run(*command, "--json", "-o", "")
        assert code == 0, err
        said = [json.loads(line) for line in out.splitlines()]
        texts.append([e["utterance"] for e in said if e["event"] == "said"])
    assert texts[0] == texts[1]
    assert texts[0]


def test_a_live_meeting_that_was_cut_off_is_completed_from_its_recording(
    tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "load_engine", lambda chosen, threads, **_: FakeTranscriber())
    settings = load({"recognition.model": "embedded", "vad.detector": "webrtcvad"}, file=None, environ={})
    made = []
    for stop_after in (None, 4):
        library = Library(tmp_path / str(stop_after))
        job_run = build.Run(settings, library, warn=print)
        source = PacedFile(recording, pace=0)
        tape = source.chunks()
        job = job_run.listen(source, lambda folder, tape=tape: tape, Wanted("t", "x"), room=20)  # type: ignore[misc]
        list(islice((e for e in job.events if not isinstance(e, Hearing)), stop_after))
        job.events.close()  # type: ignore[attr-defined]
        events = list(job_run.complete(job.folder, PacedFile(recording, pace=0).chunks()))
        made.append([e for e in events if isinstance(e, Said | Concluded)])
    assert made[0] == made[1]
    assert len(made[0]) == 4


def test_ten_minutes_of_two_devices_may_wait_to_be_heard() -> None:
    capture = load(environ={"XDG_CONFIG_HOME": "/nowhere"}).capture
    assert LIVE_ROOM * capture.block_ms / 1000 / 2 >= 600
