"""Settings, findings and models as rows for scripts."""

from __future__ import annotations

import json

from audio.engines import models
from pipeline import doctor
from pipeline.config import effective, load


def rows(run, *command: str) -> list[dict[str, object]]:  # type: ignore[no-untyped-def]
    return [json.loads(line) for line in run(*command, "--json")[1].splitlines()]


def test_every_setting_is_a_row_with_its_origin(run, tmp_path) -> None:  # type: ignore[no-untyped-def]
    told = {row["key"]: row for row in rows(run, "config")}
    assert list(told) == [setting.key for setting in effective(environ={})]
    assert told["vad.detector"] == {
        "key": "vad.detector",
        "value": "webrtcvad",
        "origin": str(tmp_path / "config.yaml"),
    }
    assert told["memory.banks"]["value"] == ["cache", "tokens", "slots", "archive"]
    assert told["memory.segment"]["origin"] == "default"


def test_what_works_is_a_row_each(run) -> None:  # type: ignore[no-untyped-def]
    found = rows(run, "doctor")
    assert [(row["what"], row["state"], row["detail"]) for row in found] == [
        (finding.what, finding.state, finding.detail) for finding in doctor.examine(load())
    ]


def test_models_here_have_a_path_and_those_to_pull_none(run) -> None:  # type: ignore[no-untyped-def]
    found = {row["name"]: row["path"] for row in rows(run, "models", "list")}
    assert set(models.official_names()) <= set(found)
    assert {name for name, path in found.items() if path} == {model.name for model in models.installed()}
