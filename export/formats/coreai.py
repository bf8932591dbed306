"""Core AI, for iOS 27 and later: converted by Apple's coreai-torch in its isolated environment, on request only.

The converter needs PyTorch, which the environment does not have: it runs in a process of this Python that sees the
environment's packages behind its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from viewfinder.errors import MissingToolError
from viewfinder.export.formats import _coreai_converting, _toolchains
from viewfinder.export.lowering.half import HalfInside
from viewfinder.export.request import Conversion

SUFFIX = ".aimodel"
TOOLS = ("torch",)
PRECISIONS = ("float", "fp16")
TOOLCHAIN = "coreai"


def convert(conversion: Conversion) -> dict[str, Any]:
    """Write an ``.aimodel`` folder; fp16 is computed in fp16 behind float32 inputs and outputs.

    Raises:
        MissingToolError: the toolchain is not installed, or this Python is not the one that it is for.
    """
    packages = _packages()
    graph = conversion.graph
    module = HalfInside(graph.module).eval() if conversion.precision == "fp16" else graph.module
    program = torch.export.export(module, graph.examples, strict=False)
    with tempfile.TemporaryDirectory(prefix="viewfinder-coreai-") as folder:
        work = Path(folder)
        torch.export.save(program, work / "program.pt2")
        order = {
            "packages": str(packages),
            "program": str(work / "program.pt2"),
            "target": str(conversion.path),
            "inputs": [spec.name for spec in graph.inputs],
            "outputs": [spec.name for spec in graph.outputs],
            "answer": str(work / "answer.json"),
        }
        (work / "order.json").write_text(json.dumps(order), encoding="utf-8")
        _run(work / "order.json")
        notes: dict[str, Any] = json.loads((work / "answer.json").read_text(encoding="utf-8"))
    _settle_date(conversion.path / "metadata.json")
    return notes


def _packages() -> Path:
    """Return where the converter's packages lie."""
    folder = _toolchains.packages(TOOLCHAIN, "coreai_torch")
    if sys.version_info[:2] != _toolchains.PYTHON:
        raise MissingToolError(
            "coreai-torch's compiled parts are for Python {}.{}, this is {}.{}".format(
                *_toolchains.PYTHON, *sys.version_info
            ),
            "use an environment with Python {}.{} for the export to Core AI".format(*_toolchains.PYTHON),
        )
    return folder


def _run(order: Path) -> None:
    """Convert in another process.

    Raises:
        RuntimeError: the converter's last words.
    """
    script = str(Path(_coreai_converting.__file__).resolve())
    argv = [sys.executable, "-I", "-W", "ignore", script, str(order)]
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()] or ["no message"]
        raise RuntimeError(lines[-1][-500:])


def _settle_date(metadata: Path) -> None:
    """Take the date out of the model: same network, same bytes."""
    data = json.loads(metadata.read_text(encoding="utf-8"))
    data["creationDate"] = "19700101T000000Z"
    metadata.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n", encoding="utf-8")
