"""Burst networks: sizes of the paper, kernel application against unfolding, and what they start as."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from viewfinder import models
from viewfinder.train.camera import tone
from viewfinder.train.networks.kernels import KernelApplication
from viewfinder.train.networks.kpn import KPN
from viewfinder.train.networks.kpn_lite import KPNLite
from viewfinder.train.networks.phases import Phases, Unphased, light, shown

FLOAT32 = 1e-5
"""25 products of values around 1 are summed in another order."""
GENERATOR = torch.Generator().manual_seed(3)


def random(*shape):
    """Return normal numbers."""
    return torch.randn(*shape, generator=GENERATOR)


def given(model):
    """Return random inputs of a task's network, small."""
    sizes = {"frames": (2, 8, 32, 48), "merged": (2, 1, 32, 48), "noise": (2, 2, 1, 1), "deviation": (2, 1, 32, 48)}
    names = [spec.name for spec in models.load(model).inputs]
    return [random(*sizes[name]).abs() * 0.1 + 0.02 for name in names]


@pytest.mark.parametrize(("model", "count"), [("kpn", 3_335_256), ("kpn-paper", 28_703_064), ("kpn-lite", 344_717)])
def test_parameter_counts_are_those_of_task_and_paper(model, count):
    """3.34 million in the released script's network, 28.70 in the paper's, 345 thousand in the lite one."""
    task = models.load(model)
    assert sum(parameter.numel() for parameter in task.build().parameters()) == task.parameter_count == count


def test_variants_have_smaller_heads_and_inputs():
    """A separable network predicts 80 maps for 200, a blind one reads 8 frames alone."""
    frames, deviation = random(1, 8, 16, 16), random(1, 1, 16, 16).abs()
    assert KPN(separable=True).kernels(frames, deviation).shape == (1, 80, 8, 8)
    assert KPN().kernels(frames, deviation).shape == (1, 200, 8, 8)
    assert KPN(blind=True)(frames).shape == (1, 1, 16, 16)


def unfolded(kernels, frames):
    """Apply kernels [B, 25 * N, h, w] by unfolding: the reference."""
    batch, count, height, width = frames.shape
    large = F.interpolate(kernels, scale_factor=2, mode="bilinear", align_corners=False)
    patches = F.unfold(frames, 5, padding=2).view(batch, count, 25, height, width)
    return (large.view(batch, 25, count, height, width) * patches.transpose(1, 2)).sum(1)


def test_kernels_are_applied_as_by_unfolding():
    """Tap by tap gives what unfolding gives, for full and separable kernels, per frame and in sum."""
    frames = random(2, 3, 12, 20)
    full, separable = KernelApplication(3), KernelApplication(3, separable=True)
    kernels = random(2, full.channels, 6, 10)
    expected = unfolded(kernels, frames)
    assert (full.each(kernels, frames) - expected).abs().max() < FLOAT32 * 10
    assert (full(kernels, frames) - expected.sum(1, keepdim=True)).abs().max() < FLOAT32 * 10
    parts = random(2, separable.channels, 1, 1).expand(2, separable.channels, 6, 10)
    column, row = parts[:, :15].view(2, 5, 1, 3, 6, 10), parts[:, 15:].view(2, 1, 5, 3, 6, 10)
    outer = (column * row).reshape(2, 75, 6, 10)
    assert (separable.each(parts, frames) - unfolded(outer, frames)).abs().max() < FLOAT32 * 10


def test_the_lite_network_shares_a_kernel_by_four_pixels():
    """Its kernels, applied in phases, are those of unfolding with every kernel repeated over 2x2 pixels."""
    network, kernels, merged = KPNLite(), random(2, 45, 8, 12), random(2, 1, 16, 24)
    large = F.interpolate(kernels[:, :25], scale_factor=2, mode="nearest")
    expected = (large * F.unfold(merged, 5, padding=2).view(2, 25, 16, 24)).sum(1, keepdim=True)
    assert (network._filtered(kernels, merged) - F.pixel_unshuffle(expected, 2)).abs().max() < FLOAT32 * 10


def test_phases_are_pixel_shuffles():
    """Picking convolutions equal pixel_unshuffle and pixel_shuffle, bit for bit."""
    image = random(2, 3, 8, 12)
    parted = F.pixel_unshuffle(image, 2)
    assert torch.equal(Phases(3)(image), parted)
    assert torch.equal(Unphased(3)(parted), image)


def test_the_curve_is_srgbs_and_inverts():
    """Between black and white it is sRGB's curve; beyond, it goes on and comes back."""
    inside = torch.linspace(0, 1, 1001)
    assert (shown(inside) - torch.from_numpy(tone.srgb_curve(inside.numpy()))).abs().max() < 2e-6
    beyond = torch.linspace(-0.5, 2, 1001)
    assert (light(shown(beyond)) - beyond).abs().max() < 2e-6
    assert (shown(beyond).diff() > 0).all()


def test_networks_start_at_the_classical_result():
    """Untrained, KPN is nearly the mean of the frames and the lite network nearly the merge."""
    frames, deviation = given("kpn")
    assert (KPN()(frames, deviation) - frames.mean(1, keepdim=True)).abs().mean() < 0.01
    frames, merged, noise = given("kpn-lite")
    assert (KPNLite()(frames, merged, noise) - merged).abs().mean() < 0.02


class Recorder(TorchDispatchMode):
    """Keeps every operator's name and the largest number of axes that came out."""

    def __init__(self):
        super().__init__()
        self.names, self.axes = set(), 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        self.names.add(func.overloadpacket.__name__)
        if isinstance(made, torch.Tensor):
            self.axes = max(self.axes, made.ndim)
        return made


@pytest.mark.parametrize("model", ["kpn", "kpn-lite"])
def test_nothing_has_five_axes_nor_gathers(model):
    """Phones' processors take four axes and no gathering; the graph cut in two computes the same."""
    network, inputs = models.load(model).build().eval(), given(model)
    with torch.no_grad(), Recorder() as recorder:
        whole = network(*inputs)
    assert recorder.axes == 4
    assert not recorder.names & {"im2col", "unfold", "gather", "index", "pixel_shuffle", "pixel_unshuffle"}
    with torch.no_grad():
        assert torch.equal(network.combine(network.kernels(*inputs), *inputs), whole)
