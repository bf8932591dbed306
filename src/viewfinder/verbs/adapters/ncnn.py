"""Android's GPUs through ncnn: its Vulkan shaders in fp32 and fp16 on a software driver, and its processor path.

A layer that has no shader runs on the processor without a word of ncnn; its layers are asked, and those count.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from viewfinder.artifact import Artifact
from viewfinder.runtime import engines
from viewfinder.runtime.gpu import litert
from viewfinder.runtime.gpu.ncnn import MISSING, NcnnGpu
from viewfinder.runtime.report.document import Section
from viewfinder.verbs.adapters import FLOAT, NPU, Bind, Case, Order, _computed, _on_gpu, not_run

FORMAT = "ncnn"
NEEDS = (Order(FORMAT, FLOAT, NPU),)
_EVIDENCE = "ncnn's shaders, executed by a software Vulkan driver; no graphics chip of a phone"
_IN_FP16 = "; net.opt.use_winograd43_convolution and use_winograd63_convolution are false, as an app has to set them"
_PLACEMENT = "the processor of this computer, because there is no Vulkan driver here; nothing says what a GPU computes"


def takes(made: Artifact) -> bool:
    """Take ncnn's models."""
    return made.format == FORMAT


def sections(case: Case, bind: Bind) -> list[Section]:
    """Verify in fp32 and in fp16; without a driver these rows are not run, and a third has the processor's numbers."""
    from viewfinder.devices import toolchains
    from viewfinder.devices.toolchains import vulkan

    python, driver = toolchains.python(engines.toolchain_of(FORMAT)), vulkan.environment()
    names = {precision: f"ncnn-{case.made.precision}-{precision}" for precision in litert.PRECISIONS}
    if python is None:
        return [not_run(case, name, f"not-run: {MISSING}") for name in names.values()]
    if driver is None:
        missing = [not_run(case, name, f"not-run: {litert.MISSING}") for name in names.values()]
        return [*missing, _on_cpu(case, bind, python)]
    with tempfile.TemporaryDirectory(prefix="viewfinder-ncnn-") as work:
        return [
            _on_gpu.section(
                case,
                bind,
                NcnnGpu(python, driver, precision, Path(work), case.request.max_fallback_ops),
                name,
                _EVIDENCE + (_IN_FP16 if precision == litert.FP16 else ""),
            )
            for precision, name in names.items()
        ]


def _on_cpu(case: Case, bind: Bind, python: Path) -> Section:
    """Make the row of ncnn's own path for processors."""
    done = _computed.section(case, bind, engines.load(FORMAT, python), {"placement": _PLACEMENT})
    return replace(done, report=replace(done.report, artifact=f"ncnn-{case.made.precision}-cpu"))
