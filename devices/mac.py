"""Macs: Core ML itself, on this computer (``mac``) or behind ssh (``mac:[USER@]HOST[:PORT]``), through coremltools.

Only macOS has Core ML: elsewhere ``mac`` is not-run. A Mac behind ssh needs nothing but its Python with coremltools;
what Linux's own programs do on other boards (`viewfinder.devices.ssh`), that Python does here.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from viewfinder.devices import DeviceError, DeviceInfo, Finished, Found, Launch, Pushed, host, ssh
from viewfinder.devices import _ssh_session as session
from viewfinder.errors import MissingToolError, ViewfinderError
from viewfinder.measurement import Evidence

NAME = "mac"
PYTHON = "VIEWFINDER_MAC_PYTHON"
"""Names the Python of a Mac behind ssh, of 3.11 or later, if its ``python3`` does not have coremltools."""
NEEDS = "needs macOS"
ELSEWHERE = "name a Mac that ssh reaches: mac:[USER@]HOST"
_PACKAGES = "python3 -m pip install coremltools numpy"
_LOOK_S, _IMPORT_S = 30.0, 180.0
_HASH = "import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest())"
# macOS has no `timeout`; this one ends as that of Linux does: 124 when the time is over, 126 and 127 for no program.
_LIMIT = """
import os, signal, subprocess, sys
try:
    child = subprocess.Popen(sys.argv[2:], start_new_session=True)
except OSError as error:
    print("timeout: " + os.strerror(error.errno), file=sys.stderr)
    sys.exit(127 if error.errno == 2 else 126)
try:
    code = child.wait(float(sys.argv[1]))
except subprocess.TimeoutExpired:
    os.killpg(child.pid, signal.SIGKILL)
    sys.exit(124)
