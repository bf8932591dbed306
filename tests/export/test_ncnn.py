"""ncnn: converted on request by pnnx in its toolchain; an operator that ncnn has not is never left in the file."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests import npu
from tests.export.networks import photograph, planes
from torch import nn

from viewfinder import artifact
from viewfinder.errors import MissingToolError, UsageError
from viewfinder.export import exporter
from viewfinder.export.formats import ncnn
from viewfinder.export.request import ExportRequest
from viewfinder.runtime import engines
from viewfinder.task import Task, TensorSpec

SHAPE = (1, 3, 32, 40)


class Gamma(nn.Module):
    """A function that ncnn has no layer for."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute it."""
        return torch.lgamma(image + 1)


def _layers():
    """Build three layers, alike every time."""
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1))


def _task(build):
    """Describe a network from picture to picture."""
    outputs = (TensorSpec("enhanced", SHAPE, value_range=None),)
    return Task("three", "three layers", build, (TensorSpec("image", SHAPE),), outputs)


def test_without_the_toolchain_the_command_is_named(tmp_path, own_cache):
    """The export leaves nothing behind, the engine says why it does not run."""
    with pytest.raises(MissingToolError, match="ncnn is not installed") as error:
        exporter.export(_task(_layers), ExportRequest("ncnn"), tmp_path / "made")
    assert error.value.hint == "viewfinder doctor --install ncnn"
    assert not (tmp_path / "made").exists()
    assert engines.load("ncnn").probe() == "its isolated environment is not installed"


@pytest.mark.parametrize("left", ["torch.linalg_det", "aten::linalg_det", "pnnx.Expression", "F.grid_sample"])
def test_an_operator_that_was_not_translated_is_found(left):
    """Pnnx writes such a file and exits with 0."""
    with pytest.raises(UsageError, match=left):
        ncnn._operators(f"7767517\n2 2\nInput in0 0 1 in0\n{left} one 1 1 in0 out0\n")
    assert ncnn._operators("7767517\n2 2\nInput in0 0 1 in0\nReLU one 1 1 in0 out0\n") == {"Input": 1, "ReLU": 1}


def test_the_batch_axis_is_the_one_that_the_converter_chose():
    """Of tensors without a batch no axis is taken away."""
    ends = ncnn._ends(
        exporter.pipeline_module("tiles").cut(_task(_layers), _layers(), ExportRequest("onnx")).graphs[0],
        "ex.input('in0', ncnn.Mat(in0.numpy(), batch_index=233).clone())\nout0.numpy(batch_index=0)",
    )
    assert [(one["name"], one["blob"], one["batch"]) for one in ends["inputs"]] == [("image", "in0", None)]
    assert [(one["name"], one["blob"], one["batch"]) for one in ends["outputs"]] == [("enhanced", "out0", 0)]


@pytest.mark.npu
def test_it_computes_what_pytorch_does(tmp_path, own_cache):
    """To the last digits; the same network gives the same bytes; what ncnn has no layer for is refused by name."""
    npu.lend(own_cache, "ncnn")
    task, given = _task(_layers), planes(photograph(32, 40))
    with torch.no_grad():
        expected = task.build().eval()(given).numpy()
    made = exporter.export(task, ExportRequest("ncnn"), tmp_path / "made")
    engine, graph = engines.load("ncnn", npu.INSTALLED["ncnn"] / "bin" / "python"), made.graphs[0]
    found = engine.open(made.path(graph), graph, 1)({"image": given.numpy()})["enhanced"]
    assert float(np.abs(found - expected).max()) < 1e-6
    assert graph.notes["operators"]["Convolution"] == 2
    again = exporter.export(task, ExportRequest("ncnn", use_cache=False), tmp_path / "again")
    assert again.sha256 == artifact.load(tmp_path / "made").sha256
    with pytest.raises(UsageError, match="lgamma"):
        exporter.export(_task(Gamma), ExportRequest("ncnn"), tmp_path / "gamma")
