"""Voiceprints: kept apart with consent, told by encoder, never lost to a damaged neighbour, gone when forgotten."""

from __future__ import annotations

import base64
import errno
import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from audio.diarize.encoder import OLDER, PLAIN, Ge2eEncoder
from audio.diarize.identity import Voiceprint, identify
from pipeline.events import PipelineError
from pipeline.voiceprints import SUFFIX, Voiceprints

TODAY = "2026-03-10T09:00:00+01:00"


def voice(person: str, seed: int = 0, encoder: str = "e1") -> Voiceprint:
    vector = np.random.default_rng(seed).normal(size=8)
    return Voiceprint(person, encoder, vector / np.linalg.norm(vector))


def keep(store: Voiceprints, *voices: Voiceprint) -> list[Path]:
    return [store.add(v, enrolled=TODAY, consent="said yes", speech_s=12.34) for v in voices]


def nobody_warned(sentence: str) -> None:
    pytest.fail(sentence)


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    store = Voiceprints(tmp_path)
    (path,) = keep(store, voice("Zoë O'Neil"))
    (kept,) = store.enrolled(warn=nobody_warned)
    assert (kept.voice.person, kept.voice.encoder, kept.path) == ("Zoë O'Neil", "e1", path)
    assert (kept.enrolled, kept.consent, kept.speech_s) == (TODAY, "said yes", 12.3)
    assert kept.voice.embedding == pytest.approx(voice("Zoë O'Neil").embedding, abs=1e-6)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_only_the_owner_can_read_them(tmp_path: Path) -> None:
    (path,) = keep(Voiceprints(tmp_path), voice("Anna"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("consent", ["", "  \n"])
def test_nothing_is_kept_without_consent(tmp_path: Path, consent: str) -> None:
    store = Voiceprints(tmp_path)
    with pytest.raises(PipelineError, match="needs the person's consent"):
        store.add(voice("Anna"), enrolled=TODAY, consent=consent, speech_s=10)
    assert not store.folder.exists()


def test_a_voice_of_another_encoder_is_kept_and_never_compared(tmp_path: Path) -> None:
    store = Voiceprints(tmp_path)
    keep(store, voice("Anna", encoder="old"), voice("Anna", seed=1, encoder="new"), voice("Ben", encoder="old"))
    known = store.all(warn=nobody_warned)
    assert sorted((v.person, v.encoder) for v in known) == [("Anna", "new"), ("Anna", "old"), ("Ben", "old")]
    heard = {"S1": voice("", seed=0).embedding, "S2": voice("", seed=1).embedding}
    assert [(i.speaker, i.person) for i in identify(heard, known, encoder="new", alike=0.9)] == [("S2", "Anna")]
    assert identify(heard, known, encoder="another", alike=0.9) == []


def broken(how: str, record: dict[str, object]) -> bytes:
    vector = np.frombuffer(base64.b64decode(str(record["embedding"])), "<f4").copy()
    match how:
        case "zeros":
            vector[:] = 0
        case "not a number":
            vector[3] = np.nan
        case "no numbers":
            vector = vector[:0]
    changed = {**record, "embedding": base64.b64encode(vector.tobytes()).decode()}
    match how:
        case "no base64":
            changed["embedding"] = "*" * 20
        case "a part of a number":
            changed["embedding"] = base64.b64encode(b"12345").decode()
        case "no person":
            changed["person"] = ""
        case "no encoder":
            del changed["encoder"]
        case "a list":
            return b"[1, 2]"
        case "torn":
            return json.dumps(record).encode()[:60]
        case "noise":
            return bytes(range(128, 256))
        case "empty":
            return b""
    return json.dumps(changed).encode()


@pytest.mark.parametrize(
    "how",
    [
        *("zeros", "not a number", "no numbers", "no base64", "a part of a number", "no person", "no encoder"),
        *("a list", "torn", "noise", "empty"),
    ],
)
def test_a_damaged_one_is_named_and_left_and_the_others_are_read(tmp_path: Path, how: str) -> None:
    store = Voiceprints(tmp_path)
    damaged, _ = keep(store, voice("Anna"), voice("Ben"))
    content = broken(how, json.loads(damaged.read_text("utf-8")))
    damaged.write_bytes(content)
    warnings: list[str] = []
    assert [v.person for v in store.all(warn=warnings.append)] == ["Ben"]
    assert len(warnings) == 1
    assert str(damaged) in warnings[0]
    assert damaged.read_bytes() == content


def test_forgetting_takes_every_version_and_what_is_damaged_but_nobody_elses(tmp_path: Path) -> None:
    store = Voiceprints(tmp_path)
    keep(store, voice("Anna"), voice("ANNA ", encoder="old"), voice("Annabel"), voice("Ben"))
    torn = store.folder / f"torn{SUFFIX}"
    torn.write_bytes(b'{"person": "Anna", "enc')
    half = store.folder / "ab.part"
    half.write_bytes(b'{"person": "Anna"')
    unknown = store.folder / f"unknown{SUFFIX}"
    unknown.write_bytes(b"\xff\xff")
    warnings: list[str] = []
    assert store.forget("anna", warn=warnings.append) == 4
    assert sorted(v.person for v in store.all(warn=lambda _: None)) == ["Annabel", "Ben"]
    assert not torn.exists()
    assert not half.exists()
    assert unknown.exists()
    assert len(warnings) == 1
    assert str(unknown) in warnings[0]
    assert store.forget("nobody", warn=lambda _: None) == 0


def test_a_disk_that_refuses_is_explained(tmp_path: Path) -> None:
    (tmp_path / "voices").write_text("in the way")
    with pytest.raises(PipelineError, match="could not be written"):
        keep(Voiceprints(tmp_path), voice("Anna"))


def test_prints_with_traits_and_without_are_read_beside_each_other_and_forgotten_together(tmp_path: Path) -> None:
    store = Voiceprints(tmp_path)
    points = np.random.default_rng(3).normal(size=320)
    old = Voiceprint("Anna", PLAIN, points[:256] / np.linalg.norm(points[:256]))
    keep(store, old, Voiceprint("Anna", Ge2eEncoder.name, points / np.linalg.norm(points)))
    assert {print_.encoder: len(print_.embedding) for print_ in store.all(warn=nobody_warned)} == {
        PLAIN: 256,
        Ge2eEncoder.name: 320,
    }
    assert store.forget("anna", warn=nobody_warned) == 2
    assert list(store.folder.glob("*")) == []


@pytest.mark.parametrize("encoder", [Ge2eEncoder.name, PLAIN, *OLDER])
def test_one_that_is_too_short_for_its_encoder_is_damaged(tmp_path: Path, encoder: str) -> None:
    """It would break off the meeting in which it is compared."""
    store, told = Voiceprints(tmp_path), list[str]()
    keep(store, voice("Anna", encoder=encoder), voice("Ben"))
    assert [kept.voice.person for kept in store.enrolled(warn=told.append)] == ["Ben"]
    assert "is damaged and was left out" in told[0]


def test_a_full_disk_leaves_no_part_of_a_voice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = Voiceprints(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PipelineError, match="No space left on device"):
        keep(store, voice("Anna"))
    assert list(store.folder.iterdir()) == []
