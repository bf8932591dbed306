"""The network of four convolutions in TFLite, quantized by this product with nothing left in float but the ends."""

from __future__ import annotations

import json
from pathlib import Path

from tests.runtime.bisect import nets

from viewfinder.artifact import Artifact
from viewfinder.verbs import on_ethos
from viewfinder.verbs.quantize import QuantizeRequest, quantize


def write(folder: Path, precision: str = "w8a8") -> Artifact:
    """Write ``tflite-float``, its quantized sibling and golden pictures; return the quantized one."""
    nets.write(folder / "tflite-float", nets.tflite_float(), "NHWC")
    nets.write_golden(folder)
    given = folder / "recipe.json"
    given.write_text(json.dumps(on_ethos.recipe(precision).to_dict()))
    request = QuantizeRequest(str(folder / "tflite-float"), recipe=given, samples=2, min_coverage=0)
    return quantize(request).artifact
