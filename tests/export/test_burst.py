"""Burst networks: one graph and two, the lowering of kernels, the reach that is measured, and the reference."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from viewfinder import models
from viewfinder.bursts import BadBurstError, Burst
from viewfinder.bursts.contract import KEY, Contract
from viewfinder.bursts.frames import FloatFrames
from viewfinder.errors import UsageError
from viewfinder.export import exporter, weights
from viewfinder.export.lowering import kernel_application, phases, spread
from viewfinder.export.pipelines import burst as pipeline
from viewfinder.export.reference import Reference
from viewfinder.export.request import ExportRequest
from viewfinder.runtime import engines, pipelines
from viewfinder.task import Task, TensorSpec
from viewfinder.train.networks.kernels import KernelApplication
from viewfinder.train.networks.kpn import KPN
from viewfinder.train.networks.kpn_lite import Spread
from viewfinder.train.networks.phases import Unphased

FRAMES, SIDE = 3, 48
LIGHT = "linear light"


class Small(nn.Module):
    """Kernels of three frames from one convolution at half resolution; the deviation counts, too."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.application = KernelApplication(FRAMES)
        self.predict = nn.Conv2d(FRAMES + 1, self.application.channels, 3, padding=1)
        nn.init.normal_(self.predict.weight, std=0.02)
        nn.init.constant_(self.predict.bias, 1 / 75)

    def forward(self, frames, deviation):
        """Denoise."""
        return self.combine(self.kernels(frames, deviation), frames, deviation)

    def kernels(self, frames, deviation):
        """Predict."""
        return self.predict(F.avg_pool2d(torch.cat([frames, deviation], 1), 2))

    def combine(self, kernels, frames, _deviation):
        """Apply."""
        return self.application(kernels, frames)


def _spec(name: str, channels: int) -> TensorSpec:
    """Describe a picture in linear light."""
    return TensorSpec(name, (1, channels, SIDE, SIDE), value_range=None, colour_space=LIGHT)


TASK = Task(
    "small-burst",
    "kernels of one convolution",
    Small,
    (_spec("frames", FRAMES), _spec("deviation", 1)),
    (_spec("denoised", 1),),
    pipeline="burst",
    pipeline_options={"align": False},
    samples="bursts",
)


@pytest.fixture(scope="module")
def network():
    """The network, as it is exported."""
    return Small().eval().requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def burst() -> Burst:
    """Frames larger than a tile, in two planes' worth of structure."""
    rng = np.random.default_rng(3)
    frames = rng.uniform(0, 0.8, (FRAMES, 90, 70, 3)).astype(np.float32)
    return Burst(frames, pipeline.NoiseLevel(0.02, 0.05))


def _by_unfold(kernels, frames):
    """Apply kernels the plain way: windows of every frame times their kernels, ``[1, 25 * frames, H, W]`` tap-major."""
    large = F.interpolate(kernels, scale_factor=2.0, mode="bilinear", align_corners=False)
    count, height, width = frames.shape[1], *frames.shape[2:]
    windows = F.unfold(frames, 5, padding=2).reshape(1, count, 25, height, width)
    return (windows.transpose(1, 2) * large.reshape(1, 25, count, height, width)).sum((1, 2))[:, None]


