"""Small networks and pictures that the tests of this folder share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viewfinder import demo, photos
from viewfinder.task import Task, TensorSpec
from viewfinder.train.networks.hdrnet import HDRNet, Shape

SMALL = Shape(lowres=32, cells=8, bins=4)
"""Sizes other than the paper's in every respect, so that no 16 or 8 hides in a lowering."""
WIDTH, ROWS = 64, 6

TINY = '''
import torch
from torch import nn
from viewfinder.task import Task, TensorSpec


class Tiny(nn.Module):
    """Three convolutions and a skip connection."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 3, 3, padding=1),
        )

    def forward(self, image):
        return (image + 0.1 * self.layers(image)).clamp(0.0, 1.0)


class Sampler(nn.Module):
    """A picture sampled from a volume: an operator that most formats lack."""

    def forward(self, image):
        where = image.permute(0, 2, 3, 1)[:, None] * 2.0 - 1.0
        return nn.functional.grid_sample(image[:, :, None], where, align_corners=False)[:, :, 0]


def _task(name, build):
    spec = TensorSpec("image", (1, 3, 32, 40))
    return Task(name, "a network of three layers", build, (spec,), (TensorSpec("enhanced", (1, 3, 32, 40)),))


TASK = _task("tiny", Tiny)
SAMPLER = _task("sampler", Sampler)
'''


def lively(guide: str = "luma", shape: Shape = SMALL) -> HDRNet:
    """Build a small HDRNet whose guide, grid and layers are all away from their plain start."""
    torch.manual_seed(1)
    network = HDRNet(guide, shape)
    with torch.no_grad():
        for value in network.guide.parameters():
            value.add_(0.2 * torch.randn(value.shape))
        network.coefficients.predict.weight *= 5.0
    return network.eval().requires_grad_(requires_grad=False)


def small_task(guide: str = "luma") -> Task:
    """Describe the small HDRNet."""
    inputs = (TensorSpec("lowres", (1, 3, 32, 32)), TensorSpec("image", (1, 3, 48, 64)))
    options = {"width": WIDTH, "strip_rows": ROWS}
    outputs = (TensorSpec("enhanced", (1, 3, 48, 64), value_range=None),)
    return Task(
        f"small-{guide}",
        "a small HDRNet",
        lambda: lively(guide),
        inputs,
        outputs,
        pipeline="bilateral_grid",
        pipeline_options=options,
        paper="Gharbi et al., 2017",
        licence="Apache-2.0",
    )


def photograph(height: int, width: int) -> NDArray[np.uint8]:
    """Return a demo photograph resized to ``[height, width, 3]``."""
    pixels = photos.read(demo.photos()[0]).pixels[::4, ::4]
    resized = photos.resize(pixels.astype(np.float32) / np.float32(255), (height, width))
    return np.rint(resized.clip(0, 1) * 255).astype(np.uint8)


def planes(pixels: NDArray[Any]) -> Tensor:
    """Return a picture as ``[1, 3, H, W]`` in 0..1."""
    return torch.from_numpy(pixels.astype(np.float32) / np.float32(255)).permute(2, 0, 1)[None].contiguous()


def tiny_file(folder: Path) -> Path:
    """Write a user's own model file."""
    path = folder / "own.py"
    path.write_text(TINY, encoding="utf-8")
    return path
