"""qemu-aarch64 itself: where it is, what it can do, and how programs are started in it."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

from viewfinder import files
from viewfinder.devices._running import Bounds, run
from viewfinder.devices.userland.profiles import Profile
from viewfinder.errors import MissingToolError

Progress = Callable[[str], None]

NAMES = ("qemu-aarch64", "qemu-aarch64-static")
"""The first of Debian 12 has plug-ins, the static one has not; both run programs."""
_ELF, _AARCH64, _LITTLE_64 = b"\x7fELF", 183, b"\x02\x01"
_MACHINES = {3: "32-bit x86", 40: "32-bit Arm", 62: "x86-64", 243: "RISC-V"}
_SHORT_S = 60.0


def find() -> Path | None:
    """Return the emulator on the PATH, if there is one."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return Path(found) if found else None


def require() -> Path:
    """Return the emulator.

    Raises:
        MissingToolError: it is not installed.
    """
    if (found := find()) is None:
        raise MissingToolError(
            "qemu-aarch64 is not installed", "apt-get install --no-install-recommends qemu-user  # as root"
        )
    return found


def version() -> str:
    """Return the first line of what the emulator says about itself."""
    return run([str(require()), "--version"], Bounds(_SHORT_S)).output.partition("\n")[0].strip()


def has_plugins(program: Path) -> bool:
    """Tell whether an emulator takes ``-plugin``."""
    return "-plugin" in run([str(program), "-h"], Bounds(_SHORT_S)).output


def argv(profile_folder: Path, chosen: Profile, plugin: str = "") -> list[str]:
    """Return the words before the program: emulator, root, processor, and a plug-in with its arguments."""
    return [
        *(str(require()), "-L", str(profile_folder), "-cpu", chosen.model),
        *(["-plugin", plugin] if plugin else []),
    ]


def environment(site: Path) -> dict[str, str]:
    """Return every variable that a guest sees; none of ours, so that counts do not depend on them."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(site),
        "PYTHONHASHSEED": "0",  # the order of sets changes what the interpreter executes
        "PYTHONNOUSERSITE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def python(profile_folder: Path, site: Path, chosen: Profile, plugin: str = "") -> tuple[list[str], dict[str, str]]:
    """Return the words that start the guest's Python, and its variables."""
    # -P: the folder of a script must not shadow the guest's own modules.
    program = [str(profile_folder / "usr" / "bin" / "python3"), "-P"]
    return [*argv(profile_folder, chosen, plugin), *program], environment(site)


def check_program(path: Path) -> None:
    """Refuse a program for another processor with a better word than the emulator's.

    Raises:
        MissingToolError: it is not there, is no program, or is for another processor.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(20)
    except OSError as error:
        raise MissingToolError(
            f"{path} cannot be started: {(error.strerror or str(error)).lower()}", "push it first, or check its name"
        ) from error
    if head[:4] != _ELF or len(head) < 20:
        raise MissingToolError(f"{path} is no program for Linux on ARM64", "start a script with its interpreter")
    (machine,) = struct.unpack_from("<H", head, 18)
    if head[4:6] != _LITTLE_64 or machine != _AARCH64:
        made_for = _MACHINES.get(machine, f"machine {machine}")
        raise MissingToolError(
            f"{path} is made for {made_for}, and this device runs AArch64", "build it with an aarch64 compiler"
        )


def compile_plugin(source: Path, target: Path, progress: Progress) -> str:
    """Compile the plug-in that counts; return why that is not possible here, or ""."""
    compiler = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    if compiler is None:
        return "there is no C compiler; apt-get install gcc libc6-dev, then set it up again"
    program = find()
    if program is None or not has_plugins(program):
        return "this qemu-aarch64 takes no plug-ins; Debian 12's package qemu-user does"
    progress("compiling the plug-in that counts")
    with files.new_file(target) as partial:
        argv = [compiler, "-O2", "-fPIC", "-shared", "-o", str(partial), str(source)]
        finished = run(argv, Bounds(_SHORT_S))
        if finished.code:
            return f"{compiler} cannot compile {source.name}: {last_line(finished.errors)}"
    return ""


def last_line(text: str) -> str:
    """Return the last line that says something."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
