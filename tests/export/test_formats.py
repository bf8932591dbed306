"""Every format: the file runs in its own runtime and gives what PyTorch gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.export import strips
from tests.export.networks import ROWS, SMALL, WIDTH, photograph, planes, small_task, tiny_file

from viewfinder import artifact, models
from viewfinder.errors import UsageError
from viewfinder.export import exporter, refusal
from viewfinder.export.reference import Reference
from viewfinder.export.request import ExportRequest
from viewfinder.runtime import engines

FORMATS = ("onnx", "tflite", "coreml", "executorch")
TOLERANCE = {"float": 1e-5, "fp16": 0.02}
"""float: some ten roundings of values near 1; fp16: 11 bits, and a guide that steps through the bins in 1/256."""


def graphs_of(made):
    """Open every graph of an artifact in the format's own engine."""
    engine = engines.for_format(made.format)
    if reason := engine.probe():
        pytest.skip(reason)
    return {graph.name: engine.open(made.path(graph), graph, 1) for graph in made.graphs}


def enhance(made, pixels):
    """Run a bilateral-grid artifact on a picture whose squeezed copy is itself."""
    graphs, image = graphs_of(made), planes(pixels).numpy()
    lowres = planes(photograph(SMALL.lowres, SMALL.lowres)).numpy()
    spec = made.graphs[0].inputs[0]
    grid = graphs["coefficients"]({"lowres": lowres if spec.layout == "NCHW" else lowres.transpose(0, 2, 3, 1).copy()})
    run = graphs["strip"]
    sizes = (SMALL.cells, ROWS, WIDTH)
    return strips.enhance(lambda inputs: run(inputs)["enhanced"], np.asarray(grid["grid"]), image, sizes)


def expected(task, pixels):
    """Run the plain network on the same input."""
    network = task.build()
    with torch.no_grad():
        lowres = planes(photograph(SMALL.lowres, SMALL.lowres))
        return network(lowres, planes(pixels)).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float", "fp16"])
@pytest.mark.parametrize("file_format", FORMATS)
def test_artifact_equals_torch(small, file_format, precision):
    """Coefficients and strips in the format's own runtime give PyTorch's picture, at native and at other widths."""
    task, made = small_task(), small(file_format, precision)
    for height, width in ((20, WIDTH), (13, 51)):
        pixels = photograph(height, width)
        difference = np.abs(enhance(made, pixels) - expected(task, pixels)).max()
        assert difference <= TOLERANCE[precision]
    assert made.parameters["cell_width"] * made.parameters["cells"] == made.parameters["width"] == WIDTH


@pytest.mark.slow
@pytest.mark.parametrize("file_format", ["tflite", "onnx"])
def test_channels_last_input(tmp_path, file_format):
    """With layout nhwc the squeezed picture comes channels last, and the result stays the same."""
    task, pixels = small_task(), photograph(12, WIDTH)
    made = exporter.export(task, ExportRequest(file_format, layout="nhwc"), tmp_path / "artifact")
    spec = made.graphs[0].inputs[0]
    assert (spec.layout, spec.shape) == ("NHWC", (1, SMALL.lowres, SMALL.lowres, 3))
    assert made.graphs[0].outputs[0].layout == "NCHW"
    assert np.abs(enhance(made, pixels) - expected(task, pixels)).max() <= TOLERANCE["float"]


@pytest.mark.slow
@pytest.mark.parametrize("file_format", FORMATS)
def test_own_model_through_tiles(tmp_path, file_format):
    """A user's network from a file: one graph, a measured halo, the same tile as PyTorch."""
    task = models.load(f"{tiny_file(tmp_path)}:TASK")
    made = exporter.export(task, ExportRequest(file_format), tmp_path / "artifact")
    assert dict(made.parameters) == {"tile": [32, 40], "halo": 3, "scale": 1}
    tile = planes(photograph(32, 40))
    network = Reference(task)._network
    found = graphs_of(made)["model"]({"image": tile.numpy()})["enhanced"]
    assert np.abs(found - network(tile).numpy()).max() <= TOLERANCE["float"]


@pytest.mark.slow
@pytest.mark.parametrize("file_format", ["tflite", "coreml", "executorch"])
def test_unsupported_operator_is_named(tmp_path, file_format):
    """5-D grid_sample converts to ONNX alone: the others name it, the format and the way out, and leave nothing."""
    task = models.load(f"{tiny_file(tmp_path)}:SAMPLER")
    with pytest.raises(refusal.UnsupportedOperatorError, match="grid_sampler_3d") as caught:
        exporter.export(replace(task, pipeline_options={"halo": 0}), ExportRequest(file_format), tmp_path / "artifact")
    assert file_format in caught.value.message
    assert "bilateral_grid" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["own.py"]


