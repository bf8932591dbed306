"""Packages that coremltools wrote from PyTorch networks, against PyTorch."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from viewfinder import demo, photos
from viewfinder.runtime.coreml import Evaluator

pytestmark = pytest.mark.slow


class Unet(nn.Module):
    """A small network with what imaging networks are made of."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU())
        self.middle = nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1, groups=16), nn.PReLU(16), nn.AvgPool2d(2))
        self.wide = nn.Sequential(
            nn.Conv2d(16, 32, 3, 1, 2, dilation=2), nn.SiLU(), nn.ConvTranspose2d(32, 16, 4, 2, 1)
        )
        self.shuffle = nn.Sequential(nn.Conv2d(16, 12, 1), nn.PixelShuffle(2))
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3), nn.Sigmoid())

    def forward(self, x):
        """Return a picture of the size of `x`."""
        small = self.down(x)
        deep = self.wide(self.middle(small))
        joined = F.interpolate(deep, scale_factor=2, mode="bilinear", align_corners=False)
        residual = self.shuffle(small + deep) * self.gate(deep)[:, :, None, None]
        return (
            x
            + torch.tanh(residual) * joined[:, :3].clamp(-1.0, 1.0)
            + F.pad(x, (1, 1, 1, 1), mode="reflect")[:, :, 2:, 2:]
        )


@pytest.fixture(scope="module")
def network():
    """Make the network with fixed weights and uneven statistics."""
    torch.manual_seed(3)
    model = Unet().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return model


@pytest.fixture(scope="module")
def picture():
    """Cut ``[1, 3, 48, 64]`` out of a photograph."""
    pixels = photos.read(demo.photos()[0]).pixels[:768:16, :1024:16].astype(np.float32) / 255
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


@pytest.fixture(scope="module")
def converted(network, picture):
    """Convert the network once per precision and front end."""
    found = {}

    def convert(precision="FLOAT32", traced=False):
        """Return the coremltools model."""
        if (precision, traced) not in found:
            found[precision, traced] = to_coreml(network, torch.from_numpy(picture), precision, traced)
        return found[precision, traced]

    return convert


def to_coreml(model, x, precision="FLOAT32", traced=False):
    """Convert with coremltools, quietly."""
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        import coremltools as ct

        source = torch.jit.trace(model, x) if traced else torch.export.export(model, (x,)).run_decompositions({})
        return ct.convert(
            source,
            inputs=[ct.TensorType("x", shape=tuple(x.shape))],
            outputs=[ct.TensorType("y")],
            convert_to="mlprogram",
            compute_precision=getattr(ct.precision, precision),
            minimum_deployment_target=ct.target.iOS18,
            skip_model_load=True,
        )


def evaluate(model, folder, x):
    """Save and evaluate."""
    model.save(str(folder / "n.mlpackage"))
    return Evaluator(folder / "n.mlpackage")({"x": x})["y"]


def psnr(a, b):
    """Decibels against a peak of one."""
    return 10 * np.log10(1 / np.mean((a.astype(np.float64) - b) ** 2))


@pytest.mark.parametrize("traced", [False, True], ids=["exported", "traced"])
def test_a_network_in_float32(converted, network, picture, tmp_path, traced):
    """Both front ends: within 1e-5 of PyTorch."""
    with torch.no_grad():
        want = network(torch.from_numpy(picture)).numpy()
    assert np.abs(evaluate(converted(traced=traced), tmp_path, picture) - want).max() < 1e-5


def test_a_network_in_fp16(converted, network, picture, tmp_path):
    """Rounding every operation costs what fp16 costs: near float32, but not at it."""
    with torch.no_grad():
        want = network(torch.from_numpy(picture)).numpy()
    assert 60 < psnr(evaluate(converted("FLOAT16"), tmp_path, picture), want) < 90


def _linear(cto, dtype, granularity):
    """Configure linear quantization of weights."""
    options = {"block_size": 4} if granularity == "per_block" else {}
    return cto.OpLinearQuantizerConfig(
        mode="linear_symmetric", dtype=dtype, granularity=granularity, weight_threshold=64, **options
    )


COMPRESSIONS = {
    "w8": (35, lambda cto, m, c: cto.linear_quantize_weights(m, c(_linear(cto, "int8", "per_channel")))),
    "w4 in blocks": (20, lambda cto, m, c: cto.linear_quantize_weights(m, c(_linear(cto, "int4", "per_block")))),
    "6-bit table": (
        30,
        lambda cto, m, c: cto.palettize_weights(m, c(cto.OpPalettizerConfig(nbits=6, weight_threshold=64))),
    ),
    "pruned": (
        10,
        lambda cto, m, c: cto.prune_weights(
            m, c(cto.OpMagnitudePrunerConfig(target_sparsity=0.2, weight_threshold=64))
        ),
    ),
}


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_compressed_weights(converted, network, picture, tmp_path, name):
    """The evaluator decompresses exactly as coremltools itself does, and the picture survives."""
    import coremltools.optimize.coreml as cto

    floor_db, compress = COMPRESSIONS[name]
    small = compress(cto, converted(), lambda config: cto.OptimizationConfig(global_config=config))
    got = evaluate(small, tmp_path, picture)
    used = Evaluator(tmp_path / "n.mlpackage").operations
    assert any(kind.startswith("constexpr") for kind in used)
    plain = tmp_path / "plain"
    plain.mkdir()
    np.testing.assert_allclose(got, evaluate(cto.decompress_weights(small), plain, picture), atol=1e-6)
    with torch.no_grad():
        assert psnr(got, network(torch.from_numpy(picture)).numpy()) > floor_db


FUNCTIONS = {
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x),
    "grid_sample": lambda x: F.grid_sample(
        x, x[:, :2].permute(0, 2, 3, 1) * 2 - 1, padding_mode="border", align_corners=False
    ),
    "group_norm": lambda x: F.group_norm(x.repeat(1, 2, 1, 1), 3),
    "split and stack": lambda x: torch.stack(
        [a * b for a, b in zip(x.chunk(2, 2), x.split([24, 24], 2), strict=True)], 2
    ).sum(2),
    "where and extremes": lambda x: torch.where(
        x > 0.4, torch.maximum(x, x.flip(3)), torch.minimum(x, x.mean((2, 3), keepdim=True))
    ),
    "reductions": lambda x: x.sum(1, keepdim=True) + x.amax(2, keepdim=True) + x.amin(3, keepdim=True) + x.cumsum(3),
    "gather": lambda x: x[:, [2, 0, 1]] + torch.roll(x, (1, 2), (2, 3)),
    "functions": lambda x: (
        torch.log(x + 1) + torch.rsqrt(x + 1) + torch.exp(-x) + F.gelu(x) + F.softplus(x) + F.elu(x - 0.5)
    ),
    "slices": lambda x: x[:, 1:3, ::2, -5:] + x[:, 0, ::2, :5].unsqueeze(1),
    "ceil pooling": lambda x: F.avg_pool2d(x, 5, 3, 1, ceil_mode=True) + F.max_pool2d(x, 5, 3, 1, ceil_mode=True),
}


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        """Call it."""
        return self.function(x)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_as_coremltools_writes_them(picture, tmp_path, name):
    """What a converter makes of PyTorch's functions is read as it is meant."""
    model, x = Function(FUNCTIONS[name]), torch.from_numpy(picture)
    got = evaluate(to_coreml(model, x), tmp_path, picture)
    np.testing.assert_allclose(got, model(x).numpy(), atol=1e-5)
