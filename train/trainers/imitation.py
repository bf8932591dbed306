"""How an HDRNet learns to imitate an operator: random pixels of whole pictures, log of the squared error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from viewfinder.errors import UsageError
from viewfinder.train.config import FitConfig
from viewfinder.train.networks import knots
from viewfinder.train.networks.hdrnet import CurveGuide, HDRNet
from viewfinder.train.networks.precondition import fold, precondition
from viewfinder.train.pairs import Pair
from viewfinder.train.sampling import FIXED_POINT, PixelSamples, Sampling, squeeze
from viewfinder.train.scores import psnr_db

LOSS_FLOOR = 1e-5
"""Squared error (50 dB) below which a picture stops pulling on the weights."""


class Imitation(nn.Module):
    """A network with its training loss, so that Fabric can wrap both."""

    def __init__(self, network: HDRNet) -> None:
        """Train `network`."""
        super().__init__()
        self.network = network

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the loss and the mean squared error of a batch of `PixelSamples`.

        Under bf16 or fp16 only the features are reduced: the grid holds gains and offsets that need more digits.
        """
        lowres = (batch["lowres"].float() / 255).to(memory_format=torch.channels_last)
        position, target = (batch[name].float() / FIXED_POINT for name in ("position", "target"))
        features = self.network.coefficients.features(lowres)
        with torch.autocast(features.device.type, enabled=False):
            grid = self.network.coefficients.predict(features.float())
            error = self.network.apply_at(grid, position, batch["colour"].float() / 255) - target
        per_picture = error.square().mean((1, 2, 3))
        return (per_picture + LOSS_FLOOR).log().mean(), per_picture.detach().mean()


@torch.no_grad()
def enhance(network: HDRNet, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Enhance uint8 ``[H, W, 3]``; returns float32 ``[H, W, 3]`` clipped to 0..1."""
    device = next(network.parameters()).device
    lowres = squeeze(image, network.shape.lowres)[None].to(device).float() / 255
    full = torch.from_numpy(np.array(image)).to(device).permute(2, 0, 1)[None].float() / 255
    result: NDArray[np.float32] = network(lowres, full).clamp(0, 1)[0].permute(1, 2, 0).cpu().numpy()
    return result


def colours(pairs: Sequence[Pair]) -> NDArray[np.float32]:
    """Return some colours ``[N, 3]`` in 0..1 of up to 256 pictures, the same ones every time."""
    random, found = np.random.default_rng(0), []
    for number in np.linspace(0, len(pairs) - 1, min(len(pairs), 256)).astype(int):
        pixels = pairs[int(number)].image.reshape(-1, 3)
        found.append(pixels[random.integers(0, len(pixels), 512)])
    return np.concatenate(found).astype(np.float32) / np.float32(255)


class ImitationRecipe:
    """`viewfinder.train.trainers.Recipe` of every `HDRNet`."""

    def __init__(self, network: HDRNet, data: tuple[Sequence[Pair], Sequence[Pair]], config: FitConfig) -> None:
        """Re-parametrise the network for training and keep the pairs: for training, and for validation."""
        self._network, (self._pairs, self._validation) = precondition(network), data
        self._sampling = Sampling(network.shape.lowres, config.pixels, config.smallest_crop, config.seed)
        self.module: nn.Module = Imitation(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def samples(self, length: int) -> PixelSamples:
        """Return `length` samples of random pixels."""
        return PixelSamples(self._pairs, self._sampling, length)

    def refresh(self, step: int) -> None:
        """Leave the network alone."""

    def score(self) -> list[float]:
        """Enhance every validation picture at full size; returns PSNR in dB."""
        self._network.eval()
        found = [psnr_db(enhance(self._network, pair.image), pair.target) for pair in self._validation]
        self._network.train()
        return found

    def weights(self) -> dict[str, Tensor]:
        """Fold the training parametrisation, drop knots of curves that do nothing, and return plain weights."""
        network = fold(self._network)
        if isinstance(network.guide, CurveGuide):
            knots.simplify(network.guide.cpu(), colours(self._pairs))
        state = network.state_dict()
        return {name: value.detach().cpu().contiguous() for name, value in state.items()}


def recipe(network: Any, pairs: Sequence[Pair], validation: Sequence[Pair], config: FitConfig) -> ImitationRecipe:
    """Train any `HDRNet` (one grid, one guide) to imitate the operator that made the pairs."""
    if not isinstance(network, HDRNet):
        raise UsageError(
            f"{type(network).__name__} is no HDRNet with one grid",
            "this trainer reads random pixels, which a network that looks at neighbours cannot give",
        )
    return ImitationRecipe(network, (pairs, validation), config)
