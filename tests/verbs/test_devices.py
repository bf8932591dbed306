"""The verb `devices`: what there is, and what is missing."""

from __future__ import annotations

import json
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
