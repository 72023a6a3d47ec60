"""espeak-ng through its library, which tells when each phone is spoken; its program does not."""

from __future__ import annotations

import ctypes
from ctypes.util import find_library
from functools import cache

import numpy as np
from numpy.typing import NDArray

from audio.speech import AudioError

# speak_lib.h of espeak-ng 1.51
_SYNCHRONOUS, _PHONEME_EVENTS, _RATE, _UTF8, _PHONEME, _LAST = 2, 1, 1, 1, 7, 0


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Library:
    """The library, initialised; it can be used by one thread of a process."""

    def __init__(self) -> None:
        path = find_library("espeak-ng")
        if path is None:
            raise AudioError("espeak-ng is not installed; on Debian: apt-get install espeak-ng")
        self._library = ctypes.CDLL(path)
        self.rate: int = self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS)
        if self.rate <= 0:
            raise AudioError("espeak-ng could not start; install its voices again (Debian: espeak-ng-data)")
        self._samples: list[NDArray[np.int16]] = []
        self._phones: list[tuple[str, int]] = []
        self._callback = _Callback(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def _take(self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        if samples and count:
            self._samples.append(np.ctypeslib.as_array(samples, (count,)).copy())
        i = 0
        while events[i].type != _LAST:
            if events[i].type == _PHONEME:
                self._phones.append((events[i].id.string.decode(), events[i].sample))
            i += 1
        return 0

    def speak(self, text: str, voice: str, words_per_minute: int) -> tuple[NDArray[np.int16], list[tuple[str, int]]]:
        self._samples, self._phones = [], []
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise AudioError(f"espeak-ng has no voice {voice!r}; `espeak-ng --voices=en` lists them")
        self._library.espeak_SetParameter(_RATE, words_per_minute, 0)
        line = text.encode()
        if self._library.espeak_Synth(line, len(line) + 1, 0, 1, 0, _UTF8, None, None) or not self._samples:
            raise AudioError("espeak-ng could not speak a sentence; try it with the program espeak-ng")
        return np.concatenate(self._samples), self._phones


@cache
def _library() -> _Library:
    return _Library()


def speak(text: str, voice: str, words_per_minute: int) -> tuple[NDArray[np.int16], list[tuple[str, int]], int]:
    """Samples (n,), the phones with the sample at which each begins, and the sample rate in Hz.

    Raises AudioError where espeak-ng or the voice is missing.
    """
    library = _library()
    return *library.speak(text, voice, words_per_minute), library.rate
