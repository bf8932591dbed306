from __future__ import annotations

import hashlib
import json
import re
import sys
import zipfile

import pytest

from viewfinder import files
from viewfinder.devices import toolchains
from viewfinder.errors import MissingToolError, UsageError

HEADS = {
    "qnn": "onnxruntime_qnn",
    "tensorflow": "tensorflow.lite.python.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
    "vela": "ethosu.vela.vela",
    "coreai": "coreai.runtime",
    "ncnn": "ncnn",
    "rknn": "rknn",
    "tosa": "tosa_converter_for_tflite, tosa_reference_model",
}


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Offer one toolchain made of one tiny wheel from a folder, without a network."""
    wheels, locks = tmp_path / "wheels", tmp_path / "locks"
    wheels.mkdir()
    locks.mkdir()
    wheel = wheels / "tinytool-1.0-py3-none-any.whl"
    info = "tinytool-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tinytool.py", "answer = 42\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinytool\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", f"tinytool.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (locks / "tiny.lock").write_text(f"# import: tinytool\ntinytool==1.0 \\\n    --hash=sha256:{digest}\n")
    monkeypatch.setattr(toolchains, "LOCKS", locks)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setattr(toolchains, "_base_python", lambda name: sys.executable)
    return locks / "tiny.lock"


@pytest.mark.parametrize("name", HEADS)
def test_lock_files_are_complete(name):
    """Every package has one version and a hash; no machine, index or host is named; the coverage is said in words."""
    text = toolchains.lock_file(name).read_text()
    packages = [line for line in text.splitlines() if "==" in line]
    hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}$", text, re.MULTILINE)
    assert len(packages) == len(hashes) >= 2
    assert not re.search(r"https?:|index|find-links|file:", text)
    assert "CPython 3.11 on Linux x86_64" in text
    assert f"# import: {HEADS[name]}\n" in text


def test_a_proprietary_licence_is_said_before_anything_is_fetched(tiny):
    """What a lock file's head says about size and licence comes first, before the first step."""
    tiny.write_text("# licence: of its own\n# size: 1 kB\n" + tiny.read_text())
    lines = []

    def said(line):
        """End when the first step is announced."""
        lines.append(line)
        if len(lines) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        toolchains.install("tiny", said)
    assert lines[:2] == ["licence: of its own", "size: 1 kB"]
    assert "making an environment" in lines[2]
    assert not toolchains.folder("tiny").exists()


def test_qualcomms_licence_is_named():
    """Whoever installs the toolchain learns that its libraries are not free software, and how large it is."""
    said = toolchains.about("qnn")
    assert "Qualcomm AI Stack License (proprietary" in said["licence"]
    assert "410 MB on disk" in said["size"]


@pytest.mark.parametrize("name", toolchains.names())
def test_every_toolchain_says_its_size_and_its_licence(name):
    """Before it is asked for; `doctor` has columns of them."""
    said = toolchains.about(name)
    assert re.fullmatch(r"\d+ MB to download, \d+ MB on disk", said["size"])
    assert said["licence"]


def test_names_are_the_lock_files():
    """Every lock file is a toolchain, in order; another name is refused."""
    names = toolchains.names()
    assert names == sorted(names)
    assert set(names) >= {"lavapipe", "qai-hub", "qnn", "tensorflow", "tflite-runtime", "vela", "ziglang"}
    for act in (
        toolchains.lock_file,
        toolchains.remove,
        toolchains.installed,
        lambda name: toolchains.install(name, print),
    ):
        with pytest.raises(UsageError, match=r"no toolchain '../x'"):
            act("../x")


def test_nothing_is_installed_at_first():
    """The test's own cache is empty."""
    assert not toolchains.installed("tflite-runtime")
    assert toolchains.python("tflite-runtime") is None
    assert "doctor --install tflite-runtime" in str(toolchains.probe("tflite-runtime"))


def fake_environment(name, **record):
    """Put an environment there that looks finished."""
    folder = toolchains.folder(name)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    data = {"lock_sha256": files.sha256(toolchains.lock_file(name)), **record}
    (folder / "installed.json").write_text(json.dumps(data))
    return folder


def test_an_environment_counts_only_with_its_record(tiny):
    """Without the record, with a damaged one, or without an interpreter nothing is installed."""
    folder = fake_environment("tiny")
    assert toolchains.installed("tiny")
    assert toolchains.python("tiny") == folder / "bin" / "python"
    for text in ("", "[]", "{}"):
        (folder / "installed.json").write_text(text)
        assert not toolchains.installed("tiny")
    (folder / "installed.json").unlink()
    assert not toolchains.installed("tiny")


def test_an_environment_of_an_older_lock_file_is_not_taken(tiny):
    """When the lock file changes, the environment has to be made again."""
    fake_environment("tiny")
    tiny.write_text(tiny.read_text() + "# changed\n")
    assert not toolchains.installed("tiny")


def test_an_environment_that_does_not_work_is_found_out(tiny):
    """probe() starts the interpreter; here the package is missing."""
    fake_environment("tiny")
    assert "tinytool cannot be imported: ModuleNotFoundError" in str(toolchains.probe("tiny"))


def test_removing_leaves_nothing(tiny):
    """A finished, an unfinished and an absent environment can be removed."""
    folder = fake_environment("tiny")
    toolchains.remove("tiny")
    assert not folder.exists()
    toolchains.remove("tiny")


def test_other_systems_are_refused(monkeypatch):
    """A lock file's platform is checked before anything is made."""
    monkeypatch.setattr(toolchains.platform, "machine", lambda: "riscv64")
    with pytest.raises(MissingToolError, match=r"locked for Linux x86_64, this is .* riscv64"):
        toolchains.install("tflite-runtime", lambda line: None)
    assert not toolchains.folder("tflite-runtime").exists()


def test_another_python_needs_3_11_beside_it(monkeypatch):
    """Under Python 3.12 the interpreter is looked for on the PATH."""
    monkeypatch.setattr(toolchains.platform, "system", lambda: "Linux")
    monkeypatch.setattr(toolchains.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(toolchains.sys, "version_info", (3, 12, 1, "final", 0))
    monkeypatch.setattr(toolchains.shutil, "which", {"python3.11": "/opt/python3.11"}.get)
    assert toolchains._base_python("tiny") == "/opt/python3.11"
    monkeypatch.setattr(toolchains.shutil, "which", lambda _: None)
    with pytest.raises(MissingToolError, match=r"there is no python3.11 on the PATH"):
        toolchains._base_python("tiny")


@pytest.mark.slow
def test_installing_resuming_and_removing(tiny):
    """Debris of a killed call is cleared, a wrong hash installs nothing, the next call continues there and finishes."""
    good, lines, folder = tiny.read_text(), [], toolchains.folder("tiny")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").write_text("not a program")
    tiny.write_text(re.sub(r"[0-9a-f]{64}", "0" * 64, good))
    with pytest.raises(MissingToolError, match=r"the toolchain tiny could not be installed: .*hash") as error:
        toolchains.install("tiny", lines.append)
    assert "doctor --install tiny" in error.value.hint
    assert not toolchains.installed("tiny")
    tiny.write_text(good)
    toolchains.install("tiny", lines.append)
    assert any(line.startswith("continuing in") for line in lines)
    assert toolchains.python("tiny") == folder / "bin" / "python"
    assert toolchains.probe("tiny") is None
    toolchains.install("tiny", lines.append)
    assert "already installed" in lines[-1]
    toolchains.remove("tiny")
    assert toolchains.python("tiny") is None
