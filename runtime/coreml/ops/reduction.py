"""Reductions over axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from viewfinder.runtime.coreml.registry import Array, Inputs, Kernel, Node, op

_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "reduce_sum": np.sum,
    "reduce_mean": np.mean,
    "reduce_prod": np.prod,
    "reduce_max": np.max,
    "reduce_min": np.min,
    "reduce_sum_square": lambda x, **over: np.sum(np.square(x), **over),
    "reduce_l1_norm": lambda x, **over: np.sum(np.abs(x), **over),
    "reduce_l2_norm": lambda x, **over: np.sqrt(np.sum(np.square(x), **over)),
    "reduce_log_sum": lambda x, **over: np.log(np.sum(x, **over)),
    "reduce_log_sum_exp": np.logaddexp.reduce,
}


@op(*_REDUCTIONS)
def reduce(node: Node) -> Kernel:
    """Reduce over ``axes`` (all without it); in float32, as numpy adds in pairs."""
    axes = node.value("axes")
    over = {"axis": None if axes is None else tuple(axes), "keepdims": bool(node.value("keep_dims", False))}
    function = _REDUCTIONS[node.type]

    def run(inputs: Inputs) -> Array:
        """Keep the type of the input."""
        x = inputs["x"]
        return np.asarray(function(x, **over)).astype(x.dtype, copy=False)

    return run


@op("reduce_argmax", "reduce_argmin", exact=True)
def argument(node: Node) -> Kernel:
    """Position of the largest or smallest value along one axis."""
    axis, keep = node.value("axis", -1), bool(node.value("keep_dims", False))
    function = np.argmax if node.type == "reduce_argmax" else np.argmin
    return lambda inputs: function(inputs["x"], axis=axis, keepdims=keep).astype(np.int32)


@op("cumsum")
def cumsum(node: Node) -> Kernel:
    """Running total along an axis, optionally without the value itself, or from the end."""
    axis = node.value("axis", 0)
    exclusive, reverse = bool(node.value("exclusive", False)), bool(node.value("reverse", False))

    def run(inputs: Inputs) -> Array:
        """Flip around the sum where asked."""
        x = np.flip(inputs["x"], axis) if reverse else inputs["x"]
        y = np.cumsum(x, axis=axis, dtype=x.dtype)
        y = y - x if exclusive else y
        return np.flip(y, axis) if reverse else y

    return run
