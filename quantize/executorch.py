"""ExecuTorch: a ``.pte`` cannot be quantized again, so the float network is (PT2E: torch.export, torchao, XNNPACK).

PyTorch is imported here because PT2E works on PyTorch's own graph and no file format holds that.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from viewfinder.errors import UsageError
from viewfinder.quantize import compensation
from viewfinder.quantize.job import Feeds, GraphJob, abilities, counts
from viewfinder.quantize.rounding import Layer, Window
from viewfinder.recipe import Operator, Rule

TOOLS = ("torch", "torchao", "executorch")
ABILITIES = abilities(
    "int8",
    "int8",
    "XNNPACK computes int8 weights with int8 activations (w8a8); for half precision, `viewfinder export` it with fp16",
    weights_alone=False,
)


def quantize(job: GraphJob) -> dict[str, Any]:
    """Write the quantized program; return what happened, for the manifest.

    Raises:
        UsageError: no network, weights without activations in 8 bits, or an operator that cannot be lowered.
    """
    if job.network is None:
        raise UsageError(
            f"the graph {job.name} of an ExecuTorch artifact is quantized from its PyTorch network",
            "quantize the model by its name: viewfinder quantize MODEL --format executorch",
        )
    prepared, rules = _prepared(job)
    converted = _converted(prepared, _tensors(job))
    notes = _lowered(job, converted)
    return {"rules": counts(rules), **notes}


def _tensors(job: GraphJob) -> Iterable[tuple[Any, ...]]:
    """Turn calibration inputs into arguments, in the order of the graph's inputs."""
    import torch

    def arguments(feed: Feeds) -> tuple[Any, ...]:
        """Keep the order of the feed, which is the manifest's."""
        return tuple(torch.from_numpy(array.copy()) for array in feed.values())

    return map(arguments, job.require_feeds())


def _prepared(job: GraphJob) -> tuple[Any, list[Rule]]:
    """Export the network and put observers around every operator that the recipe names."""
    import torch
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer as xnnpack
    from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e
    from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

    assert job.network is not None
    module, examples = job.network
    exported = torch.export.export(module.eval(), examples, strict=False).module()
    nodes = [node for node in exported.graph.nodes if node.op == "call_function"]
    rules = dict(zip((node.name for node in nodes), job.rules(map(_described, nodes)), strict=True))
    # XNNPACK has no convolution with 8-bit weights alone: what asks for it stays float.
    rules = {name: rule if rule.activations == "int8" else Rule() for name, rule in rules.items()}
    _compensate(exported, {name for name, rule in rules.items() if rule.is_compensated}, job)
    channel = all(rule.granularity == "channel" for rule in job.recipe.rules)

    class Kept(xnnpack.XNNPACKQuantizer):  # type: ignore[misc]
        """XNNPACK's quantizer without what the recipe keeps float.

        Its own filter does not do: its annotation spreads through concatenations and slices whatever the filter says,
        which took HDRNet's grid down to 36 dB.
        """

        def annotate(self, model: Any) -> Any:
            """Annotate everything, then take back what stays float."""
            annotated = super().annotate(model)
            for node in annotated.graph.nodes:
                if node.name in rules and rules[node.name].is_float:
                    node.meta.pop(Q_ANNOTATION_KEY, None)
            return annotated

    quantizer = Kept()
    quantizer.set_global(_whole_ranges(xnnpack.get_symmetric_quantization_config(is_per_channel=channel)))
    return prepare_pt2e(exported, quantizer), list(rules.values())


