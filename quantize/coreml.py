"""Core ML with coremltools.optimize: weights in 8 bits or as tables, activations in 8 bits, half precision.

coremltools measures activation ranges by running Core ML, which needs a Mac. Elsewhere (and here always, so that the
bytes do not depend on the machine) the ranges come from an observer that evaluates the package's own program; its
passes and their arithmetic stay coremltools'. Its activation quantizer takes programs in half precision only: scales
are rounded to it. So operators with 8-bit activations compute in float16 around them; what a recipe keeps float stays
float32.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from viewfinder.errors import UsageError
from viewfinder.quantize import compensation
from viewfinder.quantize.job import Feeds, GraphJob, Ranges, Watcher, abilities, counts
from viewfinder.quantize.rounding import Layer, Window
from viewfinder.recipe import Operator, Rule

TOOLS = ("coremltools",)
ABILITIES = abilities(
    "fp16 int8 palette8 palette6 palette4",
    "fp16 int8",
    "Core ML has no 16-bit integer activations: it computes in fp16 what is not int8; for 4 bits take palette4",
)
SMALLEST_WEIGHT = 512
"""Weights with fewer values stay as they are: nothing is won."""
_CONVOLUTION_AXES = 4
_PAIRS = ("insert_prefix_quantize_dequantize_pair", "insert_suffix_quantize_dequantize_pair")


def quantize(job: GraphJob) -> dict[str, Any]:
    """Write the quantized package; return what happened, for the manifest.

    Raises:
        UsageError: integer activations without an observer to measure their ranges.
    """
    import coremltools as ct

    model = ct.models.MLModel(str(job.source), skip_model_load=True)
    rules = _rules(job, model)
    model = _compensated(job, model, {name for name, rule in rules.items() if rule.is_compensated})
    model = _halved(job, model)
    if any(rule.activations == "int8" for rule in rules.values()):
        model = _activations(job, model)
    model = _weights(job, model)
    model.save(str(job.target))
    _settle_names(job.target)
    return {"rules": counts(rules.values())}


def _operations(model: Any) -> Iterable[Any]:
    """Walk over the operations of a package that are no constants."""
    for function in model.get_spec().mlProgram.functions.values():
        for block in function.block_specializations.values():
            yield from (operation for operation in block.operations if operation.type != "const")


def _rules(job: GraphJob, model: Any) -> dict[str, Rule]:
    """Return the rule of every operation by its name."""
    found = list(_operations(model))
    return dict(zip(map(_name, found), job.rules(map(_described, found)), strict=True))


def _name(operation: Any) -> str:
    """Return the name of an operation, by which coremltools configures it."""
    attribute = operation.attributes.get("name") if "name" in operation.attributes else None
    return str(attribute.immediateValue.tensor.strings.values[0]) if attribute else str(operation.outputs[0].name)


def _described(operation: Any) -> Operator:
    """Describe an operation."""
    results = tuple(str(output.name) for output in operation.outputs)
    reads = {
        key: tuple(str(argument.name) for argument in value.arguments if argument.name)
        for key, value in operation.inputs.items()
    }
    taken = tuple(name for names in reads.values() for name in names)
    return Operator((_name(operation), *results, *reads.get("weight", ())), operation.type, taken, results)


def _halved(job: GraphJob, model: Any) -> Any:
    """Compute in float16 what is meant to, and what has 8-bit activations."""
    from coremltools.converters.mil.mil.passes.defs.quantization import FP16ComputePrecision
    from coremltools.models.utils import _apply_graph_pass

    chosen = {name for name, rule in _rules(job, model).items() if _is_half(rule)}
    if not chosen:
        return model
    change = FP16ComputePrecision(op_selector=lambda operation: operation.name in chosen)
    return _apply_graph_pass(model, change, skip_model_load=True)


def _is_half(rule: Rule) -> bool:
    """Tell whether an operation leaves float32."""
    return "fp16" in {rule.weights, rule.activations} or rule.activations == "int8"


def _activations(job: GraphJob, model: Any) -> Any:
    """Quantize the activations with coremltools' passes and ranges of our own."""
    import coremltools as ct
    from coremltools import optimize
    from coremltools.converters.mil.mil.passes.graph_pass import PassOption
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
    from coremltools.models.utils import _apply_graph_pass

    ranges = _ranges(job, model)
    left = {name: None for name, rule in _rules(job, model).items() if rule.activations != "int8"}
    one = optimize.coreml.OpLinearQuantizerConfig(mode="linear")
    config = optimize.coreml.OptimizationConfig(global_config=one, op_name_configs=left)
    passes = []
    for name in _PAIRS:
        found = PASS_REGISTRY[f"compression::{name}"]
        found.set_options([PassOption("config", config), PassOption("activation_stats", ranges)])
        passes.append(found)
    passes.append(PASS_REGISTRY["common::dequantize_quantize_pair_elimination"])
    return _apply_graph_pass(model, passes, spec_version=ct.target.iOS17.value, skip_model_load=True)


