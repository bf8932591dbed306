"""TFLite with Google's AI Edge Quantizer: its recipe is made from ours, or taken as the user wrote it.

Inputs and outputs of a graph stay float32, because the artifact's manifest promises them: QUANTIZE and DEQUANTIZE
stand behind and before them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from viewfinder.errors import UsageError
from viewfinder.quantize import compensation
from viewfinder.quantize.job import Feeds, GraphJob, abilities, counts
from viewfinder.recipe import Operator, Recipe, Rule

TOOLS = ("ai-edge-quantizer", "ai-edge-litert")
ABILITIES = abilities(
    "fp16 int8 int4", "fp16 int8 int16 dynamic", "tables of values (palettes) are Core ML's; int8 or int4 work"
)
NATIVE = "tflite"
"""Where a recipe holds the quantizer's own: a list of entries, or graph name to such a list."""
MIN_MAX, CASTING, LEAVE = "min_max_uniform_quantize", "float_casting", "no_quantize"
NATIVE_NAME = "AI Edge Quantizer's recipe"
_BITS = {"int4": 4, "int8": 8, "fp16": 16, "int16": 16}


def quantize(job: GraphJob) -> dict[str, Any]:
    """Write the quantized graph; return what happened, with the quantizer's recipe, for the manifest.

    Raises:
        UsageError: the quantizer refuses the recipe or the graph.
    """
    from ai_edge_quantizer import quantizer

    operators = _operators(job)
    entries = native(job.recipe, job.name, operators)
    try:
        engine = quantizer.Quantizer(_compensated(job, operators), entries)
        calibrated = None
        if engine.need_calibration:
            calibrated = _ranges(engine, _signature(job), job.require_feeds())
        made = engine.quantize(calibrated, enable_progress_bar=False, enable_progress_report=False)
    except UsageError:
        raise
    except Exception as error:  # the quantizer raises KeyError, ValueError, RuntimeError ... for what it cannot do
        raise UsageError(
            f"AI Edge Quantizer cannot quantize the graph {job.name}: {type(error).__name__}: {error}",
            "keep the operator that it names float with a rule, or take another precision",
            code="cannot-quantize",
        ) from error
    job.target.write_bytes(bytes(made.quantized_model))
    # Under the name that the quantizer itself gives it, so that its other tools, and --recipe, take it.
    job.target.with_name(f"{job.name}_recipe.json").write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    # The quantizer's own recipe is no rules of ours that could be counted.
    rules = {f"as {NATIVE_NAME} says": "all"} if NATIVE in job.recipe.native else counts(job.rules(operators))
    return {"rules": rules, "ai_edge_quantizer_recipe": entries}


def _compensated(job: GraphJob, operators: Sequence[Operator]) -> str | bytearray:
    """Return the float file, its weights rounded where the recipe compensates their errors."""
    chosen = {number for number, rule in enumerate(job.rules(operators)) if rule.is_compensated}
    if not chosen or NATIVE in job.recipe.native:
        return str(job.source)
    signature = _signature(job)
    return bytearray(compensation.in_tflite(job.source.read_bytes(), chosen, job.require_feeds(), signature))


def _ranges(engine: Any, signature: str, feeds: Iterable[Feeds]) -> dict[str, Any]:
    """Measure the range of every tensor over all pictures.

    Picture by picture, joined with the quantizer's own `min_max_update`: what it does with a list is a moving average
    that hardly leaves the first picture's range. With 12 pictures, the first one dark, that cost HDRNet 8 dB on a
    bright photograph.
    """
    from ai_edge_quantizer.utils import qsv_utils

    joined: dict[str, Any] = {}
    for feed in feeds:
        for name, found in engine.calibrate({signature: [dict(feed)]}, num_threads=1).items():
            joined[name] = qsv_utils.min_max_update(joined.get(name, {}), found) if found else found
    return {name: _widened(found) for name, found in joined.items()}


