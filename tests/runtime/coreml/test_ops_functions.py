"""Functions of one input against PyTorch and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special
from tests.runtime.coreml.comparing import same
from torch.nn import functional as F

UNARY = {
    "relu": F.relu,
    "relu6": F.relu6,
    "abs": torch.abs,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "round": torch.round,
    "sign": torch.sign,
    "exp": torch.exp,
    "exp2": torch.exp2,
    "square": torch.square,
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "asin": torch.asin,
    "acos": torch.acos,
    "atan": torch.atan,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "tanh": torch.tanh,
    "atanh": torch.atanh,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "erf": torch.erf,
    "gelu": F.gelu,
}


@pytest.mark.parametrize("kind", UNARY)
def test_functions(run, photo, kind):
    """Each function of one input agrees with PyTorch."""
    scale = 1 if kind in {"asin", "acos", "atanh"} else 4
    x = photo * np.float32(scale)
    same(run(kind, x, {}, x.shape), UNARY[kind](torch.from_numpy(x)), 3e-6)


def test_sigmoid_and_softplus_do_not_overflow(run):
    """Large arguments keep their limits."""
    x = np.float32([-1000, -90, 0, 90, 1000])
    assert run("sigmoid", x, {}, (5,)).tolist() == [0, 0, 0.5, 1, 1]
    same(run("softplus", x, {}, (5,)), [0, 0, np.log(2), 90, 1000])


def test_erf_over_its_range(run):
    """1.5e-7, as the approximation's source says, plus float32's own rounding."""
    x = np.linspace(-5, 5, 2001, dtype=np.float32)
    assert np.abs(run("erf", x, {}, x.shape) - special.erf(x)).max() < 3e-7


@pytest.mark.parametrize(("mode", "approximate"), [("EXACT", "none"), ("TANH_APPROXIMATION", "tanh")])
def test_gelu_modes(run, photo, mode, approximate):
    """The two modes that PyTorch knows."""
    x = photo * 6
    same(run("gelu", x, {"mode": mode}, x.shape), F.gelu(torch.from_numpy(x), approximate=approximate))
    quick = run("gelu", x, {"mode": "SIGMOID_APPROXIMATION"}, x.shape)
    same(quick, torch.from_numpy(x) * torch.sigmoid(1.702 * torch.from_numpy(x)))


@pytest.mark.parametrize(
    ("kind", "epsilon", "function"),
    [
        ("log", 1e-2, lambda x: np.log(x + 1e-2)),
        ("rsqrt", 1e-2, lambda x: (x + 1e-2) ** -0.5),
        ("inverse", 0.5, lambda x: 1 / (x + 0.5)),
    ],
)
def test_functions_with_epsilon(run, photo, kind, epsilon, function):
    """Epsilon is added before the function."""
    x = np.abs(photo) + np.float32(0.1)
    same(run(kind, x, {"epsilon": np.float32(epsilon)}, x.shape), function(x.astype(np.float64)))


PARAMETRIC = {
    "leaky_relu": ({"alpha": 0.2}, lambda x: F.leaky_relu(x, 0.2)),
    "elu": ({"alpha": 0.7}, lambda x: F.elu(x, 0.7)),
    "thresholded_relu": ({"alpha": 0.1}, lambda x: torch.where(x >= 0.1, x, 0)),
    "linear_activation": ({"alpha": 2.0, "beta": 0.5}, lambda x: 2 * x + 0.5),
    "scaled_tanh": ({"alpha": 2.0, "beta": 0.5}, lambda x: 2 * torch.tanh(0.5 * x)),
    "sigmoid_hard": ({"alpha": 2.0, "beta": 0.5}, lambda x: (2 * x + 0.5).clamp(0, 1)),
    "clamped_relu": ({"alpha": 0.3, "beta": 0.1}, lambda x: F.leaky_relu(x, 0.3).clamp(max=0.1)),
    "clip": ({"alpha": -0.1, "beta": 0.2}, lambda x: x.clamp(-0.1, 0.2)),
    "threshold": ({"alpha": 0.1}, lambda x: x.clamp(min=0.1)),
}


@pytest.mark.parametrize("kind", PARAMETRIC)
def test_functions_with_parameters(run, photo, kind):
    """Each parameter does what its formula says."""
    constants, function = PARAMETRIC[kind]
    same(
        run(kind, photo, {k: np.float32(v) for k, v in constants.items()}, photo.shape),
        function(torch.from_numpy(photo)),
    )


def test_functions_with_a_parameter_per_channel(run, photo):
    """Parameters broadcast over the channels."""
    alpha, beta = np.float32([0.1, 0.2, 0.3, 0.4]), np.float32([1, 2, 3, 4])
    x = torch.from_numpy(photo)
    same(run("prelu", photo, {"alpha": alpha}, photo.shape), F.prelu(x, torch.from_numpy(alpha)))
    a, b = (torch.from_numpy(v).reshape(1, 4, 1, 1) for v in (alpha, beta))
    got = run("softplus_parametric", photo, {"alpha": alpha, "beta": beta}, photo.shape)
    same(got, a * torch.log(1 + torch.exp(b * x)))


@pytest.mark.parametrize("axis", [1, -1])
def test_softmax(run, photo, axis):
    """It sums to one over its axis."""
    same(
        run("softmax", photo * 9, {"axis": np.int32(axis)}, photo.shape),
        torch.softmax(torch.from_numpy(photo * 9), axis),
    )
