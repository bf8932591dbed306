"""Writes the Core AI model of one addition in the toolchain's Python; as a script, it may import nothing of ours.

The arguments are the folder to write, and the shape of both summands as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated


def main(target: str, shape: str) -> None:
    """Author ``sum = left + right`` and save it."""
    import numpy as np
    from coreai.authoring import AIProgram, Module, TensorType, Value, broadcasting_add, graph

    sides = tuple(json.loads(shape))

    def main(left: Value, right: Value) -> Value:
        """Add: the graph's name is this function's."""
        return broadcasting_add(left, right)

    given = Annotated[Value, TensorType(sides, np.float32)]
    made = Annotated[Value, TensorType(sides, np.float32, name="sum")]
    main.__annotations__ = {"left": given, "right": given, "return": made}
    module = Module.create()
    with module:
        graph(main)
    AIProgram(module).save_asset(Path(target))


if __name__ == "__main__":
    main(*sys.argv[1:])
