"""Where Qualcomm's SDK is, for LiteRT's plug-in: the user's own, or, if asked for, libraries that it was not made for.

The package ``ai-edge-litert-sdk-qualcomm`` downloads the SDK while it is installed. Where that fails, pip still says
"Successfully installed", and nothing is there.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "ai_edge_litert_sdk_qualcomm"
LIBRARY = "libQnnHtp.so"
LACKING = "libQnnLpai.so"
"""A library that the plug-in names and that onnxruntime-qnn does not have; nothing in it is called."""
UNOFFICIAL = "unofficial"
_ABSENT = (
    "SDK absent: the package ai-edge-litert-sdk-qualcomm, which downloads Qualcomm's SDK, is not installed; "
    "--unofficial tries the libraries of the toolchain qnn"
)
_TRAP = (
    "SDK absent: the package ai-edge-litert-sdk-qualcomm is installed, but Qualcomm's SDK is not in it: its download "
    "failed and pip said success all the same"
)


@dataclass(frozen=True)
class Sdk:
    """Folders with libraries.

    Attributes:
        label: "" for the SDK that LiteRT was made for, else `UNOFFICIAL`.
    """

    folders: tuple[Path, ...]
    label: str = ""


def official() -> Sdk | str:
    """Return the SDK that the user installed, else why there is none."""
    spec = find_spec(PACKAGE)
    if spec is None:
        return _ABSENT
    places = [Path(one) for one in spec.submodule_search_locations or ()]
    found = sorted(path.parent for place in places for path in place.rglob(LIBRARY))
    linux = [folder for folder in found if "x86_64-linux" in folder.name] or found
    return Sdk((linux[0],)) if linux else _TRAP


def libraries(package: str) -> tuple[Path, ...]:
    """Return the folders with libraries in the package that brings a vendor's SDK; none where it is not installed."""
    spec = find_spec(package)
    places = [Path(one) for one in (spec.submodule_search_locations or ())] if spec else []
    return tuple(sorted({path.parent for place in places for path in place.rglob("*.so*")}))


def unofficial(python: Path | None, work: Path) -> Sdk | str:
    """Return the libraries of onnxruntime-qnn in the toolchain of `python`, else why that does not work.

    The library that is lacking is made here, empty, in the folder `work`, by the user's own compiler.
    """
    if python is None:
        return "the toolchain qnn is not installed; viewfinder doctor --install qnn"
    libraries = next(iter(sorted(python.parent.parent.glob(f"lib/python3.*/site-packages/*/{LIBRARY}"))), None)
    if libraries is None:
        return f"the toolchain qnn has no {LIBRARY}"
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return f"there is no C compiler, which makes an empty {LACKING}"
    source = work / "empty.c"
    source.write_text("int viewfinder_empty;\n", encoding="utf-8")
    argv = [compiler, "-shared", "-fPIC", f"-Wl,-soname,{LACKING}", "-o", str(work / LACKING), str(source)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        return f"{compiler} cannot make an empty {LACKING}: {done.stderr.strip()[-200:]}"
    own = libraries.parent
    return Sdk((own, own.with_name(f"{own.name}.libs"), work), UNOFFICIAL)
