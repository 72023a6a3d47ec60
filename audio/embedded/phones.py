"""Which sound is spoken when: the speech programs know it, and the encoder learns far faster from it than from letters.

Phones are those of the flite voices (ARPAbet); espeak-ng's are mapped to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from audio.speech import SAMPLE_RATE

PAUSE = "pau"
_ARPABET = """
    pau aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z zh
"""
PHONES = _ARPABET.split()
FRAME = SAMPLE_RATE // 50  # samples; a frame of Whisper's encoder
_ESPEAK = """
    t=t t2=t d=d d2=d p=p b=b k=k g=g s=s z=z S=sh Z=zh f=f v=v T=th D=dh h=hh tS=ch dZ=jh m=m n=n N=ng l=l r=r r-=r w=w
    j=y ;=y @=ax a#=ax @-=ax @2=ax @5=ax @L=l I=ih I2=ih I#=ih i=iy i:=iy i@=iy i@3=iy E=eh e@=eh a=ae aa=ae 0=aa A:=aa
    A@=aa O:=ao O=ao O@=ao o@=ao V=ah U=uh U@=uh u:=uw 3=er 3:=er aI=ay aI@=ay aU=aw aU@=aw eI=ey oU=ow OI=oy
"""
_NEAREST = dict(pair.split("=") for pair in _ESPEAK.split())


class Phone(NamedTuple):
    """One sound of a spoken sentence."""

    number: int  # in PHONES
    end: int  # first sample after it


def arpabet(name: str) -> int:
    """The number of a flite phone; what is no phone (breath, silence) is a pause."""
    return PHONES.index(name) if name in PHONES else 0


def of_espeak(name: str) -> int:
    """The number of the phone nearest to one of espeak-ng's; stress marks and pauses are pauses."""
    return PHONES.index(_NEAREST.get(name, PAUSE))


def labels(phones: Sequence[Phone], length: int) -> NDArray[np.uint8]:
    """The phone in the middle of every encoder frame of `length` samples, shape (ceil(length / FRAME),)."""
    middles = np.arange(-(-length // FRAME)) * FRAME + FRAME // 2
    ends = np.array([phone.end for phone in phones])
    numbers = np.array([*(phone.number for phone in phones), 0], np.uint8)
    found: NDArray[np.uint8] = numbers[np.searchsorted(ends, middles, side="right")]
    return found
