"""Putting channels back into 2x2 blocks, in the operator that a format's accelerators take."""

from __future__ import annotations

from typing import Any

from torch import nn

_SHUFFLED = frozenset({"onnx"})
"""Formats in which a pixel shuffle is one operator (DepthToSpace).

Snapdragon's NPU takes it and refuses the transposed convolution with ones and zeros (onnxruntime-qnn 2.7.0, code 3110).
In the other formats it is the shuffle, with its reshapes to six axes, that accelerators leave alone.
"""


def lower(network: Any, file_format: str) -> Any:
    """Replace, in a network that is a copy already, every module with ``picks`` that enlarges; exact.

    Such a module turns ``[B, 4 channels, h, w]`` into ``[B, channels, 2 h, 2 w]`` and says so with `enlarges`.
    """
    if file_format in _SHUFFLED:
        for module in list(network.modules()):
            for name, child in list(module.named_children()):
                if getattr(child, "enlarges", 0):
                    setattr(module, name, nn.PixelShuffle(int(child.enlarges)))
    return network
