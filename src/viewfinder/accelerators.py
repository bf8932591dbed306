"""Accelerators other than Snapdragon's NPUs that a model can be verified for, by the names that people know.

Some are compiled for and some only computed by a reference; where the vendor's own tools are needed and cannot be had
without an agreement with the vendor, the artifact that they would take is named and nothing is claimed.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from viewfinder import presets
from viewfinder.errors import UsageError
from viewfinder.presets import Npu

VELA, COREML, ABSENT = "vela", "coreml", "absent"
"""Arm's compiler; the Core ML evaluator; tools that are not part of any package here."""


@dataclass(frozen=True)
class Accelerator:
    """Something that computes a network, and what verifies artifacts for it here.

    Attributes:
        name: as on the command line.
        title: as it is sold.
        adapter: module in ``verbs/adapters``, or `ABSENT`.
        format: of the artifact that it takes.
        takes: the artifact, in words.
        config: how the compiler calls it.
        needs: what would have to be installed; "" where it is known how.
        module: Python package that brings the vendor's SDK; "" where there is none.
    """

    name: str
    title: str
    adapter: str
    format: str
    takes: str
    config: str = ""
    needs: str = ""
    module: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the accelerator as JSON data."""
        return asdict(self)


_INTEGERS = "a TFLite artifact with integers throughout: tent form, `viewfinder quantize --target npu`"
_ETHOS = tuple(
    Accelerator(f"{family}{size}", f"Arm {title}", VELA, "tflite", _INTEGERS, f"{family}{size or default}")
    for family, title, default, sizes in (
        ("ethos-u55", "Ethos-U55", "-128", ("", "-32", "-64", "-128", "-256")),
        ("ethos-u65", "Ethos-U65", "-512", ("", "-256", "-512")),
        ("ethos-u85", "Ethos-U85", "-1024", ("", "-128", "-256", "-512", "-1024", "-2048")),
    )
    for size in sizes
)
_THROUGH_LITERT = tuple(
    Accelerator(
        f"{one.name}-litert", f"{one.title}, LiteRT", "litert_aot", "tflite", "a TFLite artifact, slicing in tent form",
        config=one.name,
    )
    for one in presets.NPUS.values()
    if one.part.startswith(("SM", "SA"))
)  # fmt: skip
"""Processors that LiteRT's compiler for Snapdragon knows."""
_SDK = "SDK absent"
_ALL = (
    *_ETHOS,
    *_THROUGH_LITERT,
    Accelerator("apple-coreml", "Apple, Core ML", COREML, "coreml", "a Core ML package"),
    Accelerator(
        "apple-coreai", "Apple, Core AI", "coreai", "coreai",
        "a Core AI model: `viewfinder export MODEL --format coreai --precision fp16`",
    ),
    Accelerator(
        "android-gpu", "Android GPU, LiteRT", "gpu", "tflite", "a float TFLite artifact, slicing in tent form",
    ),
    Accelerator(
        "android-gpu-ncnn", "Android GPU, ncnn", "ncnn", "ncnn",
        "`viewfinder export MODEL --format ncnn`, slicing in tent form",
    ),
    Accelerator(
        "android-gpu-executorch", "Android GPU, ExecuTorch", "vulkan", "vulkan",
        "`viewfinder export MODEL --format vulkan`, slicing in tent form",
    ),
    Accelerator(
        "mediatek", "MediaTek MT6991, LiteRT", "litert_vendor", "tflite", "the w8a8 TFLite artifact", "MT6991",
        f"{_SDK}: MediaTek's NeuroPilot SDK (libneuron_adapter.so)", "ai_edge_litert_sdk_mediatek",
    ),
    Accelerator(
        "google-tensor", "Google Tensor G5, LiteRT", "litert_vendor", "tflite", "the w8a8 TFLite artifact", "Tensor_G5",
        f"{_SDK}: Google's Tensor SDK (liblitert_plugin_compiler.so)", "ai_edge_litert_sdk_google_tensor",
    ),
    Accelerator(
        "samsung", "Samsung Exynos E9965, LiteRT", "litert_vendor", "tflite", "the w8a8 TFLite artifact", "E9965",
        f"{_SDK}: Samsung's Exynos AI LiteCore SDK", "ai_edge_litert_sdk_samsung",
    ),
    Accelerator(
        "rockchip-rk3588", "Rockchip RK3588", "rockchip", "onnx", "a float ONNX artifact, slicing in tent form",
        "rk3588",
    ),
    Accelerator(
        "qualcomm-ai-hub", "Qualcomm AI Hub", "ai_hub", "onnx", "the float or w8a8 ONNX artifact",
    ),
)  # fmt: skip
ACCELERATORS: Mapping[str, Accelerator] = MappingProxyType({one.name: one for one in _ALL})
_MOST_NEAR, _SIMILAR = 3, 0.5


def find(name: str) -> Npu | Accelerator:
    """Return a Snapdragon or another accelerator by its name.

    Raises:
        UsageError: nothing has this name; the hint lists those that are spelled alike, else all.
    """
    wanted = name.strip().lower().replace("_", "-").replace(" ", "-")
    if wanted in ACCELERATORS:
        return ACCELERATORS[wanted]
    near = difflib.get_close_matches(wanted, ACCELERATORS, _MOST_NEAR, _SIMILAR)
    try:
        return presets.npu(name)
    except UsageError as error:
        known = f"known are: {', '.join((*presets.NPUS, *ACCELERATORS))}"
        spelled = error.hint if error.hint.startswith("did you mean") else ""
        own = f"did you mean {' or '.join(near)}?" if near else ""
        raise UsageError(error.message, " ".join(filter(None, (own, spelled))) or known, code=error.code) from None
