"""Move the weights of a network so that, in 8 bits, each layer makes up for the errors of those before it.

DnCNN's errors pass through up to 19 more layers, and some of its filters have one weight 20 times larger than the
others: rounded each for itself, all layers of dncnn-colour lost 0.21, 0.32 and 0.30 dB at sigma 15, 25 and 50 on four
smooth photographs that it was trained on, and refitted 0.07, 0.10 and 0.10 (float activations). Layer after layer is
fitted by least squares to the float layer's results, then rounded (`viewfinder.quantize.rounding.Fit`).

It works on PyTorch's own graph, node by node with all calibration inputs, so each passes once; a format's own tool
finds the weights on its grid afterwards.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from viewfinder.quantize import equalization, pt2e
from viewfinder.quantize.job import Feeds, GraphJob
from viewfinder.quantize.rounding import Fit, Layer

TOOLS = ("torch",)
MOST_FEEDS = 9
"""Calibration inputs that are run, evenly spaced; all are in memory at once, twice."""


def refitted(job: GraphJob) -> Any:
    """Return a copy of a graph's network whose weights lie on the grid of 8 bits where the recipe refits them."""
    import torch

    assert job.network is not None
    module = copy.deepcopy(job.network[0]).eval()
    # The exported graph shares its weights with the copy, so they are changed in both.
    exported = torch.export.export(module, job.network[1], strict=False).module()
    nodes = [node for node in exported.graph.nodes if node.op == "call_function"]
    rules = job.rules(map(pt2e.described, nodes))
    layers = {
        node: layer
        for node, rule in zip(nodes, rules, strict=True)
        if rule.is_refitted
        for layer in pt2e.layer_of(exported, node)
        if equalization.readers(exported, node) == 1
    }
    feeds = job.require_feeds()
    with torch.no_grad():
        _pass(exported, layers, feeds[:: -(-len(feeds) // MOST_FEEDS)])
    return module


def _pass(exported: Any, layers: Mapping[Any, Layer], feeds: Sequence[Feeds]) -> None:
    """Compute node after node for all feeds, float and rounded; change the weights of the `layers` on the way."""
    pairs = [(_run(exported, feed), _run(exported, feed)) for feed in feeds]
    for node in exported.graph.nodes:
        fit = layers[node].fit() if node in layers else None
        for exact, rounded in pairs:
            if fit is not None:
                fit.see(*(run.env[node.args[0]].numpy() for run in (rounded, exact)))
            _advance(exact, node)
        if fit is not None:
            _write(exported, node, fit)
        for _, rounded in pairs:
            _advance(rounded, node)


def _run(exported: Any, feed: Feeds) -> Any:
    """Start a run of the graph."""
    import torch

    made = torch.fx.Interpreter(exported)
    made.args_iter = iter([torch.from_numpy(array.copy()) for array in feed.values()])
    return made


def _advance(run: Any, node: Any) -> None:
    """Compute a node, and forget what nobody needs any more."""
    run.env[node] = run.run_node(node)
    for last in run.user_to_last_uses.get(node, ()):
        del run.env[last]


def _write(exported: Any, node: Any, fit: Fit) -> None:
    """Give a node its new weights, and its bias what keeps the mean."""
    import torch

    weight, shift = fit.fitted()
    equalization.constant(exported, node, 1).copy_(torch.from_numpy(weight))
    bias = equalization.constant(exported, node, 2)
    if bias is not None:
        bias.add_(torch.from_numpy(shift))
