"""The ARM64 userland as far as it needs no emulator: what is missing, what is half made, what is refused."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from viewfinder import devices
from viewfinder.devices import DeviceBusyError, _folder, userland
from viewfinder.devices.userland import emulator, packages, profiles
from viewfinder.errors import Exit, MissingToolError, UsageError


def finished_folder(**changes):
    """Put a userland there that looks complete."""
    folder = userland.folder()
    (folder / "sysroot" / "usr" / "bin").mkdir(parents=True)
    record = {**userland._made_from(), "packages": {}, "wheels": ["numpy==2"], "counting": "", **changes}
    (folder / "installed.json").write_text(json.dumps(record))
    return folder


def test_the_lock_file_is_complete():
    """Every wheel has a version and one hash per Python that is covered; no machine or index is named."""
    text = userland.LOCK.read_text()
    pinned = re.findall(r"^([a-z-]+)==\S+ \\$", text, flags=re.MULTILINE)
    assert pinned == ["ai-edge-litert", "flatbuffers", "numpy", "onnxruntime"]
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) == 3 + 1 + 3 + 3
    assert not re.search(r"https?:|index|find-links|file:", text)


def test_the_userland_runs_what_the_host_runs():
    """The same versions on both sides: a difference is the processor's, not the runtime's."""
    pins = (Path(__file__).parents[2] / "constraints.txt").read_text().splitlines()
    wanted = [line.split()[0] for line in userland.LOCK.read_text().splitlines() if "==" in line]
    assert not [pin for pin in wanted if pin not in pins]


def test_only_a_complete_userland_counts():
    """Without its record, with a damaged or an older one, or without its root nothing is there."""
    folder = finished_folder()
    assert userland.installed().folder == folder
    for change in ({"lock_sha256": "0"}, {"plugin_sha256": "0"}, {"version": 0}):
        shutil.rmtree(folder)
        finished_folder(**change)
        assert userland.installed() is None
    for text in ("", "[]", "{}"):
        (folder / "installed.json").write_text(text)
        assert userland.installed() is None
    shutil.rmtree(folder)
    finished_folder()
    shutil.rmtree(folder / "sysroot")
    assert userland.installed() is None


def test_a_board_without_its_userland_says_how_to_get_it(monkeypatch):
    """Listing, running and describing all lead to the same command."""
    monkeypatch.setattr(emulator, "find", lambda: "/usr/bin/qemu-aarch64")
    monkeypatch.setattr(packages, "missing_tools", list)
    device = devices.load("arm64:cortex-a53")
    for act in (lambda: device.run(["python3"], 1), device.facts, device.python):
        with pytest.raises(MissingToolError, match="its userland is not set up") as error:
            act()
        assert error.value.hint == "viewfinder devices setup arm64"
    listed = next(one for one in devices.found() if one.name == device.name)
    assert (listed.missing, listed.remedy) == ("its userland is not set up", "viewfinder devices setup arm64")


def test_missing_programs_are_named_together(monkeypatch):
    """One command mends all of it, and nothing is begun before."""
    monkeypatch.setattr(emulator, "find", lambda: None)
    monkeypatch.setattr(packages, "missing_tools", lambda: ["dpkg-deb"])
    monkeypatch.setattr(userland.sys, "platform", "linux")
    with pytest.raises(MissingToolError, match="dpkg and qemu-user not installed") as error:
        userland.install(print)
    assert error.value.hint == "apt-get install --no-install-recommends dpkg qemu-user"
    assert error.value.exit_code is Exit.USAGE
    assert not userland.folder().exists()


def test_another_system_is_refused(monkeypatch):
    """Without apt there is nothing to fetch packages with."""
    monkeypatch.setattr(packages, "missing_tools", lambda: ["apt-get", "dpkg-deb"])
    assert "Debian or Ubuntu" in userland.missing()[0]
    monkeypatch.setattr(packages, "missing_tools", list)
    monkeypatch.setattr(userland.sys, "platform", "darwin")
    assert "Debian or Ubuntu" in userland.missing()[0]


def test_apt_is_quoted(monkeypatch, tmp_path):
    """What apt says reaches the user, also when it exits 0 after a list that it could not get."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "apt-get").write_text("#!/bin/sh\necho 'Err:1 mirror bookworm InRelease'\nexit 0\n")
    (tools / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    with pytest.raises(MissingToolError, match="cannot fetch the ARM64 packages: Err:1 mirror bookworm"):
        packages.fetch(tmp_path / "apt", lambda _: None)


def test_a_damaged_package_leaves_no_root(tmp_path):
    """Unpacking is all or nothing."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    (tmp_path / "x.deb").write_bytes(b"not a package")
    with pytest.raises(MissingToolError, match=r"x\.deb cannot be unpacked"):
        packages.unpack([tmp_path / "x.deb"], tmp_path / "sysroot", lambda _: None)
    assert not (tmp_path / "sysroot").exists()


def test_a_set_up_without_wheels_goes_on_there(monkeypatch):
    """A pip that fails leaves the packages for the next attempt, and nothing counts as installed."""
    monkeypatch.setattr(userland, "missing", lambda: ("", ""))
    folder, lines = userland.folder(), []
    (folder / "sysroot" / "usr" / "bin").mkdir(parents=True)
    (folder / "sysroot" / "usr" / "bin" / "python3.11").touch()
    (folder / "packages.json").write_text("{}")
    (folder / ".site.killed" / "numpy").mkdir(parents=True)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(MissingToolError, match=r"pip cannot fetch the aarch64 wheels for Python 3.11: ERROR"):
        userland.install(lines.append)
    assert "the packages are there already" in lines
    assert userland.installed() is None
    assert not (folder / "site").exists()
    assert not list(folder.glob(".*"))


def test_two_set_ups_do_not_mix(monkeypatch):
    """The second one is told to wait, and begins nothing."""
    monkeypatch.setattr(userland, "missing", lambda: ("", ""))
    with _folder.locked("arm64-setup", 0.0), pytest.raises(DeviceBusyError, match="arm64-setup is in use"):
        userland.install(print)
    assert not userland.folder().exists()


def test_removing_leaves_nothing():
    """A finished, an unfinished and an absent userland can be removed."""
    folder = finished_folder()
    assert userland.remove() > 0
    assert not folder.exists()
    folder.mkdir(parents=True)
    assert userland.remove() == 0
    assert userland.remove() == 0
    assert not folder.exists()


def test_profiles_are_refused_by_name():
    """The error lists what there is."""
    with pytest.raises(UsageError, match="no processor profile 'm3'") as error:
        devices.load("arm64:m3")
    assert "cortex-a76" in error.value.hint
    assert devices.load("arm64").name == "arm64:cortex-a76"


@pytest.mark.parametrize("name", profiles.PROFILES)
def test_what_the_guest_reads_agrees_with_the_emulated_processor(name, tmp_path):
    """Part number and features are the processor's, one core is shown, and SME is never on."""
    chosen = profiles.profile(name)
    (tmp_path / "sysroot" / "usr").mkdir(parents=True)
    profiles.write(chosen, tmp_path / "sysroot", tmp_path / "profile")
    text = (tmp_path / "profile" / "proc" / "cpuinfo").read_text()
    assert text.count("processor") == 1
    assert f"CPU part\t: 0x{chosen.part:03x}" in text
    assert ("asimddp" in text) == (name in {"cortex-a76", "armv8.6"})
    assert ("i8mm" in text) == (name == "armv8.6")
    assert "sme" not in text.lower()
    assert not chosen.model.startswith("max") or "sme=off" in chosen.model
    assert (tmp_path / "profile" / "usr").resolve() == (tmp_path / "sysroot" / "usr").resolve()


def elf(machine):
    """Return the head of a program for a processor."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, machine)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (elf(62), "is made for x86-64, and this device runs AArch64"),
        (elf(40), "is made for 32-bit Arm"),
        (elf(8), "is made for machine 8"),
        (b"#!/bin/sh\n", "is no program"),
        (b"", "is no program"),
    ],
)
def test_a_program_for_another_processor(tmp_path, head, said):
    """The wrong ABI is said before the emulator is started."""
    (tmp_path / "runner").write_bytes(head)
    with pytest.raises(MissingToolError, match=said):
        emulator.check_program(tmp_path / "runner")
    (tmp_path / "runner").write_bytes(elf(183))
    emulator.check_program(tmp_path / "runner")


def test_the_plug_in_compiles_without_a_warning(tmp_path):
    """The C file is clean with all warnings on."""
    if (compiler := shutil.which("gcc")) is None:
        pytest.skip("gcc is not installed")
    command = [compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o", tmp_path / "x.so"]
    done = subprocess.run([*command, userland.COUNTING], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_a_compiler_the_userland_only_verifies(monkeypatch, tmp_path):
    """The reason is kept and no plug-in is written."""
    monkeypatch.setattr(emulator.shutil, "which", lambda _: None)
    assert "no C compiler" in emulator.compile_plugin(userland.COUNTING, tmp_path / "x.so", print)
    monkeypatch.setattr(emulator.shutil, "which", lambda name: sys.executable if name == "cc" else None)
    assert "takes no plug-ins" in emulator.compile_plugin(userland.COUNTING, tmp_path / "x.so", print)
    assert not (tmp_path / "x.so").exists()
