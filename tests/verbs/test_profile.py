"""The verb `profile`: time on this computer, counts on an emulated board."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from viewfinder import artifact, demo, devices, photos
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.cli import main
from viewfinder.devices import DeviceBusyError
from viewfinder.devices.userland import emulator, packages
from viewfinder.errors import BadArtifactError, Exit, UsageError
from viewfinder.measurement import Evidence
from viewfinder.runtime import pipelines
from viewfinder.runtime.report import document as documents
from viewfinder.target import Target
from viewfinder.task import TensorSpec
from viewfinder.verbs import on_device
from viewfinder.verbs.profile import ProfileRequest, profile

QUICK = {"processes": 2, "runs": 3, "seconds": 0.0}
SIDE = 256
"""Large enough that the Python around a call, a few hundred instructions more or less, is below a thousandth."""


def write(folder, kind="onnx"):
    """Write an artifact of one 3x3 convolution, which runs in tiles."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    shape = (1, 3, SIDE, SIDE)
    weight = np.random.default_rng(0).normal(size=(3, 3, 3, 3)).astype(np.float32)
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("image", "result")]
    node = helper.make_node("Conv", ["image", "w"], ["result"], pads=[1, 1, 1, 1])
    graph = helper.make_graph([node], "g", sides[:1], sides[1:], [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    specs = [TensorSpec(name, shape) for name in ("image", "result")]
    file = GraphFile("model", "model.onnx", (specs[0],), (specs[1],))
    made = Artifact(folder, "own", kind, "float", "tiles", {"tile": [SIDE, SIDE], "halo": 1}, (file,))
    with artifact.writing(made) as partial:
        onnx.save(model, partial / file.file)
    return folder


@pytest.fixture
def build(tmp_path):
    """Return the folder of an artifact."""
    return write(tmp_path / "onnx-float")


def numbers(result):
    """Map metrics to values."""
    (section,) = result.document.sections
    return {one.metric: one.value for one in section.report.measurements}


def test_time_is_measured_here(build, tmp_path):
    """Warm percentiles, load, first inference and memory, with the state of the machine; the report reads again."""
    result = profile(ProfileRequest(str(build), output=tmp_path / "out", command="viewfinder profile x", **QUICK))
    found = numbers(result)
    assert result.exit_code is Exit.PASS
    assert found["model_warm_p99_ms"] >= found["model_warm_p90_ms"] >= found["model_warm_p50_ms"] > 0
    assert found["model_load_ms"] > found["model_first_ms"] > 0
    report = documents.read(result.report).sections[0].report
    assert report.evidence is Evidence.MEASURED
    assert report.notes["before"]["protocol"] == 2
    assert report.notes["runtime"] == f"onnxruntime=={version('onnxruntime')}"
    assert set(report.notes["before"]) == set(report.notes["after"])
    assert len(report.measurements[0].per_sample) == QUICK["processes"] * QUICK["runs"]
    assert (tmp_path / "out" / "report.html").is_file()


def test_two_profiles_are_compared_or_not(build, tmp_path, capfd):
    """`compare` reads the reports; another state of the machine is exit 3 and no ratio."""
    for name in ("one", "two"):
        profile(ProfileRequest(str(build), output=tmp_path / name, **QUICK))
    file = tmp_path / "two" / "report.json"
    changed = json.loads(file.read_text())
    changed["artifacts"][0]["notes"]["before"]["governor"] = {"0": "powersave"}
    file.write_text(json.dumps(changed))
    assert main(["compare", str(tmp_path / "one"), str(tmp_path / "two")]) == 3
    assert "governor differs" in capfd.readouterr().out


def test_one_measurement_at_a_time(build):
    """While another program of ours measures, this one does not disturb it."""
    with devices.load("host").lock(), pytest.raises(DeviceBusyError):
        profile(ProfileRequest(str(build), **QUICK))


def test_two_artifacts_in_turn(build, tmp_path, capfd):
    """A B A B in one go; the answer is about the first, and everything else is as for a profile."""
    other = write(tmp_path / "other")
    command = ["profile", str(build), "--against", str(other), "--processes", "2", "--runs", "3", "--seconds", "0"]
    code = main([*command, "--json"])
    result = json.loads(capfd.readouterr().out)["result"]
    assert [one["artifact"] for one in result["artifacts"]] == ["other", "onnx-float"]
    answer = result["compared"]
    assert answer["key"] == "own onnx-float against other"
    assert code == {"better": 0, "same": 0, "worse": 1, "incomparable": 3}[answer["word"]]
    with pytest.raises(UsageError, match="1 artifacts against 2"):
        profile(ProfileRequest(str(build), against=tmp_path, **QUICK))


def test_a_sustained_run(build, capfd):
    """--sustain takes any length of time; the curve is drawn, and a report of it compares with nothing."""
    assert main(["profile", str(build), "--sustain", "0.5s"]) == 0
    said = capfd.readouterr().out
    for name in ("sustained_first_p50_ms", "sustained_last_p50_ms", "sustained_slowdown", "memory_loaded_bytes"):
        assert f"model_{name} " in said
    assert "\u2588" in said.splitlines()[-1]
    assert main(["profile", str(build), "--sustain", "soon"]) == 2


def test_operators_and_their_file_for_model_explorer(build, tmp_path, capfd):
    """Where each runs and what it costs, in the report and as node data whose keys are tensors of the model."""
    import onnx

    assert (
        main(["profile", str(build), "--operators", "-o", str(tmp_path / "out"), "--runs", "3", "--seconds", "0"]) == 0
    )
    said = capfd.readouterr().out
    assert "operators, 0 fell back" in said
    assert "CPUExecutionProvider" in said
    data = json.loads((tmp_path / "out" / "onnx-float.model.node-data.json").read_text())
    outputs = {name for one in onnx.load(build / "model.onnx").graph.node for name in one.output}
    assert set(data["results"]) & outputs
    assert all(one["value"] >= 0 for one in data["results"].values())


def test_a_device_that_profiles_by_itself(build, tmp_path):
    """The fake follows its script: nothing is measured, and a cable that is pulled is not-run with its code."""
    (tmp_path / "lost.json").write_text(
        '{"answers": [{"to": "profile", "argv": "onnx-.*/model", "fails": "disconnect"}]}'
    )
    for detail, code, said in (("", None, "follows a script"), (f":{tmp_path}/lost.json", "device-lost", "went away")):
        result = profile(ProfileRequest(str(build), Target.parse(f"onnx@fake{detail}"), **QUICK))
        report = result.document.sections[0].report
        assert (report.evidence, report.notes.get("failure")) == (Evidence.NOT_RUN, code)
        assert said in report.measurements[0].reason
        assert result.exit_code is Exit.NOT_VERIFIED


def test_a_hosted_phone_draws_a_curve(build, hub):
    """From the times that the service tells; a service that stopped early is not-run with what it did."""
    for seconds, evidence in ((0.004, Evidence.MEASURED), (600.0, Evidence.NOT_RUN)):
        request = ProfileRequest(str(build), Target.parse("onnx@hosted:Galaxy Test"), sustain_s=seconds)
        report = profile(request).document.sections[0].report
        assert report.evidence is evidence
    assert "ran for 0.0 s, not for the 600 s" in report.measurements[0].reason


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"threads": 0}, "at least 1"),
        ({"runs": 0}, "at least 1"),
        ({"processes": -1}, "at least 1"),
        ({"seconds": float("inf")}, "seconds finite"),
        ({"seconds": float("nan")}, "seconds finite"),
        ({"sustain_s": float("nan")}, "sustained run of"),
        ({"sustain_s": 5.0, "against": Path()}, "in turn on this computer only"),
        ({"target": Target.parse("onnx@ssh:pi"), "against": Path()}, "in turn on this computer only"),
        ({"threads": 2, "target": Target.parse("onnx@arm64")}, "exact for one thread only"),
        ({"operators": True, "target": Target.parse("tflite@arm64")}, "on this computer and on phones"),
        ({"operators": True, "against": Path()}, "one artifact at a time"),
    ],
)
def test_what_cannot_be_measured_is_refused(build, changes, said):
    """Before anything runs."""
    with pytest.raises(UsageError, match=said):
        ProfileRequest(str(build), **changes)


