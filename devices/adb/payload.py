"""What runs on a phone: LiteRT's C library, our runner, and the loader and C library that they need, in one folder.

Nothing of it is Android's: the parts come from the ARM64 userland (Debian's glibc, the ai-edge-litert wheel), and the
runner is compiled here, by the cross compiler if there is one, else by PyPI's ziglang. It runs on the CPU only.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from viewfinder import files
from viewfinder.devices import toolchains, userland
from viewfinder.devices._folder import locked
from viewfinder.devices._running import Bounds, run
from viewfinder.devices.userland import Userland, emulator, profiles
from viewfinder.errors import MissingToolError

Progress = Callable[[str], None]

SETUP = "viewfinder devices setup android"
SOURCE = Path(__file__).with_name("runner.c")
LOADER = "ld-linux-aarch64.so.1"
_SYSTEM = (LOADER, "libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6")
_LITERT = Path("ai_edge_litert") / "libLiteRt.so"
_CROSS = "aarch64-linux-gnu-gcc"
_ZIG, _ZIG_TARGET = "ziglang", "aarch64-linux-gnu.2.34"
_RECORD = "installed.json"
_COMPILING_S, _STARTING_S = 600.0, 60.0


def folder() -> Path:
    """Return where the payload lies, or will lie."""
    return files.cache_folder("devices", "android-payload")


def installed() -> Path | None:
    """Return the folder to push if it is complete and of today's sources, else None."""
    try:
        record = json.loads((folder() / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    fits = isinstance(record, dict) and all(record.get(key) == value for key, value in _made_from().items())
    return folder() / "payload" if fits and (folder() / "payload").is_dir() else None


def _made_from() -> dict[str, str]:
    """Return what decides whether a payload is up to date."""
    return {"runner_sha256": files.sha256(SOURCE), "lock_sha256": files.sha256(userland.LOCK)}


def version() -> str:
    """Return the wheel that the library comes from, as it is pinned."""
    lines = userland.LOCK.read_text(encoding="utf-8").splitlines()
    return next(line.split()[0] for line in lines if line.startswith("ai-edge-litert=="))


def words(place: str, arguments: list[str]) -> list[str]:
    """Return the command that starts the runner where the payload lies at `place`, through its own loader."""
    return [f"{place}/lib/{LOADER}", "--library-path", f"{place}/lib", f"{place}/bin/runner", *arguments]


def install(progress: Progress) -> Path:
    """Make the payload, and the ARM64 userland that it is taken from if there is none.

    Raises:
        MissingToolError: a tool is missing, or the runner cannot be compiled or does not start.
        UsageError: the disk is full or not writable.
        DeviceBusyError: another set-up is at work.
    """
    if (there := installed()) is not None:
        progress(f"the runner for phones is already set up in {there}")
        return there
    base = userland.install(progress)
    with locked("android-setup", 0.0):
        compiler, name = _compiler(progress)
        progress(f"compiling the runner with {name}")
        with files.new_folder(folder()) as partial:
            _assemble(base, compiler, partial / "payload")
            _try(base, partial / "payload")
            record = {**_made_from(), "compiler": name, "litert": version()}
            (partial / _RECORD).write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    size = files.size_bytes(folder() / "payload")
    progress(f"the runner for phones is set up in {folder()}: {size / 1e6:.0f} MB to push")
    return folder() / "payload"


def _compiler(progress: Progress) -> tuple[list[str], str]:
    """Return the words of a compiler for AArch64 Linux, and its name; ziglang is installed if there is no other."""
    if found := shutil.which(_CROSS):
        return [found], _CROSS
    progress(f"there is no {_CROSS}; taking the toolchain {_ZIG}")
    toolchains.install(_ZIG, progress)
    return [str(toolchains.python(_ZIG)), "-I", "-m", "ziglang", "cc", "-target", _ZIG_TARGET], _ZIG


def _assemble(base: Userland, compiler: list[str], target: Path) -> None:
    """Copy the libraries, compile the runner against them."""
    for part in ("lib", "bin"):
        (target / part).mkdir(parents=True)
    for name in _SYSTEM:
        # Debian 12 has both places, later ones the second.
        places = [base.folder / "sysroot" / root / "aarch64-linux-gnu" / name for root in ("lib", "usr/lib")]
        source = next((place for place in places if place.exists()), None)
        if source is None:
            raise MissingToolError(
                f"the ARM64 userland lacks {name}", "viewfinder devices remove arm64, then set up again"
            )
        shutil.copyfile(source, target / "lib" / name)
    shutil.copyfile(base.site / _LITERT, target / "lib" / _LITERT.name)
    (target / "lib" / LOADER).chmod(0o755)
    argv = [
        *compiler, "-O2", f'-DVERSION="{version()}"', "-o", str(target / "bin" / "runner"), str(SOURCE),
        f"-L{target / 'lib'}", f"-l:{_LITERT.name}", "-Wl,--allow-shlib-undefined",
    ]  # fmt: skip
    done = run(argv, Bounds(_COMPILING_S))
    if done.code:
        raise MissingToolError(
            f"the runner for phones cannot be compiled: {emulator.last_line(done.errors) or done.code}",
            "apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross, then set it up again",
        )


def _try(base: Userland, payload: Path) -> None:
    """Start the runner once, in the emulator."""
    chosen = profiles.profile("")
    argv = [*emulator.argv(base.profile(""), chosen), *words(str(payload), ["--version"])]
    done = run(argv, Bounds(_STARTING_S, environment=emulator.environment(base.site)))
    if done.code or done.output.strip() != version():
        raise MissingToolError(
            f"the runner for phones does not start: {emulator.last_line(done.errors) or done.code}",
            "viewfinder devices remove arm64, then set it up again",
        )


def remove() -> int:
    """Delete the payload, and return the bytes that this frees; the userland stays."""
    if not folder().exists():
        return 0
    with files.explained(folder()):
        freed = files.size_bytes(folder())
        shutil.rmtree(folder())
    return freed
