"""Convolutions and pools against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.runtime.coreml.comparing import ints, rng, same
from torch.nn import functional as F

from viewfinder.errors import NotVerifiedError

CONVOLUTIONS = [  # weight, strides, padding (top, bottom, left, right), dilations, groups
    ((6, 4, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    ((6, 4, 3, 3), (2, 2), (0, 1, 0, 1), (1, 1), 1),
    ((5, 4, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    ((5, 4, 1, 1), (2, 3), (0, 0, 0, 0), (1, 1), 1),
    ((6, 4, 3, 2), (1, 2), (2, 0, 1, 3), (2, 1), 1),
    ((8, 2, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 2),
    ((8, 2, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 2),
    ((4, 1, 5, 5), (1, 1), (2, 2, 2, 2), (1, 1), 4),
    ((8, 1, 3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 4),
]


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_conv(run, photo, case):
    """Strides, uneven padding, dilation, groups and depthwise filters agree with PyTorch, batch of two."""
    size, strides, padding, dilations, groups = case
    x = np.concatenate([photo, photo[:, ::-1]])
    weight, bias = rng().normal(size=size).astype(np.float32), rng().normal(size=size[0]).astype(np.float32)
    top, bottom, left, right = padding
    padded = F.pad(torch.from_numpy(x), (left, right, top, bottom))
    want = F.conv2d(padded, torch.from_numpy(weight), torch.from_numpy(bias), strides, 0, dilations, groups)
    constants = {
        "weight": weight, "bias": bias, "pad_type": "custom", "pad": ints(*padding), "strides": ints(*strides),
        "dilations": ints(*dilations), "groups": np.int32(groups),
    }  # fmt: skip
    same(run("conv", x, constants, tuple(want.shape)), want, 1e-5)


@pytest.mark.parametrize(("kind", "padding"), [("same", (0, 1, 0, 1)), ("same_lower", (1, 0, 1, 0))])
def test_conv_pads_itself(run, photo, kind, padding):
    """``same`` keeps ceil(n / stride) values and puts the odd one after, ``same_lower`` before."""
    weight = rng().normal(size=(3, 4, 3, 3)).astype(np.float32)
    top, bottom, left, right = padding
    want = F.conv2d(F.pad(torch.from_numpy(photo), (left, right, top, bottom)), torch.from_numpy(weight), stride=2)
    got = run("conv", photo, {"weight": weight, "pad_type": kind, "strides": ints(2, 2)}, tuple(want.shape))
    same(got, want, 1e-5)


def test_conv_in_blocks(run, photo, monkeypatch):
    """A picture that is gathered in several blocks gives the same."""
    weight = rng().normal(size=(3, 4, 3, 3)).astype(np.float32)
    want = F.conv2d(torch.from_numpy(photo), torch.from_numpy(weight))
    monkeypatch.setattr("viewfinder.runtime.coreml.ops.convolution._BLOCK_VALUES", 4 * 9 * 14 * 3)
    same(run("conv", photo, {"weight": weight}, tuple(want.shape)), want, 1e-5)


def test_conv_of_a_sequence(run, photo):
    """One spatial axis."""
    x, weight = photo[:, :, 0], rng().normal(size=(5, 4, 3)).astype(np.float32)
    want = F.conv1d(torch.from_numpy(x), torch.from_numpy(weight), stride=2, padding=1)
    got = run(
        "conv", x, {"weight": weight, "pad_type": "custom", "pad": ints(1, 1), "strides": ints(2)}, tuple(want.shape)
    )
    same(got, want, 1e-5)


def test_conv_of_a_volume_is_not_run(run):
    """Three spatial axes are named, not guessed."""
    with pytest.raises(NotVerifiedError, match=r"not-run: op conv \(3 spatial axes\)"):
        run(
            "conv",
            np.zeros((1, 1, 3, 3, 3), np.float32),
            {"weight": np.zeros((1, 1, 1, 1, 1), np.float32)},
            (1, 1, 3, 3, 3),
        )


def test_conv_with_changing_weights_is_not_run(run):
    """Weights that are an input are named."""
    feeds = {"x": np.zeros((1, 1, 3, 3), np.float32), "weight": np.zeros((1, 1, 1, 1), np.float32)}
    with pytest.raises(NotVerifiedError, match=r"not-run: op conv \(weights that change\)"):
        run("conv", feeds, {}, (1, 1, 3, 3))


@pytest.mark.parametrize(
    "case",
    [(4, 2, 1, 0, 1), (3, 2, 1, 1, 1), (3, 1, 0, 0, 2), (2, 3, 0, 1, 4)],
)
def test_conv_transpose(run, photo, case):
    """Strides, crops, output padding and groups agree with PyTorch."""
    size, stride, padding, extra, groups = case
    weight = rng().normal(size=(4, 8 // groups, size, size)).astype(np.float32)
    want = F.conv_transpose2d(torch.from_numpy(photo), torch.from_numpy(weight), None, stride, padding, extra, groups)
    constants = {
        "weight": weight, "strides": ints(stride, stride), "pad_type": "custom", "pad": ints(*[padding] * 4),
        "groups": np.int32(groups), "output_shape": ints(*want.shape),
    }  # fmt: skip
    same(run("conv_transpose", photo, constants, tuple(want.shape)), want, 1e-5)


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("kind", ["max_pool", "avg_pool", "excluding"])
def test_pools(run, photo, kind, padding, ceil_mode):
    """Padding counts or not, and the last incomplete window counts as in PyTorch."""
    x, options = torch.from_numpy(photo), {"stride": 2, "padding": padding, "ceil_mode": ceil_mode}
    if kind == "max_pool":
        want = F.max_pool2d(x, 3, **options)
    else:
        want = F.avg_pool2d(x, 3, **options, count_include_pad=kind == "avg_pool")
    constants = {
        "kernel_sizes": ints(3, 3), "strides": ints(2, 2), "pad_type": "custom", "pad": ints(*[padding] * 4),
        "ceil_mode": np.bool_(ceil_mode),
    }  # fmt: skip
    if kind != "max_pool":
        constants["exclude_padding_from_average"] = np.bool_(kind == "excluding")
    same(run("max_pool" if kind == "max_pool" else "avg_pool", photo, constants, tuple(want.shape)), want)


def test_l2_pool(run):
    """Root of the sum of squares."""
    x = np.float32([[[[3, 4], [0, 0]]]])
    assert run("l2_pool", x, {"kernel_sizes": ints(2, 2), "pad_type": "valid"}, (1, 1, 1, 1)) == 5
