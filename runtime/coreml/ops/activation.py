"""Activation functions. Formulas: coremltools, ``converters/mil/mil/ops/defs/iOS15/activation.py``."""

from __future__ import annotations

import numpy as np

from viewfinder.runtime.coreml.registry import Array, Inputs, Kernel, Node, kernel, op, simple

_ONE = np.float32(1)


def sigmoid(x: Array) -> Array:
    """Logistic function, written so that nothing overflows."""
    return np.asarray(np.float32(0.5) * (np.tanh(np.float32(0.5) * x) + _ONE))


def softplus(x: Array) -> Array:
    """log(1 + exp(x)), written so that nothing overflows."""
    return np.asarray(np.logaddexp(np.float32(0), x))


def erf(x: Array) -> Array:
    """Error function to 1.5e-7 (Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26)."""
    magnitude = np.abs(x).astype(np.float64)
    t = 1.0 / (1.0 + 0.3275911 * magnitude)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.asarray(np.sign(x) * (1.0 - series * np.exp(-magnitude * magnitude)), np.float32)


def _gelu(x: Array, mode: str) -> Array:
    """Gaussian error linear unit in one of three forms."""
    if mode == "SIGMOID_APPROXIMATION":
        return np.asarray(x * sigmoid(np.float32(1.702) * x))
    if mode == "TANH_APPROXIMATION":
        cubic = np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x * x * x)
        return np.asarray(np.float32(0.5) * x * (_ONE + np.tanh(cubic)))
    return np.asarray(np.float32(0.5) * x * (_ONE + erf(x * np.float32(np.sqrt(0.5)))))


def softmax(x: Array, axis: int) -> Array:
    """Exponentials over `axis` that sum to one."""
    powers = np.exp(x - x.max(axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis, keepdims=True))


simple("sigmoid", sigmoid, "x")
simple("silu", lambda x: x * sigmoid(x), "x")
simple("softplus", softplus, "x")
simple("softsign", lambda x: x / (_ONE + np.abs(x)), "x")
simple("erf", erf, "x")
simple("leaky_relu", lambda x, alpha: np.where(x >= 0, x, alpha * x), "x", "alpha")
simple("elu", lambda x, alpha: np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0))), "x", "alpha")
simple("thresholded_relu", lambda x, alpha: np.where(x >= alpha, x, np.float32(0)), "x", "alpha", exact=True)
simple("linear_activation", lambda x, alpha, beta: alpha * x + beta, "x", "alpha", "beta")
simple("scaled_tanh", lambda x, alpha, beta: alpha * np.tanh(beta * x), "x", "alpha", "beta")
simple("sigmoid_hard", lambda x, alpha, beta: np.clip(alpha * x + beta, 0, 1), "x", "alpha", "beta")
simple("clamped_relu", lambda x, alpha, beta: np.minimum(beta, np.where(x >= 0, x, alpha * x)), "x", "alpha", "beta")


def _channels(values: Array, rank: int) -> Array:
    """Shape one value per channel so that it meets axis 1 of a tensor."""
    return values.reshape((-1,) + (1,) * (rank - 2))


@kernel("prelu")
def prelu(inputs: Inputs) -> Array:
    """Leaky ReLU with one slope per channel."""
    x = inputs["x"]
    return np.where(x >= 0, x, _channels(inputs["alpha"], x.ndim) * x)


@kernel("softplus_parametric")
def softplus_parametric(inputs: Inputs) -> Array:
    """Evaluate alpha * log(1 + exp(beta * x)) with one alpha and beta per channel."""
    x = inputs["x"]
    return np.asarray(_channels(inputs["alpha"], x.ndim) * softplus(_channels(inputs["beta"], x.ndim) * x))


@op("gelu")
def gelu(node: Node) -> Kernel:
    """Gaussian error linear unit."""
    mode = node.value("mode", "EXACT")
    return lambda inputs: _gelu(inputs["x"], mode)


@op("softmax")
def softmax_op(node: Node) -> Kernel:
    """Softmax over one axis."""
    axis = node.value("axis", -1)
    return lambda inputs: softmax(inputs["x"], axis)
