from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from pathlib import Path

import pytest

from viewfinder import devices
from viewfinder.devices import DeviceBusyError, DeviceError, _folder, host
from viewfinder.devices._running import Bounds, run
from viewfinder.errors import UsageError


def test_devices_are_found_by_file_name():
    """Folders, such as the toolchains, and helpers with an underscore are no devices."""
    assert devices.names() == ["android", "arm64", "fake", "host", "hosted", "mac", "ssh"]
    assert devices.load("host").name == "host"
    for name in ("pixel", "_folder", "userland", "../x", ""):
        with pytest.raises(UsageError, match="no device") as error:
            devices.load(name)
        assert "host" in error.value.hint


def test_there_is_one_host():
    """A detail has no meaning here."""
    with pytest.raises(UsageError, match="no device host:2"):
        devices.load("host:2")


def test_every_kind_lists_its_devices():
    """Looking costs little, and what is listed can be named; what cannot be used says what mends it."""
    start = time.process_time()
    found = devices.found()
    assert time.process_time() - start < 1
    assert {"host", "fake", "arm64:cortex-a53", "arm64:armv8.6"} <= {one.name for one in found}
    assert all(devices.load(one.name).name == one.name for one in found)
    assert all(bool(one.missing) == bool(one.remedy) for one in found)
    assert json.loads(json.dumps([one.to_dict() for one in found]))[0]["usable"] in {True, False}


def test_the_host_says_what_it_is():
    """Processor, cores, memory and system are there."""
    info = host.open("").info()
    assert info.cpu
    assert 1 <= info.cores <= (os.cpu_count() or 1)
    assert info.memory_bytes is None or info.memory_bytes > 1 << 27
    assert len(info.system.split()) >= 3


def test_the_children_of_a_killed_command_go_too(tmp_path):
    """The whole process group ends."""
    pid_file = tmp_path / "child"
    with pytest.raises(DeviceError, match=r"sh was still running after 0.5 s and was killed"):
        run(["sh", "-c", 'sleep 600 & echo $! > "$0"; wait', str(pid_file)], Bounds(0.5))
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


def test_a_command_that_closes_its_streams_is_still_waited_for():
    """Silence is not the end of a program."""
    code = "import os, time; os.close(1); os.close(2); time.sleep(600)"
    with pytest.raises(DeviceError, match=r"was still running after 0.5 s"):
        run([sys.executable, "-c", code], Bounds(0.5))


def test_a_command_that_prints_without_end_is_killed():
    """Memory does not fill, whatever a device sends."""
    code = "while True: print('x' * 4096)"
    with pytest.raises(DeviceError, match="printed more than 100000 bytes and was killed"):
        run([sys.executable, "-c", code], Bounds(60, output_bytes=100_000))


def test_garbage_is_readable():
    """Bytes that are no text do not end a run."""
    code = "import sys; sys.stdout.buffer.write(bytes(range(256)))"
    assert "\ufffd" in run([sys.executable, "-c", code], Bounds(60)).output


def test_a_killed_command_is_told_by_its_code():
    """A signal is no exit code."""
    assert run([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], Bounds(60)).code == -9


def test_a_damaged_copy_is_sent_again(tmp_path):
    """What lies on the device is believed only with its hash."""
    source = tmp_path / "model"
    source.write_text("weights")
    device = devices.load("host")
    path = Path(device.push(source).path)
    path.write_text("wEights")
    assert device.push(source).sent_bytes == 7
    assert path.read_text() == "weights"


def test_a_link_out_of_the_work_folder_is_not_followed(tmp_path):
    """A command there may have left it."""
    device = devices.load("host")
    secret = tmp_path / "secret"
    secret.write_text("key")
    device.run([sys.executable, "-c", f"import os; os.symlink({str(secret)!r}, 'link')"], timeout_s=60)
    with pytest.raises(UsageError, match="is no name inside"):
        device.pull("link", tmp_path / "target")


@pytest.mark.parametrize("name", ["a/b", "..", "$(reboot)", "192.168.0.7:5555", "x" * 60])
def test_any_name_is_one_folder(name):
    """Serial numbers and host names cannot lead elsewhere."""
    folder = _folder.folder_of(name)
    assert folder.parent == _folder.folder_of("host").parent
    assert folder.name not in {".", ".."}


def _hold(ready, done):
    """Own the host until told otherwise."""
    with devices.load("host").lock():
        ready.set()
        done.wait(30)


def test_another_process_keeps_the_device_and_its_death_frees_it():
    """Two programs do not measure at the same time, and a killed one blocks nobody."""
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    owner = context.Process(target=_hold, args=(ready, done))
    owner.start()
    assert ready.wait(30)
    with pytest.raises(DeviceBusyError, match=f"in use by the process {owner.pid}"), devices.load("host").lock():
        pass
    owner.kill()
    owner.join()
    with devices.load("host").lock():
        pass
