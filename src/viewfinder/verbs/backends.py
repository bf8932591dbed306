"""What verifies artifacts for accelerators here, tried with one addition each, for `viewfinder doctor`.

Engines answer for themselves (`viewfinder.runtime.engines.Engine.probe`); these are the others.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from viewfinder import accelerators, presets
from viewfinder.measurement import Evidence

_SNAPDRAGON = "snapdragon-8-elite"
_VENDORS = ("mediatek", "google-tensor", "samsung")


@dataclass(frozen=True)
class Backend:
    """One way to an accelerator.

    Attributes:
        target: as `verify --targets` takes it.
        toolchain: isolated environment without which nothing is tried; "" where none is needed.
        evidence: what its rows are where it works.
        tried: is given an empty folder; returns None when one addition was compiled or computed, else the reason.
    """

    target: str
    toolchain: str
    evidence: Evidence
    tried: Callable[[Path], str | None]

    def problem(self) -> str | None:
        """Return None when it works here, else the reason; nothing is downloaded."""
        from viewfinder.devices import toolchains

        if self.toolchain and not toolchains.installed(self.toolchain):
            return f"the toolchain {self.toolchain} is not installed"
        with tempfile.TemporaryDirectory(prefix="viewfinder-doctor-") as work:
            try:
                return self.tried(Path(work))
            except ImportError as error:
                return f"it cannot be tried: {error}"


def _vela(_work: Path) -> str | None:
    """Compile one addition with Vela."""
    from viewfinder.devices import toolchains
    from viewfinder.runtime.ethos import trying

    return trying.vela(toolchains.python("vela") or Path())


def _litert_gpu(work: Path) -> str | None:
    """Compute it with LiteRT's shaders."""
    from viewfinder.devices.toolchains import vulkan
    from viewfinder.runtime.gpu import litert

    return litert.LitertGpu(vulkan.environment(), litert.FP16, work).probe()


def _ncnn_gpu(work: Path) -> str | None:
    """Compute it with ncnn's shaders."""
    from viewfinder.devices import toolchains
    from viewfinder.devices.toolchains import vulkan
    from viewfinder.runtime.gpu import litert, ncnn

    return ncnn.NcnnGpu(toolchains.python("ncnn"), vulkan.environment(), litert.FP16, work).probe()


def _snapdragon_litert(work: Path) -> str | None:
    """Compile it with LiteRT's plug-in, emulate the binary."""
    from viewfinder.devices import toolchains
    from viewfinder.runtime.litert_aot import sdk
    from viewfinder.runtime.litert_aot.engine import LitertAot

    return LitertAot(presets.npu(_SNAPDRAGON), sdk.official(), toolchains.python("qnn"), work).probe()


def _rockchip(work: Path) -> str | None:
    """Build and simulate it."""
    from viewfinder.devices import toolchains
    from viewfinder.runtime.rknn import simulator

    return simulator.Simulator(toolchains.python("rknn"), "rk3588", work).probe()


def _vendor(name: str) -> Backend:
    """Compile it with a vendor's plug-in."""

    def tried(work: Path) -> str | None:
        """Say what is lacking."""
        from viewfinder.verbs.adapters import litert_vendor

        return litert_vendor.problem(accelerators.ACCELERATORS[name], work)

    return Backend(name, "", Evidence.NOT_RUN, tried)


ALL = (
    Backend("ethos-u85", "vela", Evidence.COMPILER_ESTIMATE, _vela),
    Backend("android-gpu", "lavapipe", Evidence.EMULATED, _litert_gpu),
    Backend("android-gpu-ncnn", "ncnn", Evidence.EMULATED, _ncnn_gpu),
    Backend(f"{_SNAPDRAGON}-litert", "", Evidence.EMULATED, _snapdragon_litert),
    Backend("rockchip-rk3588", "rknn", Evidence.REFERENCE, _rockchip),
    *map(_vendor, _VENDORS),
)
