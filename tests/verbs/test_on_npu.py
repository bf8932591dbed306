"""Verification on emulated Snapdragons: what it says without the toolchain, and what it measures with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save
from PIL import Image
from tests import npu
from tests.runtime.htp import compiled
from tests.verbs import made

from viewfinder import artifact, demo
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.cli import npus
from viewfinder.devices import toolchains
from viewfinder.errors import BadArtifactError, Exit, UsageError
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines, pipelines
from viewfinder.runtime.htp.compiler import CompileError, FallbackError, Refused
from viewfinder.target import Target
from viewfinder.task import TensorSpec
from viewfinder.verbs import compile as compiling
from viewfinder.verbs import on_npu
from viewfinder.verbs.export import ExportOptions, export
from viewfinder.verbs.verify import VerifyRequest, verify

ELITE, GEN_2 = "snapdragon-8-elite", "snapdragon-8-gen-2"


@pytest.fixture
def build(tmp_path):
    """A folder with an ONNX artifact and golden pictures."""
    folder = tmp_path / "export"
    made.write_artifact(folder / "onnx-float")
    made.write_golden(folder / "golden.npz")
    return folder


def test_without_the_toolchain_nothing_is_verified(build):
    """Exit 3, one row per processor, and the command that installs it; no number, no pass."""
    result = verify(VerifyRequest(str(build), npus=(ELITE, GEN_2), output=build / "report"))
    assert result.exit_code is Exit.NOT_VERIFIED
    assert [one.report.engine for one in result.document.sections] == [f"qnn@{ELITE}", f"qnn@{GEN_2}"]
    assert all(one.report.evidence is Evidence.NOT_RUN for one in result.document.sections)
    text = npus.verified(result)
    assert "viewfinder doctor --install qnn" in text
    assert text.count("not-run") >= 4
    assert json.loads((build / "report" / "report.json").read_text())["verdict"] == "not-run"


def test_a_target_names_one_processor(build):
    """``--target qnn@NAME`` is the same as ``--targets NAME``."""
    request = VerifyRequest(str(build), target=Target.parse(f"qnn@{GEN_2}"))
    assert request.processors == (GEN_2,)
    assert [one.report.engine for one in verify(request).document.sections] == [f"qnn@{GEN_2}"]


def test_bad_requests(build):
    """A misspelled processor, two ways to say where, and no band are refused before anything runs."""
    with pytest.raises(UsageError, match="there is no processor"):
        verify(VerifyRequest(str(build), npus=("snapdragon-8-elit",)))
    with pytest.raises(UsageError, match="--targets was given beside"):
        VerifyRequest(str(build), engine="onnx", npus=(ELITE,))
    with pytest.raises(UsageError, match="0 bands"):
        VerifyRequest(str(build), npus=(ELITE,), bands=0)


def compiled_artifact(folder, *, stated=69, arch=79, own=69):
    """Write an artifact whose manifest says one processor and whose binary another."""
    spec = TensorSpec("image", (1, 3, 8, 8))
    notes = {"soc_model": stated, "htp_arch": 79, "operators": {"Relu": 1}, "partitions": 1}
    graph = GraphFile("model", "model.onnx", (spec,), (replace(spec, name="enhanced"),), notes=notes)
    whole = Artifact(
        folder, made.TASK, "qnn", "fp16", "tiles", {"tile": [8, 8], "halo": 0}, (graph,),
        weights_sha256=made.WEIGHTS_SHA256, recipe={"target": ELITE},
    )  # fmt: skip
    with artifact.writing(whole) as partial:
        compiled.write(partial / graph.file, arch=arch, soc=own)
    return artifact.load(folder)


def test_a_binary_of_another_processor_is_refused(build):
    """It would run in the emulator, and say nothing about the processor that was asked for."""
    compiled_artifact(build / f"qnn-fp16-{ELITE}")
    with pytest.raises(BadArtifactError, match=f"was compiled for {ELITE}, not for {GEN_2}") as error:
        verify(VerifyRequest(str(build / f"qnn-fp16-{ELITE}"), npus=(GEN_2,)))
    assert error.value.code == "other-processor"


def test_an_exchanged_binary_is_refused(build, own_cache, monkeypatch):
    """The engine believes the file, not the manifest: a binary of another processor under the right name is found."""
    made_for = compiled_artifact(build / f"qnn-fp16-{ELITE}", own=43, arch=73)
    python = Path(__file__)  # a file that exists: the binary is looked at before anything starts
    with pytest.raises(BadArtifactError, match=f"was compiled for {GEN_2}, its manifest says soc_model 69"):
        engines.load("qnn", python).open(made_for.path(made_for.graphs[0]), made_for.graphs[0], 1)


@pytest.mark.parametrize(
    ("error", "word", "said"),
    [
        (
            FallbackError("2 operators of m would run", "", [Refused("Acosh", "odd"), Refused("Mod", "m")]),
            "fallback",
            "2",
        ),
        (CompileError("Qualcomm's compiler refuses m: 1002", ""), "refused", "1"),
    ],
)
def test_a_refusal_of_the_compiler_is_a_failure(build, monkeypatch, error, word, said):
    """Exit 1; the row says how many operators, the line below it which."""
    monkeypatch.setattr(toolchains, "python", lambda name: Path("python"))
    monkeypatch.setattr(on_npu, "_unusable", lambda _python: None)

    def refuse(order, folder):
        """Fail as the compiler does."""
        raise error

    monkeypatch.setattr(compiling, "compiled", refuse)
    result = verify(VerifyRequest(str(build), npus=(ELITE,)))
    assert result.exit_code is Exit.CHECK_FAILED
    text = npus.verified(result)
    assert error.message in text
    row = next(line for line in text.splitlines() if line.startswith(f"qnn-fp16-{ELITE}"))
    assert word in row
    report = result.document.sections[0].report
    assert [f"{one.value:.0f}" for one in report.measurements if one.metric == "npu_fallback_ops"] == [said]


@pytest.fixture
def qnn(own_cache):
    """The real toolchain."""
    npu.lend(own_cache)


def onnx_artifact(folder, nodes, weights=()):
    """Write an ONNX artifact of one graph of 16 x 16 tiles from `nodes`, which lead from ``image`` to ``enhanced``."""
    shape = [1, 3, 16, 16]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("image", "enhanced")]
    constants = [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in weights]
    graph = helper.make_graph(list(nodes), "model", ends[:1], ends[1:], constants)
    spec = TensorSpec("image", tuple(shape))
    file = GraphFile("model", "model.onnx", (spec,), (replace(spec, name="enhanced"),))
    parameters = {"tile": [16, 16], "halo": 0}
    whole = Artifact(
        folder, made.TASK, "onnx", "float", "tiles", parameters, (file,), weights_sha256=made.WEIGHTS_SHA256
    )
    with artifact.writing(whole) as partial:
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        save(model, str(partial / "model.onnx"))
    return artifact.load(folder)


@pytest.mark.npu
def test_an_operator_that_the_npu_lacks_is_named(tmp_path, qnn):
    """The real compiler: Acosh falls back, and the error names it and only it."""
    nodes = [
        helper.make_node("Relu", ["image"], ["a"], "first"),
        helper.make_node("Acosh", ["a"], ["b"], "odd"),
        helper.make_node("Relu", ["b"], ["enhanced"], "last"),
    ]
    onnx_artifact(tmp_path / "onnx-float", nodes)
    with pytest.raises(FallbackError) as error:
        compiling.compile(compiling.CompileRequest(str(tmp_path / "onnx-float"), (ELITE,)))
    assert [(one.operator, one.node) for one in error.value.refused] == [("Acosh", "odd")]


@pytest.mark.npu
def test_a_fallback_that_is_allowed_runs_and_is_counted(tmp_path, qnn):
    """With one operator allowed on the CPU the artifact compiles into two pieces, runs, and says so."""
    nodes = [
        helper.make_node("Relu", ["image"], ["a"], "first"),
        helper.make_node("Cosh", ["a"], ["b"], "odd"),
        helper.make_node("Relu", ["b"], ["enhanced"], "last"),
    ]
    onnx_artifact(tmp_path / "onnx-float", nodes)
    request = compiling.CompileRequest(str(tmp_path / "onnx-float"), (ELITE,), tmp_path / "out", max_fallback_ops=1)
    whole = compiling.compile(request).artifacts[0]
    notes = whole.graphs[0].notes
    assert (notes["not_delegated"], notes["partitions"]) == ({"Cosh": 1}, 2)
    run = engines.load("qnn", compiling.interpreter()).open(whole.path(whole.graphs[0]), whole.graphs[0], 1)
    values = run({"image": np.full((1, 3, 16, 16), 0.5, np.float32)})["enhanced"]
    np.testing.assert_allclose(values, np.cosh(0.5), atol=2e-3)


@pytest.mark.npu
def test_a_large_value_saturates(tmp_path, qnn):
    """The signature of an overflow on HTP: finite and far from right, where a scan for NaN finds nothing."""
    nodes = [
        helper.make_node("Mul", ["image", "large"], ["a"], "up"),
        helper.make_node("Mul", ["a", "large"], ["enhanced"], "further"),
    ]
    onnx_artifact(tmp_path / "onnx-float", nodes, [("large", 1e5)])
    result = compiling.compile(compiling.CompileRequest(str(tmp_path / "onnx-float"), (ELITE,)))
    whole = result.artifacts[0]
    engine = engines.load("qnn", compiling.interpreter())
    run = engine.open(whole.path(whole.graphs[0]), whole.graphs[0], 1)
    values = run({"image": np.full((1, 3, 16, 16), 0.3, np.float32)})["enhanced"]
    assert np.isfinite(values).all()
    assert values.max() < 0.3 * 1e5 * 1e5 / 2


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """HDRNet with a small strip model, on two photographs scaled to the strip's width."""
    npu.need()
    from viewfinder.verbs.export import ExportOptions, export

    folder = tmp_path_factory.mktemp("hdrnet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIEWFINDER_CACHE", str(tmp_path_factory.mktemp("cache")))
        for path in demo.photos()[:2]:
            with Image.open(path) as picture:
                picture.convert("RGB").resize((320, 240)).save(folder / f"{path.stem}.png")
        photos = tuple(sorted(folder.glob("*.png")))
        export(ExportOptions("hdrnet", ("onnx",), output=folder / "export", width=320, photos=photos))
        _quantized(folder / "export")
    return folder / "export"