def _widened(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give a tensor that is always zero a range: with the quantizer's own scale of 4e-12, XNNPACK does not load it."""
    if "min" not in found or float(np.max(np.abs([found["min"], found["max"]]))) > 0:
        return found
    return {**found, "max": np.ones_like(found["max"])}


def _signature(job: GraphJob) -> str:
    """Return the name of the graph's only signature."""
    from ai_edge_litert.interpreter import Interpreter

    found = list(Interpreter(str(job.source)).get_signature_list())
    if not found:
        raise UsageError(f"the graph {job.name} has no signature to calibrate by", "export the model again")
    return str(found[0])


def _operators(job: GraphJob) -> list[Operator]:
    """Describe the operators of the float graph; they have no names but their results'."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(job.source.read_bytes(), 0))
    types = {number: name for name, number in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    graph = model.subgraphs[0]

    def names(indices: Iterable[int]) -> tuple[str, ...]:
        """Name tensors; -1 stands for one that is left out."""
        return tuple(graph.tensors[index].name.decode() for index in indices if index >= 0)

    return [
        Operator(names(one.outputs), types.get(codes[one.opcodeIndex], ""), names(one.inputs), names(one.outputs))
        for one in graph.operators
    ]


def native(recipe: Recipe, graph: str, operators: Sequence[Operator]) -> list[dict[str, Any]]:
    """Return the quantizer's recipe for a graph, with float inputs and outputs."""
    if NATIVE in recipe.native:
        given = recipe.native[NATIVE]
        entries = list(given.get(graph, ())) if isinstance(given, Mapping) else list(given)
    else:
        entries = [one for rule in recipe.rules if rule.covers(graph) for one in _entries(rule, graph, operators)]
    # The quantizer asks the expression that came last, so one that fits a graph's end has to spare the end as well.
    expressions = dict.fromkeys([".*", *(str(one["regex"]) for one in entries)])
    return [*entries, *(entry(Rule(match=one), kind) for one in expressions for kind in ("INPUT", "OUTPUT"))]


def _entries(rule: Rule, graph: str, operators: Sequence[Operator]) -> list[dict[str, Any]]:
    """Write a rule as entries; what lies behind an operator the quantizer cannot say, so its results are listed."""
    if not rule.onwards:
        return [entry(rule, kind) for kind in _operations(rule.operator)]
    alone = Recipe("mixed", (Rule(weights="int8"), rule))
    behind = zip(operators, alone.rules_for(graph, operators), strict=True)
    names = [re.escape(";".join(one.writes)) for one, found in behind if found is rule]
    return [entry(replace(rule, match=f"^({'|'.join(names)});?$"))] if names else []


def _operations(operator: str) -> list[str]:
    """List the quantizer's names of the operators that a rule's expression means; ``*`` for all."""
    from ai_edge_quantizer.qtyping import TFLOperationName

    if not operator:
        return ["*"]
    names = [str(kind.value) for kind in TFLOperationName if kind.value not in {"*", "INPUT", "OUTPUT"}]
    return [name for name in names if re.fullmatch(operator, name, re.IGNORECASE)]


def entry(rule: Rule, operation: str = "*") -> dict[str, Any]:
    """Write a rule as an entry of the quantizer's recipe."""
    regex = rule.match or ".*"
    if rule.weights == "float":
        return {"regex": regex, "operation": operation, "algorithm_key": LEAVE, "op_config": {}}
    weight: dict[str, Any] = {
        "num_bits": _BITS[rule.weights],
        "symmetric": True,
        "granularity": "CHANNELWISE" if rule.granularity == "channel" else "TENSORWISE",
        "dtype": "FLOAT" if rule.weights == "fp16" else "INT",
    }
    config: dict[str, Any] = {
        "weight_tensor_config": weight,
        "compute_precision": "INTEGER",
        "explicit_dequantize": False,
    }
    if rule.weights == "fp16":
        weight["granularity"] = "TENSORWISE"
    if rule.activations in {"int8", "int16"}:
        # LiteRT's kernels take int16 without a zero point, int8 with one.
        config["activation_tensor_config"] = {
            "num_bits": _BITS[rule.activations],
            "symmetric": rule.activations == "int16",
            "granularity": "TENSORWISE",
            "dtype": "INT",
        }
    elif rule.activations != "dynamic":
        config |= {"compute_precision": "FLOAT", "explicit_dequantize": True}
    key = CASTING if rule.weights == "fp16" else MIN_MAX
    return {"regex": regex, "operation": operation, "algorithm_key": key, "op_config": config}


def is_native(data: Any) -> bool:
    """Tell an AI Edge Quantizer recipe (a list of entries, or name to list) from one of ours."""
    lists: Sequence[Any] = [data] if isinstance(data, list) else list(data.values()) if isinstance(data, dict) else []
    return bool(lists) and all(
        isinstance(entries, list)
        and entries
        and all(isinstance(one, dict) and "algorithm_key" in one for one in entries)
        for entries in lists
    )


def precision_of(data: Any) -> str:
    """Name the precision of an AI Edge Quantizer recipe: ``w8``, ``w8a8``, ``w8a16``, ``fp16``, else ``mixed``."""
    entries = data if isinstance(data, list) else [one for listed in data.values() for one in listed]
    kinds = {_kind(one) for one in entries if one.get("algorithm_key") != LEAVE}
    only = kinds.pop() if len(kinds) == 1 else "mixed"
    return only if only in {"fp16", "w8", "w8a8", "w8a16"} else "mixed"


def _kind(one: Mapping[str, Any]) -> str:
    """Name what an entry does."""
    config = one.get("op_config", {})
    weight = config.get("weight_tensor_config") or {}
    if weight.get("dtype") == "FLOAT":
        return "fp16"
    activation = config.get("activation_tensor_config")
    return f"w{weight.get('num_bits', 8)}" + (f"a{activation.get('num_bits', 8)}" if activation else "")


def warnings(rules: Iterable[Rule]) -> list[str]:
    """Say what these rules cost on a CPU."""
    if not any(rule.activations == "int16" for rule in rules):
        return []
    return [
        (
            "LiteRT has no fast CPU kernels for 16-bit activations: on x86, HDRNet's coefficients took 20 times the "
            "time of float, and a network in 16 bits throughout 32 times; this artifact is for an NPU"
        )
    ]
