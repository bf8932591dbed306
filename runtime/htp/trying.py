"""One addition on the HTP: compiled by Qualcomm's compiler and executed by its emulator, before either is believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from viewfinder import presets
from viewfinder.artifact import GraphFile
from viewfinder.errors import ViewfinderError
from viewfinder.runtime import engines, tiny
from viewfinder.runtime.htp import compiler

_TOLERANCE = 1e-3
"""The emulator of v73 is off by 1e-7, the last bit of float32."""
Opened = Callable[[Path, GraphFile], engines.Runner]


def tried(python: Path, work: Path, opened: Opened) -> str | None:
    """Return None when the sum is right, else the reason.

    Args:
        python: interpreter of the toolchain ``qnn``.
        work: an empty folder.
        opened: loads a compiled file in the emulator.
    """
    source, target, npu = tiny.write_onnx(work), work / "compiled.onnx", presets.WITH_ESTIMATES
    graph = replace(tiny.GRAPH, notes={"soc_model": npu.soc_model, "htp_arch": npu.htp_arch})
    try:
        compiler.compile_graph(python, source, target, npu)
        found = opened(target, graph)(tiny.FEEDS)["sum"]
    except ViewfinderError as error:
        return f"it does not compile and run one addition here: {error.message}"
    right = np.allclose(found, tiny.EXPECTED, rtol=0, atol=_TOLERANCE)
    return None if right else f"it adds {tiny.EXPECTED.tolist()} as {found.tolist()}"
