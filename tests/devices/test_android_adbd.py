"""Phones on bad days: a real adb, a real adbd, pulled cables, full disks, restarts."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from viewfinder import devices
from viewfinder.devices import DeviceBusyError, DeviceError, DeviceLostError
from viewfinder.devices.adb import shell, transfer
from viewfinder.errors import MissingToolError, UsageError

pytestmark = pytest.mark.adb
SHELL_NAME = "$(touch mark) ; 'touch' \"mark\" & `touch mark`.txt"


def on(phone):
    """Return the device of a phone."""
    return devices.load(f"android:{phone.serial}")


def test_two_phones_at_once(phones):
    """Each answers for itself, at the same time; both are listed with what they call themselves."""
    with ThreadPoolExecutor() as pool:
        told = list(pool.map(lambda one: on(one).run(["cat", "/proc/cpuinfo"], 120).output, phones))
    assert ["0xd0b" in told[0], "0xd03" in told[1]] == [True, True]
    listed = {one.name: one for one in devices.kind("android").found()}
    assert set(listed) == {f"android:{one.serial}" for one in phones}
    with on(phones[0]).lock(), on(phones[1]).lock(), pytest.raises(DeviceBusyError), on(phones[0]).lock():
        pass


def test_shell_characters_do_nothing(phone, tmp_path, monkeypatch):
    """In a file's name, in a word, in a result's name and in a serial: on the phone as here nothing is executed."""
    monkeypatch.chdir(tmp_path)
    source = tmp_path / SHELL_NAME
    source.write_text("pixels")
    device = on(phone)
    pushed = device.push(source)
    assert device.push(source).sent_bytes == 0
    assert device.run(["cat", pushed.path], 60).output == "pixels"
    device.run(["cp", pushed.path, f"out {SHELL_NAME}"], 60)
    device.pull(f"out {SHELL_NAME}", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "pixels"
    with pytest.raises(DeviceLostError, match="not found"):
        devices.load("android:$(touch mark); touch mark").run(["true"], 10)
    assert not [*tmp_path.glob("**/mark"), *phone.folder.glob("**/mark")]


def pull_the_plug(monkeypatch, phone, way, calls):
    """Switch a phone off at the so many-th call of a way of its connection, in the middle of a transfer."""
    real, left = transfer.connection, [calls]

    class Plugged:
        """A socket with a hand on its cable."""

        def __init__(self, conn):
            self.conn = self
            self._real = conn

        def __getattr__(self, name):
            if name == way:
                left[0] -= 1
                if left[0] == 0:
                    phone.stop()
            return getattr(self._real, name)

    @contextmanager
    def connection(serial, service, silence_s=30.0):
        """Connect as ever."""
        with real(serial, service, silence_s) as stream:
            yield Plugged(stream.conn)

    monkeypatch.setattr(transfer, "connection", connection)


def test_a_cable_pulled_while_pushing(phone, tmp_path, monkeypatch):
    """Half a file never counts; what had arrived before stays, and the next attempt sends the rest."""
    (tmp_path / "first").write_bytes(b"1" * 1000)
    (tmp_path / "second").write_bytes(os.urandom(2_000_000))
    device = on(phone)
    assert device.push(tmp_path / "first").sent_bytes == 1000
    with monkeypatch.context() as patch:
        pull_the_plug(patch, phone, "sendall", 5)
        with pytest.raises(DeviceLostError):
            device.push(tmp_path / "second")
    assert [len(one.name) for one in phone.pushed.iterdir() if "." not in one.name] == [64]
    phone.start()
    device.wait(60)
    assert device.push(tmp_path / "first").sent_bytes == 0
    pushed = device.push(tmp_path / "second")
    assert pushed.sent_bytes == 2_000_000
    assert len(list(phone.pushed.iterdir())) == 2  # the half is gone
    assert device.run(["sha256sum", pushed.path], 60).output.startswith(pushed.sha256)


def test_a_cable_pulled_while_running(phone):
    """What was printed until then is no result; after a restart the phone works again."""
    device, failed = on(phone), []

    def run():
        """Run something long."""
        try:
            device.run(["sh", "-c", "echo all is well; echo >started; sleep 100"], 90)
        except DeviceLostError as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    started, deadline = phone.folder / "tmp" / "viewfinder" / "work" / "started", time.monotonic() + 60
    while time.monotonic() < deadline and not started.exists():
        os.sched_yield()
    phone.stop()
    thread.join(60)
    assert failed
    assert "went away" in failed[0].message
    with pytest.raises(DeviceLostError, match="cannot be used"):
        device.wait(0)
    phone.start()
    device.wait(60)
    assert device.run(["echo", "back"], 60).output == "back\n"


def test_a_cable_pulled_while_pulling(phone, tmp_path, monkeypatch):
    """No half file is left."""
    device = on(phone)
    device.run(["truncate", "-s", "1G", "large"], 60)  # more than any buffer on the way holds
    pull_the_plug(monkeypatch, phone, "recv", 8)
    with pytest.raises(DeviceLostError):
        device.pull("large", tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


MOUNT = (
    "import ctypes; print(ctypes.CDLL(None).mount(b't', b'/data/local/tmp/viewfinder/pushed', b'tmpfs', 0, b'size=1m'))"
)


def test_a_full_disk(phone, tmp_path):
    """The reason is the phone's own; what was written goes, so that smaller things still fit."""
    device = on(phone)
    device.run(["mkdir", "-p", "../pushed"], 60)
    assert device.run(["python3", "-c", MOUNT], 60).output == "0\n"
    (tmp_path / "large").write_bytes(bytes(2_000_000))
    (tmp_path / "small").write_bytes(bytes(500_000))
    with pytest.raises(UsageError, match="No space left on device") as error:
        device.push(tmp_path / "large")
    assert "free some space" in error.value.hint
    assert device.push(tmp_path / "small").sent_bytes == 500_000
    phone.stop()  # and with it the small disk


