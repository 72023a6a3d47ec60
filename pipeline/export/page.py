"""A transcript as one web page that needs nothing else: click a line and hear that moment."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from itertools import groupby
from pathlib import Path

import jinja2

from audio.checksum import sha256_of
from audio.speech import Utterance
from pipeline.export.recording import embed, embedded_megabytes, link
from pipeline.export.text import clock, file_name, spell_facts, spell_left_out, spell_talk
from pipeline.transcript import Transcript

UNSURE = 0.5  # a word of lower probability is underlined
_INLINE = re.compile(r"<(style|script)>(.*?)</\1>", re.DOTALL)


@dataclass(frozen=True)
class PageOptions:
    """Where the page finds its sound."""

    link_audio: bool = False  # link the recording beside the page instead of keeping it inside
    embed_max_mb: float = 25.0  # a recording that takes more (78 minutes do) is linked; Firefox stops at 32


def render(transcript: Transcript, options: PageOptions, folder: Path) -> str:
    """The page as it is to lie in `folder`; raises AudioError where the recording cannot be read."""
    template, inline = _template()
    audio = _audio(transcript, options, folder)
    media = "data:" if audio.startswith("data:") else "'self' file:"  # Firefox: no file is 'self'
    return template.render(
        transcript=transcript,
        policy=f"default-src 'none'; {inline}; media-src {media}; base-uri 'none'; form-action 'none'",
        audio=audio,
        file=file_name(transcript),
        facts=spell_facts(transcript),
        left_out=spell_left_out(transcript),
        talk=spell_talk(transcript),
        unsure=any(word.probability < UNSURE for u in transcript.utterances for word in u.words),
        pieces=_pieces,
        moment=lambda seconds: clock(seconds).removeprefix("" if transcript.duration_s >= 3600 else "00:"),
    )


def _audio(transcript: Transcript, options: PageOptions, folder: Path) -> str:
    return sound_of(
        Path(transcript.source), transcript.audio_sha256, transcript.duration_s, options=options, folder=folder
    )


def sound_of(recording: Path, sha256: str, duration_s: float, *, options: PageOptions, folder: Path) -> str:
    """The URL of the sound; "" where the file is gone or no longer what was transcribed."""
    if not recording.is_file() or sha256_of(recording) != sha256:
        return ""
    if options.link_audio or embedded_megabytes(duration_s) > options.embed_max_mb:
        return link(recording, folder)
    return embed(recording, sha256)


def _pieces(utterance: Utterance) -> Iterator[tuple[str, bool]]:
    """The text in runs of sure and unsure words; the spaces before an unsure word are a sure run."""
    if "".join(word.text for word in utterance.words).strip() != utterance.text.strip():
        yield utterance.text.strip(), False  # no words, or they do not spell this text
        return
    for unsure, run in groupby(utterance.words, key=lambda word: word.probability < UNSURE):
        text = "".join(word.text for word in run)
        said = text.lstrip()
        yield text[: len(text) - len(said)], False
        yield said, unsure


@cache
def _template() -> tuple[jinja2.Template, str]:
    """The template, and the hashes of its style and script as its content security policy names them."""
    source = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    allowed = {kind: b64encode(sha256(text.encode()).digest()).decode() for kind, text in _INLINE.findall(source)}
    return environment.from_string(source), "; ".join(f"{kind}-src 'sha256-{sum}'" for kind, sum in allowed.items())
