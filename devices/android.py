"""Android phones that adb reaches, ``android:SERIAL``; artifacts run on their CPU in a runner of ours.

What is pushed lies in ``/data/local/tmp/viewfinder`` by its hash; no root and no app is needed. Serials, paths and
words are quoted for the phone's shell or sent with their length; what a phone says is believed as far as it is checked.
"""

from __future__ import annotations

import os
import posixpath
import re
import shlex
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from viewfinder import files
from viewfinder.devices import DeviceError, DeviceInfo, DeviceLostError, Finished, Found, Launch, Pushed
from viewfinder.devices._folder import content, inside, locked
from viewfinder.devices.adb import payload, server, shell, state, transfer
from viewfinder.errors import MissingToolError, UsageError, ViewfinderError
from viewfinder.measurement import Evidence

NAME = "android"
BENCHMARK = "VIEWFINDER_BENCHMARK_MODEL"
"""Names Google's benchmark_model for Android, which then takes the timings."""
FOLDER = "/data/local/tmp/viewfinder"
MOST_BYTES = 2 << 30
"""Of a pulled file."""
BOOT_S = 60.0
"""How long a phone that is listed, but not ready, is waited for: it restarts."""
_ABI = "arm64-v8a"
_FORM = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


def found() -> list[Found]:
    """List the phones that adb's server knows; no server is started, no phone is asked."""
    anyone = Found(f"{NAME}:SERIAL", "an Android phone behind adb")
    if not server.installed():
        return [_missing(anyone, "the package adbutils is not installed", server.REMEDY)]
    if not server.is_running():
        return [_missing(anyone, "adb's server does not run", "adb start-server")]
    try:
        phones = server.attached()
    except ViewfinderError as error:
        return [_missing(anyone, error.message, error.hint)]
    if not phones:
        return [
            _missing(anyone, "no phone is attached", "plug one in with USB debugging on, or: adb connect HOST:PORT")
        ]
    return [_listed(one) for one in phones]


def _missing(one: Found, why: str, remedy: str) -> Found:
    """Say why a device cannot be used."""
    return Found(one.name, one.about, why, remedy)


def _listed(one: server.Attached) -> Found:
    """Describe an attached phone."""
    about = f"an Android phone, {server.shown(one.model.replace('_', ' '))}" if one.model else "an Android phone"
    found = Found(f"{NAME}:{server.shown(one.serial)}", about)
    if one.state == "unauthorized":
        return _missing(found, "it does not let this computer in", "accept the question on the phone's screen")
    if one.state != "device":
        return _missing(
            found, f"it is {server.shown(one.state)}", "unlock it, plug it in again, or wait until it has started"
        )
    if payload.installed() is None:
        return _missing(found, "its runner is not set up", payload.SETUP)
    return found


def open(detail: str) -> Phone:  # noqa: A001 as the standard library's modules do
    """Return the phone with the serial number `detail`, or the only one that is attached; it is not contacted yet.

    Raises:
        UsageError: this is no serial number, or there are several phones, or none.
    """
    if not detail:
        serials = [one.serial for one in server.attached(server.STALL_S)]
        if len(serials) != 1:
            known = ", ".join(f"{NAME}:{server.shown(one)}" for one in serials)
            raise UsageError(
                f"{len(serials)} phones are attached",
                f"name one of: {known}" if known else "plug one in",
                code="no-such-device",
            )
        return Phone(serials[0])
    if _FORM.fullmatch(detail) is None:
        raise UsageError(f"{detail!r} is no serial number", "`viewfinder devices` lists them", code="no-such-device")
    return Phone(detail)


