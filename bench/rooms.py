"""What rooms leave of a voice: `python -m bench.rooms [--out FILE] [--data DIR] [--voices 2000]` writes rooms.npz.

Learnt from very many made voices (`many.py`) of which nothing is measured, each heard alone in two of twelve places:
six of test material, six made up, as a room that nobody has recorded is to help, too. Then real voices are met again in
other such places, compared by it and without; they are none that anything was learnt from.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray

from audio.diarize.encoder import HOP, PLAIN, Ge2eEncoder, levelled, mel_power
from audio.diarize.identity import ROOMS, point
from audio.diarize.traits import embedding, unit
from audio.diarize.windows import WINDOW, listen
from audio.embedded.voices import Voice, say
from audio.speech import SAMPLE_RATE, Samples, SpeechSegment
from bench.acquaintance import learn_rooms
from bench.many import many, written
from bench.meetings import TESTING, TUNING, Rooms, noisy, passages, reverberated, room_of
from bench.report import progress, table

DATA = Path(__file__).parents[2] / "shared" / "data"
# Variants of espeak-ng by accent. None is in TUNING or TESTING or nearer to one of those than 0.9 in clean sound.
LEARNING = {
    "en": "Alex croak gustave kaukovalta m1 m8 michel quincy robosoft2 zac",
    "en-029": "Diogo Nguyen RicishayMax3 antonio iven2 klatt3 m4 marcelo shelby",
    "en-gb-scotland": "Andrea Lee RicishayMax Tweaky anika david grandpa henrique m2 miguel robosoft3",
    "en-gb-x-gbclan": "Marco ed f1 iven3 klatt4 m5 pablo rob",
    "en-gb-x-gbcwmd": "Max Storm benjamin edward2 iven4 klatt5 m6 paul robert",
    "en-gb-x-rp": "Andy AnxiousAndy Denis Mike RicishayMax2 iven m3 robosoft4",
    "en-us": "boris john klatt6 michael pedro robosoft victor",
}
VOICES, TAKE_S = 2000, 6  # made voices, and seconds of each in a place
PLACES, EACH = 12, 2  # places, and in how many of them each voice is heard
NEAR = 0.9  # cosine in clean sound to a voice of meetings from which a made one is left out
STEP = 100  # frames from window to window
PIECE_S = 6  # of a real voice
REAL = ("", "pairs of one person", "pairs of two", "equal error", "one person known at 1 % of two taken for one")


def learning() -> list[Voice]:
    """The voices that traits are learnt from, beside TUNING."""
    return [Voice("espeak-ng", f"{accent}+{name}") for accent, names in LEARNING.items() for name in names.split()]


def made_up(rng: np.random.Generator) -> Rooms:
    """A room and a noise that nobody recorded.

    The direct sound, then noise that decays by 60 dB in 0.2 to 0.7 s (Polack's model of a room), -3 to 8 dB beside it,
    through a microphone uneven by 6 dB; and a swelling noise between white and brown.
    """
    size = SAMPLE_RATE // 2
    decay_s, direct_db = rng.uniform(0.2, 0.7), rng.uniform(-3, 8)
    response = rng.normal(size=size) * 10 ** (-3 * np.arange(size) / SAMPLE_RATE / decay_s)
    response[:16] = 0  # nothing comes back within 1 ms
    response *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(response**2))
    response[0] = 1
    uneven_db = np.interp(
        np.fft.rfftfreq(1024, 1 / SAMPLE_RATE), [0, 150, 500, 1500, 3500, 8000], rng.uniform(-6, 6, 6)
    )
    microphone = np.roll(np.fft.irfft(10 ** (uneven_db / 20)), 512) * np.hanning(1024)
    hertz = np.maximum(np.fft.rfftfreq(20 * SAMPLE_RATE, 1 / SAMPLE_RATE), 60)
    noise = np.fft.irfft(np.fft.rfft(rng.normal(size=20 * SAMPLE_RATE)) * hertz ** -rng.uniform(0, 1))
    noise *= 1 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.05, 0.3) * np.arange(len(noise)) / SAMPLE_RATE)
    heard = np.convolve(response, microphone)[:size]
    return Rooms({"made": heard.astype(np.float32)}, {"made": (noise / np.abs(noise).max()).astype(np.float32)})


def placed(sound: Samples, rooms: Rooms, rng: np.random.Generator) -> NDArray[Any]:
    """The voice (d,) of this sound in one of the places, as a unit vector."""
    response, name = room_of(rooms, rng)
    there, _ = noisy(reverberated(sound, response)[: len(sound)], rooms, rng, name)
    vector = listen(SpeechSegment(there, 0), Ge2eEncoder()).embeddings.mean(axis=0)
    return np.asarray(vector / np.linalg.norm(vector))


def place(number: int, given: Rooms) -> Callable[[Samples], Samples]:
    """One of the places that voices share: what a sound becomes there, the same room and noise for all."""
    there = np.random.default_rng(50 + number)
    rooms = made_up(there) if number % 2 else given
    response, name = room_of(rooms, there)

    def inside(sound: Samples) -> Samples:
        return noisy(reverberated(sound, response)[: len(sound)], rooms, deepcopy(there), name)[0]

    return inside


def texts_of(data: Path) -> list[str]:
    """What the voices say: lines of AMI's training meetings."""
    parts = passages(data / "ami" / "train", np.random.default_rng(3))
    return [line.text for part in parts for line in part if 20 < len(line.text) < 90]


def heard_everywhere(data: Path, count: int) -> dict[str, list[NDArray[Any]]]:
    """Made voices, each in its places with words and a tempo of its own each time; none near to a voice of meetings."""
    texts, given = texts_of(data), Rooms.of(data / "audio" / "speechbrain")
    places = [place(number, given) for number in range(PLACES)]
    heard: dict[str, list[NDArray[Any]]] = {}
    with written() as (variants, file):
        rng = np.random.default_rng(78)
        known = np.array([embedding(_voices([take(voice, texts, rng, TAKE_S)])[0]) for voice in (*TUNING, *TESTING)])
        for n, made in enumerate(many(count, variants)):
            file.write_text(made.text)
            takes = [take(made.voice, texts, rng, TAKE_S) for _ in range(EACH)]
            chosen = rng.permutation(PLACES)[:EACH]
            clean, *there = _voices([takes[0], *(places[at](own) for at, own in zip(chosen, takes, strict=True))])
            if float((known @ embedding(clean)).max()) < NEAR:
                heard[f"{n} {made.voice.name}"] = there
            if n % 100 == 99:
                progress(f"{n + 1} of {count} voices, {n + 1 - len(heard)} of them left out")
    return heard


def _voices(sounds: Sequence[Samples]) -> list[NDArray[Any]]:
    """The voice of each, (d,), a unit vector."""
    windows, ends = [], [0]
    for sound in sounds:
        mel = mel_power(sound)
        starts = range(0, len(mel) - WINDOW, STEP)
        windows += [levelled(mel[a : a + WINDOW], sound[a * HOP : (a + WINDOW) * HOP]) for a in starts]
        ends.append(len(windows))
    found = Ge2eEncoder()(windows).astype(float)
    return [unit(found[a:b].mean(axis=0)) for a, b in pairwise(ends)]


def take(voice: Voice, texts: Sequence[str], rng: np.random.Generator, seconds: int) -> Samples:
    """So much of a voice, with words and a tempo of its own."""
    tempo, parts = float(rng.uniform(0.88, 1.1)), list[Samples]()
    while sum(map(len, parts)) < seconds * SAMPLE_RATE:
        parts.append(say(texts[int(rng.integers(len(texts)))], voice, tempo) * np.float32(0.3))
    return np.concatenate(parts)[: seconds * SAMPLE_RATE]


def real_voices(audio: Path) -> dict[str, Samples]:
    """People of the test material by name, each alone: the AMI clips where nobody else speaks, and readers."""
    found: dict[str, list[Samples]] = {}
    for path in sorted((audio / "ami-30s").glob("*.flac")):
        sound = _read(path)
        turns = [row.split() for row in path.with_suffix(".rttm").read_text().splitlines()]
        spans = [(who, float(start), float(start) + float(length)) for *_, start, length, _, _, who, _, _ in turns]
        for who, start_s, end_s in spans:
            others = [(a, b) for other, a, b in spans if other != who and a < end_s and b > start_s]
            if not others and end_s - start_s > 0.8:
                found.setdefault(who, []).append(sound[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)])
    for path in sorted((audio / "azure-multilingual").glob("*.zip")):
        with zipfile.ZipFile(path) as inside:
            name = next(name for name in inside.namelist() if name.endswith(".wav"))
            found[path.name[:5]] = [_read(io.BytesIO(inside.read(name)))]
    readers = {"ljspeech": "LJ*.wav", "jfk": "*.flac", "speechbrain/ASR": "spk1*.wav", "pocketsphinx/librivox": "*.wav"}
    for folder, pattern in (*readers.items(), ("speechbrain/ASR", "spk2*.wav")):
        found[f"{folder} {pattern}"] = [_read(path) for path in sorted((audio / folder).glob(pattern))]
    return {
        who: np.concatenate([part / max(1e-6, np.abs(part).max()) / 2 for part in own]) for who, own in found.items()
    }


