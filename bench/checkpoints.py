"""Random Whisper checkpoints that say the same number of tokens about every window.

Speed does not depend on what the weights know, only on their sizes and on how many tokens they say. The number is
fixed by two coordinates of the decoder's state. In the first, the positional embedding holds -LOUD up to a position
and +LOUD from there on, and only the end-of-text token listens to it. In the second, the last layer norm always puts
the same value, and all tokens that are neither text nor end-of-text are repelled by it.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor
from whisper.model import ModelDimensions, Whisper
from whisper.tokenizer import get_tokenizer

from audio.engines.conversions import ct2_folder
from audio.engines.models import EMBEDDED

TEXT_TOKENS = 60  # a window; what 20 s of ordinary English speech take
SIZES = {"tiny": (384, 6, 4), "base": (512, 8, 6)}  # Whisper's width, heads and layers (Radford et al. 2022, table 1)
STOP, CONSTANT = 0, 1  # the two coordinates
LOUD = 4.0  # so that the state's first coordinate outweighs its others, whose norm is about 1
REPELLED = -30.0  # logit; the largest of a text token is about 5


def dimensions(width: int, heads: int, layers: int) -> ModelDimensions:
    """Those of an official English-only model."""
    return ModelDimensions(80, 1500, width, heads, layers, 51864, 448, width, heads, layers)


def fixed_length(dims: ModelDimensions, *, seed: int = 1) -> Whisper:
    """A random model that says TEXT_TOKENS text tokens about anything, then end-of-text.

    With timestamps the input is <sot> <0.00> text..., without them <sot> <notimestamps> text...: either way the
    first text token is predicted at position 1.
    """
    torch.manual_seed(seed)
    model = Whisper(dims).eval().requires_grad_(False)
    decoder, tokenizer = model.decoder, get_tokenizer(multilingual=False)
    for block in [*model.encoder.blocks, *decoder.blocks]:
        for writer in (block.attn.out, block.mlp[2], *([block.cross_attn.out] if block.cross_attn else [])):
            writer.weight.mul_(0.1)  # layers only whisper into the state, which stays what is put into it here
            writer.bias.zero_()
    embedding = decoder.token_embedding.weight  # (V, d)
    embedding.normal_(std=dims.n_text_state**-0.5)
    embedding[:, [STOP, CONSTANT]] = 0
    embedding[tokenizer.eot :] = 0
    embedding[tokenizer.eot, STOP] = 1
    embedding[tokenizer.eot + 1 :, CONSTANT] = REPELLED
    decoder.ln.weight.copy_(_signs(dims.n_text_state))  # else every token would prefer itself
    decoder.ln.weight[[STOP, CONSTANT]] = torch.tensor([1.0, 0.0])
    decoder.ln.bias.zero_()
    decoder.ln.bias[CONSTANT] = 1
    positions = decoder.positional_embedding  # (C, d)
    positions.normal_(std=2 * dims.n_text_state**-0.5)  # so that the text does not go in circles
    positions[:, STOP] = -LOUD
    positions[TEXT_TOKENS + 1 :, STOP] = LOUD
    return model


def save(model: Whisper, path: Path) -> None:
    """In the official format, in half precision as the official files are."""
    weights = {name: tensor.half() for name, tensor in model.state_dict().items()}
    torch.save({"dims": asdict(model.dims), "model_state_dict": weights}, path)


def _signs(width: int) -> Tensor:
    return torch.randint(0, 2, (width,)) * 2.0 - 1.0


def prepared(name: str, folder: Path) -> dict[str, str]:
    """The checkpoint `name` for every system: "pt", and by compute type the CTranslate2 folders made from it."""
    path = {"embedded": EMBEDDED}.get(name, Path(name))
    if name in SIZES:
        path = folder / f"{name}.pt"
        save(fixed_length(dimensions(*SIZES[name])), path)
    cache = folder / "rapporteur"  # where the command looks when `folder` is the user's cache
    converted = {kind: str(ct2_folder(path, cache=cache, quantization=kind)) for kind in ("float32", "int8")}
    return {"pt": str(path.absolute()), **converted}


def main() -> None:
    """In a process of its own, because it needs more memory than what is measured."""
    parser = argparse.ArgumentParser(description="Make a checkpoint ready and print where it lies.")
    parser.add_argument("name", help=f"embedded, {' or '.join(SIZES)} (random weights), or the path of a checkpoint")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    print(json.dumps(prepared(options.name, options.folder)))


if __name__ == "__main__":
    main()
