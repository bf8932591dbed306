"""Isolated environments for tools whose pins conflict with ours: one lock file ``NAME.lock`` each, made on demand.

A lock file lists every package with its version and the hash of its wheel. Its head says what it covers; the line
``# import: MODULE`` names what has to be importable afterwards, ``# size:`` and ``# licence:`` say what to know before.
An environment counts as installed once a record of its lock file lies in it, which is written last: a killed
installation is never taken for a finished one, and the next one continues where it stopped. A lock file whose head
says ``# debian: SUITES`` lists Debian packages instead (`_debian`); its line ``# file:`` names what has to be there.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from viewfinder import files
from viewfinder.devices.toolchains import _debian
from viewfinder.errors import MissingToolError, UsageError

Progress = Callable[[str], None]

LOCKS = Path(__file__).parent
_RECORD = "installed.json"
_PYTHON_VERSION = "3.11"
"""What the lock files are made for; tflite-runtime has no wheel for a later one."""

_PLATFORM = ("Linux", "x86_64")


def names() -> list[str]:
    """List the toolchains, sorted."""
    return sorted(path.stem for path in LOCKS.glob("*.lock"))


def lock_file(name: str) -> Path:
    """Return the lock file of a toolchain.

    Raises:
        UsageError: no toolchain has this name.
    """
    if name not in names():
        raise UsageError(
            f"there is no toolchain {name!r}", f"choose one of: {', '.join(names())}", code="no-such-toolchain"
        )
    return LOCKS / f"{name}.lock"


def folder(name: str) -> Path:
    """Return where the environment of a toolchain lies, or will lie."""
    return files.cache_folder("toolchains", name)


def remedy(name: str) -> str:
    """Return the command that installs a toolchain."""
    return f"viewfinder doctor --install {name}"


def about(name: str) -> dict[str, str]:
    """Return what the head of a lock file says about ``size`` and ``licence``; what it does not say is not there.

    Raises:
        UsageError: no toolchain has this name.
    """
    lines = lock_file(name).read_text(encoding="utf-8").splitlines()
    pairs = [line[2:].partition(": ") for line in lines if line.startswith(("# size: ", "# licence: "))]
    return {key: text for key, _, text in pairs}


def python(name: str) -> Path | None:
    """Return the interpreter of an installed toolchain, else None."""
    return _python_of(folder(name)) if installed(name) else None


def root(name: str) -> Path | None:
    """Return the folder into which an installed toolchain of Debian packages was unpacked, else None."""
    return folder(name) / _debian.ROOT if installed(name) else None


def installed(name: str) -> bool:
    """Tell whether the environment is complete and was made from today's lock file."""
    lock = files.sha256(lock_file(name))
    try:
        record = json.loads((folder(name) / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("lock_sha256") == lock and _proof(name).exists()


def _proof(name: str) -> Path:
    """Return what an installed toolchain has: a file of its packages, or its interpreter."""
    file = _debian.head(lock_file(name).read_text(encoding="utf-8"), "file")
    return folder(name) / _debian.ROOT / file if file else _python_of(folder(name))


def probe(name: str) -> str | None:
    """Return None when the toolchain works, else the reason in words. Starts its interpreter."""
    if not installed(name):
        return f"it is not installed; {remedy(name)}"
    if root(name) in _proof(name).parents:
        return None
    finished = _run([str(_python_of(folder(name))), "-I", "-c", f"import {_module(name)}"])
    return None if finished.returncode == 0 else f"{_module(name)} cannot be imported: {_last(finished.stderr)}"


def install(name: str, progress: Progress) -> None:
    """Make the environment of a toolchain, or complete one that an earlier call began.

    Args:
        name: of a lock file.
        progress: is told what happens, a line at a time.

    Raises:
        UsageError: no toolchain has this name, or the folder cannot be written.
        MissingToolError: this system is not covered, or a package could not be installed.
    """
    lock, target = lock_file(name), folder(name)
    if installed(name):
        progress(f"{name} is already installed in {target}")
        return
    _require_platform(name)
    text = lock.read_text(encoding="utf-8")
    interpreter = "" if _debian.head(text, "debian") else _base_python(name)
    for key, said in about(name).items():
        progress(f"{key}: {said}")
    if not interpreter:
        _debian.install(text, target, progress)
    else:
        _with_pip(name, interpreter, progress)
    record = {"lock_sha256": files.sha256(lock), "python": interpreter}
    files.write_text(target / _RECORD, json.dumps(record, indent=2) + "\n")
    progress(f"{name} is installed in {target}")


def _with_pip(name: str, interpreter: str, progress: Progress) -> None:
    """Make an environment, and install the packages of a lock file into it."""
    lock, target = lock_file(name), folder(name)
    with files.explained(target):
        _make_environment(interpreter, target, progress)
        (target / _RECORD).unlink(missing_ok=True)
    pip = [
        str(_python_of(target)),
        "-I",
        "-m",
        "pip",
        "install",
        "--require-hashes",
        "--no-deps",
        "--only-binary",
        ":all:",
    ]
    _watch([*pip, "--disable-pip-version-check", "--no-input", "-r", str(lock)], name, progress)
    checked = _run([str(_python_of(target)), "-I", "-c", f"import {_module(name)}"])
    if checked.returncode != 0:
        raise _failed(name, f"{_module(name)} cannot be imported: {_last(checked.stderr)}")


def remove(name: str) -> None:
    """Delete the environment of a toolchain, finished or not."""
    lock_file(name)
    with files.explained(folder(name)):
        (folder(name) / _RECORD).unlink(missing_ok=True)
        shutil.rmtree(folder(name), ignore_errors=False) if folder(name).exists() else None


def _python_of(target: Path) -> Path:
    """Return the interpreter inside an environment."""
    return target / "bin" / "python"


def _module(name: str) -> str:
    """Read from the lock file what has to be importable."""
    lines = lock_file(name).read_text(encoding="utf-8").splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith("# import:"))


def _require_platform(name: str) -> None:
    """Refuse systems that the lock files do not cover."""
    system = (platform.system(), platform.machine())
    if system != _PLATFORM:
        raise MissingToolError(
            f"the toolchain {name} is locked for {' '.join(_PLATFORM)}, this is {' '.join(system)}",
            "use it on such a machine or in such a container",
        )


def _base_python(name: str) -> str:
    """Find an interpreter of the version that the lock files are made for."""
    if "{}.{}".format(*sys.version_info) == _PYTHON_VERSION:
        return sys.executable
    found = shutil.which(f"python{_PYTHON_VERSION}")
    if found is None:
        raise MissingToolError(
            f"the toolchain {name} needs Python {_PYTHON_VERSION}, and there is no python{_PYTHON_VERSION} on the PATH",
            f"install Python {_PYTHON_VERSION} beside this one",
        )
    return found


def _make_environment(interpreter: str, target: Path, progress: Progress) -> None:
    """Make an empty environment unless a working one is there."""
    if _python_of(target).exists() and _run([str(_python_of(target)), "-I", "-m", "pip", "--version"]).returncode == 0:
        progress(f"continuing in {target}")
        return
    if target.exists():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    progress(f"making an environment in {target}")
    made = _run([interpreter, "-m", "venv", str(target)])
    if made.returncode != 0:
        raise MissingToolError(
            f"{interpreter} cannot make an environment: {_last(made.stderr or made.stdout)}",
            "install the venv module of this Python",
        )


def _environment() -> dict[str, str]:
    """Return the variables for a child: ours, less what would mix this environment into the other."""
    return {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV", "__PYVENV"))
    }


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command and keep what it prints."""
    try:
        return subprocess.run(
            argv, capture_output=True, text=True, check=False, env=_environment(), stdin=subprocess.DEVNULL
        )
    except OSError as error:
        return subprocess.CompletedProcess(argv, 127, "", str(error))


def _watch(argv: list[str], name: str, progress: Progress) -> None:
    """Run pip and pass its lines on; the last ones explain a failure."""
    lines: list[str] = []
    child = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment(), stdin=subprocess.DEVNULL
    )
    try:
        for line in child.stdout or ():
            lines.append(line.rstrip())
            progress(line.rstrip())
    finally:
        if child.poll() is None and sys.exc_info()[0] is not None:
            child.terminate()
        child.wait()
    if child.returncode != 0:
        errors = [line for line in lines if line.startswith("ERROR")]
        raise _failed(name, " ".join((errors or lines or ["pip printed nothing"])[-2:]))


def _failed(name: str, why: str) -> MissingToolError:
    """Return the error for an installation that did not succeed."""
    return MissingToolError(
        f"the toolchain {name} could not be installed: {why}",
        f"check the connection to the package index and the free space, then run: {remedy(name)}",
    )


def _last(text: str) -> str:
    """Return the last line that says something."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