class Phone:
    """See `viewfinder.devices.Device`."""

    evidence = Evidence.MEASURED
    formats = ("tflite",)

    def __init__(self, serial: str) -> None:
        """Remember which one it is."""
        self.serial, self.name = serial, f"{NAME}:{serial}"

    def info(self) -> DeviceInfo:
        """Ask the phone."""
        told = state.properties(self.serial)
        lines = shell.ask(self.serial, "nproc; uname -srm; grep MemTotal /proc/meminfo").splitlines()
        try:
            cores, system = int(lines[0]), server.shown(lines[1])
            memory = next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemTotal")), None)
        except (IndexError, ValueError) as error:
            answers = [server.shown(line) for line in lines[:3]]
            raise DeviceError(f"{self.name} answers {answers} when asked what it is", "is it a phone?") from error
        cpu = " ".join(filter(None, (told["maker"], told["model"], told["soc"] or told["board"]))) or "unknown"
        android = f"Android {told['android']}, " if told["android"] else ""
        return DeviceInfo(self.name, cpu, cores, memory, f"{android}{system}", Evidence.MEASURED)

    def wait(self, timeout_s: float) -> None:
        """Wait until the phone can be used: it is plugged in, or has restarted.

        Raises:
            DeviceLostError: it did not come.
        """
        if not server.wait(self.serial, timeout_s):
            there = server.state_of(self.serial)
            reason = f"it is {server.shown(there)}" if there else "it is not attached"
            raise DeviceLostError(
                f"{self.name} cannot be used: {reason}", "check its cable; `viewfinder devices` lists phones"
            )

    def problem(self) -> str:
        """Return why the phone cannot run artifacts now, or ""; asks it, and waits for one that restarts."""
        try:
            self.wait(BOOT_S if server.state_of(self.serial) else 0.0)
            told = state.properties(self.serial)
        except ViewfinderError as error:
            return f"{error.message} ({error.hint})"
        if told["abis"] and _ABI not in told["abis"].split(","):
            return f"it runs {told['abis']}, and the runner is made for {_ABI} (take a 64-bit phone)"
        return "" if payload.installed() else f"its runner is not set up ({payload.SETUP})"

    def facts(self) -> dict[str, Any]:
        """Return what numbers depend on."""
        told = state.properties(self.serial)
        return {
            "processor": told["soc"] or told["board"] or told["model"],
            "system": told["build"] or shell.ask(self.serial, "uname -srm").strip()[:200],
            "wheels": payload.version(),
            "phone": " ".join(filter(None, (told["maker"], told["model"]))),
        }

    @contextmanager
    def watched(self) -> Iterator[dict[str, Any]]:
        """Hold the clocks as long as the block lasts; the dictionary gets the phone's state before and after it.

        ``throttled`` in it says why the run does not show what the phone can do, or is "".
        """
        notes: dict[str, Any] = {}
        with state.fixed_performance(self.serial) as fixed:
            notes |= {"fixed_performance": fixed, "before": state.read(self.serial)}
            yield notes
            notes["after"] = state.read(self.serial)
        notes["throttled"] = state.throttled(notes["before"], notes["after"])

    @property
    def benchmark(self) -> Path | None:
        """Return the user's benchmark_model, if one is named.

        Raises:
            UsageError: there is none where it is said to be.
        """
        named = os.environ.get(BENCHMARK)
        if named and not Path(named).is_file():
            raise UsageError(f"{BENCHMARK} names {named}, where no file is", "name the binary for Android, or unset it")
        return Path(named) if named else None

    def place(self, path: Path) -> str:
        """Push a file and return its name there."""
        return self.push(path).path

    def python(self, counts: Path | None = None) -> Launch:
        """Return how the phone's runner is started: a program of ours here hands its streams on (`adb.pipe`).

        Raises:
            MissingToolError: the runner is not set up, or counts are asked of a real phone.
        """
        if counts is not None:
            raise MissingToolError(f"{self.name} does not count instructions", "count on arm64:cortex-a76, say")
        folder = payload.installed()
        if folder is None:
            raise MissingToolError(f"{self.name} has no runner", payload.SETUP)
        words = payload.words(self.place(folder), [])
        argv = (sys.executable, "-m", "viewfinder.devices.adb.pipe", self.serial, f"{FOLDER}/work", *words)
        return Launch(argv, native=True)

    def push(self, source: Path) -> Pushed:
        """Send into a folder of another name, which gets its own when all is there."""
        sha256, size = content(source), files.size_bytes(source)
        place = f"{FOLDER}/pushed/{sha256}"
        target = f"{place}/{source.name}"
        if self._has(target, sha256, source.is_dir()):
            return Pushed(target, sha256, 0)
        partial = f"{place}.{uuid.uuid4().hex}"
        try:
            for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
                if file.is_file():
                    transfer.send(
                        self.serial, file, posixpath.join(partial, file.relative_to(source.parent).as_posix())
                    )
        except UsageError:
            shell.ask(self.serial, shlex.join(["rm", "-rf", partial]))
            raise
        line = f"mkdir -p {shlex.quote(f'{partial}/{source.name}' if source.is_dir() else partial)}"
        line += f" && rm -rf {shlex.quote(place)} && mv {shlex.quote(partial)} {shlex.quote(place)}"
        # The folders of killed transfers go too; the phone belongs to one program at a time.
        line += f" && rm -rf {shlex.quote(f'{FOLDER}/pushed')}/*.*; echo done"
        shell.ask(self.serial, line)
        if not self._has(target, sha256, source.is_dir()):
            raise DeviceError(f"{self.name} did not keep {source.name} as it was sent", "check the phone's storage")
        return Pushed(target, sha256, size)

    def _has(self, target: str, sha256: str, is_folder: bool) -> bool:
        """Compare the hash of a file there; a folder got its name when it was whole."""
        place = shlex.quote(target)
        if is_folder:
            return shell.ask(self.serial, f"test -d {place} && echo there").strip() == "there"
        return shell.ask(self.serial, f"sha256sum {place} 2>/dev/null").lstrip("\\").startswith(sha256)

    def pull(self, name: str, target: Path) -> None:
        """Fetch a file whose real place is in the work folder."""
        path = str(inside(name))
        work = shlex.quote(f"{FOLDER}/work")
        line = f"mkdir -p {work}; cd {work} && test -f {shlex.quote(path)} && pwd -P && realpath {shlex.quote(path)}"
        root, _, real = shell.ask(self.serial, line).strip("\n").partition("\n")
        if not real:
            raise DeviceError(f"{self.name} has no file {name!r}", "see what the command printed")
        if not real.startswith(f"{root}/") or not root.endswith(posixpath.basename(FOLDER) + "/work"):
            inside(f"/{real}")
        with files.new_file(target) as partial:
            transfer.receive(self.serial, real, partial, MOST_BYTES)

    def run(self, argv: Sequence[str], timeout_s: float) -> Finished:
        """Run a command in the work folder, under the phone's own ``timeout``."""
        return shell.run(self.serial, f"{FOLDER}/work", argv, timeout_s)

    def lock(self, wait_s: float = 0.0) -> AbstractContextManager[None]:
        """Keep other programs of this computer off the phone."""
        return locked(self.name, wait_s)