def test_more_threads_than_cores(build):
    """Threads that share a core measure the scheduler."""
    with pytest.raises(UsageError, match="4096 threads, but only"):
        profile(ProfileRequest(str(build), threads=4096, **QUICK))


def test_nothing_to_profile(build, tmp_path):
    """An absent folder, one without artifacts, another format, a damaged file."""
    (tmp_path / "empty").mkdir()
    for subject in (tmp_path / "absent", tmp_path / "empty"):
        with pytest.raises(UsageError, match="there is no artifact in"):
            profile(ProfileRequest(str(subject)))
    with pytest.raises(UsageError, match="it has onnx"):
        profile(ProfileRequest(str(build), Target.parse("tflite")))
    (build / "model.onnx").write_bytes(b"x")
    with pytest.raises(BadArtifactError):
        profile(ProfileRequest(str(build)))


def test_an_evaluator_has_no_time(tmp_path, monkeypatch):
    """Core ML's time is not measured off macOS; the report says so and the exit code is 3."""
    from viewfinder.runtime.engines import coreml

    monkeypatch.setattr(coreml, "EVIDENCE", Evidence.REFERENCE)
    result = profile(ProfileRequest(str(write(tmp_path / "coreml-float", kind="coreml")), **QUICK))
    assert result.exit_code is Exit.NOT_VERIFIED
    assert "needs macOS" in result.document.sections[0].report.measurements[0].reason


