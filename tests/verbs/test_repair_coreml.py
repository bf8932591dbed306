"""The verb `repair` on a Core ML program: a recipe is searched on the artifact itself, in the reference evaluator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data
from tests.runtime.bisect import nets

from viewfinder import artifact, golden
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.errors import Exit
from viewfinder.golden import GoldenPhoto
from viewfinder.runtime import pipelines, probes
from viewfinder.task import TensorSpec
from viewfinder.verbs.repair import RepairRequest, repair


def _program(path: Path) -> None:
    """Build the network with coremltools: convolutions with ReLU between them, in float32."""
    import coremltools as ct
    from coremltools.converters.mil import Builder as mb  # noqa: N813 as its documentation calls it

    shape = (1, 3, nets.SIDE, nets.SIDE)

    @mb.program(input_specs=[mb.TensorSpec(shape=shape)], opset_version=ct.target.iOS17)
    def program(image):
        shown = image
        for name, kernel in zip(nets.NAMES, nets.weights(), strict=True):
            is_last = name == "result"
            made = name if is_last else f"{name}_sum"
            shown = mb.conv(x=shown, weight=kernel, pad_type="same", name=made)
            shown = shown if is_last else mb.relu(x=shown, name=name)
        return shown

    model = ct.convert(
        program, convert_to="mlprogram", compute_precision=ct.precision.FLOAT32, skip_model_load=True,
        minimum_deployment_target=ct.target.iOS17,
    )  # fmt: skip
    model.save(str(path))


def _write(folder: Path) -> Artifact:
    """Write the float artifact."""
    shape = (1, 3, nets.SIDE, nets.SIDE)
    specs = TensorSpec("image", shape), TensorSpec("result", shape, value_range=None)
    graph = GraphFile("model", "model.mlpackage", specs[:1], specs[1:])
    parameters = {"tile": [nets.SIDE, nets.SIDE], "halo": 4, "scale": 1}
    made = Artifact(
        folder, "four", "coreml", "float", "tiles", parameters, (graph,), weights="w",
        weights_sha256=nets.WEIGHTS_SHA256,
    )  # fmt: skip
    with artifact.writing(made) as partial:
        _program(partial / graph.file)
    return artifact.load(folder)


@pytest.mark.slow
def test_a_program_is_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers are listed by their results, and the artifact that is written keeps the budget and the probes.

    Two of the eight: the evaluator is slow, and tests/verbs/test_repair.py has all of them.
    """
    monkeypatch.setattr(probes, "names", lambda: ["fine-texture", "shadow-ramp"])
    made = _write(tmp_path / "export" / "coreml-float")
    truth = nets.write_golden(tmp_path / "export")
    runner, random = pipelines.open(made, "coreml"), np.random.default_rng(3)
    photos = []
    for photo in truth.photos[:1]:
        expected = runner.enhance(photo.pixels)
        noisy = np.clip(expected + random.normal(0, 0.02, expected.shape), 0, 1).astype(np.float32)
        photos.append(GoldenPhoto(photo.name, photo.pixels, expected, noisy))
    golden.write(tmp_path / "export" / golden.FILE, replace(truth, photos=tuple(photos)))
    (tmp_path / "calibration").mkdir()
    for name, share in (("night", 0.2), ("day", 0.8), ("snow", 1.6)):
        shown = np.clip(data.coffee()[100:172, 200:272] / 255 * share, 0, 1)
        Image.fromarray((shown * 255).astype(np.uint8)).save(tmp_path / "calibration" / f"{name}.png")
    result = repair(
        RepairRequest(made.folder, 2.0, calibration_data=tmp_path / "calibration", output=tmp_path / "out", photos=1)
    )
    assert result.exit_code is Exit.PASS
    numbers = {one.metric: one for one in result.document.sections[0].report.measurements}
    assert numbers["repair_drop_vs_truth_worst_db"].value <= 2.0  # type: ignore[operator]
    assert set(numbers) >= {"probe_shadow_ramp_levels", "probe_values_not_finite"}
    search = result.document.sections[0].search
    assert search is not None
    assert [layer["name"] for layer in search["layers"]] == ["first_sum", "second_sum", "third_sum", "result"]
