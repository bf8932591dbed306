"""Content addresses for the cache: what an artifact's bytes depend on, hashed."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from viewfinder import files
from viewfinder.task import Task

_EXPORT = Path(__file__).parent
_NETWORKS = _EXPORT.parent / "train" / "networks"
_SHIPPED = "viewfinder.train.models."


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of the installed ones of `packages`."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def key(parts: Mapping[str, Any]) -> str:
    """Hash JSON data to the name of a cache entry."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def exporter_source() -> str:
    """Hash the source of the exporter itself: a changed lowering makes every older entry unreachable."""
    return sources(_EXPORT.rglob("*.py"))


def network(task: Task, weights: Path | None, build: Callable[[Task], Any]) -> str:
    """Hash what decides the network: its code and its weights.

    A shipped network with a weights file is told by its files, without importing torch. Any other is built: its
    values and the source files of its modules are hashed, whatever it reads them from.
    """
    module = str(getattr(task.build, "__module__", ""))
    if weights is not None and module.startswith(_SHIPPED):
        own = _NETWORKS.parent / "models" / f"{module.removeprefix(_SHIPPED)}.py"
        return f"{sources([own, *_NETWORKS.glob('*.py')])} {files.sha256(weights)}"
    return f"{built(build(task))} {files.sha256(weights) if weights is not None else ''}"


def built(module: Any) -> str:
    """Hash the values of a ``torch.nn.Module``, its printed structure and the source of its classes."""
    digest = hashlib.sha256(repr(module).encode())
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    classes = {type(part) for part in module.modules()}
    found = {source for kind in classes if (source := _source_file(kind)) is not None}
    digest.update(sources(found).encode())
    return digest.hexdigest()


def _source_file(kind: type) -> Path | None:
    """Return the file that defines a class; None for torch's own and for classes without a file."""
    if kind.__module__.split(".")[0] == "torch":
        return None
    try:
        return Path(inspect.getfile(kind))
    except (TypeError, OSError):
        return None


def sources(paths: Iterable[Path]) -> str:
    """Hash files by name and content, in the order of their names."""
    lines = sorted(f"{path.name} {files.sha256(path)}\n" for path in paths if path.is_file())
    return hashlib.sha256("".join(lines).encode()).hexdigest()
