"""Boards behind ssh: names that are none, keys that do not fit, connections that break."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import AsyncMock

import pytest

from viewfinder import devices
from viewfinder.devices import DeviceError, DeviceLostError, _board_state, ssh
from viewfinder.devices import _ssh_session as session
from viewfinder.devices.userland import profiles
from viewfinder.errors import Exit, MissingToolError, UsageError


@pytest.mark.parametrize(
    "name",
    ["", "-oProxyCommand=reboot", "host;reboot", "$(reboot)", "a b", "a@b@c", "host:", "host:0", "host:99999", "@host",
     "user@", "../x", "host\nreboot", "-l@host"],
)  # fmt: skip
def test_names_that_are_no_board(name):
    """Nothing that a shell or an option parser could read otherwise is a name."""
    with pytest.raises(UsageError, match="is no board"):
        devices.load(f"ssh:{name}")


@pytest.mark.parametrize("name", ["board", "pi@192.168.0.7", "pi@board.local:2222", "my_user@my-board"])
def test_names_of_boards(name):
    """The usual ways to name one; nobody is contacted."""
    assert devices.load(f"ssh:{name}").name == f"ssh:{name}"


def test_without_its_package_it_says_how_to_get_it(monkeypatch):
    """In the list and in use."""
    monkeypatch.setattr(session, "find_spec", lambda _: None)
    assert "viewfinder[devices]" in ssh.found()[0].remedy
    with pytest.raises(MissingToolError, match="asyncssh is not installed"):
        devices.load("ssh:board").run(["true"], 1)


def test_nobody_listens():
    """A board that is off is lost, not a crash."""
    pytest.importorskip("asyncssh")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(DeviceLostError, match="the connection failed") as error:
            devices.load(f"ssh:127.0.0.1:{free.getsockname()[1]}").run(["true"], 1)
    assert error.value.exit_code is Exit.NOT_VERIFIED


@pytest.mark.ssh
def test_logins_land_on_an_arm_board(board):
    """The board of these tests is no copy of this computer: its shell, its Python and its runtimes are aarch64."""
    device = devices.load(board.name)
    assert device.info().system.endswith("aarch64")
    told = device.run(["cat", "/proc/cpuinfo"], 60).output
    assert told == profiles.cpuinfo(profiles.profile("cortex-a76"))
    assert device.problem() == ""
    assert device.run(["python3", "-c", "import platform; print(platform.machine())"], 60).output == "aarch64\n"


@pytest.mark.ssh
def test_a_host_key_that_is_not_known(board, tmp_path, monkeypatch):
    """An unknown and a changed key are refused before anything is sent."""
    known = tmp_path / "known_hosts"
    other = subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", tmp_path / "k"], check=False)
    keys = ["", board.known_hosts.read_text().split()[0] + " " + (tmp_path / "k.pub").read_text()]
    for text in keys if other.returncode == 0 else keys[:1]:
        known.write_text(text)
        config = tmp_path / "config"
        config.write_text(f"Host *\n  UserKnownHostsFile {known}\n  IdentityFile {board.identity}\n")
        monkeypatch.setenv("VIEWFINDER_SSH_CONFIG", str(config))
        with pytest.raises(UsageError, match="the host key is not known, or has changed") as error:
            devices.load(board.name).run(["touch", "mark"], 10)
        assert error.value.code == "host-key"
    assert not list(board.home.rglob("mark"))


@pytest.mark.ssh
def test_a_login_that_is_refused(board, tmp_path, monkeypatch):
    """The hint says how to bring a key there."""
    subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", tmp_path / "k"], check=True)
    (tmp_path / "config").write_text(
        f"Host *\n  UserKnownHostsFile {board.known_hosts}\n  IdentityFile {tmp_path / 'k'}\n  IdentitiesOnly yes\n"
    )
    monkeypatch.setenv("VIEWFINDER_SSH_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(UsageError, match="refuses the login") as error:
        devices.load(board.name).run(["true"], 10)
    assert "ssh-copy-id" in error.value.hint


def test_a_board_tells_its_state():
    """Clocks, temperatures, load and a Raspberry Pi's own word; what is none of them is not there."""
    told = _board_state.parsed(
        "@cpus\n0 scaling_cur_freq 1500000\n0 scaling_max_freq 2400000\n0 scaling_governor ondemand\n1 scaling_x 7\n"
        "@zones\n0 48312\n1 hot\n@load\n0.42 0.10 0.05 1/120 977\n@cores\n4\n@firmware\nthrottled=0x50005\n"
    )
    assert told["governor"] == {"0": "ondemand"}
    assert (told["frequencies_khz"], told["most_khz"]) == ({"0": 1_500_000}, {"0": 2_400_000})
    assert (told["temperature_mc"], told["load_average"], told["cores"]) == ({"0": 48_312}, 0.42, [0, 1, 2, 3])
    assert told["firmware"] == ["its voltage is too low", "it is throttled"]
    nothing = _board_state.parsed("\x1b[2J garbage")
    assert (nothing["cores"], nothing["load_average"], nothing["governor"], nothing["firmware"]) == ([], None, {}, [])
    assert _board_state.throttled(nothing, nothing) == ""
    slower = {**told, "most_khz": {"0": 600_000}, "firmware": []}
    assert _board_state.throttled({**told, "firmware": []}, slower).endswith("of core 0 from 2400 to 600 MHz")
    assert "firmware says before the run: its voltage" in _board_state.throttled(told, slower)


