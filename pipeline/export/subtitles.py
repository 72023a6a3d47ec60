"""The five formats of openai-whisper, made by its own writers: txt, srt, vtt, tsv, json."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from audio.speech import Utterance, Word
from pipeline.export.text import file_name
from pipeline.transcript import Transcript

_UNSPACED = {"zh", "ja", "th", "lo", "my", "yue"}  # languages that whisper's tokenizer splits without spaces

# While whisper breaks lines, one noncharacter stands for each special character of VTT, so that escaped text breaks
# where plain text does; a tidied transcript has no noncharacters of its own.
_GUARD = str.maketrans("&<>", "\ufdd0\ufdd1\ufdd2")
_OPEN, _CLOSE = "\ufdd3", "\ufdd4"  # the brackets of a voice tag
_ESCAPE = str.maketrans({"\ufdd0": "&amp;", "\ufdd1": "&lt;", "\ufdd2": "&gt;", _OPEN: "<", _CLOSE: ">"})


@dataclass(frozen=True)
class SubtitleOptions:
    """How srt and vtt break lines; names and meanings are the whisper command's, and all need word times."""

    max_line_width: int | None = None  # characters
    max_line_count: int | None = None  # lines a subtitle
    max_words_per_line: int | None = None
    highlight_words: bool = False  # one subtitle a word, with that word underlined
    speaker_labels: bool = False  # `Anna: ` before the lines of txt and srt; vtt names its voices anyway


def render(transcript: Transcript, format: str, options: SubtitleOptions) -> str:
    """The text of the file: whisper's own for the same segments, but that vtt escapes what speech contains."""
    if format in ("srt", "vtt"):
        transcript = _spelled(transcript)
    if format == "vtt":
        transcript = _guarded(transcript)
    if format == "vtt" or (options.speaker_labels and format in ("txt", "srt")):
        transcript = _voiced(transcript, tags=format == "vtt")
    file = io.StringIO()
    _whisper_writers().get_writer(format, "").write_result(whisper_result(transcript), file, _for_whisper(options))
    return file.getvalue().translate(_ESCAPE)


def whisper_result(transcript: Transcript) -> dict[str, Any]:
    """What whisper's `transcribe` returns, followed by what we know beyond it under keys that it does not use."""
    timed = any(utterance.words for utterance in transcript.utterances)
    return {
        "text": _running_text(transcript),
        "segments": [_segment(i, utterance, timed) for i, utterance in enumerate(transcript.utterances)],
        "language": transcript.language,
        "meeting": transcript.meeting,
        "title": transcript.title,
        "began": transcript.began,
        "duration": transcript.duration_s,
        "file": file_name(transcript),
        "audio_sha256": transcript.audio_sha256,
        "engine": transcript.engine,
        "model": transcript.model,
        **({"speakers": _speakers(transcript)} if transcript.speakers else {}),
        "suppressed": [_segment(i, u, timed) | {"reason": u.suppressed} for i, u in enumerate(transcript.suppressed)],
    }


def _running_text(transcript: Transcript) -> str:
    """Whisper's texts begin with the space that joins them; one that was corrected by hand may have lost it."""
    gap = "" if transcript.language in _UNSPACED else " "
    return "".join(u.text if u.text[:1].isspace() else gap + u.text for u in transcript.utterances)


def _segment(number: int, utterance: Utterance, timed: bool) -> dict[str, Any]:
    words = [
        {"word": w.text, "start": w.start_s, "end": w.end_s, "probability": w.probability}
        | ({"speaker": w.speaker} if w.speaker else {})
        for w in utterance.words
    ]
    return {
        "id": number,
        "seek": round(utterance.start_s * 100),  # where the decoded window began, in mel frames of 10 ms
        "start": utterance.start_s,
        "end": utterance.end_s,
        "text": utterance.text,
        "tokens": list(utterance.tokens),
        "temperature": utterance.scores.temperature,
        "avg_logprob": utterance.scores.avg_logprob,
        "compression_ratio": utterance.scores.compression_ratio,
        "no_speech_prob": utterance.scores.no_speech_prob,
        **({"words": words} if timed else {}),  # whisper looks at the first segment only: all have words or none
        "utterance": utterance.id,
        "source": utterance.source,
        "flags": list(utterance.flags),
        **({"speaker": utterance.speaker} if utterance.speaker else {}),
    }


def _speakers(transcript: Transcript) -> dict[str, dict[str, Any]]:
    talk_s = transcript.talk_s()
    return {
        label: {"name": name, "talk": round(talk_s[label], 3)}
        | ({"confidence": transcript.recognised[label]} if label in transcript.recognised else {})
        for label, name in transcript.speakers.items()
    }


def _for_whisper(options: SubtitleOptions) -> dict[str, Any]:
    return {name: value for name, value in asdict(options).items() if name != "speaker_labels"}


def _voiced(transcript: Transcript, *, tags: bool) -> Transcript:
    """With the speaker before each text and before its first word; whisper's writers show one of the two."""

    def voiced(utterance: Utterance) -> Utterance:
        name = transcript.speakers.get(utterance.speaker, "")
        if not name or not utterance.text.strip():
            return utterance
        who = f"{_OPEN}v {name.translate(_GUARD)}{_CLOSE}" if tags else f"{name}: "
        first = [replace(word, text=f" {who}{word.text.strip()}") for word in utterance.words[:1]]
        return replace(utterance, text=f" {who}{utterance.text.strip()}", words=(*first, *utterance.words[1:]))

    return _each(transcript, voiced)


def _spelled(transcript: Transcript) -> Transcript:
    """With words for every text: whisper's subtitles show words only, and a corrected text has none."""
    if not any(utterance.words for utterance in transcript.utterances):
        return transcript
    return _each(transcript, lambda u: u if u.words or not u.text.strip() else replace(u, words=(_as_word(u),)))


def _as_word(utterance: Utterance) -> Word:
    return Word(f" {utterance.text.strip()}", utterance.start_s, utterance.end_s, probability=1.0)


def _guarded(transcript: Transcript) -> Transcript:
    return _each(
        transcript, lambda u: replace(u, text=u.text.translate(_GUARD), words=tuple(map(_guarded_word, u.words)))
    )


def _guarded_word(word: Word) -> Word:
    return replace(word, text=word.text.translate(_GUARD))


def _each(transcript: Transcript, change: Callable[[Utterance], Utterance]) -> Transcript:
    return replace(transcript, utterances=tuple(map(change, transcript.utterances)))


@cache
def _whisper_writers() -> ModuleType:
    """whisper/utils.py alone: it needs only the standard library, while `import whisper` loads torch for seconds."""
    package = find_spec("whisper")
    assert package is not None, "openai-whisper is a dependency"
    assert package.origin is not None
    spec = spec_from_file_location("whisper.utils", Path(package.origin).with_name("utils.py"))
    assert spec is not None, "a .py file always has a loader"
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
