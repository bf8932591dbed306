"""What a candidate gives on photographs: through its own pipeline and engine, as it would ship."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from viewfinder.errors import CheckFailedError, UsageError
from viewfinder.golden import Golden
from viewfinder.runtime.metrics import psnr_db
from viewfinder.runtime.repair import Quality
from viewfinder.runtime.verify import Runner

LOST_DB = 999.0
"""Stands for the loss of an artifact that gives NaN."""
DEFINITION = (
    "PSNR of the PyTorch float output against the truth, less that of the artifact, of the worst golden photograph; "
    "peak 1.0, over all pixels and R, G, B, display-referred sRGB before rounding, no crop"
)


def require_truth(golden: Golden) -> None:
    """Refuse golden pictures without a truth: a loss against it could not be measured.

    Raises:
        UsageError: a photograph has none.
    """
    if any(photo.truth is None for photo in golden.photos) or not golden.photos:
        raise UsageError(
            "the golden pictures have no truth, and the budget is a loss against it",
            "export with weights that imitate an operator of the package, or name golden pictures with --golden",
        )


def own_psnr(golden: Golden) -> dict[str, float]:
    """Return PyTorch's own PSNR against the truth, by photograph."""
    return {photo.name: psnr_db(photo.expected, np.asarray(photo.truth, np.float32)) for photo in golden.photos}


def measured(runner: Runner, golden: Golden, own: Mapping[str, float]) -> Quality:
    """Run every photograph through a candidate."""
    drops, against_float = {}, {}
    for photo in golden.photos:
        try:
            output = runner.enhance(photo.feed)
        except CheckFailedError as error:
            if error.code != "not-finite":
                raise
            drops[photo.name], against_float[photo.name] = LOST_DB, -LOST_DB
            continue
        drops[photo.name] = own[photo.name] - psnr_db(output, np.asarray(photo.truth, np.float32))
        against_float[photo.name] = psnr_db(output, photo.expected)
    return Quality(drops, against_float)
