"""Make a deeper DnCNN of a shallow one that computes the same, to train on from there.

``python -m viewfinder.train.deepen SHALLOW.safetensors --layers 17 -o DEEP.safetensors``; the shallow one comes from
``viewfinder train scripts/dncnn_shallow.py:COLOUR``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from viewfinder import files
from viewfinder.errors import UsageError, ViewfinderError


def deepen(source: Path, layers: int, output: Path) -> None:
    """Write the weights of a network of `layers` layers.

    Raises:
        UsageError: `source` cannot be read, holds no DnCNN, or one with more layers.
    """
    from safetensors.torch import save_file

    from viewfinder.train import loading
    from viewfinder.train.networks import dncnn

    state = loading.read_weights(source)
    first = state.get("layers.0.weight")
    if first is None or first.ndim != 4:
        raise UsageError(f"{source} holds no DnCNN", "give weights that viewfinder train has written")
    depth = len({name.split(".")[1] for name in state if name.startswith("layers.")})
    shallow = dncnn.DnCNN(first.shape[1], max(depth, 2))
    loading.load_into(shallow, source)
    if layers < depth:
        raise UsageError(f"{source} has {depth} layers already, more than {layers}", "ask for more --layers")
    deep = dncnn.deepen(shallow, layers)
    with files.new_file(output) as partial:
        save_file({name: value.contiguous() for name, value in deep.state_dict().items()}, partial)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m viewfinder.train.deepen", description=__doc__)
    parser.add_argument("source", type=Path, metavar="SHALLOW")
    parser.add_argument("--layers", type=int, default=17, help="layers of the deeper network")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    given = parser.parse_args(arguments)
    try:
        deepen(given.source, given.layers, given.output)
    except ViewfinderError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
