"""The verb `devices`: what there is, and what is missing."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from viewfinder.cli import main
from viewfinder.devices import userland
from viewfinder.devices.userland import emulator, packages
from viewfinder.errors import UsageError
from viewfinder.verbs import devices


def ended(capfd, *command):
    """Run a command; return exit code and envelope."""
    code = main([*command, "--json"])
    return code, json.loads(capfd.readouterr().out)


@pytest.mark.parametrize("command", [("devices",), ("devices", "list")])
def test_devices_are_listed(capfd, command):
    """Bare and with its verb: each device with what it is, in less than a second."""
    start = time.process_time()
    code, found = ended(capfd, *command)
    assert time.process_time() - start < 1
    assert code == 0
    assert found["command"] == " ".join(command)
    by_name = {one["name"]: one for one in found["result"]}
    assert by_name["host"]["usable"] is True
    assert by_name["arm64:cortex-a76"]["usable"] is False


STARTED = """
import os, pathlib, sys, time
from viewfinder.cli import main
code = main(["devices"])
process = pathlib.Path("/proc/self")
began = int((process / "stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
waited = sum(int((task / "schedstat").read_text().split()[1]) for task in (process / "task").iterdir()) / 1e9
print(code, time.clock_gettime(time.CLOCK_BOOTTIME) - began - waited, file=sys.stderr)
"""
"""Prints how long this process has lived, less the time in which other programs had its core."""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who waits")
def test_the_list_takes_less_than_a_second(tmp_path, monkeypatch):
    """As a program of its own, from its start to its end, with nothing attached; waiting for an answer would count.

    The best of three starts: the first one may have to compile the package, or to read it from the disk.
    """
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "1")
    seconds = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True, check=True, cwd=tmp_path)
        code, lived = done.stderr.split()[-2:]
        assert code == "0"
        assert "android:SERIAL" in done.stdout
        seconds.append(float(lived))
    assert 0.05 < min(seconds) < 1


def test_what_is_missing_stands_beside_the_command_that_mends_it(capfd, monkeypatch):
    """Without the emulator its package is named, with it the set-up."""
    monkeypatch.setattr(packages, "missing_tools", list)
    for there, remedy in ((None, "apt-get install"), ("/usr/bin/qemu-aarch64", "viewfinder devices setup arm64")):
        monkeypatch.setattr(emulator, "find", lambda there=there: there)
        assert main(["devices"]) == 0
        assert remedy in capfd.readouterr().out


def test_set_up_without_its_tools_exits_2(capfd, monkeypatch):
    """The error names what to install; nothing was begun."""
    monkeypatch.setattr(packages, "missing_tools", list)
    monkeypatch.setattr(emulator, "find", lambda: None)
    code, found = ended(capfd, "devices", "setup", "arm64")
    assert code == 2
    assert found["command"] == "devices setup"
    assert "qemu-user" in found["error"]["hint"]
    assert not userland.folder().exists()


@pytest.mark.parametrize("verb", [devices.set_up, devices.remove])
def test_devices_that_are_found_need_no_set_up(verb):
    """A phone is plugged in, not made."""
    with pytest.raises(UsageError, match="'host' needs no set-up"):
        verb("host")


def test_removing_says_what_it_frees(capfd):
    """Half a userland is removed too."""
    (userland.folder() / "apt").mkdir(parents=True)
    (userland.folder() / "apt" / "x.deb").write_bytes(bytes(1500))
    code, found = ended(capfd, "devices", "remove", "arm64")
    assert code == 0
    assert found["result"]["freed_bytes"] == 1500
    assert not userland.folder().exists()
