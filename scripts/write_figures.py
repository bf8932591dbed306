"""Write the figures of the README from the model cards; ``tests/test_docs.py`` holds them fresh."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "README.md"
BEGIN = "<!-- figures: written by scripts/write_figures.py -->"
END = "<!-- end of figures -->"
COLUMNS = {
    "network": "this network",
    "affine_then_curve": "global affine and curves",
    "bgu_oracle": "bilateral-guided upsampling (an oracle)",
}
"""Methods of a card that the table shows; a card's own table has more."""


def cards() -> list[dict[str, Any]]:
    """Read every card, sorted by model and weights."""
    found = sorted((ROOT / "train" / "weights").glob("*/*.card.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in found]


def figures() -> str:
    """Return the table: PSNR on photographs that were never trained on."""
    rows = [row for card in cards() for row in _rows(card)]
    if not rows:
        return ""
    head = ["model", "weights", "photographs", *COLUMNS.values()]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *rows]
    text = "PSNR in dB against the operator's output, on photographs that were never trained on nor used to choose:"
    return f"\n{text}\n\n" + "\n".join(lines) + "\n\n"


def _rows(card: dict[str, Any]) -> list[str]:
    """Return one line per set of photographs."""
    rows = []
    for name, methods in card["scores"].items():
        values = [f"{methods[method]['mean_db']:.1f}" if method in methods else "" for method in COLUMNS]
        rows.append(f"| {' | '.join([card['model'], card['weights'], name, *values])} |")
    return rows


def renewed(text: str) -> str:
    """Return the README with fresh figures."""
    pattern = re.compile(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}", flags=re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n{figures()}{END}", text)


if __name__ == "__main__":
    TARGET.write_text(renewed(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{TARGET.name} renewed from {len(cards())} model cards\n")
