"""A compiled file as onnxruntime-qnn writes it, without Qualcomm's binary: facts about it need none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onnx import TensorProto, helper, save

from viewfinder.runtime.htp import binary


def write(path: Path, *, arch: int = 79, soc: int = 69, facts: str | None = None, **attributes: Any) -> Path:
    """Write an ONNX file with one ``EPContext`` node."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in ("image", "enhanced")]
    fields = {"main_context": 1, "embed_mode": 1, "ep_cache_context": b"\0binary", "source": "QNN"} | attributes
    node = helper.make_node("EPContext", ["image"], ["enhanced"], domain="com.microsoft", **fields)
    model = helper.make_model(helper.make_graph([node], "graph", values[:1], values[1:]))
    stated = f"v2:6:2.51.0:5.51.0:{arch}:{soc}:0:0" if facts is None else facts
    helper.set_model_props(model, {binary.COMPATIBILITY: stated})
    save(model, str(path))
    return path
