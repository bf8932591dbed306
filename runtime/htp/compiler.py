"""Compile one ONNX graph for one processor, in the toolchain's Python; what the NPU refuses, an error names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viewfinder.errors import CheckFailedError, MissingToolError, NotVerifiedError
from viewfinder.presets import Npu
from viewfinder.runtime.htp import _compiling
from viewfinder.runtime.htp.estimates import Estimate, parse

TIMEOUT_S = 600.0
OPTIMIZATION = "3"
"""The longest search of Qualcomm's compiler (``htp_graph_finalization_optimization_mode``)."""
NPU = "QNNExecutionProvider"
_UNSUPPORTED = re.compile(r"\{ name: (?P<node>[^,{}]*), type: (?P<operator>\w+) \}")
_REFUSED = re.compile(r"failed for node `(?P<node>[^`]*)` of type `(?P<operator>\w+)` with error code (?P<code>\d+)")
_TOKEN = re.compile(r"_token_\d+(_\d+)?$")
"""What onnxruntime appends to nodes that it inserted or moved to another layout."""


@dataclass(frozen=True)
class Refused:
    """An operator that the NPU does not take.

    Attributes:
        reason: in the compiler's words, or "".
    """

    operator: str
    node: str
    reason: str = ""

    def __str__(self) -> str:
        """Name it."""
        return f"{self.operator} ({self.node})" + (f": {self.reason}" if self.reason else "")


class FallbackError(CheckFailedError):
    """Some operators would run on the CPU.

    Attributes:
        refused: which, and why.
    """

    code = "npu-fallback"

    def __init__(self, message: str, hint: str, refused: Sequence[Refused]) -> None:
        """Keep the operators for a report."""
        super().__init__(message, hint)
        self.refused = tuple(refused)


class CompileError(CheckFailedError):
    """The compiler refuses a graph and names no operator."""

    code = "npu-refused"


@dataclass(frozen=True)
class Compiled:
    """What came out besides the file.

    Attributes:
        operators: the compiler's operators by type, with how many there are.
        partitions: pieces on the NPU; between two of them the data would pass through the CPU.
        versions: of the toolchain's packages.
        estimate: of the compiler; None for processors that it makes none for.
    """

    operators: Mapping[str, int]
    partitions: int
    seconds: float
    versions: Mapping[str, str] = field(default_factory=dict)
    estimate: Estimate | None = None
    fallen: Mapping[str, int] = field(default_factory=dict)
    """Operators on the CPU by type, where some are allowed."""


def compile_graph(python: Path, source: Path, target: Path, npu: Npu, most: int = 0) -> Compiled:
    """Write `target`, the ONNX file `source` compiled for one processor.

    Args:
        python: interpreter of the toolchain ``qnn``.
        source: with float, or with integers behind QuantizeLinear and DequantizeLinear.
        target: is written by the compiler, a file that is not there yet.
        npu: the processor.
        most: operators that may run on the CPU.

    Raises:
        FallbackError: more operators would run on the CPU.
        CompileError: the compiler refuses the graph.
        NotVerifiedError: the compiler crashed, or took too long.
        MissingToolError: the interpreter cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="viewfinder-qnn-") as folder:
        work = Path(folder)
        order = {
            "source": str(source.resolve()),
            "target": str(target.resolve()),
            "answer": str(work / "answer.json"),
            "provider": _provider(npu, work),
        }
        answer, log = _run(python, order, work, f"{source.name} for {npu.name}")
        if "error" in answer:
            error = explain(f"{source.name} for {npu.title} (HTP v{npu.htp_arch})", answer, log)
            if not isinstance(error, FallbackError) or len(error.refused) > most:
                raise error
            target.unlink(missing_ok=True)
            answer, log = _run(python, {**order, "fallback": True}, work, f"{source.name} for {npu.name}")
            if "error" in answer:
                raise error
        on_cpu = Counter(one.operator for one in refusals(answer, ""))
        profile = work / "profile.csv"
        text = profile.read_text(encoding="utf-8", errors="replace") if profile.is_file() else ""
        return Compiled(
            _operators(work),
            len(answer["placement"].get(NPU, ())),
            float(answer["seconds"]),
            dict(answer["versions"]),
            parse(text, npu) if text else None,
            dict(sorted(on_cpu.items())),
        )


def _provider(npu: Npu, work: Path) -> dict[str, str]:
    """Return the options of the execution provider; fp16 has to be asked for, and needs the processor's number."""
    return {
        "backend_type": "htp",
        "htp_arch": str(npu.htp_arch),
        "soc_model": str(npu.soc_model),
        "enable_htp_fp16_precision": "1",
        "htp_graph_finalization_optimization_mode": OPTIMIZATION,
        "dump_json_qnn_graph": "1",
        "json_qnn_graph_dir": str(work),
        "profiling_level": "detailed",
        "profiling_file_path": str(work / "profile.csv"),
    }


