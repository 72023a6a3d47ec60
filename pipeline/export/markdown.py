"""A transcript as Markdown that reads well raw and, rendered, shows the speech to the letter."""

from __future__ import annotations

import re

from audio.speech import Utterance
from pipeline.export.text import clock, spell_facts, spell_left_out, spell_talk
from pipeline.transcript import Transcript

# What CommonMark, tables, strikethrough and formulas give a meaning to inside a line. "-", "+", "1." and "=" mean
# something only where a line starts, and speech never does; "(" and "!" mean nothing without "[".
_SPECIAL = re.compile(r"[\\`*_\[\]<>#|~&$]")


def render(transcript: Transcript) -> str:
    """Title, facts and one paragraph an utterance."""
    left_out = spell_left_out(transcript)
    paragraphs = [
        f"# {_escape(transcript.title)}",
        _escape(" · ".join(spell_facts(transcript))),
        *([_escape(f"Talk time: {talk}")] if (talk := spell_talk(transcript)) else []),
        *(f"**{clock(u.start_s)}** {_who(u, transcript)}{_escape(u.text)}" for u in transcript.utterances),
        *([f"*{_escape(left_out)}*"] if left_out else []),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _who(utterance: Utterance, transcript: Transcript) -> str:
    name = transcript.speakers.get(utterance.speaker, "")
    return f"**{_escape(name)}:** " if name else ""


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))
