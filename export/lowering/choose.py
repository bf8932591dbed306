"""Which form of slicing a target gets, and the measurement that decided it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from viewfinder.errors import UsageError
from viewfinder.export.lowering.cell import StripCell
from viewfinder.export.lowering.sizes import StripSizes
from viewfinder.export.lowering.tent import StripTent

# Prototypes of every form at 1080p, one thread of an EPYC with AVX-512, ms in ONNX Runtime / LiteRT / ExecuTorch
# (XNNPACK), all measured on one day; `make bench` measures what is shipped:
#   5-D grid_sample, whole frame      1612 /   - /   -    (does not convert to TFLite, ExecuTorch, Core ML)
#   a resize per bin, whole frame      359 / 328 / 414    and 1.2 to 2 GB
#   cell, whole frame                  109 / 140 / 135    and 0.6 to 1.1 GB
#   ramps and matrix products, 8 rows  102 /  78 /  85
#   cell, strips of 24 rows             64 /  67 /  56    and 25 to 40 MB: the cell form wins in every runtime
_BY_FORMAT = {"onnx": "cell", "tflite": "cell", "executorch": "cell", "coreml": "cell", "ncnn": "tent"}
"""ncnn has no layer for the products with five axes."""

_SUMS = {"tflite": frozenset({"guide", "matrices"}), "onnx": frozenset({"matrices"})}
"""What sums over an axis in a format's cell form, where `cell.SUMS` says that this is the faster way."""

_JOINED = frozenset({"tflite"})
"""Formats whose features are concatenated: there a product with five axes takes 10 ms more, elsewhere 1 to 2 less."""

_STRIP_ROWS = 12
"""Rows of a strip. Of 6 to 24, 10 to 12 were the fastest at 1080p on one thread in every runtime (L2 cache: 1 MB)."""


def _cell(guide: Any, sizes: StripSizes, file_format: str) -> nn.Module:
    """Make the cell form for a format."""
    sums, joined = _SUMS.get(file_format, frozenset()), file_format in _JOINED
    return StripCell(guide, sizes, sums=sums, joined=joined)


def _tent(guide: Any, sizes: StripSizes, _file_format: str) -> nn.Module:
    """Make the tent form."""
    return StripTent(guide, sizes)


FORMS: dict[str, Callable[[Any, StripSizes, str], nn.Module]] = {"cell": _cell, "tent": _tent}

# NPU compilers split the graph at ABS and MIN, and int8 TFLite leaves both in float; the tent form has neither.
# Snapdragon's takes the cell form whole too, but the sums and the product with five axes that CPUs like cost it much:
# 20.8 ms for a strip of 12 x 1920 in fp16 against 1.25 ms in tent form (onnxruntime-qnn 2.7.0, compiler-estimate for
# SA8255, v73).
_ON_NPU = "tent"


def form_for(form: str, file_format: str, processor: str = "cpu") -> str:
    """Return the name of the form: the one asked for, or for ``auto`` the measured winner on the target."""
    if form == "auto":
        return _ON_NPU if processor == "npu" else _BY_FORMAT.get(file_format, "cell")
    if form not in FORMS:
        raise UsageError(f"there is no slice form {form!r}", f"choose auto or one of: {', '.join(FORMS)}")
    return form


def strip_rows() -> int:
    """Return how many rows a strip has, unless somebody asks for another number."""
    return _STRIP_ROWS
