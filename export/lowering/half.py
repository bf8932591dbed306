"""Arithmetic in float16 behind float32 inputs and outputs."""

from __future__ import annotations

import copy

from torch import Tensor, nn


class HalfInside(nn.Module):
    """A module computed in float16; what goes in and comes out stays float32.

    Done before conversion instead of on the converted file: onnxruntime's own float16 rewriter writes graphs that the
    ONNX checker refuses (nodes out of order for the strip model's and the coefficient network's inputs).
    """

    def __init__(self, module: nn.Module) -> None:
        """Wrap a copy of `module`."""
        super().__init__()
        self.module = copy.deepcopy(module).half()

    def forward(self, *inputs: Tensor) -> Tensor:
        """Round the inputs, run, widen the result."""
        result: Tensor = self.module(*[value.half() for value in inputs])
        return result.float()
