"""Arithmetic, reductions, normalizations and products against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.runtime.coreml import packages
from tests.runtime.coreml.comparing import ints, rng, same
from tests.runtime.coreml.packages import Op
from torch.nn import functional as F

from viewfinder.runtime.coreml import Evaluator

BINARY = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "real_div": torch.div, "maximum": torch.maximum,
    "minimum": torch.minimum, "floor_div": torch.floor_divide, "mod": torch.remainder,
}  # fmt: skip


@pytest.mark.parametrize("kind", BINARY)
def test_arithmetic(run, photo, kind):
    """Two inputs, broadcast over the channels."""
    y = np.abs(photo[:, :1]) + np.float32(0.3)
    want = BINARY[kind](torch.from_numpy(photo), torch.from_numpy(y))
    same(run(kind, {"x": photo, "y": y}, {}, photo.shape), want)


def test_pow(run, photo):
    """A fractional power of positive values."""
    x = np.abs(photo)
    same(run("pow", x, {"y": np.float32(0.4545)}, x.shape), x.astype(np.float64) ** 0.4545)


@pytest.mark.parametrize("kind", ["greater", "greater_equal", "less", "less_equal", "equal", "not_equal"])
def test_comparisons_select(tmp_path, photo, kind):
    """A comparison chooses between two inputs."""
    ops = [
        Op(kind, {"x": "@x", "y": np.float32(photo[0, 0, 0, 0])}, [("c", "bool", photo.shape)]),
        Op("logical_not", {"x": "@c"}, [("d", "bool", photo.shape)]),
        Op("select", {"cond": "@d", "a": np.float32(0), "b": "@x"}, [("y", "fp32", photo.shape)]),
    ]
    y = Evaluator(packages.write(tmp_path / "p", [("x", "fp32", photo.shape)], ops, ["y"]))({"x": photo})["y"]
    chosen = {
        "not_equal": "ne",
        "greater": "gt",
        "greater_equal": "ge",
        "less": "lt",
        "less_equal": "le",
        "equal": "eq",
    }[kind]
    x = torch.from_numpy(photo)
    same(y, torch.where(getattr(torch, chosen)(x, x[0, 0, 0, 0]), x, 0))


REDUCTIONS = {
    "reduce_sum": lambda x, axis: x.sum(axis),
    "reduce_mean": lambda x, axis: x.mean(axis),
    "reduce_max": lambda x, axis: x.amax(axis),
    "reduce_min": lambda x, axis: x.amin(axis),
    "reduce_prod": lambda x, axis: x.prod(axis),
    "reduce_sum_square": lambda x, axis: x.square().sum(axis),
    "reduce_l1_norm": lambda x, axis: x.abs().sum(axis),
    "reduce_l2_norm": lambda x, axis: x.square().sum(axis).sqrt(),
    "reduce_log_sum_exp": torch.logsumexp,
}


@pytest.mark.parametrize("kind", REDUCTIONS)
def test_reductions(run, photo, kind):
    """One axis, kept or dropped."""
    x = photo[0]
    want = REDUCTIONS[kind](torch.from_numpy(x), 1)
    same(run(kind, x, {"axes": ints(1), "keep_dims": np.bool_(False)}, (4, 16)), want, 1e-5)
    same(run(kind, x, {"axes": ints(-2), "keep_dims": np.bool_(True)}, (4, 1, 16)), want[:, None], 1e-5)


def test_reduction_over_everything(run, photo):
    """Without axes a single value is left."""
    same(
        run("reduce_mean", photo, {"keep_dims": np.bool_(True)}, (1, 1, 1, 1)),
        photo.mean(dtype=np.float64).reshape(1, 1, 1, 1),
    )


def test_positions_and_running_totals(tmp_path, run, photo):
    """Positions of extremes; totals forwards, backwards and exclusive."""
    x = torch.from_numpy(photo)
    for kind, function in (("reduce_argmax", torch.argmax), ("reduce_argmin", torch.argmin)):
        ops = [
            Op(kind, {"x": "@x", "axis": np.int32(1), "keep_dims": np.bool_(False)}, [("a", "int32", (1, 12, 16))]),
            Op("cast", {"x": "@a", "dtype": "fp32"}, [("y", "fp32", (1, 12, 16))]),
        ]
        folder = packages.write(tmp_path / kind, [("x", "fp32", photo.shape)], ops, ["y"])
        same(Evaluator(folder)({"x": photo})["y"], function(x, 1))
    same(run("cumsum", photo, {"axis": np.int32(2)}, photo.shape), x.cumsum(2))
    options = {"axis": np.int32(3), "exclusive": np.bool_(True), "reverse": np.bool_(True)}
    same(run("cumsum", photo, options, photo.shape), x.flip(3).cumsum(3).flip(3) - x)


def test_normalizations(run, photo):
    """Batch, instance and layer normalization, and division by the energy."""
    x, a, b = torch.from_numpy(photo), torch.tensor([1.0, 2, 3, 4]), torch.tensor([0.1, 0.2, 0.3, 0.4])
    gb = {"gamma": a.numpy(), "beta": b.numpy(), "epsilon": np.float32(1e-3)}
    statistics = {"mean": np.float32([0.1, -0.2, 0, 0.3]), "variance": np.float32([1, 2, 0.5, 3])}
    mean, variance = (torch.from_numpy(v) for v in statistics.values())
    same(run("batch_norm", photo, {**statistics, **gb}, photo.shape), F.batch_norm(x, mean, variance, a, b, eps=1e-3))
    same(run("instance_norm", photo, gb, photo.shape), F.instance_norm(x, weight=a, bias=b, eps=1e-3), 1e-5)
    gamma = rng().normal(size=(12, 16)).astype(np.float32)
    got = run("layer_norm", photo, {"axes": ints(2, 3), "gamma": gamma, "epsilon": np.float32(1e-3)}, photo.shape)
    same(got, F.layer_norm(x, (12, 16), torch.from_numpy(gamma), eps=1e-3), 1e-5)
    same(run("l2_norm", photo, {"epsilon": np.float32(1e-6)}, photo.shape), x / (x.square().sum() + 1e-6).sqrt())
    lrn = {"size": np.int32(3), "alpha": np.float32(0.5), "beta": np.float32(0.75), "k": np.float32(1)}
    same(run("local_response_norm", photo, lrn, photo.shape), F.local_response_norm(x, 3, 0.5, 0.75, 1.0))


def test_products(run, photo):
    """Products with either side transposed, and a linear layer."""
    x, y = photo, np.ascontiguousarray(photo[:, :, ::-1] * 2)
    want = torch.from_numpy(x) @ torch.from_numpy(y).mT
    same(run("matmul", {"x": x, "y": y}, {"transpose_y": np.bool_(True)}, tuple(want.shape)), want, 1e-5)
    want = torch.from_numpy(x).mT @ torch.from_numpy(y)
    same(run("matmul", {"x": x, "y": y}, {"transpose_x": np.bool_(True)}, tuple(want.shape)), want, 1e-5)
    weight, bias = rng().normal(size=(5, 16)).astype(np.float32), np.arange(5, dtype=np.float32)
    want = F.linear(torch.from_numpy(x), torch.from_numpy(weight), torch.from_numpy(bias))
    same(run("linear", x, {"weight": weight, "bias": bias}, (1, 4, 12, 5)), want, 1e-5)


@pytest.mark.parametrize("masked", ["", "added", "chosen"])
def test_attention(run, photo, masked):
    """With a mask that is added, one that chooses, and without."""
    q, k, v = photo, photo[:, :, ::-1].copy(), photo[:, ::-1].copy()
    chosen = np.tril(np.ones((12, 12), bool))
    mask = {"": None, "added": rng().normal(size=(12, 12)).astype(np.float32), "chosen": chosen}[masked]
    tensors = [torch.from_numpy(x) for x in (q, k, v)]
    want = F.scaled_dot_product_attention(*tensors, attn_mask=None if mask is None else torch.from_numpy(mask))
    constants = {} if mask is None else {"attn_mask": mask}
    same(run("scaled_dot_product_attention", {"query": q, "key": k, "value": v}, constants, photo.shape), want)


def test_einsum(tmp_path, photo):
    """The equation that Core ML documents."""
    x, y = photo, np.ascontiguousarray(rng().normal(size=(1, 16, 12, 5)).astype(np.float32))
    ops = [Op("einsum", {"values": ["@x", "@z"], "equation": "nchw,nwhu->nchu"}, [("y", "fp32", (1, 4, 12, 5))])]
    folder = packages.write(tmp_path / "p", [("x", "fp32", x.shape), ("z", "fp32", y.shape)], ops, ["y"])
    want = torch.einsum("nchw,nwhu->nchu", torch.from_numpy(x), torch.from_numpy(y))
    same(Evaluator(folder)({"x": x, "z": y})["y"], want, 1e-5)
