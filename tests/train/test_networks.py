from __future__ import annotations

import pytest
import torch
from tests.train.conftest import TINY
from torch.nn import functional as F

from viewfinder import models
from viewfinder.train.networks import slicing
from viewfinder.train.networks.hdrnet import GUIDES, Coefficients, CurveGuide, HDRNet, SameConv, Shape
from viewfinder.train.networks.precondition import bin_matrices, fold, precondition
from viewfinder.train.networks.pyramid import HDRNetPyramid

FLOAT32 = 1e-5
"""Eight products of values up to 2 are summed in another order."""


def count(network):
    """Count the values of all parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", ["hdrnet", "hdrnet-luma", "hdrnet-pointwise", "hdrnet-pyramid"])
def test_parameter_counts_are_those_of_the_task(name):
    """Every shipped network has the number of parameters that its task promises."""
    task = models.load(name)
    assert count(task.build()) == task.parameter_count


def test_parameter_counts_are_those_of_the_paper():
    """481,968 in the coefficient network, 112 in the curves, 81 in the pointwise guide, 494,448 with three grids."""
    assert count(Coefficients(Shape())) == 481_968
    assert {name: count(guide()) for name, guide in GUIDES.items()} == {"curves": 112, "pointwise": 81, "luma": 81}
    assert count(HDRNetPyramid().coefficients) == 494_448


def volume_slice(grid, guide, bins):
    """Slice with 5-D grid_sample, the reference; returns [B, 12, H, W]."""
    batch, _, height, width = guide.shape
    y = ((torch.arange(height) + 0.5) / height * 2 - 1).view(1, height, 1).expand(batch, height, width)
    x = ((torch.arange(width) + 0.5) / width * 2 - 1).view(1, 1, width).expand(batch, height, width)
    where = torch.stack([x, y, guide[:, 0] * 2 - 1], -1)[:, None]
    volume = slicing.as_volume(grid, bins)
    return F.grid_sample(volume, where, "bilinear", "border", align_corners=False)[:, :, 0]


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (33, 61), (64, 48)])
@pytest.mark.parametrize("bins", [1, 2, 8])
def test_slicing_equals_grid_sample(size, bins):
    """Strip-wise slicing is 5-D grid_sample plus the product, at odd sizes and with guides beyond both ends."""
    generator = torch.Generator().manual_seed(1)
    grid = torch.randn(2, bins * 12, 5, 3, generator=generator)
    guide = torch.rand(2, 1, *size, generator=generator) * 1.6 - 0.3
    image = torch.rand(2, 3, *size, generator=generator)
    expected = slicing.apply_matrices(volume_slice(grid, guide, bins), image)
    found = slicing.slice_and_apply(grid, guide, image, bins)
    assert (found - expected).abs().max() < FLOAT32


def test_slicing_in_strips_changes_nothing(monkeypatch):
    """The strip length is a matter of memory, not of values."""
    grid, guide, image = torch.randn(1, 24, 4, 4), torch.rand(1, 1, 37, 19), torch.rand(1, 3, 37, 19)
    whole = slicing.slice_and_apply(grid, guide, image, 2)
    monkeypatch.setattr(slicing, "_STRIP_PIXELS", 5 * 19)
    assert torch.equal(slicing.slice_and_apply(grid, guide, image, 2), whole)


def test_scattered_pixels_equal_the_picture(tiny_network, batch):
    """What training computes at single pixels is what the whole picture has there."""
    lowres, image = batch
    with torch.no_grad():
        whole, grid = tiny_network(lowres, image), tiny_network.coefficients(lowres)
        rows, columns = torch.tensor([0, 3, 40, image.shape[2] - 1]), torch.tensor([0, 50, 11, image.shape[3] - 1])
        position = torch.stack([(columns + 0.5) / image.shape[3], (rows + 0.5) / image.shape[2]], -1)[None]
        found = tiny_network.apply_at(grid, position, image[:, :, rows, columns][..., None])
    assert (found[..., 0] - whole[:, :, rows, columns]).abs().max() < FLOAT32


def test_a_grid_of_other_channels_is_refused():
    """A grid that is not bins times twelve channels is an error that says so."""
    with pytest.raises(ValueError, match="96 channels, not 95"):
        slicing.as_volume(torch.zeros(1, 95, 16, 16), 8)


@pytest.mark.parametrize("size", [8, 16])
def test_strided_convolutions_pad_as_tensorflow_same(size):
    """Stride 2 on an even size: TF SAME pads nothing above and left, one row and column below and right."""
    layer = SameConv(3, 4, 2)
    image = torch.randn(1, 3, size, size)
    found, padded = layer(image), torch.zeros(3, size + 1, size + 1)
    padded[:, :size, :size] = image[0]
    for y, x in ((0, 0), (1, 2), (size // 2 - 1, size // 2 - 1)):
        window = padded[:, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3]
        expected = (layer.weight * window).sum((1, 2, 3)) + layer.bias
        assert torch.allclose(found[0, :, y, x], expected, atol=FLOAT32)


def test_plain_convolutions_pad_evenly():
    """Stride 1: one row and column on every side."""
    layer, image = SameConv(2, 3), torch.randn(1, 2, 5, 5)
    assert torch.allclose(layer(image), F.conv2d(image, layer.weight, layer.bias, padding=1))


def test_sizes_that_no_stride_reaches_are_refused():
    """96 pixels do not halve to 16 cells."""
    with pytest.raises(ValueError, match="power of two"):
        Shape(lowres=96, cells=16)


@pytest.mark.parametrize("guide", sorted(GUIDES))
def test_networks_start_near_the_identity(guide, batch):
    """A fresh network hardly changes a photograph: training starts from the picture itself."""
    torch.manual_seed(0)
    lowres, image = batch
    with torch.no_grad():
        assert (HDRNet(guide, TINY)(lowres, image) - image).abs().mean() < 0.1


def test_the_curve_guide_starts_at_the_mean(batch):
    """The paper's guide begins as the mean of the channels."""
    assert (CurveGuide()(batch[1]) - batch[1].mean(1, keepdim=True)).abs().max() < 1e-3


