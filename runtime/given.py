"""What a pipeline is given of a photograph or a chart: itself, or, where bursts are merged, a burst of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import Artifact
from viewfinder.bursts import made
from viewfinder.bursts.contract import KEY, Contract
from viewfinder.errors import BadArtifactError
from viewfinder.task import BURST


def takes_bursts(artifact: Artifact) -> bool:
    """Tell whether an artifact merges bursts."""
    return artifact.pipeline == BURST


def of_photograph(artifact: Artifact, pixels: NDArray[Any]) -> Any:
    """Return a photograph ``[H, W, 3]`` of integers as it is, or a hand-held burst of it.

    Raises:
        BadArtifactError: the manifest does not say how many frames the network takes.
    """
    return made.hand_held(pixels, _frames(artifact)) if takes_bursts(artifact) else pixels


def of_chart(artifact: Artifact, chart: NDArray[np.float32]) -> Any:
    """Return a chart ``[H, W, 3]`` in display light as a burst of equal frames without noise.

    Raises:
        BadArtifactError: the manifest does not say how many frames the network takes.
    """
    return made.still(chart, _frames(artifact))


def _frames(artifact: Artifact) -> int:
    """Read how many frames a network takes."""
    try:
        return Contract.from_dict(artifact.parameters.get(KEY)).frames
    except ValueError as error:
        raise BadArtifactError(f"{artifact.folder}: {error}", "export the model again") from None
