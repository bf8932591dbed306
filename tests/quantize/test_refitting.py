"""Weights that make up for the layers before them, in the files of all formats that hold weights alone in 8 bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from viewfinder import artifact
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.errors import UsageError
from viewfinder.export import exporter
from viewfinder.export.request import Conversion, Graph
from viewfinder.quantize import quantizer, refitting
from viewfinder.quantize.job import GraphJob
from viewfinder.quantize.quantizer import Aids
from viewfinder.quantize.rounding import LEVELS, Fit, Window
from viewfinder.recipe import Recipe, Rule
from viewfinder.runtime import engines
from viewfinder.task import TensorSpec

SHAPE = (1, 1, 24, 24)
SPECS = TensorSpec("noisy", SHAPE, value_range=None), TensorSpec("denoised", SHAPE, value_range=None)
REFITTED = Recipe("w8", (Rule(weights="int8", rounding="refitted"),))


def network(depth: int = 6) -> nn.Sequential:
    """Convolutions with one large weight in every filter, as a network has that was made deeper by identities."""
    torch.manual_seed(5)
    layers: list[nn.Module] = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU()]
    for _ in range(depth):
        inner = nn.Conv2d(16, 16, 3, padding=1)
        with torch.no_grad():
            inner.weight.mul_(0.2)
            inner.weight[range(16), range(16), 1, 1] += 1
        layers += [inner, nn.ReLU()]
    made = nn.Sequential(*layers, nn.Conv2d(16, 1, 3, padding=1))
    return made.eval().requires_grad_(requires_grad=False)


def feeds(count: int, seed: int) -> tuple[dict[str, np.ndarray], ...]:
    """Make smooth pictures with noise."""
    rng = np.random.default_rng(seed)
    slopes = rng.uniform(0, 1, (count, 1, 24, 1)) * np.linspace(0, 1, 24)
    noise = 0.1 * rng.standard_normal((count, 1, 24, 24))
    return tuple({"noisy": one[None].astype(np.float32)} for one in slopes + noise)


def error(module, others) -> float:
    """Mean squared difference to the float network on pictures that were not seen."""
    pictures = torch.from_numpy(np.concatenate([feed["noisy"] for feed in others]))
    with torch.no_grad():
        return float((module(pictures) - network()(pictures)).square().mean())


def nearest() -> nn.Module:
    """Round every weight for itself."""
    made = network()
    with torch.no_grad():
        for weight in (one.weight for one in made if isinstance(one, nn.Conv2d)):
            scale = weight.abs().amax((1, 2, 3), keepdim=True) / LEVELS
            weight.copy_((weight / scale).round() * scale)
    return made


def job(recipe: Recipe = REFITTED) -> GraphJob:
    """Ask for weights in 8 bits."""
    examples = (torch.zeros(SHAPE),)
    return GraphJob("model", None, None, recipe, feeds(12, 1), network=(network(), examples))  # type: ignore[arg-type]


def test_layers_make_up_for_those_before_them():
    """On pictures that were not seen, less than half the error of rounding each weight for itself; all on the grid."""
    given = job()
    made = refitting.refitted(given)
    assert error(made, feeds(8, 2)) < 0.5 * error(nearest(), feeds(8, 2))
    for layer in (one for one in made if isinstance(one, nn.Conv2d)):
        steps = layer.weight / (layer.weight.abs().amax((1, 2, 3), keepdim=True) / LEVELS)
        assert float((steps - steps.round()).abs().max()) < 1e-3
    before = network()
    assert all(
        torch.equal(one, two) for one, two in zip(given.network[0].parameters(), before.parameters(), strict=True)
    )


def test_what_the_recipe_keeps_float_stays():
    """A layer that a rule keeps float has the weights that it had."""
    made = refitting.refitted(job(replace(REFITTED, rules=(*REFITTED.rules, Rule(match=r"\b4\.weight")))))
    assert torch.equal(made[4].weight, network()[4].weight)
    assert not torch.equal(made[2].weight, network()[2].weight)


def test_a_mean_that_moved_comes_back():
    """Where earlier layers shift an input, the bias takes the shift back."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    fit = Fit(weight, Window())
    was = rng.uniform(0, 1, (8, 3, 20, 20)).astype(np.float32)
    fit.see(was + np.float32(0.1), was)
    _, shift = fit.fitted()
    inner = 0.1 * weight.reshape(4, -1).sum(1)
    np.testing.assert_allclose(shift, -inner, atol=0.1 * np.abs(inner).max())


def parent(folder, file_format: str) -> Artifact:
    """Export the network."""
    writer = exporter.format_module(file_format)
    graph = GraphFile("model", f"model{writer.SUFFIX}", SPECS[:1], SPECS[1:])
    made = Artifact(folder, "own", file_format, "float", "tiles", {}, (graph,), recipe={"layout": "nchw"})
    with artifact.writing(made) as partial:
        write(file_format, network(), partial / graph.file)
    return artifact.load(folder)


def write(file_format: str, module: nn.Module, path) -> dict:
    """Write a module in a format."""
    graph = Graph("model", module, (torch.zeros(SHAPE),), SPECS[:1], SPECS[1:])
    return exporter.format_module(file_format).convert(Conversion(graph, path, "float", {}))


@pytest.mark.slow
@pytest.mark.parametrize("file_format", ["onnx", "tflite", "coreml"])
def test_files_hold_the_refitted_weights(tmp_path, file_format):
    """The file computes what the refitted network does, and is a third of the float one."""
    made = parent(tmp_path / "float", file_format)
    given = job()
    aids = Aids(
        {"model": given.feeds},
        networks={"model": given.network},
        rewrite=lambda _name, module, path: write(file_format, module, path),
    )
    result = quantizer.quantize(made, REFITTED, tmp_path / "w8", aids)
    graph, feed = result.graphs[0], feeds(1, 3)[0]
    found = engines.for_format(file_format).open(result.path(graph), graph, 1)(feed)["denoised"]
    with torch.no_grad():
        expected = refitting.refitted(given)(torch.from_numpy(feed["noisy"])).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert graph.notes["rules"]["w8"] >= 7
    with pytest.raises(UsageError, match="refits the weights of the graph model"):
        quantizer.quantize(made, REFITTED, tmp_path / "none", replace(aids, networks={}))
