"""Turn a training checkpoint into the shipped weights: `python -m audio.embedded.release CHECKPOINT [MODEL]`.

The result is in the official Whisper format in half precision. The 46,000 embedding rows of tokens
that the vocabulary never uses are equal, so the deflated archive is less than half of the plain one;
`torch.load`, and with it an unmodified `whisper.load_model(path)`, reads both.
"""

from __future__ import annotations

import sys
import zipfile
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path

import torch
from whisper.tokenizer import get_tokenizer

from audio.embedded.network import averaged, build, lengthen
from audio.embedded.windows import STAMPS, Vocabulary

MODEL = Path(__file__).parent / "model.pt"


def release(checkpoint: Path, model: Path = MODEL) -> int:
    """Write `model` from the mean weights of `checkpoint`; returns its size in bytes."""
    state = torch.load(checkpoint, weights_only=True)
    tokenizer = get_tokenizer(multilingual=False)
    vocabulary = Vocabulary(tuple(state["kept"]), tokenizer.timestamp_begin + STAMPS)
    mean, mean_heads = averaged(state)
    weights = {name: tensor.half() for name, tensor in lengthen(mean, vocabulary).items()}
    dims = asdict(replace(build(vocabulary).dims, n_vocab=vocabulary.size))
    plain = BytesIO()
    heads = {name: tensor.half() for name, tensor in mean_heads.items()}  # only for training on
    torch.save({"dims": dims, "model_state_dict": weights, "heads": heads}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(model, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for item in source.infolist():
            target.writestr(zipfile.ZipInfo(item.filename), source.read(item), zipfile.ZIP_DEFLATED)
    return model.stat().st_size


if __name__ == "__main__":
    where = Path(sys.argv[2]) if len(sys.argv) > 2 else MODEL
    print(f"{where}: {release(Path(sys.argv[1]), where) / 1e6:.1f} MB")
