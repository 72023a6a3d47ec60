"""A document as one page that needs nothing else and asks for nothing else."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

import jinja2
from markupsafe import Markup, escape

from pipeline.export.document.model import Block, Document, Inline, Link, Soft, Strong, tidy

_INLINE = re.compile(r"<(style|script)>(.*?)</\1>", re.DOTALL)
_DAY = re.compile(r"\b\d{4}-\d{2}-\d{2}\b", re.ASCII)
_SPELLED = re.compile(r"\b(?:[A-Z][a-z]{2} )?\d{1,2} [A-Z][a-z]{2,8} \d{4}\b", re.ASCII)
_DATA_NAME = re.compile("[a-z][a-z-]*")
_RIGHT_TO_LEFT = {"ar", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"}


def render(document: Document, *, sound: str = "") -> str:
    """The page; `sound` is the URL of the meeting's recording, data: or relative, which links with `at_s` play."""
    template, inline = _template()
    document = tidy(document)
    media = "data:" if sound.startswith("data:") else "'self' file:"  # Firefox: no file is 'self'
    media_policy = f"media-src {media}; " if sound else ""
    return template.render(
        document=document,
        policy=f"default-src 'none'; {inline}; {media_policy}base-uri 'none'; form-action 'none'",
        sound=sound,
        direction="rtl" if document.language in _RIGHT_TO_LEFT else "ltr",
        kind=_kind,
        days=_days,
        data_name=lambda name: bool(_DATA_NAME.fullmatch(name)),
    )


def _kind(piece: Block | Inline) -> str:
    """The class's name, for the template."""
    if isinstance(piece, str):
        return "text"
    if isinstance(piece, Link):
        return "link" if piece.target else "text_of"
    return {Strong: "strong", Soft: "soft"}.get(type(piece), type(piece).__name__.lower())


def _days(text: str) -> Markup:
    """The text escaped, its dates as such: a browser breaks lines in a date that is not."""
    return Markup(_SPELLED.sub(_whole, _DAY.sub(r"<time>\g<0></time>", str(escape(text)))))


def _whole(day: re.Match[str]) -> str:
    return f'<span class="day">{day[0]}</span>'


@cache
def _template() -> tuple[jinja2.Template, str]:
    """The template, and the hashes of its style and script as its content security policy names them."""
    source = files(__package__).joinpath("document.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    allowed = {kind: b64encode(sha256(text.encode()).digest()).decode() for kind, text in _INLINE.findall(source)}
    return environment.from_string(source), "; ".join(f"{kind}-src 'sha256-{sum}'" for kind, sum in allowed.items())
