"""Tables in plain text."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns; those that hold only numbers and units (behind the header) go to the right."""
    columns = list(zip(header, *rows, strict=True))
    right = [
        len(column) > 1 and all(cell[:1].isdigit() or cell in {"", "-"} for cell in column[1:]) for column in columns
    ]
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for row in (header, *rows):
        cells = [
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def size(size_bytes: int | float) -> str:
    """Write a number of bytes for people: ``482 B``, ``1.9 MB``."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def count(number: int | float) -> str:
    """Write a count for people: ``812``, ``48.1 k``, ``2.3 G``."""
    value = float(number)
    for unit in ("", " k", " M"):
        if value < 1000:
            return f"{value:.0f}" if not unit else f"{value:.1f}{unit}"
        value /= 1000
    return f"{value:.1f} G"
