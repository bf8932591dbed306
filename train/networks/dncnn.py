"""DnCNN: a stack of 3x3 convolutions that predicts the noise of a picture, which is then subtracted.

Zhang, Zuo, Chen, Meng, Zhang: Beyond a Gaussian Denoiser, IEEE TIP 26(7), 2017; layers as in cszn/DnCNN: 17 for one
known noise level, 20 for any level; 64 channels, batch normalisation between the first and the last layer, zero
padding. Trained networks are kept with the normalisation folded into the convolutions (`fold`): the same numbers, one
operator per layer, and nothing for a converter to get wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH = 64
BLIND_DEPTH, KNOWN_DEPTH = 20, 17
"""Layers of the published networks: any noise level (and colour), one known level."""


class DnCNN(nn.Module):
    """``picture - noise``: convolution and ReLU, ``depth - 2`` times again, and a last convolution."""

    def __init__(self, planes: int = 1, depth: int = KNOWN_DEPTH, *, normalised: bool = False) -> None:
        """Build the network for pictures of `planes` channels.

        `normalised` gives every layer but the first and the last batch normalisation, and takes its bias instead; that
        is how the network is trained. Weights start as He et al. 2015 proposed.
        """
        super().__init__()
        self.planes, self.depth, self.normalised = planes, depth, normalised
        sizes = [planes, *[WIDTH] * (depth - 1), planes]
        inner = range(1, depth - 1)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1, bias=not (normalised and number in inner))
            for number, (before, after) in enumerate(pairwise(sizes))
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(WIDTH) for _ in inner if normalised)
        for layer in self.convolutions():
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        # Training starts from nearly no noise found, not from a guess that is far too large.
        nn.init.normal_(layer.weight, std=1e-3)

    def convolutions(self) -> Iterator[nn.Conv2d]:
        """Yield the layers from first to last."""
        for layer in self.layers:
            assert isinstance(layer, nn.Conv2d)
            yield layer

    def noise(self, picture: Tensor) -> Tensor:
        """Predict the noise of ``[B, planes, H, W]``."""
        values = picture
        for number, layer in enumerate(self.layers):
            values = layer(values)
            if number == self.depth - 1:
                break
            if self.normalised and number:
                values = self.norms[number - 1](values)
            values = F.relu(values)
        return values

    def forward(self, picture: Tensor) -> Tensor:
        """Denoise ``[B, planes, H, W]``, display-referred with white 1, of any height and width; not clipped."""
        return picture - self.noise(picture)


@torch.no_grad()
def settle(network: DnCNN, batches: Iterable[Tensor]) -> None:
    """Set means and variances of the normalisation to their averages over `batches` ``[B, planes, H, W]``.

    The running ones follow the last few small batches, each with noise of its own: validation once fell by 8 dB.
    """
    norms = [norm for norm in network.norms if isinstance(norm, nn.BatchNorm2d)]
    if not norms:
        return
    momentum, was_training = norms[0].momentum, network.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average
    network.train()
    for batch in batches:
        network.noise(batch)
    for norm in norms:
        norm.momentum = momentum
    network.train(was_training)


@torch.no_grad()
def fold(network: DnCNN) -> DnCNN:
    """Return the network with every normalisation folded into the convolution before it.

    ``w' = w g / sqrt(var + eps)``, ``b' = beta - mean g / sqrt(var + eps)`` with the running mean and variance: what
    the network computes in evaluation mode, up to rounding.
    """
    plain = DnCNN(network.planes, network.depth)
    for number, (source, target) in enumerate(zip(network.convolutions(), plain.convolutions(), strict=True)):
        assert target.bias is not None
        target.weight.copy_(source.weight)
        if network.normalised and 0 < number < network.depth - 1:
            norm = network.norms[number - 1]
            assert isinstance(norm, nn.BatchNorm2d)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            gain = norm.weight / (norm.running_var + norm.eps).sqrt()
            target.weight.mul_(gain[:, None, None, None])
            target.bias.copy_(norm.bias - norm.running_mean * gain)
        elif source.bias is not None:
            target.bias.copy_(source.bias)
    return plain.eval()


@torch.no_grad()
def normalise(plain: DnCNN, examples: Tensor) -> DnCNN:
    """Return a network with batch normalisation that computes what `plain` does; the inverse of `fold`.

    Each normalisation takes mean and variance of its layer on `examples` ``[B, planes, H, W]`` and undoes them with its
    gain and offset, so training starts (again) from the same function.
    """
    network, values = DnCNN(plain.planes, plain.depth, normalised=True), examples
    for number, (source, target) in enumerate(zip(plain.convolutions(), network.convolutions(), strict=True)):
        target.weight.copy_(source.weight)
        if target.bias is not None and source.bias is not None:
            target.bias.copy_(source.bias)
        if 0 < number < plain.depth - 1:
            norm, before = network.norms[number - 1], target(values)
            assert isinstance(norm, nn.BatchNorm2d)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.copy_(before.mean((0, 2, 3)))
            norm.running_var.copy_(before.var((0, 2, 3), correction=0))
            norm.weight.copy_((norm.running_var + norm.eps).sqrt())
            norm.bias.copy_(norm.running_mean + (source.bias if source.bias is not None else 0))
        values = F.relu(source(values))
    return network


@torch.no_grad()
def deepen(shallow: DnCNN, depth: int) -> DnCNN:
    """Return a network of `depth` layers that computes what a `shallow` one without normalisation does.

    New layers are the identity, spread evenly between the old ones: behind a ReLU nothing is negative, so convolution
    with a one in the middle and ReLU change nothing (Chen, Goodfellow, Shlens 2016, Net2Net). Training a few layers
    first is cheaper, and ended better in the same time.

    Raises:
        ValueError: the network is normalised or already deeper.
    """
    if shallow.normalised or shallow.depth > depth:
        raise ValueError(f"{shallow.depth} layers, normalised: {shallow.normalised}; cannot become {depth} plain ones")
    deep = DnCNN(shallow.planes, depth)
    inner = shallow.depth - 2
    places = [0, *(1 + round(number * (depth - 2) / inner) for number in range(inner)), depth - 1]
    for layer in deep.convolutions():
        nn.init.dirac_(layer.weight)
    for place, source in zip(places, shallow.convolutions(), strict=True):
        deep.layers[place].load_state_dict(source.state_dict())
    return deep
