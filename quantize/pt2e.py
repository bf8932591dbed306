"""PT2E: PyTorch's own graph with observers, calibrated or trained, then rounded; a source for several formats.

torch.export, torchao and XNNPACK's quantizer. With training (`viewfinder.quantize.tuning`), weights and ranges are
moved by a few hundred steps so that the rounded graph gives what the float one gives on the calibration inputs.
Normalisation is that of the trained network: it is exported for use, so no batch ever changes it.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from viewfinder.errors import UsageError
from viewfinder.quantize import compensation, equalization, round_trip, tuning
from viewfinder.quantize.job import Feeds, GraphJob, counts
from viewfinder.quantize.rounding import Layer, Window
from viewfinder.recipe import Operator, Rule

TOOLS = ("torch", "torchao", "executorch")
UNFOLDED = ("tflite",)
"""Formats whose converter wants weights in float, with their quantization behind them; it does not take integers."""


@dataclass(frozen=True)
class Quantized:
    """A rounded graph and what is said of it in the manifest."""

    module: Any
    notes: dict[str, Any]


def quantized(job: GraphJob) -> Quantized:
    """Quantize the network of a graph, with training where the job asks for it.

    Raises:
        UsageError: no network.
    """
    if job.network is None:
        raise UsageError(
            f"the graph {job.name} is quantized from its PyTorch network, and none is known",
            "quantize the model by its name: viewfinder quantize MODEL",
        )
    # Rounding and training change weights, which torch.export would share with the network.
    prepared, notes = _prepared(replace(job, network=(copy.deepcopy(job.network[0]), job.network[1])))
    inputs = list(_tensors(job))
    _observe(prepared, inputs)
    if job.tuning:
        notes["training"] = tuning.tuned(prepared, inputs, job.network[0].eval(), job.tuning)
    return Quantized(_rounded(prepared, is_folded=job.format not in UNFOLDED), notes)


def quantize(job: GraphJob) -> dict[str, Any]:
    """Write the quantized network in a format that has no quantizer for it; return what happened, for the manifest.

    Raises:
        CheckFailedError: a scale or a zero point of the graph is not in the file.
    """
    assert job.convert is not None
    made = quantized(job)
    notes = {**job.convert(job.name, made.module, job.target), **made.notes}
    return {**notes, "round_trip": round_trip.checked(job.name, job.target, scales(made.module))}


def _tensors(job: GraphJob) -> Iterable[tuple[Any, ...]]:
    """Turn calibration inputs into arguments, in the order of the graph's inputs."""
    import torch

    def arguments(feed: Feeds) -> tuple[Any, ...]:
        """Keep the order of the feed, which is the manifest's."""
        return tuple(torch.from_numpy(array.copy()) for array in feed.values())

    return map(arguments, job.require_feeds())


def _prepared(job: GraphJob) -> tuple[Any, dict[str, Any]]:
    """Export the network and put observers around every operator that the recipe names; return notes with it."""
    import torch
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer as xnnpack
    from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e, prepare_qat_pt2e
    from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

    assert job.network is not None
    module, examples = job.network
    exported = torch.export.export(module.eval(), examples, strict=False).module()
    nodes = [node for node in exported.graph.nodes if node.op == "call_function"]
    rules = dict(zip((node.name for node in nodes), job.rules(map(described, nodes)), strict=True))
    # XNNPACK has no convolution with 8-bit weights alone: what asks for it stays float.
    rules = {name: rule if rule.activations == "int8" else Rule() for name, rule in rules.items()}
    equalized = equalization.equalize(exported, rules, _tensors(job))
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
    config = xnnpack.get_symmetric_quantization_config(is_per_channel=channel, is_qat=job.tuning is not None)
    quantizer.set_global(_trained(config) if job.tuning else _whole_ranges(config))
    prepare = prepare_qat_pt2e if job.tuning else prepare_pt2e
    notes = {"rules": counts(rules.values()), "source": "pt2e", "equalized": equalized}
    return prepare(exported, quantizer), notes


def _compensate(exported: Any, chosen: set[str], job: GraphJob) -> None:
    """Round the weights of the `chosen` nodes so that their errors cancel on the calibration pictures."""
    import torch

    layers = {node: layer for node in exported.graph.nodes if node.name in chosen for layer in layer_of(exported, node)}
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
            equalization.constant(exported, node, 1).copy_(torch.from_numpy(layer.rounded()))


def layer_of(exported: Any, node: Any) -> Iterable[Layer]:
    """Describe a node: 2-D convolutions without groups, and products with a matrix."""
    kind, weight = str(node.target), equalization.constant(exported, node, 1)
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


def _trained(config: Any) -> Any:
    """Round while training: activations by the whole range that was measured, weights by their range of the moment."""
    from torchao.quantization.pt2e import FakeQuantize, MinMaxObserver, MovingAveragePerChannelMinMaxObserver

    whole = FakeQuantize.with_args(observer=MinMaxObserver, eps=2**-12)
    weight = config.weight
    if "per_channel" in str(weight.qscheme):
        now = FakeQuantize.with_args(observer=MovingAveragePerChannelMinMaxObserver, averaging_constant=1.0, eps=2**-12)
        weight = replace(weight, observer_or_fake_quant_ctr=now)
    kept = {
        key: replace(getattr(config, key), observer_or_fake_quant_ctr=whole)
        for key in ("input_activation", "output_activation")
    }
    return replace(config, **kept, weight=weight)


def described(node: Any) -> Operator:
    """Describe a node: its names are its own, its module's and its constants'."""
    stack = node.meta.get("nn_module_stack") or {}
    modules = [str(path) for path, _ in stack.values()]
    constants = [str(given.target) for given in node.all_input_nodes if given.op == "get_attr"]
    kind = str(getattr(node.target, "__name__", node.target)).split(".")[0].rstrip("_")
    reads = tuple(str(given.name) for given in node.all_input_nodes)
    return Operator((str(node.name), *modules[-1:], *constants), kind, reads, (str(node.name),))


def _observe(prepared: Any, inputs: Sequence[tuple[Any, ...]]) -> None:
    """Show the pictures to the observers."""
    import torch

    with torch.no_grad():
        for arguments in inputs:
            prepared(*arguments)


def _rounded(prepared: Any, *, is_folded: bool) -> Any:
    """Replace observers by what they saw; weights become integers if they are to be folded."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e

    return convert_pt2e(prepared, fold_quantize=is_folded)


def scales(module: Any) -> dict[str, list[tuple[float, int]]]:
    """List scales and zero points of a rounded graph: of ``activations``, and of ``weights`` for every channel."""
    found: dict[str, list[tuple[float, int]]] = {"activations": [], "weights": []}
    for node in module.graph.nodes:
        name = str(node.target)
        if "quantized_decomposed.quantize_per_tensor" in name:
            found["activations"].append((float(node.args[1]), int(node.args[2])))
        elif "quantized_decomposed.dequantize_per_channel" in name:
            values, zeros = (functools.reduce(getattr, node.args[place].target.split("."), module) for place in (1, 2))
            found["weights"] += [(float(one), int(two)) for one, two in zip(values, zeros, strict=True)]
    return found
