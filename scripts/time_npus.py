"""Time what four Snapdragons cost: compile HDRNet, estimate and emulate it, from an export that lies there.

Float, computed in fp16, one band of each photograph of the package; nothing is served from a cache. Needs the
toolchain ``qnn`` (`viewfinder doctor --install qnn`). First the compiler alone, for each graph.
Exits 1 over a minute. If others use the machine, the seconds of CPU say more: nothing here runs on more than one core
at a time.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

TARGETS = ("snapdragon-8-gen-2", "snapdragon-8-gen-3", "snapdragon-8-elite", "snapdragon-8-elite-gen-5")
LIMIT_S = 60.0


def cpu() -> float:
    """Return the seconds of CPU that this process and those that it waited for have used."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def compilers(folder: Path) -> None:
    """Print what the compiler takes for each graph of the float artifact and the first processor, started for each."""
    from viewfinder import artifact, presets
    from viewfinder.runtime.htp import compiler
    from viewfinder.verbs.compile import interpreter

    made, npu = artifact.load(folder / "onnx-float"), presets.npu(TARGETS[0])
    for graph in made.graphs:
        start, used = time.perf_counter(), cpu()
        compiler.compile_graph(interpreter(), made.path(graph), folder / f"{graph.name}-compiled.onnx", npu)
        took, used = time.perf_counter() - start, cpu() - used
        sys.stdout.write(f"compile {graph.name} for {npu.name}: {took:.1f} s, {used:.1f} s of CPU\n")


def main() -> int:
    """Export, then verify in a folder of its own; print the dB of each processor and what it took."""
    from viewfinder.verbs.export import ExportOptions, export
    from viewfinder.verbs.verify import VerifyRequest, verify

    with tempfile.TemporaryDirectory(prefix="viewfinder-time-") as folder:
        export(ExportOptions("hdrnet", ("onnx",), output=Path(folder), form="tent"))
        compilers(Path(folder))
        start, used = time.perf_counter(), cpu()
        result = verify(VerifyRequest(folder, npus=TARGETS, bands=1, use_cache=False))
        took, used = time.perf_counter() - start, cpu() - used
    for section in result.document.sections:
        worst = next(one for one in section.report.measurements if one.metric == "psnr_vs_float_worst_db")
        sys.stdout.write(f"{section.report.artifact}: {worst.value} dB, {worst.evidence.value}\n")
    verdict = result.exit_code.name.lower()
    sys.stdout.write(f"verify: {verdict}; {took:.0f} s, {used:.0f} s of CPU; limit {LIMIT_S:.0f} s\n")
    return int(bool(result.exit_code) or took > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main())
