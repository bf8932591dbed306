"""The quantize verb: what it takes, what it refuses before any work, and that its artifacts verify as any other."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.quantize import made as small
from tests.runtime.coreml import packages

from viewfinder import artifact, cli, demo, files, golden, photos
from viewfinder.artifact import GraphFile
from viewfinder.cli import quantizing
from viewfinder.errors import BadArtifactError, Exit, UsageError
from viewfinder.golden import Golden, GoldenPhoto
from viewfinder.photos import Photo
from viewfinder.quantize import quantizer
from viewfinder.quantize.calibration import CoverageError
from viewfinder.recipe import BadRecipeError, Recipe, Rule
from viewfinder.runtime import pipelines
from viewfinder.task import TensorSpec
from viewfinder.verbs import feeding
from viewfinder.verbs.quantize import QuantizeRequest, QuantizeResult, quantize
from viewfinder.verbs.verify import VerifyRequest, verify


@pytest.fixture
def parent(tmp_path):
    """Write a float ONNX artifact."""
    return small.write(tmp_path / "onnx-float", weights="w", weights_sha256="ab")


def asked(parent, **changes):
    """Ask for w8a8 of the artifact."""
    return replace(QuantizeRequest(str(parent.folder)), **changes)


def test_beside_the_float_artifact(parent, tmp_path):
    """The new artifact lies beside its parent, names it, and its recipe holds the calibration set."""
    lines = []
    result = quantize(asked(parent), lines.append)
    made = result.artifact
    assert made.folder == tmp_path / "onnx-w8a8"
    assert artifact.load(made.folder, parent=parent) == made
    used = made.recipe["calibration"]
    assert (used["coverage"], used["samples"]) == (1, 12)
    assert lines == ["quantizing onnx-float to onnx-w8a8"]
    json.dumps(result.to_dict())


def test_it_verifies_as_any_other(parent, tmp_path):
    """Verify runs the quantized artifact through the same pipeline and finds it near its float pictures."""
    pixels = photos.read(demo.photos()[0]).pixels[::16, ::16]
    output = pipelines.open(parent, "onnx", 1).enhance(pixels)
    one = GoldenPhoto("dandelion", np.ascontiguousarray(pixels), output, output)
    golden.write(tmp_path / golden.FILE, Golden("own", "w", "ab", "plus", (one,)))
    made = quantize(asked(parent)).artifact
    result = verify(VerifyRequest(str(made.folder), use_cache=False))
    report = result.document.sections[0].report
    limits = {one.metric: one.minimum for one in report.measurements if one.minimum is not None}
    assert limits["psnr_vs_float_worst_db"] == 45.0
    value = next(one.value for one in report.measurements if one.metric == "psnr_vs_float_worst_db")
    assert value > 40


def test_the_same_is_made_once(parent, tmp_path, monkeypatch):
    """A second request is served from the cache; other pictures, other bits and a damaged entry are not."""
    made = quantize(asked(parent, output=tmp_path / "one")).artifact
    asks = []
    tool = quantizer.quantize
    monkeypatch.setattr(quantizer, "quantize", lambda *given: asks.append(given) or tool(*given))
    again = quantize(asked(parent, output=tmp_path / "two")).artifact
    assert (again.sha256, again.folder, asks) == (made.sha256, tmp_path / "two" / "onnx-w8a8", [])
    quantize(asked(parent, samples=6))
    quantize(asked(parent, precision="w8"))
    quantize(asked(parent, use_cache=False))
    assert len(asks) == 3
    for path in files.cache_folder("artifacts").glob("*/model.onnx"):
        path.write_bytes(b"damaged")
    assert quantize(asked(parent, output=tmp_path / "three")).artifact.sha256 == made.sha256
    assert len(asks) == 4


def test_missing_strata_stop_before_any_work(parent, tmp_path):
    """A folder without dark and bright pictures exits 1 and names them; nothing is written; a lower limit takes it."""
    middle = Photo(np.full((8, 8, 3), 110, np.uint8))
    photos.write(tmp_path / "middle" / "one.png", middle)
    request = asked(parent, calibration_data=tmp_path / "middle")
    with pytest.raises(CoverageError, match="exposure=dark, exposure=bright") as caught:
        quantize(request)
    assert caught.value.exit_code == Exit.CHECK_FAILED
    assert not (tmp_path / "onnx-w8a8").exists()
    made = quantize(replace(request, min_coverage=0.3)).artifact
    assert made.recipe["calibration"]["name"] == "middle"
    assert made.recipe["calibration"]["missing"] == ["exposure=dark", "exposure=bright"]


def test_weights_alone_need_no_pictures(parent, tmp_path):
    """w8 does not look at calibration pictures."""
    made = quantize(asked(parent, precision="w8", calibration_data=tmp_path / "nothing")).artifact
    assert made.recipe["calibration"] is None


def test_own_recipes(parent, tmp_path):
    """A recipe file decides precision and rules; it comes back out of the manifest as it went in."""
    recipe = Recipe("mixed", (Rule(weights="int8", reason="mine"), Rule(match="predict", reason="kept")))
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(recipe.to_dict()))
    made = quantize(asked(parent, recipe=path)).artifact
    assert (made.precision, made.folder.name) == ("mixed", "onnx-mixed")
    assert Recipe.from_dict(made.recipe) == recipe
    with pytest.raises(BadRecipeError, match="recipe for mixed, not w8"):
        quantize(asked(parent, recipe=path, precision="w8"))


def test_recipes_of_another_tool(parent, tmp_path):
    """AI Edge Quantizer's JSON is for TFLite: an ONNX artifact refuses it and says so."""
    path = tmp_path / "aeq.json"
    path.write_text(json.dumps([{"regex": ".*", "operation": "*", "algorithm_key": "x", "op_config": {}}]))
    with pytest.raises(BadRecipeError, match="tflite"):
        quantize(asked(parent, recipe=path))