def _quantized(folder):
    """Quantize the coefficient network for NPUs."""
    from viewfinder.verbs.quantize import QuantizeRequest, quantize

    quantize(QuantizeRequest(str(folder / "onnx-float"), "w8a8", target="npu", samples=6))


@pytest.mark.npu
@pytest.mark.slow
def test_hdrnet_lands_whole_and_holds_the_bars(exported, qnn):
    """HDRNet on two Snapdragons: one piece, nothing on the CPU, 60 dB in fp16 and 45 dB in w8a8 on photographs."""
    result = verify(VerifyRequest(str(exported), npus=(ELITE, GEN_2), bands=2))
    reports = {one.report.artifact: one.report for one in result.document.sections}
    assert set(reports) == {f"qnn-{kind}-{name}" for kind in ("fp16", "w8a8") for name in (ELITE, GEN_2)}
    for name, report in reports.items():
        found = {one.metric: one.value for one in report.measurements}
        assert report.evidence is Evidence.EMULATED
        assert (found["npu_fallback_ops"], found["npu_partitions"]) == (0, 1)
        assert found["psnr_vs_float_worst_db"] >= (60 if "fp16" in name else 45)
        estimate = next(one for one in report.measurements if one.metric == "npu_estimate_us")
        assert estimate.evidence is Evidence.COMPILER_ESTIMATE
        assert "SA8255, v73" in estimate.definition
    assert result.exit_code is Exit.PASS


