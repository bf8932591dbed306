"""A board behind a real sshd on the loopback, whose logins land in a folder of the test."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Loopback:
    """A board of the tests.

    Attributes:
        home: what its logins see as their home.
    """

    name: str
    home: Path
    process: subprocess.Popen
    known_hosts: Path
    identity: Path


@pytest.fixture(scope="session")
def sshd(tmp_path_factory):
    """Start OpenSSH's server for this session, with keys of its own."""
    asyncssh = pytest.importorskip("asyncssh")
    program = shutil.which("sshd") or shutil.which("/usr/sbin/sshd")
    if program is None:
        pytest.skip("openssh-server is not installed")
    folder = tmp_path_factory.mktemp("sshd")
    port = _prepare(folder, asyncssh)
    log = (folder / "log").open("wb")
    process = subprocess.Popen([program, "-D", "-e", "-f", folder / "sshd_config"], stdout=log, stderr=log)
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    board = Loopback(f"ssh:{getpass.getuser()}@127.0.0.1:{port}", folder / "home", process, known, folder / "user")
    try:
        _answers(port, process, folder / "log")
        yield board
    finally:
        process.terminate()
        process.wait()
        log.close()


def _prepare(folder: Path, asyncssh) -> int:
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
    enter = folder / "enter.sh"
    enter.write_text(f'#!/bin/sh\ncd {folder}/home && HOME={folder}/home exec sh -c "$SSH_ORIGINAL_COMMAND"\n')
    enter.chmod(0o755)
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        f"StrictModes no\nPasswordAuthentication no\nUsePAM no\nPidFile none\nForceCommand {enter}\n"
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


@pytest.fixture
def board(sshd, tmp_path_factory, monkeypatch):
    """Offer the board, empty, with a configuration that knows its host key and the test's own."""
    config = tmp_path_factory.mktemp("ssh") / "config"
    config.write_text(f"Host *\n  UserKnownHostsFile {sshd.known_hosts}\n  IdentityFile {sshd.identity}\n")
    monkeypatch.setenv("VIEWFINDER_SSH_CONFIG", str(config))
    shutil.rmtree(sshd.home / ".cache", ignore_errors=True)
    return sshd