@pytest.mark.parametrize(
    ("changes", "error", "part"),
    [
        ({"precision": "w7"}, BadRecipeError, "w7"),
        ({"formats": ("gguf",)}, UsageError, "gguf"),
        ({"formats": ("tflite",)}, UsageError, "no float artifact of tflite"),
        ({"target": "moon"}, BadRecipeError, "moon"),
    ],
)
def test_unusable_words(parent, changes, error, part):
    """Unknown precisions, formats and targets are refused."""
    with pytest.raises(error, match=part):
        quantize(asked(parent, **changes))


@pytest.mark.parametrize(("precision", "name"), [("w8", "executorch"), ("w8a16", "coreml")])
def test_what_a_format_cannot_hold_is_refused_before_the_export(monkeypatch, precision, name):
    """A model is not exported, which takes minutes, for a file that cannot be."""
    from viewfinder.verbs import export

    monkeypatch.setattr(export, "export", lambda *_: pytest.fail("exported"))
    with pytest.raises(BadRecipeError, match=name) as refused:
        quantize(QuantizeRequest("dncnn", precision, formats=(name,)))
    assert refused.value.code == "not-in-this-format"


def test_coverage_is_a_share(parent):
    """A coverage of 70 is refused."""
    with pytest.raises(UsageError, match="coverage of 70"):
        asked(parent, min_coverage=70)


def test_no_artifact_there(tmp_path):
    """An empty folder is refused."""
    with pytest.raises(UsageError, match="no artifact"):
        quantize(QuantizeRequest(str(tmp_path)))


def test_quantized_artifacts_are_no_parents(parent):
    """A folder with both takes the float one; the quantized one by its own name is refused."""
    made = quantize(asked(parent, precision="w8")).artifact
    again = quantize(QuantizeRequest(str(parent.folder.parent), "w8a8"))
    assert [one.folder.name for one in again.artifacts] == ["onnx-w8a8"]
    with pytest.raises(BadArtifactError, match="w8 already"):
        quantize(QuantizeRequest(str(made.folder)))


def test_the_command(parent, capfd):
    """The command prints artifact, operators and coverage, and exits 2 for bad words."""
    assert cli.main(["quantize", str(parent.folder), "--precision", "static_wi8_ai8"]) == Exit.PASS
    told = capfd.readouterr().out
    assert "w8a8" in told
    assert "coverage 100%" in told
    assert told.endswith(f"next: viewfinder verify {parent.folder.parent / 'onnx-w8a8'}\n")
    assert cli.main(["quantize", str(parent.folder), "--precision", "w7"]) == Exit.USAGE
    assert "w7" in capfd.readouterr().err


