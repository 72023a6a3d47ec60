"""Another live system on one recording, paced at 1x: run by the interpreter of that system's own environment.

`python bench/rival.py SYSTEM CHECKPOINT WAV`: a line "begin" when the audio begins, then a JSON line whenever what
would be on the screen changes. It imports nothing of ours.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

Run = Callable[[str, str], None]

CHUNK_S = 0.1


def show(firm: str, loose: str) -> None:
    """One state of the screen."""
    print(json.dumps({"firm": firm, "loose": loose}), flush=True)


def pieces(path: str) -> Iterator[bytes]:
    """16-bit PCM, each piece when its last sample is due."""
    with wave.open(path, "rb") as file:
        size, rate = int(CHUNK_S * file.getframerate()), file.getframerate()
        began, sent = time.monotonic(), 0
        while pcm := file.readframes(size):
            sent += len(pcm) // 2
            time.sleep(max(0.0, began + sent / rate - time.monotonic()))
            yield pcm


def whisper_live_kit(policy: str, backend: str) -> Run:
    """WhisperLiveKit in this process, by its own harness."""

    def run(model: str, path: str) -> None:
        harness_type: Any = import_module("whisperlivekit").TestHarness

        def update(state: Any) -> None:
            firm = " ".join(line["text"] or "" for line in state.lines if line.get("speaker") != -2)
            show(firm, state.buffer_transcription)

        async def listen() -> None:
            options = {"backend": backend, "backend_policy": policy, "model_path": model, "lan": "en"}
            async with harness_type(**options, warmup_file="") as harness:
                harness.on_update(update)
                print("begin", flush=True)
                with wave.open(path, "rb") as file:
                    pcm = file.readframes(file.getnframes())
                await harness.feed_pcm(pcm, speed=1.0, chunk_duration=CHUNK_S)
                update(await harness.finish(timeout=120))

        asyncio.run(listen())

    return run


def realtime_stt(model: str, path: str) -> None:
    """RealtimeSTT, fed as from a microphone; it knows an utterance is over by silence, so some follows."""
    finals, lock = list[str](), threading.Lock()

    def partial(text: str) -> None:
        with lock:
            show(" ".join(finals), text)

    recorder: Any = import_module("RealtimeSTT").AudioToTextRecorder(
        transcription_engine="openai_whisper",
        model=model,
        language="en",
        device="cpu",
        compute_type="float32",
        use_microphone=False,
        enable_realtime_transcription=True,
        use_main_model_for_realtime=True,
        on_realtime_transcription_update=partial,
        spinner=False,
    )
    over = threading.Event()

    def collect() -> None:
        while not over.is_set():
            if text := recorder.text():
                with lock:
                    finals.append(text)
                    show(" ".join(finals), "")

    threading.Thread(target=collect, daemon=True).start()
    print("begin", flush=True)
    for pcm in pieces(path):
        recorder.feed_audio(pcm)
    for _ in range(30):
        recorder.feed_audio(bytes(int(CHUNK_S * 32000)))
        time.sleep(CHUNK_S)
    time.sleep(5)
    over.set()


SYSTEMS: dict[str, Run] = {
    "wlk-localagreement": whisper_live_kit("localagreement", "whisper"),
    "wlk-simulstreaming": whisper_live_kit("simulstreaming", "whisper"),
    "wlk-localagreement-ct2": whisper_live_kit("localagreement", "faster-whisper"),
    "realtimestt": realtime_stt,
}

if __name__ == "__main__":
    logging.disable(logging.WARNING)
    SYSTEMS[sys.argv[1]](sys.argv[2], sys.argv[3])
    sys.stdout.flush()
    os._exit(0)  # some leave threads behind
