"""ExecuTorch: the network is quantized by PT2E, and runs in the runtime with everything delegated."""

from __future__ import annotations

import pytest
from tests.export.networks import small_task
from tests.quantize import grids

from viewfinder.errors import UsageError
from viewfinder.quantize import defaults, executorch, pt2e, quantizer
from viewfinder.quantize.job import GraphJob
from viewfinder.quantize.quantizer import Aids

pytestmark = pytest.mark.slow


def networks(parent):
    """Cut the small HDRNet as it was cut for the artifact."""
    from viewfinder.export import exporter
    from viewfinder.export.request import ExportRequest

    task = small_task()
    cut = exporter.pipeline_module(task.pipeline).cut(task, task.build(), ExportRequest(parent.format))
    return {graph.name: (graph.module, graph.examples) for graph in cut.graphs}


def test_small_hdrnet(small, tmp_path):
    """w8a8: near the float grid, delegated whole, the last layer and what is behind it float."""
    parent = small("executorch")
    aids = Aids({"coefficients": grids.feeds()}, networks=networks(parent))
    done = quantizer.quantize(parent, defaults.recipe(parent, "w8a8"), tmp_path / "out", aids)
    assert grids.snr(done, parent) > 25
    notes = done.graphs[0].notes
    assert notes["not_delegated"] == {}
    assert notes["rules"]["w8a8"] > 10
    assert notes["rules"]["float"] > 0
    assert done.graphs[1].sha256 == parent.graphs[1].sha256


def test_what_stays_float_is_left_alone(small, tmp_path):
    """No observer stands before concatenations and slices behind the last layer, where XNNPACK's annotation spreads."""
    parent = small("executorch")
    recipe = defaults.recipe(parent, "w8a8")
    network = networks(parent)["coefficients"]
    job = GraphJob("coefficients", tmp_path, tmp_path, recipe, grids.feeds(), network=network)
    prepared, _ = pt2e._prepared(job)
    behind = [node for node in prepared.graph.nodes if node.name.startswith(("cat", "slice", "sub", "mul"))]
    assert behind
    read = [given.name for node in behind for given in node.all_input_nodes]
    assert not [name for name in read if name.startswith("activation_post_process")]


def test_a_file_alone_is_not_enough(small, tmp_path):
    """Without the network there is nothing to quantize."""
    parent = small("executorch")
    aids = Aids({"coefficients": grids.feeds()})
    with pytest.raises(UsageError, match="PyTorch network"):
        quantizer.quantize(parent, defaults.recipe(parent, "w8a8"), tmp_path / "out", aids)


def test_another_network_is_noticed(small):
    """The artifact's own network agrees with it, one with a changed weight does not."""
    import torch

    parent = small("executorch")
    feed = grids.feeds()[1]
    network, expected = networks(parent)["coefficients"], grids.grid(parent, feed)
    assert executorch.agrees(network, feed, expected)
    with torch.no_grad():
        next(iter(network[0].parameters())).mul_(1.5)
    assert not executorch.agrees(network, feed, expected)
