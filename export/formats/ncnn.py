"""ncnn, for phones' GPUs and processors: traced by PyTorch, converted by pnnx in its isolated environment, on request.

A model is a folder: ``model.param`` (the layers, as text), ``model.bin`` (the weights), and ``ends.json``, which tells
what ncnn does not: the names of inputs and outputs, and which axis is the batch, that its arrays do not have.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from viewfinder.export.formats import _toolchains
from viewfinder.export.refusal import UnsupportedOperatorError
from viewfinder.export.request import Conversion, Graph

SUFFIX = ".ncnn"
TOOLS = ("torch",)
PRECISIONS = ("float",)
"""Whether it is computed in fp16 is chosen when it is loaded."""
TOOLCHAIN = "ncnn"
_LAYER = re.compile(r"[A-Za-z][A-Za-z0-9]*")
"""ncnn's own layers; what pnnx could not translate keeps PyTorch's name, which has dots or colons."""
_BATCH = re.compile(r"ncnn\.Mat\(in(\d+)\.numpy\(\), batch_index=(\d+)\)|out(\d+)\.numpy\(batch_index=(\d+)\)")
_NO_BATCH = 233
_HEAD = 2
"""Lines before the layers: a magic number and counts."""


def convert(conversion: Conversion) -> dict[str, Any]:
    """Write an ``.ncnn`` folder.

    Raises:
        MissingToolError: the toolchain is not installed.
        RuntimeError: pnnx's last words.
        UnsupportedOperatorError: ncnn does not have an operator.
    """
    pnnx = _toolchains.packages(TOOLCHAIN, "pnnx") / "pnnx" / "pnnx"
    graph = conversion.graph
    with tempfile.TemporaryDirectory(prefix="viewfinder-ncnn-") as folder, torch.no_grad():
        work = Path(folder)
        traced: Any = torch.jit.trace(graph.module, graph.examples, check_trace=False)  # type: ignore[no-untyped-call]
        traced.save(str(work / "model.pt"))
        shapes = ",".join(f"[{','.join(map(str, spec.shape))}]" for spec in graph.inputs)
        _run([str(pnnx), "model.pt", f"inputshape={shapes}", "fp16=0"], work)
        operators = _operators((work / "model.ncnn.param").read_text(encoding="utf-8"))
        conversion.path.mkdir()
        for part in ("param", "bin"):
            shutil.copyfile(work / f"model.ncnn.{part}", conversion.path / f"model.{part}")
        ends = _ends(graph, (work / "model_ncnn.py").read_text(encoding="utf-8"))
    (conversion.path / "ends.json").write_text(json.dumps(ends, indent=2) + "\n", encoding="utf-8")
    return {"operators": dict(sorted(operators.items()))}


def _run(argv: list[str], folder: Path) -> None:
    """Convert in another process.

    Raises:
        RuntimeError: it failed, or left no model.
    """
    done = subprocess.run(
        argv, cwd=folder, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0 or not (folder / "model.ncnn.param").exists():
        lines = [line for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()] or ["no message"]
        raise RuntimeError(lines[-1][-500:])


def _operators(param: str) -> Counter[str]:
    """Count the layers by type.

    Raises:
        UnsupportedOperatorError: pnnx left an operator as PyTorch has it; it says so nowhere and exits with 0.
    """
    kinds = Counter(line.split()[0] for line in param.splitlines()[_HEAD:] if line.strip())
    foreign = [kind for kind in kinds if not _LAYER.fullmatch(kind)]
    if foreign:
        raise UnsupportedOperatorError(
            f"ncnn has no layer for {', '.join(foreign)}",
            "write it another way; of slicing, GPUs and ncnn take the tent form: export --form tent",
        )
    return kinds


def _ends(graph: Graph, script: str) -> dict[str, list[dict[str, Any]]]:
    """Describe inputs and outputs; pnnx's test script tells which axis of each it took for the batch."""
    axes = {}
    for given, given_axis, made, made_axis in _BATCH.findall(script):
        axes[f"in{given}" if given else f"out{made}"] = int(given_axis or made_axis)
    sides = {"inputs": ("in", graph.inputs), "outputs": ("out", graph.outputs)}
    return {
        side: [
            {
                "name": spec.name,
                "blob": f"{word}{number}",
                "shape": list(spec.shape),
                "batch": _axis(axes, word, number),
            }
            for number, spec in enumerate(specs)
        ]
        for side, (word, specs) in sides.items()
    }


def _axis(axes: dict[str, int], word: str, number: int) -> int | None:
    """Return the batch axis of an input or output; None where it has none."""
    axis = axes.get(f"{word}{number}", _NO_BATCH)
    return None if axis == _NO_BATCH else axis
