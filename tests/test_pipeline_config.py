"""Settings: one place of defaults, a clear order of precedence, errors that name what is wrong and what is right."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from audio.engines import RecognitionOptions
from audio.segmenter import FILE
from pipeline.config import DEFAULTS, effective, library_home, load, settings_fingerprint, user_file
from pipeline.events import PipelineError

NOWHERE = {"RAPPORTEUR_CONFIG": str(DEFAULTS)}  # no file of the user whose machine runs this test
KEYS = {setting.key: setting for setting in effective(environ=NOWHERE)}
SECTIONS = {key.partition(".")[0] for key in KEYS}


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def another(value: Any) -> Any:
    """A different value that is allowed wherever `value` is, but for choices."""
    match value:
        case bool():
            return not value
        case int():
            return value - 1 if value > 1 else value + 1
        case float():
            return value / 2
        case tuple():
            return value[:1]
        case _:
            return f"{value}x"


CHOICES = {
    "recognition.engine": "openai-whisper",
    "recognition.task": "translate",
    "listen.policy": "align-att",
    "listen.agreeing": 3,
    "listen.window": "full",
    "audio.channels": "separate",
    "speakers.engine": "off",
    "vad.detector": "silero",
    "vad.windows": "full",
}


def test_every_key_has_a_default_and_a_reason_with_its_unit() -> None:
    default = yaml.safe_load(DEFAULTS.read_text())
    assert list(KEYS) == [f"{section}.{name}" for section, names in default.items() for name in names]
    for key, setting in KEYS.items():
        assert len(setting.comment) > 15, key
        if key.endswith("_ms"):
            assert re.search(r"\bms\b", setting.comment), key
    load(environ=NOWHERE)  # raises where a field has no default


def test_the_defaults_of_an_engine_are_the_ones_in_the_file() -> None:
    assert load(environ=NOWHERE).recognition.options() == RecognitionOptions()


def test_the_defaults_of_the_segmenter_are_the_ones_in_the_file() -> None:
    vad = load(environ=NOWHERE).vad
    assert (vad.speech_threshold, vad.silence_threshold) == (FILE.speech_on, FILE.speech_off)
    assert (vad.min_speech_ms, vad.pad_ms, vad.pad_ms) == (FILE.min_speech_ms, FILE.pad_before_ms, FILE.pad_after_ms)


@pytest.mark.parametrize("key", KEYS)
def test_a_flag_outranks_the_environment_which_outranks_the_file(tmp_path: Path, key: str) -> None:
    value = CHOICES.get(key, another(KEYS[key].value))
    plain = list(value) if isinstance(value, tuple) else value
    text = ", ".join(map(str, plain)) if isinstance(plain, list) else str(plain)
    section, _, name = key.partition(".")
    file = written(tmp_path, yaml.safe_dump({section: {name: plain}}))
    environ = {f"RAPPORTEUR_{section}_{name}".upper(): text, "RAPPORTEUR_HOME": "/elsewhere", "PATH": "/bin"}

    def found(*args: Any, **more: Any) -> tuple[Any, str]:
        (setting,) = [setting for setting in effective(*args, **more) if setting.key == key]
        return setting.value, setting.origin

    assert found({"recognition.model": None, key: plain}, file=file, environ=environ) == (value, "flag")
    assert found(file=file, environ=environ) == (value, f"RAPPORTEUR_{section}_{name}".upper())
    assert found(file=file, environ={}) == (value, str(file))
    assert found(environ=NOWHERE | environ) == (value, f"RAPPORTEUR_{section}_{name}".upper())
    assert found(environ={"XDG_CONFIG_HOME": str(tmp_path)}) == (KEYS[key].value, "default")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("recognition: {modle: tiny}", 'unknown setting "recognition.modle" .*mean recognition.model?'),
        ("recogniton: {model: tiny}", 'unknown setting "recogniton.model" .*mean recognition.model?'),
        ("beam_size: 5", 'unknown setting "beam_size" .*mean recognition.beam_size?'),
        ("audio: mix", 'unknown setting "audio" .*mean audio.channels?'),
        ("zzz:", 'unknown setting "zzz" .*`rapporteur config` lists all'),
        ("recognition: {beam_size: 0}", "beam_size is 0 .*whole number, 1 to 100"),
        ("recognition: {beam_size: true}", "beam_size is True .*whole number"),
        ("recognition: {beam_size: 2.5}", "beam_size is 2.5 .*whole number"),
        ("recognition: {no_speech_threshold: .nan}", "no_speech_threshold is nan .*number, 0 to 1"),
        ("recognition: {temperatures: []}", "temperatures is .* 1 to 20 of them"),
        ("recognition: {temperatures: [0, 2]}", "temperatures is .* number, 0 to 1"),
        ("recognition: {temperatures: {a: 1}}", "temperatures is .* a list"),
        ("recognition: {task: sing}", "task is 'sing' .*one of transcribe, translate"),
        ("recognition: {language: no}", "language is False .*text; put it in quotes"),
        ("recognition: {offline: maybe}", "offline is 'maybe' .*true or false"),
        ("export: {formats: [txt, docx]}", "formats is .*one of txt, srt"),
        ("- a list", "have no sections; write `section:`"),
        ("only words", "have no sections; write `section:`"),
        ("audio:\n  channels: [", "not YAML at line 2; write"),
        ("library: {home: 2026-13-45}", "not YAML; write"),
        (b"\0", "not YAML; write"),
        (b"\xff\xfe\xff", "not YAML"),
        ("[" * 5_000, "not YAML"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_right(tmp_path: Path, text: str | bytes, advice: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(PipelineError, match=advice) as caught:
        load(file=path, environ={})
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing yet", "audio:\n", "{}"])
def test_a_file_that_sets_nothing_is_fine(tmp_path: Path, text: str) -> None:
    assert load(file=written(tmp_path, text), environ={}) == load(environ=NOWHERE)


def test_a_misspelt_variable_is_an_error_and_others_are_not_ours() -> None:
    with pytest.raises(PipelineError, match=r"RAPPORTEUR_RECOGNITION_MODLE\); did you mean recognition.model"):
        load(environ=NOWHERE | {"RAPPORTEUR_RECOGNITION_MODLE": "tiny"})
    with pytest.raises(PipelineError, match=r'"recognition\.modle" \(flag\)'):
        load({"recognition.modle": "tiny"}, environ=NOWHERE)
    assert load(environ=NOWHERE | {"RAPPORTEUR_DATA": "/data", "RAPPORTEUR": "x"}) == load(environ=NOWHERE)


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="cannot be read"):
        load(file=tmp_path / "none.yaml", environ={})
    with pytest.raises(PipelineError, match="cannot be read"):
        load(environ={"RAPPORTEUR_CONFIG": str(tmp_path / "none.yaml")})


@pytest.mark.parametrize("key", KEYS)
def test_the_fingerprint_changes_with_all_that_changes_the_text_and_nothing_else(key: str) -> None:
    value = CHOICES.get(key, another(KEYS[key].value))
    changed = settings_fingerprint(load({key: value}, environ=NOWHERE)) != settings_fingerprint(load(environ=NOWHERE))
    indifferent = {f"recognition.{name}" for name in ("download", "device", "threads", "offline")}
    indifferent |= {f"speakers.{name}" for name in ("recognise", "recognise_from", "sha256")}
    assert changed == (key.split(".")[0] in ("recognition", "audio", "vad", "speakers") and key not in indifferent)


@pytest.mark.parametrize(
    ("platform", "environ", "data", "config"),
    [
        ("linux", {}, ".local/share/rapporteur", ".config/rapporteur/config.yaml"),
        ("linux", {"XDG_DATA_HOME": "not/absolute"}, ".local/share/rapporteur", ".config/rapporteur/config.yaml"),
        ("freebsd14", {}, ".local/share/rapporteur", ".config/rapporteur/config.yaml"),
        (
            "darwin",
            {"XDG_DATA_HOME": "/xdg"},
            "Library/Application Support/rapporteur",
            "Library/Application Support/rapporteur/config.yaml",
        ),
        ("win32", {}, "AppData/Local/rapporteur", "AppData/Roaming/rapporteur/config.yaml"),
    ],
)
def test_each_system_has_its_own_folders(
    monkeypatch: pytest.MonkeyPatch, platform: str, environ: dict[str, str], data: str, config: str
) -> None:
    settings = load(environ=NOWHERE)
    monkeypatch.setattr("sys.platform", platform)
    assert library_home(settings, environ) == Path.home() / data
    assert user_file(environ) == Path.home() / config


def test_folders_that_are_named_outrank_those_of_the_system(tmp_path: Path) -> None:
    environ = {"XDG_DATA_HOME": str(tmp_path / "xdg"), "XDG_CONFIG_HOME": str(tmp_path / "cfg")}
    plain = load(environ=NOWHERE)
    assert library_home(plain, environ) == tmp_path / "xdg" / "rapporteur"
    assert user_file(environ) == tmp_path / "cfg" / "rapporteur" / "config.yaml"
    assert library_home(plain, environ | {"RAPPORTEUR_HOME": str(tmp_path)}) == tmp_path
    named = load({"library.home": "~/meetings"}, environ=NOWHERE)
    assert library_home(named, environ | {"RAPPORTEUR_HOME": str(tmp_path)}) == Path.home() / "meetings"


def test_without_a_home_directory_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError

    settings = load(environ=NOWHERE)
    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(PipelineError, match="set RAPPORTEUR_HOME"):
        library_home(settings, {})


def test_names_and_paths_with_spaces_are_one_each(tmp_path: Path) -> None:
    environ = {"RAPPORTEUR_CAPTURE_DEVICES": "me=USB Audio, speakers", "RAPPORTEUR_RECOGNITION_TEMPERATURES": "0 0.5"}
    settings = load({"retrieval.folders": "[~/My Documents]"}, environ=NOWHERE | environ)
    assert settings.capture.devices == ("me=USB Audio", "speakers")
    assert settings.retrieval.folders == ("~/My Documents",)
    assert settings.recognition.temperatures == (0.0, 0.5)
