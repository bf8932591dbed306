"""What the page shows of `viewfinder repair`: quality against cost, and what became of every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from viewfinder.runtime.report import words

if TYPE_CHECKING:
    from viewfinder.runtime.report.document import Section

WIDTH, HEIGHT, LEFT, BOTTOM = 520, 240, 56, 34
MARGIN = 12
"""Pixels of an SVG picture: its sides, the room for the two scales, and for dots at the edge."""
TICKS = 4
KINDS = {"w8a8": "8-bit weights and activations", "w8": "8-bit weights", "float": "float"}


def shown(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """Collect the searches."""
    return [_search(section) for section in sections if section.search]


def _search(section: Section) -> dict[str, Any]:
    """Collect one search."""
    found = section.search
    costs = {
        "Size of the artifact, kB": [point["size_bytes"] / 1000 for point in found["points"]],
        "Share of the multiply-accumulates in 8 bits, %": [100 * point["integer_share"] for point in found["points"]],
    }
    chosen = found["points"][found["chosen"]]
    return {
        "artifact": section.report.artifact,
        "met": found["met"],
        "sentence": _sentence(found, chosen),
        "pictures": [_picture(name, values, found) for name, values in costs.items()],
        "layers": [_layer(layer) for layer in found["layers"]],
        "points": [_point(place, point, found) for place, point in enumerate(found["points"])],
    }


def _sentence(found: Mapping[str, Any], chosen: Mapping[str, Any]) -> str:
    """Say the outcome."""
    count = f"{len(found['points'])} artifact{'s' if len(found['points']) != 1 else ''} built and measured"
    told = f"{words.size(chosen['size_bytes'])}, {chosen['drop_db']:.3f} dB lost of {found['budget_db']:g} dB"
    if found["met"]:
        return f"{count}; the cheapest that meets the budget and the probes: {told}"
    return f"{count}; none meets the budget and the probes. The nearest: {told}; {'; '.join(found['misses'])}"


def _layer(layer: Mapping[str, Any]) -> dict[str, Any]:
    """Write one layer."""
    losses = {kind: f"{loss:.3f} dB" for kind, loss in layer["losses"].items()}
    return {
        **layer,
        "became": KINDS[layer["kind"]],
        "weights": f"{layer['weights']:,}".replace(",", " "),
        "macs": f"{layer['macs'] / 1e6:.2f} M",
        "alone": [losses.get(kind, "") for kind in ("w8", "w8a8")],
    }


def _point(place: int, point: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Write one candidate."""
    failed = point["failed_probes"]
    return {
        "why": point["why"],
        "size": words.size(point["size_bytes"]),
        "share": f"{100 * point['integer_share']:.0f} %",
        "drop": f"{point['drop_db']:.3f} dB",
        "probes": "" if failed is None else "all pass" if not failed else f"{len(failed)} fail",
        "meets": not point["misses"],
        "chosen": place == found["chosen"],
    }


def _picture(title: str, costs: Sequence[float], found: Mapping[str, Any]) -> dict[str, Any]:
    """Place every candidate between its cost and the PSNR that it loses."""
    drops = [point["drop_db"] for point in found["points"]]
    # Losses far beyond the budget would press all that matters into one line; they are shown at the upper edge.
    top = max(found["budget_db"] * 2.5, min(max(drops), found["budget_db"] * 6))
    low = min(0.0, *drops)
    left, right = min(costs), max(costs)
    room = (right - left) or max(abs(right), 1.0)
    dots = [
        {
            "x": round(LEFT + MARGIN + (WIDTH - LEFT - 2 * MARGIN) * (cost - left) / room, 1),
            "y": _height(min(drop, top), low, top),
            "kind": _kind(place, point, found),
            "label": f"{point['why']}: {drop:.3f} dB, {cost:.0f}",
        }
        for place, (cost, drop, point) in enumerate(zip(costs, drops, found["points"], strict=True))
    ]
    return {
        "title": title,
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "floor": HEIGHT - BOTTOM,
        "dots": sorted(dots, key=lambda dot: dot["kind"] == "chosen"),
        "budget": _height(found["budget_db"], low, top),
        "rows": [
            {"y": _height(value, low, top), "text": f"{value:.2g}"}
            for value in (low + (top - low) * step / TICKS for step in range(TICKS + 1))
        ],
        "ends": [f"{left:.0f}", f"{right:.0f}"] if right > left else [f"{left:.0f}", ""],
    }


def _height(drop: float, low: float, top: float) -> float:
    """Place a loss between the floor (the least) and the upper edge."""
    return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - MARGIN) * (drop - low) / (top - low), 1)


def _kind(place: int, point: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Name the colour of a dot."""
    return "chosen" if place == found["chosen"] else "misses" if point["misses"] else "meets"
