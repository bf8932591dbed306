"""What the DnCNN tasks share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from viewfinder.task import Task, TensorSpec

PAPER = (
    "Zhang, Zuo, Chen, Meng, Zhang: Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for Image Denoising. "
    "IEEE TIP 26(7), 2017"
)
LICENCE = "code: Apache-2.0; weights: see the model card (trained on BSD photographs, research use)"
TILE = 256
DEFAULT_WEIGHTS = "blind"


def task(name: str, title: str, planes: int, depth: int, parameter_count: int) -> Task:
    """Describe one DnCNN; its weights are named after the noise that they know: ``blind`` or ``sigma-25``."""

    def build() -> Any:
        """Return a fresh `DnCNN`, its normalisation folded."""
        from viewfinder.train.networks.dncnn import DnCNN

        return DnCNN(planes, depth)

    shape = (1, planes, TILE, TILE)
    files = sorted((Path(__file__).parent.parent / "weights" / name).glob("*.safetensors"))
    weights = {file.stem: file for file in sorted(files, key=lambda file: file.stem != DEFAULT_WEIGHTS)}
    return Task(
        name=name,
        title=title,
        build=build,
        inputs=(TensorSpec("noisy", shape, value_range=None, meaning="a picture with noise, white 1, not clipped"),),
        outputs=(TensorSpec("denoised", shape, value_range=None, meaning="the picture without it, not clipped"),),
        pipeline="tiles",
        pipeline_options={"tile": (TILE, TILE), "halo": depth},
        samples="noisy",
        trainer="denoising",
        paper=PAPER,
        weights=weights,
        licence=LICENCE,
        parameter_count=parameter_count,
    )
