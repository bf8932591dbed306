"""Photo operators that a network learns to imitate. One file each; the file's name is the operator's name.

To add one, write ``my_operator.py`` beside these (or anywhere, and name it ``path/to/file.py``) with::

    def apply(image: NDArray[np.float32]) -> NDArray[np.float32]:
        '''[H, W, 3] in 0..1 to [H, W, 3] in 0..1, display-referred sRGB.'''

Every operator here takes and returns display-referred sRGB (IEC 61966-2-1 encoded) values in 0..1.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from viewfinder import files
from viewfinder.errors import UsageError

Operator = Callable[[NDArray[np.float32]], NDArray[np.float32]]

_FOLDER = Path(__file__).parent
_SHARED = ("laplacian.py", "pyramid.py")
"""Files that operators are made of; they are none themselves."""


def names() -> list[str]:
    """List the shipped operators, sorted; ``photo_finish.py`` is ``photo-finish``."""
    found = [file for file in _FOLDER.glob("*.py") if not file.stem.startswith("_") and file.name not in _SHARED]
    return sorted(file.stem.replace("_", "-") for file in found)


def source(name: str) -> Path:
    """Return the file of a shipped operator, or of a user's own ``path/to/file.py``.

    Raises:
        UsageError: there is no such operator or file.
    """
    if name.endswith(".py"):
        if not Path(name).is_file():
            raise UsageError(f"there is no file {name}", "check the path; it is relative to the current folder")
        return Path(name)
    if name not in names():
        raise UsageError(
            f"no operator is called {name!r}",
            f"use one of {', '.join(names())}, or path/to/file.py with a function apply(image)",
            code="no-such-operator",
        )
    return _FOLDER / f"{name.replace('-', '_')}.py"


def digest(name: str) -> str:
    """Hash what an operator computes with: its file and the shared ones, so that a change makes new pairs."""
    parts = [source(name), *(_FOLDER / shared for shared in _SHARED)]
    return hashlib.sha256("".join(files.sha256(part) for part in parts).encode()).hexdigest()


def load(name: str) -> Operator:
    """Return ``apply`` of a shipped operator or of a user's own file, wrapped to check what it returns.

    Raises:
        UsageError: no such operator, a file that cannot be imported or has no ``apply``; later, at a call: a result
            of another shape, or with values that are not finite.
    """
    path = source(name)
    apply = getattr(_import(path), "apply", None)
    if not callable(apply):
        raise UsageError(f"{path} has no function apply", "define apply(image) as train/operators/__init__.py shows")

    def checked(image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the operator and refuse a result that is no picture."""
        result = np.asarray(apply(image), np.float32)
        if result.shape != image.shape or not np.isfinite(result).all():
            what = f"the shape {result.shape}" if result.shape != image.shape else "values that are not finite"
            raise UsageError(f"operator {name} made {what} of a picture {image.shape}", "return [H, W, 3] in 0..1")
        return result

    return checked


def _import(path: Path) -> ModuleType:
    """Import a shipped operator by its module name, a user's file by its path."""
    if path.parent == _FOLDER:
        return importlib.import_module(f"{__name__}.{path.stem}")
    name = f"viewfinder_user_operator_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file", "name a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses in the file look their module up
    try:
        with files.unwritten_bytecode():
            spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        message = f"{path} cannot be imported: {type(error).__name__}: {error}"
        raise UsageError(message, f"run `python {path}` to see the whole error") from error
    return module