def _ranges(job: GraphJob, model: Any) -> dict[str, dict[str, float]]:
    """Measure the range of every tensor of a program, as coremltools' passes want them."""
    found = _observed(job, model, job.require_feeds())
    return {name: {"rmin": low, "rmax": high} for name, (low, high) in found.items()}


def _observed(job: GraphJob, model: Any, feeds: Iterable[Feeds], see: Watcher | None = None) -> Ranges:
    """Evaluate a model on feeds; `see` is shown every tensor."""
    if job.observe is None:
        raise UsageError(
            "Core ML activations need ranges, and nothing here measures them",
            "quantize through `viewfinder quantize`, or keep activations float and rounding nearest",
        )
    with tempfile.TemporaryDirectory(prefix="viewfinder-quantize-") as folder:
        package = Path(folder) / "observed.mlpackage"
        model.save(str(package))
        return job.observe(package, feeds, see)


def _compensated(job: GraphJob, model: Any, chosen: set[str]) -> Any:
    """Round the weights of the `chosen` operations so that their errors cancel on the calibration pictures."""
    from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
    from coremltools.models.utils import _apply_graph_pass

    if not chosen:
        return model
    layers: dict[str, tuple[str, Layer]] = {}

    class Find(AbstractGraphPass):  # type: ignore[misc]
        """Notes the layers; a second time, gives them their new weights."""

        def apply(self, prog: Any) -> None:
            """Walk over the operations."""
            every = (one for function in prog.functions.values() for one in function.operations)
            for operation in [one for one in every if one.name in chosen]:
                _note_or_write(operation, layers)

    _apply_graph_pass(model, Find(), skip_model_load=True, return_pymil_prog=True)

    def see(name: str, array: Any) -> None:
        """Show a tensor to the layers that read it."""
        for _, layer in (pair for pair in layers.values() if pair[0] == name):
            layer.see(array)

    feeds = job.require_feeds()
    _observed(job, model, feeds[:: -(-len(feeds) // compensation.MOST_FEEDS)], see)
    return _apply_graph_pass(model, Find(), skip_model_load=True)


def _note_or_write(operation: Any, layers: dict[str, tuple[str, Layer]]) -> None:
    """Note an operation with its layer, or write the rounded weights of one that is noted."""
    if operation.name in layers:
        operation.weight.val[...] = layers[operation.name][1].rounded()
    elif (layer := _layer(operation)) is not None:
        layers[operation.name] = (operation.x.name, layer)


def _layer(operation: Any) -> Layer | None:
    """Describe an operation: 2-D convolutions without groups, and products with a matrix; None for others."""
    weight = getattr(operation, "weight", None)
    if weight is None or weight.val is None or operation.op_type not in {"conv", "linear"}:
        return None
    if operation.op_type == "linear":
        return Layer(weight.val)
    kind = operation.pad_type.val
    if weight.val.ndim != _CONVOLUTION_AXES or operation.groups.val != 1 or kind not in {"valid", "custom", "same"}:
        return None
    kernel, stride, dilation = (
        (int(two[0]), int(two[1])) for two in (weight.val.shape[2:], operation.strides.val, operation.dilations.val)
    )
    if kind == "same":
        return Layer(weight.val, Window.same(operation.x.shape[2:], kernel, stride)) if dilation == (1, 1) else None
    top, bottom, left, right = operation.pad.val if kind == "custom" else (0, 0, 0, 0)
    return Layer(weight.val, Window(stride, dilation, ((top, bottom), (left, right))))


def _weights(job: GraphJob, model: Any) -> Any:
    """Store weights in 8 bits or as tables, kind after kind."""
    from coremltools import optimize

    tools = optimize.coreml
    rules = _rules(job, model)
    for kind in sorted({rule.weights for rule in rules.values()} - {"float", "fp16"}):
        left: Mapping[str, None] = {name: None for name, rule in rules.items() if rule.weights != kind}
        channel = any(rule.weights == kind and rule.granularity == "channel" for rule in rules.values())
        if kind == "int8":
            one = tools.OpLinearQuantizerConfig(
                mode="linear_symmetric",
                weight_threshold=SMALLEST_WEIGHT,
                granularity="per_channel" if channel else "per_tensor",
            )
            change = tools.linear_quantize_weights
        else:
            one = tools.OpPalettizerConfig(mode="kmeans", nbits=int(kind[-1]), weight_threshold=SMALLEST_WEIGHT)
            change = tools.palettize_weights
        model = change(model, tools.OptimizationConfig(global_config=one, op_name_configs=dict(left)))
    return model


def _settle_names(package: Path) -> None:
    """Replace the package's random item identifiers by ones made from the items' paths: same model, same bytes."""
    manifest = package / "Manifest.json"
    data = json.loads(manifest.read_text(encoding="utf-8"))
    items = data["itemInfoEntries"]
    renamed = {key: str(uuid.uuid5(uuid.NAMESPACE_URL, item["path"])).upper() for key, item in items.items()}
    data["itemInfoEntries"] = {renamed[key]: item for key, item in items.items()}
    data["rootModelIdentifier"] = renamed[data["rootModelIdentifier"]]
    manifest.write_text(json.dumps(data, indent=4, sort_keys=True) + "\n", encoding="utf-8")
