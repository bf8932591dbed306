"""The ARM64 userland: Debian packages and wheels in a folder of the user's cache, run by qemu-aarch64. No root.

It is made in steps that each appear whole or not at all, so that a stopped set-up goes on where it was. A record of
what it was made from is written last; without it, or with an older one, nothing counts as installed.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewfinder import files
from viewfinder.devices._folder import locked
from viewfinder.devices._running import Bounds, run
from viewfinder.devices.userland import emulator, packages, profiles
from viewfinder.errors import MissingToolError

Progress = Callable[[str], None]

LOCK = Path(__file__).with_name("arm64.lock")
OLD_LOCK = Path(__file__).with_name("tflite-runtime.lock")
OLD_PYTHON = "3.11"
"""The only Python of a guest that tflite-runtime has a wheel for."""
COUNTING = Path(__file__).with_name("counting.c")
_RECORD = "installed.json"
_VERSION = 1
"""Raise it when an older userland would not do any more."""
_PIP_TIMEOUT_S = 900.0
_FIRST_START_S = 300.0
_PLATFORMS = (
    "manylinux_2_34_aarch64",
    "manylinux_2_28_aarch64",
    "manylinux_2_27_aarch64",
    "manylinux_2_17_aarch64",
    "manylinux2014_aarch64",
)


@dataclass(frozen=True)
class Userland:
    """One that is complete.

    Attributes:
        folder: with ``sysroot``, ``site`` (the wheels), ``profiles`` and, if it can count, ``counting.so``.
        record: what it was made from: packages and wheels with versions and hashes, and why it cannot count.
    """

    folder: Path
    record: Mapping[str, Any]

    @property
    def site(self) -> Path:
        """Folder of the wheels."""
        return self.folder / "site"

    @property
    def old_site(self) -> Path | None:
        """Folder of the wheels of the old TFLite runtime, if the guest's Python has them."""
        return None if self.record.get("old_runtime") else self.folder / "site-tflite-runtime"

    @property
    def plugin(self) -> Path | None:
        """The plug-in that counts, if it could be compiled."""
        return None if self.record["counting"] else self.folder / "counting.so"

    def profile(self, name: str) -> Path:
        """Return the folder for ``-L``, made when it is missing."""
        folder = self.folder / "profiles" / (name or profiles.DEFAULT)
        if not (folder / "proc" / "cpuinfo").is_file():
            profiles.write(profiles.profile(name), self.folder / "sysroot", folder)
        return folder


def folder() -> Path:
    """Return where the userland lies, or will lie."""
    return files.cache_folder("devices", "userland-arm64")


