"""What `viewfinder doctor` finds, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from types import SimpleNamespace

import pytest

from viewfinder import accelerators
from viewfinder.cli import main
from viewfinder.devices import toolchains
from viewfinder.errors import UsageError
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines, tiny
from viewfinder.verbs import backends, doctor
from viewfinder.verbs.backends import Backend
from viewfinder.verbs.doctor import State

ALL = backends.ALL
STATED = ["numpy>=2.0,<2.4", "onnx>=1.18", 'torch<2.14,>=2.13; extra == "export"', 'tensorboard>=2; extra == "train"']


@pytest.fixture(autouse=True)
def no_backends(monkeypatch):
    """Compilers of vendors take seconds to say that they are not there."""
    monkeypatch.setattr(backends, "ALL", ())


def diagnose(monkeypatch, installed):
    """Run the doctor where `installed` maps packages to versions; return the checks by name."""

    def version(name):
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(importlib.metadata, "requires", lambda _name: STATED)
    monkeypatch.setattr(importlib.metadata, "version", version)
    found = doctor.doctor()
    return found, {check.name: check for check in found.checks}


def test_a_complete_base_is_usable(monkeypatch):
    """With the base there, extras may be missing."""
    found, checks = diagnose(monkeypatch, {"numpy": "2.3.5", "onnx": "1.23.2"})
    assert found.usable
    assert checks["numpy"].state is State.OK
    assert checks["torch"].state is State.MISSING
    assert checks["torch"].remedy == "python -m pip install 'viewfinder[export]'"


@pytest.mark.parametrize(
    ("version", "state"), [("2.4.6", State.TOO_NEW), ("1.26.4", State.TOO_OLD), (None, State.MISSING)]
)
def test_a_base_that_does_not_fit_is_not_usable(monkeypatch, version, state):
    """Missing, too old and too new are told apart, and the remedy installs what fits."""
    installed = {"onnx": "1.23.2"} | ({"numpy": version} if version else {})
    found, checks = diagnose(monkeypatch, installed)
    assert not found.usable
    assert checks["numpy"].state is state
    assert checks["numpy"].remedy == "python -m pip install 'numpy<2.4,>=2.0'"


def test_not_installed_at_all(monkeypatch):
    """In a source tree that was never installed, that is what the doctor says."""

    def requires(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", requires)
    checks = {check.name: check for check in doctor.doctor().checks}
    assert checks["viewfinder"].state is State.MISSING
    assert "pip install -e ." in checks["viewfinder"].remedy


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10, 1), State.TOO_OLD), ((3, 12, 3), State.OK), ((3, 14, 0), State.TOO_NEW)]
)
def test_python(monkeypatch, version, state):
    """Only Python 3.11 and 3.12 will do."""
    monkeypatch.setattr(doctor.sys, "version_info", version)
    check = next(check for check in doctor.doctor().checks if check.name == "python")
    assert check.state is state
    assert bool(check.remedy) == (state is not State.OK)


def test_a_full_disk_is_told_but_verifying_goes_on(monkeypatch):
    """Little space is no reason not to verify; the remedy empties the cache."""
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _path: SimpleNamespace(free=1_000_000))
    found = doctor.doctor()
    check = next(check for check in found.checks if check.group == "disk")
    assert check.state is State.NOT_HERE
    assert "cache clean" in check.remedy


def test_an_engine_that_cannot_run_says_why(monkeypatch):
    """An engine's own reason is shown."""
    from viewfinder.runtime.engines import onnxruntime

    monkeypatch.setattr(onnxruntime, "probe", lambda: "onnxruntime is not installed")
    check = next(check for check in doctor.doctor().checks if check.name == "onnxruntime" and check.group == "engine")
    assert check.state is State.MISSING
    assert check.found == "onnxruntime is not installed"


def test_an_engine_without_its_toolchain_says_how_to_get_it():
    """Missing, not broken; nothing is fetched for it."""
    found = {check.name: check for check in doctor.doctor().checks if check.group == "engine"}
    for name in ("coreai", "tensorflow", "tflite-runtime"):
        assert (found[name].state, found[name].remedy) == (State.MISSING, f"viewfinder doctor --install {name}")


