"""What the burst denoisers share: their tensors, the papers, and the weights that stand in ``train/weights``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from viewfinder.task import BURST, Task, TensorSpec

_PAPER = (
    "Mildenhall, Barron, Chen, Sharlet, Ng, Carroll: Burst Denoising with Kernel Prediction Networks. CVPR 2018, "
    "arXiv 1712.02327"
)
_LICENCE = "code: Apache-2.0; weights: see the model card (trained in part on BSD photographs, research use)"

_SIDE, _FRAMES = 512, 8
_LINEAR = "linear light"

_FRAMES_SPEC = TensorSpec(
    "frames",
    (1, _FRAMES, _SIDE, _SIDE),
    value_range=None,
    colour_space=_LINEAR,
    meaning="one plane of every frame, laid over the first one (the reference): black 0, white 1, not clipped",
)
_MERGED_SPEC = TensorSpec(
    "merged",
    (1, 1, _SIDE, _SIDE),
    value_range=None,
    colour_space=_LINEAR,
    meaning="Wiener merge of the aligned frames (viewfinder.bursts.merge)",
)
_NOISE_SPEC = TensorSpec(
    "noise",
    (1, 2, 1, 1),
    value_range=(0.0, 1.0),
    colour_space=None,
    meaning="read_std and shot_std of one frame: variance = read_std^2 + shot_std^2 * signal",
)
_DEVIATION_SPEC = TensorSpec(
    "deviation",
    (1, 1, _SIDE, _SIDE),
    value_range=(0.0, 2.0),
    colour_space=None,
    meaning="noise deviation at the reference's light, negative light taken as black",
)
PUBLISHED_INPUTS, LITE_INPUTS = (_FRAMES_SPEC, _DEVIATION_SPEC), (_FRAMES_SPEC, _MERGED_SPEC, _NOISE_SPEC)
_OUTPUTS = (
    TensorSpec(
        "denoised",
        (1, 1, _SIDE, _SIDE),
        value_range=None,
        colour_space=_LINEAR,
        meaning="the reference, denoised, not clipped",
    ),
)


def task(
    name: str,
    title: str,
    build: Callable[[], Any],
    parameter_count: int,
    inputs: tuple[TensorSpec, ...] = PUBLISHED_INPUTS,
    tile: tuple[int, int] = (_SIDE, _SIDE),
) -> Task:
    """Describe one burst denoiser with the weights in ``train/weights/NAME``; its artifacts see tiles of `tile`."""
    folder = Path(__file__).parent.parent / "weights" / name
    return Task(
        name=name,
        title=title,
        build=build,
        inputs=inputs,
        outputs=_OUTPUTS,
        pipeline=BURST,
        samples="bursts",
        pipeline_options={"align": True, "tile": tile},
        trainer="burst",
        paper=_PAPER,
        weights={file.stem: file for file in sorted(folder.glob("*.safetensors"))},
        licence=_LICENCE,
        parameter_count=parameter_count,
    )
