"""The emulated boards at work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from viewfinder import devices
from viewfinder.devices import DeviceLostError, userland
from viewfinder.devices.arm64 import Arm64
from viewfinder.devices.userland.profiles import PROFILES
from viewfinder.errors import MissingToolError

pytestmark = pytest.mark.arm64
CAPABILITIES = """
import ctypes, platform
read = ctypes.CDLL(None).getauxval
read.restype, read.argtypes = ctypes.c_ulong, [ctypes.c_ulong]
first, second = read(16), read(26)
print(platform.machine(), first >> 20 & 1, second >> 13 & 1, second >> 23 & 1)
"""
"""Prints the machine, and whether the kernel tells programs of ASIMDDP, I8MM and SME (Linux, uapi/asm/hwcap.h)."""


@pytest.mark.parametrize("name", PROFILES)
def test_a_board_has_the_instructions_that_it_says(arm64, name):
    """What the emulator lets programs use is what /proc/cpuinfo shows, and SME is never there."""
    board = devices.load(f"arm64:{name}")
    done = board.run(["python3", "-c", CAPABILITIES], timeout_s=120)
    features = PROFILES[name].features.split()
    wanted = [int("asimddp" in features), int("i8mm" in features), 0]
    assert done.output.split() == ["aarch64", *map(str, wanted)], done.errors
    read = board.run(["python3", "-c", "print(open('/proc/cpuinfo').read())"], timeout_s=120)
    assert f"0x{PROFILES[name].part:03x}" in read.output


def test_the_host_does_not_shine_through(arm64, monkeypatch):
    """Variables of this process do not reach the guest: counts would depend on them."""
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    code = "import os; print(os.environ.get('LD_LIBRARY_PATH'), os.environ['PYTHONHASHSEED'])"
    assert devices.load("arm64").run(["python3", "-c", code], timeout_s=120).output == "None 0\n"


def test_a_program_of_this_computer_is_refused(arm64):
    """The wrong ABI is said in words."""
    with pytest.raises(MissingToolError, match=r"is made for .*, and this device runs AArch64"):
        devices.load("arm64").run([sys.executable, "-c", "1"], timeout_s=10)


def test_a_crash_in_the_guest_is_told_by_its_signal(arm64):
    """The emulator ends as the program would have."""
    done = devices.load("arm64").run(["python3", "-c", "import os; os.kill(os.getpid(), 11)"], timeout_s=60)
    assert done.code == -11


def test_a_killed_emulator_is_a_lost_device(arm64):
    """Nothing is concluded from it."""
    with pytest.raises(DeviceLostError, match="the emulator was killed"):
        devices.load("arm64").run(["python3", "-c", "import os; os.kill(os.getpid(), 9)"], timeout_s=60)


def test_a_set_up_that_is_there_is_left_alone(arm64):
    """The second call says so and does nothing; the record names every package with its hash."""
    lines = []
    there = userland.install(lines.append)
    assert len(lines) == 1
    assert "already set up" in lines[0]
    assert len(there.record["packages"]) > 20
    assert all(len(digest) == 64 for digest in there.record["packages"].values())
    assert there.record["counting"] == ""
    facts = devices.load("arm64").facts()
    assert "onnxruntime==" in facts["wheels"]
    assert "qemu-aarch64" in facts["emulator"]


def test_the_old_runtime_lies_beside_today_s(arm64):
    """tflite-runtime 2.14 with its numpy 1, and neither sees the other; a userland without it says why."""
    board = devices.load("arm64:cortex-a53")
    code = "import numpy, tflite_runtime; print(numpy.__version__, tflite_runtime.__version__)"
    for device, works in ((board, False), (board.with_old_runtime(), True)):
        launch = device.python()
        words, variables = [*launch.argv, "-c", code], dict(launch.environment)
        done = subprocess.run(words, env=variables, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == works
    assert done.stdout == "1.26.4 2.14.0\n"
    record = dict(board._ready().record) | {"old_runtime": "no wheel for Python 3.13"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Arm64, "_ready", lambda _self: userland.Userland(Path(), record))
        with pytest.raises(MissingToolError, match=r"no wheel for Python 3\.13"):
            board.with_old_runtime().python()
