"""Build a task's network with its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from viewfinder import files
from viewfinder.errors import UsageError
from viewfinder.export import fingerprint
from viewfinder.task import Task

FOREIGN = (".pt", ".pth", ".ckpt", ".bin")
INITIAL = "initial"
"""Name of the weights of a task that has none: whatever its ``build`` sets."""


def locate(task: Task, weights: str | Path | None) -> tuple[str, Path | None]:
    """Return the name and the file of weights named by a word or by a path; no file if the task has none at all."""
    if weights is not None and (isinstance(weights, Path) or Path(weights).suffix in (".safetensors", *FOREIGN)):
        path = Path(weights)
        if not path.is_file():
            raise UsageError(f"there is no weights file {path}", "check the path", code="no-such-weights")
        return path.stem, path
    path_or_none = task.weights_file(weights or None)
    if path_or_none is not None and not path_or_none.is_file():
        raise UsageError(
            f"the weights of {task.name} should be in {path_or_none}, which is not there",
            "install the package again, train the model, or name a weights file",
            code="no-such-weights",
        )
    return (weights or task.default_weights or INITIAL), path_or_none


def digest(task: Task, path: Path | None) -> str:
    """Identity of the weights: the hash of their file, or of the network's values where there is none."""
    return files.sha256(path) if path is not None else fingerprint.built(build(task))


def build(task: Task) -> Any:
    """Build the network in evaluation mode; one that starts at random always starts at the same place."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = task.build()
    return network.eval().requires_grad_(requires_grad=False)


def load(task: Task, path: Path | None) -> Any:
    """Return the network in evaluation mode with the weights of `path`, every tensor matched by name and shape."""
    network = build(task)
    if path is not None:
        try:
            network.load_state_dict(read(path), strict=True)
        except RuntimeError as error:
            raise UsageError(
                f"{path} does not fit the network of {task.name}: {_first_lines(error)}",
                "name the weights that were trained for this model",
                code="wrong-weights",
            ) from error
    return network


def read(path: Path) -> dict[str, Any]:
    """Read tensors by name: safetensors, or a foreign PyTorch file from which only tensors are accepted."""
    try:
        if path.suffix in FOREIGN:
            import torch

            found = torch.load(path, map_location="cpu", weights_only=True)
        else:
            from safetensors.torch import load_file

            return dict(load_file(path))
    except Exception as error:
        raise UsageError(
            f"{path} cannot be read as weights: {_first_lines(error)}",
            "give a safetensors file, or a PyTorch file that holds tensors only",
            code="wrong-weights",
        ) from error
    for nested in ("state_dict", "model", "weights"):
        if isinstance(found, dict) and isinstance(found.get(nested), dict):
            found = found[nested]
    if not isinstance(found, dict):
        raise UsageError(
            f"{path} holds a {type(found).__name__}, not named tensors", "save the state_dict()", code="wrong-weights"
        )
    return found


def _first_lines(error: Exception, count: int = 4) -> str:
    """Shorten a long message of torch."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:count]) or type(error).__name__
