"""Whole jobs in place of single calls: what is asked, in which order, and what is not believed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from viewfinder.artifact import GraphFile
from viewfinder.errors import NotVerifiedError
from viewfinder.runtime import batched
from viewfinder.task import TensorSpec

NUMBER = (TensorSpec("x", (1,)),)
GRAPHS = tuple(GraphFile(name, f"{name}.onnx", NUMBER, (TensorSpec("y", (1,)),)) for name in ("first", "second"))
ARTIFACT = SimpleNamespace(graphs=GRAPHS, folder=Path("a"), path=lambda graph: Path(graph.file))


class Service:
    """Adds one, and keeps what it was asked."""

    name = "hosted:x"

    def __init__(self, answer=lambda x: x + 1):
        """Answer so."""
        self.answer, self.asked = answer, []

    def infer(self, path, samples):
        """Compute a job."""
        self.asked.append((path.stem, samples["x"].ravel().tolist()))
        return {"out": self.answer(samples["x"])}


@pytest.fixture(autouse=True)
def two_steps(monkeypatch):
    """Have a picture of n pixels pass each pixel through both graphs, as HDRNet does: the second needs the first."""

    def assemble(_artifact, graphs):
        def enhance(pixels):
            start = graphs["first"]({"x": np.float32(pixels[:1])})["y"]
            return np.concatenate([graphs["second"]({"x": start + np.float32([one])})["y"] for one in pixels])

        return SimpleNamespace(enhance=enhance)

    monkeypatch.setattr(batched.pipelines, "assemble", assemble)


def test_a_job_for_each_graph():
    """The second graph is asked with what the first really answered, all at once, and equal inputs only once."""
    service = Service()
    runner = batched.Runner(ARTIFACT, service)
    assert runner.enhance(np.array([1.0, 2.0, 2.0, 3.0])).tolist() == [4.0, 5.0, 5.0, 6.0]
    assert service.asked == [("first", [1.0]), ("second", [3.0, 4.0, 5.0])]
    runner.enhance(np.array([1.0, 9.0]))
    assert service.asked[2:] == [("second", [11.0])]


@pytest.mark.parametrize(
    "answer", [lambda x: x[:-1], lambda x: x[..., None], lambda x: x.astype(str), lambda x: np.float32(3)]
)
def test_answers_that_do_not_fit(answer):
    """Fewer samples, another shape, texts, a number: nothing is made of them."""
    with pytest.raises(NotVerifiedError, match="answers y of first as"):
        batched.Runner(ARTIFACT, Service(answer)).enhance(np.array([1.0]))


def test_a_pipeline_that_asks_for_ever(monkeypatch):
    """Inputs that are never the same: the number of jobs for a picture is bounded."""
    numbers = iter(range(1000))
    endless = SimpleNamespace(enhance=lambda _: None)

    def assemble(_artifact, graphs):
        graphs["first"]({"x": np.float32([next(numbers)])})
        return endless

    monkeypatch.setattr(batched.pipelines, "assemble", assemble)
    with pytest.raises(NotVerifiedError, match="more than 32 jobs"):
        batched.Runner(ARTIFACT, Service()).enhance(np.array([1.0]))
