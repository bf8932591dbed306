"""Pictures with the channels last, for hosts that hold them so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from viewfinder.export.request import Graph
from viewfinder.task import TensorSpec


class ChannelsLast(nn.Module):
    """A module whose pictures come, and where asked go, as ``[1, H, W, C]``."""

    def __init__(self, module: nn.Module, flags: tuple[bool, ...], *, outputs: bool) -> None:
        """Wrap `module`; `flags` says which inputs are pictures, `outputs` whether the result is one."""
        super().__init__()
        self.module, self.flags, self.outputs = module, flags, outputs

    def forward(self, *inputs: Tensor) -> Tensor:
        """Turn the pictures to planes and, where asked, the result back."""
        planes = [value.permute(0, 3, 1, 2) if flag else value for value, flag in zip(inputs, self.flags, strict=True)]
        result: Tensor = self.module(*planes)
        return result.permute(0, 2, 3, 1) if self.outputs else result


def channels_last(graph: Graph) -> Graph:
    """Return `graph` with channels-last pictures; a grid of coefficients keeps its planes."""
    flags = tuple(is_picture(spec) for spec in graph.inputs)
    outputs = all(is_picture(spec) for spec in graph.outputs)
    examples: tuple[Any, ...] = tuple(
        value.permute(0, 2, 3, 1).contiguous() if flag else value
        for value, flag in zip(graph.examples, flags, strict=True)
    )
    return replace(
        graph,
        module=ChannelsLast(graph.module, flags, outputs=outputs),
        examples=examples,
        inputs=tuple(_turned(spec) if flag else spec for spec, flag in zip(graph.inputs, flags, strict=True)),
        outputs=tuple(_turned(spec) for spec in graph.outputs) if outputs else graph.outputs,
    )


def is_picture(spec: TensorSpec) -> bool:
    """Tell pictures from coefficients: only pictures have a colour space."""
    return spec.layout == "NCHW" and spec.colour_space is not None


def _turned(spec: TensorSpec) -> TensorSpec:
    """Return the spec of the same picture with the channels last."""
    batch, channels, height, width = spec.shape
    return replace(spec, layout="NHWC", shape=(batch, height, width, channels))
