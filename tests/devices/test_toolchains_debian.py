"""Toolchains of Debian packages: fetched by apt, held against the lock file's hashes, unpacked into the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from viewfinder import files
from viewfinder.devices import toolchains
from viewfinder.devices.toolchains import _debian, vulkan
from viewfinder.errors import MissingToolError

DEB822 = """Types: deb
URIs: mirror:/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /keys/debian.gpg

Types: deb
URIs: mirror:/security
Suites: bookworm-security
Components: main
"""
LINES = "deb [signed-by=/keys/old.gpg] mirror:/old stable main contrib\ndeb mirror:/security stable-security main\n"


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Offer a toolchain of one package, and an apt that copies packages from a folder and writes down its words."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    tree, offered, tools = tmp_path / "tree", tmp_path / "offered", tmp_path / "tools"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: tiny\nVersion: 1.0\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n"
    )
    (tree / "usr").mkdir()
    (tree / "usr" / "answer").write_text("42\n")
    for folder in (offered, tools, tmp_path / "locks", tmp_path / "etc" / "sources.list.d"):
        folder.mkdir(parents=True)
    package = offered / "tiny_1.0_all.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, package], check=True, capture_output=True)
    apt = tools / "apt-get"
    apt.write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n'
        'case "$*" in *download*) ;; *) exit 0 ;; esac\n'
        f'test -f {tmp_path}/offline && echo "E: no route" >&2 && exit 100\n'
        f"cp {offered}/*.deb .\n"
    )
    apt.chmod(0o755)
    (tmp_path / "locks" / "tiny.lock").write_text(
        "# debian: bookworm bookworm-backports\n# file: usr/answer\n# licence: free\n"
        f"tiny=1.0 \\\n    --hash=sha256:{files.sha256(package)}\n"
    )
    (tmp_path / "etc" / "sources.list.d" / "debian.sources").write_text(DEB822)
    monkeypatch.setattr(toolchains, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(_debian, "_CONFIGURED", tmp_path / "etc")
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_the_lock_file_of_lavapipe_is_complete():
    """Every package has a version and a hash, and no machine is named; driver, loader and compiler are among them."""
    text = toolchains.lock_file("lavapipe").read_text()
    pinned = _debian.packages(text)
    assert len(pinned) == text.count("--hash=sha256:") >= 20
    names = {one.partition("=")[0] for one in pinned}
    assert names >= {"mesa-vulkan-drivers", "libvulkan1", "libllvm15"}
    assert "mesa-vulkan-drivers=25.0.7" in text
    assert not re.search(r"https?:|/etc/", text)
    assert set(toolchains.about("lavapipe")) == {"size", "licence"}


def test_packages_are_fetched_checked_and_unpacked(mirror):
    """The locked version is asked for; afterwards there is a root and no download any more; removing frees it."""
    said = []
    toolchains.install("tiny", said.append)
    assert said[0] == "licence: free"
    root = toolchains.root("tiny")
    assert (root / "usr" / "answer").read_text() == "42\n"
    assert sorted(path.name for path in root.parent.iterdir()) == ["installed.json", "root"]
    assert toolchains.probe("tiny") is None
    assert "download tiny=1.0" in (mirror / "asked").read_text()
    toolchains.remove("tiny")
    assert toolchains.root("tiny") is None
    assert "doctor --install tiny" in toolchains.probe("tiny")


def test_another_package_of_the_same_name_is_refused(mirror):
    """A mirror whose package has other bytes: nothing is unpacked, nothing counts as installed."""
    lock = mirror / "locks" / "tiny.lock"
    lock.write_text(re.sub("[0-9a-f]{64}", "0" * 64, lock.read_text()))
    with pytest.raises(MissingToolError, match=r"other packages than were tried: tiny=1\.0"):
        toolchains.install("tiny", print)
    assert not toolchains.installed("tiny")
    assert not (toolchains.folder("tiny") / "root").exists()


def test_a_mirror_that_is_not_reached_is_told_in_apts_words(mirror):
    """And the next call, with the mirror there again, completes it; what is there is not fetched again."""
    (mirror / "offline").touch()
    with pytest.raises(MissingToolError, match="no route"):
        toolchains.install("tiny", print)
    (mirror / "offline").unlink()
    archives = toolchains.folder("tiny") / "archives"
    shutil.copy(mirror / "offered" / "tiny_1.0_all.deb", archives)
    (mirror / "asked").unlink()
    toolchains.install("tiny", print)
    assert toolchains.installed("tiny")
    assert not (mirror / "asked").exists()


def test_the_machines_own_sources_are_taken_with_other_suites(mirror):
    """Both forms of sources are read, without those of security updates; each archive comes once."""
    (mirror / "etc" / "sources.list").write_text(LINES)
    found = list(_debian._stanzas("bookworm"))
    assert found == [
        "Types: deb\nURIs: mirror:/old\nSuites: bookworm\nComponents: main\nSigned-By: /keys/old.gpg\n",
        "Types: deb\nURIs: mirror:/debian\nSuites: bookworm\nComponents: main\nSigned-By: /keys/debian.gpg\n",
    ]
    for path in (mirror / "etc").rglob("*.*"):
        path.unlink() if path.is_file() else None
    with pytest.raises(MissingToolError, match=r"no source in .* is Debian's archive"):
        toolchains.install("tiny", print)


def test_the_driver_is_shown_by_variables(mirror, monkeypatch):
    """Without it there are none; with it, loaders old and new find this driver and no other, before other libraries."""
    assert vulkan.environment("tiny") is None
    toolchains.install("tiny", print)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/elsewhere")
    found = vulkan.environment("tiny")
    root = toolchains.root("tiny")
    assert found["VK_DRIVER_FILES"] == found["VK_ICD_FILENAMES"] == f"{root}/usr/share/vulkan/icd.d/lvp_icd.json"
    assert found["LD_LIBRARY_PATH"] == f"{root}/usr/lib/x86_64-linux-gnu:/elsewhere"
