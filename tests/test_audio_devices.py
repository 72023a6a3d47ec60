"""Devices that behave in every bad way there is, on clocks that the test moves."""

from __future__ import annotations

import heapq
import queue
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import pytest

from audio.devices import DeviceInput, Inbox
from audio.link import WatchOptions
from audio.live import Incident
from audio.speech import SAMPLE_RATE, AudioError, Samples
from audio.streams import Block, Device, Ended, Happening, Post, Started

MICROPHONE = Device("Desk", "microphone", port="desk")
SPEAKERS = Device("Monitor of Speakers", "far side", port="pulse")
BLOCK_S = 0.02


class World:
    """A clock, an inbox that lets it run, and devices that deliver a ramp-free tone while they are well."""

    def __init__(self, *, until_s: float = 60.0) -> None:
        self.now_s = 100.0
        self.asleep_s = 0.0
        self.devices: dict[str, FakeDevice] = {}
        self._plan: list[tuple[float, int, Callable[[], None]]] = []
        self._ready: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._order = count()
        self.stop: Callable[[], None] = lambda: None
        self.at(until_s, lambda: self.stop())

    def monotonic(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return 1e9 + self.now_s + self.asleep_s

    def at(self, second: float, do: Callable[[], None]) -> None:
        """Do something so many seconds after the beginning."""
        self.plan(100.0 + second, do)

    def plan(self, at_s: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._plan, (at_s, next(self._order), do))

    def put(self, item: object) -> None:
        self._ready.put(item)

    def empty(self) -> bool:
        return self._ready.empty()

    def get(self, *, timeout: float) -> object:
        """What was put, or the clock runs on to what is planned next, at most by `timeout`."""
        until_s = self.now_s + timeout
        while self._ready.empty() and self._plan and self._plan[0][0] <= until_s:
            at_s, _, do = heapq.heappop(self._plan)
            self.now_s = max(self.now_s, at_s)
            do()
        if self._ready.empty():
            self.now_s = until_s
            raise queue.Empty
        return self._ready.get()

    def open(self, device: Device, post: Post) -> FakeStream:
        fake = self.devices.setdefault(device.name, FakeDevice())
        fake.openings.append(self.now_s - 100.0)
        return FakeStream(self, fake, post)


@dataclass
class FakeDevice:
    """What is wrong with a device just now."""

    rate_hz: float = 16_000.0
    refuses: str = ""  # why it cannot be opened
    frozen: bool = False  # nothing comes, and what was heard meanwhile comes later
    deaf: bool = False  # nothing comes, and nothing was heard
    first_block_s: float = 0.05
    level: float = 0.1
    openings: list[float] = field(default_factory=list)


class FakeStream:
    def __init__(self, world: World, device: FakeDevice, post: Post) -> None:
        self._world, self._device, self._post = world, device, post
        self._over = False
        self._waiting: list[Samples] = []
        if device.refuses:
            world.plan(world.now_s + 0.05, lambda: post(Ended(device.refuses)))
        else:
            world.plan(world.now_s + 0.02, lambda: self._tell(Started(device.rate_hz)))
            world.plan(world.now_s + device.first_block_s + BLOCK_S, self._deliver)

    def _tell(self, happening: Happening) -> None:
        if not self._over:
            self._post(happening)

    def _deliver(self) -> None:
        if self._over:
            return
        device = self._device
        if device.refuses:  # unplugged while it ran
            self._tell(Ended(device.refuses))
            self._over = True
            return
        if not device.deaf:
            self._waiting.append(np.full(round(device.rate_hz * BLOCK_S), device.level, np.float32))
        if not device.frozen:
            for samples in self._waiting:
                self._tell(Block(samples, self._world.now_s))
            self._waiting.clear()
        self._world.plan(self._world.now_s + BLOCK_S, self._deliver)

    def finish(self) -> None:
        self._world.plan(self._world.now_s + 0.01, lambda: self._tell(Ended("")))

    def kill(self) -> None:
        self._over = True


@dataclass
class Heard:
    sound: dict[str, Samples]
    told: list[tuple[float, Incident]]  # seconds since the beginning

    def messages(self, part: str) -> list[float]:
        return [at_s for at_s, incident in self.told if part in incident.message]


def listen(
    world: World, *devices: Device, options: WatchOptions | None = None
) -> tuple[DeviceInput, Callable[[], Heard]]:
    told: list[tuple[float, Incident]] = []
    names: dict[str, Device] = {device.kind: device for device in devices or (MICROPHONE,)}
    inbox: Inbox = world  # type: ignore[assignment]
    live = DeviceInput(
        names,
        options,
        open_stream=world.open,
        notify=lambda incident: told.append((world.now_s - 100.0, incident)),
        clock=world,
        inbox=inbox,
    )
    world.stop = live.stop

    def run() -> Heard:
        sound: dict[str, list[Samples]] = defaultdict(list)
        reached: Counter[str] = Counter()
        for chunk in live.chunks():
            assert chunk.start == reached[chunk.source], "chunks are contiguous from 0"
            reached[chunk.source] = chunk.stop
            sound[chunk.source].append(chunk.samples)
        return Heard({name: np.concatenate(pieces) for name, pieces in sound.items()}, told)

    return live, run


def silent_s(sound: Samples) -> list[tuple[float, float]]:
    """Where there is silence of at least a tenth of a second, and for how long."""
    edges = np.flatnonzero(np.diff(np.pad(np.abs(sound) < 0.01, 1).astype(int)))
    return [
        (a / SAMPLE_RATE, (b - a) / SAMPLE_RATE) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1600
    ]


def test_a_healthy_device_gives_all_its_sound_and_no_incident() -> None:
    world = World(until_s=10)
    _, run = listen(world)
    heard = run()
    assert len(heard.sound["microphone"]) / SAMPLE_RATE == pytest.approx(9.95, abs=0.1)
    assert not silent_s(heard.sound["microphone"])
    assert not heard.told


def test_recording_is_shown_from_the_first_block_on_and_not_before() -> None:
    world = World(until_s=5)
    world.devices["Desk"] = FakeDevice(first_block_s=1.0)
    live, run = listen(world)
    shown: dict[float, bool] = {}
    for second in (0.5, 0.9, 1.2, 3.0):
        world.at(second, lambda second=second: shown.update({second: bool(live.levels())}))  # type: ignore[misc]
    run()
    assert shown == {0.5: False, 0.9: False, 1.2: True, 3.0: True}
    assert not live.levels()


def test_a_device_that_cannot_be_opened_at_the_beginning_is_an_error() -> None:
    world = World()
    world.devices["Desk"] = FakeDevice(refuses="Device unavailable")
    _, run = listen(world)
    with pytest.raises(AudioError, match="Desk cannot be recorded: Device unavailable"):
        run()


def test_an_unplugged_device_is_told_at_once_and_opened_again_when_it_is_back() -> None:
    world = World(until_s=30)
    _, run = listen(world)
    device = world.devices.setdefault("Desk", FakeDevice())
    world.at(10, lambda: setattr(device, "refuses", "it is not connected"))
    world.at(16, lambda: setattr(device, "refuses", ""))
    heard = run()
    assert 10 <= heard.messages("is lost")[0] <= 10.1
    tries = np.diff([at_s for at_s in device.openings if at_s > 5])
    assert tries == pytest.approx([1.0, 2.0, 4.0], abs=0.3)  # after half a second first, then twice as long each time
    [(begin_s, length_s)] = silent_s(heard.sound["microphone"])
    assert begin_s == pytest.approx(9.95, abs=0.1)
    assert length_s == pytest.approx(heard.messages("gives sound again")[0] - 10, abs=0.15)
    assert len(heard.sound["microphone"]) / SAMPLE_RATE == pytest.approx(29.95, abs=0.15)
    [missing] = [incident for _, incident in heard.told if "missing" in incident.message]
    assert missing.at / SAMPLE_RATE == pytest.approx(begin_s, abs=0.1)


def test_a_frozen_device_is_noticed_within_two_seconds_and_loses_nothing_when_it_thaws() -> None:
    world = World(until_s=20)
    live, run = listen(world)
    device = world.devices.setdefault("Desk", FakeDevice())
    world.at(10, lambda: setattr(device, "frozen", True))
    world.at(14, lambda: setattr(device, "frozen", False))
    showing: list[bool] = []
    world.at(13, lambda: showing.append(bool(live.levels())))
    heard = run()
    assert 10 < heard.messages("stopped giving sound")[0] <= 12
    assert 14 <= heard.messages("gives sound again")[0] <= 14.2
    assert showing == [False]
    assert not silent_s(heard.sound["microphone"])
    assert len(heard.sound["microphone"]) / SAMPLE_RATE == pytest.approx(19.95, abs=0.1)


def test_a_stream_that_died_without_a_word_is_replaced() -> None:
    world = World(until_s=20)
    _, run = listen(world)
    dead = world.devices.setdefault("Desk", FakeDevice())
    world.at(10, lambda: setattr(dead, "deaf", True))
    world.at(10, lambda: world.devices.update(Desk=FakeDevice()))  # the next one is well
    heard = run()
    assert 10 < heard.messages("stopped giving sound")[0] <= 12
    [(begin_s, length_s)] = silent_s(heard.sound["microphone"])
    assert begin_s == pytest.approx(9.95, abs=0.1)
    assert length_s < 2.0
    assert heard.messages("missing")


def test_the_other_source_goes_on_while_one_is_away_and_the_line_is_kept_going() -> None:
    world = World(until_s=40)
    _, run = listen(world, MICROPHONE, SPEAKERS)
    far = world.devices.setdefault("Monitor of Speakers", FakeDevice(rate_hz=48_000.0))
    world.at(10, lambda: setattr(far, "refuses", "gone"))
    heard = run()
    assert not silent_s(heard.sound["microphone"])
    assert len(heard.sound["far side"]) / SAMPLE_RATE == pytest.approx(
        35, abs=0.3
    )  # silence follows five seconds behind
    [(begin_s, _)] = silent_s(heard.sound["far side"])
    assert begin_s == pytest.approx(9.95, abs=0.1)


def test_a_late_first_block_is_told_and_waited_for() -> None:
    world = World(until_s=10)
    world.devices["Desk"] = FakeDevice(first_block_s=3.0)
    _, run = listen(world)
    heard = run()
    assert heard.messages("has given no sound")[0] <= 2
    assert heard.messages("gives sound again")
    assert len(heard.sound["microphone"]) / SAMPLE_RATE == pytest.approx(7, abs=0.1)


def test_exact_zeros_of_a_microphone_are_told_once_and_it_is_opened_again() -> None:
    world = World(until_s=60)
    world.devices["Desk"] = FakeDevice(level=0.0)
    _, run = listen(world)
    heard = run()
    [told_s] = heard.messages("nothing but digital silence for")
    assert 10 <= told_s <= 12
    assert len(world.devices["Desk"].openings) == 2
    assert heard.messages("nothing but digital silence in all of it")


def test_a_far_side_where_nothing_is_played_is_left_alone() -> None:
    world = World(until_s=60)
    world.devices["Monitor of Speakers"] = FakeDevice(level=0.0)
    _, run = listen(world, SPEAKERS)
    heard = run()
    assert len(heard.messages("nothing has been played")) == 1
    assert len(world.devices["Monitor of Speakers"].openings) == 1


def test_a_loopback_that_gives_no_blocks_while_nothing_is_played_is_silence_and_no_failure() -> None:
    world = World(until_s=30)
    loopback = Device("Speakers [Loopback]", "far side", port="x", silent_when_idle=True)
    _, run = listen(world, loopback)
    device = world.devices.setdefault(loopback.name, FakeDevice())
    world.at(10, lambda: setattr(device, "deaf", True))
    world.at(20, lambda: setattr(device, "deaf", False))
    heard = run()
    assert not heard.messages("stopped")
    [(begin_s, length_s)] = silent_s(heard.sound["far side"])
    assert (begin_s, length_s) == pytest.approx((9.95, 10.0), abs=0.1)
    assert len(device.openings) == 1


def test_while_paused_the_line_stands_still_and_nothing_is_kept() -> None:
    world = World(until_s=30)
    live, run = listen(world, MICROPHONE, SPEAKERS)
    world.at(10, live.pause)

    def loud(level: float) -> None:
        for device in world.devices.values():
            device.level = level

    world.at(11, lambda: loud(0.3))
    world.at(19, lambda: loud(0.1))
    world.at(20, live.resume)
    heard = run()
    for sound in heard.sound.values():
        assert len(sound) / SAMPLE_RATE == pytest.approx(19.95, abs=0.1)
        assert np.abs(sound).max() < 0.2
    assert not heard.messages("missing")


def test_sleep_is_told_and_the_line_goes_on_where_it_stood() -> None:
    world = World(until_s=20)
    _, run = listen(world)
    world.at(10, lambda: setattr(world, "asleep_s", 3600.0))
    heard = run()
    assert heard.messages("slept for 3600 s")[0] == pytest.approx(10, abs=0.2)
    assert len(heard.sound["microphone"]) / SAMPLE_RATE == pytest.approx(19.95, abs=0.15)


def test_sound_that_nobody_fetched_for_a_while_is_all_there() -> None:
    """The writer was held up for 12 seconds; what came meanwhile waits, and nobody takes it for a failure."""
    world = World(until_s=30)
    live, _ = listen(world)
    told: list[Incident] = []
    samples = 0
    for chunk in live.chunks():
        samples += len(chunk.samples)
        if 5 < world.now_s - 100 < 6:
            held_until_s = world.now_s + 12
            while world._plan[0][0] < held_until_s:
                at_s, _, do = heapq.heappop(world._plan)
                world.now_s = at_s
                do()
            world.now_s = held_until_s
    assert samples / SAMPLE_RATE == pytest.approx(29.95, abs=0.1)
    assert not told


def test_a_pause_before_the_first_sound_moves_nothing() -> None:
    world = World(until_s=20)
    world.devices["Desk"] = FakeDevice(first_block_s=1.0)
    live, run = listen(world)
    world.at(0.5, live.pause)
    world.at(5, live.resume)
    sound = run().sound["microphone"]
    assert len(sound) / SAMPLE_RATE == pytest.approx(15, abs=0.1)
    assert not silent_s(sound)
