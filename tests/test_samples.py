"""The sample meeting: its reference agrees with its script, its sound, its documents and with itself."""

from __future__ import annotations

import json
import random
import re
import shutil
import zipfile
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audio.embedded.texts import template_sentences, words
from audio.embedded.voices import VOICES, say
from audio.speech import SAMPLE_RATE, AudioError, Samples
from samples import documents, make, script

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "samples"
REFERENCE: dict[str, Any] = json.loads((SAMPLES / "meeting.json").read_text(encoding="utf-8"))
UTTERANCES: dict[str, dict[str, Any]] = {u["id"]: u for u in REFERENCE["utterances"]}
ITEMS = [item for kind in ("decisions", "actions", "questions", "risks") for item in REFERENCE[kind]]
VOCABULARY = set((ROOT / "audio" / "embedded" / "vocabulary.txt").read_text(encoding="utf-8").split())
OWNERS = {"board": "Maria", "price": "David", "drop-test": "Ben", "cases": "Ben", "hall": "Maria", "budget": "Anna"}


def _start_s(id: str) -> float:
    return float(UTTERANCES[id]["start_s"])


def _changes(item: dict[str, Any]) -> list[str]:
    return [entry["change"] for entry in item["history"]]


def _fake_voice(text: str, voice: str, stretch: float) -> Samples:
    """A hum of 60 ms a letter."""
    return np.full(round(len(text) * 0.06 * stretch * SAMPLE_RATE), 0.5 + 0.05 * len(voice), np.float32)


def _pages(path: Path) -> list[str]:
    """The text of each page of one of the documents; a document without pages is one."""
    if path.suffix == ".pdf":  # ours are uncompressed and hold one text stream a page
        streams = re.findall(rb"stream\n(.*?)\nendstream", path.read_bytes(), re.DOTALL)
        shown = [re.findall(rb"\(((?:[^()\\]|\\.)*)\) Tj", stream) for stream in streams]
        return [b" ".join(lines).decode("latin-1") for lines in shown if lines]
    if path.suffix == ".docx":
        with zipfile.ZipFile(path) as packed:
            paragraphs = packed.read("word/document.xml").decode().replace("</w:p>", "\n")
        return [re.sub(r"<[^>]+>", "", paragraphs)]
    return [path.read_text(encoding="utf-8")]


def _section(text: str, number: int) -> str:
    """From the heading "`number`. ..." up to the next numbered heading."""
    found = re.search(rf"(?ms)^(?:## )?{number}\. [A-Z].*?(?=^(?:## )?\d+\. [A-Z]|\Z)", text)
    assert found, f"no section {number}"
    return found[0]


def test_the_reference_follows_from_the_script() -> None:
    spans = [(round(u["start_s"] * SAMPLE_RATE), round(u["end_s"] * SAMPLE_RATE)) for u in UTTERANCES.values()]
    assert json.loads(make.to_json(script.reference(script.load(), spans))) == REFERENCE


def test_the_recording_is_one_channel_of_three_to_five_minutes() -> None:
    info = soundfile.info(SAMPLES / "meeting.flac")
    assert (info.samplerate, info.channels) == (SAMPLE_RATE, 1)
    assert 180 <= info.duration <= 300
    assert info.duration == pytest.approx(REFERENCE["utterances"][-1]["end_s"] + make.TAIL_S)
    assert (SAMPLES / "meeting.flac").stat().st_size < 6e6


def test_every_utterance_is_heard_and_every_pause_is_quiet() -> None:
    sound, _ = soundfile.read(SAMPLES / "meeting.flac", dtype="float32")
    quiet = np.ones(len(sound), bool)
    for u in UTTERANCES.values():
        spoken = slice(round(u["start_s"] * SAMPLE_RATE), round(u["end_s"] * SAMPLE_RATE))
        quiet[spoken] = False
        assert 20 * np.log10(sound[spoken].std()) > -30, u["id"]
        assert 1.5 < len(u["text"].split()) / (u["end_s"] - u["start_s"]) < 5.5, u["id"]  # words a second
    assert np.abs(sound[quiet]).max() < 0.01
    assert np.abs(sound).max() < 0.99


