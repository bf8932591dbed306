"""PT2E: trained weights, what the files carry of it, and formats that cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from viewfinder.artifact import GraphFile
from viewfinder.errors import CheckFailedError, UsageError
from viewfinder.export import exporter
from viewfinder.export.request import Conversion, Graph
from viewfinder.quantize import executorch, pt2e, ranges, round_trip
from viewfinder.quantize.job import GraphJob, Tuning
from viewfinder.recipe import Recipe, Rule
from viewfinder.runtime import engines
from viewfinder.task import TensorSpec

pytestmark = pytest.mark.slow

SHAPE = (1, 3, 16, 16)
SPECS = TensorSpec("image", SHAPE), TensorSpec("made", (1, 4, 16, 16), value_range=None)
W8A8 = Recipe("w8a8", (Rule(weights="int8", activations="int8"),))


def network() -> nn.Module:
    """Three convolutions whose channels differ much in size, so that rounding costs something."""
    torch.manual_seed(3)
    made = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1)
    )
    with torch.no_grad():
        made[0].weight[::2] *= 40
        made[0].weight[1::2] *= 0.3
    return made.eval().requires_grad_(requires_grad=False)


def job(folder, **changes) -> GraphJob:
    """Ask for w8a8 of the network on smooth pictures."""
    rng = np.random.default_rng(2)
    waves = [np.cumsum(rng.standard_normal(SHAPE), -1).astype(np.float32) / 4 for _ in range(12)]
    feeds = tuple({"image": wave} for wave in waves)
    file_format = changes.get("format", "onnx")
    writer = exporter.format_module(file_format)

    def converted(name, module, path):
        """Write a module in the format."""
        graph = Graph(name, module, (torch.zeros(SHAPE),), SPECS[:1], SPECS[1:])
        return writer.convert(Conversion(graph, path, "float", {}, is_rounded=True))

    given = {"recipe": W8A8, "feeds": feeds, "network": (network(), (torch.zeros(SHAPE),)), "convert": converted}
    return GraphJob("model", folder / "none", folder / f"model{writer.SUFFIX}", **given | changes)


def test_training_helps_on_inputs_that_it_never_saw(tmp_path):
    """With one scale for channels of unlike size, a hundred steps lower the error on held-out inputs."""
    coarse = Recipe("w8a8", (Rule(weights="int8", activations="int8", granularity="tensor"),))
    told = pt2e.quantized(job(tmp_path, recipe=coarse, tuning=Tuning(100, 1e-3, 0.0))).notes["training"]
    assert told["kept"]
    assert told["error_after"] < 0.97 * told["error_before"]


class Padded(nn.Module):
    """A convolution, zeros around what it gives, and another one."""

    def __init__(self):
        """Make the layers."""
        super().__init__()
        torch.manual_seed(3)
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3)

    def forward(self, image):
        """Return as many rows and columns as `image` has."""
        return self.second(nn.functional.pad(torch.relu(self.first(image)), (2, 2, 2, 2)))


def test_what_is_only_moved_shares_its_range(tmp_path):
    """A padded tensor keeps the scale of the tensor that was padded, whatever training does: runtimes copy integers."""
    asked = job(tmp_path, network=(Padded().eval(), (torch.zeros(SHAPE),)), tuning=Tuning(1))
    found = []
    for shift in (0.0, -0.5):
        prepared, _ = pt2e._prepared(asked)
        pt2e._observe(prepared, list(pt2e._tensors(asked)))
        trained = ranges.Trained(prepared)
        assert len(trained.parameters) == 3
        with torch.no_grad():
            for number, factors in enumerate(trained.parameters):
                factors.fill_(shift * (number + 1))
        trained.settle()
        found.append([scale for scale, _ in pt2e.scales(pt2e._rounded(prepared, is_folded=True))["activations"]])
    first, relu, padded, last = (after / before for before, after in zip(*found, strict=True))
    assert relu == padded
    assert [first, relu, last] == pytest.approx(list(np.exp([-0.5, -1, -1.5])), rel=1e-5)


class Residual(nn.Module):
    """What a convolution gives is added to what it was given, as coremltools likes to normalize it."""

    def __init__(self):
        """Make the layers."""
        super().__init__()
        torch.manual_seed(3)
        self.first, self.second, self.last = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 1)

    def forward(self, image):
        """Return four channels."""
        before = self.first(image)
        return self.last(torch.relu(before + self.second(before)))


def test_core_ml_keeps_the_scales_around_a_sum(tmp_path):
    """All scales of summands and sum are in the package as they are."""
    own = Residual().eval().requires_grad_(requires_grad=False), (torch.zeros(SHAPE),)
    notes = pt2e.quantize(job(tmp_path, network=own, format="coreml"))
    count, of = notes["round_trip"]["activations"].split(" of ")
    assert count == of
    assert int(of) >= 4


def test_programs_hold_scales_and_zero_points(tmp_path):
    """A program gives XNNPACK every pair of the graph; another zero point is not in it."""
    asked = job(tmp_path, format="executorch")
    made = pt2e.quantized(asked)
    executorch.lowered(asked, made.module)
    wanted = pt2e.scales(made.module)
    told = round_trip.checked("model", asked.target, wanted)
    assert told["weights"] == "20 of 20"
    assert int(told["activations"].split(" of ")[1]) >= 3
    shifted = [(scale, zero + 1) for scale, zero in wanted["activations"]]
    with pytest.raises(CheckFailedError, match="of activations are not in model"):
        round_trip.checked("model", asked.target, wanted | {"activations": shifted})


@pytest.mark.parametrize("file_format", ["onnx", "tflite", "coreml"])
def test_files_carry_what_was_trained(tmp_path, monkeypatch, file_format):
    """Every scale and zero point of the trained graph stands in the file, which computes what the graph does.

    But for a step of rounding; and the network itself keeps its weights.
    """
    asked = job(tmp_path, tuning=Tuning(5, 2e-4), format=file_format)
    weights = {name: value.clone() for name, value in asked.network[0].state_dict().items()}
    made = pt2e.quantized(asked)
    monkeypatch.setattr(pt2e, "quantized", lambda _job: made)  # training twice would give the same
    notes = pt2e.quantize(asked)
    assert notes["round_trip"]["weights"] == "20 of 20"
    count, of = notes["round_trip"]["activations"].split(" of ")
    assert count == of
    assert int(of) >= 3
    assert all(torch.equal(value, weights[name]) for name, value in asked.network[0].state_dict().items())
    graph = GraphFile("model", asked.target.name, SPECS[:1], SPECS[1:])
    run = engines.for_format(file_format).open(asked.target, graph, 1)
    step = max(scale for scale, _ in pt2e.scales(made.module)["activations"])
    for feed in asked.feeds[:3]:
        with torch.no_grad():
            expected = made.module(torch.from_numpy(feed["image"])).numpy()
        assert np.abs(run(feed)["made"] - expected).max() <= 2 * step


def test_training_that_harms_is_not_kept(tmp_path):
    """A step far too large makes it worse: the weights from before come back."""
    made = pt2e.quantized(job(tmp_path, tuning=Tuning(3, 10.0)))
    assert not made.notes["training"]["kept"]
    plain = pt2e.quantized(job(tmp_path, tuning=Tuning(1, 0.0, 0.0)))
    feed = torch.from_numpy(job(tmp_path).feeds[0]["image"])
    with torch.no_grad():
        assert torch.equal(made.module(feed), plain.module(feed))


def test_a_scale_that_got_lost_is_told(tmp_path):
    """A file whose scales are others is refused: the trained ones are not in it."""
    import onnx
    from onnx import numpy_helper

    plain = job(tmp_path).convert

    def scaled(name, module, path):
        """Change one scale after writing."""
        notes = plain(name, module, path)
        model = onnx.load(str(path))
        scale = next(node.input[1] for node in model.graph.node if node.op_type == "QuantizeLinear")
        (item,) = [one for one in model.graph.initializer if one.name == scale]
        item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item) * np.float32(1.01), scale))
        onnx.save(model, str(path))
        return notes

    with pytest.raises(CheckFailedError, match="scales of activations are not in"):
        pt2e.quantize(job(tmp_path, convert=scaled))


def test_without_the_network_nothing_is_trained(tmp_path):
    """A file alone has no weights to train."""
    with pytest.raises(UsageError, match="none is known"):
        pt2e.quantized(job(tmp_path, network=None))