@pytest.mark.ssh
def test_a_connection_that_is_cut_is_no_success(board):
    """The session's process is killed in the middle of a command, as when a cable is pulled."""
    failed = []

    def run():
        """Run something long."""
        try:
            devices.load(board.name).run(["sh", "-c", "echo $PPID >pid; sleep 60"], 50)
        except DeviceLostError as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    pid_file, deadline = board.home / session.FOLDER / "work" / "pid", time.monotonic() + 30
    while time.monotonic() < deadline and not (pid_file.is_file() and pid_file.read_text().strip()):
        os.sched_yield()
    for child in _descendants(board.process.pid):
        os.kill(child, 9)
    thread.join(30)
    assert failed
    assert "ssh:" in failed[0].message
    assert devices.load(board.name).run(["echo", "back"], 20).output == "back\n"


def cut(board, transfer, arriving):
    """Kill the connection of a transfer as soon as something has arrived; return what the transfer raises."""
    failed = []

    def run():
        """Keep the error."""
        try:
            transfer()
        except DeviceLostError as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any(one.stat().st_size for one in arriving()):
        os.sched_yield()
    for child in _descendants(board.process.pid):
        os.kill(child, 9)
    thread.join(60)
    return failed


@pytest.mark.ssh
def test_a_cable_pulled_while_pushing(board, tmp_path):
    """Half a file has no name that counts; what was cut an hour ago goes with the next transfer."""
    device, pushed = devices.load(board.name), board.home / session.FOLDER / "pushed"
    (tmp_path / "model").write_bytes(bytes(100_000_000))
    assert cut(board, lambda: device.push(tmp_path / "model"), lambda: pushed.glob("*/model"))
    (partial,) = pushed.iterdir()
    assert len(partial.name) > 64
    (tmp_path / "model").write_bytes(b"small")
    assert device.push(tmp_path / "model").sent_bytes == 5
    assert partial.exists()
    os.utime(partial, (0, 0))
    (tmp_path / "model").write_bytes(b"another")
    assert device.push(tmp_path / "model").sent_bytes == 7
    assert [len(one.name) for one in pushed.iterdir()] == [64, 64]


@pytest.mark.ssh
def test_a_cable_pulled_while_pulling(board, tmp_path):
    """No half file is left."""
    device = devices.load(board.name)
    device.run(["truncate", "-s", "1G", "large"], 30)
    assert cut(board, lambda: device.pull("large", tmp_path / "target"), tmp_path.iterdir)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.ssh
def test_a_full_disk(board, tmp_path):
    """What does not fit is said with where to look; smaller things still fit."""
    (board.home / "small").touch()
    (tmp_path / "large").write_bytes(os.urandom(2_000_000))
    (tmp_path / "little").write_bytes(os.urandom(500_000))
    device = devices.load(board.name)
    with pytest.raises(UsageError, match="cannot write or read a file") as error:
        device.push(tmp_path / "large")
    assert "check the free space" in error.value.hint
    assert device.push(tmp_path / "little").sent_bytes == 500_000


