from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests import npu
from tests.runtime.engines import blend

from viewfinder.errors import BadArtifactError, MissingToolError, NotVerifiedError, UsageError
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines
from viewfinder.runtime.engines import _process, _tensors, coreml, executorch, litert
from viewfinder.runtime.engines._quiet import quietly
from viewfinder.task import TensorSpec


def test_names_are_file_names():
    """Helpers with an underscore are no engines; file names become words with hyphens."""
    assert engines.names() == [
        *("coreai", "coreml", "executorch", "litert", "ncnn", "onnxruntime"),
        *("qnn", "tensorflow", "tflite-runtime", "tosa"),
    ]


@pytest.mark.parametrize(("alias", "name"), [("tflite", "litert"), ("onnx", "onnxruntime"), ("coreml", "coreml")])
def test_a_format_is_an_alias(alias, name):
    """The default engine of a format answers to the format's name."""
    assert name == engines.load(alias).NAME
    assert name == engines.for_format(alias).NAME


def test_unknown_engines_and_formats():
    """The error lists what there is."""
    with pytest.raises(UsageError, match="no engine 'tensorrt'") as error:
        engines.load("tensorrt")
    assert "litert" in error.value.hint
    with pytest.raises(UsageError, match="no engine runs tensorrt"):
        engines.for_format("tensorrt")


def test_a_helper_is_no_engine():
    """Neither a private module nor a path can be loaded by name."""
    for name in ("_worker", "../verify", "_tensors"):
        with pytest.raises(UsageError):
            engines.load(name)


@pytest.mark.parametrize("name", ["litert", "onnxruntime", "executorch"])
def test_a_missing_package_is_explained(name, monkeypatch, tmp_path):
    """Without its package an engine says which command installs it."""
    engine = engines.load(name)
    monkeypatch.setattr(engine, "find_spec", lambda _: None)
    with pytest.raises(
        MissingToolError, match=f"the engine {name} cannot run here: the package .* is not installed"
    ) as error:
        engine.open(tmp_path / "x", blend.GRAPH, 1)
    assert error.value.hint.startswith("python -m pip install '")


@pytest.mark.parametrize("name", ["tflite-runtime", "tensorflow"])
def test_a_missing_toolchain_is_explained(name, monkeypatch, tmp_path):
    """Without its environment a toolchain's engine says how to get it."""
    engine = engines.load(name)
    if name == "tensorflow":
        monkeypatch.setattr(engine, "find_spec", lambda _: None)
    with pytest.raises(MissingToolError) as error:
        engine.open(blend.write("tflite", tmp_path), blend.GRAPH, 1)
    assert error.value.hint == f"viewfinder doctor --install {name}"
    assert engines.toolchain_of(name) == name


def test_a_toolchains_engine_takes_an_interpreter():
    """It keeps its facts; an interpreter that is not there, or computes nothing, is no engine."""
    engine = engines.load("tflite-runtime", Path(sys.executable))
    assert (engine.NAME, engine.FORMAT, engine.EVIDENCE) == ("tflite-runtime", "tflite", Evidence.MEASURED)
    assert "is not installed" in engines.load("tflite-runtime", Path("/nowhere/python")).probe()


@pytest.mark.parametrize("name", ["coreai", "ncnn", "tensorflow", "tflite-runtime"])
def test_an_interpreter_without_the_runtime_is_not_believed(name):
    """It is there, and does not do one addition; the reason is its own last words."""
    reason = engines.load(name, Path(sys.executable)).probe()
    assert "does not compute one addition here" in reason
    assert f"No module named '{name.replace('-', '_')}" in reason


def test_tensorflow_here_needs_no_environment(monkeypatch):
    """TensorFlow in this environment is used as it is, in its own process."""
    engine = engines.load("tensorflow")
    monkeypatch.setattr(engine, "find_spec", lambda _: object())
    monkeypatch.setattr(engine, "_tried", lambda python: f"tried {python}")
    assert engine.probe() == f"tried {sys.executable}"


@pytest.mark.npu
@pytest.mark.parametrize("name", ["coreai", "ncnn", "tflite-runtime", "tosa"])
def test_a_toolchains_engine_adds(name, own_cache):
    """Core AI's model is authored by the toolchain itself."""
    npu.lend(own_cache, name)
    assert engines.load(name, own_cache / "toolchains" / name / "bin" / "python").probe() is None


