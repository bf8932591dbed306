"""What the page shows of `viewfinder bisect`: where two artifacts part, crops, and the table of tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from viewfinder.runtime.report import words

if TYPE_CHECKING:
    from viewfinder.runtime.report.document import Section

FULL_DB = 60.0
"""Where the bars end: above it nothing is seen in a picture of 8 bits."""
KINDS = {"float": "Float", "artifact": "Artifact"}


def shown(
    sections: Sequence[Section], embed: Callable[[str | None], str], anchor: Callable[[Any], str]
) -> list[dict[str, Any]]:
    """Collect the artifacts that were compared tensor by tensor."""
    return [
        {
            **section.parting,
            "anchor": f"tensors-{anchor(section.report)}",
            "verdict": section.report.verdict,
            "sentence": _capital(section.parting["sentence"]),
            "crops": [_crop(crop, embed) for crop in section.parting["crops"]],
            "rows": [_row(row, section.parting) for row in section.parting["tensors"]],
        }
        for section in sections
        if section.parting
    ]


def _capital(sentence: str) -> str:
    """Begin a sentence."""
    return sentence[:1].upper() + sentence[1:]


def _crop(crop: Mapping[str, Any], embed: Callable[[str | None], str]) -> dict[str, Any]:
    """Embed the pictures of one crop."""
    pictures = [(label, embed(crop.get(kind))) for kind, label in KINDS.items()]
    pictures.append((f"Difference × {crop['difference_factor']}", embed(crop.get("difference"))))
    low, high = crop["range"]
    return {**crop, "pictures": pictures, "low": f"{low:.3g}", "high": f"{high:.3g}"}


def _row(row: Mapping[str, Any], parting: Mapping[str, Any]) -> dict[str, Any]:
    """Write one row of the table."""
    first = parting["first"]
    is_first = first is not None and (row["graph"], row["tensor"]) == (first["graph"], first["tensor"])
    op = row["op"] if row["op"].startswith(row["kind"]) else f"{row['kind']} {row['op']}"
    return {
        "op": op,
        "graph": row["graph"],
        "tensor": row["tensor"],
        "short": row["short"],
        "shape": " × ".join(map(str, row["shape"])),
        "sqnr": words.number(row["sqnr_db"], "dB"),
        "share": round(100 * max(0.0, min(1.0, row["sqnr_db"] / FULL_DB))),
        "verdict": "fail" if row["sqnr_db"] < parting["limit_db"] else "",
        "lost": f"{row['lost_db']:+.1f} dB".replace("-", "−"),
        "psnr": words.number(row["psnr_db"], "dB"),
        "worst": row["worst"],
        "parts": is_first,
    }