@pytest.mark.parametrize("name", ["executorch", "litert", "onnxruntime"])
def test_an_engine_that_adds_wrongly_is_not_believed(monkeypatch, name):
    """That its package is there says little: it is given one addition."""
    engine = engines.load(name)
    wrong = {"sum": tiny.EXPECTED + 1}
    monkeypatch.setattr(engine, "open", lambda *_, **__: lambda _feeds: wrong)
    check = next(check for check in doctor.doctor().checks if (check.group, check.name) == ("engine", name))
    assert check.state is State.NOT_HERE
    assert check.found.startswith(f"{name} adds [[[[")


def test_a_backend_is_tried_where_its_toolchain_is(monkeypatch):
    """Without it nothing is started; with it, what one addition gave is the answer."""
    tried = []

    def refuses(work):
        tried.append(list(work.iterdir()))
        return "it adds 1 and 1 as 3"

    lacking = Backend("ethos-u85", "vela", Evidence.COMPILER_ESTIMATE, refuses)
    wrong = Backend("samsung", "", Evidence.NOT_RUN, refuses)
    right = Backend("android-gpu", "", Evidence.EMULATED, lambda _work: None)
    monkeypatch.setattr(backends, "ALL", (lacking, wrong, right))
    found = [check for check in doctor.doctor().checks if check.group == "target"]
    assert [(check.state, check.found) for check in found] == [
        (State.MISSING, "the toolchain vela is not installed"),
        (State.NOT_HERE, "it adds 1 and 1 as 3"),
        (State.OK, "emulated"),
    ]
    assert found[0].remedy == "viewfinder doctor --install vela"
    assert tried == [[]]


def test_a_base_that_is_broken_is_diagnosed_and_no_accident(monkeypatch):
    """The additions are written with packages of the base; where these are missing, that is what the rows say."""
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setattr(backends, "ALL", [one for one in ALL if one.target == "mediatek"])
    found = {check.name: check for check in doctor.doctor().checks if check.group in {"engine", "target"}}
    for name, package in (("litert", "flatbuffers"), ("onnxruntime", "onnx"), ("mediatek", "flatbuffers")):
        assert found[name].state is State.NOT_HERE
        assert "cannot be tried" in found[name].found
        assert package in found[name].found


def test_every_adapter_is_tried_by_the_doctor():
    """But what is an engine, what is compiled at export, and what would ask a service in the user's name."""
    known = {accelerators.ACCELERATORS[one.target].adapter for one in ALL}
    elsewhere = {accelerators.COREML, "coreai", "vulkan", "ai_hub"}
    assert known | elsewhere == {one.adapter for one in accelerators.ACCELERATORS.values()}


def test_a_toolchain_is_listed_with_size_and_licence(capfd):
    """Before anything is downloaded; the table has them in columns of their own."""
    assert main(["doctor"]) in {0, 2}
    row = next(line for line in capfd.readouterr().out.splitlines() if line.startswith("tensorflow "))
    assert row.split("  ")[-1].strip() == "viewfinder doctor --install tensorflow"
    assert "335 MB to download, 1540 MB on disk  Apache-2.0" in row


def test_toolchains_are_installed_and_removed_by_name(monkeypatch, capfd):
    """--install and --remove reach the toolchain; unknown names are answered with the known ones."""
    asked = []
    monkeypatch.setattr(toolchains, "install", lambda name, progress: asked.append(("install", name)))
    monkeypatch.setattr(toolchains, "remove", lambda name: asked.append(("remove", name)))
    assert main(["doctor", "--install", "tflite-runtime"]) == 0
    assert main(["doctor", "--remove", "tflite-runtime"]) == 0
    assert asked == [("install", "tflite-runtime"), ("remove", "tflite-runtime")]
    with pytest.raises(UsageError, match="there is no toolchain 'nothing'") as caught:
        doctor.install("nothing", print)
    assert "tflite-runtime" in caught.value.hint
    assert main(["doctor", "--install", "a", "--remove", "b"]) == 2
    capfd.readouterr()


def test_exit_code_and_envelope(monkeypatch, capfd):
    """Exit 0 when the base is complete, 2 when it is not; the envelope says the same."""
    diagnose(monkeypatch, {"numpy": "2.3.5", "onnx": "1.23.2"})
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["result"]["usable"] is True
    diagnose(monkeypatch, {"onnx": "1.23.2"})
    assert main(["doctor"]) == 2
    text = capfd.readouterr().out
    assert "python -m pip install 'numpy<2.4,>=2.0'" in text
    assert "not complete" in text
