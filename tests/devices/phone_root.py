"""The root of the tests' phones: Debian's adbd for ARM64, what it needs and a Python, in a folder."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from viewfinder import files
from viewfinder.devices.userland import packages

WANTED = ("adbd", "dash", "coreutils", "grep", "sed", "python3")
TOOLS = ("adb", "aarch64-linux-gnu-gcc", "qemu-aarch64-static", "unshare", "apt-get", "dpkg-deb")
SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list.d/ubuntu.sources"))
GETPROP = '#!/bin/sh\nsed -n "s/^$1=//p" /data/phone/properties\n'
DUMPSYS = "#!/bin/sh\ncat /data/phone/$1\n"
CMD = '#!/bin/sh\necho "$@" >>/data/phone/asked\ntest ! -e /data/phone/old\n'
"""Android's own programs, as far as they are asked: they tell what a test has put into the phone's folder."""


def make(target: Path) -> None:
    """Make the root; it appears whole or not at all."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}")
    if (target / "usr" / "lib" / "bindshim.so").is_file():
        return
    packages.unpack(fetch(target.parent / "apt"), target.parent / "unpacked", lambda _: None)
    with files.new_folder(target) as partial:
        shutil.copytree(target.parent / "unpacked", partial, symlinks=True, dirs_exist_ok=True)
        (partial / "bin" / "sh").unlink(missing_ok=True)
        (partial / "bin" / "sh").symlink_to("dash")
        for name in ("dev", "proc", "sys", "data/local/tmp", "data/phone", "system/bin", "tmp"):
            (partial / name).mkdir(parents=True, exist_ok=True)
        for name, text in (("getprop", GETPROP), ("dumpsys", DUMPSYS), ("cmd", CMD)):
            (partial / "system" / "bin" / name).write_text(text)
            (partial / "system" / "bin" / name).chmod(0o755)
        shim = [Path(__file__).with_name("bindshim.c"), "-o", partial / "usr" / "lib" / "bindshim.so"]
        subprocess.run(["aarch64-linux-gnu-gcc", "-O2", "-shared", "-fPIC", *shim], check=True)
    shutil.rmtree(target.parent / "unpacked")
    shutil.rmtree(target.parent / "apt")


def fetch(folder: Path) -> list[Path]:
    """Download the packages from where this machine's own come from; adbd is in Debian 12's backports."""
    for name in ("state/lists/partial", "archives/partial", "sources"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "state" / "status").touch()
    source = next((path for path in SOURCES if path.is_file()), None)
    if source is None:
        pytest.skip("apt's sources are not where this test looks for them")
    (folder / "sources" / "own.sources").write_text(source.read_text())
    release = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), flags=re.MULTILINE)
    newer = f"{release[1]}-backports" if release else ""
    first = source.read_text().strip().split("\n\n")[0]
    (folder / "sources" / "newer.sources").write_text(re.sub(r"(?m)^Suites:.*$", f"Suites: {newer}", first) + "\n")
    options = {
        "Dir::State": folder / "state", "Dir::State::status": folder / "state" / "status", "Dir::Cache": folder,
        "Dir::Cache::archives": folder / "archives", "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": folder / "sources", "APT::Architecture": "arm64", "APT::Architectures": "arm64",
        "APT::Install-Recommends": "false", "APT::Sandbox::User": "", "Acquire::Languages": "none",
        "Acquire::Retries": "3", "DPkg::Post-Invoke": "",
    }  # fmt: skip
    apt = ["apt-get", "-qq", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]
    subprocess.run([*apt, "update"], check=True, capture_output=True)
    subprocess.run([*apt, "--yes", "--download-only", "-t", newer, "install", *WANTED], check=True, capture_output=True)
    return sorted((folder / "archives").glob("*.deb"))
