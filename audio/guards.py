"""Guards against text that nobody said: small rules, asked in turn, that keep a segment, mend it or suppress it.

Whisper invents sentences for about 1 % of its audio, mostly where nobody speaks (Koenecke et al., FAccT 2024). No rule
but the physical ones goes by a single sign, so that good speech passes; what is suppressed stays in the journal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from audio.engines import RecognitionOptions, RecognizedSegment
from audio.engines.features import compression_ratio
from audio.speech import SAMPLE_RATE, SpeechSegment

LOW_SPEECH_SHARE = 0.4  # of a segment's frames; one short word with the padding around it has about as much
DOUBTFUL_SPEECH_SHARE = 0.5
MUSIC_SPEECH_SHARE = 0.65  # music that passes for speech reaches it; speech between short pauses has more
DOUBTFUL_TEMPERATURE = 0.5  # whisper no longer trusts a text above it to be the next one's prompt
FAR_BELOW = 1.5  # times the log probability from which a text is tried again: nothing that any temperature believes in
FASTEST_WORDS_PER_S = 12.0  # the record of fast talking is 10.6 (S. Woodmore, 1990)
SPARE_WORDS = 4  # the segmenter may have cut a little off at both ends
LOOP_WORDS, LOOP_REPEATS = 3, 4  # this many words or more, said more often than this in a row, are a loop
WORD_REPEATS = 8  # one or two words, or a few letters, people do say this often ("no no no no", "hahaha")
LOOP_LETTERS = 5  # in scripts without spaces this many letters or more count as several words

# What Whisper learned from subtitles and writes over noise (Baranski et al., arXiv 2501.11378), in several languages.
PHANTOM = re.compile(
    r"\W*(?:"
    r"(?:thank you|thanks)(?: (?:so|very) much)?(?: all)? for (?:watching|listening)|"
    r"(?:please )?(?:(?:don't forget to )?like(?:,)? (?:and )?)?subscribe(?: to (?:my|our|the) channel)?|"
    r"(?:i'll )?see you in the next video|"
    r"(?:subtitles|captions|transcription|subtitled|transcribed)(?: (?:made|created))? by\b.*|.*\bamara\.org\b.*|"
    r"untertitel\b.*(?:zdf|funk|ard|swr|wdr)\b.*|sous-titr\w+\b.*|subtítulos\b.*|sottotitoli\b.*|ondertitel\w*\b.*|"
    r"продолжение следует|редактор субтитров\b.*|ご視聴ありがとうございました|字幕(?:由|by|志愿者).*|谢谢观看"
    r")\W*",
    re.IGNORECASE,
)
_LOOP_IN_WORD = re.compile(rf"(\S{{1,40}}?)\1{{{LOOP_REPEATS},}}")


@dataclass(frozen=True)
class Judged:
    """A segment after some guards: mended or not, with the reason where it must not be shown."""

    segment: RecognizedSegment
    suppressed: str = ""
    flags: tuple[str, ...] = ()


Guard = Callable[[Judged, SpeechSegment, RecognitionOptions], Judged]


def judge(segment: RecognizedSegment, heard: SpeechSegment, options: RecognitionOptions) -> Judged:
    """Ask every guard about a segment of the text of `heard`; the first to suppress it has the last word."""
    judged = Judged(segment)
    for guard in GUARDS:
        judged = guard(judged, heard, options)
        if judged.suppressed:
            break
    return judged


def no_words(judged: Judged, heard: SpeechSegment, options: RecognitionOptions) -> Judged:
    """Only punctuation or notes of music."""
    spoken = any(letter.isalnum() for letter in judged.segment.text)
    return judged if spoken else replace(judged, suppressed="no words")


def no_speech(judged: Judged, heard: SpeechSegment, options: RecognitionOptions) -> Judged:
    """Whisper's own rule: the model expects no speech and does not believe in its text."""
    return replace(judged, suppressed="no speech") if options.hears_silence(judged.segment.scores) else judged


def hardly_any_speech(judged: Judged, heard: SpeechSegment, options: RecognitionOptions) -> Judged:
    """The detector heard little speech, and the model is not sure either."""
    rejected = judged.segment.scores.avg_logprob < options.logprob_threshold  # at every temperature
    limit = MUSIC_SPEECH_SHARE if rejected else LOW_SPEECH_SHARE
    doubted = heard.speech_share < limit and (rejected or _doubtful(judged.segment, options))
    return replace(judged, suppressed="hardly any speech") if doubted else judged


