"""Compile a TFLite file for a Snapdragon with LiteRT's own tool and plug-in."""

from __future__ import annotations

import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

from viewfinder.errors import CheckFailedError, MissingToolError, NotVerifiedError
from viewfinder.runtime.litert_aot.sdk import Sdk

TIMEOUT_S = 600.0
_TAKEN = re.compile(r"selected (?P<npu>\d+) ops, from a total of (?P<all>\d+) ops. resulted in (?P<pieces>\d+) part")


def compile_graph(source: Path, target: Path, part: str, sdk: Sdk) -> tuple[int, int, int]:
    """Write `target`, the file `source` for the processor `part` (as ``SM8750``).

    Returns:
        Operators that the NPU takes, operators of the file, pieces on the NPU.

    Raises:
        MissingToolError: ai-edge-litert has no compiler here.
        CheckFailedError: the compiler refuses the file.
        NotVerifiedError: it took too long.
    """
    spec = find_spec("ai_edge_litert")
    package = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else Path()
    tool, plugin = package / "tools" / "apply_plugin_main", package / "vendors" / "qualcomm" / "compiler"
    if not tool.is_file() or not plugin.is_dir():
        raise MissingToolError("ai-edge-litert has no compiler for Snapdragon here", "use Linux on x86-64")
    argv = [
        str(tool), "--cmd=apply", f"--model={source}", f"--o={target}", "--soc_manufacturer=Qualcomm",
        f"--soc_model={part}", f"--libs={plugin}", "--err=--",
    ]  # fmt: skip
    environment = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(map(str, sdk.folders))}
    try:
        done = subprocess.run(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
            env=environment, stdin=subprocess.DEVNULL, timeout=TIMEOUT_S, cwd=target.parent,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise NotVerifiedError(f"compiling {source.name} took more than {TIMEOUT_S:g} s", "make it smaller") from error
    taken = _TAKEN.search(done.stdout)
    if done.returncode or taken is None or not target.is_file():
        raise CheckFailedError(
            f"LiteRT's compiler refuses {source.name} for {part}: {_why(done.stdout) or f'code {done.returncode}'}",
            "look at the graph with `viewfinder inspect`",
            code="npu-refused",
        )
    return int(taken["npu"]), int(taken["all"]), int(taken["pieces"])


def _why(said: str) -> str:
    """Return the last line of an error."""
    lines = [line.strip() for line in said.splitlines() if "ERROR" in line or "error" in line]
    return lines[-1][-300:] if lines else ""
