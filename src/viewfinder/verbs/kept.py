"""The cache of ``viewfinder quantize``: an artifact is made once from the same parent, recipe, pictures and tools."""

from __future__ import annotations

import platform
from pathlib import Path

import viewfinder
from viewfinder import files
from viewfinder.artifact import Artifact
from viewfinder.export import exporter, fingerprint
from viewfinder.quantize import pt2e, quantizer, refitting
from viewfinder.quantize.job import Tuning
from viewfinder.recipe import Recipe

_SOURCES = ("quantize/*.py", "runtime/pipelines/*.py", "runtime/coreml/*.py", "bursts/*.py", "verbs/feeding.py")
"""What decides the bytes beside the tools: quantizers, and what calibration pictures pass through."""


def entry(parent: Artifact, recipe: Recipe, tuning: Tuning | None, *, through_pt2e: bool) -> Path:
    """Name the cache entry by everything that decides the artifact's bytes.

    The parent's hash stands for its network, whose PyTorch form is compared with it; the recipe holds the hash of the
    calibration pictures.
    """
    takes_network = through_pt2e or recipe.is_refitted or parent.format == "executorch"
    tools = (
        *quantizer.writer(parent.format).TOOLS,
        *(pt2e.TOOLS if through_pt2e else ()),
        *(refitting.TOOLS if recipe.is_refitted else ()),
        "numpy",
    )
    root = Path(viewfinder.__file__).parent
    parts = {
        "parent": parent.sha256,
        "recipe": recipe.to_dict(),
        "pt2e": through_pt2e,
        "tuning": vars(tuning) if tuning else None,
        "tools": fingerprint.versions(tools),
        "machine": platform.machine(),
        "source": fingerprint.sources(path for pattern in _SOURCES for path in root.glob(pattern)),
        "exporter": fingerprint.exporter_source() if takes_network else "",
    }
    return files.cache_folder(exporter.CACHE, fingerprint.key(parts))
