"""The computer this runs on."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from viewfinder.devices import DeviceInfo, Finished
from viewfinder.errors import CheckFailedError, MissingToolError

NAME = "host"
_CPUINFO = Path("/proc/cpuinfo")


def info() -> DeviceInfo:
    """Look at the processor, the memory and the system."""
    return DeviceInfo(
        NAME, _cpu(), _cores(), _memory_bytes(), f"{platform.system()} {platform.release()} {platform.machine()}"
    )


def _cpu() -> str:
    """Name the processor: the kernel knows it on Linux, sysctl on macOS."""
    if _CPUINFO.exists():
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    if platform.system() == "Darwin":
        return run(["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"], timeout_s=10).output.strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int | None:
    """Return the installed memory."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def run(argv: Sequence[str], timeout_s: float) -> Finished:
    """Run a command; see `viewfinder.devices.Device.run`. After a timeout its whole process group is killed."""
    start = time.monotonic()
    try:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise MissingToolError(f"{argv[0]} cannot be started: {reason}", "install it, or give its full path") from error
    with process:
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise CheckFailedError(
                    f"{argv[0]} was still running after {timeout_s:g} s and was killed",
                    "allow it more time",
                    code="timeout",
                ) from error
            raise
    texts = [stream.decode("utf-8", errors="replace") for stream in (output, errors)]
    return Finished(tuple(argv), process.returncode, texts[0], texts[1], time.monotonic() - start)
