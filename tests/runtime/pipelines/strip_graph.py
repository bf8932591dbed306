"""The graphs of the pipeline bilateral_grid in numpy, as its contract words them, and the plain formula."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from viewfinder.artifact import Artifact, GraphFile
from viewfinder.task import TensorSpec

BINS = 4
LUMA = np.array([0.3, 0.6, 0.1], np.float32)


def guide(image):
    """Guide of ``[..., 3]``; leaves 0..1 on both sides, so that the clamp to the first and last bin is exercised."""
    return 1.3 * (image @ LUMA) - 0.15


def grid_of(lowres, cells):
    """Make a grid [1, BINS * 12, cells, cells] that depends on the squeezed picture and differs everywhere."""
    side = lowres.shape[-1] // cells
    blocks = lowres[0].reshape(3, cells, side, cells, side).mean((2, 4))
    channel = np.arange(BINS * 12, dtype=np.float32)[:, None, None]
    identity = np.tile(np.eye(3, 4, dtype=np.float32).reshape(-1), BINS)[:, None, None]
    return (identity + 0.3 * np.sin(channel + 5 * blocks[np.arange(BINS * 12) % 3]))[None].astype(np.float32)


def hats(guided):
    """Weights of the bins for a guide ``[...]``: ``[..., BINS]``."""
    depth = np.clip(BINS * guided - 0.5, 0, BINS - 1)
    return np.maximum(1 - np.abs(depth[..., None] - np.arange(BINS)), 0)


def slow_reference(pixels, grid):
    """Slice and apply pixel by pixel, by the plain trilinear formula: the truth, [H, W, 3] not clipped."""
    height, width = pixels.shape[:2]
    cells = grid.shape[-1]
    volume = grid[0].reshape(BINS, 3, 4, cells, cells).astype(np.float64)
    image = pixels / np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else pixels
    bins = hats(guide(image))
    result = np.empty((height, width, 3))
    for y in range(height):
        fy = min(max((y + 0.5) * cells / height - 0.5, 0), cells - 1)
        for x in range(width):
            fx = min(max((x + 0.5) * cells / width - 0.5, 0), cells - 1)
            matrix = np.zeros((3, 4))
            for row in range(cells):
                for column in range(cells):
                    weight = max(0, 1 - abs(fy - row)) * max(0, 1 - abs(fx - column))
                    if weight:
                        matrix += weight * np.tensordot(bins[y, x], volume[:, :, :, row, column], 1)
            result[y, x] = matrix @ np.append(image[y, x], 1)
    return result


class FakeEngine:
    """Runs both graphs in numpy; keeps what it was last given."""

    def __init__(self, artifact):
        self._artifact = artifact
        self.grid = None
        self.strips = 0

    def open(self, path, graph, threads, **options):
        """Return the function that computes `graph`."""
        return {"coefficients": self.coefficients, "strip": self.strip}[graph.name]

    def coefficients(self, inputs: Mapping[str, np.ndarray]):
        """Run the coefficient network."""
        spec = self._artifact.graphs[0].inputs[0]
        assert inputs["lowres"].shape == spec.shape
        lowres = inputs["lowres"].transpose(0, 3, 1, 2) if spec.layout == "NHWC" else inputs["lowres"]
        self.grid = grid_of(lowres, self._artifact.parameters["cells"])
        return {"grid": self.grid}

    def strip(self, inputs: Mapping[str, np.ndarray]):
        """Run the strip model in its form; every input must have the shape and type of the manifest."""
        self.strips += 1
        graph = self._artifact.graphs[1]
        for spec in graph.inputs:
            assert inputs[spec.name].shape == spec.shape
            assert inputs[spec.name].dtype == np.float32
        is_last = graph.inputs[-1].layout == "NHWC"
        image = inputs["image"][0] if is_last else inputs["image"][0].transpose(1, 2, 0)
        mix = self._cell if self._artifact.parameters["form"] == "cell" else self._tent
        matrices = mix(inputs, hats(guide(image)))
        enhanced = (matrices[..., :3] @ image[..., None])[..., 0] + matrices[..., 3]
        return {"enhanced": (enhanced if is_last else enhanced.transpose(2, 0, 1))[None].astype(np.float32)}

    def _rows(self, inputs):
        """Mix the grid's rows: [rows, columns, BINS, 12]."""
        cells = self._artifact.parameters["cells"]
        return np.einsum("yr,krc->yck", inputs["row_weights"], inputs["grid"][0]).reshape(-1, cells, BINS, 12)

    def _cell(self, inputs, bins):
        """Pad to half-shifted cells of S pixels; slot (k, s) mixes the edge-extended grid columns k and k + 1."""
        cells, span = (self._artifact.parameters[name] for name in ("cells", "cell_width"))
        rows = self._rows(inputs)
        extended = np.concatenate([rows[:, :1], rows, rows[:, -1:]], 1)
        padded = np.pad(bins, ((0, 0), (span // 2, span - span // 2), (0, 0)))
        slots = padded.reshape(len(bins), cells + 1, span, BINS)
        right = inputs["column_weights"][None, :, :, None]
        matrices = np.einsum("yksd,ykdm->yksm", slots * (1 - right), extended[:, :-1])
        matrices += np.einsum("yksd,ykdm->yksm", slots * right, extended[:, 1:])
        flat = matrices.reshape(len(bins), -1, 3, 4)
        return flat[:, span // 2 : span // 2 + cells * span]

    def _tent(self, inputs, bins):
        """Mix the grid's columns with a matrix."""
        mixed = np.einsum("cx,ycdm->yxdm", inputs["column_matrix"], self._rows(inputs))
        return np.einsum("yxd,yxdm->yxm", bins, mixed).reshape(*bins.shape[:2], 3, 4)


def artifact(form="cell", cells=4, cell_width=6, strip_rows=5, layout="NCHW", **changed):
    """Make the manifest of a small strip model, without files."""
    width, lowres = cells * cell_width, 4 * cells
    picture = (1, strip_rows, width, 3) if layout == "NHWC" else (1, 3, strip_rows, width)
    square = (1, lowres, lowres, 3) if layout == "NHWC" else (1, 3, lowres, lowres)
    columns = (
        TensorSpec("column_weights", (cells + 1, cell_width), "matrix")
        if form == "cell"
        else TensorSpec("column_matrix", (cells, width), "matrix")
    )
    grid = TensorSpec("grid", (1, BINS * 12, cells, cells), value_range=None)
    coefficients = GraphFile("coefficients", "c.bin", (TensorSpec("lowres", square, layout),), (grid,))
    strip_inputs = (
        grid,
        TensorSpec("row_weights", (strip_rows, cells), "matrix"),
        columns,
        TensorSpec("image", picture, layout),
    )
    strip = GraphFile("strip", "s.bin", strip_inputs, (TensorSpec("enhanced", picture, layout, value_range=None),))
    sizes = {"form": form, "lowres": lowres, "cells": cells, "bins": BINS, "width": width}
    sizes |= {"strip_rows": strip_rows, "cell_width": cell_width}
    return Artifact(Path("model"), "t", "onnx", "float", "bilateral_grid", sizes | changed, (coefficients, strip))
