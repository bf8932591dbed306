"""What everybody writes first: slicing as 5-D GridSample on the whole picture, as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write(model: str, path: Path) -> None:
    """Write guide, GridSample and 3x4 product of a model as ONNX for 1080p (opset 20, the first with 5-D)."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    from viewfinder import models
    from viewfinder.train.networks.slicing import apply_matrices, as_volume

    network = models.load(model).build().eval()
    height, width = 1080, 1920

    y = (torch.arange(height, dtype=torch.float32) * 2 + 1) / height - 1
    x = (torch.arange(width, dtype=torch.float32) * 2 + 1) / width - 1
    place = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)[None, None]

    class Plain(nn.Module):
        """Inputs as the network's own: grid ``[1, 96, 16, 16]`` and image ``[1, 3, 1080, 1920]``."""

        def __init__(self) -> None:
            """Keep the guide."""
            super().__init__()
            self.guide = network.guide

        def forward(self, grid: Any, image: Any) -> Any:
            """Slice and apply."""
            z = self.guide(image)[:, :, :, :, None] * 2.0 - 1.0
            where = torch.cat([place, z], -1)
            matrices = F.grid_sample(as_volume(grid, 8), where, "bilinear", "border", align_corners=False)
            return apply_matrices(matrices[:, :, 0], image)

    inputs = (torch.zeros(1, 96, 16, 16), torch.zeros(1, 3, height, width))
    torch.onnx.export(
        Plain().eval(),
        inputs,
        path,
        input_names=["grid", "image"],
        output_names=["enhanced"],
        opset_version=20,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