def _read(source: Path | io.BytesIO) -> Samples:
    sound, rate = soundfile.read(source, dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(sound.mean(axis=1), rate, SAMPLE_RATE), np.float32)


def met_again(audio: Path) -> Iterator[list[str]]:
    """Pieces of real voices in four places each: pairs of two pieces, by what outlasts places and without."""
    rng, rooms = np.random.default_rng(0), Rooms.of(audio / "speechbrain")
    heard: list[tuple[str, int, NDArray[Any]]] = []
    for who, sound in real_voices(audio).items():
        for n in range(min(3, len(sound) // (PIECE_S * SAMPLE_RATE))):
            piece = sound[n * PIECE_S * SAMPLE_RATE :][: PIECE_S * SAMPLE_RATE]
            heard += [(who, n, placed(piece, rooms, rng)) for _ in range(4)]
    kinds = {"the embedding": "", "what of it outlasts places": PLAIN, "and of the traits": Ge2eEncoder.name}
    for name, encoder in kinds.items():
        vectors = [point(vector, encoder) if encoder else embedding(vector) for _, _, vector in heard]
        same, other = list[float](), list[float]()
        for i, (who, n, _) in enumerate(heard):
            for j, (person, m, _) in enumerate(heard[:i]):
                if (who, n) != (person, m):
                    (same if who == person else other).append(float(vectors[i] @ vectors[j]))
        missed, wrong = np.sort(same), np.sort(other)
        equal = min(max(float(np.mean(missed < at)), float(np.mean(wrong >= at))) for at in missed)
        known = float(np.mean(missed > np.quantile(wrong, 0.99)))
        yield [
            f"{len({who for who, _, _ in heard})} people, {name}",
            str(len(same)),
            str(len(other)),
            f"{equal:.1%}",
            f"{known:.1%}",
        ]


def main() -> None:
    """Learn, write, and look at real voices."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=ROOMS)
    parser.add_argument("--voices", type=int, default=VOICES)
    given = parser.parse_args()
    torch.set_num_threads(1)
    learn_rooms(heard_everywhere(given.data, given.voices), given.out)
    print(table(REAL, met_again(given.data / "audio")))


if __name__ == "__main__":
    main()
