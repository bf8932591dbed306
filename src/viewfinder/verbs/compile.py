"""``viewfinder compile``: an ONNX artifact for Snapdragon's NPUs, one compiled artifact per processor."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from viewfinder import artifact, files, presets
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.errors import BadArtifactError, MissingToolError, UsageError
from viewfinder.presets import Npu
from viewfinder.runtime.htp import compiler
from viewfinder.verbs.siblings import artifacts_in

Progress = Callable[[str], None]
FORMAT = "qnn"
SOURCE_FORMAT = "onnx"
CACHE = "compiled"
VERSION = 1
"""Raise it when a compiled artifact could come out differently."""


@dataclass(frozen=True)
class CompileRequest:
    """What to compile.

    Attributes:
        subject: an ONNX artifact's folder, or a folder with some (a build).
        targets: names of processors (`viewfinder.presets`).
        output: folder that will hold ``qnn-PRECISION-PROCESSOR/``; None takes the one that the artifact lies in.
        use_cache: serve and keep compiled artifacts in the content-addressed cache.
    """

    subject: str
    targets: tuple[str, ...]
    output: Path | None = None
    use_cache: bool = True
    max_fallback_ops: int = 0
    """Operators of a graph that may run on the CPU."""


@dataclass(frozen=True)
class CompileResult:
    """What was written."""

    artifacts: tuple[Artifact, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON data."""
        return {"artifacts": [summary(made) for made in self.artifacts]}


def summary(made: Artifact) -> dict[str, Any]:
    """Describe a compiled artifact as JSON data."""
    return {
        "folder": str(made.folder),
        "sha256": made.sha256,
        "parent_sha256": made.parent_sha256,
        "precision": made.precision,
        "target": made.recipe["target"],
        "size_bytes": made.size_bytes,
        "graphs": {graph.name: dict(graph.notes) for graph in made.graphs},
    }


def compile(request: CompileRequest, progress: Progress | None = None) -> CompileResult:  # noqa: A001 the verb's name
    """Compile artifacts for processors; each result appears whole or not at all.

    Raises:
        UsageError: no such processor or artifact, or one in another format.
        MissingToolError: the toolchain qnn is not installed.
        FallbackError: some operators would run on the CPU.
        CompileError: the compiler refuses a graph.
    """
    say = progress or (lambda _line: None)
    npus = [presets.npu(name) for name in dict.fromkeys(request.targets)]
    if not npus:
        raise UsageError("no processor was named", f"choose some of: {', '.join(presets.NPUS)}")
    sources = sources_in(artifacts_in(request.subject), request.subject)
    python = interpreter()
    made = []
    for source in sources:
        for npu in npus:
            say(f"compiling {source.folder.name} for {npu.name}")
            folder = (request.output or source.folder.resolve().parent) / name_of(source, npu)
            order = Order(source, npu, python, request.use_cache, request.max_fallback_ops)
            made.append(compiled(order, folder))
    return CompileResult(tuple(made))


def sources_in(found: Sequence[Artifact], subject: str) -> list[Artifact]:
    """Choose the artifacts to compile: those in ONNX, without fp16 where float is there.

    Float is computed in fp16 on the NPU anyway.

    Raises:
        UsageError: there is none.
    """
    onnx = [one for one in found if one.format == SOURCE_FORMAT]
    if not onnx:
        has = ", ".join(sorted({one.format for one in found})) or "none"
        raise UsageError(
            f"{subject} has no ONNX artifact, and NPUs are compiled for from ONNX; it has {has}",
            "viewfinder export MODEL --format onnx makes one",
        )
    has_float = any(one.precision == "float" for one in onnx)
    return [one for one in onnx if not (has_float and one.precision == "fp16")]


def interpreter() -> Path:
    """Return the Python of the toolchain.

    Raises:
        MissingToolError: it is not installed; the hint is the command that installs it.
    """
    from viewfinder.devices import toolchains
    from viewfinder.runtime import engines

    toolchain = engines.toolchain_of(FORMAT)
    found = toolchains.python(toolchain)
    if found is None:
        raise MissingToolError(f"the toolchain {toolchain} is not installed", toolchains.remedy(toolchain))
    return found


def precision_of(source: Artifact, npu: Npu) -> str:
    """Return the precision in which an NPU computes an artifact."""
    return npu.computes_float_in if source.precision == "float" else source.precision


def name_of(source: Artifact, npu: Npu) -> str:
    """Name the folder of a compiled artifact."""
    return f"{FORMAT}-{precision_of(source, npu)}-{npu.name}"


@dataclass(frozen=True)
class Order:
    """One artifact for one processor.

    Attributes:
        python: interpreter of the toolchain.
        most: operators of a graph that may run on the CPU.
    """

    source: Artifact
    npu: Npu
    python: Path
    use_cache: bool = True
    most: int = 0


def compiled(order: Order, folder: Path) -> Artifact:
    """Write the compiled artifact `folder`, or fetch what the same compilation gave before.

    Raises:
        FallbackError: some operators would run on the CPU.
        CompileError: the compiler refuses a graph.
    """
    entry = files.cache_folder(CACHE, _key(order.source, order.npu, f"binary {order.most}" if order.most else "binary"))
    if order.use_cache:
        try:
            artifact.load(entry)
        except BadArtifactError:
            _write(order, entry)
        if folder != entry:
            with files.new_folder(folder) as partial:
                shutil.copytree(entry, partial, dirs_exist_ok=True)
    else:
        _write(order, folder)
    return artifact.load(folder)


def _key(source: Artifact, npu: Npu, what: str) -> str:
    """Hash everything that a compilation depends on."""
    from viewfinder.devices import toolchains

    parts = [VERSION, what, source.sha256, npu.to_dict(), files.sha256(toolchains.lock_file(FORMAT))]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _write(order: Order, folder: Path) -> None:
    """Compile every graph and write the manifest."""
    source, npu = order.source, order.npu
    graphs: list[GraphFile] = []
    tools: Mapping[str, str] = {}
    with files.new_folder(folder) as partial:
        for graph in source.graphs:
            file = f"{graph.name}.onnx"
            done = compiler.compile_graph(order.python, source.path(graph), partial / file, npu, order.most)
            notes = {
                "soc_model": npu.soc_model,
                "htp_arch": npu.htp_arch,
                "operators": dict(done.operators),
                "partitions": done.partitions,
                "not_delegated": dict(done.fallen),
                **({"estimate": done.estimate.to_dict()} if done.estimate else {}),
            }
            graphs.append(replace(graph, file=file, notes=notes))
            tools = done.versions
        made = replace(
            source,
            folder=folder,
            format=FORMAT,
            precision=precision_of(source, npu),
            graphs=tuple(graphs),
            parent_sha256=source.sha256,
            recipe={**source.recipe, "target": npu.name, "processor": npu.to_dict()},
            tools={**source.tools, **tools},
        )
        artifact.write_manifest(made, partial)


def estimates(source: Artifact, python: Path) -> dict[str, dict[str, Any]]:
    """Return what the compiler predicts for each graph on the one processor that it makes predictions for.

    Raises:
        FallbackError: some operators would run on the CPU.
        CompileError: the compiler refuses a graph.
    """
    with tempfile.TemporaryDirectory(prefix="viewfinder-estimate-") as work:
        made = compiled(Order(source, presets.WITH_ESTIMATES, python), Path(work) / "made")
    return {graph.name: dict(graph.notes["estimate"]) for graph in made.graphs if "estimate" in graph.notes}
