"""Space to depth and back as convolutions with ones and zeros, and sRGB's curve: exact, rank 4, in every format.

Pixel shuffles become reshapes to six axes in some formats, which few phones' processors take; a convolution of
stride 2 with one weight per output is the same and runs everywhere.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_TOE, _SLOPE, _POWER = 0.0031308, 12.92, 2.4
"""IEC 61966-2-1: sRGB's straight toe and its exponent."""
_TOP = 1.055 / _POWER
"""Slope of the curve at white; above, it goes on straight, as in the KPN paper's loss."""


class Phases(nn.Module):
    """``[B, channels, H, W]`` to ``[B, 4 channels, H/2, W/2]``, as ``pixel_unshuffle``: channel, row, column."""

    picks: Tensor

    def __init__(self, channels: int) -> None:
        """Keep the picking weights; they are no parameters."""
        super().__init__()
        self.register_buffer("picks", _picks(channels), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Part each 2x2 block into channels."""
        return F.conv2d(image, self.picks, stride=2)


class Unphased(nn.Module):
    """``[B, 4 channels, h, w]`` to ``[B, channels, 2 h, 2 w]``: the inverse of `Phases`, as ``pixel_shuffle``."""

    picks: Tensor
    enlarges = 2
    """By which an export may know it as a pixel shuffle."""

    def __init__(self, channels: int) -> None:
        """Keep the placing weights; they are no parameters."""
        super().__init__()
        self.register_buffer("picks", _picks(channels), persistent=False)

    def forward(self, phases: Tensor) -> Tensor:
        """Put channels back into 2x2 blocks."""
        return F.conv_transpose2d(phases, self.picks, stride=2)


def _picks(channels: int) -> Tensor:
    """Return weights ``[4 channels, channels, 2, 2]`` with a single one per output."""
    weights = torch.zeros(4 * channels, channels, 2, 2)
    for channel in range(channels):
        for phase in range(4):
            weights[4 * channel + phase, channel, phase // 2, phase % 2] = 1.0
    return weights


def shown(linear: Tensor) -> Tensor:
    """Encode linear light by sRGB's curve; straight below its toe and above white, so that it can be inverted."""
    bent = 1.055 * linear.clamp(_TOE, 1.0) ** (1 / _POWER) - 0.055
    below = _SLOPE * (linear.clamp(max=_TOE) - _TOE)
    above = _TOP * (linear.clamp(min=1.0) - 1.0)
    return bent + below + above


def light(encoded: Tensor) -> Tensor:
    """Return the linear light of what `shown` encoded."""
    toe = 1.055 * _TOE ** (1 / _POWER) - 0.055
    bent = ((encoded.clamp(toe, 1.0) + 0.055) / 1.055) ** _POWER
    below = (encoded.clamp(max=toe) - toe) / _SLOPE
    above = (encoded.clamp(min=1.0) - 1.0) / _TOP
    linear: Tensor = bent + below + above
    return linear
