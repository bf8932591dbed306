"""Core AI: converted on request only, computed on Linux, in real half precision; what overflows there is not finite."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from tests import npu
from tests.export.networks import photograph, planes
from torch import nn

from viewfinder import artifact
from viewfinder.errors import Exit, MissingToolError
from viewfinder.export import exporter
from viewfinder.export.request import ExportRequest
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines
from viewfinder.task import Task, TensorSpec
from viewfinder.verbs import overflow as overflows
from viewfinder.verbs.export import ExportOptions, export

SHAPE = (1, 3, 32, 40)
MODEL = '''
import torch
from torch import nn
from viewfinder.task import Task, TensorSpec


class Louder(nn.Module):
    """Sums that are a thousand times larger inside than outside."""

    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)
        self.register_buffer("gain", torch.tensor(1000.0))

    def forward(self, image):
        return self.down(torch.relu(self.up(image)) * self.gain) / self.gain


def build():
    """Build it alike every time."""
    torch.manual_seed(3)
    return Louder()


TASK = Task(
    "louder", "a network with large sums", build, (TensorSpec("image", (1, 3, 32, 40)),),
    (TensorSpec("enhanced", (1, 3, 32, 40), value_range=None),),
)
'''


def _task():
    """Describe three layers."""

    def build():
        torch.manual_seed(2)
        return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1))

    outputs = (TensorSpec("enhanced", SHAPE, value_range=None),)
    return Task("three", "three layers", build, (TensorSpec("image", SHAPE),), outputs)


def test_it_is_made_only_when_it_is_named():
    """An export without formats leaves out the one that needs a toolchain of its own."""
    assert "coreai" in exporter.format_names()
    assert set(exporter.format_names()) - set(exporter.default_formats()) == {"coreai", "ncnn", "vulkan"}


def test_without_the_toolchain_the_command_is_named(tmp_path, own_cache):
    """The export leaves nothing behind, the engine says why it does not run."""
    with pytest.raises(MissingToolError, match="coreai is not installed") as error:
        exporter.export(_task(), ExportRequest("coreai"), tmp_path / "made")
    assert error.value.hint == "viewfinder doctor --install coreai"
    assert not (tmp_path / "made").exists()
    assert engines.load("coreai").probe() == "its isolated environment is not installed"


def test_another_python_cannot_convert(tmp_path, own_cache, monkeypatch):
    """The converter's compiled parts are for one version of Python."""
    (own_cache / "toolchains/coreai/lib/python3.11/site-packages/coreai_torch").mkdir(parents=True)
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    with pytest.raises(MissingToolError, match=r"for Python 3\.11, this is 3\.12"):
        exporter.export(_task(), ExportRequest("coreai"), tmp_path / "made")


@pytest.mark.npu
def test_it_computes_what_pytorch_does_and_fp16_as_fp16(tmp_path, own_cache):
    """Float to the last digits, fp16 off by half precision's rounding; the same network gives the same bytes."""
    npu.lend(own_cache, "coreai")
    task, given = _task(), planes(photograph(32, 40))
    with torch.no_grad():
        expected = task.build().eval()(given).numpy()
    engine, errors = engines.load("coreai", npu.INSTALLED["coreai"] / "bin" / "python"), {}
    for precision in ("float", "fp16"):
        made = exporter.export(task, ExportRequest("coreai", precision), tmp_path / precision)
        graph = made.graphs[0]
        found = engine.open(made.path(graph), graph, 1)({"image": given.numpy()})["enhanced"]
        errors[precision] = float(np.abs(found - expected).max())
    assert errors["float"] < 1e-6
    assert 1e-5 < errors["fp16"] < 1e-2
    again = exporter.export(task, ExportRequest("coreai", use_cache=False), tmp_path / "again")
    assert again.sha256 == artifact.load(tmp_path / "float").sha256
    assert engine.EVIDENCE is Evidence.REFERENCE


@pytest.mark.npu
def test_what_overflows_there_is_not_finite(tmp_path, own_cache):
    """Core AI gives infinities where Snapdragon's NPU saturates; both are named and fail."""
    npu.lend(own_cache, "coreai")
    (tmp_path / "own.py").write_text(MODEL, encoding="utf-8")
    options = ExportOptions(f"{tmp_path / 'own.py'}:TASK", ("coreai",), "float", tmp_path / "build")
    export(options)
    export(ExportOptions(options.model, ("coreai",), "fp16", tmp_path / "build", write_golden=False))
    result = overflows.overflow(overflows.OverflowRequest(str(tmp_path / "build" / "coreai-fp16")))
    (found,) = result.found["coreai-fp16"]
    assert found.signature == "nonfinite"
    assert found.not_finite > 0.5
    assert result.exit_code is Exit.CHECK_FAILED