def test_shifted_products_equal_unfold():
    """The lowered application is the plain definition to 1e-5, whatever the kernels."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand((1, 8, 32, 40), generator=generator) * 1.4 - 0.2
    kernels = torch.randn((1, 200, 16, 20), generator=generator) / 5
    lowered = kernel_application.SummedByConvolution(KernelApplication(8))
    assert (lowered(kernels, frames) - _by_unfold(kernels, frames)).abs().max() <= 1e-5


def test_lowering_keeps_the_network(network):
    """A lowered copy gives the same to 1e-5, has nothing above four axes, and leaves the network as it was."""
    lowered = kernel_application.lower(network)
    example = torch.rand(1, FRAMES, SIDE, SIDE), torch.rand(1, 1, SIDE, SIDE) / 10
    assert (lowered(*example) - network(*example)).abs().max() <= 1e-5
    assert isinstance(network.application, KernelApplication)
    program = torch.export.export(lowered, example)
    values = [node.meta["val"] for node in program.graph.nodes if isinstance(node.meta.get("val"), torch.Tensor)]
    assert max(value.dim() for value in values) <= 4
    names = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not [name for name in names if any(word in name for word in ("unfold", "im2col", "gather", "index"))]


def test_onnx_shuffles_pixels_where_others_convolve():
    """Snapdragon's NPU takes no transposed convolution of ones; the shuffle gives the same values, bit for bit."""
    given = torch.rand(1, 8, 5, 7)
    plain = nn.Sequential(Unphased(2))
    expected = plain(given)
    assert torch.equal(phases.lower(copy.deepcopy(plain), "onnx")(given), expected)
    assert isinstance(phases.lower(copy.deepcopy(plain), "onnx")[0], nn.PixelShuffle)
    assert isinstance(phases.lower(copy.deepcopy(plain), "tflite")[0], Unphased)


def test_maps_of_one_number_are_written_as_accelerators_take_them():
    """TFLite enlarges a picture of one pixel, which gives the same bits; other formats add zeros."""
    plain = nn.ModuleDict({"spread": Spread()})
    values, like = torch.tensor([0.1, -3.0]).reshape(1, 2, 1, 1), torch.rand(1, 5, 4, 6)
    expected = plain["spread"](values, like)
    assert expected.shape == (1, 2, 4, 6)
    enlarged = spread.lower(copy.deepcopy(plain), "tflite")["spread"]
    assert not isinstance(enlarged, Spread)
    assert torch.equal(enlarged(values, like), expected)
    assert isinstance(spread.lower(copy.deepcopy(plain), "onnx")["spread"], Spread)


@pytest.mark.parametrize("form", ["whole", "split"])
def test_graphs_equal_the_network(network, form):
    """One graph or two: run one after another they are the network, and every input is used."""
    cut = pipeline.cut(TASK, network, ExportRequest("onnx", form=form))
    values = {spec.name: torch.rand(spec.shape) for spec in cut.graphs[0].inputs}
    expected = network(values["frames"], values["deviation"])
    for graph in cut.graphs:
        assert all(
            spec.shape == tuple(example.shape) for spec, example in zip(graph.inputs, graph.examples, strict=True)
        )
        values[graph.outputs[0].name] = graph.module(*(values[spec.name] for spec in graph.inputs))
    assert (values["denoised"] - expected).abs().max() <= 1e-5
    names = [[spec.name for spec in graph.inputs] for graph in cut.graphs]
    assert names == ([["frames", "deviation"]] if form == "whole" else [["frames", "deviation"], ["kernels", "frames"]])
    assert Contract.from_dict(cut.parameters[KEY]) == Contract(FRAMES, aligned=False)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "uses"), [("kpn-lite", ["kernels", "merged"]), ("kpn", ["kernels", "frames"])])
def test_shipped_networks_split_into_the_same(model, uses):
    """Kernels' network and application of the shipped weights, one after another, are the network to 1e-5."""
    task, side = models.load(model), 96
    shipped = weights.load(task, task.weights_file())
    task = replace(task, pipeline_options={"align": True, "halo": 36})
    cut = pipeline.cut(task, shipped, ExportRequest("tflite", form="split", width=side, strip_rows=side))
    values = {spec.name: torch.rand(spec.shape) * 0.5 for spec in cut.graphs[0].inputs}
    with torch.no_grad():
        expected = shipped(*values.values())
        for graph in cut.graphs:
            values[graph.outputs[0].name] = graph.module(*(values[spec.name] for spec in graph.inputs))
    assert [spec.name for spec in cut.graphs[1].inputs] == uses
    assert (values["denoised"] - expected).abs().max() <= 1e-5


