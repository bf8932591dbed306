"""A real HDRNet artifact for the gate's tests, and the mistakes that are made with such artifacts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from PIL import Image

from viewfinder import artifact, demo, golden
from viewfinder.verbs.export import ExportOptions, export

NAME = "onnx-float"
WIDTH, HEIGHT = 96, 72
POLICY = """version: 1
baseline: baseline.json
limits:
  against_float: {worst_psnr_db: 80}
  against_truth:
    drop_db: 0.1
  against_baseline:
    drop_vs_truth_db: 0.1
    drop_vs_float_db: 1
    worst_drop_db: 0.3
gates:
  - model: hdrnet
    targets: [onnx]
    precisions: [float]
    artifacts: export
"""
Insert = Callable[[str, str], tuple[list[onnx.NodeProto], list[onnx.TensorProto]]]
"""From the names of a tensor before and after to the nodes between and their constants."""


def photographs(folder: Path) -> Path:
    """Write two views of each photograph of the package, 96 x 72: dark, mid and bright ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in demo.photos():
        with Image.open(path) as opened:
            whole = opened.convert("RGB")
        scale = 2 * max(WIDTH / whole.width, HEIGHT / whole.height)
        small = whole.resize((round(whole.width * scale), round(whole.height * scale)), Image.Resampling.LANCZOS)
        right, bottom = small.width - WIDTH, small.height - HEIGHT
        small.crop((0, 0, WIDTH, HEIGHT)).save(folder / f"{path.stem}-a.png")
        small.crop((right, bottom, right + WIDTH, bottom + HEIGHT)).save(folder / f"{path.stem}-b.png")
    return folder


def build(folder: Path) -> Path:
    """Export HDRNet with its shipped weights for pictures as wide as these, and write a policy beside it."""
    places = (photographs(folder / "photos"),)
    options = ExportOptions("hdrnet", ("onnx",), output=folder / "export", width=WIDTH, strip_rows=24, photos=places)
    export(replace(options, use_cache=False))
    (folder / "gate.yaml").write_text(POLICY)
    return folder


def reseal(folder: Path) -> None:
    """Write the manifest again, as a build does that does not know what it has done."""
    path = folder / artifact.MANIFEST
    artifact.write_manifest(artifact._parse(path.parent), folder)


def flip(path: Path, mask: int = 1) -> None:
    """Flip a bit in the middle of a file, which is in the weights."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= mask
    path.write_bytes(data)


def insert(path: Path, name: str, nodes: Insert) -> None:
    """Put nodes behind the input `name` of an ONNX file."""
    model = onnx.load(path)
    new = f"{name}_changed"
    for node in model.graph.node:
        node.input[:] = [new if one == name else one for one in node.input]
    made, constants = nodes(name, new)
    for node in reversed(made):
        model.graph.node.insert(0, node)
    model.graph.initializer.extend(constants)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def swapped(before: str, after: str) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Exchange red and blue."""
    order = numpy_helper.from_array(np.array([2, 1, 0]), "swap_order")
    return [helper.make_node("Gather", [before, "swap_order"], [after], axis=1)], [order]


def shifted(before: str, after: str) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Move by one pixel to the right; the edge is repeated."""
    pads = numpy_helper.from_array(np.array([0, 0, 0, 1, 0, 0, 0, -1]), "shift_pads")
    return [helper.make_node("Pad", [before, "shift_pads"], [after], mode="edge")], [pads]


def add_noise(path: Path, name: str, strength: float) -> None:
    """Add a fixed pattern of plus and minus `strength` to an output of an ONNX file."""
    model = onnx.load(path)
    (output,) = [one for one in model.graph.output if one.name == name]
    shape = [axis.dim_value for axis in output.type.tensor_type.shape.dim]
    for node in model.graph.node:
        node.output[:] = [f"{name}_clean" if one == name else one for one in node.output]
    model.graph.node.append(helper.make_node("Add", [f"{name}_clean", "noise"], [name]))
    model.graph.initializer.append(numpy_helper.from_array(strength * _signs(shape), "noise"))
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _signs(shape: Sequence[int]) -> NDArray[np.float32]:
    """Draw plus and minus ones."""
    return np.random.default_rng(0).choice(np.array([-1, 1], np.float32), size=tuple(shape))


def noise_for(drop_db: float, folder: Path) -> float:
    """Find the noise that costs the golden photographs so much PSNR against the truth, on average."""
    photos = golden.load(folder / golden.FILE).photos
    squared = [float(np.mean(np.square(photo.expected - photo.truth), dtype=np.float64)) for photo in photos]
    low, high = 0.0, 0.1
    for _ in range(40):
        middle = (low + high) / 2
        drop = float(np.mean([10 * np.log10(1 + middle**2 / error) for error in squared]))
        low, high = (middle, high) if drop < drop_db else (low, middle)
    return high
