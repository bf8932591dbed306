"""A small report with everything in it: a pass, a fail, a not-run, pictures, a name that HTML has to escape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from skimage import data

from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.runtime import verified
from viewfinder.runtime.limits import gated, gates_for
from viewfinder.runtime.metrics import Comparison, measure
from viewfinder.runtime.quantities import quantities
from viewfinder.runtime.report import panels
from viewfinder.runtime.report.document import PICTURES, Document, Section

NAME = "cup <b>&"
"""Name of the photograph: a file may be called so."""


def document(folder: Path, *, errors: bool = False) -> Document:
    """Draw the pictures into ``folder/pictures`` and return the report; with `errors`, as of a burst with a truth."""
    pictures = folder / PICTURES
    pictures.mkdir(parents=True, exist_ok=True)
    pixels = np.asarray(data.coffee()[:240, :400])
    expected = pixels.astype(np.float32) / np.float32(255)
    spoiled = expected.copy()
    spoiled[100:140, 50:120] = 1 - spoiled[100:140, 50:120]
    sections = [
        _section("onnx", "float", Comparison(expected, expected), pixels, pictures),
        _section("tflite", "w8a8", Comparison(spoiled, expected), pixels, pictures),
        _absent("coreml", "fp16"),
    ]
    shared = {"input": expected, "float": expected}
    files = {kind: panels.save_photo(one, pictures / f"own.{kind}.jpg", side=320) for kind, one in shared.items()}
    photo = {"name": NAME, "size": [400, 240], "shown": "80%", "pictures": files}
    if errors:
        photo["errors"] = {
            kind: panels.draw_error(Comparison(one, expected), pictures / f"own.{kind}.error.png")
            for kind, one in {"input": spoiled, "float": expected}.items()
        }
    return Document(
        command="viewfinder build hdrnet",
        created="2026-01-02 03:04:05 UTC",
        model={"name": "hdrnet", "title": "A network", "paper": "", "weights": "w", "weights_sha256": "f" * 64},
        golden={"sha256": "a" * 64, "operator": "local-laplacian"},
        sections=tuple(sections),
        photographs=(photo,),
        tools={"numpy": "2"},
        host=verified.host(),
    )


def _section(kind: str, precision: str, pair: Comparison, pixels: np.ndarray, pictures: Path) -> Section:
    """Make the section of one artifact from a comparison."""
    values = measure(pair.test, pair.reference)
    found = []
    for name, quantity in list(quantities().items())[: len(values)]:
        value = values[name.removesuffix("_db").removesuffix("_vs_float")]
        for written in (name, quantity.worst_name):
            one = Measurement(
                written,
                value,
                quantity.unit,
                Evidence.MEASURED,
                quantity.definition,
                per_sample={NAME: value},
                worst=NAME,
            )
            found.append(one)
    report = Report(
        "hdrnet", f"{kind}-{precision}", "e" * 64, kind, precision, "fake", Evidence.MEASURED, tuple(found), 5
    )
    drawn = panels.draw(pair, pixels, pictures, f"{kind}-{precision}", side=320)
    parts = ({"name": "model", "file": f"model.{kind}", "sha256": "d" * 64, "size_bytes": 1_234_567},)
    return Section(gated(report, gates_for(precision)), parts, {NAME: drawn})


def _absent(kind: str, precision: str) -> Section:
    """Make the section of an artifact that could not run."""
    missing = Measurement("psnr_vs_float_db", None, "dB", Evidence.NOT_RUN, reason="op wibble is not known")
    report = Report("hdrnet", f"{kind}-{precision}", "", kind, precision, "", Evidence.NOT_RUN, (missing,))
    return Section(report)