def test_onnx_is_checked_and_described(small):
    """Static inferred shapes, the names of the specs, metadata, and nothing about this machine."""
    import onnx

    made = small("onnx")
    for graph in made.graphs:
        model = onnx.load(made.path(graph))
        onnx.checker.check_model(model, full_check=True)
        properties = {entry.key: entry.value for entry in model.metadata_props}
        assert properties["licence"] == "Apache-2.0"
        assert properties["task"] == "small-luma"
        assert properties["weights_sha256"] == made.weights_sha256 != ""
        assert [value.name for value in model.graph.input] == [spec.name for spec in graph.inputs]
        for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
            assert all(axis.dim_value > 0 for axis in value.type.tensor_type.shape.dim)
        assert str(Path(exporter.__file__).resolve().parents[1]).encode() not in made.path(graph).read_bytes()
        assert b"site-packages" not in made.path(graph).read_bytes()


@pytest.mark.slow
def test_coreml_is_described(small):
    """An ML Program for iOS 16 with author, licence, description and descriptions of its tensors."""
    import coremltools as ct

    made = small("coreml", "fp16")
    model = ct.models.MLModel(str(made.path(made.graphs[1])), skip_model_load=True)
    assert (model.author, model.license) == ("Viewfinder", "Apache-2.0")
    assert "Gharbi" in model.short_description
    assert list(model.input_description) == ["grid", "row_weights", "column_weights", "image"]
    assert model.get_spec().specificationVersion == 7  # iOS 16


@pytest.mark.slow
def test_executorch_delegates(small):
    """XNNPACK takes both graphs in one part each; what is left over is listed and holds no arithmetic."""
    for graph in small("executorch").graphs:
        assert graph.notes["partitions"] == 1
        assert set(graph.notes["not_delegated"]) <= {"aten_unsqueeze_copy_default"}


@pytest.mark.slow
def test_vulkan_takes_the_network_whole(tmp_path):
    """The program for phones' GPUs is one piece with nothing left over."""
    task = models.load(f"{tiny_file(tmp_path)}:TASK")
    made = exporter.export(task, ExportRequest("vulkan"), tmp_path / "artifact")
    (graph,) = made.graphs
    assert (graph.notes["delegate"], graph.notes["partitions"], graph.notes["not_delegated"]) == ("vulkan", 1, {})
    assert made.path(graph).suffix == ".pte"


@pytest.mark.slow
def test_tflite_counts_transposes(small):
    """The file's transposes are counted, and neither RELU_0_TO_1 nor a 4-D clamp is in the strip model."""
    strip = small("tflite").graphs[1].notes
    assert strip["transposes"] == strip["operators"]["TRANSPOSE"] <= 4
    assert not set(strip["operators"]) & {"RELU_0_TO_1", "GATHER", "GATHER_ND", "MINIMUM", "MAXIMUM"}


@pytest.mark.slow
@pytest.mark.parametrize("file_format", FORMATS)
def test_same_input_gives_same_bytes(small, tmp_path, file_format):
    """Two exports without cache are the same artifact, to the byte."""
    again = exporter.export(small_task(), ExportRequest(file_format, use_cache=False), tmp_path / "again")
    assert again.sha256 == small(file_format).sha256
    assert artifact.load(tmp_path / "again").sha256 == again.sha256


@pytest.mark.slow
def test_tent_form_in_onnx(tmp_path):
    """The NPU form converts as well and takes a matrix of column weights."""
    made = exporter.export(small_task(), ExportRequest("onnx", form="tent"), tmp_path / "artifact")
    assert made.parameters["form"] == "tent"
    assert made.graphs[1].inputs[2].shape == (SMALL.cells, WIDTH)
    assert not set(made.graphs[1].notes["operators"]) & {"Abs", "Min", "Clip"}


def test_format_without_the_precision(tmp_path, monkeypatch):
    """A precision that a format does not have is refused with those it has."""
    monkeypatch.setattr(exporter.format_module("onnx"), "PRECISIONS", ("float",))
    with pytest.raises(UsageError, match="it takes: float"):
        exporter.export(small_task(), ExportRequest("onnx", "fp16"), tmp_path / "artifact")
