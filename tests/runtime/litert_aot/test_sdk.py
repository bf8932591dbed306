"""Qualcomm's SDK is looked for as a file, because its installer says success without it."""

from __future__ import annotations

import shutil
import sys

import pytest

from viewfinder.runtime.litert_aot import sdk


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The package of the SDK as pip leaves it where the download fails."""
    folder = tmp_path / "site" / sdk.PACKAGE
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield folder
    sys.modules.pop(sdk.PACKAGE, None)


def test_without_the_package_it_is_absent():
    """And the way without it is named."""
    said = sdk.official()
    assert said.startswith("SDK absent")
    assert "--unofficial" in said


def test_an_installation_without_libraries_is_a_trap(package):
    """Installed, as pip says, and nothing is there."""
    assert "pip said success all the same" in sdk.official()
    (package / "data").mkdir()
    assert "pip said success all the same" in sdk.official()


def test_libraries_are_found(package):
    """Those for Linux on x86-64, with no label."""
    for system in ("aarch64-android", "x86_64-linux-clang"):
        (package / "data" / "lib" / system).mkdir(parents=True)
        (package / "data" / "lib" / system / sdk.LIBRARY).touch()
    assert sdk.official() == sdk.Sdk((package / "data" / "lib" / "x86_64-linux-clang",), "")


def test_the_unofficial_way_needs_the_toolchain_and_a_compiler(tmp_path, monkeypatch):
    """Each is named where it is missing; with both, an empty library is made here and the label says what this is."""
    assert "doctor --install qnn" in sdk.unofficial(None, tmp_path)
    python = tmp_path / "qnn" / "bin" / "python"
    assert f"has no {sdk.LIBRARY}" in sdk.unofficial(python, tmp_path)
    own = tmp_path / "qnn" / "lib" / "python3.11" / "site-packages" / "onnxruntime_qnn"
    own.mkdir(parents=True)
    (own / sdk.LIBRARY).touch()
    if shutil.which("cc") or shutil.which("gcc"):
        found = sdk.unofficial(python, tmp_path)
        assert found.label == "unofficial"
        assert found.folders == (own, own.with_name("onnxruntime_qnn.libs"), tmp_path)
        assert (tmp_path / sdk.LACKING).read_bytes()[:4] == b"\x7fELF"
    monkeypatch.setattr(sdk.shutil, "which", lambda _: None)
    assert "no C compiler" in sdk.unofficial(python, tmp_path)
