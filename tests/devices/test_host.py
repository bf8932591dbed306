from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from viewfinder import devices
from viewfinder.devices import host
from viewfinder.errors import CheckFailedError, MissingToolError, UsageError


def test_devices_are_found_by_file_name():
    """Folders, such as the toolchains, are no devices."""
    assert devices.names() == ["host"]
    assert devices.load("host") is not None
    with pytest.raises(UsageError, match="no device 'pixel'") as error:
        devices.load("pixel")
    assert "host" in error.value.hint


def test_the_host_says_what_it_is():
    """Processor, cores, memory and system are there."""
    info = host.info()
    assert info.name == "host"
    assert info.cpu
    assert 1 <= info.cores <= (os.cpu_count() or 1)
    assert info.memory_bytes is None or info.memory_bytes > 1 << 27
    assert len(info.system.split()) >= 3


def test_a_command_runs_without_a_shell():
    """Arguments arrive as they are; both streams and the code come back."""
    code = "import sys; print(sys.argv[1]); print('oops', file=sys.stderr); sys.exit(3)"
    done = host.run([sys.executable, "-c", code, "$HOME; *"], timeout_s=60)
    assert (done.code, done.output, done.errors) == (3, "$HOME; *\n", "oops\n")
    assert done.argv[-1] == "$HOME; *"
    assert done.seconds > 0


def test_a_command_that_takes_too_long_is_killed(tmp_path):
    """Its children go with it, and the error says how long it was given."""
    pid_file = tmp_path / "child"
    with pytest.raises(CheckFailedError, match=r"sh was still running after 0.5 s and was killed") as error:
        host.run(["sh", "-c", 'sleep 600 & echo $! > "$0"; wait', str(pid_file)], timeout_s=0.5)
    assert error.value.code == "timeout"
    child = int(pid_file.read_text())
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and _runs(child):
        os.sched_yield()
    assert not _runs(child)


def _runs(pid):
    """Tell whether a process is alive: not gone, and no zombie that waits to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_program_that_is_not_there():
    """The error names it."""
    with pytest.raises(MissingToolError, match="no-such-program cannot be started: no such file"):
        host.run(["no-such-program"], timeout_s=1)
