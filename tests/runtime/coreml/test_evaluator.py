from __future__ import annotations

import numpy as np
import pytest
from tests.runtime.coreml import packages
from tests.runtime.coreml.packages import Op

from viewfinder import demo, photos
from viewfinder.errors import BadArtifactError, Exit, NotVerifiedError
from viewfinder.runtime.coreml import Evaluator

X = ("x", "fp32", (4,))


def test_an_unknown_operation_is_named(tmp_path):
    """It ends with exit code 3 and the operation's name, never with a number."""
    folder = packages.one(tmp_path / "p", "warp_drive", {"x": np.zeros(4, np.float32)}, {}, (4,))
    with pytest.raises(NotVerifiedError, match=r"^not-run: op warp_drive") as error:
        Evaluator(folder)
    assert error.value.exit_code is Exit.NOT_VERIFIED


def test_every_operation_rounds_to_its_type(tmp_path):
    """Of a product in fp16 and a sum in fp32, the product alone is rounded."""
    ops = [
        Op("mul", {"x": "@x", "y": np.float32(3)}, [("a", "fp16", (4,))]),
        Op("add", {"x": "@a", "y": np.float32(1e-5)}, [("y", "fp32", (4,))]),
    ]
    x = np.float32([0.1, 0.7, 300.3, 1e-7])
    y = Evaluator(packages.write(tmp_path / "p", [X], ops, ["y"]))({"x": x})["y"]
    want = (x * np.float32(3)).astype(np.float16).astype(np.float32) + np.float32(1e-5)
    np.testing.assert_array_equal(y, want)


def test_inputs_round_to_their_type(tmp_path):
    """An fp16 input loses what fp16 cannot hold."""
    ops = [Op("identity", {"x": "@x"}, [("y", "fp16", (1,))])]
    y = Evaluator(packages.write(tmp_path / "p", [("x", "fp16", (1,))], ops, ["y"]))({"x": np.float32([0.1])})["y"]
    assert y == np.float16(0.1)
    assert y.dtype == np.float32


def test_a_cast_to_int_truncates(tmp_path):
    """Towards zero, as in C."""
    ops = [
        Op("cast", {"x": "@x", "dtype": "int32"}, [("a", "int32", (4,))]),
        Op("cast", {"x": "@a", "dtype": "fp32"}, [("y", "fp32", (4,))]),
    ]
    y = Evaluator(packages.write(tmp_path / "p", [X], ops, ["y"]))({"x": np.float32([1.9, -1.9, 2.5, 0])})["y"]
    assert y.tolist() == [1, -1, 2, 0]


def test_constants_are_folded(tmp_path):
    """What depends on constants alone is computed once, at load."""
    ops = [
        Op("const", {}, [("c", "fp32", (4,))], {"val": np.float32([1, 2, 3, 4])}),
        Op("square", {"x": "@c"}, [("d", "fp32", (4,))]),
        Op("add", {"x": "@x", "y": "@d"}, [("y", "fp32", (4,))]),
    ]
    evaluator = Evaluator(packages.write(tmp_path / "p", [X], ops, ["y"]))
    assert [step.type for step in evaluator._steps] == ["add"]
    assert evaluator({"x": np.zeros(4, np.float32)})["y"].tolist() == [1, 4, 9, 16]


def test_a_constant_and_an_input_can_be_outputs(tmp_path):
    """Outputs need not be computed."""
    ops = [Op("const", {}, [("c", "fp32", (4,))], {"val": np.float32([1, 2, 3, 4])})]
    outputs = Evaluator(packages.write(tmp_path / "p", [X], ops, ["c", "x"]))({"x": np.zeros(4, np.float32)})
    assert outputs["c"].tolist() == [1, 2, 3, 4]
    assert outputs["x"].tolist() == [0, 0, 0, 0]


def test_dead_tensors_are_forgotten(tmp_path):
    """Each tensor goes after its last reader, results nobody reads at once; outputs stay."""
    ops = [
        Op("relu", {"x": "@x"}, [("a", "fp32", (4,))]),
        Op("abs", {"x": "@a"}, [("unread", "fp32", (4,))]),
        Op(
            "concat",
            {"values": ["@a", "@x"], "axis": np.int32(0), "interleave": np.bool_(False)},
            [("y", "fp32", (8,))],
        ),
    ]
    steps = Evaluator(packages.write(tmp_path / "p", [X], ops, ["y"]))._steps
    assert [set(step.done) for step in steps] == [set(), {"unread"}, {"a", "x"}]


def test_results_do_not_alias_inputs_or_each_other(tmp_path):
    """The caller may reuse its arrays, and keep results over the next call."""
    evaluator = Evaluator(packages.one(tmp_path / "p", "relu", {"x": np.zeros(4, np.float32)}, {}, (4,)))
    x = np.float32([1, 2, 3, 4])
    first = evaluator({"x": x})["y"]
    x[:] = 7
    second = evaluator({"x": x})["y"]
    assert first.tolist() == [1, 2, 3, 4]
    assert second.tolist() == [7, 7, 7, 7]


def test_identity_copies(tmp_path):
    """An output that is an input is a copy of it."""
    evaluator = Evaluator(packages.one(tmp_path / "p", "identity", {"x": np.zeros(4, np.float32)}, {}, (4,)))
    x = np.ones(4, np.float32)
    y = evaluator({"x": x})["y"]
    x[:] = 5
    assert y.tolist() == [1, 1, 1, 1]


def test_a_result_of_another_shape_is_damage(tmp_path):
    """The declared shape is checked after every operation."""
    folder = packages.one(tmp_path / "p", "relu", {"x": np.zeros(4, np.float32)}, {}, (5,))
    with pytest.raises(BadArtifactError, match=r"op relu \(y\) cannot be computed: .*declares \(5,\)"):
        Evaluator(folder)({"x": np.zeros(4, np.float32)})


def test_a_kernel_that_fails_names_the_operation(tmp_path):
    """A damaged constant does not end in a traceback."""
    x = np.zeros(4, np.float32)
    folder = packages.one(tmp_path / "p", "reshape", {"x": x}, {"shape": np.int32([3])}, (3,))
    with pytest.raises(BadArtifactError, match="op reshape"):
        Evaluator(folder)({"x": x})


def test_a_photograph_through_a_small_network(tmp_path):
    """Convolution, activation and mixing on a real picture, against scipy."""
    from scipy import ndimage

    picture = photos.read(demo.photos()[0]).pixels[::20, ::20].astype(np.float32) / 255
    image = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)
    kernel = np.float32([[1, 2, 1], [0, 0, 0], [-1, -2, -1]])
    weight = np.zeros((3, 3, 3, 3), np.float32)
    for channel in range(3):
        weight[channel, channel] = kernel
    ops = [
        Op(
            "conv",
            {"x": "@x", "weight": weight, "pad_type": "custom", "pad": np.int32([1, 1, 1, 1])},
            [("a", "fp32", image.shape)],
        ),
        Op("abs", {"x": "@a"}, [("y", "fp32", image.shape)]),
    ]
    y = Evaluator(packages.write(tmp_path / "p", [("x", "fp32", image.shape)], ops, ["y"]))({"x": image})["y"]
    want = [np.abs(ndimage.correlate(plane, kernel, mode="constant")) for plane in image[0]]
    np.testing.assert_allclose(y[0], want, atol=2e-6)
