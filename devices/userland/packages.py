"""Fetch and unpack Debian's packages for ARM64, without root: apt with a state of its own, then ``dpkg-deb -x``.

Where packages come from is what the machine's own apt says (``/etc/apt``); apt checks signatures and hashes, and goes
on with half a download. Nothing is installed: no maintainer script runs, the machine's own packages are not touched.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from viewfinder import files
from viewfinder.devices import Finished
from viewfinder.devices._running import Bounds, run
from viewfinder.errors import MissingToolError

Progress = Callable[[str], None]

WANTED = ("python3", "libstdc++6", "libgomp1", "zlib1g", "libgcc-s1")
"""What the runtimes' wheels need below them."""
TOOLS = ("apt-get", "dpkg-deb")
_TIMEOUT_S = 900.0


def fetch(folder: Path, progress: Progress) -> list[Path]:
    """Download the wanted packages and what they need into `folder`; those that are there already stay.

    Returns:
        The package files, sorted.

    Raises:
        MissingToolError: apt is missing, knows no such packages, or cannot reach them.
    """
    state, archives = folder / "state", folder / "cache" / "archives"
    with files.explained(folder):
        for part in (state / "lists" / "partial", archives / "partial"):
            part.mkdir(parents=True, exist_ok=True)
        (state / "status").touch()
    options = {
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Cache::archives": archives,
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",
        "APT::Keep-Downloaded-Packages": "true",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "DPkg::Post-Invoke": "",
    }
    apt = [*_bound(), "apt-get", "-q", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]
    progress("asking apt what there is for arm64")
    _require([*apt, "update"])
    progress(f"fetching {', '.join(WANTED)} and what they need")
    _require([*apt, "--yes", "--download-only", "install", *WANTED])
    return sorted(archives.glob("*.deb"))


def _bound() -> list[str]:
    """Return the words that have a program die with us: one that outlives a killed set-up would keep apt's lock."""
    return ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def _require(argv: list[str]) -> Finished:
    """Run apt; its own words explain a failure."""
    # Warnings about unreachable lists are errors here: half the lists would give half the packages.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("APT_")}
    finished = run(
        argv, Bounds(_TIMEOUT_S, environment={**environment, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"})
    )
    said = [
        line for line in f"{finished.output}\n{finished.errors}".splitlines() if line.startswith(("E:", "Err:", "W:"))
    ]
    if finished.code or any(line.startswith(("E:", "Err:")) for line in said):
        raise MissingToolError(
            f"apt cannot fetch the ARM64 packages: {' '.join(said[-3:]) or f'code {finished.code}'}",
            "check that the sources in /etc/apt reach a Debian mirror with arm64, then repeat the command",
        )
    return finished


def unpack(packages: list[Path], target: Path, progress: Progress) -> dict[str, str]:
    """Unpack packages into the folder `target`, which appears whole or not at all.

    Returns:
        The hash of each package file by its name.

    Raises:
        MissingToolError: a package cannot be unpacked.
    """
    progress(f"unpacking {len(packages)} packages")
    with files.new_folder(target) as partial:
        for package in packages:
            finished = run(["dpkg-deb", "--extract", str(package), str(partial)], Bounds(_TIMEOUT_S))
            if finished.code:
                raise MissingToolError(
                    f"{package} cannot be unpacked: {finished.errors.strip()}",
                    "remove the userland and set it up again",
                )
        for name in ("lib", "bin"):  # merged into /usr since Debian 13; programs still name /lib/ld-linux-aarch64.so.1
            if not (partial / name).exists():
                (partial / name).symlink_to(f"usr/{name}")
    return {package.name: files.sha256(package) for package in packages}


def missing_tools() -> list[str]:
    """List the programs that are needed here and not found."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]