@pytest.mark.parametrize("form", ["whole", "split"])
@pytest.mark.parametrize("variant", ["separable", "blind"])
def test_variants_are_cut_as_the_published_network_is(variant, form):
    """Separable kernels, and a network that is not told the noise: lowered, whole or in two, they are the network."""
    torch.manual_seed(1)
    network = KPN(levels=2, **{variant: True}).eval().requires_grad_(requires_grad=False)
    network.head[-1].weight *= 300  # kernels that differ from pixel to pixel, unlike those of an untrained network
    task = models.load("kpn")
    inputs = task.inputs[:1] if variant == "blind" else task.inputs
    task = replace(task, inputs=inputs, pipeline_options={"align": True, "halo": 36, "tile": (96, 96)})
    cut = pipeline.cut(task, network, ExportRequest("onnx", form=form))
    values = {spec.name: torch.rand(spec.shape) * 0.5 for spec in cut.graphs[0].inputs}
    expected, centre = network(*values.values()), values["frames"].mean(1, keepdim=True)
    for graph in cut.graphs:
        values[graph.outputs[0].name] = graph.module(*(values[spec.name] for spec in graph.inputs))
    assert (expected - centre).std() > 0.02
    assert (values["denoised"] - expected).abs().max() <= 1e-5


def test_the_reach_is_measured(network):
    """A 3x3 convolution at half resolution, enlarged, behind 5x5 kernels: at most 4 pixels, moved by two."""
    cut = pipeline.cut(TASK, network, ExportRequest("onnx"))
    assert cut.parameters["halo"] == 4
    assert cut.parameters["tile"] == [SIDE, SIDE]


@pytest.mark.parametrize("form", ["whole", "split"])
def test_an_artifact_gives_what_the_network_gives(tmp_path, burst, form):
    """ONNX Runtime on small tiles equals PyTorch on the whole burst: no seam, no lost plane."""
    made = exporter.export(TASK, ExportRequest("onnx", form=form, use_cache=False), tmp_path / "onnx-float")
    found = pipelines.open(made, engines.load("onnx")).merge(FloatFrames(burst))
    expected = Reference(TASK).merge(FloatFrames(burst))
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(Reference(TASK).enhance(burst) - pipelines.open(made, "onnx").enhance(burst)).max() < 1e-4


def test_tiles_and_layout_are_choosable(network):
    """``--width``, ``--strip-rows`` and ``--layout`` reach the graph."""
    cut = pipeline.cut(TASK, network, ExportRequest("onnx", width=64, strip_rows=32, layout="nhwc"))
    assert [spec.shape for spec in cut.graphs[0].inputs] == [(1, 32, 64, FRAMES), (1, 32, 64, 1)]
    assert cut.graphs[0].module(*cut.graphs[0].examples).shape == (1, 32, 64, 1)


@pytest.mark.parametrize(
    ("changes", "request_changes", "told"),
    [
        ({"inputs": (_spec("picture", 3),)}, {}, "fills inputs called"),
        ({"outputs": (_spec("a", 1), _spec("b", 1))}, {}, "takes one plane"),
        ({}, {"width": 8, "strip_rows": 8}, "tile larger"),
        ({}, {"width": 47}, "does not run on tiles|multiples"),
    ],
)
def test_what_cannot_be_exported_is_told(network, changes, request_changes, told):
    """Networks that the pipeline cannot feed, forms and sizes that do not exist."""
    with pytest.raises(UsageError, match=told):
        pipeline.cut(replace(TASK, **changes), network, ExportRequest("onnx", **request_changes))


def test_a_form_of_other_pipelines_is_refused():
    """Before weights are looked for."""
    with pytest.raises(UsageError, match="choose one of: auto, whole, split"):
        exporter.export(TASK, ExportRequest("onnx", form="cell"), Path("nowhere"))


def test_the_reference_takes_bursts_of_its_size_alone(burst):
    """A photograph, or too few frames, are refused."""
    reference = Reference(TASK)
    with pytest.raises(UsageError, match="takes bursts"):
        reference.enhance(np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(BadBurstError, match="takes 3"):
        reference.enhance(replace(burst, frames=burst.frames[:2]))
