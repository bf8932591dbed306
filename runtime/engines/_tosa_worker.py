"""Runs a TFLite file in Arm's TOSA reference model, in the toolchain's Python.

`_worker.learn` loads this file, which may import nothing of ours. The folder
holds ``graph.tflite`` and ``ends.json`` (`viewfinder.runtime.engines.tosa`).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

_TABLE = re.compile(
    r"^ *(?P<name>%\w+) = tosa\.table (?P<given>%\w+, %\w+) : "
    r"\(tensor<(?P<shape>[\dx]*)xi16>, tensor<513xi16>\) -> tensor<(?P=shape)xi16>",
    re.MULTILINE,
)
_WIDE = """\
{own}_m = "tosa.const"() <{{values = dense<1073741824> : tensor<1xi32>}}> : () -> tensor<1xi32>
{own}_s = "tosa.const"() <{{values = dense<37> : tensor<1xi8>}}> : () -> tensor<1xi8>
{own}_z = "tosa.const"() <{{values = dense<0> : tensor<1xi32>}}> : () -> tensor<1xi32>
{own}_y = "tosa.const"() <{{values = dense<0> : tensor<1xi16>}}> : () -> tensor<1xi16>
{own}_w = tosa.table {given} : (tensor<{shape}xi16>, tensor<513xi16>) -> tensor<{shape}xi32>
{name} = tosa.rescale {own}_w, {own}_m, {own}_s, {own}_z, {own}_y
  {{input_unsigned = false, output_unsigned = false, per_channel = false, rounding_mode = SINGLE_ROUND, scale32 = true}}
  : (tensor<{shape}xi32>, tensor<1xi32>, tensor<1xi8>, tensor<1xi32>, tensor<1xi16>) -> tensor<{shape}xi16>"""
"""A table with its own result, times 2^30 and shifted by 37: by the 7 bits between two values of the table."""


class Tosa:
    """A file, converted to TOSA, in the reference model."""

    def __init__(self, _module: str, path: str, _threads: int) -> None:
        """Convert it; the reference model has one thread."""
        import tosa_reference_model
        from tosa_converter_for_tflite import TosaConverterOutputFormat, tflite_flatbuffer_to_tosa_mlir

        folder = Path(path)
        text, flatbuffer = folder / "graph.mlir", folder / "graph.tosa"
        self._ends = json.loads((folder / "ends.json").read_text(encoding="utf-8"))
        tflite_flatbuffer_to_tosa_mlir(str(folder / "graph.tflite"), str(text), TosaConverterOutputFormat.Text)
        text.write_text(widened(text.read_text(encoding="utf-8")), encoding="utf-8")
        tool = Path(tosa_reference_model.__file__).parents[1] / "bin" / "tosa-opt"
        argv = [str(tool), str(text), "--tosa-serialize", f"--tosa-flatbuffer-filename={flatbuffer}"]
        done = subprocess.run([*argv, "-o", os.devnull], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"it cannot be written as TOSA: {last(done.stderr)}")
        self._model, self._graph = tosa_reference_model, flatbuffer.read_bytes()
        self._arrays: dict[str, Any] = {}
        self._results: list[Any] = []

    def shapes(self) -> list[dict[str, list[int]]]:
        """Return the shapes of the inputs and of the outputs, by name."""
        return [{end["name"]: end["shape"] for end in self._ends[side]} for side in ("inputs", "outputs")]

    def set(self, arrays: dict[str, Any]) -> None:
        """Round the inputs to integers, as the operators at the file's ends do."""
        self._arrays = {end["name"]: rounded(arrays[end["name"]], end) for end in self._ends["inputs"]}

    def invoke(self) -> None:
        """Compute; a result that the specification leaves open is an error."""
        given = [self._arrays[end["name"]] for end in self._ends["inputs"]]
        self._results, status = self._model.run(self._graph, given)
        if status != self._model.GraphStatus.TOSA_VALID:
            raise RuntimeError(f"TOSA's specification does not say what comes out: {status.name}")

    def results(self) -> dict[str, Any]:
        """Widen the outputs to float."""
        found = {}
        for end, result in zip(self._ends["outputs"], self._results, strict=True):
            values = result.reshape(end["shape"]).astype(np.float32)
            found[end["name"]] = (values - np.float32(end["zero_point"])) * np.float32(end["scale"])
        return found


def widened(text: str) -> str:
    """Give tables of 16-bit values the results of 23 bits that TOSA says they have, and round these to 16.

    The converter (2026.2.0) writes EXP and LOG as tables from int16 to int16, which the reference model refuses: what a
    table gives is the sum of two neighbours, weighted by the 7 low bits.
    """
    return _TABLE.sub(
        lambda one: _WIDE.format(own="%t" + one["name"][1:], **one.groupdict()),
        text,
    )


def rounded(values: Any, end: dict[str, Any]) -> Any:
    """Round float values to the integers of an input."""
    limits = np.iinfo(end["type"])
    steps = np.rint(values / np.float32(end["scale"])) + end["zero_point"]
    return np.ascontiguousarray(steps.clip(limits.min, limits.max).astype(end["type"]))


def last(text: str) -> str:
    """Return the last line that says something."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][-300:] if lines else "no message"


def extend(worker: Any) -> None:
    """Add this runtime to a worker's."""
    worker.MODELS["tosa"] = Tosa
