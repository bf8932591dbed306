"""Matrix products."""

from __future__ import annotations

import numpy as np

from viewfinder.runtime.coreml.ops.activation import softmax
from viewfinder.runtime.coreml.registry import Array, Inputs, Kernel, Node, kernel, op


@kernel("linear")
def linear(inputs: Inputs) -> Array:
    """``x @ weight.T + bias`` with ``weight`` ``[outputs, inputs]``."""
    y = np.matmul(inputs["x"], inputs["weight"].T)
    return np.asarray(y + inputs["bias"] if "bias" in inputs else y)


@op("matmul")
def matmul(node: Node) -> Kernel:
    """Batched product, either factor optionally transposed."""
    flip_x, flip_y = bool(node.value("transpose_x", False)), bool(node.value("transpose_y", False))

    def run(inputs: Inputs) -> Array:
        """Transpose by view; BLAS reads it in place."""
        x, y = inputs["x"], inputs["y"]
        x = x.swapaxes(-1, -2) if flip_x and x.ndim > 1 else x
        y = y.swapaxes(-1, -2) if flip_y and y.ndim > 1 else y
        return np.asarray(np.matmul(x, y))

    return run


@kernel("scaled_dot_product_attention")
def attention(inputs: Inputs) -> Array:
    """softmax(query @ key.T / sqrt(depth) + mask) @ value; a mask of truth values keeps what is true (iOS 18)."""
    query, mask = inputs["query"], inputs.get("attn_mask")
    scores = np.matmul(query, inputs["key"].swapaxes(-1, -2)) / np.float32(np.sqrt(query.shape[-1]))
    if mask is not None:
        scores = scores + (np.where(mask, np.float32(0), np.float32(-np.inf)) if mask.dtype == np.bool_ else mask)
    return np.asarray(np.matmul(softmax(scores, -1), inputs["value"]))


@op("einsum")
def einsum(node: Node) -> Kernel:
    """Sum of products by equation."""
    equation = node.value("equation")
    return lambda inputs: np.einsum(equation, *inputs["values"], optimize=True)
