"""Per-pixel kernels without unfold or gather: tap by tap, shifted frames times maps, added up; at most four axes.

Applying 5x5 kernels to 8 frames as 25 shifted multiply-adds, channels ordered tap by tap, takes a fraction of the time
of ``unfold`` (``python -m bench.kernel_application`` measures both), and every format holds it: ``unfold`` becomes a
gather that delegates leave alone, or fails to convert.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SummedByConvolution(nn.Module):
    """Frames filtered each by its own kernels, added up by a 1x1 convolution of ones.

    A sum over channels is left to the CPU by ExecuTorch's XNNPACK delegate, and splits its graph; a convolution is not.
    """

    ones: Tensor

    def __init__(self, application: Any) -> None:
        """Wrap a module with ``frames`` and ``each(kernels, frames) -> [B, frames, H, W]``."""
        super().__init__()
        self.application = application
        self.register_buffer("ones", torch.ones(1, int(application.frames), 1, 1), persistent=False)

    def forward(self, kernels: Tensor, frames: Tensor) -> Tensor:
        """Return ``[B, 1, H, W]``, equal to the sum of the application's frames."""
        return F.conv2d(self.application.each(kernels, frames), self.ones)


def lower(network: Any) -> Any:
    """Return a copy of a network in which every application of kernels to frames is lowered; exact but for rounding."""
    lowered = copy.deepcopy(network)
    for module in list(lowered.modules()):
        for name, child in list(module.named_children()):
            if hasattr(child, "each") and hasattr(child, "frames"):
                setattr(module, name, SummedByConvolution(child))
    return lowered.eval()