def test_voices_overlap_only_where_one_interrupts() -> None:
    for before, after in pairwise(UTTERANCES.values()):
        gap_s = round(after["start_s"] - before["end_s"], 3)
        if "overlap_s" in after:
            assert before["cut_off"]
            assert before["speaker"] != after["speaker"]
            assert gap_s == pytest.approx(-after["overlap_s"])
            assert -0.5 < gap_s < 0
        else:
            assert 0.25 <= gap_s <= 1.8
    assert sum("overlap_s" in u for u in UTTERANCES.values()) == sum("cut_off" in u for u in UTTERANCES.values()) == 1


def test_four_people_with_a_voice_each_all_say_much() -> None:
    voices = {person["name"]: person["voice"] for person in REFERENCE["people"]}
    assert len(voices) == len(set(voices.values())) == 4
    assert set(voices.values()) <= set(VOICES)
    for name in voices:
        assert sum(u["end_s"] - u["start_s"] for u in UTTERANCES.values() if u["speaker"] == name) > 30


def test_every_word_is_known_to_the_embedded_model() -> None:
    unknown = {word for u in UTTERANCES.values() for word in words(u["text"])} - VOCABULARY
    assert not unknown


def test_sentences_are_not_those_of_the_training() -> None:
    drawn = template_sentences(random.Random(0))
    trained = {" ".join(words(next(drawn))) for _ in range(30_000)}
    same = [u["text"] for u in UTTERANCES.values() if " ".join(words(u["text"])) in trained]
    assert all(len(words(text)) <= 3 for text in same), same


def test_every_utterance_has_one_topic_and_one_topic_is_returned_to() -> None:
    owned = [id for topic in REFERENCE["topics"] for id in topic["utterances"]]
    assert sorted(owned) == sorted(UTTERANCES)
    agenda = [topic for topic in REFERENCE["topics"] if topic["kind"] == "agenda"]
    assert len(agenda) >= 4
    assert [topic["id"] for topic in agenda if topic["returns"]] == ["charger"]
    assert REFERENCE["topics"][0]["kind"] == "small talk"


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["id"])
def test_an_item_is_what_its_history_leaves_and_rests_on_utterances(item: dict[str, Any]) -> None:
    for key in ("what", "owner", "due", "due_phrase"):
        values = [entry[key] for entry in item["history"] if key in entry]
        assert values[-1:] == [item[key] for _ in values[-1:]]
    starts = [_start_s(id) for entry in item["history"] for id in entry["evidence"]]
    assert item["evidence"]
    assert starts == sorted(starts)
    assert len(starts) == len(item["evidence"])


def test_three_decisions_of_which_one_is_reversed_after_another_topic() -> None:
    assert len(REFERENCE["decisions"]) == 3
    (reversed_one,) = [d for d in REFERENCE["decisions"] if d["state"] == "reversed"]
    assert _changes(reversed_one) == ["decided", "reversed"]
    decided, reversed_at = (entry["evidence"][0] for entry in reversed_one["history"])
    between = [u["id"] for u in UTTERANCES.values() if _start_s(decided) < u["start_s"] < _start_s(reversed_at)]
    between_topics = {topic["id"] for topic in REFERENCE["topics"] if set(topic["utterances"]) & set(between)}
    assert {"case", "launch"} <= between_topics


def test_six_actions_have_owners_and_dates() -> None:
    assert {action["id"]: action["owner"] for action in REFERENCE["actions"]} == OWNERS
    began = date.fromisoformat(REFERENCE["began"][:10])
    for action in REFERENCE["actions"]:
        assert began < date.fromisoformat(action["due"]) <= date(2026, 3, 31)
        said = " ".join(UTTERANCES[id]["text"] for id in action["evidence"])
        assert action["due_phrase"].lower() in said.lower()


