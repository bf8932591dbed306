"""A coefficient network, and one strip model that serves every strip of every picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from viewfinder import photos
from viewfinder.errors import UsageError
from viewfinder.export.lowering import cell, choose, tent
from viewfinder.export.lowering.gridsample import slice_rows
from viewfinder.export.lowering.sizes import StripSizes
from viewfinder.export.pipelines.layout import channels_last
from viewfinder.export.request import Cut, ExportRequest, Graph
from viewfinder.task import Task, TensorSpec

DEFAULT_WIDTH = 1920

FORMS = ("auto", *choose.FORMS)
_REFERENCE_PIXELS = 1 << 18
"""Pixels enhanced at once by the reference; bounds the guide's 48 channels and the matrices' 12."""


def cut(task: Task, network: Any, request: ExportRequest) -> Cut:
    """Cut an HDRNet-like network (attributes ``shape``, ``coefficients``, ``guide``) into its two graphs."""
    for attribute in ("shape", "coefficients", "guide"):
        if not hasattr(network, attribute):
            raise UsageError(
                f"{task.name} cannot be exported: its network has no single {attribute!r} at which bilateral_grid cuts",
                "hdrnet and hdrnet-luma can; a network without a bilateral grid takes the pipeline 'tiles'",
            )
    sizes = _sizes(task, network, request)
    form = choose.form_for(request.form, request.format)
    coefficients = _coefficients(network, sizes, form)
    strip = _strip(sizes, form, choose.FORMS[form](network.guide, sizes, request.format))
    parameters = {
        "form": form,
        "lowres": network.shape.lowres,
        "cells": sizes.cells,
        "bins": sizes.bins,
        "width": sizes.width,
        "strip_rows": sizes.rows,
        "cell_width": sizes.cell_width,
    }
    return Cut((channels_last(coefficients) if request.layout == "nhwc" else coefficients, strip), parameters)


def _sizes(task: Task, network: Any, request: ExportRequest) -> StripSizes:
    """Take the sizes asked for, else the task's, else the defaults."""
    options = task.pipeline_options
    width = request.width or int(options.get("width", DEFAULT_WIDTH))
    rows = request.strip_rows or int(options.get("strip_rows", choose.strip_rows()))
    cells = int(network.shape.cells)
    if width % cells:
        raise UsageError(
            f"strip width {width} is not a multiple of the grid's {cells} columns",
            f"choose {width // cells * cells or cells} or {(width // cells + 1) * cells}; pictures may have any width",
        )
    return StripSizes(cells, int(network.shape.bins), rows, width)


def _coefficients(network: Any, sizes: StripSizes, form: str) -> Graph:
    """Cut out the network that sees the whole picture, squeezed to a square."""
    side = int(network.shape.lowres)
    lowres = TensorSpec("lowres", (1, 3, side, side), meaning="the whole picture, squeezed to a square (antialiased)")
    own = network.coefficients
    module = cell.Prepared(own, sizes) if form == "cell" else tent.from_centre(own)
    return Graph("coefficients", module, (torch.rand(lowres.shape),), (lowres,), (_grid(sizes, form),))


def _grid(sizes: StripSizes, form: str) -> TensorSpec:
    """Describe the tensor that passes between the two graphs."""
    shape, meaning = (
        (
            sizes.prepared,
            "colour matrices by grid row, pair of columns, in * 3 + out, left and right less left, bin",
        )
        if form == "cell"
        else (sizes.grid, "colour matrices for colours less 0.5, bin * 12 + out * 4 + in")
    )
    return TensorSpec("grid", shape, value_range=None, colour_space=None, meaning=meaning)


def _strip(sizes: StripSizes, form: str, module: Any) -> Graph:
    """Describe the lowered guide, slicing and colour matrices."""
    inputs = (
        _grid(sizes, form),
        _weights("row_weights", (sizes.rows, sizes.cells), "bilinear weights of the grid's rows for each row"),
        _weights("column_weights", (sizes.cells + 1, sizes.cell_width), "weight of the right one of two grid columns")
        if form == "cell"
        else _weights("column_matrix", (sizes.cells, sizes.width), "bilinear weights of the grid's columns"),
        TensorSpec("image", sizes.image, meaning="rows of the picture"),
    )
    outputs = (TensorSpec("enhanced", sizes.image, value_range=None, meaning="the same rows enhanced, not clipped"),)
    return Graph("strip", module, tuple(torch.rand(spec.shape) for spec in inputs), inputs, outputs)


def _weights(name: str, shape: tuple[int, ...], meaning: str) -> TensorSpec:
    """Describe interpolation weights."""
    return TensorSpec(name, shape, "matrix", value_range=(0.0, 1.0), colour_space=None, meaning=meaning)


def enhance(_task: Task, network: Any, pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Run the plain network on a whole picture ``[H, W, 3]`` uint8 or uint16; float32 out, not clipped.

    The picture passes in strips of rows, sliced by 5-D `grid_sample`, so that 20 megapixels need no more than the two
    pictures and some 100 MB. Equal to the network's own ``forward`` to 1e-5 (tested).
    """
    height, width = pixels.shape[:2]
    white = np.float32(np.iinfo(pixels.dtype).max)
    squeezed = photos.squeeze(pixels, int(network.shape.lowres))
    enhanced = np.empty(pixels.shape, np.float32)
    rows = max(1, _REFERENCE_PIXELS // width)
    with torch.no_grad():
        grid = network.coefficients(torch.from_numpy(squeezed).permute(2, 0, 1)[None].contiguous())
        for top in range(0, height, rows):
            part = pixels[top : top + rows].astype(np.float32) / white
            image = torch.from_numpy(part).permute(2, 0, 1)[None].contiguous()
            strip = slice_rows(grid, network.guide(image), image, top, height)
            enhanced[top : top + rows] = strip[0].permute(1, 2, 0).numpy()
    return enhanced