def _compensate(exported: Any, chosen: set[str], job: GraphJob) -> None:
    """Round the weights of the `chosen` nodes so that their errors cancel on the calibration pictures."""
    import torch

    layers = {node: layer for node in exported.graph.nodes if node.name in chosen for layer in _layer(exported, node)}
    if not layers:
        return

    class Watch(torch.fx.Interpreter):
        """Shows every layer its input."""

        def run_node(self, n: Any) -> Any:
            """Compute a node."""
            if n in layers:
                layers[n].see(self.env[n.args[0]].numpy())
            return super().run_node(n)

    feeds = job.require_feeds()
    with torch.no_grad():
        for feed in feeds[:: -(-len(feeds) // compensation.MOST_FEEDS)]:
            Watch(exported).run(*(torch.from_numpy(array.copy()) for array in feed.values()))
        for node, layer in layers.items():
            _weight(exported, node).copy_(torch.from_numpy(layer.rounded()))


def _weight(exported: Any, node: Any) -> Any:
    """Return the weights of a node, or None where they are no constant."""
    given = node.args[1] if len(node.args) > 1 else None
    if given is None or getattr(given, "op", "") != "get_attr":
        return None
    return functools.reduce(getattr, given.target.split("."), exported)


def _layer(exported: Any, node: Any) -> Iterable[Layer]:
    """Describe a node: 2-D convolutions without groups, and products with a matrix."""
    kind, weight = str(node.target), _weight(exported, node)
    if weight is None:
        return
    values = weight.detach().numpy()
    if kind == "aten.linear.default":
        yield Layer(values)
    elif kind == "aten.conv2d.default":
        defaults = (None, None, None, (1, 1), (0, 0), (1, 1), 1)
        stride, padding, dilation, groups = (*node.args, *defaults[len(node.args) :])[3:]
        above, beside = padding
        if groups == 1:
            window = Window(tuple(stride), tuple(dilation), ((above, above), (beside, beside)))
            yield Layer(values, window)


def _whole_ranges(config: Any) -> Any:
    """Have activations keep the whole range that they were seen to take.

    XNNPACK's own choice cuts ranges off where a histogram says that it pays; with a dozen pictures that cost up to 1.7
    times the error of HDRNet's grid on bright photographs.
    """
    from torchao.quantization.pt2e import MinMaxObserver

    whole = MinMaxObserver.with_args(eps=2**-12)
    kept = {
        key: replace(getattr(config, key), observer_or_fake_quant_ctr=whole)
        for key in ("input_activation", "output_activation")
    }
    return replace(config, **kept)


def _described(node: Any) -> Operator:
    """Describe a node: its names are its own, its module's and its constants'."""
    stack = node.meta.get("nn_module_stack") or {}
    modules = [str(path) for path, _ in stack.values()]
    constants = [str(given.target) for given in node.all_input_nodes if given.op == "get_attr"]
    kind = str(getattr(node.target, "__name__", node.target)).split(".")[0].rstrip("_")
    reads = tuple(str(given.name) for given in node.all_input_nodes)
    return Operator((str(node.name), *modules[-1:], *constants), kind, reads, (str(node.name),))


def _converted(prepared: Any, inputs: Iterable[tuple[Any, ...]]) -> Any:
    """Show the pictures to the observers and replace them by what they saw."""
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e

    with torch.no_grad():
        for arguments in inputs:
            prepared(*arguments)
    return convert_pt2e(prepared)


def agrees(network: tuple[Any, tuple[Any, ...]], feed: Feeds, expected: Any) -> bool:
    """Tell whether a network computes on a feed what its float artifact does, to a thousandth of the largest value."""
    import numpy as np
    import torch

    with torch.no_grad():
        result = network[0](*(torch.from_numpy(array.copy()) for array in feed.values())).numpy()
    return bool(result.shape == expected.shape and np.abs(result - expected).max() <= 1e-3 * np.abs(expected).max())


def _lowered(job: GraphJob, converted: Any) -> dict[str, Any]:
    """Lower to XNNPACK and write the program."""
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.devtools.backend_debug import get_delegation_info
    from executorch.exir import to_edge_transform_and_lower

    assert job.network is not None
    program = torch.export.export(converted, job.network[1], strict=False)
    edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    info = get_delegation_info(edge.exported_program().graph_module)
    with job.target.open("wb") as stream:
        edge.to_executorch().write_to_file(stream)
    left = {
        str(name): int(entry.non_delegated)
        for name, entry in info.delegation_by_operator.items()
        if entry.non_delegated and "getitem" not in str(name)
    }
    return {
        "delegate": "xnnpack",
        "partitions": int(info.num_delegated_subgraphs),
        "delegated_nodes": int(info.num_delegated_nodes),
        "not_delegated": dict(sorted(left.items())),
    }
