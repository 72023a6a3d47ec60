"""Settings become devices that are listened to and recorded; meetings that were cut off are found and made whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from audio.checksum import sha256_of
from audio.devices import DeviceInput
from audio.live import LiveInput, Notify
from audio.portaudio import Pickup, choose, devices
from audio.recording import record
from audio.speech import SAMPLE_RATE, AudioChunk, AudioError
from audio.stretches import Recording, finish, recorded, recording
from pipeline.events import RECORDING, Concluded, Learned, PipelineError, Reached
from pipeline.journal import JOURNAL, Journal, lock, read
from pipeline.library import Library, Meeting
from pipeline.settings import CaptureSettings


def listening(settings: CaptureSettings, notify: Notify) -> DeviceInput:
    """The devices that the settings name. Raises AudioError where one is not there; opening comes with `chunks`."""
    chosen = choose(settings.devices, devices())
    return DeviceInput(chosen, settings.watch(), open_stream=partial(Pickup, block_ms=settings.block_ms), notify=notify)


def tape(source: LiveInput, settings: CaptureSettings, notify: Notify) -> Callable[[Path], Iterator[AudioChunk]]:
    """What records the source in a meeting's folder before anyone hears it."""
    return lambda folder: record(source.chunks(), folder, settings.recording(), stop=source.stop, notify=notify)


@dataclass(frozen=True)
class Unfinished:
    """A live meeting that was cut off."""

    meeting: Meeting
    sound: Recording
    unheard_s: float  # of the recording, not yet text


def unfinished(library: Library, warn: Callable[[str], None]) -> list[Unfinished]:
    """The meetings whose sound is not encoded or not all text, but for those that run now; the newest first.

    A recording that cannot be read is told: the others must not wait for it, nor the next meeting.
    """
    found = []
    for meeting in library.meetings():
        folder = library.folder(meeting)
        try:
            sound = recording(folder)
        except AudioError as error:
            warn(str(error))
            continue
        if sound is None or (meeting.finished and (sound.encoded or not sound.samples)) or _runs(folder):
            continue
        found.append(Unfinished(meeting, sound, 0.0 if meeting.finished else unheard_s(folder, sound)))
    return found


def unheard_s(folder: Path, sound: Recording) -> float:
    """How much of the recording the journal does not know."""
    reached = _reached(folder)
    return max((stop - reached.get(source, 0) for source, stop in sound.reached.items()), default=0) / SAMPLE_RATE


def rescue(folder: Path, *, keep_raw: bool) -> Path | None:
    """Make the recording whole; None where nothing was recorded. Raises AudioError where there is no room for it."""
    with lock(folder):  # refuses a meeting that still runs
        found = recording(folder)
        path = finish(folder, keep_raw=keep_raw) if found and found.samples else None
    if path:
        _known(folder, path)
    return path


def close(folder: Path) -> bool:
    """End a live meeting that was cut off before its first sound; False where there is none."""
    found = recording(folder)
    if found is None or found.samples:
        return False
    with Journal(folder) as journal:
        journal.append(Concluded(0.0, 0.0))
    return True


def _known(folder: Path, path: Path) -> None:
    """Keep in the journal which file the sound is, and its checksum: minutes play it, and are checked against it."""
    told = Learned(RECORDING, {"source": str(path.absolute()), "sha256": sha256_of(path)}, ())
    if told not in list(read(folder / JOURNAL)):
        with Journal(folder) as journal:
            journal.append(told)


def unheard(folder: Path) -> Iterator[AudioChunk]:
    """The recording from where the journal ends, for recognition to go on."""
    return recorded(folder, _reached(folder))


def _reached(folder: Path) -> dict[str, int]:
    return {event.source: event.sample for event in read(folder / JOURNAL) if isinstance(event, Reached)}


def _runs(folder: Path) -> bool:
    try:
        lock(folder).close()
    except PipelineError:
        return True
    return False