def test_a_board_that_is_not_set_up(build, monkeypatch, capfd):
    """Exit 3 with the command that mends it; an unknown board is wrong usage."""
    monkeypatch.setattr(emulator, "find", lambda: "/usr/bin/qemu-aarch64")
    monkeypatch.setattr(packages, "missing_tools", list)
    assert main(["profile", str(build), "--target", "onnx@arm64", "--json"]) == 3
    found = json.loads(capfd.readouterr().out)
    assert found["status"] == "not-verified"
    assert "viewfinder devices setup arm64" in found["result"]["artifacts"][0]["measurements"][0]["reason"]
    assert main(["profile", str(build), "--target", "onnx@arm64:m3"]) == 2
    assert "cortex-a53" in capfd.readouterr().err


@pytest.mark.arm64
def test_counts_repeat(arm64, build, capfd):
    """The same artifact counts the same in another process: within 0.1 %, and never as a time."""
    both = [profile(ProfileRequest(str(build), Target.parse("onnx@arm64:cortex-a76"))) for _ in range(2)]
    first, second = map(numbers, both)
    assert both[0].exit_code is Exit.PASS
    assert first["model_instructions"] > 27 * SIDE * SIDE
    for metric in ("model_instructions", "model_simd_fp_instructions", "model_load_store_instructions"):
        assert second[metric] == pytest.approx(first[metric], rel=1e-3)
    report = both[0].document.sections[0].report
    assert {one.evidence for one in report.measurements} == {Evidence.EMULATED}
    assert not [one for one in report.measurements if one.unit in {"ms", "s"}]
    assert report.notes["device"] == "arm64:cortex-a76"
    assert main(["profile", str(build), "--target", "onnx+cpu@arm64"]) == 0
    assert "they are no time" in capfd.readouterr().out


@pytest.mark.ssh
def test_a_board_behind_ssh_verifies_and_measures(build, board):
    """The board's own Python runs the graph and reads its own clock; its numbers are measured, its files sent once."""
    target = Target.parse(f"onnx@{board.name}")
    expected = on_device.setup_on(artifact.load(build), target, 1)
    runner = expected.open_runner(artifact.load(build), expected.engine, 1)
    pixels = photos.read(demo.photos()[0]).pixels[:40, :50]
    here = pipelines.open(artifact.load(build), "onnx").enhance(pixels)
    np.testing.assert_allclose(runner.enhance(pixels), here, atol=1e-6)
    result = profile(ProfileRequest(str(build), target, **QUICK))
    report = result.document.sections[0].report
    assert result.exit_code is Exit.PASS
    assert report.evidence is Evidence.MEASURED
    assert report.engine == f"onnxruntime@{board.name}"
    assert "onnxruntime==" in report.notes["wheels"]
    assert report.notes["before"]["cores"] == report.notes["after"]["cores"] != []
    assert report.notes["throttled"] == ""
    assert numbers(result)["model_warm_p50_ms"] > 0
    pushed = sorted(path.name for path in (board.home / ".cache/viewfinder-device/pushed").glob("*/*"))
    assert pushed == ["_worker.py", "model.onnx"]


@pytest.mark.ssh
def test_a_board_without_the_runtimes_is_not_run(build, board, monkeypatch):
    """The reason names the package and the command, exit 3."""
    python = board.home / "python"
    python.write_text('#!/bin/sh\nexec python3 -I -S "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("VIEWFINDER_SSH_PYTHON", f"{board.inside}/python")
    result = profile(ProfileRequest(str(build), Target.parse(f"onnx@{board.name}"), **QUICK))
    assert result.exit_code is Exit.NOT_VERIFIED
    assert "its Python lacks a package" in result.document.sections[0].report.measurements[0].reason
