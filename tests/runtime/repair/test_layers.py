"""What a recipe decides about: layers with their weights and work, and the operators that follow them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.runtime.bisect import nets

from viewfinder.runtime.repair import layers


@pytest.mark.parametrize(("kind", "layout"), [("onnx", "NCHW"), ("tflite", "NHWC")])
def test_layers_are_listed_with_weights_and_work(tmp_path: Path, kind: str, layout: str) -> None:
    """Both formats list the same four convolutions with the same counts, each with an expression for it alone."""
    model = nets.onnx_float() if kind == "onnx" else nets.tflite_float()
    made = nets.write(tmp_path / f"{kind}-float", model, layout)
    ops = layers.graph_ops(made)
    found = layers.listed(made, ops, ["model"])
    counts = [8 * 3 * 9, 8 * 8 * 9, 8 * 8 * 9, 3 * 8 * 9]
    assert [one.weights for one in found] == counts
    assert [one.macs for one in found] == [count * nets.SIDE**2 for count in counts]
    names = [layers.meant_by(kind, op) for op in ops["model"]]
    for one in found:
        assert [name for name in names if re.search(one.match, name)] == [one.key.removeprefix("model: ")]


def test_operators_without_weights_follow_their_layers(tmp_path: Path) -> None:
    """A ReLU belongs to the convolution before it."""
    made = nets.write(tmp_path / "onnx-float", nets.onnx_float())
    found = layers.followers(made, layers.graph_ops(made), ["model"])
    assert {one.name: one.layers for one in found} == {
        f"relu_{name}": frozenset({f"model: conv_{name}"}) for name in nets.NAMES[:3]
    }


def test_the_share_in_integers_is_of_the_work(tmp_path: Path) -> None:
    """The share counts multiply-accumulates, not layers."""
    made = nets.write(tmp_path / "onnx-float", nets.onnx_float())
    listed = layers.listed(made, layers.graph_ops(made), ["model"])
    kinds = {layer.key: "float" for layer in listed} | {listed[0].key: "w8a8"}
    assert layers.integer_share(listed, kinds, "w8a8") == pytest.approx(216 / (216 + 576 + 576 + 216))