def test_a_damaged_copy_is_sent_again(phone, tmp_path):
    """The hash is computed on the phone."""
    (tmp_path / "model").write_text("weights")
    device = on(phone)
    device.push(tmp_path / "model")
    (copy,) = phone.pushed.glob("*/model")
    copy.write_text("wEights")
    assert device.push(tmp_path / "model").sent_bytes == 7
    assert copy.read_text() == "weights"


def test_signals_and_wrong_programs(phone):
    """A killed program has a negative code; one for another processor is a missing tool."""
    device = on(phone)
    assert device.run(["sh", "-c", "kill -11 $$"], 60).code == -11
    runner = phone.folder / "tmp" / "viewfinder" / "work" / "runner"
    runner.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(60))
    runner.chmod(0o755)
    with pytest.raises(MissingToolError, match="cannot be started: exec format error"):
        device.run(["./runner"], 60)


def test_links_and_endless_output(phone, tmp_path, monkeypatch):
    """A link out of the work folder is not followed, a flood is stopped, a huge file is refused."""
    device = on(phone)
    device.run(["ln", "-s", "/system/bin/getprop", "link"], 60)
    device.run(["truncate", "-s", "4000000", "huge"], 60)
    with pytest.raises(UsageError, match="is no name inside"):
        device.pull("link", tmp_path / "target")
    monkeypatch.setattr(shell, "MOST_BYTES", 100_000)
    monkeypatch.setattr(devices.kind("android"), "MOST_BYTES", 100_000)
    with pytest.raises(DeviceError, match="printed more than 100000 bytes"):
        device.run(["yes"], 60)
    with pytest.raises(DeviceError, match="more than 100000 bytes"):
        device.pull("huge", tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_a_phone_of_another_kind(phone):
    """A 32-bit phone cannot run the runner, and says so before anything is pushed."""
    phone.tell(ro__product__cpu__abilist="armeabi-v7a,armeabi")
    assert "it runs armeabi-v7a,armeabi" in on(phone).problem()
    assert not phone.pushed.exists()


def test_a_harness_that_dies_leaves_nothing_running(phone):
    """When the program that feeds a runner is killed, adbd hangs up on the runner."""
    argv = [sys.executable, "-m", "viewfinder.devices.adb.pipe", phone.serial, "/data/local/tmp", "sleep", "4321"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    harness = subprocess.Popen(argv, stdin=subprocess.PIPE, env=environment)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not _sleeping():
        time.sleep(0.1)
    assert _sleeping()
    harness.kill()
    harness.wait()
    while time.monotonic() < deadline and _sleeping():
        time.sleep(0.1)
    assert not _sleeping()


def _sleeping() -> bool:
    """Tell whether the runner's stand-in is alive; this computer's kernel sees the phone's processes."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"4321" in words and b"timeout" not in words and b"viewfinder.devices.adb.pipe" not in words:
            return True
    return False