def test_what_is_written_elsewhere_needs_the_golden_pictures(parent, tmp_path, capfd):
    """The last line is a command that works as it stands: beside the artifact, or with `--golden`."""
    pictures = parent.folder.parent / golden.FILE
    pictures.touch()
    for subject in (parent.folder, parent.folder.parent):
        assert cli.main(["quantize", str(subject), "--precision", "w8", "-o", str(tmp_path / "away")]) == Exit.PASS
        assert capfd.readouterr().out.endswith(f"--golden {pictures.resolve()}\n")
    assert cli.main(["quantize", str(parent.folder), "--precision", "w8"]) == Exit.PASS
    assert "--golden" not in capfd.readouterr().out


@pytest.mark.parametrize(("kept", "end"), [(True, "5e-05 -> 2e-05"), (False, "stay as they were")])
def test_training_and_scales_are_told(parent, kept, end):
    """What training won, or that nothing was won, and how many scales the file holds, stand in the result."""
    training = {"steps": 7, "error_before": 5e-5, "error_after": 2e-5, "kept": kept}
    notes = {"rules": {"w8a8": 3}, "training": training, "round_trip": {"activations": "4 of 4"}}
    made = replace(parent, recipe={"calibration": None}, graphs=(replace(parent.graphs[0], notes=notes),))
    result = QuantizeResult((made,))
    told = quantizing._quantized(result, "hdrnet").splitlines()
    assert told[-3].endswith(end)
    assert told[-2].endswith("found in the file: 4 of 4 of activations")
    assert result.to_dict()["artifacts"][0]["training"] == {"model": training}


def test_feeds_are_what_the_graph_was_given(parent):
    """Recorded inputs are tiles of the photograph, spread over it, and at most the number promised."""
    pixels = photos.read(demo.photos()[0]).pixels[::8, ::8]
    (feeds,) = feeding.record(parent, [pixels]).values()
    assert 1 < len(feeds) <= feeding.FEEDS_PER_PHOTO
    assert all(feed["image"].shape == (1, 3, small.SIDE, small.SIDE) for feed in feeds)
    assert not np.array_equal(feeds[0]["image"], feeds[-1]["image"])
    assert np.allclose(feeds[0]["image"][0, :, 2:, 2:].transpose(1, 2, 0), pixels[:14, :14] / np.float32(255))


def test_a_graph_whose_output_nobody_reads_is_not_run(parent, monkeypatch):
    """What it is given is all that counts: a network of tiles is not loaded; a grid, which strips read, is made."""

    class Unopened:
        """An engine that is there and opens nothing."""

        def probe(self):
            """Be there."""

    monkeypatch.setattr(feeding.engines, "for_format", lambda _format: Unopened())
    pixels = photos.read(demo.photos()[0]).pixels[::8, ::8]
    (feeds,) = feeding.record(parent, [pixels]).values()
    assert len(feeds) > 1
    grid, picture = TensorSpec("grid", (1,)), TensorSpec("picture", (1,))
    first, second = GraphFile("a", "a.onnx", (picture,), (grid,)), GraphFile("b", "b.onnx", (grid,), (picture,))
    both = replace(parent, graphs=(first, replace(second, inputs=(grid,))))
    assert [feeding._is_read(both, graph) for graph in both.graphs] == [True, True]
    both = replace(parent, graphs=(first, replace(second, outputs=(TensorSpec("shown", (1,)),))))
    assert [feeding._is_read(both, graph) for graph in both.graphs] == [True, False]


def test_recording_stops_behind_the_first_graph(tmp_path):
    """Where only the first graph is asked for, the one behind it is never run."""
    calls = []
    recorder = feeding.Recorder(lambda feeds: calls.append(1) or feeds)
    for number in range(100):
        recorder({"x": np.array(number)})
    kept = [int(feed["x"]) for feed in recorder.kept]
    assert len(calls) == 100
    assert len(kept) <= 2 * feeding.FEEDS_PER_PHOTO
    assert np.ptp(np.diff(kept)) == 0
    assert kept[-1] >= 80


def test_ranges_of_core_ml_tensors(tmp_path):
    """The observer sees inputs and results by name, over all feeds."""
    package = packages.write(
        tmp_path / "m.mlpackage",
        [("x", "fp32", (2,))],
        [packages.Op("mul", {"x": "@x", "y": np.float32(3)}, [("y", "fp32", (2,))])],
        ["y"],
    )
    feeds = [{"x": np.array([-1.0, 2.0], np.float32)}, {"x": np.array([0.0, 4.0], np.float32)}]
    assert feeding.ranges(package, feeds) == {"x": (-1.0, 4.0), "y": (-3.0, 12.0)}
