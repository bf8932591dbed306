"""Android's GPUs: float TFLite artifacts in tent form, LiteRT's GPU accelerator, a software Vulkan driver.

A graph can be "fully accelerated" and wrong: LiteRT goes on when the driver refuses a generated shader. So the numbers
decide, and the driver's complaints are told beside them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from viewfinder.artifact import Artifact
from viewfinder.runtime.gpu import litert
from viewfinder.runtime.report.document import Section
from viewfinder.verbs.adapters import FLOAT, NPU, Bind, Case, Order, _on_gpu, not_run

NEEDS = (Order("tflite", FLOAT, NPU),)
_EVIDENCE = "the shaders of LiteRT's GPU accelerator, executed by a software Vulkan driver; no graphics chip of a phone"


def takes(made: Artifact) -> bool:
    """Take TFLite of every precision: integers are computed in float there, or wrongly."""
    return made.format == "tflite"


def sections(case: Case, bind: Bind) -> list[Section]:
    """Verify in fp32 and in fp16, which is what phones compute in unless an app asks for more."""
    return [_section(case, bind, precision) for precision in litert.PRECISIONS]


def _section(case: Case, bind: Bind, precision: str) -> Section:
    """Make one row."""
    from viewfinder.devices.toolchains import vulkan

    name, driver = f"gpu-{case.made.precision}-{precision}", vulkan.environment()
    if driver is None:
        return not_run(case, name, f"not-run: {litert.MISSING}")
    with tempfile.TemporaryDirectory(prefix="viewfinder-gpu-") as work:
        engine = litert.LitertGpu(driver, precision, Path(work), case.request.max_fallback_ops)
        return _on_gpu.section(case, bind, engine, name, _EVIDENCE)
