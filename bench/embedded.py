"""What the embedded model understands: `python -m bench.embedded --ami DIR` prints the table of its model card.

For every voice a recording of about two minutes: sentences of the model's vocabulary that it was not trained on, half
from our templates and half spoken in AMI dev meetings; then the sample meeting. Without AMI only the meeting.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
import whisper

from audio.embedded import texts
from audio.embedded.train import COMMON_WORDS, SENTENCES
from audio.embedded.voices import TAUGHT, say
from audio.engines.models import EMBEDDED
from audio.speech import SAMPLE_RATE, Samples
from bench.command import ROOT, shown_utterances
from bench.report import circumstances, progress, table
from bench.score import MEETING, Line, by_speaker, meeting_lines, word_error_rate

PER_VOICE = 40  # sentences; about two minutes
SEED = 99
TEMPO, PAUSE_S, NOISE = (0.9, 1.1), (0.3, 0.8), 1e-3  # factor; seconds; RMS of the white noise, -60 dB
STOCK = "stock `whisper.transcribe`"
OURS = {  # column -> flags
    "ours, openai-whisper": ("--engine", "openai-whisper", "--compute-type", "float32"),
    "ours, faster-whisper float32": ("--engine", "faster-whisper", "--compute-type", "float32"),
    "ours, faster-whisper int8": ("--engine", "faster-whisper", "--compute-type", "int8"),
}
Texts = dict[str, dict[str, str]]  # column -> name of the recording -> text


@dataclass(frozen=True)
class Recording:
    """Sound whose words are known."""

    path: Path
    text: str


def unseen_sentences(ami: Path) -> list[str]:
    """PER_VOICE for each voice, none of which the training corpus holds: templates and AMI dev in turn."""
    chooser = random.Random(SEED)
    trained = set(texts.corpus(texts.ami_sentences(ami / "train"), common=COMMON_WORDS, count=SENTENCES, seed=1))
    known = set((Path(texts.__file__).parent / "vocabulary.txt").read_text(encoding="utf-8").split())
    count = PER_VOICE * len(TAUGHT) // 2
    made: dict[str, None] = {}
    for sentence in texts.template_sentences(random.Random(SEED)):
        if len(texts.words(sentence)) >= 5 and sentence not in trained:
            made[sentence] = None
        if len(made) == count:
            break
    spoken = [s for s in texts.in_vocabulary(texts.ami_sentences(ami / "dev"), known) if s not in trained]
    return [s for pair in zip(made, chooser.sample(spoken, count), strict=True) for s in pair]


def spoken_by(voice: str, sentences: Sequence[str], rng: np.random.Generator) -> Samples:
    """The sentences one after the other with pauses, in a little noise."""
    pieces = []
    for sentence in sentences:
        pieces += [np.zeros(round(rng.uniform(*PAUSE_S) * SAMPLE_RATE)), say(sentence, voice, rng.uniform(*TEMPO))]
    sound = np.concatenate([*pieces, np.zeros(round(PAUSE_S[1] * SAMPLE_RATE))])
    return np.clip(sound + rng.normal(0, NOISE, len(sound)), -1, 1).astype(np.float32)


def recordings(ami: Path, folder: Path) -> Iterator[Recording]:
    """One for every voice."""
    sentences, rng = unseen_sentences(ami), np.random.default_rng(SEED)
    for at, voice in enumerate(TAUGHT):
        own = sentences[at * PER_VOICE : (at + 1) * PER_VOICE]
        path = folder / f"{voice}.flac"
        soundfile.write(path, spoken_by(voice, own, rng), SAMPLE_RATE)
        yield Recording(path, " ".join(own))


def transcripts(heard: Sequence[Recording], model: str, home: Path) -> Texts:
    """What every column makes of every recording; stock whisper runs here, ours as the command."""
    progress(STOCK)
    stock = whisper.load_model(str(EMBEDDED) if model == "embedded" else model, device="cpu")
    found: Texts = {STOCK: {}}
    for recording in heard:
        sound, _ = soundfile.read(recording.path, dtype="float32")
        found[STOCK][recording.path.name] = stock.transcribe(sound, fp16=False)["text"]
    files, fixed = [recording.path for recording in heard], ("--model", model, "--device", "cpu")
    for column, flags in OURS.items():
        progress(column)
        said = shown_utterances(files, home, *fixed, *flags, "--threads", str(torch.get_num_threads()))
        found[column] = {name: " ".join(u.text.strip() for u in utterances) for name, utterances in said.items()}
    return found


def rows(found: Texts, heard: Sequence[Recording], lines: Sequence[Line]) -> Iterator[Sequence[str]]:
    """Word error rates: every voice, every speaker of the meeting, the whole meeting."""
    scored: list[tuple[str, str, Callable[[str], float]]] = [  # label, recording, text -> rate
        *((f"{r.path.stem}, unseen sentences", r.path.name, _against(r.text)) for r in heard if r.path != MEETING),
        *((f"sample meeting, {who}", MEETING.name, _of(who, lines)) for who in dict.fromkeys(x.speaker for x in lines)),
        ("**sample meeting, all**", MEETING.name, _against(" ".join(line.text for line in lines))),
    ]
    for label, name, rate in scored:
        openai, faster, *_ = (found[column][name] for column in OURS)
        rates = [f"{rate(found[column][name]):.1%}" for column in (STOCK, *OURS)]
        yield label, *rates, "yes" if openai == faster else f"no, {word_error_rate(openai, faster):.1%} of words differ"


def _against(reference: str) -> Callable[[str], float]:
    return lambda text: word_error_rate(reference, text)


def _of(speaker: str, lines: Sequence[Line]) -> Callable[[str], float]:
    return lambda text: by_speaker(lines, text)[speaker]


def main() -> None:
    """Speak, transcribe, print the table."""
    parser = argparse.ArgumentParser(description="Word error rates of the embedded model, per voice.")
    parser.add_argument("--ami", type=Path, default=ROOT.parent / "shared/data/ami", help="with train and dev (JSON)")
    parser.add_argument("--model", default="embedded", help="or the path of a checkpoint")
    options = parser.parse_args()
    torch.set_num_threads(2)
    lines = meeting_lines()
    with tempfile.TemporaryDirectory() as folder:
        heard = [Recording(MEETING, " ".join(line.text for line in lines))]
        if options.ami.is_dir():
            progress("speaking the unseen sentences")
            heard = [*recordings(options.ami, Path(folder)), *heard]
        else:
            print(f"There are no AMI meetings in {options.ami}: without --ami only the sample meeting is scored.\n")
        found = transcripts(heard, options.model, Path(folder))
        print(f"{circumstances()}\n")
        print(table(("word error rate", STOCK, *OURS, "engines agree at float32"), rows(found, heard, lines)))


if __name__ == "__main__":
    main()
