"""Core ML: an ML Program for iOS 16 and later, written on any system."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import torch

from viewfinder.export.request import Conversion

SUFFIX = ".mlpackage"
TOOLS = ("torch", "coremltools")
PRECISIONS = ("float", "fp16")
_NORMALIZING = "common::distributive_quantized_binary_op_scale_normalization"
"""A pass that divides the scales around a sum by that of one summand: the same numbers, but no scale is found again."""


def convert(conversion: Conversion) -> dict[str, Any]:
    """Write an ``.mlpackage`` folder.

    Inputs are float32 arrays under the names of the specs, also where they hold a picture: an image input would take
    8-bit pixels only, and the squeezed copy of a picture has more.
    """
    import coremltools as ct

    graph, half = conversion.graph, conversion.precision == "fp16"
    # Integers with scales of their own came with iOS 17; float32 keeps the scales as they are.
    target = ct.target.iOS17 if conversion.is_rounded else ct.target.iOS16
    passes = ct.PassPipeline.DEFAULT
    if conversion.is_rounded:
        passes.remove_passes({_NORMALIZING})
    model = ct.convert(
        _source(conversion),
        inputs=[ct.TensorType(name=spec.name, shape=spec.shape, dtype=float) for spec in graph.inputs],
        outputs=[ct.TensorType(name=spec.name, dtype=float) for spec in graph.outputs],
        convert_to="mlprogram",
        minimum_deployment_target=target,
        compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
        compute_units=ct.ComputeUnit.ALL,
        pass_pipeline=passes,
        skip_model_load=True,
    )
    _describe(model, conversion)
    model.save(str(conversion.path))
    _settle_names(conversion.path)
    return {"operators": _count(model), "minimum_deployment_target": target.name}


def _source(conversion: Conversion) -> Any:
    """Return what coremltools reads: a trace, or the exported program of a rounded graph, which a trace would lose."""
    graph = conversion.graph
    if conversion.is_rounded:
        return torch.export.export(graph.module, graph.examples, strict=False).run_decompositions({})
    return torch.jit.trace(graph.module, graph.examples, check_trace=False)  # type: ignore[no-untyped-call]


def _describe(model: Any, conversion: Conversion) -> None:
    """Write what Xcode shows."""
    metadata = conversion.metadata
    model.author = metadata.get("author", "")
    model.license = metadata.get("licence", "")
    model.short_description = metadata.get("description", "")
    for key in ("task", "weights", "weights_sha256", "graph"):
        model.user_defined_metadata[key] = metadata.get(key, "")
    for spec in conversion.graph.inputs:
        model.input_description[spec.name] = spec.meaning or spec.name
    for spec in conversion.graph.outputs:
        model.output_description[spec.name] = spec.meaning or spec.name


def _settle_names(package: Path) -> None:
    """Replace the package's random item identifiers by ones made from the items' paths: same model, same bytes."""
    manifest = package / "Manifest.json"
    data = json.loads(manifest.read_text(encoding="utf-8"))
    items, renamed = data["itemInfoEntries"], {}
    for identifier, item in items.items():
        renamed[identifier] = str(uuid.uuid5(uuid.NAMESPACE_URL, item["path"])).upper()
    data["itemInfoEntries"] = {renamed[identifier]: item for identifier, item in items.items()}
    data["rootModelIdentifier"] = renamed[data["rootModelIdentifier"]]
    manifest.write_text(json.dumps(data, indent=4, sort_keys=True) + "\n", encoding="utf-8")


def _count(model: Any) -> dict[str, int]:
    """Count the operations by name, constants left out."""
    names = [
        operation.type
        for function in model.get_spec().mlProgram.functions.values()
        for block in function.block_specializations.values()
        for operation in block.operations
        if operation.type != "const"
    ]
    return {name: names.count(name) for name in sorted(set(names))}