def installed() -> Userland | None:
    """Return the userland if it is complete and was made from today's lock file and plug-in, else None."""
    try:
        record = json.loads((folder() / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    fits = isinstance(record, dict) and all(record.get(key) == value for key, value in _made_from().items())
    return Userland(folder(), record) if fits and (folder() / "sysroot").is_dir() else None


def _made_from() -> dict[str, Any]:
    """Return what decides whether a userland is up to date."""
    hashes = {"lock": LOCK, "old_lock": OLD_LOCK, "plugin": COUNTING}
    return {"version": _VERSION, **{f"{name}_sha256": files.sha256(path) for name, path in hashes.items()}}


def missing() -> tuple[str, str]:
    """Return why a userland cannot be made or used here, and the command that mends it; ("", "") if it can."""
    wanted = {"apt-get": "apt", "dpkg-deb": "dpkg"}
    lacking = [wanted[tool] for tool in packages.missing_tools()]
    if sys.platform != "linux" or "apt" in lacking:
        return "this needs Debian or Ubuntu with apt", "use such a machine or container"
    lacking += [] if emulator.find() else ["qemu-user"]
    if not lacking:
        return "", ""
    return f"{' and '.join(lacking)} not installed", f"apt-get install --no-install-recommends {' '.join(lacking)}"


def install(progress: Progress) -> Userland:
    """Make the userland, or complete one that an earlier call began.

    Raises:
        MissingToolError: a tool is missing, or packages or wheels cannot be fetched.
        UsageError: the disk is full or not writable.
        DeviceBusyError: another set-up is at work.
    """
    if (there := installed()) is not None:
        progress(f"the ARM64 userland is already set up in {there.folder}")
        return there
    reason, remedy = missing()
    if reason:
        raise MissingToolError(f"the ARM64 userland cannot be set up: {reason}", remedy)
    with locked("arm64-setup", 0.0):
        return _make(folder(), progress)


def _make(target: Path, progress: Progress) -> Userland:
    """Take the steps that are not done yet."""
    start = time.monotonic()
    with files.explained(target):
        target.mkdir(parents=True, exist_ok=True)
    (target / _RECORD).unlink(missing_ok=True)
    for partial in target.glob(".*"):  # what a killed set-up was unpacking
        shutil.rmtree(partial, ignore_errors=True)
    hashes = _sysroot(target, progress)
    wheels = _wheels(target, LOCK, "site", progress)
    why_no_old = _old_runtime(target, progress)
    why_not = emulator.compile_plugin(COUNTING, target / "counting.so", progress)
    shutil.rmtree(target / "profiles", ignore_errors=True)
    record = {**_made_from(), "packages": hashes, "wheels": wheels, "counting": why_not, "old_runtime": why_no_old}
    made = Userland(target, record)
    _first_start(made, progress)
    files.write_text(target / _RECORD, json.dumps(record, indent=2, sort_keys=True) + "\n")
    shutil.rmtree(target / "apt", ignore_errors=True)
    progress(f"the ARM64 userland is set up in {target}: {time.monotonic() - start:.0f} s")
    if why_not:
        progress(f"it verifies, but does not count instructions: {why_not}")
    return made


def _sysroot(target: Path, progress: Progress) -> dict[str, str]:
    """Fetch and unpack the packages, unless that was done."""
    record = target / "packages.json"
    if (target / "sysroot").is_dir() and record.is_file():
        progress("the packages are there already")
        hashes: dict[str, str] = json.loads(record.read_text(encoding="utf-8"))
        return hashes
    found = packages.fetch(target / "apt", progress)
    hashes = packages.unpack(found, target / "sysroot", progress)
    files.write_text(record, json.dumps(hashes, indent=2, sort_keys=True) + "\n")
    return hashes


def python_version(sysroot: Path) -> str:
    """Return the version of the guest's Python, as ``3.11``.

    Raises:
        MissingToolError: the userland has none.
    """
    found = [path.name.removeprefix("python") for path in (sysroot / "usr" / "bin").glob("python3.*")]
    versions = [name for name in found if re.fullmatch(r"3\.\d+", name)]
    if not versions:
        raise MissingToolError(
            f"{sysroot} has no Python", "viewfinder devices remove arm64, then viewfinder devices setup arm64"
        )
    return versions[0]


def _old_runtime(target: Path, progress: Progress) -> str:
    """Install tflite-runtime beside LiteRT, in a folder of its own for its numpy 1; return why not, or ""."""
    if (version := python_version(target / "sysroot")) != OLD_PYTHON:
        return f"tflite-runtime has no wheel for Python {version}, which this userland has"
    _wheels(target, OLD_LOCK, "site-tflite-runtime", progress)
    return ""


def _wheels(target: Path, lock: Path, name: str, progress: Progress) -> list[str]:
    """Install the wheels of a lock file for the guest's Python into the folder `name`, unless that was done."""
    site, record = target / name, target / f"{name}.wheels"
    made_from = files.sha256(lock)
    pinned = [line.split()[0] for line in lock.read_text(encoding="utf-8").splitlines() if "==" in line]
    if site.is_dir() and record.is_file() and record.read_text(encoding="utf-8").strip() == made_from:
        progress("the wheels are there already")
        return pinned
    progress(f"fetching {', '.join(pinned)} for aarch64")
    with files.new_folder(site) as partial:
        version = python_version(target / "sysroot")
        platforms = [word for one in _PLATFORMS for word in ("--platform", one)]
        argv = [
            sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet",
            "--require-hashes", "--no-deps", "--no-compile", "--only-binary", ":all:", "--target", str(partial),
            "--python-version", version, "--implementation", "cp", *platforms, "-r", str(lock),
        ]  # fmt: skip
        finished = run(argv, Bounds(_PIP_TIMEOUT_S))
        if finished.code:
            errors = [line for line in finished.errors.splitlines() if line.startswith("ERROR") or "No module" in line]
            raise MissingToolError(
                f"pip cannot fetch the aarch64 wheels for Python {version}: {' '.join(errors[-2:]) or finished.code}",
                "check the connection to the package index, then repeat the command",
            )
    files.write_text(record, f"{made_from}\n")
    return pinned


def _first_start(made: Userland, progress: Progress) -> None:
    """Import both runtimes on the default processor: proves that it works, and leaves compiled modules behind."""
    progress("starting it for the first time")
    code = "import numpy, onnxruntime, ai_edge_litert.interpreter, platform; print(platform.machine())"
    argv, environment = emulator.python(made.profile(""), made.site, profiles.profile(""))
    finished = run([*argv, "-c", code], Bounds(_FIRST_START_S, environment=environment))
    if finished.code or finished.output.strip() != "aarch64":
        raise MissingToolError(
            f"the ARM64 userland does not work: {emulator.last_line(finished.errors) or finished.code}",
            "viewfinder devices remove arm64, then viewfinder devices setup arm64",
        )


def remove() -> int:
    """Delete the userland, finished or not, and return the bytes that this frees."""
    target = folder()
    if not target.exists():
        return 0
    with files.explained(target):
        freed = sum(file.lstat().st_size for file in target.rglob("*") if not file.is_dir() or file.is_symlink())
        (target / _RECORD).unlink(missing_ok=True)
        shutil.rmtree(target)
    return freed
