"""ncnn on the processor and on a software driver: tried with one addition; a layer without a shader is a fallback."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tests import npu

from viewfinder.artifact import GraphFile
from viewfinder.devices.toolchains import vulkan
from viewfinder.errors import BadArtifactError
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines, tiny
from viewfinder.runtime.gpu import litert
from viewfinder.runtime.gpu.ncnn import NcnnGpu
from viewfinder.runtime.htp.compiler import FallbackError
from viewfinder.task import TensorSpec

SUMS = "7767517\n3 3\nInput left 0 1 left\nInput right 0 1 right\nCumulativeSum sum 1 1 left sum 0=1\n"
"""One layer that ncnn computes on the processor only."""


CHANNELS, LAYERS, SIDE = 32, 8, 32


def write_convolutions(folder):
    """Write 3x3 convolutions one behind the other that keep the size of values; ncnn has Winograd shaders for them."""
    path, rng = folder / "deep.ncnn", np.random.default_rng(0)
    path.mkdir()
    size = 9 * CHANNELS * CHANNELS
    lines = [f"Convolution c{at} 1 1 b{at} b{at + 1} 0={CHANNELS} 1=3 4=1 6={size} 9=1" for at in range(LAYERS)]
    head = ["7767517", f"{LAYERS + 1} {LAYERS + 1}", "Input b0 0 1 b0"]
    (path / "model.param").write_text("\n".join([*head, *lines, ""]), encoding="utf-8")
    weights = rng.normal(0, (2 / (9 * CHANNELS)) ** 0.5, (LAYERS, size)).astype(np.float32)
    (path / "model.bin").write_bytes(b"".join(bytes(4) + one.tobytes() for one in weights))
    shape = (1, CHANNELS, SIDE, SIDE)
    ends = {
        side: [{"name": name, "blob": blob, "shape": list(shape), "batch": 0}]
        for side, name, blob in (("inputs", "in", "b0"), ("outputs", "out", f"b{LAYERS}"))
    }
    (path / "ends.json").write_text(json.dumps(ends), encoding="utf-8")
    graph = GraphFile("deep", path.name, (TensorSpec("in", shape),), (TensorSpec("out", shape),))
    return path, graph, {"in": rng.random(shape, np.float32)}


@pytest.fixture
def python(own_cache):
    """The toolchain's interpreter."""
    npu.lend(own_cache, "ncnn")
    return own_cache / "toolchains" / "ncnn" / "bin" / "python"


def test_what_is_missing_is_said_with_the_command(tmp_path):
    """First ncnn itself, then the driver; no process is started."""
    assert "doctor --install ncnn" in NcnnGpu(None, None, litert.FP16, tmp_path).probe()
    assert "doctor --install lavapipe" in NcnnGpu(Path(sys.executable), None, litert.FP16, tmp_path).probe()


def test_half_a_folder_is_refused(tmp_path):
    """Without its weights a model is damaged, whatever else is there."""
    path = tiny.write_ncnn(tmp_path)
    (path / "model.bin").unlink()
    with pytest.raises(BadArtifactError, match=r"it has no model\.bin"):
        engines.load("ncnn", Path(sys.executable)).open(path, tiny.GRAPH, 1)


@pytest.mark.npu
def test_one_addition_on_the_processor(tmp_path, python):
    """Without any driver; what is computed is measured here."""
    engine = engines.load("ncnn", python)
    found = engine.open(tiny.write_ncnn(tmp_path), tiny.GRAPH, 1)(tiny.FEEDS)
    assert np.array_equal(found["sum"], tiny.EXPECTED)
    assert engine.EVIDENCE is Evidence.MEASURED


@pytest.mark.npu
@pytest.mark.parametrize("precision", litert.PRECISIONS)
def test_one_addition_on_the_driver(precision, tmp_path, own_cache, python):
    """In both precisions; it is said who computed, and how much."""
    npu.lend(own_cache, "lavapipe")
    engine = NcnnGpu(python, vulkan.environment(), precision, tmp_path)
    assert engine.probe() is None
    assert engine.EVIDENCE is Evidence.EMULATED
    runner = engine.open(tiny.write_ncnn(tmp_path), tiny.GRAPH, 1)
    assert np.array_equal(runner(tiny.FEEDS)["sum"], tiny.EXPECTED)
    (placed,) = engine.placed(None).values()
    assert "llvmpipe" in placed.driver
    assert (placed.on_gpu, placed.on_cpu) == (1, 0)


@pytest.mark.npu
def test_convolutions_in_fp16_keep_their_numbers(tmp_path, own_cache, python):
    """Eight layers of random weights have 52 dB; with Winograd's larger tiles on, as is ncnn's default, 46 dB."""
    npu.lend(own_cache, "lavapipe")
    path, graph, feeds = write_convolutions(tmp_path)
    whole, half = (
        NcnnGpu(python, vulkan.environment(), precision, tmp_path).open(path, graph, 1)(feeds)["out"]
        for precision in (litert.FP32, litert.FP16)
    )
    error = float(np.square(whole - half).mean() / np.square(whole).mean())
    assert 10 * np.log10(1 / error) >= 50


@pytest.mark.npu
def test_a_layer_without_a_shader_is_a_fallback(tmp_path, own_cache, python):
    """It would be computed on the processor without a word; it is named and refused unless it is allowed."""
    npu.lend(own_cache, "lavapipe")
    path = tiny.write_ncnn(tmp_path)
    (path / "model.param").write_text(SUMS, encoding="utf-8")
    with pytest.raises(FallbackError, match=r"1 operators of tiny would run on the CPU: CumulativeSum"):
        NcnnGpu(python, vulkan.environment(), litert.FP32, tmp_path).open(path, tiny.GRAPH, 1)
    runner = NcnnGpu(python, vulkan.environment(), litert.FP32, tmp_path, most=1).open(path, tiny.GRAPH, 1)
    assert np.array_equal(runner(tiny.FEEDS)["sum"], np.cumsum(tiny.FEEDS["left"], axis=2))


@pytest.mark.npu
def test_a_driver_that_is_none_is_noticed(tmp_path, python):
    """An environment without any driver: the reason is in words, not a number of the processor's."""
    nowhere = {"VK_DRIVER_FILES": str(tmp_path / "none.json"), "VK_ICD_FILENAMES": str(tmp_path / "none.json")}
    assert "finds no Vulkan driver" in NcnnGpu(python, nowhere, litert.FP32, tmp_path).probe()
