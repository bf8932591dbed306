"""TFLite through litert-torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from viewfinder.export.formats import _rounded_tflite
from viewfinder.export.request import Conversion

SUFFIX = ".tflite"
TOOLS = ("torch", "litert-torch", "litert-converter", "ai-edge-litert", "ai-edge-quantizer")
PRECISIONS = ("float", "fp16")


def convert(conversion: Conversion) -> dict[str, Any]:
    """Write a ``.tflite`` file whose inputs and outputs carry the names of the specs."""
    import litert_torch

    graph = conversion.graph
    named = _Named(graph.module, tuple(spec.name for spec in graph.outputs))
    kwargs = {spec.name: example for spec, example in zip(graph.inputs, graph.examples, strict=True)}
    if conversion.is_rounded:
        _rounded_tflite.convert(named, kwargs, conversion.path)
    else:
        litert_torch.convert(named.eval(), sample_kwargs=kwargs).export(str(conversion.path))
    if conversion.precision == "fp16":
        _half(conversion.path)
    return _notes(conversion.path)


class _Named(torch.nn.Module):
    """A module called by input names that returns a dictionary, so that the file's signature has both names."""

    def __init__(self, module: torch.nn.Module, outputs: tuple[str, ...]) -> None:
        """Wrap `module`."""
        super().__init__()
        self.module, self.outputs = module, outputs

    def forward(self, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run the module; the order of the keywords is that of its arguments."""
        result = self.module(*inputs.values())
        results = result if isinstance(result, tuple) else (result,)
        return dict(zip(self.outputs, results, strict=True))


def _half(path: Path) -> None:
    """Store the weights as float16; the delegate decides about the arithmetic (float32 on x86, float16 on phones)."""
    from ai_edge_quantizer import qtyping, quantizer

    weights = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
    config = qtyping.OpQuantizationConfig(
        weight_tensor_config=weights, compute_precision=qtyping.ComputePrecision.FLOAT
    )
    rounding = quantizer.Quantizer(str(path))
    for operation in ("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D_TRANSPOSE", "FULLY_CONNECTED"):
        name = qtyping.TFLOperationName(operation)
        rounding.update_quantization_recipe(".*", name, config, algorithm_key="float_casting")
    path.write_bytes(bytes(rounding.quantize().quantized_model))


def _notes(path: Path) -> dict[str, Any]:
    """Count operators and transposes."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_path=str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    names = [op["op_name"] for op in interpreter._get_ops_details()]  # noqa: SLF001
    counts = {name: names.count(name) for name in sorted(set(names))}
    return {"operators": counts, "transposes": counts.get("TRANSPOSE", 0)}
