"""What the burst denoisers share: their tensors, the papers, and the weights that stand in ``train/weights``."""

from __future__ import annotations

from pathlib import Path

from viewfinder.task import TensorSpec

PAPER = (
    "Mildenhall, Barron, Chen, Sharlet, Ng, Carroll: Burst Denoising with Kernel Prediction Networks. CVPR 2018, "
    "arXiv 1712.02327"
)
LICENCE = "code: Apache-2.0; weights: see the model card (trained in part on BSD photographs, research use)"

SIDE, FRAMES = 512, 8
LINEAR = "linear light"

FRAMES_SPEC = TensorSpec(
    "frames",
    (1, FRAMES, SIDE, SIDE),
    value_range=None,
    colour_space=LINEAR,
    meaning="one plane of every frame, laid over the first one (the reference): black 0, white 1, not clipped",
)
MERGED_SPEC = TensorSpec(
    "merged",
    (1, 1, SIDE, SIDE),
    value_range=None,
    colour_space=LINEAR,
    meaning="Wiener merge of the aligned frames (viewfinder.bursts.merge)",
)
NOISE_SPEC = TensorSpec(
    "noise",
    (1, 2, 1, 1),
    value_range=(0.0, 1.0),
    colour_space=None,
    meaning="read_std and shot_std of one frame: variance = read_std^2 + shot_std^2 * signal",
)
DEVIATION_SPEC = TensorSpec(
    "deviation",
    (1, 1, SIDE, SIDE),
    value_range=(0.0, 2.0),
    colour_space=None,
    meaning="noise deviation at the reference's light, negative light taken as black",
)
OUTPUTS = (
    TensorSpec(
        "denoised",
        (1, 1, SIDE, SIDE),
        value_range=None,
        colour_space=LINEAR,
        meaning="the reference, denoised, not clipped",
    ),
)


def shipped_weights(model: str) -> dict[str, Path]:
    """Map weights names to the files in ``train/weights/MODEL``."""
    folder = Path(__file__).parent.parent / "weights" / model
    return {file.stem: file for file in sorted(folder.glob("*.safetensors"))}
