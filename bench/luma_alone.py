"""An HDRNet whose guide is luma and nothing else, so that slicing is timed with the least guide there can be."""

from __future__ import annotations

from typing import Any

from viewfinder import models
from viewfinder.task import Task


def build() -> Any:
    """Return a fresh `HDRNet` with one guide channel."""
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F

    from viewfinder.train.networks.hdrnet import LUMA, HDRNet

    class Luma(nn.Module):
        """BT.601 luma."""

        def as_pointwise(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            """Return luma as ``1x1 conv 3->1, ReLU, 1x1 conv 1->1``."""
            return torch.tensor(LUMA).view(1, 3, 1, 1), torch.zeros(1), torch.ones(1, 1, 1, 1), torch.zeros(1)

        def forward(self, image: Tensor) -> Tensor:
            """Map ``[B, 3, H, W]`` to ``[B, 1, H, W]``."""
            return F.conv2d(image, torch.tensor(LUMA).view(1, 3, 1, 1)).clamp(0.0, 1.0)

    network = HDRNet("luma")
    network.guide = Luma()
    return network


def _task() -> Task:
    """Describe it as hdrnet is described, without weights."""
    from dataclasses import replace

    return replace(
        models.load("hdrnet"), name="luma-alone", build=build, weights={}, operators={}, parameter_count=None
    )


TASK = _task()
