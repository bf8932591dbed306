"""What every engine promises, tested on each with the same tiny graph."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.runtime.engines import blend

from viewfinder.errors import BadArtifactError, UsageError
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines
from viewfinder.runtime.engines import _process
from viewfinder.task import TensorSpec

LOCAL = ["litert", "onnxruntime", "executorch", "coreml"]
WORKER = "worker"
"""Another interpreter behind the process boundary: here our own, with LiteRT in the part of the old runtime."""


def open_with(name, path, graph=blend.GRAPH, threads=1):
    """Load a file in an engine, or in a worker."""
    if name == WORKER:
        return _process.open_tflite(Path(sys.executable), "ai_edge_litert.interpreter", path, graph, threads)
    return engines.load(name).open(path, graph, threads)


def artifact_format(name):
    """Return the format that an engine runs."""
    return "tflite" if name == WORKER else engines.load(name).FORMAT


@pytest.fixture(params=[*LOCAL, WORKER])
def name(request):
    """Name each engine that can run here."""
    if request.param != WORKER and (reason := engines.load(request.param).probe()):
        pytest.skip(reason)
    return request.param


@pytest.fixture
def path(name, tmp_path):
    """Write the graph for the engine."""
    return blend.write(artifact_format(name), tmp_path)


@pytest.mark.parametrize("threads", [1, 2])
def test_it_computes(name, path, threads):
    """Outputs come by name, as float32, and are right."""
    feeds = blend.feeds()
    outputs = open_with(name, path, threads=threads)(feeds)
    assert list(outputs) == ["blended"]
    assert outputs["blended"].dtype == np.float32
    np.testing.assert_allclose(outputs["blended"], blend.expected(feeds), atol=1e-6)


def test_arrays_may_be_reused(name, path):
    """The caller may change its inputs after a call, and keep the outputs over the next one."""
    runner, feeds = open_with(name, path), blend.feeds()
    before, first = blend.expected(feeds), runner(feeds)["blended"]
    feeds["image"][:] *= 0.5
    second = runner(feeds)["blended"]
    np.testing.assert_allclose(first, before, atol=1e-6)
    np.testing.assert_allclose(second, blend.expected(feeds), atol=1e-6)


def test_views_and_read_only_arrays_are_fine(name, path):
    """Inputs need be neither contiguous nor writable."""
    feeds = blend.feeds()
    feeds["image"] = np.ascontiguousarray(feeds["image"].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    feeds["weight"].flags.writeable = False
    np.testing.assert_allclose(open_with(name, path)(feeds)["blended"], blend.expected(feeds), atol=1e-6)


def test_two_runners_do_not_mix(name, path):
    """Each loaded graph has its own memory."""
    feeds = blend.feeds()
    other = {**feeds, "weight": feeds["weight"][..., ::-1].copy()}
    first, second = open_with(name, path), open_with(name, path)
    a, b = first(feeds)["blended"], second(other)["blended"]
    np.testing.assert_allclose(a, blend.expected(feeds), atol=1e-6)
    np.testing.assert_allclose(b, blend.expected(other), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda feeds: feeds.pop("weight"), "has no value for its input weight; it was given image"),
        (lambda feeds: feeds.update(extra=feeds["image"]), "has no input extra"),
        (
            lambda feeds: feeds.update(image=feeds["image"][..., :5]),
            r"takes image .*\[1, 3, 4, 6\], not float32 \[1, 3, 4, 5\]",
        ),
        (lambda feeds: feeds.update(image=feeds["image"].astype(np.float64)), "not float64"),
    ],
)
def test_wrong_inputs_are_named(name, path, change, said):
    """A missing, unknown, misshapen or mistyped input is said with what belongs there."""
    feeds = blend.feeds()
    change(feeds)
    with pytest.raises(UsageError, match=said) as error:
        open_with(name, path)(feeds)
    assert error.value.code == "bad-input"
    assert "weight float32 [1, 1, 4, 6]" in error.value.hint


def test_the_manifest_has_to_match(name, path):
    """A shape that the file does not have is found at load, not in the middle of a picture."""
    wrong = replace(blend.GRAPH, inputs=(TensorSpec("image", (1, 3, 4, 8)), blend.GRAPH.inputs[1]))
    with pytest.raises(BadArtifactError, match=r"input image \[1, 3, 4, 6\], its manifest says \[1, 3, 4, 8\]"):
        open_with(name, path, wrong)


@pytest.mark.parametrize("kept", [0, 7, 40])
def test_a_truncated_file_is_named(name, path, kept):
    """Whatever is left of the file, the error names it."""
    target = path / "Data/com.apple.CoreML/model.mlmodel" if path.is_dir() else path
    target.write_bytes(target.read_bytes()[:kept])
    with pytest.raises(Exception, match=path.name) as error:
        open_with(name, path)
    assert error.type.__name__ in {"BadArtifactError", "NotVerifiedError"}


def test_a_file_of_another_kind_is_refused(name, tmp_path, path):
    """A text is no model."""
    target = path / "Data/com.apple.CoreML/model.mlmodel" if path.is_dir() else path
    target.write_text("This is not a model, but it is long enough to look like one. " * 20)
    with pytest.raises(BadArtifactError, match=path.name):
        open_with(name, path)


def test_loading_and_running_print_nothing(name, path, capfd):
    """Standard output belongs to the command line's answer."""
    open_with(name, path)(blend.feeds())
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("engine_name", engines.names())
def test_every_engine_has_its_facts(engine_name):
    """A module in the folder is complete, and its name is its file's."""
    engine = engines.load(engine_name)
    assert engine_name == engine.NAME
    assert engine.FORMAT in {"tflite", "onnx", "coreml", "coreai", "executorch", "ncnn", "qnn"}
    assert isinstance(engine.EVIDENCE, Evidence)
    assert engine.PACKAGE or engine.TOOLCHAIN or engine_name == "coreml"
    assert engine.probe() is None or isinstance(engine.probe(), str)
