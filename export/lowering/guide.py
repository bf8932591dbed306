"""The guide map as two 1x1 convolutions that give the position in the luma bins directly."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from viewfinder.export.lowering.sizes import StripSizes

Pointwise = tuple[Tensor, Tensor, Tensor, Tensor]
"""Weights ``[N, 3, 1, 1]``, offsets ``[N]``, weights ``[1, N, 1, 1]``, offset ``[1]``; a ReLU between."""


class FoldedGuide(nn.Module):
    """``1x1 conv 3->N, ReLU, 1x1 conv N->1`` with the scale to bins folded into the second convolution.

    Sixteen ReLU steps on three channels (the paper's curves) run 2 to 9 times slower than one convolution to 48
    channels: 4.5 / 1.08 / 6.45 ms against 0.51 / 0.66 / 0.56 ms per 24x1920 strip in LiteRT / ONNX Runtime /
    ExecuTorch, one thread of an EPYC. The guide's own clamp to 0..1 is left out, as slicing clamps the position
    anyway, and a clamp to 0..1 becomes TFLite's RELU_0_TO_1, which its XNNPACK delegate does not take.
    """

    first: Tensor
    first_offset: Tensor
    second: Tensor
    second_offset: Tensor

    def __init__(self, pointwise: Pointwise, bins: int, gain: float = 1.0) -> None:
        """Fold a guide's ``as_pointwise``; positions come out `gain` times as large."""
        super().__init__()
        first, first_offset, second, second_offset = merge_settled(pointwise)
        self.register_buffer("first", first)
        self.register_buffer("first_offset", first_offset)
        self.register_buffer("second", second * (bins * gain))
        self.register_buffer("second_offset", (second_offset * float(bins) - 0.5) * gain)

    def forward(self, image: Tensor) -> Tensor:
        """Map ``[1, 3, H, W]`` to the unclamped position ``[1, 1, H, W]``; bin centres lie at whole numbers."""
        return F.conv2d(F.relu(F.conv2d(image, self.first, self.first_offset)), self.second, self.second_offset)


class ProductGuide(nn.Module):
    """The same as two matrix products over all pixels, for CPUs.

    ONNX Runtime computes 16 output channels of a convolution where one is wanted, and reorders its memory before and
    after; TFLite transposes. The products are 3-D, as ExecuTorch delegates no others. The offsets are the weights of a
    fourth channel of ones: ONNX Runtime adds them in a pass of their own, which takes longer than the product.
    """

    first: Tensor
    second: Tensor
    second_offset: Tensor

    def __init__(self, pointwise: Pointwise, bins: int, gain: float = 1.0, centre: float = 0.0) -> None:
        """Fold a guide's ``as_pointwise`` for colours less `centre`; positions come out `gain` times as large."""
        super().__init__()
        folded = FoldedGuide(pointwise, bins, gain)
        self.register_buffer("first", _homogeneous(folded, centre)[None])
        self.register_buffer("second", folded.second.reshape(1, 1, -1))
        self.register_buffer("second_offset", folded.second_offset.reshape(1, 1, 1))

    def forward(self, colour: Tensor) -> Tensor:
        """Map ``[1, 4, N]`` (red, green, blue, one) to the unclamped position ``[1, 1, N]`` in bins."""
        return torch.bmm(self.second, F.relu(torch.bmm(self.first, colour))) + self.second_offset


class SummedGuide(nn.Module):
    """The same with sums in place of the second product, for XNNPACK in LiteRT.

    A ReLU does not mind a positive factor, so the second weights move before it; what remains is the sum of the
    channels with positive weights less that of the others. LiteRT packs the operand of a product anew in each call,
    but sums in one pass: 63 against 80 ms for 1080p with 40 channels of curves, 44 against 47 ms with the 10 of
    luma.
    """

    def __init__(self, pointwise: Pointwise, bins: int, gain: float = 1.0, centre: float = 0.0) -> None:
        """Fold a guide's ``as_pointwise`` for colours less `centre`; positions come out `gain` times as large."""
        super().__init__()
        folded = FoldedGuide(pointwise, bins, gain)
        mix = folded.second.reshape(-1)
        weights = (_homogeneous(folded, centre) * mix.abs()[:, None])[None]
        chosen_by_sign = {sign: mix * sign > 0 for sign in (1.0, -1.0)}
        self.signs = [sign for sign, chosen in chosen_by_sign.items() if chosen.any()] or [1.0]
        for number, sign in enumerate(self.signs):
            chosen = chosen_by_sign[sign] if chosen_by_sign[sign].any() else ~chosen_by_sign[sign]
            self.register_buffer(f"weights{number}", weights[:, chosen])
        self.register_buffer("offset", folded.second_offset.reshape(1, 1, 1))

    def forward(self, colour: Tensor) -> Tensor:
        """Map ``[1, 4, N]`` (red, green, blue, one) to the unclamped position ``[1, 1, N]`` in bins."""
        position = self.get_buffer("offset")
        for number, sign in enumerate(self.signs):
            total = F.relu(torch.bmm(self.get_buffer(f"weights{number}"), colour)).sum(1, keepdim=True)
            position = position + total if sign > 0 else position - total
        return position


def _homogeneous(folded: FoldedGuide, centre: float) -> Tensor:
    """Return the first weights for (red, green, blue, one), ``[N, 4]``, where the colours come less `centre`."""
    weights = folded.first.reshape(-1, 3)
    return torch.cat([weights, (folded.first_offset + centre * weights.sum(1))[:, None]], 1)


def merge_settled(pointwise: Pointwise) -> Pointwise:
    """Merge the channels whose ReLU is always or never open for pictures in 0..1; the guide stays the same there.

    Channels that are never open or weigh nothing go, those that are always open add up to one that is linear in the
    colour. Trained luma guides shrink from 18 channels to 10 or 12, simplified curves (`train.networks.knots`) from 48
    to as many: within the 16 that ONNX Runtime computes at once (instead of 32 or 48).
    """
    first, offset, second, second_offset = (value.detach().clone() for value in pointwise)
    weights, mix = first.reshape(-1, 3), second.reshape(-1)
    lowest = offset + weights.clamp(max=0.0).sum(1)
    highest = offset + weights.clamp(min=0.0).sum(1)
    is_open, is_settled = lowest >= 0, (lowest >= 0) | (highest <= 0) | (mix == 0)
    line = (mix[is_open, None] * weights[is_open]).sum(0)
    lift = -line.clamp(max=0.0).sum()  # makes the merged channel pass its own ReLU
    constant = (mix[is_open] * offset[is_open]).sum() - lift
    kept_weights = torch.cat([line[None], weights[~is_settled]])
    kept_offsets = torch.cat([lift[None], offset[~is_settled]])
    kept_mix = torch.cat([mix.new_ones(1), mix[~is_settled]])
    return kept_weights[:, :, None, None], kept_offsets, kept_mix[None, :, None, None], second_offset + constant


class ScaledGuide(nn.Module):
    """A guide that ends in something else than a clamp (a sigmoid), kept as it is and scaled to bins."""

    def __init__(self, guide: nn.Module, bins: int, gain: float = 1.0) -> None:
        """Wrap a module that maps ``[1, 3, H, W]`` to ``[1, 1, H, W]`` in 0..1."""
        super().__init__()
        self.guide, self.slope, self.offset = guide, bins * gain, -0.5 * gain

    def forward(self, image: Tensor) -> Tensor:
        """Map ``[1, 3, H, W]`` to the position ``[1, 1, H, W]``; bin centres lie at whole numbers."""
        position: Tensor = self.guide(image) * self.slope + self.offset
        return position


class ScaledColours(nn.Module):
    """A `ScaledGuide` that takes what `ProductGuide` takes."""

    def __init__(self, guide: ScaledGuide, rows: int, centre: float) -> None:
        """Wrap a guide for pictures of `rows` rows whose colours come less `centre`."""
        super().__init__()
        self.guide, self.rows, self.centre = guide, rows, centre

    def forward(self, colour: Tensor) -> Tensor:
        """Map ``[1, 4, N]`` (red, green, blue, one) to the position ``[1, 1, N]`` in bins."""
        position: Tensor = self.guide(colour[:, :3].reshape(1, 3, self.rows, -1) + self.centre)
        return position.reshape(1, 1, -1)


def lower(guide: Any, bins: int, gain: float = 1.0) -> nn.Module:
    """Fold a guide that can say what it is as two convolutions; scale any other. Takes pictures."""
    if hasattr(guide, "as_pointwise"):
        with torch.no_grad():
            return FoldedGuide(guide.as_pointwise(), bins, gain)
    return ScaledGuide(guide, bins, gain)


def lower_for_colours(guide: Any, sizes: StripSizes, gain: float, centre: float, *, sums: bool) -> nn.Module:
    """Do the same for colours ``[1, 4, N]`` (red, green, blue less `centre`, one): sums or products over all pixels."""
    if not hasattr(guide, "as_pointwise"):
        return ScaledColours(ScaledGuide(guide, sizes.bins, gain), sizes.rows, centre)
    with torch.no_grad():
        return (SummedGuide if sums else ProductGuide)(guide.as_pointwise(), sizes.bins, gain, centre)
