"""Filters that never open are started again, without changing what the network computes.

A ReLU that is closed for every input passes no gradient, so training cannot open it. A high learning rate closed nearly
all filters of `KPNLite` at 1/4 and 1/8 of the resolution in the first stage of the shipped weights, and of `DnCNN` all
but 1 to 3 of 64 in its last three layers, and nothing told: the networks went on with the others. `viewfinder inspect`
shows how often each filter is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from viewfinder.train.networks.dncnn import DnCNN
from viewfinder.train.networks.kpn_lite import KPNLite

Inputs = tuple[Tensor, ...]
"""``frames``, ``merged``, ``noise`` as `KPNLite.kernels` takes them; the picture of `DnCNN.noise`."""

Readers = Mapping[str, tuple[tuple[str, str | None], ...]]

READERS: Readers = {
    "encode_fine.0": (("encode_fine.2", None),),
    "encode_fine.2": (("encode_middle.0", None), ("decode_fine.0", "decode_middle.0")),
    "encode_middle.0": (("encode_middle.2", None),),
    "encode_middle.2": (("encode_coarse.0", None), ("decode_middle.0", "encode_coarse.2")),
    "encode_coarse.0": (("encode_coarse.2", None),),
    "encode_coarse.2": (("decode_middle.0", None),),
    "decode_middle.0": (("decode_fine.0", None),),
    "decode_fine.0": (("decode_fine.2", None),),
    "decode_fine.2": (("head", None),),
}
"""Convolutions with a ReLU, in order, each with those that read it, and whose channels these read before its own."""


START = 0.1
"""Size of new weights beside those of He et al. 2015.

At full size, what `DnCNN` had learnt was lost: Muon's first steps let open filters read 300 new ones, and the mean
squared error rose from 0.003 to 74. At a tenth it never rose.
"""


def readers(network: KPNLite | DnCNN) -> Readers:
    """List the convolutions with a ReLU as `READERS` does; of `DnCNN` one reads the other."""
    if isinstance(network, KPNLite):
        return READERS
    return {f"layers.{number}": ((f"layers.{number + 1}", None),) for number in range(network.depth - 1)}


@torch.no_grad()
def revive(network: KPNLite | DnCNN, inputs: Sequence[Inputs], seed: int) -> dict[str, int]:
    """Draw the weights of filters that are closed on all `inputs` anew, and let no open filter read them yet.

    Args:
        network: changed in place; on `inputs` it computes the same as before. A `DnCNN` without normalisation.
        inputs: a few, of every gain or noise level.
        seed: of the new weights (normal, `START` of He et al. 2015).

    Returns:
        How many filters were closed, by layer; layers without any are left out.
    """
    listed = readers(network)
    closed = {name: highest <= 0 for name, highest in _highest(network, listed, inputs).items()}
    generator = torch.Generator().manual_seed(seed)
    for name, dead in closed.items():
        layer = _layer(network, name)
        fresh = torch.empty(layer.weight.shape)
        nn.init.kaiming_normal_(fresh, nonlinearity="relu", generator=generator)
        layer.weight[dead] = START * fresh.to(layer.weight)[dead]
        _offset(layer)[dead] = 0.0
    for name, dead in closed.items():
        for reader, before in listed[name]:
            into = _layer(network, reader)
            first = 0 if before is None else _layer(network, before).out_channels
            was_open = ~closed.get(reader, torch.zeros(into.out_channels, dtype=torch.bool, device=dead.device))
            into.weight[was_open.nonzero(), (first + dead.nonzero()).T] = 0.0
    return {name: int(dead.sum()) for name, dead in closed.items() if dead.any()}


def _highest(network: KPNLite | DnCNN, names: Iterable[str], inputs: Sequence[Inputs]) -> dict[str, Tensor]:
    """Return the highest value of each filter before its ReLU, by layer."""
    found: dict[str, Tensor] = {}

    def watch(name: str) -> None:
        """Keep the highest values of a layer."""

        def keep(_module: nn.Module, _inputs: tuple[Tensor, ...], made: Tensor) -> None:
            highest = made.amax((0, 2, 3))
            found[name] = torch.maximum(found[name], highest) if name in found else highest

        hooks.append(_layer(network, name).register_forward_hook(keep))

    hooks: list[torch.utils.hooks.RemovableHandle] = []
    for name in names:
        watch(name)
    look = network.kernels if isinstance(network, KPNLite) else network.noise
    try:
        for values in inputs:
            look(*values)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _layer(network: KPNLite | DnCNN, name: str) -> nn.Conv2d:
    """Return a convolution."""
    layer = network.get_submodule(name)
    if not isinstance(layer, nn.Conv2d):
        raise TypeError(f"{name} of {type(network).__name__} is no convolution")
    return layer


def _offset(layer: nn.Conv2d) -> Tensor:
    """Return the offsets of a convolution that has some."""
    if layer.bias is None:
        raise TypeError("a convolution without offsets")
    return layer.bias
