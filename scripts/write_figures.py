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

BURSTS = ROOT / "train" / "weights" / "burst_baselines.json"
METHODS = {
    "reference": "reference frame",
    "average": "plain average",
    "aligned": "aligned average",
    "merge": "HDR+-style Wiener merge",
    "nlm": "non-local means, reference",
    "bm3d_reference": "BM3D, reference",
    "bm3d_merge": "BM3D, Wiener merge",
    "bm3d_strong_merge": "BM3D, stronger merge",
}
"""Classical rows of the burst table."""
NOISES = {"network": "this network", "bm3d": "BM3D, told the noise", "noisy": "before"}
"""Columns of the table of single-picture denoisers."""


def cards() -> list[dict[str, Any]]:
    """Read every card, sorted by model and weights."""
    found = sorted((ROOT / "train" / "weights").glob("*/*.card.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in found]


def figures() -> str:
    """Return the tables: PSNR on photographs that were never trained on."""
    found = cards()
    imitating = [row for card in found if card["operator"] for row in _rows(card, COLUMNS, 1)]
    noises = [row for card in found if not card["operator"] for row in _rows(card, NOISES, 2, ", sigma ")]
    unseen = "on photographs that were never trained on nor used to choose"
    first = ["model", "weights", "photographs"]
    return (
        "".join(
            f"\n{text}:\n\n" + "\n".join([f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *rows]) + "\n"
            for text, head, rows in (
                (f"PSNR in dB against the operator's output, {unseen}", [*first, *COLUMNS.values()], imitating),
                (f"Bursts of 8 frames, PSNR in dB after sRGB's curve, {unseen}", *_bursts(found)),
                (f"White noise, deviation in 8-bit codes, PSNR in dB, {unseen}", [*first, *NOISES.values()], noises),
            )
            if rows
        )
        + "\n"
    )


def _rows(card: dict[str, Any], columns: dict[str, str], digits: int, part: str = "") -> list[str]:
    """Return one line per set of photographs whose name holds `part`."""
    rows = []
    for name, methods in card["scores"].items():
        values = [f"{methods[method]['mean_db']:.{digits}f}" if method in methods else "" for method in columns]
        if part in name:
            rows.append(f"| {' | '.join([card['model'], card['weights'], name, *values])} |")
    return rows


def _bursts(found: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Return head and lines of the burst table: classical methods, then the networks, by set and gain."""
    if not BURSTS.is_file():
        return [], []
    sets = json.loads(BURSTS.read_text(encoding="utf-8"))["sets"]
    places = [(name, gain) for name, table in sets.items() for gain in table]
    lines = {title: [sets[name][gain].get(method) for name, gain in places] for method, title in METHODS.items()} | {
        f"**{card['model']}** ({card['weights']})": [
            card["scores"].get(f"{name}, gain {gain}", {}).get("network") for name, gain in places
        ]
        for card in found
        if any(", gain " in column for column in card["scores"])
    }
    counts = [max(len(one["per_picture"]) for one in sets[name][gain].values()) for name, gain in places]
    rows = [
        f"| {title} | {' | '.join(map(_decibels, values, counts))} |" for title, values in lines.items() if any(values)
    ]
    return ["method", *(f"{name}, gain {gain}" for name, gain in places)], rows


def _decibels(scores: dict[str, Any] | None, count: int) -> str:
    """Write a mean, with the number of photographs if it is not `count`; nothing where a method was not measured."""
    if not scores:
        return ""
    measured = len(scores["per_picture"])
    return f"{scores['mean_db']:.2f}" + (f" ({measured} photographs)" if measured != count else "")


def renewed(text: str) -> str:
    """Return the README with fresh figures."""
    pattern = re.compile(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}", flags=re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n{figures()}{END}", text)


if __name__ == "__main__":
    TARGET.write_text(renewed(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{TARGET.name} renewed from {len(cards())} model cards\n")
