"""Arithmetic, comparisons and unary functions.

Formulas: coremltools, ``converters/mil/mil/ops/defs/iOS15/elementwise_unary.py`` and ``elementwise_binary.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from viewfinder.runtime.coreml.registry import Array, Inputs, Kernel, Node, kernel, op, simple

_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "real_div": np.divide, "floor_div": np.floor_divide,
    "mod": np.mod, "pow": np.power,
}  # fmt: skip
_COMPARISONS: dict[str, Callable[..., Any]] = {
    "maximum": np.maximum, "minimum": np.minimum, "equal": np.equal, "not_equal": np.not_equal, "less": np.less,
    "less_equal": np.less_equal, "greater": np.greater, "greater_equal": np.greater_equal,
    "logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": np.exp, "exp2": np.exp2, "sqrt": np.sqrt, "square": np.square, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "atanh": np.arctanh,
}  # fmt: skip
_EXACT_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": np.abs, "floor": np.floor, "ceil": np.ceil, "round": np.rint, "sign": np.sign, "logical_not": np.logical_not,
    "relu": lambda x: np.maximum(x, np.float32(0)), "identity": lambda x: x,
}  # fmt: skip

for _table, _keys, _exact in (
    (_ARITHMETIC, ("x", "y"), False),
    (_COMPARISONS, ("x", "y"), True),
    (_FUNCTIONS, ("x",), False),
    (_EXACT_FUNCTIONS, ("x",), True),
):
    for _name, _function in _table.items():
        simple(_name, _function, *_keys, exact=_exact)

simple("relu6", lambda x: np.clip(x, np.float32(0), np.float32(6)), "x", exact=True)
simple("threshold", np.maximum, "x", "alpha", exact=True)
simple("select", np.where, "cond", "a", "b", exact=True)

_EPSILON = {"log": 1e-45, "rsqrt": 1e-12, "inverse": 1e-4}
"""Added before the function, unless the operation states its own."""


@kernel("clip", exact=True)
def clip(inputs: Inputs) -> Array:
    """Limit to ``alpha`` .. ``beta``."""
    return np.asarray(np.clip(inputs["x"], inputs["alpha"], inputs["beta"]))


@op("log", "rsqrt", "inverse")
def shifted(node: Node) -> Kernel:
    """Evaluate log(x + e), 1 / sqrt(x + e) or 1 / (x + e)."""
    epsilon = np.float32(node.value("epsilon", _EPSILON[node.type]))

    def run(inputs: Inputs) -> Array:
        """Shift, then apply."""
        x = inputs["x"] + epsilon
        if node.type == "log":
            return np.asarray(np.log(x))
        return np.asarray(np.float32(1) / (np.sqrt(x) if node.type == "rsqrt" else x))

    return run


@op("cast")
def cast(node: Node) -> Kernel:
    """Convert to the declared type; the evaluator rounds floats, and truncation is what a C cast does."""
    dtype = node.outputs[0].dtype

    def run(inputs: Inputs) -> Array:
        """Truncate towards zero where a float becomes a whole number."""
        x: Array = inputs["x"]
        return np.trunc(x) if dtype.removeprefix("u").startswith("int") and x.dtype.kind == "f" else x

    return run
