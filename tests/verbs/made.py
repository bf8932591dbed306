"""A tiny exported model on disk, without PyTorch: an artifact whose one graph is a number, and its golden pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from skimage import data

from viewfinder import artifact, golden
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.golden import Golden, GoldenPhoto
from viewfinder.measurement import Evidence
from viewfinder.task import TensorSpec

TASK = "brighten"
WEIGHTS_SHA256 = "ab" * 32


def write_artifact(folder: Path, *, error: float = 0.0, **changes: Any) -> Artifact:
    """Write an artifact that brightens by 0.1 and errs by `error`; its file holds both."""
    kind, _, precision = folder.name.partition("-")
    spec = TensorSpec("image", (1, 3, 8, 8))
    graph = GraphFile("model", "model.json", (spec,), (TensorSpec("enhanced", (1, 3, 8, 8)),))
    fields = {
        "task": TASK,
        "format": kind,
        "precision": precision or "float",
        "weights_sha256": WEIGHTS_SHA256,
    } | changes
    made = Artifact(folder=folder, pipeline="tiles", parameters={}, graphs=(graph,), **fields)
    with artifact.writing(made) as partial:
        (partial / graph.file).write_text(json.dumps({"add": 0.1, "error": error}))
    return artifact.load(folder)


def write_golden(path: Path, **changes: Any) -> Golden:
    """Write golden pictures of two photographs, with a truth that is 0.01 brighter."""
    photos = []
    for name, pixels in (("astronaut", data.astronaut()[::6, ::6]), ("coffee", data.coffee()[::6, ::6])):
        expected = np.clip(pixels.astype(np.float32) / np.float32(255) + np.float32(0.1), 0, 1)
        photos.append(GoldenPhoto(name, np.asarray(pixels), expected, np.clip(expected + np.float32(0.01), 0, 1)))
    fields = {
        "task": TASK,
        "weights": "w",
        "weights_sha256": WEIGHTS_SHA256,
        "operator": "plus",
        "photos": tuple(photos),
    }
    return golden.write(path, Golden(**fields | changes))


class Engine:
    """Runs the artifacts of this module."""

    NAME, FORMAT, EVIDENCE, PACKAGE, TOOLCHAIN = "fake", "onnx", Evidence.MEASURED, "", ""

    def __init__(self, reason: str | None = None) -> None:
        """Be usable, unless there is a reason."""
        self.reason = reason
        self.opened = 0

    def probe(self) -> str | None:
        """Return the reason."""
        return self.reason

    def open(self, made: Artifact, _engine: object, _threads: int) -> Runner:
        """Open the pipeline (in place of `runtime.pipelines.open`) and count it."""
        self.opened += 1
        return Runner(json.loads(made.path(made.graphs[0]).read_text()))


class Runner:
    """The artifact at work."""

    def __init__(self, numbers: dict[str, float]) -> None:
        """Take what to add."""
        self.numbers = numbers

    def enhance(self, pixels: np.ndarray) -> np.ndarray:
        """Brighten, with the artifact's error."""
        return np.clip(pixels + np.float32(self.numbers["add"]), 0, 1) + np.float32(self.numbers["error"])
