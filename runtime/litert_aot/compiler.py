"""Compile a TFLite file for a phone's NPU with LiteRT's own tool and the plug-in of the NPU's vendor."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from viewfinder.errors import CheckFailedError, MissingToolError, NotVerifiedError

TIMEOUT_S = 600.0
_UNLOADED = re.compile(r"(?:Failed to load (?!plugin )|Could not load shared library ).*")
_PLACE = re.compile(r"/\S*/")
_TAKEN = re.compile(r"selected (?P<npu>\d+) ops, from a total of (?P<all>\d+) ops. resulted in (?P<pieces>\d+) part")


@dataclass(frozen=True)
class Plugin:
    """What LiteRT has for a vendor; the vendor's own libraries are not part of it.

    Attributes:
        maker: as LiteRT calls the vendor.
        folder: of the plug-in in ai-edge-litert.
        part: the processor, as ``SM8750``.
    """

    maker: str
    folder: str
    part: str


def compile_graph(source: Path, target: Path, plugin: Plugin, libraries: Sequence[Path]) -> tuple[int, int, int]:
    """Write `target`, the file `source` for a processor.

    Args:
        source: a TFLite file.
        target: the file to write.
        plugin: says for which processor.
        libraries: folders with the vendor's own.

    Returns:
        Operators that the NPU takes, operators of the file, pieces on the NPU.

    Raises:
        MissingToolError: ai-edge-litert has no compiler here.
        CheckFailedError: the compiler refuses the file.
        NotVerifiedError: it took too long.
    """
    spec = find_spec("ai_edge_litert")
    package = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else Path()
    tool, own = package / "tools" / "apply_plugin_main", package / "vendors" / plugin.folder / "compiler"
    if not tool.is_file() or not own.is_dir():
        raise MissingToolError(f"ai-edge-litert has no compiler for {plugin.maker} here", "use Linux on x86-64")
    argv = [
        str(tool), "--cmd=apply", f"--model={source}", f"--o={target}", f"--soc_manufacturer={plugin.maker}",
        f"--soc_model={plugin.part}", f"--libs={own}", "--err=--",
    ]  # fmt: skip
    environment = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries))}
    try:
        done = subprocess.run(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
            env=environment, stdin=subprocess.DEVNULL, timeout=TIMEOUT_S, cwd=target.parent,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise NotVerifiedError(f"compiling {source.name} took more than {TIMEOUT_S:g} s", "make it smaller") from error
    taken = _TAKEN.search(done.stdout)
    if done.returncode or taken is None or not target.is_file():
        why = _why(done.stdout) or f"code {done.returncode}"
        raise CheckFailedError(
            f"LiteRT's compiler refuses {source.name} for {plugin.part}: {why}",
            "look at the graph with `viewfinder inspect`",
            code="npu-refused",
        )
    return int(taken["npu"]), int(taken["all"]), int(taken["pieces"])


def _why(said: str) -> str:
    """Return what kept a library from being loaded, else the last line of an error; without places on this machine."""
    unloaded = _UNLOADED.search(said)
    if unloaded:
        return _PLACE.sub("", unloaded[0])[-300:]
    lines = [line.strip() for line in said.splitlines() if "ERROR" in line or "error" in line]
    return lines[-1][-300:] if lines else ""
