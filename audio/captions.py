"""Captions: a live stretch of speech is shown while it grows and becomes final text when it ends.

Two stages, used as `segment` and `recognize` are for recordings. Whatever the machine cannot do in time is left out or
put off in this order: hypotheses, then finals, which are set aside and finished later. Audio is never left out.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from audio.agreement import Firming, Hearsay, Policy
from audio.engines import Drafter, RecognitionOptions
from audio.guards import collapse, judge
from audio.recognizer import Batch, Recognizer
from audio.segmenter import Segmenter, SegmenterOptions
from audio.speech import SAMPLE_RATE, AudioChunk, Hypothesis, SpeechSegment, Word
from audio.vad import Vad


@dataclass(frozen=True)
class Now:
    """All that was captured has been heard: the segments that are open now, as far as they go."""

    growing: tuple[SpeechSegment, ...]


@dataclass(frozen=True)
class Late:
    """The machine is too slow: finals are set aside from here on and done when there is time."""

    behind_s: float


@dataclass(frozen=True)
class CaptionOptions:
    """How a growing segment is shown."""

    policy: Policy
    timed: bool = False  # the policy needs the words' times
    whole: bool = False  # hypotheses see 30 s, padded, as finals do
    interval_s: float = 0.3  # of audio from one hypothesis to the next, at least
    share: float = 0.5  # of the time that may go into hypotheses
    context_words: int = 0  # of the last final text, put before a hypothesis
    hold_back: int = 0  # the last provisional words, which change most often, are not shown (Arivazhagan et al. 2020)
    defer_after_s: float = 10.0  # finals are set aside while the captions are this far behind


def attend(
    chunks: Iterable[AudioChunk],
    vad: Callable[[], Vad],
    options: SegmenterOptions,
    *,
    waiting: Callable[[], bool],
) -> Iterator[SpeechSegment | Now]:
    """The segments that `segment` would give, and, whenever no captured chunk is `waiting`, how things stand."""
    segmenters: dict[str, Segmenter] = {}
    for chunk in chunks:
        if chunk.source not in segmenters:
            segmenters[chunk.source] = Segmenter(vad(), options)
        yield from segmenters[chunk.source].push(chunk)
        if not waiting():
            yield Now(tuple(grown for segmenter in segmenters.values() if (grown := segmenter.open_segment)))
    for segmenter in segmenters.values():
        yield from segmenter.flush()


def caption(
    heard: Iterable[SpeechSegment | Now],
    recognizer: Recognizer,
    drafter: Drafter,
    *,
    options: CaptionOptions,
    behind_s: Callable[[], float],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Batch | Hypothesis | Late]:
    """Final text of every segment and hypotheses of the open ones; after a final that was shown growing, an empty one.

    While finals are set aside a Batch reaches nothing, so that after a break all is heard again that may be missing.
    """
    sketches = Sketches(drafter, options, clock)
    desk = _Desk(recognizer)
    for item in heard:
        if isinstance(item, Now):
            yield from sketches.gone(item.growing)
            if hypothesis := sketches.next(item.growing, recognizer.options):
                yield hypothesis
            elif desk.aside and not item.growing:
                yield desk.catch_up()
            continue
        late_s = behind_s()
        if late_s > options.defer_after_s:
            if desk.warns(clock()):
                yield Late(late_s)
            desk.aside.append(item)
        else:
            batch = desk.finish(item)
            sketches.said(batch)
            yield batch
        yield from sketches.closed(item)
    while desk.aside:
        yield desk.catch_up()


class _Desk:
    """Finals: what is done at once, what is set aside, and how far each source is really done."""

    WARNING_S = 60.0  # from one warning to the next, at least

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._done: dict[str, int] = {}
        self._warned: float | None = None
        self.aside: deque[SpeechSegment] = deque()

    def warns(self, now: float) -> bool:
        """Whether it is time to say that finals are late."""
        if self.aside or (self._warned is not None and now - self._warned < self.WARNING_S):
            return False
        self._warned = now
        return True

    def finish(self, segment: SpeechSegment) -> Batch:
        batch = self._recognizer([segment])
        self._done[segment.source] = max(segment.stop, self._done.get(segment.source, 0))
        return replace(batch, reached={} if self.aside else dict(self._done))

    def catch_up(self) -> Batch:
        """The oldest that was set aside."""
        return self.finish(self.aside.popleft())


class Sketches:
    """Hypotheses of open segments, as often as the machine can write them.

    The interval follows the measured time of a draft: `share` of the time at most goes into drafts, so a slow machine
    shows fewer of them, and what it shows is never older than one draft takes.
    """

    def __init__(self, drafter: Drafter, options: CaptionOptions, clock: Callable[[], float]) -> None:
        self._drafter, self._options, self._clock = drafter, options, clock
        self._open: dict[str, _Sketch] = {}  # by source
        self._free_at = 0.0  # when the last draft has been paid for, on `clock`
        self._before = ""  # the last final text

    def next(self, growing: Iterable[SpeechSegment], options: RecognitionOptions) -> Hypothesis | None:
        """The hypothesis that is due: of the segment that waited longest for one; None where none is."""
        due = [segment for segment in growing if self._waited(segment) >= self._options.interval_s * SAMPLE_RATE]
        if not due or self._clock() < self._free_at:
            return None
        segment = max(due, key=self._waited)
        sketch = self._open.setdefault(segment.source, _Sketch(segment.start, Firming(self._options.policy)))
        began = self._clock()
        words = self._draft(segment, options)
        ended = self._clock()
        self._free_at = ended + (ended - began) * (1 / self._options.share - 1)
        sketch.heard = segment.stop
        if words is None:
            return None
        shown = sketch.firming.add(Hearsay(words, len(segment.samples) / SAMPLE_RATE))
        shown = shown[: max(len(sketch.firming.firm), len(shown) - self._options.hold_back)]
        sketch.shown = sketch.shown or bool(shown)
        return _hypothesis(segment, shown, len(sketch.firming.firm)) if sketch.shown else None

    def said(self, batch: Batch) -> None:
        """Final text, which may stand before the next hypothesis."""
        self._before = next((u.text for u in reversed(batch.utterances) if not u.suppressed), self._before)

    def closed(self, segment: SpeechSegment) -> Iterator[Hypothesis]:
        """The segment is final or set aside: an empty hypothesis takes away what was shown of it."""
        sketch = self._open.get(segment.source)
        if sketch and sketch.start < segment.stop:  # else it is a final that had to wait, and the next one grows
            yield from self._withdrawn(segment.source)

    def gone(self, growing: Iterable[SpeechSegment]) -> Iterator[Hypothesis]:
        """The same for what grows no more and came as no final: a copy of another source's speech is dropped."""
        open_now = {(segment.source, segment.start) for segment in growing}
        for source in [s for s, sketch in self._open.items() if (s, sketch.start) not in open_now]:
            yield from self._withdrawn(source)

    def _withdrawn(self, source: str) -> Iterator[Hypothesis]:
        sketch = self._open.pop(source)
        if sketch.shown:
            start_s, end_s = (round(at / SAMPLE_RATE, 3) for at in (sketch.start, sketch.heard))
            yield Hypothesis("", start_s, end_s, source=source)

    def _waited(self, segment: SpeechSegment) -> int:
        """Samples of this segment that no hypothesis has heard."""
        sketch = self._open.get(segment.source)
        return segment.stop - (sketch.heard if sketch else segment.start)

    def _draft(self, segment: SpeechSegment, options: RecognitionOptions) -> tuple[Word, ...] | None:
        """The words of the segment; None where the guards do not believe them.

        The text before helps with names and spelling, but a loop feeds on itself: a draft that repeats itself is
        written again without it, and the text is not used again until another final comes.
        """
        before = " ".join(self._before.split()[-self._options.context_words :]) if self._options.context_words else ""
        prompt = " ".join(filter(None, [options.initial_prompt, before]))
        words = self._guarded(segment, replace(options, initial_prompt=prompt or None, beam_size=1))
        if before and words is not None and _loops(words, self._before):
            self._before = ""
            words = self._guarded(segment, replace(options, beam_size=1))
        return words

    def _guarded(self, segment: SpeechSegment, options: RecognitionOptions) -> tuple[Word, ...] | None:
        found = self._drafter.draft(segment.samples, options, timed=self._options.timed, whole=self._options.whole)
        judged = judge(found, segment, options)
        if judged.suppressed or found.scores.avg_logprob < options.logprob_threshold:  # a final would be written again
            return None
        kept = collapse([word.text.strip().casefold() for word in found.words])
        return tuple(found.words[i] for i in kept)


@dataclass
class _Sketch:
    """What is known of one open segment."""

    start: int
    firming: Firming
    heard: int = 0  # end of what the last hypothesis heard
    shown: bool = False


def _loops(words: Iterable[Word], before: str) -> bool:
    """The draft goes round in circles, or only says again what went before."""
    said = [word.text.strip().casefold() for word in words]
    return len(collapse(said)) < len(said) or (len(said) > 2 and " ".join(said) in before.casefold())


def _hypothesis(segment: SpeechSegment, words: tuple[Word, ...], firm: int) -> Hypothesis:
    """On the clock of the source."""
    offset_s = segment.start / SAMPLE_RATE
    moved = tuple(
        replace(word, start_s=round(offset_s + word.start_s, 3), end_s=round(offset_s + word.end_s, 3))
        for word in words
    )
    text = "".join(word.text for word in words)
    return Hypothesis(text, round(offset_s, 3), round(segment.stop / SAMPLE_RATE, 3), moved, segment.source, firm)