@pytest.mark.npu
@pytest.mark.slow
def test_a_compiled_artifact_is_like_any_other(exported, qnn, tmp_path):
    """It is found beside its golden pictures, runs photographs through the same pipeline, and names its processor."""
    whole = compiling.compile(compiling.CompileRequest(str(exported / "onnx-float"), (ELITE,), tmp_path)).artifacts[0]
    runner = pipelines.open(whole, engines.load("qnn", compiling.interpreter()))
    pixels = np.asarray(Image.open(exported.parent / "dandelion.png"))[:24]
    mine = pipelines.open(artifact.load(exported / "onnx-float"), "onnx").enhance(pixels)
    np.testing.assert_allclose(runner.enhance(pixels), mine, atol=0.02)
    with pytest.raises(BadArtifactError, match=f"not for {GEN_2}"):
        verify(VerifyRequest(str(whole.folder), golden=exported / "golden.npz", npus=(GEN_2,)))


@pytest.mark.npu
def test_dncnn_is_whole_and_good_on_snapdragon(tmp_path, qnn):
    """Float, computed in fp16, a tile of 64 in place of the shipped 256: one piece, nothing on the CPU, 60 dB."""
    with Image.open(demo.photos()[0]) as photo:
        photo.crop((400, 400, 480, 480)).save(tmp_path / "crop.png")
    export(
        ExportOptions(
            "dncnn", ("onnx",), output=tmp_path / "export", strip_rows=64, width=64, photos=(tmp_path / "crop.png",)
        )
    )
    (section,) = verify(VerifyRequest(str(tmp_path / "export"), npus=(ELITE,))).document.sections
    found = {one.metric: one.value for one in section.report.measurements}
    assert (found["npu_fallback_ops"], found["npu_partitions"]) == (0, 1)
    assert found["psnr_vs_float_worst_db"] >= 60
    assert section.report.notes["rows"].startswith("1 tile of 64 x 64 with its halo of each photograph")