def test_preconditioning_and_folding_leave_the_function(tiny_network, batch):
    """Re-parametrised and folded back: same function, same names, same number of parameters."""
    names, before = list(tiny_network.state_dict()), count(tiny_network)
    precondition(tiny_network)
    with torch.no_grad():
        for parameter in tiny_network.coefficients.predict.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
        trained = tiny_network(*batch)
        folded = fold(tiny_network)(*batch)
    assert (trained - folded).abs().max() < FLOAT32
    assert sorted(tiny_network.state_dict()) == sorted(names)
    assert count(tiny_network) == before


def test_bin_matrices_are_centred_on_the_bins_grey():
    """A gain alone moves no colour that is the grey of its own bin: the matrix turns around it."""
    matrices = bin_matrices(8)
    raw = torch.zeros(8, 12)
    raw[:, [0, 5, 10]] = 0.25
    rgb = torch.einsum("zij,zj->zi", matrices, raw).reshape(8, 3, 4)
    grey = ((torch.arange(8) + 0.5) / 8)[:, None].expand(8, 3)
    moved = torch.einsum("zij,zj->zi", rgb[:, :, :3], grey) + rgb[:, :, 3]
    assert moved.abs().max() < FLOAT32


def test_folding_twice_is_harmless(tiny_network):
    """A network that was never re-parametrised, or is folded already, stays as it is."""
    state = {name: value.clone() for name, value in tiny_network.state_dict().items()}
    fold(fold(tiny_network))
    assert all(torch.equal(state[name], value) for name, value in tiny_network.state_dict().items())


class TestPyramid:
    def test_the_start_is_the_picture(self, batch):
        """With a silent last layer the sum over the levels is the picture itself."""
        network = HDRNetPyramid(Shape(32, 4, 2, matrices=3))
        torch.nn.init.zeros_(network.coefficients.predict.weight)
        with torch.no_grad():
            assert (network(*batch) - batch[1]).abs().max() < FLOAT32

    def test_the_first_rows_belong_to_the_coarsest_level(self, batch):
        """An offset in the first matrices only shows as a flat change; the fine levels still pass the picture."""
        network = HDRNetPyramid(Shape(32, 4, 2, matrices=3))
        torch.nn.init.zeros_(network.coefficients.predict.weight)
        with torch.no_grad():
            network.coefficients.predict.bias.view(3, 2, 12)[0, :, 0] = 1.0  # red of the coarsest level
            change = network(*batch) - batch[1]
            coarse = network.levels(batch[1])[0][:, 0:1]
            expected = F.interpolate(
                F.interpolate(coarse, [s // 2 for s in batch[1].shape[2:]], mode="bilinear"),
                batch[1].shape[2:],
                mode="bilinear",
            )
        assert (change[:, :1] - expected).abs().max() < FLOAT32
        assert change[:, 1:].abs().max() < FLOAT32

    def test_levels_halve(self):
        """Coarsest first, sizes rounded down; even sizes are means of four pixels."""
        image = torch.rand(1, 3, 22, 18)
        levels = HDRNetPyramid(Shape(32, 4, 2, matrices=3)).levels(image)
        assert [tuple(level.shape[2:]) for level in levels] == [(5, 4), (11, 9), (22, 18)]
        assert torch.allclose(levels[1], F.avg_pool2d(image, 2), atol=FLOAT32)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hdrnet", "hdrnet-luma", "hdrnet-pointwise", "hdrnet-pyramid"])
def test_networks_can_be_exported(name):
    """torch.export takes every network whole, and the program computes the same."""
    torch.manual_seed(0)
    network, inputs = models.load(name).build().eval(), (torch.rand(1, 3, 256, 256), torch.rand(1, 3, 45, 77))
    program = torch.export.export(network, inputs).module()
    with torch.no_grad():
        assert (program(*inputs) - network(*inputs)).abs().max() < FLOAT32