def _run(python: Path, order: Mapping[str, Any], work: Path, what: str) -> tuple[dict[str, Any], str]:
    """Run the script; return its answer and what the libraries printed."""
    note = work / "order.json"
    note.write_text(json.dumps(order), encoding="utf-8")
    argv = [str(python), "-I", str(Path(_compiling.__file__).resolve()), str(note)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", check=False, cwd=work, env=environment,
            stdin=subprocess.DEVNULL, timeout=TIMEOUT_S,
        )  # fmt: skip
    except OSError as error:
        raise MissingToolError(f"{python} cannot be started: {error.strerror}", "viewfinder doctor") from error
    except subprocess.TimeoutExpired as error:
        raise NotVerifiedError(
            f"compiling {what} took more than {TIMEOUT_S:g} s and was stopped", "make the graph smaller", code="timeout"
        ) from error
    try:
        answer: dict[str, Any] = json.loads((work / "answer.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        raise NotVerifiedError(
            f"Qualcomm's compiler ended with code {done.returncode} on {what}: {lines[-1][-500:]}",
            "viewfinder doctor shows whether the toolchain qnn is sound",
        ) from error
    return answer, done.stderr


def _operators(work: Path) -> dict[str, int]:
    """Count the operators in the compiler's own dump of the graph."""
    counts: Counter[str] = Counter()
    for file in sorted(work.glob("*.json")):
        try:
            nodes = json.loads(file.read_text(encoding="utf-8"))["graph"]["nodes"]
        except (ValueError, KeyError, TypeError):
            continue  # the order, the answer and the log of tensors lie there too
        counts.update(str(node["type"]) for node in nodes.values())
    return dict(sorted(counts.items()))


def explain(what: str, answer: Mapping[str, Any], log: str) -> CheckFailedError:
    """Return the error for a graph that was not compiled: which operators fell back and why, else the first reason."""
    refused = refusals(answer, log)
    if refused:
        names = "; ".join(map(str, refused[:5])) + (f"; and {len(refused) - 5} more" if len(refused) > 5 else "")
        return FallbackError(
            f"{len(refused)} operator{'s' if len(refused) > 1 else ''} of {what} would run on the CPU: {names}",
            "write the operator another way (export has forms of slicing: --form), or keep this graph off the NPU",
            refused,
        )
    reason = str(answer.get("error", "")).strip().splitlines() or ["no reason given"]
    return CompileError(
        f"Qualcomm's compiler refuses {what}: {reason[0][:500]}", "look at the graph with `viewfinder inspect`"
    )


def refusals(answer: Mapping[str, Any], log: str) -> list[Refused]:
    """List the operators that the NPU did not take, by the placement if there is one, else by the log."""
    reasons = {_plain(one["node"]): f"validation failed with code {one['code']}" for one in _REFUSED.finditer(log)}
    placed = answer.get("placement", {})
    on_cpu = [
        (str(operator), str(node))
        for name, parts in placed.items()
        if name != NPU
        for p in parts
        for operator, node in p
    ]
    named = [(one["operator"], one["node"]) for one in _UNSUPPORTED.finditer(log)]
    found = dict.fromkeys((operator, _plain(node)) for operator, node in on_cpu or named)
    unknown = "the NPU has no such operator, or not for these types and shapes"
    return [Refused(operator, node, reasons.get(node, unknown)) for operator, node in found]


def _plain(node: str) -> str:
    """Return a node's name as it is in the file."""
    return _TOKEN.sub("", node.strip())