def test_what_did_not_fit_is_removed(tmp_path):
    """A transfer that the board's disk refuses leaves nothing half there."""
    asyncssh = pytest.importorskip("asyncssh")
    (tmp_path / "large").write_bytes(b"x")
    asked = []

    @asynccontextmanager
    async def sftp():
        """Open a session whose disk is full."""
        answers = {"realpath": "/srv", "exists": False, "readdir": [], "makedirs": None}
        calls = {name: AsyncMock(return_value=answer) for name, answer in answers.items()}
        stat = AsyncMock(return_value=SimpleNamespace(mtime=1))
        yield SimpleNamespace(**calls, stat=stat, put=AsyncMock(side_effect=asyncssh.SFTPFailure("Failure")))

    run = AsyncMock(side_effect=lambda line, **_: asked.append(line))
    connection = SimpleNamespace(start_sftp_client=sftp, run=run)
    with pytest.raises(asyncssh.SFTPFailure):
        asyncio.run(session.push(connection, session.Content.of(tmp_path / "large")))
    (line,) = asked
    assert re.fullmatch(rf"rm -rf /srv/{session.FOLDER}/pushed/[0-9a-f]{{64}}\.[0-9a-f]{{32}}", line)


def _descendants(parent: int) -> list[int]:
    """List the processes below one."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(status.parent.name))
    found = children.get(parent, [])
    return [one for child in found for one in (child, *_descendants_of(child, children))]


def _descendants_of(parent: int, children: dict[int, list[int]]) -> list[int]:
    """Walk down."""
    return [one for child in children.get(parent, []) for one in (child, *_descendants_of(child, children))]


@pytest.mark.ssh
def test_a_command_without_proof_of_its_end_is_lost(board):
    """A board that restarts in between leaves no file, whatever the exit code says."""
    with pytest.raises(DeviceLostError, match="left no word of its end"):
        devices.load(board.name).run(["sh", "-c", 'kill -9 $(sed -n "s/^PPid:.//p" /proc/$PPID/status)'], 20)


@pytest.mark.ssh
def test_signals_and_wrong_programs(board):
    """A killed program has a negative code; one for another processor is a missing tool."""
    device = devices.load(board.name)
    assert device.run(["sh", "-c", "kill -11 $$"], 20).code == -11
    work = board.home / session.FOLDER / "work"
    (work / "runner").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(60))
    (work / "runner").chmod(0o755)
    with pytest.raises(MissingToolError, match="cannot be started: exec format error"):
        device.run(["./runner"], 20)


@pytest.mark.ssh
def test_a_damaged_copy_is_sent_again(board, tmp_path):
    """The hash is computed on the board; half a transfer has no name that counts."""
    source = tmp_path / "model"
    source.write_text("weights")
    device = devices.load(board.name)
    path = board.here(device.push(source).path)
    path.write_text("wEights")
    assert device.push(source).sent_bytes == 7
    assert path.read_text() == "weights"
    assert [entry.name for entry in path.parents[1].iterdir()] == [path.parent.name]


@pytest.mark.ssh
def test_links_and_endless_output(board, tmp_path, monkeypatch):
    """A link out of the work folder is not followed, a flood is stopped, a huge file is refused."""
    device = devices.load(board.name)
    device.run(["ln", "-s", "/etc/passwd", "link"], 20)
    with pytest.raises(UsageError, match="is no name inside"):
        device.pull("link", tmp_path / "target")
    monkeypatch.setattr(session, "MOST_BYTES", 100_000)
    with pytest.raises(DeviceError, match="printed more than 100000 bytes"):
        device.run(["yes"], 20)
    device.run(["truncate", "-s", "4000000", "huge"], 20)
    with pytest.raises(DeviceError, match="offers 4000000 bytes"):
        device.pull("huge", tmp_path / "target")
    assert not (tmp_path / "target").exists()
