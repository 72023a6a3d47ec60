"""Settings from four places: a flag outranks the environment, the user's file, and config.yaml with all defaults."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import yaml

from pipeline.events import PipelineError
from pipeline.settings import Settings

DEFAULTS = Path(__file__).parents[1] / "config.yaml"  # at the top of the source tree and of the installed wheel


@dataclass(frozen=True)
class Setting:
    """One value in effect: a row of `rapporteur config`."""

    key: str  # "recognition.model"
    value: Any
    origin: str  # "default", the path of a file, the name of an environment variable, or "flag"
    comment: str  # what config.yaml says about it


_SECTIONS: dict[str, type[Any]] = get_type_hints(Settings)
_KINDS: dict[str, Any] = {  # "recognition.model" -> str
    f"{section}.{name}": kind
    for section, settings in _SECTIONS.items()
    for name, kind in get_type_hints(settings, include_extras=True).items()
}
_FORM = "write `section:` and below it `  key: value`"
_NOT_IN_TEXT = {"download", "device", "threads", "offline"}  # settings of recognition that change no word and no batch
_USER_FOLDERS = {  # platform -> kind -> (environment variable, the usual folder under the home directory)
    "win32": {"data": ("LOCALAPPDATA", "AppData/Local"), "config": ("APPDATA", "AppData/Roaming")},
    "darwin": {"data": ("", "Library/Application Support"), "config": ("", "Library/Application Support")},
    "linux": {"data": ("XDG_DATA_HOME", ".local/share"), "config": ("XDG_CONFIG_HOME", ".config")},
}


def load(
    flags: Mapping[str, Any] | None = None, *, file: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """The settings in effect; arguments and errors are those of `effective`."""
    values = {setting.key: setting.value for setting in effective(flags, file=file, environ=environ)}
    sections = {
        section: kind(**{name: values[f"{section}.{name}"] for name in get_type_hints(kind)})
        for section, kind in _SECTIONS.items()
    }
    return Settings(**sections)


def effective(
    flags: Mapping[str, Any] | None = None, *, file: Path | None = None, environ: Mapping[str, str] = os.environ
) -> list[Setting]:
    """Every setting and where its value came from, in the order of config.yaml.

    `flags` maps keys such as "recognition.model" to values or their text; None is a flag that was not given. `file`
    replaces the user's own. Raises PipelineError for an unknown key, a value that is not allowed, an unreadable file.
    """
    defaults = list(_from_file(DEFAULTS, "default"))
    comments = _comments(DEFAULTS.read_text("utf-8"))
    named = ((key, value, "flag") for key, value in (flags or {}).items() if value is not None)
    settings: dict[str, Setting] = {}
    for key, value, origin in chain(defaults, _from_user_file(file, environ), _from_environment(environ), named):
        if key not in _KINDS:
            raise PipelineError(f'unknown setting "{key}" ({origin}); {_advice(key)}')
        try:
            settings[key] = Setting(key, _typed(_KINDS[key], value), origin, comments[key])
        except (TypeError, ValueError):
            raise PipelineError(f"{key} is {value!r} ({origin}); it must be {_allowed(_KINDS[key])}") from None
    return list(settings.values())


def settings_fingerprint(settings: Settings) -> str:
    """SHA-256 of all settings that change the text: where it is equal, an interrupted meeting may go on.

    Give it the engine and the model that "auto" has become.
    """
    values = {section: asdict(getattr(settings, section)) for section in ("recognition", "audio", "vad", "speakers")}
    values["speakers"] = {
        k: v for k, v in values["speakers"].items() if not k.startswith("recognise") and k != "sha256"
    }
    values["recognition"] = {k: v for k, v in values["recognition"].items() if k not in _NOT_IN_TEXT}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def library_home(settings: Settings, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the meetings are kept: library.home, else $RAPPORTEUR_HOME, else the user data directory."""
    named = settings.library.home or environ.get("RAPPORTEUR_HOME", "")
    return _expanded(named) if named else _user_folder("data", environ)


