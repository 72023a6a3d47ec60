"""Speech segments become utterances, a batch at a time; here, and only here, samples become seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice

from audio.diarize.identity import Identity
from audio.engines import RecognitionOptions, RecognizedWindow, Transcriber
from audio.guards import judge
from audio.speech import SAMPLE_RATE, SpeechSegment, Utterance, Word


@dataclass(frozen=True)
class Batch:
    """What was said in some neighbouring segments, and how far each source is done with them."""

    utterances: tuple[Utterance, ...]  # by start
    reached: Mapping[str, int]  # source -> first sample after its last segment
    segments: tuple[SpeechSegment, ...] = ()  # what was heard; also where it was recognised before a break
    relabelled: Mapping[str, str] = field(default_factory=dict)  # utterance said before -> the speaker it has now
    identities: tuple[Identity, ...] = ()  # speakers that are known people, as far as is known now


def recognize(
    segments: Iterable[SpeechSegment],
    transcriber: Transcriber,
    *,
    options: RecognitionOptions,
    batch_size: int,
    done: Mapping[str, int],
    first_id: int,
) -> Iterator[Batch]:
    """Recognise `batch_size` segments at a time; the first text settles the language of all that follows.

    Batches are always made of the same segments, so a resumed run gives those that are `done` (source -> sample)
    without utterances, goes on with utterance `first_id`, and its text is that of an uninterrupted one. Where the
    language is detected it must be given what `spoken_language` says of the utterances before.
    """
    recognizer, rest = Recognizer(transcriber, options, first_id=first_id), iter(segments)
    while group := list(islice(rest, batch_size)):
        missing = [segment.stop > done.get(segment.source, 0) for segment in group]
        yield recognizer(group, missing) if any(missing) else Batch((), {}, tuple(group))


class Recognizer:
    """Segments to utterances; of a meeting it knows the language, once it is settled, and the next number."""

    def __init__(self, transcriber: Transcriber, options: RecognitionOptions, *, first_id: int = 1) -> None:
        self._transcriber = transcriber
        self.options = options  # with the language of the meeting
        self._numbers = count(first_id)

    def __call__(self, group: Sequence[SpeechSegment], missing: Sequence[bool] | None = None) -> Batch:
        """The batch of this group; only what is `missing`, by default all, goes into it."""
        windows = self._transcriber([segment.samples for segment in group], self.options)
        if self.options.language is None:
            self.options, windows = _settled(group, windows, self._transcriber, self.options)
        wanted = missing or [True] * len(group)
        heard = [pair for pair, new in zip(zip(group, windows, strict=True), wanted, strict=True) if new]
        said = [utterance for pair in heard for utterance in utterances_of(*pair, self.options)]
        said.sort(key=lambda utterance: utterance.start_s)
        reached = {segment.source: segment.stop for segment, _ in heard}
        return Batch(
            tuple(replace(utterance, id=f"u{next(self._numbers)}") for utterance in said), reached, tuple(group)
        )


def spoken_language(utterances: Iterable[Utterance]) -> str | None:
    """The language that was spoken longest; None where nothing counts as said."""
    spoken: Counter[str] = Counter()
    for utterance in utterances:
        if not utterance.suppressed:
            spoken[utterance.language] += round(1000 * (utterance.end_s - utterance.start_s)) + 1
    return max(spoken, key=lambda language: (spoken[language], language)) if spoken else None


def _settled(
    group: Sequence[SpeechSegment],
    windows: list[RecognizedWindow],
    transcriber: Transcriber,
    options: RecognitionOptions,
) -> tuple[RecognitionOptions, list[RecognizedWindow]]:
    """The language of the meeting, and the windows that seemed to be in another one once more in this."""
    said = (u for segment, window in zip(group, windows, strict=True) for u in utterances_of(segment, window, options))
    if (language := spoken_language(said)) is None:
        return options, windows
    options = replace(options, language=language)
    foreign = [i for i, window in enumerate(windows) if window.language != language]
    again = transcriber([group[i].samples for i in foreign], options) if foreign else []
    heard = dict(enumerate(windows)) | dict(zip(foreign, again, strict=True))
    return options, list(heard.values())


def utterances_of(segment: SpeechSegment, window: RecognizedWindow, options: RecognitionOptions) -> Iterator[Utterance]:
    """The window's segments on the source's clock, in order and inside the audio they were heard in; no ids yet."""
    offset_s, end_s = segment.start / SAMPLE_RATE, 0.0
    for found in window.segments:
        judged = judge(found, segment, options)
        start_s = _within(found.start_s, end_s, len(segment.samples) / SAMPLE_RATE)
        end_s = _within(found.end_s, start_s, len(segment.samples) / SAMPLE_RATE)
        yield Utterance(
            id="",  # numbered when the batch is in order
            text=judged.segment.text,
            start_s=round(offset_s + start_s, 3),
            end_s=round(offset_s + end_s, 3),
            language=window.language,
            scores=found.scores,
            words=tuple(_words(judged.segment.words, offset_s, start_s, end_s)),
            tokens=found.tokens,
            source=segment.source,
            suppressed=judged.suppressed,
            flags=judged.flags,
        )


def _words(words: Iterable[Word], offset_s: float, start_s: float, stop_s: float) -> Iterator[Word]:
    """Words on the source's clock, in order and inside their utterance."""
    end_s = start_s
    for word in words:
        start_s = _within(word.start_s, end_s, stop_s)
        end_s = _within(word.end_s, start_s, stop_s)
        yield replace(word, start_s=round(offset_s + start_s, 3), end_s=round(offset_s + end_s, 3))


def _within(time_s: float, least_s: float, most_s: float) -> float:
    return min(max(time_s, least_s), most_s)
