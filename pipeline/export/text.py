"""Speech, times and dates as plain text, one line each."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import PurePath

from audio.speech import Utterance
from pipeline.transcript import Transcript

_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")  # Unicode Cc, Zl, Zp: controls and all line ends
_INVALID = re.compile(r"[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")  # half characters and noncharacters


def tidied(transcript: Transcript) -> Transcript:
    """The transcript with every text on one line, in characters that every format may hold."""
    return replace(
        transcript,
        title=one_line(transcript.title or transcript.meeting),
        model=one_line(PurePath(transcript.model).name),
        utterances=tuple(map(_tidied, transcript.utterances)),
        suppressed=tuple(map(_tidied, transcript.suppressed)),
        speakers={label: one_line(name) for label, name in transcript.speakers.items()},
    )


def _tidied(utterance: Utterance) -> Utterance:
    return replace(
        utterance,
        text=one_line(utterance.text),
        words=tuple(replace(word, text=one_line(word.text)) for word in utterance.words),
        suppressed=one_line(utterance.suppressed),
    )


def one_line(text: str) -> str:
    """In one line, and in characters that every format may hold."""
    return _INVALID.sub("\ufffd", _BREAKS.sub(" ", text))


def file_name(transcript: Transcript) -> str:
    """What was transcribed, without the folders: they are nobody's business but the owner's."""
    return one_line(PurePath(transcript.source).name)


def clock(seconds: float) -> str:
    """A moment as 00:01:23, rounded down."""
    return f"{int(seconds // 3600):02d}:{int(seconds // 60 % 60):02d}:{int(seconds % 60):02d}"


def spell_duration(seconds: float) -> str:
    """A length as "42 s", "3 min 42 s" or "1 h 5 min", rounded down."""
    total = int(seconds)
    hours, minutes, rest = total // 3600, total // 60 % 60, total % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def spell_date(began: str) -> str:
    """An ISO 8601 moment as "24 November 2026, 10:00"; "" while it is unknown."""
    if not began:
        return ""
    moment = datetime.fromisoformat(began)
    return f"{moment.day} {moment:%B %Y, %H:%M}"


def spell_facts(transcript: Transcript) -> list[str]:
    """Date, length and recogniser of a meeting, as far as they are known."""
    recogniser = f"model {transcript.model} ({transcript.engine})" if transcript.model else ""
    return [*filter(None, (spell_date(transcript.began), spell_duration(transcript.duration_s), recogniser))]


def spell_talk(transcript: Transcript) -> str:
    """Who spoke how long, the longest first: "Anna 2 min 3 s (51%), Ben 1 min 58 s (49%)"; "" if nobody is known."""
    talk_s = transcript.talk_s()
    total_s = sum(talk_s.values()) or 1.0
    longest = sorted(talk_s.items(), key=lambda item: -item[1])
    return ", ".join(f"{transcript.speakers[who]} {spell_duration(s)} ({s / total_s:.0%})" for who, s in longest)


def spell_left_out(transcript: Transcript) -> str:
    """How many stretches are not shown and why; "" where all are."""
    count = len(transcript.suppressed)
    why = Counter(utterance.suppressed for utterance in transcript.suppressed).most_common()
    reasons = why[0][0] if len(why) == 1 else ", ".join(f"{reason}: {number}" for reason, number in why)
    return f"{count} {'stretch was' if count == 1 else 'stretches were'} left out ({reasons})" if count else ""
