"""HDRNet: a small network predicts a bilateral grid of colour matrices, a guide map slices it at full resolution.

Layers, strides, paddings and initial values follow the released code of Gharbi et al., Deep Bilateral Learning for
Real-Time Image Enhancement, ACM TOG 36(4), 2017 (google/hdrnet: models.py, layers.py). `CurveGuide` and
`PointwiseGuide` are the paper's two guides; `LumaGuide` is this project's own (see its docstring).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from viewfinder.train.networks import slicing

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601 luma weights, applied to display-referred sRGB values."""


@dataclass(frozen=True)
class Shape:
    """Sizes of the coefficient network, with the paper's defaults."""

    lowres: int = 256
    cells: int = 16
    bins: int = 8
    multiplier: int = 1
    matrices: int = 1
    """Matrices per cell: one, or one per level in the pyramid variant."""

    def __post_init__(self) -> None:
        """Refuse sizes that the strided layers cannot reach."""
        if self.lowres % self.cells or math.log2(self.lowres // self.cells) % 1 or self.cells % 4:
            raise ValueError(f"lowres {self.lowres} must be cells {self.cells} (a multiple of 4) times a power of two")


class SameConv(nn.Conv2d):
    """3x3 convolution padded as TensorFlow's SAME: stride 2 on an even input pads the bottom and right only."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, *, bias: bool = True) -> None:
        """Start from He's normal weights and zero biases, as the released code does."""
        super().__init__(inputs, outputs, 3, stride, padding=1 if stride == 1 else 0, bias=bias)
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 the name of nn.Conv2d
        """Convolve ``[B, C, H, W]`` to ``[B, outputs, H / stride, W / stride]``."""
        return super().forward(input if self.stride[0] == 1 else F.pad(input, (0, 1, 0, 1)))


class Coefficients(nn.Module):
    """The low-resolution stream: ``[B, 3, 256, 256]`` in 0..1 to a grid ``[B, bins * 12, 16, 16]``."""

    def __init__(self, shape: Shape) -> None:
        """Build the splat, global, local and prediction layers."""
        super().__init__()
        width, splat = shape.multiplier * shape.bins, []
        channels = 3
        for level in range(int(math.log2(shape.lowres // shape.cells))):
            splat += [SameConv(channels, width << level, 2), nn.ReLU()]
            channels = width << level
        features, cells = 8 * width, shape.cells // 4
        self.splat = nn.Sequential(*splat)
        self.wide = nn.Sequential(
            SameConv(channels, features, 2), nn.ReLU(), SameConv(features, features, 2), nn.ReLU(), nn.Flatten()
        )
        self.dense = nn.Sequential(
            nn.Linear(features * cells * cells, 4 * features),
            nn.ReLU(),
            nn.Linear(4 * features, 2 * features),
            nn.ReLU(),
            nn.Linear(2 * features, features),
        )
        self.local = nn.Sequential(SameConv(channels, features), nn.ReLU(), SameConv(features, features, bias=False))
        self.predict = nn.Conv2d(features, shape.bins * slicing.MATRIX_VALUES * shape.matrices, 1)
        self._start_at_identity(shape)

    def _start_at_identity(self, shape: Shape) -> None:
        """Start near the identity picture: in the last bias, so that it costs no parameter and no operation."""
        for layer in self.dense:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        nn.init.kaiming_normal_(self.predict.weight, nonlinearity="linear")
        assert self.predict.bias is not None
        with torch.no_grad():
            self.predict.weight.mul_(0.1)
            identity = torch.eye(3, 4).reshape(1, 1, 12) / shape.matrices
            self.predict.bias.copy_(identity.expand(shape.matrices, shape.bins, 12).reshape(-1))

    def features(self, lowres: Tensor) -> Tensor:
        """Compute the fused local and global features ``[B, features, cells, cells]``."""
        splat = self.splat(lowres)
        return F.relu(self.local(splat) + self.dense(self.wide(splat))[:, :, None, None])

    def forward(self, lowres: Tensor) -> Tensor:
        """Predict the grid of a squeezed ``[B, 3, 256, 256]`` copy of the picture."""
        grid: Tensor = self.predict(self.features(lowres))
        return grid


class CurveGuide(nn.Module):
    """The paper's guide: colour matrix, one 16-knot piecewise-linear curve per channel, mix. 112 parameters."""

    KNOTS = 16

    def __init__(self) -> None:
        """Start at the mean of the three channels."""
        super().__init__()
        self.matrix = nn.Parameter(torch.eye(3) + 1e-4 * torch.randn(1))
        self.offset = nn.Parameter(torch.zeros(3))
        self.shift = nn.Parameter((torch.arange(self.KNOTS) / self.KNOTS).repeat(3, 1))
        self.slope = nn.Parameter(torch.eye(1, self.KNOTS).repeat(3, 1))
        self.mix = nn.Parameter(torch.full((3,), 1 / 3))
        self.mix_offset = nn.Parameter(torch.zeros(1))

    def as_pointwise(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the same function as weights and offsets of ``1x1 conv 3->48, ReLU, 1x1 conv 48->1``."""
        knots = 3 * self.KNOTS
        first = self.matrix[:, None].expand(3, self.KNOTS, 3).reshape(knots, 3, 1, 1)
        first_offset = (self.offset[:, None] - self.shift).reshape(knots)
        second = (self.mix[:, None] * self.slope).reshape(1, knots, 1, 1)
        return first, first_offset, second, self.mix_offset

    def forward(self, image: Tensor) -> Tensor:
        """Map ``[B, 3, H, W]`` to a guide ``[B, 1, H, W]`` in 0..1."""
        first, first_offset, second, second_offset = self.as_pointwise()
        return F.conv2d(F.relu(F.conv2d(image, first, first_offset)), second, second_offset).clamp(0.0, 1.0)


class PointwiseGuide(nn.Module):
    """The paper's second guide: two 1x1 convolutions with a ReLU between and a sigmoid after. 81 parameters."""

    def __init__(self, width: int = 16) -> None:
        """Start near a ramp over luma, so that every bin is in use from the first step."""
        super().__init__()
        self.first, self.second = nn.Conv2d(3, width, 1), nn.Conv2d(width, 1, 1)
        assert self.first.bias is not None
        assert self.second.bias is not None
        with torch.no_grad():
            self.first.weight.uniform_(0, 1)
            self.first.weight /= self.first.weight.sum(1, keepdim=True)
            self.first.bias.copy_(-torch.arange(width) / width)
            self.second.weight.fill_(8 / width)
            self.second.weight[0, 0] = 2
            self.second.bias.fill_(-2.5)

    def forward(self, image: Tensor) -> Tensor:
        """Map ``[B, 3, H, W]`` to a guide ``[B, 1, H, W]`` in 0..1."""
        return torch.sigmoid(self.second(F.relu(self.first(image))))


class LumaGuide(nn.Module):
    """Luma plus a learned pointwise residual that starts at zero. 81 parameters.

    The grid's bins are then bins of luma from the first step, which a bin-centred grid (`precondition`) needs, and
    no sigmoid squeezes shadows and highlights together. Measured against the paper's guides in the model cards.
    """

    luma: Tensor

    def __init__(self, width: int = 16) -> None:
        """Start at BT.601 luma."""
        super().__init__()
        self.first, self.second = nn.Conv2d(3, width, 1), nn.Conv2d(width, 1, 1)
        assert self.second.bias is not None
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)
        self.register_buffer("luma", torch.tensor(LUMA).view(1, 3, 1, 1), persistent=False)

    def as_pointwise(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the unclamped guide as weights and offsets of ``1x1 conv 3->18, ReLU, 1x1 conv 18->1``.

        Luma passes the ReLU as two channels, ``relu(y) - relu(-y)``, which is exact for either sign.
        """
        assert self.first.bias is not None
        assert self.second.bias is not None
        first = torch.cat([self.luma, -self.luma, self.first.weight])
        first_offset = torch.cat([self.first.bias.new_zeros(2), self.first.bias])
        sign = self.luma.new_tensor([1.0, -1.0]).view(1, 2, 1, 1)
        return first, first_offset, torch.cat([sign, self.second.weight], 1), self.second.bias

    def forward(self, image: Tensor) -> Tensor:
        """Map ``[B, 3, H, W]`` to a guide ``[B, 1, H, W]`` in 0..1."""
        residual: Tensor = self.second(F.relu(self.first(image)))
        return (F.conv2d(image, self.luma) + residual).clamp(0.0, 1.0)


GUIDES = {"curves": CurveGuide, "pointwise": PointwiseGuide, "luma": LumaGuide}


class HDRNet(nn.Module):
    """Coefficient network, guide, slicing and application: photographs in, photographs out."""

    def __init__(self, guide: str = "curves", shape: Shape | None = None) -> None:
        """Build the network with one of `GUIDES`."""
        super().__init__()
        self.shape = shape or Shape()
        self.coefficients = Coefficients(self.shape)
        self.guide = GUIDES[guide]()

    def forward(self, lowres: Tensor, image: Tensor) -> Tensor:
        """Enhance ``image [B, 3, H, W]`` with ``lowres [B, 3, 256, 256]``, its copy squeezed to a square."""
        grid = self.coefficients(lowres)
        return slicing.slice_and_apply(grid, self.guide(image), image, self.shape.bins)

    def apply_at(self, grid: Tensor, position: Tensor, colour: Tensor) -> Tensor:
        """Enhance scattered pixels with a grid; shapes as in `slicing.slice_and_apply_at`."""
        guide: Tensor = self.guide(colour)
        return slicing.slice_and_apply_at(grid, position, guide, colour, self.shape.bins)
