"""Converts one exported PyTorch program to Core AI: started as a script, in this Python, by `formats.coreai`.

It may import nothing of ours. The only argument is a JSON file: where the converter's packages lie, what to convert,
and where the answer goes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(order_file: str) -> None:
    """Convert; the answer counts the operators of the decomposed program."""
    order = json.loads(Path(order_file).read_text(encoding="utf-8"))
    sys.path.append(order["packages"])
    from collections import Counter
    from importlib.metadata import version

    import torch
    from coreai_torch import TorchConverter, get_decomp_table

    program = torch.export.load(order["program"]).run_decompositions(get_decomp_table())
    converter = TorchConverter().add_exported_program(
        program, input_names=order["inputs"], output_names=order["outputs"]
    )
    converter.to_coreai().save_asset(Path(order["target"]))
    used = Counter(str(node.target) for node in program.graph.nodes if node.op == "call_function")
    answer = {
        "operators": dict(sorted(used.items())),
        "converter": {name: version(name) for name in ("coreai-torch", "coreai-core")},
        "minimum_deployment_target": "iOS27",
    }
    Path(order["answer"]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
