"""The commands themselves: exit codes, envelopes, completion, speed."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from viewfinder.cli import main

HEAVY = ("numpy", "PIL", "rich", "torch", "onnx", "skimage", "pydantic", "jinja2")


def envelope(capfd, *arguments):
    """Run a command with --json; return exit code and envelope."""
    code = main([*arguments, "--json"])
    return code, json.loads(capfd.readouterr().out)


def cpu_seconds(*command):
    """CPU time of a process and its children, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_is_instant():
    """``viewfinder --help`` takes under 0.3 s of CPU time; the best of three, because others compute beside."""
    assert min(cpu_seconds("-m", "viewfinder", "--help") for _ in range(3)) < 0.3


def test_help_imports_nothing_heavy():
    """Neither numpy nor rich nor a stage is imported before a verb needs it."""
    code = (
        "import sys; from viewfinder.cli import main; main(['--help'])\n"
        f"print([name for name in {HEAVY} if name in sys.modules]"
        " + [name for name in sys.modules if name.startswith('viewfinder.') and name.split('.')[1] in"
        " ('train', 'export', 'runtime', 'quantize', 'devices', 'verbs')])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_models_do_not_import_torch():
    """Listing the models costs no PyTorch: tasks are data."""
    code = "import sys; from viewfinder.cli import main; main(['models']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_version(capfd):
    """``--version`` prints the version that the package carries."""
    import viewfinder

    assert main(["--version"]) == 0
    assert capfd.readouterr().out == f"viewfinder {viewfinder.__version__}\n"


def test_no_command_is_wrong_usage(capfd):
    """``viewfinder`` alone exits 2 and names the help."""
    assert main([]) == 2
    assert "--help" in capfd.readouterr().err


def test_a_misspelt_command_is_answered_with_the_near_one(capfd):
    """A near miss is suggested."""
    assert main(["modles"]) == 2
    assert "models" in capfd.readouterr().err


def test_models_lists_every_model(capfd):
    """``models`` names each shipped model with its parameters."""
    from viewfinder import models

    code, found = envelope(capfd, "models")
    assert (code, found["status"], found["command"]) == (0, "pass", "models")
    assert [model["name"] for model in found["result"]] == models.names()
    assert {model["parameters"] for model in found["result"] if model["name"] == "hdrnet"} == {482_080}


def test_models_fit_a_terminal(capfd):
    """One line per test set, its gains side by side; a network without weights says so."""
    assert main(["models"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 120
    (line,) = (line for line in lines if line.startswith("kpn-lite "))
    assert re.search(r"344,717 +bursts +CBSD68: gain 1 \d+\.\d, gain 2 \d+\.\d, gain 4 \d+\.\d, gain 8 \d+\.\d$", line)
    assert any(re.search(r"^kpn-paper +28,703,064 +none$", line) for line in lines)


def test_cache_is_where_the_environment_says_and_gets_emptied(capfd, own_cache):
    """``cache path`` prints the folder, ``cache clean`` empties what can be made again and nothing else."""
    assert main(["cache", "path"]) == 0
    assert capfd.readouterr().out == f"{own_cache}\n"
    for name in ("artifacts", "letters"):
        (own_cache / name).mkdir()
        (own_cache / name / "file").write_bytes(bytes(1000))
    code, found = envelope(capfd, "cache", "clean")
    assert (code, found["command"]) == (0, "cache clean")
    assert found["result"]["entries"] == {"artifacts": 1000}
    assert [path.name for path in own_cache.iterdir()] == ["letters"]


def test_a_reader_that_has_read_enough_is_no_error():
    """``viewfinder models | head -0`` ends quietly."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "viewfinder", "models"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell):
    """Each shell gets a script, and asking it for verbs gives verbs."""
    environment = {**os.environ, "_VIEWFINDER_COMPLETE": f"source_{shell}"}
    command = [str(Path(sys.executable).with_name("viewfinder"))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "_VIEWFINDER_COMPLETE" in done.stdout


def test_models_complete():
    """The shell completes model names."""
    environment = {
        **os.environ,
        "_VIEWFINDER_COMPLETE": "complete_bash",
        "COMP_WORDS": "viewfinder inspect hdrnet-l",
        "COMP_CWORD": "2",
    }
    command = [str(Path(sys.executable).with_name("viewfinder"))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["hdrnet-luma"]
