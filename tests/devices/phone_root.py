"""The root of the tests' phones and boards: Debian for ARM64 in a folder, with adbd, sftp, a shell and a Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from viewfinder import files
from viewfinder.devices._folder import locked
from viewfinder.devices.userland import packages

BINFMT = (
    r":arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
    r":\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:{qemu}:F"
)
"""Programs for AArch64 are started with the emulator: in a user namespace of its own, which needs Linux 6.7."""
WANTED = ("adbd", "dash", "coreutils", "grep", "sed", "python3", "openssh-sftp-server")
TOOLS = ("adb", "aarch64-linux-gnu-gcc", "qemu-aarch64-static", "unshare", "apt-get", "dpkg-deb")
SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list.d/ubuntu.sources"))
GETPROP = '#!/bin/sh\nsed -n "s/^$1=//p" /data/phone/properties\n'
DUMPSYS = "#!/bin/sh\ncat /data/phone/$1\n"
CMD = '#!/bin/sh\necho "$@" >>/data/phone/asked\ntest ! -e /data/phone/old\n'
"""Android's own programs, as far as they are asked: they tell what a test has put into the phone's folder."""


def binfmt() -> str:
    """Return what tells Linux to start programs for AArch64 with the emulator."""
    return BINFMT.format(qemu=shutil.which("qemu-aarch64-static"))


@pytest.fixture(scope="session")
def arm_root(request) -> Path:
    """Make the root once, in VIEWFINDER_ADB_CACHE or pytest's own cache, where the next session finds it."""
    cache = Path(os.environ.get("VIEWFINDER_ADB_CACHE") or request.config.cache.mkdir("adb"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIEWFINDER_CACHE", str(cache))
        with locked("adb-suite", wait_s=600):  # several workers begin at the same time
            make(cache / "root")
    return cache / "root"


def make(target: Path) -> None:
    """Make the root; it appears whole or not at all."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}")
    if all((target / name).exists() for name in ("usr/lib/bindshim.so", "usr/lib/openssh/sftp-server", "etc/passwd")):
        return
    packages.unpack(fetch(target.parent / "apt"), target.parent / "unpacked", lambda _: None)
    with files.new_folder(target) as partial:
        shutil.copytree(target.parent / "unpacked", partial, symlinks=True, dirs_exist_ok=True)
        (partial / "bin" / "sh").unlink(missing_ok=True)
        (partial / "bin" / "sh").symlink_to("dash")
        for name in ("dev", "proc", "sys", "data/local/tmp", "data/phone", "system/bin", "tmp", "home/pi", "opt/site"):
            (partial / name).mkdir(parents=True, exist_ok=True)
        # Without its user's name sftp-server does not start.
        (partial / "etc" / "passwd").write_text("root:x:0:0:root:/home/pi:/bin/sh\n")
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