def test_due_phrases_resolve_from_the_day_of_the_meeting() -> None:
    assert date.fromisoformat(REFERENCE["began"][:10]).strftime("%A") == "Tuesday"
    due = {action["due_phrase"]: date.fromisoformat(action["due"]) for action in REFERENCE["actions"]}
    assert due["by Friday"] == date(2026, 3, 13)
    assert due["next Tuesday"] == date(2026, 3, 17)
    assert due["by the twentieth"] == date(2026, 3, 20)
    assert due["in two weeks"] == date(2026, 3, 24)
    assert due["by the end of the month"] == date(2026, 3, 31)
    assert due["by tomorrow evening"] == date(2026, 3, 11)


def test_one_action_is_reassigned_and_one_waits_minutes_for_its_owner() -> None:
    by_changes = {tuple(_changes(action)): action for action in REFERENCE["actions"] if len(action["history"]) > 1}
    moved = by_changes["assigned", "reassigned"]
    assert [entry["owner"] for entry in moved["history"]] == ["David", "Ben"]
    waiting = by_changes["raised", "assigned"]
    raised, assigned = waiting["history"]
    assert raised["owner"] is None
    assert _start_s(assigned["evidence"][0]) - _start_s(raised["evidence"][-1]) > 120


@pytest.mark.parametrize("cited", REFERENCE["references"], ids=lambda cited: cited["utterance"])
def test_a_passage_referred_to_is_in_the_document(cited: dict[str, Any]) -> None:
    pages = _pages(SAMPLES / "docs" / cited["document"])
    place = pages[cited["page"] - 1] if "page" in cited else _section(pages[0], cited["section"])
    assert cited["quote"] in place
    said = set(words(UTTERANCES[cited["utterance"]]["text"]))
    figures = {"six", "fifteen", "twenty", "forty", "sixty", "seventy"}
    assert said & figures & set(words(cited["quote"])) or "section" in said


def test_every_document_is_referred_to_twice_and_its_name_is_said() -> None:
    names = {"survey-report.md": "survey report", "budget.pdf": "budget", "test-plan.docx": "test plan"}
    assert sorted(path.name for path in (SAMPLES / "docs").iterdir()) == sorted(names)
    for name, spoken in names.items():
        at = [cited["utterance"] for cited in REFERENCE["references"] if cited["document"] == name]
        assert len(at) >= 2
        assert sum(spoken in UTTERANCES[id]["text"] for id in at) >= 2
    assert {action_doc["document"] for a in REFERENCE["actions"] for action_doc in a["documents"]} <= set(names)


def test_the_documents_follow_from_their_content(tmp_path: Path) -> None:
    for path in documents.write(tmp_path):
        assert _pages(path) == _pages(SAMPLES / "docs" / path.name)


def test_the_same_script_gives_the_same_documents(tmp_path: Path) -> None:
    for first, second in zip(documents.write(tmp_path / "a"), documents.write(tmp_path / "b"), strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_performing_places_every_line_whole() -> None:
    play = script.load()
    sound, spans = make.perform(play, _fake_voice)
    again, spans_again = make.perform(play, _fake_voice)
    assert spans == spans_again
    assert np.array_equal(sound, again)
    for line, (start, stop) in zip(play.lines, spans, strict=True):
        person = play.people[line.speaker]
        clip = _fake_voice(line.text.rstrip(" –"), person.voice, person.stretch)
        assert 0 <= stop - start - len(clip) < make.MILLISECOND
        middle = (start + stop) // 2  # beyond any overlap
        assert sound[middle] == pytest.approx(clip[0] * 10 ** (person.gain_db / 20), abs=0.01)


@pytest.mark.skipif(not shutil.which("flite"), reason="flite is not installed")
def test_the_voices_still_speak_as_recorded() -> None:
    play, first = script.load(), REFERENCE["utterances"][0]
    person = play.people[first["speaker"]]
    clip = say(first["text"], person.voice, person.stretch)
    assert len(clip) / SAMPLE_RATE == pytest.approx(first["end_s"] - first["start_s"], abs=0.05)


def test_a_missing_speech_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AudioError, match="flite is not installed"):
        make.perform(script.load())