def disbelieved(judged: Judged, heard: SpeechSegment, options: RecognitionOptions) -> Judged:
    """The model was asked again at another temperature and still does not believe in its text by far."""
    scores = judged.segment.scores
    far_below = scores.avg_logprob < FAR_BELOW * options.logprob_threshold
    return replace(judged, suppressed="disbelieved") if far_below and scores.temperature > 0 else judged


def phantom_phrase(judged: Judged, heard: SpeechSegment, options: RecognitionOptions) -> Judged:
    """A phrase from the end of films, and the detector or the model doubts that it was said."""
    doubted = heard.speech_share < DOUBTFUL_SPEECH_SHARE or _doubtful(judged.segment, options)
    phantom = doubted and PHANTOM.fullmatch(judged.segment.text)
    return replace(judged, suppressed="phantom phrase") if phantom else judged


def repetition(judged: Judged, heard: SpeechSegment, options: RecognitionOptions) -> Judged:
    """A loop is cut down to its first pass and flagged; the tokens stay as the model wrote them."""
    segment, spoken = judged.segment, judged.segment.text.split()
    once = [_LOOP_IN_WORD.sub(_first_pass, word) for word in spoken]
    kept = collapse([word.lower().strip(".,;:!?…。、，！？") for word in once])
    if len(kept) == len(spoken) and once == spoken:
        return judged
    aligned = len(segment.words) == len(spoken)
    words = [replace(segment.words[i], text=f" {once[i]}") for i in kept] if aligned else []
    mended = replace(segment, text=" " + " ".join(once[i] for i in kept), words=tuple(words))
    return replace(judged, segment=mended, flags=(*judged.flags, "repetition collapsed"))


def still_repetitive(judged: Judged, heard: SpeechSegment, options: RecognitionOptions) -> Judged:
    """No temperature gave its window a text that does not compress too well, and this part of it still does."""
    limit, text = options.compression_ratio_threshold, judged.segment.text.strip()
    repetitive = judged.segment.scores.compression_ratio > limit and compression_ratio(text) > limit
    return replace(judged, suppressed="repetitive") if repetitive else judged


def too_fast(judged: Judged, heard: SpeechSegment, options: RecognitionOptions) -> Judged:
    """More words than anybody can say in all of the audio; the model's own times are too coarse to go by."""
    possible = SPARE_WORDS + FASTEST_WORDS_PER_S * len(heard.samples) / SAMPLE_RATE
    return replace(judged, suppressed="too fast") if len(judged.segment.text.split()) > possible else judged


GUARDS: tuple[Guard, ...] = (
    no_words,
    no_speech,
    hardly_any_speech,
    disbelieved,
    phantom_phrase,
    repetition,
    still_repetitive,
    too_fast,
)


def collapse(words: list[str]) -> list[int]:
    """The indices that remain when every loop is cut to its first pass; of several periods the shortest counts."""
    for size in range(1, len(words) // (LOOP_REPEATS + 1) + 1):
        limit = LOOP_REPEATS if size >= LOOP_WORDS else WORD_REPEATS
        for start in range(len(words) - size * (limit + 1) + 1):
            stop = start + size
            while stop < len(words) and words[stop] == words[stop - size]:
                stop += 1
            if (stop - start) // size > limit:
                rest = [*range(start + size), *range(stop, len(words))]
                return [rest[i] for i in collapse([words[i] for i in rest])]
    return list(range(len(words)))


def _first_pass(loop: re.Match[str]) -> str:
    """A loop of letters cut down; numbers and dots stay."""
    text, part = loop[0], loop[1]
    limit = LOOP_REPEATS if len(part) >= LOOP_LETTERS else WORD_REPEATS
    return part if len(text) > limit * len(part) and any(letter.isalpha() for letter in part) else text


def _doubtful(segment: RecognizedSegment, options: RecognitionOptions) -> bool:
    """The model went half the way to one of whisper's limits, or needed a high temperature."""
    scores = segment.scores
    return (
        scores.avg_logprob < options.logprob_threshold / 2
        or scores.no_speech_prob > options.no_speech_threshold / 2
        or scores.temperature > DOUBTFUL_TEMPERATURE
    )
