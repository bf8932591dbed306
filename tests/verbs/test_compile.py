"""The verb `compile` as far as it goes without Qualcomm's compiler; with it, see test_on_npu."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.verbs import made

from viewfinder import presets
from viewfinder.errors import Exit, MissingToolError, UsageError
from viewfinder.runtime.htp import compiler
from viewfinder.runtime.htp.compiler import Compiled, FallbackError
from viewfinder.verbs import compile as verb
from viewfinder.verbs.compile import CompileRequest


@pytest.fixture
def build(tmp_path):
    """A folder with ONNX artifacts in float, fp16 and w8a8, and one that is no ONNX."""
    for name in ("onnx-float", "onnx-fp16", "onnx-w8a8", "tflite-float"):
        made.write_artifact(tmp_path / name)
    return tmp_path


@pytest.fixture
def compilations(monkeypatch):
    """Stand for the compiler: copies the graph and remembers what it was asked for."""
    asked = []

    def compile_graph(python, source, target, npu, most):
        """Copy."""
        asked.append((source.parent.name, npu.name))
        target.write_bytes(source.read_bytes())
        return Compiled({"Conv2d": 2, "Relu": 1}, 1, 0.5, {"onnxruntime-qnn": "2.7.0"})

    monkeypatch.setattr(compiler, "compile_graph", compile_graph)
    monkeypatch.setattr(verb, "interpreter", lambda: Path("python"))
    return asked


def test_each_artifact_is_compiled_for_each_processor(build, compilations):
    """The result is an artifact with its parent's hash, what was placed where, and the processor in its name."""
    targets = ("snapdragon-8-elite", "sm8550", "snapdragon-8-elite")
    result = verb.compile(CompileRequest(str(build), targets))
    assert [one.folder.name for one in result.artifacts] == [
        "qnn-fp16-snapdragon-8-elite",
        "qnn-fp16-snapdragon-8-gen-2",
        "qnn-w8a8-snapdragon-8-elite",
        "qnn-w8a8-snapdragon-8-gen-2",
    ]
    first = result.artifacts[0]
    assert first.parent_sha256 == made.artifact.load(build / "onnx-float").sha256
    assert (first.format, first.precision, first.recipe["target"]) == ("qnn", "fp16", "snapdragon-8-elite")
    notes = first.graphs[0].notes
    assert (notes["soc_model"], notes["htp_arch"], notes["partitions"]) == (69, 79, 1)
    assert notes["operators"] == {"Conv2d": 2, "Relu": 1}
    assert first.tools["onnxruntime-qnn"] == "2.7.0"


def test_the_same_is_compiled_once(build, compilations, tmp_path):
    """The second time the cache serves it, unless it is not wanted."""
    request = CompileRequest(str(build / "onnx-float"), ("snapdragon-8-elite",), tmp_path / "out")
    first = verb.compile(request).artifacts[0]
    second = verb.compile(request).artifacts[0]
    assert first.sha256 == second.sha256
    assert len(compilations) == 1
    verb.compile(CompileRequest(request.subject, request.targets, request.output, use_cache=False))
    assert len(compilations) == 2


def test_fp16_alone_is_compiled(build, compilations):
    """Beside float it would say nothing more; alone it is what was asked for."""
    verb.compile(CompileRequest(str(build / "onnx-fp16"), ("snapdragon-8-elite",)))
    assert compilations == [("onnx-fp16", "snapdragon-8-elite")]


def test_a_refusal_leaves_nothing_behind(build, compilations, monkeypatch, tmp_path):
    """No half of an artifact, neither in the output nor in the cache."""

    def refuse(python, source, target, npu, most):
        """Write something and fail."""
        target.write_bytes(b"half")
        raise FallbackError("1 operator", "", ())

    monkeypatch.setattr(compiler, "compile_graph", refuse)
    with pytest.raises(FallbackError) as error:
        verb.compile(CompileRequest(str(build / "onnx-float"), ("snapdragon-8-elite",), tmp_path / "out"))
    assert error.value.exit_code is Exit.CHECK_FAILED
    assert not (tmp_path / "out").exists()
    assert not list((verb.files.cache_folder(verb.CACHE)).glob("*"))


def test_what_cannot_be_compiled(build):
    """Another format, no processor, a misspelled one, and a missing toolchain: each has its own sentence."""
    with pytest.raises(UsageError, match="has no ONNX artifact"):
        verb.compile(CompileRequest(str(build / "tflite-float"), ("snapdragon-8-elite",)))
    with pytest.raises(UsageError, match="no processor was named"):
        verb.compile(CompileRequest(str(build), ()))
    with pytest.raises(UsageError, match="there is no processor") as error:
        verb.compile(CompileRequest(str(build), ("snapdragon-8-elit",)))
    assert "snapdragon-8-elite" in error.value.hint
    with pytest.raises(MissingToolError, match="qnn is not installed") as missing:
        verb.compile(CompileRequest(str(build), ("snapdragon-8-elite",)))
    assert missing.value.hint == "viewfinder doctor --install qnn"


def test_float_stays_float_on_the_oldest_generation(build):
    """HTP v68 has no fp16; a report may not say that it computes in it."""
    source = made.artifact.load(build / "onnx-float")
    assert verb.name_of(source, presets.npu("snapdragon-888")) == "qnn-float-snapdragon-888"
