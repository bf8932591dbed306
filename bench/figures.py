"""What is measured, and how it is written down."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One number with its bound.

    Attributes:
        name: what was measured.
        value: the figure that the bound is for; `unit` is ``s``, ``x`` (a ratio of two in the same run), ``MB``.
        at_most, at_least: the bound; None does not bind.
        how: engine, threads, repeats, and the two numbers behind a ratio.
    """

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    how: str = ""

    @property
    def holds(self) -> bool | None:
        """Compare with the bound; None where there is none."""
        if self.at_most is None and self.at_least is None:
            return None
        above = self.at_least is None or self.value >= self.at_least
        return above and (self.at_most is None or self.value <= self.at_most)

    @property
    def bound(self) -> str:
        """Write the bound."""
        if self.at_most is not None:
            return f"<= {self.at_most:g} {self.unit}"
        return "" if self.at_least is None else f">= {self.at_least:g} {self.unit}"


@dataclass(frozen=True)
class Table:
    """All figures of one run, and the machine they were measured on."""

    figures: tuple[Figure, ...]
    context: dict[str, Any] = field(default_factory=dict)

    def markdown(self) -> str:
        """Write the table for people."""
        words = {True: "holds", False: "MISSED", None: ""}
        rows = [
            f"| {item.name} | {item.value:.3g} {item.unit} | {item.bound} | {words[item.holds]} | {item.how} |"
            for item in self.figures
        ]
        head = ["| what | value | bound | verdict | how |", "| --- | --- | --- | --- | --- |"]
        context = [f"- {key}: {value}" for key, value in self.context.items()]
        return "\n".join(["# Benchmark", "", *head, *rows, "", *context, ""])

    def write(self, folder: Path) -> None:
        """Write ``bench.md`` and ``bench.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        data = {
            "schema_version": 1,
            "context": self.context,
            "figures": [asdict(item) | {"holds": item.holds} for item in self.figures],
        }
        (folder / "bench.md").write_text(self.markdown(), encoding="utf-8")
        (folder / "bench.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def context() -> dict[str, Any]:
    """Describe the machine and the versions."""
    tools = ("ai-edge-litert", "onnxruntime", "executorch", "coremltools", "torch", "numpy")
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load before the run (1, 5, 15 min)": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "python": platform.python_version(),
        "versions": ", ".join(f"{name} {_version(name)}" for name in tools),
    }


def _processor() -> str:
    """Return the processor's name where Linux tells it."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(name: str) -> str:
    """Return the version of an installed package."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
