"""The float artifact that another one is compared with: its parent, or the nearest one in the same folder."""

from __future__ import annotations

from pathlib import Path

from viewfinder import artifact
from viewfinder.artifact import Artifact
from viewfinder.errors import BadArtifactError, UsageError

FLOAT = "float"
_FORMATS = ("onnx", "tflite", "executorch", "coreml")
"""In the order in which they serve as float for another format: the quick engines first."""


def float_of(made: Artifact, against: Path | None = None) -> Artifact:
    """Return the float artifact to compare `made` with.

    `against` names it; without it, it is the artifact that `made` was quantized from, else the float one of its format
    in the same folder, else one of another format. A float artifact is compared with float of another format: beside
    itself nothing could be seen.

    Raises:
        UsageError: there is none.
        BadArtifactError: it is of another task.
    """
    if against is not None:
        found = artifact.load(against)
        if found.task != made.task:
            raise BadArtifactError(
                f"{made.folder} is {made.task}, but {against} is {found.task}", "name a float artifact of the same task"
            )
        return found
    others = [artifact.load(folder) for folder in artifact.find(made.folder.resolve().parent)]
    usable = [one for one in others if _is_float_of(one, made)]
    if not usable:
        raise UsageError(
            f"{made.folder} has no other float artifact of {made.task} beside it to be compared with",
            "name one with --against, or export one into the same folder",
            code="no-float",
        )
    return min(usable, key=lambda one: _distance(one, made))


def _is_float_of(one: Artifact, made: Artifact) -> bool:
    """Tell whether `one` is float of the same task and weights, and not `made` itself."""
    is_same_network = one.task == made.task and one.weights_sha256 == made.weights_sha256
    return one.precision == FLOAT and one.sha256 != made.sha256 and is_same_network


def _distance(one: Artifact, made: Artifact) -> tuple[bool, bool, int]:
    """Order float artifacts: the parent first, then the same format, then by format."""
    place = _FORMATS.index(one.format) if one.format in _FORMATS else len(_FORMATS)
    return one.sha256 != made.parent_sha256, one.format != made.format, place


def artifacts_in(subject: str) -> list[Artifact]:
    """Load the artifacts at or below a folder.

    Raises:
        UsageError: there is none.
    """
    path = Path(subject).expanduser()
    found = artifact.find(path) or ([path] if (path / artifact.MANIFEST).is_file() else [])
    if not found:
        hint = "name an artifact's folder, or a build; `viewfinder export` makes them"
        raise UsageError(f"there is no artifact in {path}", hint)
    return [artifact.load(folder) for folder in found]