def user_file(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's own settings, which need not exist: $RAPPORTEUR_CONFIG, else in the user config directory."""
    named = environ.get("RAPPORTEUR_CONFIG", "")
    return _expanded(named) if named else _user_folder("config", environ) / "config.yaml"


def _from_user_file(file: Path | None, environ: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    asked_for = file or environ.get("RAPPORTEUR_CONFIG")
    path = file or user_file(environ)
    return _from_file(path, str(path), may_be_missing=not asked_for)


def _from_file(path: Path, origin: str, *, may_be_missing: bool = False) -> Iterator[tuple[str, Any, str]]:
    try:
        sections = yaml.safe_load(path.read_bytes()) or {}
    except OSError as error:
        if may_be_missing and isinstance(error, FileNotFoundError):
            return
        missing = isinstance(error, FileNotFoundError)
        advice = "check --config and $RAPPORTEUR_CONFIG" if missing else "make them yours to read"
        raise PipelineError(f"the settings {path} cannot be read ({error.strerror}); {advice}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # YAML also reads dates, and not every one is one
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise PipelineError(f"the settings {path} are not YAML{where}; {_FORM}") from error
    if not isinstance(sections, dict):
        raise PipelineError(f"the settings {path} have no sections; {_FORM}")
    for section, values in sections.items():
        if isinstance(values, dict):
            yield from ((f"{section}.{name}", value, origin) for name, value in values.items())
        elif values is not None or section not in _SECTIONS:
            yield str(section), values, origin  # no key of ours has such a name


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    """RAPPORTEUR_SECTION_KEY; variables of no section, such as RAPPORTEUR_HOME, are not settings."""
    for variable, value in environ.items():
        prefix, _, rest = variable.partition("_")
        section, _, name = rest.lower().partition("_")
        if prefix == "RAPPORTEUR" and section in _SECTIONS:
            yield f"{section}.{name}", value, variable


def _typed(kind: Any, value: Any) -> Any:
    """`value`, which may be text, as `kind`; TypeError or ValueError where it is not allowed."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        limits = arguments[1]
        value = _typed(arguments[0], value)
        if not limits.low <= (len(value) if isinstance(value, tuple) else value) <= limits.high:
            raise ValueError
    elif origin is tuple:
        items = _listed(value, spaced=arguments[0] is str) if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise TypeError
        value = tuple(_typed(arguments[0], item) for item in items)
    elif origin is Literal:
        if value not in arguments:
            raise ValueError
    elif kind is bool and isinstance(value, str):
        value = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(value.lower())
    elif kind in (int, float) and isinstance(value, str):
        value = kind(value)
    elif kind is float and type(value) is int:
        value = float(value)
    if isinstance(kind, type) and origin is None and type(value) is not kind:
        raise TypeError
    return value


def _listed(text: str, *, spaced: bool) -> list[str]:
    """The items of a list that is written as text; `spaced`: they are names and paths, which may hold spaces."""
    items = (item.strip() for item in text.strip().removeprefix("[").removesuffix("]").split(","))
    return [part for item in items if item for part in ([item] if spaced else item.split())]


def _allowed(kind: Any) -> str:
    """What `_typed` takes, in words."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        limits, counted = arguments[1], " of them" if get_origin(arguments[0]) is tuple else ""
        return f"{_allowed(arguments[0])}, {limits.low} to {limits.high}{counted}"
    if origin is tuple:
        return f"a list [a, b, ...] of values that are each {_allowed(arguments[0])}"
    if origin is Literal:
        return "one of " + ", ".join(arguments)
    return {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text; put it in quotes, for YAML reads it as something else",
    }[kind]


def _comments(text: str) -> dict[str, str]:
    """The comment behind each key of config.yaml."""
    comments, section = {}, ""
    for line in text.splitlines():
        if found := re.match(r"(?P<indent> *)(?P<name>\w+):(?:.*?) +# (?P<comment>.*)", line):
            section = section if found["indent"] else found["name"]
            comments[f"{section}.{found['name']}"] = found["comment"]
    return comments


def _advice(key: str) -> str:
    """The nearest key there is, first by its own name and then by its letters."""
    name = key.rpartition(".")[2]
    near = [known for known in _KINDS if known.rpartition(".")[2] == name] or get_close_matches(key, _KINDS, 1, 0.5)
    return f"did you mean {near[0]}?" if near else "`rapporteur config` lists all"


def _user_folder(kind: Literal["data", "config"], environ: Mapping[str, str]) -> Path:
    variable, usual = _USER_FOLDERS.get(sys.platform, _USER_FOLDERS["linux"])[kind]
    named = Path(environ.get(variable, ""))  # the XDG rules ignore a relative path
    return (named if named.is_absolute() else _expanded(f"~/{usual}")) / "rapporteur"


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise PipelineError("there is no home directory; set RAPPORTEUR_HOME and RAPPORTEUR_CONFIG") from error
