"""A meeting while it is held: capture, recognition and what the user does run side by side and become one stream.

Three threads and the caller's: one captures and records, one hears, and the caller keeps and shows what comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from audio.captions import Now
from audio.live import Incident, Level, LiveInput
from audio.speech import SAMPLE_RATE, AudioChunk, SpeechSegment
from pipeline.events import Event, Marked, Named, Reached, Said, Trouble
from pipeline.relay import ahead

EVENTS_ROOM = 1000  # events that may wait to be kept and shown
LIVE_ROOM = 60_000  # chunks that may wait to be heard: 10 minutes of two devices; only a decoder that hangs fills it


@dataclass(frozen=True)
class Wanted:
    """What the user says of a meeting that is to be held."""

    title: str
    source: str  # what the user called it
    series: str = ""  # "" = none
    began: datetime | None = None  # None = now


class Session:
    """What the faces hold of a running meeting. `tape` is `source.chunks()` on its way through the recorder."""

    def __init__(self, source: LiveInput, tape: Iterable[AudioChunk], *, room: int = LIVE_ROOM) -> None:
        self._source = source
        self._tape = ahead(self._counted(tape), room=room)
        self._hears: Callable[[], Iterator[Event]] | None = None
        self._stream = ahead(self._all_heard(), room=EVENTS_ROOM)
        self._captured = self._heard = self._spoken = 0  # samples on the meeting's time line
        self.paused = self.stopped = False

    # what the pipeline reads

    def chunks(self) -> Iterator[AudioChunk]:
        """What was captured, as soon as it is."""
        for chunk in self._tape:
            self._heard = max(self._heard, chunk.stop)
            yield chunk

    def waiting(self) -> bool:
        """Whether there is something captured that was not heard yet."""
        return self._tape.waiting > 0

    def behind_s(self) -> float:
        """How far hearing is behind capture."""
        return (self._captured - self._heard) / SAMPLE_RATE

    def events(self, hears: Callable[[], Iterator[Event]]) -> Iterator[Event]:
        """What `hears`, which reads `chunks`, tells, and in between what the user and the source do."""
        self._hears = hears
        try:
            yield from self._stream
        finally:
            self._source.stop()
            self._stream.close()
            self._tape.close()

    def tell(self, event: Event) -> None:
        """Put an event into the stream; from any thread."""
        self._stream.put(event)

    def notify(self, incident: Incident) -> None:
        """An incident of the source, as an event."""
        where = f"{incident.source}: " if incident.source else ""
        self.tell(Trouble(where + incident.message, incident.at / SAMPLE_RATE))

    def until_silent(self, heard: Iterable[SpeechSegment | Now], *, limit_s: float) -> Iterator[SpeechSegment | Now]:
        """Pass on what is heard; stop once the voice detector has heard nobody for `limit_s`. 0 = never."""
        for item in heard:
            spoken = [item] if isinstance(item, SpeechSegment) else item.growing
            self._spoken = max([self._spoken, *(segment.stop for segment in spoken)])
            if limit_s and not self.stopped and self._heard - self._spoken > limit_s * SAMPLE_RATE:
                minutes = f"{limit_s / 60:.0f} minutes" if limit_s >= 90 else f"{limit_s:.0f} s"
                self.tell(Trouble(f"nobody has spoken for {minutes}, so the recording was stopped", self.elapsed_s))
                self.stop()
            yield item

    # what the user sees and does

    @property
    def names(self) -> tuple[str, ...]:
        return self._source.names

    @property
    def recording(self) -> bool:
        """Sound has come in, and more is taken."""
        return self._captured > 0 and not self.paused and not self.stopped

    @property
    def elapsed_s(self) -> float:
        """Length of what was captured."""
        return self._captured / SAMPLE_RATE

    def levels(self) -> Mapping[str, Level]:
        return self._source.levels()

    def toggle_pause(self) -> None:
        """Pause, or go on after a pause; the meeting's time line stands still in between."""
        self.paused = not self.paused
        (self._source.pause if self.paused else self._source.resume)()
        self.tell(Marked(self.elapsed_s, "paused" if self.paused else "resumed"))

    def mark(self, text: str = "") -> None:
        self.tell(Marked(self.elapsed_s, "mark", text))

    def name(self, speaker: str, name: str) -> None:
        self.tell(Named(speaker, name, "user"))

    def stop(self) -> None:
        """No more is captured; what was captured is heard to its end."""
        self.stopped = True
        self._source.stop()

    def _counted(self, tape: Iterable[AudioChunk]) -> Iterator[AudioChunk]:
        for chunk in tape:
            self._captured = max(self._captured, chunk.stop)
            yield chunk

    def _all_heard(self) -> Iterator[Event]:
        assert self._hears
        self._tape.start()
        yield from self._hears()


def replay(events: Iterable[Event], *, pace: float, sleep: Callable[[float], None] = time.sleep) -> Iterator[Event]:
    """The events of a past meeting, each when it came, `pace` times as fast; 0 = at once."""
    at_s = 0.0
    for event in events:
        due_s = max(at_s, _moment_s(event))
        if pace and due_s > at_s:
            sleep((due_s - at_s) / pace)
        at_s = due_s
        yield event


def _moment_s(event: Event) -> float:
    """When it happened, on the meeting's time line; 0 where it does not say."""
    match event:
        case Said(utterance):
            return utterance.end_s
        case Reached():
            return event.sample / SAMPLE_RATE
        case Marked() | Trouble():
            return event.at_s or 0.0
        case _:
            return 0.0
