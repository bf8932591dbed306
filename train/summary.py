"""Count what a network holds and does: parameters, layers, multiply-accumulates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch.utils.flop_counter import FlopCounterMode

from viewfinder.errors import UsageError
from viewfinder.task import Task


@dataclass(frozen=True)
class Summary:
    """Counts of one network with its initial values.

    Attributes:
        parameters: trainable numbers.
        macs: multiply-accumulates of convolutions and matrix products at the sizes of the task's inputs; what the
            network does with `grid_sample` or element by element is not among them.
        layers: class name to how many modules without children there are.
    """

    parameters: int
    macs: int
    layers: Mapping[str, int] = field(default_factory=dict)


def summary(task: Task) -> Summary:
    """Build the network and run it once on zeros of the task's input shapes.

    Raises:
        UsageError: the network does not take the inputs that the task states.
    """
    network = task.build().eval()
    layers: dict[str, int] = {}
    for module in network.modules():
        if not list(module.children()):
            layers[type(module).__name__] = layers.get(type(module).__name__, 0) + 1
    counter = FlopCounterMode(display=False)
    try:
        with torch.no_grad(), counter:
            network(*(torch.zeros(spec.shape) for spec in task.inputs))
    except (RuntimeError, TypeError) as error:
        shapes = ", ".join(f"{spec.name} {list(spec.shape)}" for spec in task.inputs)
        raise UsageError(
            f"the network of {task.name} does not take {shapes}: {str(error).splitlines()[0]}",
            "have TASK.inputs list what forward() takes, in order",
        ) from error
    parameters = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    return Summary(parameters, counter.get_total_flops() // 2, layers)
