"""The state of this computer around a measurement: what makes two timings comparable, or not."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_CPUS = Path("/sys/devices/system/cpu")
_THERMAL = Path("/sys/class/thermal")
_CPUINFO = Path("/proc/cpuinfo")
_NAME = re.compile(r"'?([A-Za-z0-9._-]+)")
PROTOCOL = 2
"""Version of how timings are taken; numbers of different versions are not compared."""


def context(cores: list[int]) -> dict[str, Any]:
    """Return processor, governor, frequencies, temperatures and load, with None for what the system does not tell."""
    return {
        "protocol": PROTOCOL,
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": cores,
        "governor": {core: _text(_cpufreq(core, "scaling_governor")) for core in cores},
        "frequency_khz": {core: _number(_cpufreq(core, "scaling_cur_freq")) for core in cores},
        "temperature_mc": {zone.name: _number(zone / "temp") for zone in sorted(_THERMAL.glob("thermal_zone*"))},
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def runtime(requirement: str) -> str:
    """Return the installed package of an engine with its version, as ``onnxruntime==1.31.1``; "" for a toolchain's."""
    name = _NAME.match(requirement)
    try:
        return f"{name[1]}=={version(name[1])}" if name else ""
    except PackageNotFoundError:
        return ""


def pinned(threads: int) -> list[int]:
    """Choose as many cores as threads: the last ones, because interrupts go to the first. Empty where none can be."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))[-threads:]


def _cpufreq(core: int, name: str) -> Path:
    """Return a file of a core's frequency control."""
    return _CPUS / f"cpu{core}" / "cpufreq" / name


def _text(path: Path) -> str | None:
    """Return what a file of the kernel says."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _number(path: Path) -> int | None:
    """Return the number in a file of the kernel."""
    text = _text(path)
    return int(text) if text and text.lstrip("-").isdigit() else None


def _processor() -> str:
    """Name the processor."""
    for line in (_text(_CPUINFO) or "").splitlines():
        if line.lower().startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
