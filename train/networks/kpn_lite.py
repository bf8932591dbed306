"""A small burst denoiser: it improves on a classical merge, by one kernel per 2x2 pixels, blurs and a residual.

The frames arrive aligned and merged (`viewfinder.bursts`), so that 345 thousand parameters at half resolution are
enough. With the initial weights the output is almost the merge: training starts where the classical method ends.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from viewfinder.train.networks.kernels import KERNEL_SIDE
from viewfinder.train.networks.phases import Phases, Unphased, light, shown

FRAMES = 8
TAPS = KERNEL_SIDE**2
BLURS = (2, 4, 8)
"""Sides of the boxes over which the merge is averaged."""
LEVELS = 1 + len(BLURS)
FIRST_LEVEL_START = 3.0
"""Initial logit of the kernel's output against the blurs': 87 % of the weight."""


class Spread(nn.Module):
    """Numbers that are the same everywhere, as maps; a module, so that export can write it as accelerators take it."""

    spreads = True

    def forward(self, values: Tensor, like: Tensor) -> Tensor:
        """Take ``[B, C, 1, 1]`` to the height and width of `like`, which has C channels or more."""
        return values + torch.zeros_like(like[:, : values.shape[1]])


class KPNLite(nn.Module):
    """Aligned frames, their merge and the noise to one clean picture, all in linear light (white 1, not clipped).

    H and W are multiples of 8; around a tile 24 pixels of overlap are wanted, and the reach is measured in the tests.
    """

    def __init__(self, widths: tuple[int, int, int] = (32, 64, 96)) -> None:
        """Build the U-Net at 1/2, 1/4 and 1/8 of the resolution, and one head for kernels, levels and residual."""
        super().__init__()
        fine, middle, coarse = widths
        self.part, self.part_one, self.part_blurs = Phases(FRAMES + 1), Phases(1), Phases(len(BLURS))
        self.unpart, self.spread = Unphased(1), Spread()
        self.encode_fine = _convolutions(4 * (FRAMES + 1) + 2, fine, fine)
        self.encode_middle = _convolutions(fine, middle, middle)
        self.encode_coarse = _convolutions(middle, coarse, coarse)
        self.decode_middle = _convolutions(coarse + middle, middle)
        self.decode_fine = _convolutions(middle + fine, fine, fine)
        self.head = nn.Conv2d(fine, TAPS + 4 * LEVELS + 4, 1)
        nn.init.normal_(self.head.weight, std=1e-3)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)
        with torch.no_grad():
            self.head.bias[TAPS // 2] = 1.0
            self.head.bias[TAPS : TAPS + 4] = FIRST_LEVEL_START

    def forward(self, frames: Tensor, merged: Tensor, noise: Tensor) -> Tensor:
        """Denoise the reference frame.

        Args:
            frames: ``[B, 8, H, W]``, aligned, the reference first.
            merged: ``[B, 1, H, W]``, their Wiener merge.
            noise: ``[B, 2, 1, 1]``: read_std, shot_std of one frame.

        Returns:
            ``[B, 1, H, W]``, linear light.
        """
        return self.combine(self.kernels(frames, merged, noise), frames, merged, noise)

    def kernels(self, frames: Tensor, merged: Tensor, noise: Tensor) -> Tensor:
        """Predict ``[B, 45, H/2, W/2]``: 25 taps, 16 logits (levels by 2x2 pixels), 4 residuals."""
        read, shot = noise[:, :1], noise[:, 1:].clamp(min=1e-3)
        offset = (read / shot) ** 2 + 0.375 * shot**2
        # Anscombe's transform over the shot noise: the deviation is shot_std / 2 at every brightness.
        steady = torch.sqrt((torch.cat([frames, merged], 1) + offset).clamp(min=0.0)) - 0.6
        parts = self.part(steady)
        maps = torch.cat([shot * 4.0 - 0.4, offset * 4.0 - 0.4], 1)
        features = torch.cat([parts, self.spread(maps, parts)], 1)
        fine = self.encode_fine(features)
        middle = self.encode_middle(F.avg_pool2d(fine, 2))
        coarse = self.encode_coarse(F.avg_pool2d(middle, 2))
        middle = self.decode_middle(torch.cat([_doubled(coarse), middle], 1))
        predicted: Tensor = self.head(self.decode_fine(torch.cat([_doubled(middle), fine], 1)))
        return predicted

    def combine(self, kernels: Tensor, frames: Tensor, merged: Tensor, noise: Tensor) -> Tensor:  # noqa: ARG002
        """Make the picture out of the merge and what `kernels` predicted."""
        return light(self.encoded(kernels, merged))

    def encoded(self, kernels: Tensor, merged: Tensor) -> Tensor:
        """Return the picture after sRGB's curve, where it is added up and where the loss is."""
        logits = [kernels[:, first : first + 4] for first in range(TAPS, TAPS + 4 * LEVELS, 4)]
        residual = kernels[:, TAPS + 4 * LEVELS :]
        levels = [self._filtered(kernels, merged), *self._blurred(merged)]
        highest = logits[0]
        for logit in logits[1:]:
            highest = torch.maximum(highest, logit)
        weights = [torch.exp(logit - highest) for logit in logits]
        total = weights[0] * levels[0]
        for weight, level in zip(weights[1:], levels[1:], strict=True):
            total = total + weight * level
        mean = total / (weights[0] + weights[1] + weights[2] + weights[3])
        result: Tensor = self.unpart(shown(mean) + residual)
        return result

    def _filtered(self, kernels: Tensor, merged: Tensor) -> Tensor:
        """Apply the 5x5 kernels, one for each 2x2 pixels, to the merge: ``[B, 4, H/2, W/2]`` in phases.

        A picture moved by an even number of pixels is its phases moved by half as many: four partings serve all taps.
        """
        reach, height, width = KERNEL_SIDE // 2, merged.shape[2], merged.shape[3]
        padded = F.pad(merged, (reach, reach, reach, reach))
        parted = {
            (row, column): self.part_one(
                padded[:, :, row : row + height + 2 * (reach - row), column : column + width + 2 * (reach - column)]
            )
            for row in (0, 1)
            for column in (0, 1)
        }
        total: Tensor | None = None
        for tap in range(TAPS):
            row, column = divmod(tap, KERNEL_SIDE)
            moved = parted[row % 2, column % 2][
                :, :, row // 2 : row // 2 + height // 2, column // 2 : column // 2 + width // 2
            ]
            product = kernels[:, tap : tap + 1] * moved
            total = product if total is None else total + product
        assert total is not None
        return total

    def _blurred(self, merged: Tensor) -> list[Tensor]:
        """Average the merge over boxes and enlarge it again: one ``[B, 4, H/2, W/2]`` per box, in phases."""
        enlarged = [
            F.interpolate(F.avg_pool2d(merged, side), scale_factor=float(side), mode="bilinear", align_corners=False)
            for side in BLURS
        ]
        parts = self.part_blurs(torch.cat(enlarged, 1))
        return [parts[:, first : first + 4] for first in range(0, 4 * len(BLURS), 4)]


def _doubled(features: Tensor) -> Tensor:
    """Enlarge by 2, each value becoming four."""
    return F.interpolate(features, scale_factor=2.0, mode="nearest")


def _convolutions(inputs: int, *outputs: int) -> nn.Sequential:
    """Return 3x3 convolutions, each with ReLU."""
    layers: list[nn.Module] = []
    for channels in outputs:
        layers += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU()]
        inputs = channels
    return nn.Sequential(*layers)
