"""Every lowering equals the plain PyTorch op."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.export import strips
from tests.export.networks import ROWS, SMALL, WIDTH, lively, photograph, planes

from viewfinder.errors import UsageError
from viewfinder.export.lowering import cell, choose, gridsample, guide, tent
from viewfinder.export.lowering.cell import InOrder, Prepared, StripCell, channel_order, in_order
from viewfinder.export.lowering.half import HalfInside
from viewfinder.export.lowering.sizes import StripSizes
from viewfinder.export.lowering.tent import StripTent
from viewfinder.train.networks import slicing
from viewfinder.train.networks.hdrnet import GUIDES, Shape

SIZES = StripSizes(SMALL.cells, SMALL.bins, ROWS, WIDTH)
TOLERANCE = 1e-5
"""float32: some ten roundings of values near 1."""


def run(module):
    """Make a strip model callable with numpy arrays by name; it gets the grid prepared."""
    prepare = Prepared(torch.nn.Identity(), module.sizes)

    def strip(inputs):
        names = ("row_weights", "column_weights", "image")
        with torch.no_grad():
            grid = prepare(torch.from_numpy(inputs["grid"]))
            return module(grid, *(torch.from_numpy(inputs[name]) for name in names)).numpy()

    return strip


def plain(network, grid, image):
    """Slice and apply with 5-D `grid_sample` on the whole picture."""
    with torch.no_grad():
        return gridsample.FrameGridSample(network.guide)(grid, image).numpy()


def grid_of(network, image):
    """Predict a grid, and disturb it so that neighbouring cells differ."""
    generator = torch.Generator().manual_seed(3)
    lowres = torch.nn.functional.interpolate(image, size=(SMALL.lowres, SMALL.lowres), mode="area")
    with torch.no_grad():
        grid = network.coefficients(lowres)
    return grid + 0.3 * torch.randn(grid.shape, generator=generator)


@pytest.mark.parametrize("kind", sorted(GUIDES))
def test_gridsample_equals_training(kind):
    """The plain op of the exporter is the slicing that the network was trained with."""
    network, image = lively(kind), planes(photograph(37, 53))
    grid = grid_of(network, image)
    with torch.no_grad():
        trained = slicing.slice_and_apply(grid, network.guide(image), image, SMALL.bins).numpy()
    assert np.abs(plain(network, grid, image) - trained).max() <= TOLERANCE


@pytest.mark.parametrize("sums", [frozenset(), frozenset({"matrices"}), frozenset(cell.SUMS)])
@pytest.mark.parametrize("kind", sorted(GUIDES))
@pytest.mark.parametrize(
    ("height", "width"), [(48, 64), (23, 64), (30, 63), (19, 41), (7, 1), (1, 9), (5, 150), (13, 65)]
)
def test_cell_form_equals_gridsample(kind, height, width, sums):
    """At the native width, at others through the column map, and in the first, middle and last strips."""
    network, image = lively(kind), planes(photograph(height, width))
    grid = grid_of(network, image)
    module = StripCell(network.guide, SIZES, sums=sums)
    found = strips.enhance(run(module), grid.numpy(), image.numpy(), (SMALL.cells, ROWS, WIDTH))
    assert np.abs(found - plain(network, grid, image)).max() <= TOLERANCE


def half_error(grid, image):
    """Return the root-mean-square error of the cell form in half precision."""
    network = lively()
    module = StripCell(network.guide, SIZES).half()
    prepare = Prepared(torch.nn.Identity(), SIZES)

    def strip(inputs):
        with torch.no_grad():
            prepared = prepare(torch.from_numpy(inputs["grid"])).half()
            rest = (torch.from_numpy(inputs[name]).half() for name in ("row_weights", "column_weights", "image"))
            return module(prepared, *rest).float().numpy()

    found = strips.enhance(strip, grid.numpy(), image.numpy(), (SMALL.cells, ROWS, WIDTH))
    return float(np.sqrt(((found - plain(network, grid, image)) ** 2).mean()))


def test_colours_from_the_centre_are_closer_in_half_precision(monkeypatch):
    """Strong contrast around the middle: large terms cancel, unless colours are counted from there."""
    image = planes(photograph(48, WIDTH))
    generator = torch.Generator().manual_seed(1)
    matrix = 2.0 * torch.randn((3, 3), generator=generator)
    whole = torch.cat([matrix, 0.5 - 0.5 * matrix.sum(1, keepdim=True)], 1).reshape(1, 12, 1, 1)
    grid = whole.repeat(1, SMALL.bins, SMALL.cells, SMALL.cells)
    grid = grid + 0.02 * torch.randn(grid.shape, generator=generator)
    centred = half_error(grid, image)
    monkeypatch.setattr(cell, "CENTRE", 0.0)
    assert centred < 0.85 * half_error(grid, image)


def test_cell_form_at_odd_cell_width():
    """A cell of an odd number of pixels is split into unequal halves."""
    network, image = lively(), planes(photograph(11, 56))
    grid = grid_of(network, image)
    module = StripCell(network.guide, StripSizes(SMALL.cells, SMALL.bins, ROWS, 56))
    found = strips.enhance(run(module), grid.numpy(), image.numpy(), (SMALL.cells, ROWS, 56))
    assert np.abs(found - plain(network, grid, image)).max() <= TOLERANCE


@pytest.mark.parametrize("kind", sorted(GUIDES))
@pytest.mark.parametrize("top", [0, 18, 42])
def test_tent_form_equals_gridsample(kind, top):
    """Strips at the top, in the middle and at the bottom, by products with bilinear weights."""
    network, image = lively(kind), planes(photograph(48, WIDTH))
    grid, rows = grid_of(network, image), strips.bilinear(48, SMALL.cells)[top : top + ROWS]
    columns = torch.from_numpy(strips.bilinear(WIDTH, SMALL.cells).T.copy())
    with torch.no_grad():
        part = image[:, :, top : top + ROWS]
        moved = tent.FromCentre(torch.nn.Identity())(grid)
        found = StripTent(network.guide, SIZES)(moved, torch.from_numpy(rows), columns, part).numpy()
    assert np.abs(found - plain(network, grid, image)[:, :, top : top + ROWS]).max() <= TOLERANCE


def test_the_tent_forms_grid_is_for_colours_from_the_centre(monkeypatch):
    """Folded into the last layer or moved behind it, the same grid; in half precision closer than from black."""
    network, image = lively(), planes(photograph(32, 32))
    with torch.no_grad():
        folded = tent.from_centre(network.coefficients)(image)
        behind = tent.FromCentre(network.coefficients)(image)
    assert isinstance(tent.from_centre(torch.nn.Identity()), tent.FromCentre)
    torch.testing.assert_close(folded, behind, rtol=1e-5, atol=1e-6)
    assert not torch.equal(folded, network.coefficients(image))

    def error():
        """Return the error of a strip that is computed in half precision."""
        part = planes(photograph(48, WIDTH))[:, :, :ROWS]
        rows = torch.from_numpy(strips.bilinear(48, SMALL.cells)[:ROWS])
        columns = torch.from_numpy(strips.bilinear(WIDTH, SMALL.cells).T.copy())
        matrix = 2.0 * torch.randn((3, 3), generator=torch.Generator().manual_seed(1))
        whole = torch.cat([matrix, 0.5 - 0.5 * matrix.sum(1, keepdim=True)], 1).reshape(1, 12, 1, 1)
        grid = tent.FromCentre(torch.nn.Identity())(whole.repeat(1, SMALL.bins, SMALL.cells, SMALL.cells))
        module = StripTent(network.guide, SIZES)
        with torch.no_grad():
            off = HalfInside(module)(grid, rows, columns, part) - module(grid, rows, columns, part)
        return float(off.square().mean().sqrt())

    centred = error()
    monkeypatch.setattr(tent, "CENTRE", 0.0)
    assert centred < 0.85 * error()


def test_tent_form_has_no_forbidden_operators():
    """Neither ABS nor MIN nor a clamp, which NPUs leave to the CPU."""
    module = StripTent(lively().guide, SIZES)
    examples = (torch.rand(SIZES.grid), torch.rand(ROWS, 8), torch.rand(8, WIDTH), torch.rand(SIZES.image))
    nodes = torch.export.export(module, examples).run_decompositions().graph.nodes
    used = {
        str(node.target).split(".")[1] for node in nodes if node.op == "call_function" and "aten" in str(node.target)
    }
    assert "relu" in used
    assert not used & {"abs", "minimum", "maximum", "clamp", "clamp_min", "clamp_max", "min", "max", "hardtanh"}


@pytest.mark.parametrize("sums", [None, False, True])
@pytest.mark.parametrize("kind", sorted(GUIDES))
def test_lowered_guide_equals_guide(kind, sums):
    """Folding, merging and centring keep the guide on pictures: black, white and a photograph."""
    network = lively(kind)
    image = torch.cat([planes(photograph(20, 30)), torch.zeros(1, 3, 20, 30), torch.ones(1, 3, 20, 30)], 2)
    with torch.no_grad():
        expected = network.guide(image)
        if sums is None:
            position = guide.lower(network.guide, 8, 6.0)(image)
        else:
            lowered = guide.lower_for_colours(network.guide, StripSizes(8, 8, 60, 32), 6.0, 0.5, sums=sums)
            position = lowered(homogeneous(image - 0.5)).reshape(expected.shape)
        found = ((position / 6.0 + 0.5) / 8.0).clamp(0.0, 1.0)
    assert (found - expected).abs().max() <= TOLERANCE


def homogeneous(image):
    """Add a channel of ones; the pixels in one row."""
    return torch.cat([image.reshape(1, 3, -1), torch.ones(1, 1, image[0, 0].numel())], 1)


def test_settled_channels_are_merged():
    """A channel that is never open goes; two that always are become one, also where their sum is negative."""
    first = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, -1.0, 0.0], [1.0, -1.0, 0.0]])[:, :, None, None]
    offset = torch.tensor([0.0, 0.5, -0.1, 0.0])
    second = torch.tensor([1.0, -3.0, 2.0, 1.0])[None, :, None, None]
    pointwise = (first, offset, second, torch.tensor([0.25]))
    merged = guide.merge_settled(pointwise)
    image = planes(photograph(20, 30))

    def evaluate(parts):
        hidden = torch.nn.functional.conv2d(image, parts[0], parts[1]).relu()
        return torch.nn.functional.conv2d(hidden, parts[2], parts[3])

    assert merged[0].shape[0] == 2
    assert (evaluate(merged) - evaluate(pointwise)).abs().max() <= TOLERANCE


def test_guide_without_weights_is_constant():
    """Sums stay defined where every second weight is zero: the position is the offset everywhere."""
    pointwise = (torch.ones(2, 3, 1, 1), torch.tensor([-1.0, -0.5]), torch.zeros(1, 2, 1, 1), torch.tensor([0.5]))
    found = guide.SummedGuide(pointwise, 8)(homogeneous(planes(photograph(4, 5))))
    assert torch.equal(found, torch.full((1, 1, 20), 3.5))


def test_channels_are_reordered_in_the_last_layer():
    """Reordered weights give the reordered grid, as does picking the channels; both leave the network alone."""
    network, lowres = lively(), planes(photograph(SMALL.lowres, SMALL.lowres))
    expected = network.coefficients(lowres)[:, channel_order(SMALL.bins)]
    assert (in_order(network.coefficients, SMALL.bins)(lowres) - expected).abs().max() <= TOLERANCE
    wrapped = in_order(torch.nn.Sequential(network.coefficients), SMALL.bins)
    assert isinstance(wrapped, InOrder)
    assert torch.equal(wrapped(lowres), expected)
    assert torch.equal(network.coefficients(lowres)[:, channel_order(SMALL.bins)], expected)


def test_half_keeps_float_outside():
    """Half precision stays inside the module, near the float result, and leaves the original alone."""
    network = lively()
    lowres = planes(photograph(SMALL.lowres, SMALL.lowres))
    expected = network.coefficients(lowres)
    found = HalfInside(network.coefficients)(lowres)
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.02
    assert network.coefficients.predict.weight.dtype == torch.float32


def test_form_is_chosen_by_target():
    """CPUs get cells, NPUs get tents, a wish is granted, an unknown form is refused with the list."""
    assert choose.form_for("auto", "tflite") == "cell"
    assert choose.form_for("auto", "ncnn") == "tent"
    assert choose.form_for("auto", "tflite", "npu") == "tent"
    assert choose.form_for("auto", "onnx", "npu") == "tent"
    assert choose.form_for("cell", "onnx", "npu") == "cell"
    with pytest.raises(UsageError, match="cell, tent"):
        choose.form_for("hat", "onnx")
    made = {name: choose.FORMS["cell"](lively().guide, SIZES, name) for name in ("tflite", "onnx", "executorch")}
    assert isinstance(made["tflite"].position, guide.SummedGuide)
    assert isinstance(made["onnx"].position, guide.ProductGuide)
    assert made["tflite"].apply_by is made["onnx"].apply_by is not made["executorch"].apply_by


@pytest.mark.slow
def test_paper_sizes():
    """The paper's grid at a width of 1920, strips of 24 rows, a height that is no multiple of them."""
    network, image = lively("curves", Shape()), planes(photograph(100, 1920))
    with torch.no_grad():
        grid = network.coefficients(torch.nn.functional.interpolate(image, size=(256, 256), mode="area"))
    found = strips.enhance(run(StripCell(network.guide, StripSizes())), grid.numpy(), image.numpy(), (16, 24, 1920))
    assert np.abs(found - plain(network, grid, image)).max() <= TOLERANCE