def test_a_runtime_that_refuses_a_file_is_quoted(tmp_path):
    """The old runtime's own words reach the user, and it is no pass (exit 3)."""
    path = blend.write("tflite", tmp_path)
    data = bytearray(path.read_bytes())
    data[8:] = data[8:][: len(data) // 3]
    path.write_bytes(data)
    with pytest.raises(NotVerifiedError, match=r"ai-edge-litert does not load .*blend.tflite: .+"):
        _process.open_tflite(Path(sys.executable), "ai_edge_litert.interpreter", path, blend.GRAPH, 1)


def test_a_worker_that_crashes_is_explained(tmp_path):
    """A module that is not there ends the worker; its last line is the reason."""
    path = blend.write("tflite", tmp_path)
    with pytest.raises(
        NotVerifiedError, match=r"no-such-runtime ended with code 1 .*No module named 'no_such_runtime'"
    ):
        _process.open_tflite(Path(sys.executable), "no_such_runtime", path, blend.GRAPH, 1)


def test_a_worker_that_dies_between_calls_is_explained(tmp_path):
    """A killed worker is an error, not a hang."""
    path = blend.write("tflite", tmp_path)
    runner = _process.open_tflite(Path(sys.executable), "ai_edge_litert.interpreter", path, blend.GRAPH, 1)
    runner._worker.kill()
    runner._worker.wait()
    with pytest.raises(NotVerifiedError, match="ended with code -9 while it should run"):
        runner(blend.feeds())


def test_a_worker_ends_with_its_runner(tmp_path):
    """No process is left behind."""
    path = blend.write("tflite", tmp_path)
    runner = _process.open_tflite(Path(sys.executable), "ai_edge_litert.interpreter", path, blend.GRAPH, 1)
    worker = runner._worker
    del runner
    assert worker.poll() is not None


def test_an_interpreter_that_cannot_start(tmp_path):
    """A broken environment is a missing tool."""
    path = blend.write("tflite", tmp_path)
    with pytest.raises(MissingToolError, match="cannot be started"):
        _process.open_tflite(tmp_path / "python", "tflite_runtime.interpreter", path, blend.GRAPH, 1)


def test_numbered_tensors_keep_their_order():
    """args_10 comes after args_9, and real names win over the order."""
    specs = tuple(TensorSpec(f"t{i}", (i + 1,)) for i in range(12))
    details = {f"args_{i}": {"shape": _Shape([i + 1]), "index": 100 + i} for i in (11, 10, *range(10))}
    assert litert._match(Path("x"), specs, details, "input") == [100 + i for i in range(12)]
    assert _tensors.by_name_or_order(specs[:2], ["t1", "other", "t0"]) == [2, 0]


class _Shape(list):
    """A list with numpy's tolist."""

    def tolist(self):
        """Return itself."""
        return list(self)


def test_a_tensor_that_the_file_lacks():
    """The manifest may not name what is not there."""
    with pytest.raises(BadArtifactError, match=r"x.onnx has no output mask; it has blended"):
        _tensors.require_match("x.onnx", (TensorSpec("mask", (1,)),), {"blended": (1,)}, "output")


def test_executorch_keeps_the_reason():
    """Of all that the runtime prints, the lines that explain the failure stay."""
    text = (
        "[cpuinfo_utils.cpp:87] noise\n[threadpool.cpp:66] Resetting\n[program.cpp:114] File size is too small.\nother"
    )
    assert executorch._reason(text) == "[program.cpp:114] File size is too small."


def test_coreml_is_a_reference_here():
    """Off macOS no number of this engine is called measured."""
    assert (coreml.EVIDENCE is Evidence.MEASURED) == coreml.ON_MACOS


def test_quietly_keeps_what_is_printed(capfd):
    """Native prints go to the log, also when the block fails; afterwards printing works again."""
    kept = []

    def fail():
        with quietly() as log:
            kept.append(log)
            subprocess.run([sys.executable, "-c", "print('from below')"], check=True)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    print("after")
    assert kept[0].text == "from below"
    assert capfd.readouterr().out == "after\n"


def test_importing_the_folder_is_light():
    """Looking engines up imports no runtime, no PyTorch and no coremltools."""
    code = (
        "import sys; from viewfinder.runtime import engines; [engines.load(n).probe() for n in engines.names()];"
        "heavy = ('torch', 'onnxruntime', 'ai_edge_litert', 'coremltools', 'executorch');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