sys.exit(code if code >= 0 else 128 - code)
"""
_LOOK = """
import os, platform, subprocess
def ask(name):
    try:
        return subprocess.run(["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""
lines = platform.system(), platform.mac_ver()[0], platform.machine(), str(os.cpu_count())
print("\\n".join((*lines, ask("machdep.cpu.brand_string"), ask("hw.memsize"), ask("hw.model"))))
"""
_VERSIONS = "from importlib.metadata import version as v; print(*(n + '==' + v(n) for n in ('coremltools', 'numpy')))"


def found() -> list[Found]:
    """Return this computer if it is a Mac, else how to name one; nothing is contacted."""
    about = "Core ML on a Mac: mac, or mac:[USER@]HOST[:PORT]"
    here = platform.system() == "Darwin"
    return [Found(NAME, about) if here else Found(NAME, about, NEEDS, ELSEWHERE)]


def open(detail: str) -> Local | Remote:  # noqa: A001 as the standard library's modules do
    """Return this computer, or the Mac behind ssh; it is not contacted yet.

    Raises:
        UsageError: this is no host's name.
    """
    return Remote(f"{NAME}:{detail}", ssh.open(detail).address) if detail else Local()


class Local(host.Host):
    """This computer, which has to be a Mac. See `viewfinder.devices.Device`."""

    name = NAME
    evidence = Evidence.MEASURED
    formats = ("coreml",)

    def problem(self) -> str:
        """Return why Core ML cannot run here, or ""."""
        if platform.system() != "Darwin":
            return f"{NEEDS} ({ELSEWHERE})"
        from importlib.util import find_spec

        return "" if find_spec("coremltools") else f"coremltools is not installed ({_PACKAGES})"

    def facts(self) -> dict[str, str]:
        """Return what numbers depend on."""
        from importlib.metadata import version

        return {"processor": host.cpu(), "system": f"macOS {platform.mac_ver()[0]}", "wheels": version("coremltools")}

    def info(self) -> DeviceInfo:
        """Look at this computer.

        Raises:
            MissingToolError: it is no Mac.
        """
        self._require()
        seen = super().info()
        return DeviceInfo(self.name, seen.cpu, seen.cores, seen.memory_bytes, f"macOS {platform.mac_ver()[0]}")

    def place(self, path: Path) -> str:
        """Return a file's name there: it is here."""
        return str(path)

    def python(self, counts: Path | None = None) -> Launch:
        """Return how to start Python.

        Raises:
            MissingToolError: this is no Mac, or counts are asked for.
        """
        self._require()
        if counts is not None:
            raise _no_counts(self.name)
        return Launch((sys.executable, "-P"))

    def _require(self) -> None:
        """Refuse what only a Mac can do."""
        if platform.system() != "Darwin":
            raise MissingToolError(f"{self.name} {NEEDS}", ELSEWHERE)


class Remote(ssh.Board):
    """A Mac behind ssh. See `viewfinder.devices.Device`."""

    formats = ("coreml",)

    def info(self) -> DeviceInfo:
        """Ask the Mac."""
        told = self._look()
        try:
            memory = int(told[5]) if told[5] else None
            cores = int(told[3])
        except ValueError as error:
            raise DeviceError(f"{self.name} answers {told} when asked what it is", "is it a Mac?") from error
        system = f"{'macOS' if told[0] == 'Darwin' else told[0]} {told[1]} {told[2]}"
        return DeviceInfo(self.name, told[4] or told[6] or told[2], cores, memory, system, Evidence.MEASURED)

    def _look(self) -> list[str]:
        """Return system, its version, machine, cores, processor, memory and model, as the Mac tells them."""
        done = self.run([self._python, "-c", _LOOK], _LOOK_S)
        told = [line.strip()[:200] for line in done.output.split("\n")]
        if done.code or len(told) < 7:
            raise DeviceError(
                f"{self.name} answers {told[:7]} when asked what it is", f"is there a Python? see {PYTHON}"
            )
        return told

    def problem(self) -> str:
        """Return why Core ML cannot run there now, or ""; asks it."""
        try:
            told = self._look()
            if told[0] != "Darwin":
                return f"{NEEDS}, and {self.name} has {told[0]}"
            done = self.run([self._python, "-c", "import coremltools, numpy"], _IMPORT_S)
        except ViewfinderError as error:
            return f"{error.message} ({error.hint})"
        last = done.errors.strip().splitlines()[-1:] or [f"code {done.code}"]
        return f"its Python lacks a package: {last[0][:200]} (there: {_PACKAGES}, or see {PYTHON})" if done.code else ""

    def facts(self) -> dict[str, str]:
        """Return what numbers depend on."""
        info = self.info()
        wheels = self.run([self._python, "-c", _VERSIONS], _LOOK_S).output.strip()[:200]
        return {"processor": info.cpu, "system": info.system, "wheels": wheels}

    @contextmanager
    def watched(self) -> Iterator[dict[str, Any]]:
        """Yield nothing: macOS tells neither clocks nor temperatures without root."""
        yield {}

    def push(self, source: Path) -> Pushed:
        """Send a file or folder, unless its content is there."""
        what = session.Content.of(source)
        return self._with(lambda connection: session.push(connection, what, (self._python, "-c", _HASH)))

    def run(self, argv: Sequence[str], timeout_s: float) -> Finished:
        """Run a command in the work folder, for a limited time."""
        limiter = (self._python, "-c", _LIMIT)
        return self._with(lambda connection: session.run(connection, argv, timeout_s, limiter), timeout_s + _LOOK_S)

    def python(self, counts: Path | None = None) -> Launch:
        """Return how to start the Mac's Python; its streams are handed on.

        Raises:
            MissingToolError: counts are asked for.
        """
        if counts is not None:
            raise _no_counts(self.name)
        address = f"{ssh.NAME}:{self.name.partition(':')[2]}"
        return Launch((sys.executable, "-m", "viewfinder.devices._ssh_pipe", address, self._python, "-P"))

    @property
    def _python(self) -> str:
        """Name the Mac's Python."""
        return os.environ.get(PYTHON) or "python3"


def _no_counts(name: str) -> MissingToolError:
    """Return the error for what no Mac can do."""
    return MissingToolError(f"{name} does not count instructions", "count on arm64:cortex-a76, say")
