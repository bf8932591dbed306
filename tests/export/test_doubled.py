"""Convolutions as the sum of two: the same numbers, and weights of twice 8 bits where they count."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from viewfinder import models
from viewfinder.errors import UsageError
from viewfinder.export import exporter
from viewfinder.export.lowering import doubled
from viewfinder.export.pipelines import tiles
from viewfinder.export.request import ExportRequest
from viewfinder.train.networks.dncnn import DnCNN


def network():
    """Return a small DnCNN whose third layer is an identity with small weights beside the ones."""
    torch.manual_seed(2)
    made = DnCNN(planes=1, depth=4).eval()
    with torch.no_grad():
        layer = made.layers[2]
        nn.init.dirac_(layer.weight)
        layer.weight.add_(0.003 * torch.randn_like(layer.weight))
        nn.init.normal_(made.layers[3].weight, std=0.02)
    return made


def of_kind(made, kind):
    """List the names of layers of a kind."""
    return [name for name, layer in made.named_modules() if isinstance(layer, kind)]


def test_the_numbers_stay():
    """In float the sum is what the layer computed, up to the order of a sum."""
    plain, picture = network(), doubled.example((1, 1, 32, 32))
    with torch.no_grad():
        assert (plain(picture) - doubled.lower(plain, picture)(picture)).abs().max() < 1e-6


def test_both_in_8_bits_are_16():
    """Rounded by a quantizer, the first stays as it is, and both together are a hundred times closer."""
    layer = network().layers[2]
    pair = doubled.Doubled(layer)
    assert torch.allclose(doubled.rounded(pair.main.weight), pair.main.weight, rtol=1e-6)
    both = pair.main.weight + doubled.rounded(pair.rest.weight)
    assert (both - layer.weight).abs().max() < 0.01 * (doubled.rounded(layer.weight) - layer.weight).abs().max()
    assert pair.rest.bias is None


def test_layers_that_cost_little_stay_single(monkeypatch):
    """The more may be lost, the fewer are doubled; first those that cost most, and the network given is left alone."""
    plain, picture = network(), doubled.example((1, 1, 32, 32))
    names = of_kind(plain, nn.Conv2d)
    with torch.no_grad():
        errors = {name: doubled._error(plain, name, picture, plain(picture)) for name in names}
    chosen = {}
    for least in (200.0, 60.0, 0.0):
        monkeypatch.setattr(doubled, "LEAST_DB", least)
        chosen[least] = of_kind(doubled.lower(plain, picture), doubled.Doubled)
    assert chosen[200.0] == names
    assert chosen[0.0] == []
    single = sum(errors[name] for name in names if name not in chosen[60.0])
    assert single <= 1e-6
    assert of_kind(plain, nn.Conv2d) == names


def test_the_form_is_asked_for():
    """`--form doubled` cuts it so; a form that pictures in tiles do not have is refused."""
    task = models.load("dncnn")
    plain = network()
    (graph,) = tiles.cut(task, plain, ExportRequest("onnx", form="doubled", strip_rows=64, width=64)).graphs
    assert of_kind(graph.module, doubled.Doubled)
    (graph,) = tiles.cut(task, plain, ExportRequest("onnx", strip_rows=64, width=64)).graphs
    assert not of_kind(graph.module, doubled.Doubled)
    with pytest.raises(UsageError, match="dncnn has no form 'tent'"):
        exporter.require_form(task, "tent")
