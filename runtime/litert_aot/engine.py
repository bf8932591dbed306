"""Compile, cut out, execute: an engine for one Snapdragon through LiteRT."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from viewfinder.artifact import GraphFile
from viewfinder.measurement import Evidence
from viewfinder.presets import Npu
from viewfinder.runtime import engines, tiny
from viewfinder.runtime.engines import _process
from viewfinder.runtime.htp.compiler import FallbackError, Refused
from viewfinder.runtime.litert_aot import compiler, dispatch
from viewfinder.runtime.litert_aot.sdk import Sdk

TIMEOUT_S = 600.0
_TOLERANCE = 1e-3
"""For one addition: the emulator is off by the last bit of float32, and a phone computes it in fp16."""


@dataclass(frozen=True)
class LitertAot:
    """See `viewfinder.runtime.engines.Engine`.

    Attributes:
        sdk: libraries for the plug-in, or why there are none.
        python: interpreter of the toolchain ``qnn``, which has the emulator; None without it.
        folder: for compiled files.
        made: of every graph that was opened: operators on the NPU, in the file, pieces, and bytes of the file.
    """

    npu: Npu
    sdk: Sdk | str
    python: Path | None
    folder: Path
    made: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)
    NAME: str = "litert-aot"
    FORMAT: str = "tflite"
    EVIDENCE: Evidence = Evidence.EMULATED
    PACKAGE: str = "'ai-edge-litert>=2.3,<2.4'"
    TOOLCHAIN: str = "qnn"

    @property
    def _plugin(self) -> compiler.Plugin:
        """Name the processor as LiteRT does."""
        return compiler.Plugin("Qualcomm", "qualcomm", self.npu.part)

    def probe(self) -> str | None:
        """Compile one addition and look whether the NPU takes it; return why that does not work, or None."""
        if isinstance(self.sdk, str):
            return self.sdk
        if self.python is None:
            return "the emulator is in the toolchain qnn, which is not installed; viewfinder doctor --install qnn"
        if (reason := engines.load("litert").probe()) is not None:
            return reason
        return tiny.tried("LiteRT's compiler for Snapdragon", tiny.write, self._tiny, _TOLERANCE)

    def _tiny(self, path: Path, graph: GraphFile) -> engines.Runner:
        """Compile the addition in a folder of its own, and load it."""
        own = path.parent / "compiled"
        own.mkdir()
        return replace(self, folder=own, made={}).open(path, graph, 1)

    def open(self, artifact_path: Path, graph: GraphFile, threads: int) -> engines.Runner:
        """Compile a file, cut the binary out, load it in the emulator; see `viewfinder.runtime.engines.Engine.open`.

        Raises:
            FallbackError: some operators would run on the CPU.
        """
        sdk = self.sdk if isinstance(self.sdk, Sdk) else Sdk(())
        compiled = self.folder / f"{graph.name}.tflite"
        taken, total, pieces = compiler.compile_graph(artifact_path, compiled, self._plugin, sdk.folders)
        self.made[graph.name] = (taken, total, pieces, compiled.stat().st_size)
        found = dispatch.read(compiled)
        if found.left or taken < total:
            refused = [Refused(name, "any of them") for name in found.left]
            raise FallbackError(
                f"{total - taken} operators of {graph.name} would run on the CPU: {', '.join(found.left)}",
                "write the operator another way; of slicing, NPUs take the tent form (export --form tent)", refused,
            )  # fmt: skip
        wrapped = self.folder / f"{graph.name}.onnx"
        dispatch.wrap(found, wrapped)
        inside = replace(graph, inputs=found.inputs, outputs=found.outputs)
        there = _process.Interpreter((str(self.python), "-I"), None, f" for {self.npu.name}", TIMEOUT_S)
        return _Renamed(_process.open_in(there, "onnxruntime_qnn", wrapped, inside, threads), graph, inside)


@dataclass(frozen=True)
class _Renamed:
    """A runner whose file has other names; LiteRT puts words before and behind those of the signature."""

    runner: engines.Runner
    outside: GraphFile
    inside: GraphFile

    def __call__(self, feeds: engines.Arrays) -> dict[str, Any]:
        """Compute under the names of the manifest."""
        given = {_like(spec.name, feeds): spec.name for spec in self.inside.inputs}
        found = self.runner({inside: feeds[name] for name, inside in given.items()})
        names = {spec.name: None for spec in self.outside.outputs}
        return {_like(name, names): array for name, array in found.items()}


def _like(inside: str, names: Any) -> str:
    """Return the manifest's name of a tensor, the longest one that the file's name contains."""
    return max((name for name in names if name in inside), key=len, default=inside)
