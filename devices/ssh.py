"""Any Linux board that ``ssh`` reaches: ``ssh:[USER@]HOST[:PORT]``, through asyncssh.

Host keys are checked against ``~/.ssh/known_hosts``; users, ports, keys and the agent are those of ``~/.ssh/config``
(or of the file that VIEWFINDER_SSH_CONFIG names). What is pushed lies in the board's ``~/.cache/viewfinder-device`` by
its hash. A command counts as ended only with the file that its wrapper writes last: a cut connection is never taken for
success.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from viewfinder import files
from viewfinder.devices import DeviceError, DeviceInfo, DeviceLostError, Finished, Found, Launch, Pushed, _board_state
from viewfinder.devices import _ssh_session as session
from viewfinder.devices._folder import inside, locked
from viewfinder.errors import MissingToolError, UsageError, ViewfinderError
from viewfinder.measurement import Evidence

if TYPE_CHECKING:
    import asyncssh

NAME = "ssh"
PYTHON = "VIEWFINDER_SSH_PYTHON"
"""Names the board's Python, of 3.11 or later, if its ``python3`` does not have the runtimes."""
_RUNTIMES = ("ai-edge-litert", "onnxruntime", "numpy")
_PACKAGES = f"there: python3 -m pip install {' '.join(_RUNTIMES)}, or name another Python in {PYTHON}"
_GRACE_S = 30.0
_FORM = re.compile(r"((?P<user>[A-Za-z0-9_][\w.-]*)@)?(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*)(:(?P<port>\d{1,5}))?")
Result = TypeVar("Result")


def found() -> list[Found]:
    """Return nothing that could be named: boards are not looked for on the network; the entry says how to name one."""
    missing = "" if session.installed() else "the package asyncssh is not installed"
    return [Found("ssh:HOST", "a Linux board: ssh:[USER@]HOST[:PORT]", missing, session.REMEDY if missing else "")]


def open(detail: str) -> Board:  # noqa: A001 as the standard library's modules do
    """Return the board; it is not contacted yet.

    Raises:
        UsageError: this is no host's name.
    """
    form = _FORM.fullmatch(detail)
    if form is None or not 0 < int(form["port"] or 22) < 65536:
        raise UsageError(f"{detail!r} is no board", "write ssh:[USER@]HOST[:PORT]", code="no-such-device")
    return Board(
        f"{NAME}:{detail}", session.Address(form["host"], form["user"], int(form["port"]) if form["port"] else None)
    )


class Board:
    """See `viewfinder.devices.Device`."""

    evidence = Evidence.MEASURED

    def __init__(self, name: str, address: session.Address) -> None:
        """Remember where it is."""
        self.name, self.address = name, address

    def info(self) -> DeviceInfo:
        """Ask the board."""
        script = "uname -srm; nproc; cat /sys/firmware/devicetree/base/model 2>/dev/null || uname -p; echo"
        script += "; grep MemTotal /proc/meminfo"
        lines = self.run(["sh", "-c", script], 30.0).output.replace("\0", "").splitlines()
        try:
            memory = next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemTotal")), None)
            return DeviceInfo(self.name, lines[2].strip(), int(lines[1]), memory, lines[0], Evidence.MEASURED)
        except (IndexError, ValueError) as error:
            raise DeviceError(f"{self.name} answers {lines} when asked what it is", "is it a Linux board?") from error

    def problem(self) -> str:
        """Return why the board cannot run artifacts now, or ""; asks it."""
        try:
            done = self.run([self._python, "-c", "import numpy, ai_edge_litert, onnxruntime"], 60.0)
        except ViewfinderError as error:
            return f"{error.message} ({error.hint})"
        last = done.errors.strip().splitlines()[-1:] or [f"code {done.code}"]
        return f"its Python lacks a package: {last[0]} ({_PACKAGES})" if done.code else ""

    def facts(self) -> dict[str, str]:
        """Return what numbers depend on."""
        code = f"from importlib.metadata import version as v; print(*(n + '==' + v(n) for n in {_RUNTIMES!r}))"
        info, wheels = self.info(), self.run([self._python, "-c", code], 60.0).output.strip()
        script = "cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor 2>/dev/null || echo unknown"
        governor = self.run(["sh", "-c", script], 30.0).output.strip()
        return {"processor": info.cpu, "system": info.system, "wheels": wheels, "governor": governor}

    @contextmanager
    def watched(self) -> Iterator[dict[str, Any]]:
        """Yield a dictionary that gets the board's state before and after the block (`_board_state.parsed`).

        ``throttled`` in it says why the run does not show what the board can do, or is "".
        """
        notes: dict[str, Any] = {"before": self._state()}
        yield notes
        notes["after"] = self._state()
        notes["throttled"] = _board_state.throttled(notes["before"], notes["after"])

    def _state(self) -> dict[str, Any]:
        """Ask the board for its state."""
        return _board_state.parsed(self.run(["sh", "-c", _board_state.ASK], 30.0).output)

    def place(self, path: Path) -> str:
        """Push a file and return its name there."""
        return self.push(path).path

    def python(self, counts: Path | None = None) -> Launch:
        """Return how to start the board's Python: a program of ours here hands its streams on (`_ssh_pipe`).

        Raises:
            MissingToolError: counts are asked of a real board.
        """
        if counts is not None:
            raise MissingToolError(f"{self.name} does not count instructions", "count on arm64:cortex-a76, say")
        return Launch((sys.executable, "-m", "viewfinder.devices._ssh_pipe", self.name, self._python, "-P"))

    @property
    def _python(self) -> str:
        """Name the board's Python."""
        return os.environ.get(PYTHON) or "python3"

    def push(self, source: Path) -> Pushed:
        """Send a file or folder, unless its content is there."""
        what = session.Content.of(source)
        return self._with(lambda connection: session.push(connection, what))

    def pull(self, name: str, target: Path) -> None:
        """Fetch a file of the work folder."""
        path = str(inside(name))
        with files.new_file(target) as partial:
            self._with(lambda connection: session.pull(connection, path, partial, self.name))

    def run(self, argv: Sequence[str], timeout_s: float) -> Finished:
        """Run a command in the work folder, under the board's own ``timeout``."""
        return self._with(lambda connection: session.run(connection, argv, timeout_s), timeout_s + _GRACE_S)

    def lock(self, wait_s: float = 0.0) -> AbstractContextManager[None]:
        """Keep other programs of this computer off the board."""
        return locked(self.name, wait_s)

    def _with(self, act: Callable[[asyncssh.SSHClientConnection], Awaitable[Result]], most_s: float = 3600.0) -> Result:
        """Connect, do something, disconnect."""

        async def act_connected() -> Result:
            async with session.connected(self.name, self.address) as connection:
                return await asyncio.wait_for(act(connection), most_s)

        try:
            return asyncio.run(act_connected())
        except TimeoutError as error:
            raise DeviceLostError(f"{self.name} no longer answers", "check its cable and power, then repeat") from error
