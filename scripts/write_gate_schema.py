"""Write ``docs/gate.schema.json``, what a ``gate.yaml`` may say; ``tests/test_gate_docs.py`` holds it fresh."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from viewfinder.runtime.gate import policy

TARGET = Path(__file__).parents[1] / "docs" / "gate.schema.json"


def text() -> str:
    """Return the schema as text."""
    return json.dumps(policy.schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{TARGET.name} written\n")
