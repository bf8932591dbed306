"""Phones of a service, against a fake of its client."""

from __future__ import annotations

import json

import numpy as np
import pytest

from viewfinder import devices
from viewfinder.devices import DeviceError, DeviceLostError, hosted
from viewfinder.errors import MissingToolError, NotVerifiedError, UsageError
from viewfinder.runtime.profile.latency import is_complete, measurements


@pytest.fixture
def model(tmp_path):
    """Write a model; its name is what the fake goes by."""
    (tmp_path / "net.tflite").write_bytes(b"weights")
    return tmp_path / "net.tflite"


def test_a_profile(hub, model):
    """Uploaded once, timed by the service; its microseconds become milliseconds, the first apart from the others."""
    device = devices.load("hosted:Galaxy Test")
    result = device.profile_graph(model, None, {}, {})
    assert is_complete(result)
    assert (result["first_ms"], result["warm_ms"], result["load_ms"]) == (1.9, [1.5, 1.51], 250.0)
    values = {one.metric: one.value for one in measurements("g", [result], "there")}
    assert values["g_memory_peak_bytes"] == 9_000_000
    assert result["layers"][0]["compute_unit"] == "NPU"
    device.profile_graph(model, None, {}, {})
    assert (hub / "uploads").read_text() == "net.tflite\n"
    assert json.loads((hub / "last").read_text()) == ["Galaxy Test", ""]


def test_a_sustained_run(hub, model):
    """The service is asked to go on for so long, with as many inferences as that takes."""
    devices.load("hosted:Galaxy Test").profile_graph(model, None, {}, {"sustain_s": 599.5})
    options = json.loads((hub / "last").read_text())[1]
    assert options == "--max_profiler_time 600 --max_profiler_iterations 1000000"


def test_an_inference_and_a_compilation(hub, model, tmp_path):
    """Jobs are commands, their results files of the work folder."""
    device = devices.load("hosted:Galaxy Test")
    number = device.push(model).path
    np.savez(tmp_path / "inputs.npz", image=np.ones((1, 2), np.float32))
    assert device.run(["inference", number, str(tmp_path / "inputs.npz")], 60).code == 0
    device.pull("outputs.npz", tmp_path / "outputs.npz")
    with np.load(tmp_path / "outputs.npz") as stored:
        np.testing.assert_array_equal(stored["image"], 2 * np.ones((1, 2)))
    device.run(["compile", number, "--target_runtime", "qnn_context_binary"], 60)
    device.pull("compiled.model", tmp_path / "compiled")
    assert (tmp_path / "compiled").read_text() == "compiled"
    assert json.loads((hub / "last").read_text())[1] == "--target_runtime qnn_context_binary"


def test_what_the_service_cannot_do(hub, model, tmp_path):
    """Its reason is quoted; no result of an earlier job is taken for this one's."""
    device = devices.load("hosted:Galaxy Test")
    device.profile_graph(model, None, {}, {})
    bad = model.rename(tmp_path / "bad.tflite")
    bad.write_bytes(b"others")
    with pytest.raises(NotVerifiedError, match="Conv3D is not supported"):
        device.profile_graph(bad, None, {}, {})
    with pytest.raises(DeviceError, match=r"has no file 'profile\.json'"):
        device.pull("profile.json", tmp_path / "x")
    garbage = bad.rename(tmp_path / "garbage.tflite")
    garbage.write_bytes(b"more")
    with pytest.raises(DeviceError, match="cannot be read"):
        device.profile_graph(garbage, None, {}, {})


def test_who_is_not_let_in(hub, monkeypatch, tmp_path):
    """Without a token, without the client, with a client that breaks, with a phone that is not offered."""
    with pytest.raises(UsageError, match="has no phone 'Pear 9'") as error:
        devices.load("hosted:Pear 9").info()
    assert "Galaxy Test, Other Test" in error.value.hint
    (hub / "locked").touch()
    with pytest.raises(UsageError, match="no API token is configured"):
        devices.load("hosted:Galaxy Test").info()
    assert "no API token" in devices.load("hosted:Galaxy Test").problem()
    (tmp_path / "client.py").write_text("raise SystemExit('broken')")
    monkeypatch.setattr(hosted, "CLIENT", tmp_path / "client.py")
    with pytest.raises(DeviceError, match="the client failed: broken"):
        devices.load("hosted:Galaxy Test").info()
    (tmp_path / "client.py").write_text("import json; print(json.dumps({'error': 'x', 'type': 'ConnectionError'}))")
    with pytest.raises(DeviceLostError, match="ConnectionError: x"):
        devices.load("hosted:Galaxy Test").info()
    monkeypatch.setattr(hosted, "_python", lambda: None)
    assert hosted.found()[0].remedy == "viewfinder doctor --install qai-hub"
    with pytest.raises(MissingToolError, match="the client is not installed"):
        devices.load("hosted:Galaxy Test").info()


@pytest.mark.parametrize("name", ["", "a\nb", "\x1b[2J"])
def test_names_that_are_none(name):
    """Control characters, nothing."""
    with pytest.raises(UsageError, match="is no hosted phone"):
        devices.load(f"hosted:{name}")
