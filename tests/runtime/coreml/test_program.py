from __future__ import annotations

import json
from contextlib import suppress

import numpy as np
import pytest
from tests.runtime.coreml import packages
from tests.runtime.coreml.packages import Op, Typed

from viewfinder.errors import BadArtifactError, NotVerifiedError
from viewfinder.runtime.coreml import Evaluator, program
from viewfinder.runtime.coreml.package import Package

X = ("x", "fp32", (2, 3))


@pytest.fixture
def scaled(tmp_path):
    """Write a package that multiplies by a weight from the weight file."""
    weight = Typed(np.float32([[1, 2, 3]]), "fp32", blob=True)
    ops = [
        Op("const", {}, [("w", "fp32", (1, 3))], {"val": weight}),
        Op("mul", {"x": "@x", "y": "@w"}, [("y", "fp32", (2, 3))]),
    ]
    return packages.write(tmp_path / "scaled.mlpackage", [X], ops, ["y"])


def test_a_weight_from_the_file(scaled):
    """The weight is found through its description."""
    x = np.float32([[1, 1, 1], [2, 2, 2]])
    np.testing.assert_array_equal(Evaluator(scaled)({"x": x})["y"], [[1, 2, 3], [2, 4, 6]])


def test_inputs_and_outputs_are_described(scaled):
    """Names, types and shapes stand in the program."""
    function = program.load(Package(scaled))
    assert [(t.name, t.dtype, t.shape) for t in function.inputs] == [X]
    assert function.outputs == ("y",)
    assert [op.type for op in function.operations] == ["const", "mul"]


CONSTANTS = [
    (np.float32([[1.5, -2]]), [[1.5, -2]]),
    (np.int32([3, -4]), [3, -4]),
    (np.bool_([True, False]), [True, False]),
    (Typed(np.float16([0.1]), "fp16"), [float(np.float16(0.1))]),
    (Typed(np.int8([-5, 6]), "int8", blob=True), [-5, 6]),
    (Typed([-3, 2, 7], "int4"), [-3, 2, 7]),
    (np.int32(0), 0),
]


@pytest.mark.parametrize(("constant", "want"), CONSTANTS)
def test_constants_of_every_kind(tmp_path, constant, want):
    """Floats, integers with signs, flags, raw bytes, packed values, scalars."""
    folder = packages.write(tmp_path / "c.mlpackage", [], [Op("const", {}, [("c", "fp32", ())], {"val": constant})], [])
    found = program.load(Package(folder)).operations[0].attributes["val"].value
    assert found.tolist() == want


def test_texts(tmp_path):
    """A text stays a text."""
    folder = packages.write(
        tmp_path / "c.mlpackage", [], [Op("const", {}, [("c", "string", ())], {"val": "custom"})], []
    )
    assert program.load(Package(folder)).operations[0].attributes["val"].value == "custom"


def test_every_truncation_is_explained(scaled):
    """A specification that ends anywhere gives a sentence that names the file, never another error."""
    path = scaled / "Data/com.apple.CoreML/model.mlmodel"
    data = path.read_bytes()
    for size in range(2, len(data), 7):
        path.write_bytes(data[:size])
        with pytest.raises((BadArtifactError, NotVerifiedError), match=r"scaled.mlpackage"):
            Evaluator(scaled)


def test_flipped_bytes_never_surprise(scaled):
    """Any damaged byte gives an error of ours, or a program that still runs."""
    path = scaled / "Data/com.apple.CoreML/model.mlmodel"
    data = path.read_bytes()
    for position in range(0, len(data), 3):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :])
        with suppress(BadArtifactError, NotVerifiedError):
            Evaluator(scaled)


def test_weights_that_are_cut(scaled):
    """A weight file that ends early names the package."""
    path = scaled / "Data/com.apple.CoreML/weights/weight.bin"
    path.write_bytes(path.read_bytes()[:70])
    with pytest.raises(BadArtifactError, match=r"weight.bin ends before byte 64"):
        Evaluator(scaled)


def test_weights_that_are_overwritten(scaled):
    """A description without its sentinel is noticed."""
    path = scaled / "Data/com.apple.CoreML/weights/weight.bin"
    path.write_bytes(path.read_bytes()[:64] + bytes(128))
    with pytest.raises(BadArtifactError, match="no weight at byte 64"):
        Evaluator(scaled)


def test_no_manifest(tmp_path):
    """A folder without a manifest is not a package."""
    with pytest.raises(BadArtifactError, match="not a Core ML package"):
        Evaluator(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rootModelIdentifier": "1", "itemInfoEntries": {}}'])
def test_a_damaged_manifest(tmp_path, text):
    """A manifest that is no manifest is named."""
    (tmp_path / "Manifest.json").write_text(text)
    with pytest.raises(BadArtifactError, match=r"Manifest.json cannot be read"):
        Evaluator(tmp_path)


def test_paths_stay_inside(scaled):
    """A manifest that points out of the package is refused."""
    manifest = scaled / "Manifest.json"
    data = json.loads(manifest.read_text())
    data["itemInfoEntries"]["1"]["path"] = "../../secret"
    manifest.write_text(json.dumps(data))
    with pytest.raises(BadArtifactError, match="outside of it"):
        Evaluator(scaled)


def test_older_kinds_of_models_are_not_run(tmp_path):
    """A neural network is no ML program; that is no damage, but nothing here can run it."""
    folder = packages.write(tmp_path / "nn.mlpackage", [X], [], ["x"])
    (folder / "Data/com.apple.CoreML/model.mlmodel").write_bytes(packages.whole(1, 4) + packages.part(500, b""))
    with pytest.raises(NotVerifiedError, match=r"not-run: .*nn.mlpackage is not an ML program"):
        Evaluator(folder)
