"""ncnn: the layers are lines of text, without shapes; names and shapes of the ends lie beside them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from viewfinder import files
from viewfinder.errors import BadArtifactError
from viewfinder.runtime.graphs import Contents, Tensor

SUFFIX = ".ncnn"
_MAGIC = "7767517"
_HEAD = 2
_NO_WORK = frozenset({"Input", "Split", "MemoryData"})
"""Layers that only name or hold something."""


def read(path: Path) -> Contents:
    """Read the folder of a model: ``model.param``, ``model.bin``, ``ends.json``."""
    lines = (path / "model.param").read_text(encoding="utf-8").splitlines()
    if not lines or lines[0].strip() != _MAGIC:
        raise BadArtifactError(f"{path}/model.param does not begin like ncnn's layers", "export the model again")
    kinds = Counter(line.split()[0] for line in lines[_HEAD:] if line.strip())
    ends = json.loads((path / "ends.json").read_text(encoding="utf-8"))
    return Contents(
        inputs=tuple(map(_tensor, ends["inputs"])),
        outputs=tuple(map(_tensor, ends["outputs"])),
        operators={kind: number for kind, number in kinds.most_common() if kind not in _NO_WORK},
        macs=None,
        transposes=kinds["Permute"],
        weights_bytes=files.size_bytes(path / "model.bin"),
    )


def _tensor(end: dict[str, Any]) -> Tensor:
    """Describe an input or an output; outside of ncnn all are float32."""
    return Tensor(str(end["name"]), tuple(int(side) for side in end["shape"]), "float32")
