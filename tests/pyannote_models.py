"""A pyannote pipeline with few and random parameters, written to a folder as the real one lies there.

Imported only where pyannote.audio is installed; its checkpoints name the class below, so it must be importable.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from pyannote.audio import Model
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.models.segmentation import PyanNet
from pytorch_lightning import Trainer

FRAME, HOP, DIMENSION = 400, 160, 16


class TinyEmbedding(Model):  # type: ignore[misc]
    """Mean log spectrum, projected: 16 numbers out of 201."""

    def __init__(self, sample_rate: int = 16_000, num_channels: int = 1, task: Any = None) -> None:
        super().__init__(sample_rate=sample_rate, num_channels=num_channels, task=task)
        self.linear = torch.nn.Linear(FRAME // 2 + 1, DIMENSION)

    @property
    def dimension(self) -> int:
        return DIMENSION

    @lru_cache  # noqa: B019 (the library clears it by name)
    def num_frames(self, num_samples: int) -> int:
        return 1 + (num_samples - FRAME) // HOP

    def receptive_field_size(self, num_frames: int = 1) -> int:
        return FRAME + (num_frames - 1) * HOP

    def receptive_field_center(self, frame: int = 0) -> int:
        return frame * HOP + FRAME // 2

    def forward(self, waveforms: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        frames = waveforms[:, 0].unfold(1, FRAME, HOP)  # (b, f, 400)
        spectra = torch.log(torch.fft.rfft(frames).abs() + 1e-3)  # (b, f, 201)
        if weights is None:
            return torch.as_tensor(self.linear(spectra.mean(dim=1)))
        resized = torch.nn.functional.interpolate(weights[:, None], spectra.shape[1])[:, 0, :, None]
        return torch.as_tensor(self.linear((spectra * resized).sum(dim=1) / (resized.sum(dim=1) + 1e-6)))


def write_pipeline(folder: Path, seed: int = 0) -> Path:
    """config.yaml, segmentation, embedding and plda, as `speaker-diarization-community-1` has them."""
    torch.manual_seed(seed)
    segmentation = PyanNet(
        sincnet={"stride": 10}, lstm={"hidden_size": 4, "num_layers": 1}, linear={"hidden_size": 4, "num_layers": 1}
    )
    segmentation.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=5.0,
        classes=["speaker#1", "speaker#2", "speaker#3"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    embedding = TinyEmbedding()
    embedding.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0, classes=["a", "b"]
    )
    for name, model in (("segmentation", segmentation), ("embedding", embedding)):
        model.build()
        if name == "segmentation":  # as drawn it would call every frame the same
            with torch.no_grad():
                model.classifier.weight.mul_(40)
        (folder / name).mkdir(parents=True)
        trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
        trainer.strategy.connect(model)
        trainer.save_checkpoint(folder / name / "pytorch_model.bin")
    rng = np.random.default_rng(seed)
    (folder / "plda").mkdir()
    lda = rng.normal(size=(DIMENSION, 8))
    np.savez(folder / "plda" / "xvec_transform.npz", mean1=np.zeros(DIMENSION), mean2=np.zeros(8), lda=lda)
    np.savez(folder / "plda" / "plda.npz", mu=np.zeros(8), tr=np.eye(8), psi=np.linspace(2, 1, 8))
    config = {
        "pipeline": {
            "name": "pyannote.audio.pipelines.SpeakerDiarization",
            "params": {
                "clustering": "VBxClustering",
                "segmentation": "$model/segmentation",
                "embedding": "$model/embedding",
                "embedding_exclude_overlap": True,
                "plda": "$model/plda",
            },
        },
        "params": {
            "clustering": {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8},
            "segmentation": {"min_duration_off": 0.0},
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder
