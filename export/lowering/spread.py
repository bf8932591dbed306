"""Numbers that are the same everywhere, as maps, in the operator that a format's accelerators take."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

_ENLARGED = frozenset({"tflite"})
"""Formats in which a picture of one pixel is enlarged instead.

LiteRT's GPU accelerator refuses ``BROADCAST_TO``, which the converter makes of a sum with zeros, and with it everything
behind; it takes the enlargement, and so do Arm's NPUs.
"""


class _Enlarged(nn.Module):
    """The same maps, to the last bit."""

    def forward(self, values: Tensor, like: Tensor) -> Tensor:
        """Take ``[B, C, 1, 1]`` to the height and width of `like`."""
        return F.interpolate(values, size=like.shape[2:], mode="nearest")


def lower(network: Any, file_format: str) -> Any:
    """Replace, in a network that is a copy already, every module with ``spreads``; exact."""
    if file_format in _ENLARGED:
        for module in list(network.modules()):
            for name, child in list(module.named_children()):
                if getattr(child, "spreads", False):
                    setattr(module, name, _Enlarged())
    return network
