"""Macs: without one, behind a real sshd with a Python that pretends, and by a recorded exchange."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.runtime.engines import blend

from viewfinder import devices
from viewfinder.devices import mac
from viewfinder.errors import MissingToolError, NotVerifiedError, UsageError
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines
from viewfinder.runtime.engines import _process
from viewfinder.runtime.profile import compute_plan
from viewfinder.runtime.profile.latency import Schedule, is_complete

HERE = Path(__file__).parent
RECORDING = HERE / "mac" / "exchange.json"
REPLAY = HERE / "mac" / "replay.py"
SCHEDULE = vars(Schedule(1, 2, 0.0, 1, 0.0, 30.0))
on_linux = pytest.mark.skipif(platform.system() == "Darwin", reason="a Mac is one")


@on_linux
def test_without_a_mac_it_needs_macos():
    """In the list, in use, and as the reason of a not-run."""
    (found,) = mac.found()
    assert (found.missing, found.remedy) == ("needs macOS", "name a Mac that ssh reaches: mac:[USER@]HOST")
    device = devices.load("mac")
    assert device.problem().startswith("needs macOS")
    for act in (device.info, device.python):
        with pytest.raises(MissingToolError, match="mac needs macOS"):
            act()


@pytest.mark.parametrize("name", ["-oProxyCommand=reboot", "host;reboot", "$(reboot)", "a b", "@host"])
def test_names_that_are_no_mac(name):
    """As for boards."""
    with pytest.raises(UsageError):
        devices.load(f"mac:{name}")


def test_only_core_ml_runs_there():
    """And nothing else runs Core ML packages."""
    for name, kind in (("mac:x", "tflite"), ("ssh:x", "coreml"), ("android:x", "onnx")):
        with pytest.raises(UsageError, match=f"{name} does not run {kind} artifacts"):
            engines.on(devices.load(name), kind, Evidence.MEASURED)


def replayed(name="exchange"):
    """Return an interpreter that answers as the recording does."""
    return _process.Interpreter((sys.executable, str(REPLAY), str(RECORDING), name), None, " on mac:recorded", 60.0)


def test_a_recorded_exchange(tmp_path):
    """Shapes, a prediction, timings with all samples, the plan.

    No Mac was at hand: the exchange was recorded by the test below, between this program and the worker in a Python
    with the real coremltools 9.0, whose predictions, plan and system were played by ``mac/sitecustomize.py``. Its form
    is that of our worker and of coremltools' classes; its times are those of no Mac and are not looked at.
    """
    runner = _process.open_in(replayed(), "coremltools", blend.write("coreml", tmp_path), blend.GRAPH, 1)
    np.testing.assert_allclose(runner(blend.feeds())["blended"], blend.expected(blend.feeds()), atol=1e-6)
    timed = runner.timed(blend.feeds(), SCHEDULE)
    assert is_complete(timed)
    found = {one.metric: one for one in compute_plan.measurements("g", timed["plan"])}
    values = {name: one.value for name, one in found.items()}
    assert values == {"g_ops_neural_engine": 1, "g_ops_gpu": 0, "g_ops_cpu": 1, "g_cost_off_neural_engine": 0.25}
    assert {one.evidence for one in found.values()} == {Evidence.COMPILER_ESTIMATE}


@pytest.mark.parametrize("name", ["garbage", "huge", "nothing"])
def test_an_exchange_with_something_else(tmp_path, name):
    """Garbage, an array that is too large, and a Mac that goes away are no answers."""
    runner = _process.open_in(replayed(name), "coremltools", blend.write("coreml", tmp_path), blend.GRAPH, 1)
    with pytest.raises(NotVerifiedError, match="on mac:recorded"):
        runner(blend.feeds())


@pytest.mark.parametrize("plan", [None, "x", [], [{}], [{"op": 1, "unit": [], "cost": {}}], [{"unit": "MLCPU"}]])
def test_a_plan_that_is_none(plan):
    """What is no plan gives no numbers."""
    assert compute_plan.measurements("g", plan) == []


@pytest.mark.ssh
def test_a_mac_behind_ssh(remote_mac, tmp_path, monkeypatch):
    """Seen, used, timed, with its plan; VIEWFINDER_RECORD_MAC writes the exchange down."""
    assert remote_mac.problem() == ""
    assert remote_mac.info().system.startswith("macOS 15.1")
    assert "coremltools==" in remote_mac.facts()["wheels"]
    said = record(monkeypatch) if "VIEWFINDER_RECORD_MAC" in os.environ else None
    path = blend.write("coreml", tmp_path)
    runner = engines.on(remote_mac, "coreml", Evidence.MEASURED).open(path, blend.GRAPH, 1)
    np.testing.assert_allclose(runner(blend.feeds())["blended"], blend.expected(blend.feeds()), atol=1e-6)
    timed = runner.timed(blend.feeds(), SCHEDULE)
    assert is_complete(timed)
    assert [one["unit"] for one in timed["plan"]] == ["MLNeuralEngineComputeDevice", "MLCPUComputeDevice"]
    if said is not None:
        RECORDING.write_text(json.dumps(said, indent=1) + "\n")
    with pytest.raises(NotVerifiedError, match="does not load"):
        engines.on(remote_mac, "coreml", Evidence.MEASURED).open(
            tmp_path / "blend.mlpackage" / "Manifest.json", blend.GRAPH, 1
        )


def record(monkeypatch):
    """Note every message that comes back, as header and arrays."""
    said, real = [], _process._worker.receive

    def receive(*words):
        """Receive as ever."""
        header, arrays = real(*words)
        flat = {name: [array.dtype.str, list(array.shape), array.ravel().tolist()] for name, array in arrays.items()}
        said.append({"header": header, "arrays": flat})
        return dict(header), arrays

    monkeypatch.setattr(_process._worker, "receive", receive)
    return said


@pytest.mark.ssh
def test_a_linux_board_is_no_mac(remote_mac, monkeypatch):
    """What answers has to be macOS."""
    python = Path(os.environ["VIEWFINDER_MAC_PYTHON"])
    python.write_text(python.read_text().replace("PYTHONPATH=", "PRETEND=Linux PYTHONPATH="))
    assert "needs macOS, and mac:" in remote_mac.problem()
    monkeypatch.setenv("VIEWFINDER_MAC_PYTHON", "no-python-here")
    assert "cannot be started" in remote_mac.problem() or "when asked what it is" in remote_mac.problem()
