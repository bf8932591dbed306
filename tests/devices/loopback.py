"""Machines behind a real sshd on the loopback: a board whose logins land in the ARM64 userland, and this computer."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.devices import phone_root

from viewfinder.devices.userland import Userland, emulator, profiles

HOME = "/home/pi"
PROFILE = "cortex-a76"
"""What the board is: a Raspberry Pi 5, as its logins read it and as the emulator has it."""
OURS = '#!/bin/sh\ncd {home} && HOME={home} exec sh -c "$SSH_ORIGINAL_COMMAND"\n'
ARM64 = """#!/bin/sh
exec unshare -Ur -m env COMMAND="$SSH_ORIGINAL_COMMAND" sh -ec '
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
printf %s {binfmt} >/proc/sys/fs/binfmt_misc/register
mount --bind {home} {root}/home/pi
mount --bind {site} {root}/opt/site
if test -e {home}/small; then (cd {root}/home/pi; mkdir -p .cache; mount -t tmpfs -o size=1m none .cache); fi
mount --rbind /dev {root}/dev
mount --rbind /proc {root}/proc
mount --bind {profile}/proc/cpuinfo {root}/proc/cpuinfo
mount --rbind /sys {root}/sys
mount --bind {profile}/sys/devices/system/cpu {root}/sys/devices/system/cpu
exec chroot {root} /usr/bin/env -i {variables} COMMAND="$COMMAND" /bin/sh -c "cd && exec sh -c \\"\\$COMMAND\\""'
"""
"""Every login gets a user namespace: what it mounts is seen by nobody else, and nothing of it stays.

With a file ``small`` in the home, each login has a disk of a megabyte of its own below ``.cache``.
"""


@dataclass
class Loopback:
    """A machine of the tests.

    Attributes:
        home: where the home of its logins lies on this computer; they see it as `inside`.
    """

    name: str
    home: Path
    inside: str
    process: subprocess.Popen
    known_hosts: Path
    identity: Path

    def here(self, path: str) -> Path:
        """Return where a file of its home lies on this computer."""
        return self.home / Path(path).relative_to(self.inside)


@pytest.fixture(scope="session")
def sshd(tmp_path_factory):
    """Start OpenSSH's server for this session, with keys of its own; its logins are on this computer."""
    folder = tmp_path_factory.mktemp("sshd")
    with _served(folder, OURS.format(home=folder / "home"), str(folder / "home")) as machine:
        yield machine


@pytest.fixture(scope="session")
def arm_sshd(tmp_path_factory, arm_root, shared_userland):
    """Start another, whose logins land in the ARM64 userland."""
    folder, chosen = tmp_path_factory.mktemp("sshd"), profiles.profile(PROFILE)
    profiles.write(chosen, arm_root, folder / "profile")
    variables = emulator.environment(Path("/opt/site")) | {"HOME": HOME, "QEMU_CPU": chosen.model}
    # The marks of the magic number hold backslashes, which the login's shell may not read.
    binfmt = shlex.quote(phone_root.binfmt()).replace("'", "'\\''")
    enter = ARM64.format(
        home=folder / "home",
        root=arm_root,
        site=Userland(shared_userland, {}).site,
        profile=folder / "profile",
        binfmt=binfmt,
        variables=" ".join(f"{name}={value}" for name, value in variables.items()),
    )
    with _served(folder, enter, HOME) as machine:
        yield machine


@contextmanager
def _served(folder: Path, enter: str, inside: str) -> Iterator[Loopback]:
    """Start OpenSSH's server, which hands every login to the script `enter`."""
    asyncssh = pytest.importorskip("asyncssh")
    program = shutil.which("sshd") or shutil.which("/usr/sbin/sshd")
    if program is None:
        pytest.skip("openssh-server is not installed")
    port = _prepare(folder, asyncssh, enter)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", folder / "sshd_config"], stdout=log, stderr=log)
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    name = f"ssh:{getpass.getuser()}@127.0.0.1:{port}"
    try:
        _answers(port, process, folder / "log")
        yield Loopback(name, folder / "home", inside, process, known, folder / "user")
    finally:
        process.terminate()
        process.wait()


def _prepare(folder: Path, asyncssh, enter: str) -> int:
    """Write keys and configuration; return a free port."""
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    (folder / "home").mkdir()
    for name in ("host", "user"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(folder / name)
        key.write_public_key(folder / f"{name}.pub")
        (folder / name).chmod(0o600)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "enter.sh").write_text(enter)
    (folder / "enter.sh").chmod(0o755)
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        f"StrictModes no\nPasswordAuthentication no\nUsePAM no\nPidFile none\nForceCommand {folder}/enter.sh\n"
        "Subsystem sftp /usr/lib/openssh/sftp-server\nPermitRootLogin yes\n"
    )
    return port


def _answers(port: int, process: subprocess.Popen, log: Path) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            os.sched_yield()
        else:
            return
    pytest.skip(f"sshd does not start here: {log.read_text()}")


def _offered(machine: Loopback, tmp_path_factory, monkeypatch) -> Loopback:
    """Empty a machine; write a configuration that knows its host key and the test's own."""
    config = tmp_path_factory.mktemp("ssh") / "config"
    config.write_text(f"Host *\n  UserKnownHostsFile {machine.known_hosts}\n  IdentityFile {machine.identity}\n")
    monkeypatch.setenv("VIEWFINDER_SSH_CONFIG", str(config))
    shutil.rmtree(machine.home / ".cache", ignore_errors=True)
    (machine.home / "small").unlink(missing_ok=True)
    return machine


@pytest.fixture
def board(arm_sshd, tmp_path_factory, monkeypatch):
    """Offer the board, empty."""
    return _offered(arm_sshd, tmp_path_factory, monkeypatch)


@pytest.fixture
def desk(sshd, tmp_path_factory, monkeypatch):
    """Offer this computer behind sshd, empty."""
    return _offered(sshd, tmp_path_factory, monkeypatch)
