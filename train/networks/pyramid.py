"""HDRNet over a Gaussian pyramid: three grids, one per picture level, for operators that are not locally affine.

Follows `HDRNetGaussianPyrNN` of the released code of Gharbi et al., Deep Bilateral Learning for Real-Time Image
Enhancement, ACM TOG 36(4), 2017: three levels, 9x4 coefficients per cell (288 channels), one pointwise guide per
level, results added from coarse to fine after enlarging; coefficient rows 0 to 2 belong to the COARSEST level.

The notes that this file was written from give 494,448 parameters, which is the coefficient network alone; the three
guides of 81 add 243, so the whole network has 494,691. They leave open how a level is reduced and enlarged: here
bilinearly with half-pixel centres, sizes rounded down (the mean of 2x2 pixels where the size is even). Nor do they
fix the start: here the finest level starts at the identity and the others at zero, so the sum is the picture itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from viewfinder.train.networks import slicing
from viewfinder.train.networks.hdrnet import Coefficients, PointwiseGuide, Shape

LEVELS = 3


def _resize(image: Tensor, height: int, width: int) -> Tensor:
    """Resize ``[B, C, H, W]`` bilinearly, half-pixel centres, no antialiasing."""
    return F.interpolate(image, size=(height, width), mode="bilinear", align_corners=False)


class HDRNetPyramid(nn.Module):
    """Coefficient network with three grids, three guides, three slicings, added from coarse to fine."""

    def __init__(self, shape: Shape | None = None) -> None:
        """Build the network; `shape.matrices` is the number of levels."""
        super().__init__()
        self.shape = shape or Shape(matrices=LEVELS)
        self.coefficients = Coefficients(self.shape)
        self.guides = nn.ModuleList(PointwiseGuide() for _ in range(self.shape.matrices))
        bias = self.coefficients.predict.bias
        assert bias is not None
        with torch.no_grad():
            bias.zero_()
            bias.view(self.shape.matrices, self.shape.bins, 12)[-1] = torch.eye(3, 4).reshape(12)

    def levels(self, image: Tensor) -> list[Tensor]:
        """List the Gaussian pyramid of ``[B, 3, H, W]``, coarsest first."""
        levels = [image]
        for _ in range(self.shape.matrices - 1):
            height, width = levels[-1].shape[-2:]
            levels.append(_resize(levels[-1], height // 2, width // 2))
        return levels[::-1]

    def forward(self, lowres: Tensor, image: Tensor) -> Tensor:
        """Enhance ``image [B, 3, H, W]`` with ``lowres [B, 3, 256, 256]``, its copy squeezed to a square.

        Height and width have to be at least ``2 ** (levels - 1)`` pixels.
        """
        grids = self.coefficients(lowres).chunk(self.shape.matrices, 1)
        levels = self.levels(image)
        result = self._enhance(grids[0], levels[0], 0)
        for number in range(1, self.shape.matrices):
            larger = _resize(result, levels[number].shape[-2], levels[number].shape[-1])
            result = larger + self._enhance(grids[number], levels[number], number)
        return result

    def _enhance(self, grid: Tensor, level: Tensor, number: int) -> Tensor:
        """Slice and apply one level's grid; level 0 is the coarsest."""
        return slicing.slice_and_apply(grid, self.guides[number](level), level, self.shape.bins)
