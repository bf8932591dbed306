"""What the HDRNet tasks share: their tensors, the paper, and the weights that stand in ``train/weights``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from viewfinder.task import Task, TensorSpec

PAPER = (
    "Gharbi, Chen, Barron, Hasinoff, Durand: Deep Bilateral Learning for Real-Time Image Enhancement. "
    "ACM TOG 36(4), 2017"
)
LICENCE = "code: Apache-2.0; weights: see the model card (trained in part on BSD photographs, research use)"
DEFAULT_WEIGHTS = "local-laplacian"

INPUTS = (
    TensorSpec("lowres", (1, 3, 256, 256), meaning="the whole picture squeezed to a square, aspect ratio not kept"),
    TensorSpec("image", (1, 3, 1080, 1920), meaning="the picture itself; any height and width"),
)
OUTPUTS = (TensorSpec("enhanced", (1, 3, 1080, 1920), value_range=None, meaning="the enhanced picture, not clipped"),)


def shipped_weights(model: str, folder: Path | None = None) -> dict[str, Path]:
    """Map weights names to the files in ``train/weights/MODEL``; the default comes first if it is there."""
    files = sorted((folder or Path(__file__).parent.parent / "weights").joinpath(model).glob("*.safetensors"))
    return {file.stem: file for file in sorted(files, key=lambda file: file.stem != DEFAULT_WEIGHTS)}


def task(name: str, title: str, build: Callable[[], Any], parameter_count: int, trainer: str = "imitation") -> Task:
    """Describe one HDRNet; weights are named after the operator that they imitate."""
    weights = shipped_weights(name)
    return Task(
        name=name,
        title=title,
        build=build,
        inputs=INPUTS,
        outputs=OUTPUTS,
        pipeline="bilateral_grid",
        pipeline_options={"width": 1920},
        trainer=trainer,
        paper=PAPER,
        weights=weights,
        operators={weight: weight for weight in weights},
        licence=LICENCE,
        parameter_count=parameter_count,
    )
