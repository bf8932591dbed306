"""Normalizations. Formulas: coremltools, ``converters/mil/mil/ops/defs/iOS15/normalization.py``."""

from __future__ import annotations

import numpy as np

from viewfinder.runtime.coreml.registry import Array, Inputs, Kernel, Node, op


def _channels(inputs: Inputs, key: str, rank: int, default: float) -> Array:
    """Shape one value per channel so that it meets axis 1."""
    values = inputs.get(key)
    return np.asarray(np.float32(default) if values is None else values.reshape((-1,) + (1,) * (rank - 2)))


def _scaled(centred: Array, variance: Array, node: Node, default_epsilon: float) -> Array:
    """Divide by the standard deviation."""
    return np.asarray(centred / np.sqrt(variance + np.float32(node.value("epsilon", default_epsilon))))


@op("batch_norm")
def batch_norm(node: Node) -> Kernel:
    """Scale and shift by stored statistics of each channel."""

    def run(inputs: Inputs) -> Array:
        """Broadcast over the channels of axis 1."""
        rank = inputs["x"].ndim
        centred = inputs["x"] - _channels(inputs, "mean", rank, 0)
        y = _scaled(centred, _channels(inputs, "variance", rank, 1), node, 1e-5)
        return y * _channels(inputs, "gamma", rank, 1) + _channels(inputs, "beta", rank, 0)

    return run


@op("instance_norm")
def instance_norm(node: Node) -> Kernel:
    """Scale and shift by the statistics of each channel of each picture."""

    def run(inputs: Inputs) -> Array:
        """Take the statistics over the spatial axes."""
        x = inputs["x"]
        axes = tuple(range(2, x.ndim))
        y = _scaled(x - x.mean(axes, keepdims=True), x.var(axes, keepdims=True), node, 1e-5)
        return y * _channels(inputs, "gamma", x.ndim, 1) + _channels(inputs, "beta", x.ndim, 0)

    return run


@op("layer_norm")
def layer_norm(node: Node) -> Kernel:
    """Scale and shift by the statistics over some axes; gamma and beta have the shape of those axes."""

    def run(inputs: Inputs) -> Array:
        """Put gamma and beta where the axes are."""
        x = inputs["x"]
        axes = tuple(axis % x.ndim for axis in node.value("axes", list(range(x.ndim))))
        shape = [x.shape[axis] if axis in axes else 1 for axis in range(x.ndim)]
        y = _scaled(x - x.mean(axes, keepdims=True), x.var(axes, keepdims=True), node, 1e-5)
        gamma, beta = inputs.get("gamma"), inputs.get("beta")
        y = y if gamma is None else y * gamma.reshape(shape)
        return y if beta is None else y + beta.reshape(shape)

    return run


@op("l2_norm")
def l2_norm(node: Node) -> Kernel:
    """Divide by the root of the sum of squares over the last three axes."""

    def run(inputs: Inputs) -> Array:
        """Add epsilon below the root."""
        x = inputs["x"]
        axes = tuple(range(max(0, x.ndim - 3), x.ndim))
        return _scaled(x, np.square(x).sum(axes, keepdims=True), node, 1e-6)

    return run


@op("local_response_norm")
def local_response_norm(node: Node) -> Kernel:
    """Divide each channel by a power of the energy of its neighbours."""
    size, alpha = node.value("size"), np.float32(node.value("alpha", 1e-4))
    beta, k = np.float32(node.value("beta", 0.75)), np.float32(node.value("k", 1.0))

    def run(inputs: Inputs) -> Array:
        """Sum squares over `size` channels by a running total."""
        x = inputs["x"]
        before = size // 2
        widths = [(0, 0)] * x.ndim
        widths[1] = (before + 1, size - 1 - before)
        total = np.cumsum(np.pad(np.square(x, dtype=np.float64), widths), axis=1)
        energy = (total[:, size:] - total[:, : x.shape[1]]).astype(np.float32)
        return np.asarray(x / np.power(k + alpha / np.float32(size) * energy, beta))

    return run
