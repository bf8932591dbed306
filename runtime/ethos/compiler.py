"""Compile one TFLite file with Vela, in the toolchain's Python; an error names what stays on the CPU, and why."""

from __future__ import annotations

import csv
import os
import re
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viewfinder.errors import MissingToolError, NotVerifiedError
from viewfinder.runtime.ethos import boundary
from viewfinder.runtime.htp.compiler import CompileError, FallbackError, Refused

TIMEOUT_S = 600.0
_WARNED = re.compile(
    r"Warning \([^)]*\) operator: (?P<operator>\w+), ofm: '(?P<name>[^']*)'\s*\nReason: (?P<why>[^\n]*)"
)
_PLACED = re.compile(r"^\s+(?P<where>CPU|NPU): (?P<operator>\w+) = (?P<name>.*?) \(outputs ", re.MULTILINE)
_KIB = 1024


@dataclass(frozen=True)
class Compiled:
    """What Vela says about a file.

    Attributes:
        operators: on the NPU, by type.
        fallen: operators on the CPU.
        partitions: pieces on the NPU.
        facts: numbers of Vela's summary (`facts_of`).
        layers: rows of Vela's table, the costly ones first.
        dropped: conversions at the ends that are the caller's work.
    """

    operators: Mapping[str, int]
    fallen: tuple[Refused, ...]
    partitions: int
    facts: Mapping[str, float]
    layers: Sequence[Mapping[str, Any]] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)


def compile_graph(python: Path, source: Path, target: Path, config: str, most: int = 0) -> Compiled:
    """Write `target`, the TFLite file `source` compiled for one configuration of the NPU.

    Args:
        python: interpreter of the toolchain ``vela``.
        source: with integers throughout; conversions at its ends are taken off first.
        target: is written; its folder has to be empty but for compiled files.
        config: as Vela calls it, ``ethos-u85-1024``.
        most: operators that may stay on the CPU.

    Raises:
        FallbackError: more operators stay on the CPU.
        CompileError: Vela refuses the file.
        NotVerifiedError: it took too long.
        MissingToolError: the interpreter cannot be started.
    """
    work = target.parent / f".{source.stem}"
    work.mkdir()
    given = work / f"{source.stem}.tflite"
    dropped = boundary.write(source, given)
    said = _run(python, given, work, config)
    operators, fallen = placement(said)
    if len(fallen) > most:
        names = "; ".join(map(str, fallen[:5])) + (f"; and {len(fallen) - 5} more" if len(fallen) > 5 else "")
        raise FallbackError(
            f"{len(fallen)} operator{'s' if len(fallen) > 1 else ''} of {source.name} would run on the CPU beside "
            f"{config}: {names}",
            "integers throughout and the tent form (export --form tent) leave nothing on the CPU",
            fallen,
        )
    made = work / f"{source.stem}_vela.tflite"
    if not made.is_file():
        raise CompileError(
            f"Vela wrote nothing for {source.name}: {_last(said)}", "look at it with `viewfinder inspect`"
        )
    summary = next(work.glob("*_summary_*.csv"))
    facts, layers = (
        facts_of(summary.read_text(encoding="utf-8")),
        layers_of(_text(work / f"{source.stem}_per-layer.csv")),
    )
    made.replace(target)
    for file in work.iterdir():
        file.unlink()
    work.rmdir()
    return Compiled(operators, fallen, boundary.partitions(target), facts, layers, dropped)


def _text(path: Path) -> str:
    """Read a file, "" if there is none."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _run(python: Path, given: Path, work: Path, config: str) -> str:
    """Run Vela; return what it printed."""
    argv = [
        str(python), "-I", "-m", "ethosu.vela", str(given), "--accelerator-config", config, "--output-dir", str(work),
        "--show-cpu-operations", "--verbose-performance",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", check=False, cwd=work, stdin=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=TIMEOUT_S,
        )  # fmt: skip
    except OSError as error:
        raise MissingToolError(f"{python} cannot be started: {error.strerror}", "viewfinder doctor") from error
    except subprocess.TimeoutExpired as error:
        raise NotVerifiedError(
            f"Vela took more than {TIMEOUT_S:g} s for {given.name} and was stopped", "make it smaller", code="timeout"
        ) from error
    if done.returncode != 0:
        raise CompileError(
            f"Vela refuses {given.name}: {_last(done.stdout + done.stderr)}", "look at it with `viewfinder inspect`"
        )
    return done.stdout + done.stderr


def placement(said: str) -> tuple[dict[str, int], tuple[Refused, ...]]:
    """Read what Vela prints: operators on the NPU by type, and those on the CPU with the printed reason."""
    why = {one["name"]: (one["operator"], one["why"].strip()) for one in _WARNED.finditer(said)}
    on_npu: Counter[str] = Counter()
    fallen = []
    for one in _PLACED.finditer(said):
        if one["where"] == "NPU":
            on_npu[one["operator"]] += 1
            continue
        operator, reason = why.get(one["name"], (one["operator"], "no reason printed"))
        fallen.append(Refused(operator, one["name"], reason))
    return dict(sorted(on_npu.items())), tuple(fallen)


def facts_of(text: str) -> dict[str, float]:
    """Read Vela's summary (CSV): cycles, microseconds at its clock, bytes of SRAM and DRAM, and DRAM traffic."""
    row = next(csv.DictReader(text.splitlines()))
    return {
        "cycles": float(row["cycles_total"]),
        "cycles_npu": float(row["cycles_npu"]),
        "us": 1e6 * float(row["inference_time"]),
        "clock_mhz": float(row["core_clock"]) / 1e6,
        "sram_bytes": _KIB * float(row["sram_memory_used"]),
        "dram_bytes": _KIB * float(row["dram_memory_used"]),
        "dram_traffic_bytes": float(row["dram_total_bytes"]),
        "macs": float(row["nn_macs"]),
    }


def layers_of(text: str) -> list[dict[str, Any]]:
    """Read Vela's table of layers (CSV), the costly ones first; [] if there is none."""
    rows = [
        {
            "operator": row["Original Operator"],
            "target": row["Target"],
            "cycles": int(float(row["Op Cycles"])),
            "sram_cycles": int(float(row["SRAM AC"])),
            "dram_cycles": int(float(row["DRAM AC"])),
            "macs": int(float(row["MAC Count"])),
            "name": row["Name"].rpartition("/")[2],
        }
        for row in csv.DictReader(text.splitlines())
    ]
    return sorted(rows, key=lambda row: -row["cycles"])


def _last(text: str) -> str:
    """Return the last line that says something."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][-300:] if lines else "no message"
