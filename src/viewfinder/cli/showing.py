"""Results as text for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import TYPE_CHECKING

from viewfinder.cli.table import count, size, table

if TYPE_CHECKING:
    from viewfinder.runtime.graphs import Tensor
    from viewfinder.verbs.aids import AidsResult
    from viewfinder.verbs.doctor import Diagnosis
    from viewfinder.verbs.inspect import GraphFacts, Inspection
    from viewfinder.verbs.models import Model

_REASON = 120
"""Characters of a reason in a table; the JSON has all of them."""


def models(found: Sequence[Model]) -> str:
    """One line per weights and test set; the first weights of a model are its default."""
    rows = []
    for model in found:
        parameters = "" if model.parameters is None else f"{model.parameters:,}"
        first = (model.name, parameters)
        for weights in model.weights or (None,):
            trained = "none" if weights is None else weights.name
            for figures in _psnr({} if weights is None else weights.psnr_db):
                rows.append((*first, trained, figures))
                first, trained = ("", ""), ""
    return table(("model", "parameters", "weights", "PSNR in dB, held-out photographs"), rows)


def _psnr(figures: Mapping[str, float]) -> list[str]:
    """Write a card's figures, one line per set: ``CBSD68: gain 1 36.6, gain 2 34.0``."""
    sets: dict[str, list[str]] = {}
    for name, value in figures.items():
        place, _, kind = name.partition(", ")
        sets.setdefault(place, []).append(f"{kind} {value:.1f}".strip())
    return [f"{place}: {', '.join(values)}" for place, values in sets.items()] or [""]


def diagnosis(found: Diagnosis) -> str:
    """One line per tool, one per toolchain with its size and licence, then what the state of the base means."""
    tools = [one for one in found.checks if not one.licence]
    rows = [
        (one.group, one.name, str(one.state), shorten(one.found, _REASON, placeholder=" ..."), one.remedy)
        for one in tools
    ]
    apart = [(one.name, str(one.state), one.size, one.licence, one.remedy) for one in found.checks if one.licence]
    verdict = (
        "The base is complete: artifacts can be verified and run."
        if found.usable
        else "The base is not complete: run the commands above."
    )
    toolchains = table(("toolchain", "state", "size", "licence", "to mend it"), apart)
    return f"{table(('for', 'tool', 'state', 'found', 'to mend it'), rows)}\n\n{toolchains}\n\n{verdict}"


def inspection(found: Inspection) -> str:
    """Facts of the whole, then every graph."""
    lines = [f"{found.kind} {found.name}"]
    for key, value in found.facts.items():
        if key not in {"inputs", "outputs", "weights"} or isinstance(value, str):
            lines += _fact(key, value)
    lines += _tensors_of_a_model(found)
    return "\n".join([*lines, *(line for item in found.graphs for line in ("", *_graph(item)))])


def _fact(key: str, value: object) -> list[str]:
    """Write one fact; empty ones are left out."""
    if value is None or value in ("", {}, [], ()):
        return []
    if isinstance(value, dict):
        return [f"  {key}", *(f"    {name}: {item}" for name, item in value.items())]
    if key in {"parameters", "macs"} and isinstance(value, int):
        return [f"  {key}: {value:,}"]
    return [f"  {key}: {value}"]


def _tensors_of_a_model(found: Inspection) -> list[str]:
    """Inputs and outputs of a task."""
    return [
        f"  {kind[:-1]} {spec['name']}: {spec['dtype']} {spec['shape']} {spec['layout']} {spec['meaning']}".rstrip()
        for kind in ("inputs", "outputs")
        for spec in found.facts.get(kind, ())
    ]


def _graph(item: GraphFacts) -> list[str]:
    """Everything about one model file."""
    contents = item.contents
    unknown = "not told by the file"
    total = sum(contents.operators.values())
    operators = ", ".join(f"{name} {number}" for name, number in contents.operators.items())
    lines = [
        f"  graph {item.name} ({item.format}, {size(item.size_bytes)})",
        f"    sha256: {item.sha256}",
        *(f"    {line}" for line in _tensors("input", contents.inputs)),
        *(f"    {line}" for line in _tensors("output", contents.outputs)),
        f"    operators: {total}: {operators}",
        f"    MACs: {unknown if contents.macs is None else count(contents.macs)}",
        f"    transposes: {unknown if contents.transposes is None else contents.transposes}",
    ]
    if contents.weights_bytes is not None:
        lines.append(f"    constants: {size(contents.weights_bytes)}")
    for title, facts in (("metadata", contents.metadata), ("notes", {**contents.notes, **item.notes})):
        lines += [f"    {title} {key}: {value}" for key, value in facts.items()]
    return lines


def _tensors(kind: str, tensors: Sequence[Tensor]) -> list[str]:
    """One line per tensor; an axis that is set at run time shows as ``?``."""
    shapes = [" x ".join(str(axis) if axis > 0 else "?" for axis in tensor.shape) for tensor in tensors]
    return [f"{kind} {tensor.name}: {tensor.dtype} [{shape}]" for tensor, shape in zip(tensors, shapes, strict=True)]


def aids(found: AidsResult) -> str:
    """Gradients, activations, and where the filters are drawn."""
    parts = []
    if found.gradients:
        rows = [
            (
                check.name,
                str(check.checked),
                f"{check.gradient_norm:.3g}",
                f"{check.relative_error:.1e}",
                "WRONG" if check in found.wrong else "",
            )
            for check in found.gradients
        ]
        parts.append(table(("parameter", "checked", "gradient norm", "relative error", ""), rows))
    if found.activations:
        layers = [
            (
                layer.name,
                layer.kind,
                " x ".join(map(str, layer.shape)),
                f"{layer.mean:.4g}",
                f"{layer.standard_deviation:.4g}",
                f"{layer.smallest:.4g} .. {layer.largest:.4g}",
                "" if layer.dead_fraction is None else f"{layer.dead_fraction:.0%}",
            )
            for layer in found.activations
        ]
        parts.append(table(("layer", "kind", "shape", "mean", "deviation", "range", "dead channels"), layers))
    if found.filters:
        parts.append(f"filters: {found.filters}")
    return "\n\n".join(parts)
