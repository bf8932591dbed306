"""Write the README's tables of the emulated boards; ``--measure FOLDER`` measures first, what FOLDER lacks of it.

The numbers lie in ``docs/boards.json``; ``tests/test_docs.py`` holds the tables fresh, and
``tests/verbs/test_on_device.py`` counts again, so a change of a graph or a kernel shows. Measuring takes 20 minutes of
one core and the ARM64 userland (``viewfinder devices setup arm64``).
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TARGET, RECORD = ROOT / "README.md", ROOT / "docs" / "boards.json"
BEGIN = "<!-- boards: written by scripts/write_boards.py -->"
END = "<!-- end of boards -->"
HERE = "here"
BOARDS = ("cortex-a53", "cortex-a72", "cortex-a76", "armv8.6")
PHOTO = "dandelion.jpg"
MODELS: dict[str, list[str]] = {"hdrnet": [], "kpn-lite": ["--width", "192", "--strip-rows", "192"]}
"""Models, and what their export is told: a smaller tile of the burst network costs less to emulate."""
SIDE = 384
"""Of the middle of the photograph that bursts are made of: frames of 96 x 96, one tile for each plane."""
PRECISIONS = ("float", "w8a8")
COUNTED = {"hdrnet": ("coefficients", "strip"), "kpn-lite": ("model",)}


def measure(folder: Path) -> None:
    """Export, quantize, count and verify what `folder` has no report of."""
    folder.mkdir(parents=True, exist_ok=True)
    for model, options in MODELS.items():
        export = folder / model
        if not (export / "tflite-float").exists():
            photo = _photo(folder, model)
            _viewfinder("export", model, "--format", "tflite", *options, "--photos", photo, "-o", export)
        if not (export / "tflite-w8a8").exists():
            _viewfinder("quantize", export / "tflite-float", "--precision", "w8a8")
    for command, model, precision, board in _cases():
        report = _report(folder, command, model, precision, board)
        if not report.is_file():
            where = [] if board == HERE else ["--target", f"tflite+xnnpack@arm64:{board}"]
            more = ["--no-cache"] if command == "verify" else []
            _viewfinder(command, folder / model / f"tflite-{precision}", *where, *more, "-o", report.parent)


def _cases() -> Iterator[tuple[str, str, str, str]]:
    """Yield command, model, precision and board of every measurement; this computer's processor counts nothing."""
    for model, precision, board in itertools.product(MODELS, PRECISIONS, (HERE, *BOARDS)):
        yield "verify", model, precision, board
        if board != HERE:
            yield "profile", model, precision, board


def _report(folder: Path, command: str, model: str, precision: str, board: str) -> Path:
    """Name the report of one measurement."""
    return folder / f"{command}-{model}-{precision}-{board}" / "report.json"


def _photo(folder: Path, model: str) -> Path:
    """Return the photograph that a model is verified on: the whole, or the middle for a burst."""
    from PIL import Image

    source = ROOT / "src" / "viewfinder" / "demo_photos" / PHOTO
    if model == "hdrnet":
        return source
    with Image.open(source) as image:
        left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
        image.crop((left, top, left + SIDE, top + SIDE)).save(folder / "middle.png")
    return folder / "middle.png"


def _viewfinder(*words: str | Path) -> None:
    """Run the tool."""
    sys.stdout.write(f"viewfinder {' '.join(map(str, words))}\n")
    subprocess.run([sys.executable, "-m", "viewfinder", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def record(folder: Path) -> dict[str, Any]:
    """Collect the numbers of the reports in `folder`; what was not measured is left out."""
    made: dict[str, Any] = {}
    for command, model, precision, board in _cases():
        path = _report(folder, command, model, precision, board)
        if not path.is_file():
            continue
        document = json.loads(path.read_text(encoding="utf-8"))
        (report,) = document["artifacts"]
        values = {one["metric"]: one["value"] for one in report["measurements"]}
        empty: dict[str, Any] = {"instructions": {}, "psnr_vs_float_worst_db": {}}
        own = made.setdefault(model, {"weights_sha256": document["model"]["weights_sha256"], **empty})
        if command == "verify":
            own["psnr_vs_float_worst_db"].setdefault(precision, {})[board] = values["psnr_vs_float_worst_db"]
        for graph in COUNTED[model] if command == "profile" else ():
            own["instructions"].setdefault(f"{graph} {precision}", {})[board] = values[f"{graph}_instructions"]
    return made


def tables(found: dict[str, Any]) -> str:
    """Return both tables as Markdown."""
    columns = [(model, name) for model in found for name in found[model]["instructions"] if name != "strip w8a8"]
    lines = ["| board | " + " | ".join(f"{model}: {name}" for model, name in columns) + " |"]
    lines.append("| --- " * (len(columns) + 1) + "|")
    for board in BOARDS:
        values = [found[model]["instructions"][name].get(board) for model, name in columns]
        lines.append(
            f"| `{board}` | " + " | ".join("" if one is None else f"{one / 1e6:,.1f}" for one in values) + " |"
        )
    rows = [(model, name) for model in found for name in found[model]["psnr_vs_float_worst_db"]]
    lines += ["", "| worst PSNR against PyTorch | " + " | ".join(f"{model} {name}" for model, name in rows) + " |"]
    lines.append("| --- " * (len(rows) + 1) + "|")
    for board in (HERE, *BOARDS):
        values = [found[model]["psnr_vs_float_worst_db"][name].get(board) for model, name in rows]
        shown = "this computer (x86-64)" if board == HERE else f"`{board}`"
        lines.append(f"| {shown} | " + " | ".join("" if one is None else f"{one:.4g} dB" for one in values) + " |")
    weights = ", ".join(f"`{model}` {found[model]['weights_sha256'][:12]}" for model in found)
    return "\n".join([*lines, "", f"Measured with the weights {weights}."])


def renewed(readme: str) -> str:
    """Return the README with today's tables."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    found = json.loads(RECORD.read_text(encoding="utf-8"))
    return f"{before}{BEGIN}\n\n{tables(found)}\n\n{END}{after}"


def main() -> None:
    """Follow the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--measure", type=Path, metavar="FOLDER", help="measure into this folder first")
    if (folder := parser.parse_args().measure) is not None:
        measure(folder)
        RECORD.write_text(json.dumps(record(folder), indent=1) + "\n", encoding="utf-8")
    TARGET.write_text(renewed(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{TARGET.name} written\n")


if __name__ == "__main__":
    main()
