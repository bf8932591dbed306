"""The computer this runs on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from viewfinder.devices import DeviceInfo, Finished, Found, Pushed
from viewfinder.devices._folder import Store, locked
from viewfinder.devices._running import Bounds, run
from viewfinder.errors import UsageError

NAME = "host"
_CPUINFO = Path("/proc/cpuinfo")


def found() -> list[Found]:
    """Return this computer; it is always there."""
    return [Found(NAME, f"{cpu()}, {cores()} cores, {platform.system()} {platform.machine()}")]


def open(detail: str) -> Host:  # noqa: A001 as the standard library's modules do
    """Return this computer.

    Raises:
        UsageError: a detail was given; there is only one host.
    """
    if detail:
        raise UsageError(f"there is no device {NAME}:{detail}", f"this computer is called {NAME}")
    return Host()


def cpu() -> str:
    """Name the processor: the kernel knows it on Linux, sysctl on macOS."""
    if _CPUINFO.exists():
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    if platform.system() == "Darwin":
        return run(["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"], Bounds(10)).output.strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int | None:
    """Return the installed memory."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


class Host:
    """See `viewfinder.devices.Device`."""

    name = NAME

    def __init__(self) -> None:
        """Name its folder."""
        self._store = Store(NAME)

    def info(self) -> DeviceInfo:
        """Look at the processor, the memory and the system."""
        system = f"{platform.system()} {platform.release()} {platform.machine()}"
        return DeviceInfo(NAME, cpu(), cores(), memory_bytes(), system)

    def push(self, source: Path) -> Pushed:
        """Copy into the device's folder, as other devices do, so that what works here works there."""
        return self._store.push(source)

    def pull(self, name: str, target: Path) -> None:
        """Copy out of the work folder."""
        self._store.pull(name, target)

    def run(self, argv: Sequence[str], timeout_s: float) -> Finished:
        """Run a command in the work folder."""
        return run(argv, Bounds(timeout_s, self._store.work))

    def lock(self, wait_s: float = 0.0) -> AbstractContextManager[None]:
        """Keep other measurements off this computer."""
        return locked(NAME, wait_s)
