"""An emulated ARM64 board: real aarch64 programs and NEON kernels, run by qemu-aarch64 on this computer.

Its results are the processor's own arithmetic and its counts are exact; its time means nothing and is never a latency.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from viewfinder.devices import DeviceInfo, DeviceLostError, Finished, Found, Launch, Pushed, userland
from viewfinder.devices._folder import Store, locked
from viewfinder.devices._running import Bounds, run
from viewfinder.devices.userland import emulator, profiles
from viewfinder.devices.userland.profiles import PROFILES, profile
from viewfinder.errors import MissingToolError
from viewfinder.measurement import Evidence

NAME = "arm64"
SETUP = "viewfinder devices setup arm64"


def found() -> list[Found]:
    """List the processors that can be emulated, and what is missing to do it."""
    missing, remedy = problem()
    return [Found(f"{NAME}:{name}", f"emulated: {one.about}", missing, remedy) for name, one in PROFILES.items()]


def problem() -> tuple[str, str]:
    """Return why nothing can be emulated now, and what mends it; ("", "") if something can. Starts nothing."""
    missing, remedy = userland.missing()
    if not missing and userland.installed() is None:
        return "its userland is not set up", SETUP
    return missing, remedy


def open(detail: str) -> Arm64:  # noqa: A001 as the standard library's modules do
    """Return an emulated board with the processor `detail`.

    Raises:
        UsageError: there is no such profile.
    """
    profile(detail)
    return Arm64(detail or profiles.DEFAULT)


class Arm64:
    """See `viewfinder.devices.Device`. It shares this computer's disk: pushed files lie under their own host path."""

    evidence = Evidence.EMULATED

    def __init__(self, processor: str) -> None:
        """Take the profile of this name."""
        self.name, self._processor, self.profile = f"{NAME}:{processor}", processor, profile(processor)
        self._store = Store(self.name)
        self.runtime = ""
        self.formats: tuple[str, ...] = ("tflite", "onnx")

    def problem(self) -> str:
        """Return why the board cannot be used now, or ""."""
        missing, remedy = problem()
        return f"{missing} ({remedy})" if missing else ""

    def _ready(self) -> userland.Userland:
        """Return the userland, or say how to get it."""
        there, (missing, remedy) = userland.installed(), problem()
        if there is None or missing:
            raise MissingToolError(f"{self.name} cannot be used: {missing}", remedy)
        return there

    def info(self) -> DeviceInfo:
        """Say what is emulated."""
        return DeviceInfo(
            self.name, self.profile.about, 1, None, f"Linux aarch64 in {emulator.version()}", Evidence.EMULATED
        )

    def facts(self) -> dict[str, str]:
        """Return what numbers depend on: emulator, plug-in, wheels."""
        record = self._ready().record
        return {
            "emulator": emulator.version(),
            "processor": self.profile.model,
            "wheels": self.runtime or " ".join(record["wheels"]),
            "plugin_sha256": record["plugin_sha256"],
        }

    def place(self, path: Path) -> str:
        """Return a file's name there: the emulator sees this computer's files."""
        return str(path)

    def push(self, source: Path) -> Pushed:
        """Copy into the board's folder."""
        return self._store.push(source)

    def pull(self, name: str, target: Path) -> None:
        """Copy out of the board's work folder."""
        self._store.pull(name, target)

    def run(self, argv: Sequence[str], timeout_s: float) -> Finished:
        """Run an aarch64 program: by its name in the userland's ``/usr/bin``, or by its path."""
        there = self._ready()
        root = there.profile(self._processor)
        program = Path(argv[0]) if "/" in argv[0] else root / "usr" / "bin" / argv[0]
        emulator.check_program(program)
        words = [*emulator.argv(root, self.profile), str(program), *argv[1:]]
        bounds = Bounds(timeout_s, self._store.work, emulator.environment(there.site))
        finished = run(words, bounds)
        if "uncaught target signal" not in finished.errors and finished.code == -9:
            raise DeviceLostError(f"{self.name}: the emulator was killed", "repeat the command; close other programs")
        return Finished(tuple(argv), finished.code, finished.output, finished.errors, finished.seconds)

    def lock(self, wait_s: float = 0.0) -> AbstractContextManager[None]:
        """Keep other programs off this board; several boards run side by side."""
        return locked(self.name, wait_s)

    def with_old_runtime(self) -> Arm64:
        """Return the same board with tflite-runtime 2.14 in place of today's runtimes."""
        made = Arm64(self._processor)
        made.runtime, made.formats = "tflite-runtime", ("tflite",)
        return made

    def python(self, counts: Path | None = None) -> Launch:
        """Return how to start the board's Python, which has the runtimes' packages.

        Args:
            counts: file that the counts between markers are written to; None counts nothing.

        Raises:
            MissingToolError: the userland is not set up, or cannot count.
        """
        there = self._ready()
        site = there.old_site if self.runtime else there.site
        if site is None:
            raise MissingToolError(f"{self.name} lacks it: {there.record['old_runtime']}", "leave it out of the target")
        words, variables = emulator.python(
            there.profile(self._processor), site, self.profile, self._plugin(there, counts) if counts else ""
        )
        return Launch(tuple(words), variables)

    def _plugin(self, there: userland.Userland, counts: Path) -> str:
        """Return the plug-in with its arguments."""
        if there.plugin is None:
            raise MissingToolError(f"{self.name} cannot count instructions: {there.record['counting']}", SETUP)
        if "," in str(counts):
            raise MissingToolError(f"qemu takes no comma in {counts}", "set TMPDIR to a folder without one")
        caches = (f"l{level}={size}x{ways}" for level, (size, ways) in enumerate(self.profile.caches, 1))
        return ",".join((str(there.plugin), f"out={counts}", *caches))
