"""How burst denoisers are trained, on bursts synthesised from photographs: kpn-lite, and the paper's network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from viewfinder.errors import UsageError
from viewfinder.train.burst_samples import BurstSample, BurstSamples, floats, validation_bursts
from viewfinder.train.camera import tone
from viewfinder.train.config import FitConfig
from viewfinder.train.networks.kpn import FRAMES, KPN
from viewfinder.train.networks.kpn_lite import KPNLite
from viewfinder.train.networks.phases import shown
from viewfinder.train.networks.revival import revive
from viewfinder.train.pairs import Pair

BORDER = 8
"""Pixels at the edges that PSNR leaves out, as Mildenhall et al. 2018 do."""

LITE_BORDER = 4
"""The same in the loss of kpn-lite, whose crops are small."""

NEGATIVE_SLOPE = 0.1
"""Share with which values below black count in the loss of kpn-lite: they are clipped in use."""

LOSS_FLOOR = 1e-6
"""Squared error (60 dB) below which a burst stops pulling on the weights of kpn-lite."""

ANNEALING, DECADE_STEPS, SHORT_RUN = 100.0, 11_513, 50
"""The paper's per-frame loss: 100 * 0.9998^step, ten times less every 11,513 steps; in a short run every 50th of it,
because aligned frames need no loss of their own to be used."""

VALIDATION_PHOTOS = 24


class LiteTraining(nn.Module):
    """`KPNLite` with its loss: the logarithm of every burst's squared error after sRGB's curve, as PSNR is.

    Bursts of all gains weigh the same; by absolute differences, the noisiest would decide alone.
    """

    def __init__(self, network: KPNLite) -> None:
        """Train `network`."""
        super().__init__()
        self.network = network

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the loss and the mean squared error (after the curve, clipped) of a batch of `BurstSamples`.

        Under bf16 only the layers are reduced: kernels are applied to light of full precision.
        """
        batch = floats(batch)
        predicted = self.network.kernels(batch["frames"], batch["merged"], batch["noise"])
        with torch.autocast(predicted.device.type, enabled=False):
            made = _inner(self.network.encoded(predicted.float(), batch["merged"]), LITE_BORDER)
            truth = _inner(shown(batch["truth"]), LITE_BORDER)
            error = torch.where(made < 0, NEGATIVE_SLOPE * made, made) - truth
            loss = (error.square().mean((1, 2, 3)) + LOSS_FLOOR).log().mean()
            return loss, (made.detach().clamp(0, 1) - truth).square().mean()


class PaperTraining(nn.Module):
    """`KPN` with the paper's loss: squared error and gradients after the curve, plus every frame's, annealed."""

    def __init__(self, network: KPN, config: FitConfig) -> None:
        """Train `network` for as long as `config` says."""
        super().__init__()
        self.network, self._batch = network, config.batch
        self._decade = min(DECADE_STEPS, config.steps / SHORT_RUN)

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the loss and the mean squared error (after the curve, clipped) of a batch of `BurstSamples`."""
        batch = floats(batch)
        frames = batch["frames"]
        known = () if self.network.blind else (batch["deviation"],)
        predicted = self.network.kernels(frames, *known)
        with torch.autocast(predicted.device.type, enabled=False):
            each = self.network.apply_kernels.each(predicted.float(), frames)
            made, truth = _inner(shown(each.sum(1, keepdim=True)), BORDER), _inner(shown(batch["truth"]), BORDER)
            alone = _inner(shown(each * FRAMES), BORDER)
            share = ANNEALING * 10 ** (-float(batch["index"].min()) / self._batch / self._decade)
            loss = basic_loss(made, truth) + share * FRAMES * basic_loss(alone, truth)
            return loss, (made.detach().clamp(0, 1) - truth).square().mean()


def basic_loss(made: Tensor, truth: Tensor) -> Tensor:
    """Return the mean squared difference plus the mean absolute difference of gradients (halved neighbour steps)."""
    difference = made - truth
    down = 0.5 * (difference[:, :, 1:, :-1] - difference[:, :, :-1, :-1])
    right = 0.5 * (difference[:, :, :-1, 1:] - difference[:, :, :-1, :-1])
    return difference.square().mean() + 0.5 * (down.abs().mean() + right.abs().mean())


def _inner(image: Tensor, border: int) -> Tensor:
    """Leave out the border."""
    return image[:, :, border:-border, border:-border]


@torch.no_grad()
def denoise(network: KPN | KPNLite, burst: BurstSample) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Denoise one aligned burst; returns linear light ``[H, W]``."""
    device = next(network.parameters()).device
    given = {name: value[None].to(device) for name, value in burst.tensors().items()}
    if isinstance(network, KPNLite):
        made = network(given["frames"], given["merged"], given["noise"])
    else:
        made = network(given["frames"], *(() if network.blind else (given["deviation"],)))
    result: np.ndarray[Any, np.dtype[np.float32]] = made[0, 0].cpu().numpy()
    return result


def _inputs(burst: BurstSample) -> tuple[Tensor, Tensor, Tensor]:
    """Return what `KPNLite` reads of a burst."""
    given = burst.tensors()
    return given["frames"][None], given["merged"][None], given["noise"][None]


def psnr(made: np.ndarray[Any, Any], truth: np.ndarray[Any, Any]) -> float:
    """Return the PSNR in dB of linear pictures after sRGB's curve, clipped to 0..1, without `BORDER` pixels."""
    error = (tone.srgb_curve(made) - tone.srgb_curve(truth))[BORDER:-BORDER, BORDER:-BORDER]
    return float(-10 * np.log10(max(float(np.mean(error.astype(np.float64) ** 2)), 1e-12)))


class BurstRecipe:
    """`viewfinder.train.trainers.Recipe` of `KPN` and `KPNLite`."""

    def __init__(self, network: KPN | KPNLite, data: tuple[Sequence[Pair], Sequence[Pair]], config: FitConfig) -> None:
        """Keep the photographs, and bursts of those for validation."""
        self._network, self._pairs, self._config = network, data[0], config
        self._validation = validation_bursts(data[1], VALIDATION_PHOTOS)
        if isinstance(network, KPNLite):
            revive(network, [_inputs(burst) for burst in self._validation], config.seed)
        training: nn.Module = LiteTraining(network) if isinstance(network, KPNLite) else PaperTraining(network, config)
        self.module: nn.Module = training.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def samples(self, length: int) -> BurstSamples:
        """Return `length` aligned bursts of ``crop`` pixels a side, rounded to 16."""
        side = max(1, round(self._config.crop / 16)) * 16
        return BurstSamples(self._pairs, side, self._config.seed, length)

    def refresh(self, step: int) -> None:
        """Leave the network alone."""

    def score(self) -> list[float]:
        """Denoise one burst per gain and validation photograph; returns PSNR in dB."""
        self._network.eval()
        found = [psnr(denoise(self._network, burst), burst.truth) for burst in self._validation]
        self._network.train()
        return found

    def weights(self) -> dict[str, Tensor]:
        """Return the network's weights."""
        return {name: value.detach().cpu().contiguous() for name, value in self._network.state_dict().items()}


def recipe(network: Any, pairs: Sequence[Pair], validation: Sequence[Pair], config: FitConfig) -> BurstRecipe:
    """Train a `KPN` or a `KPNLite` on bursts cut out of photographs (``Pair.image``; targets are not read)."""
    if not isinstance(network, KPN | KPNLite):
        raise UsageError(
            f"{type(network).__name__} is neither KPN nor KPNLite",
            "this trainer feeds bursts as those networks read them",
        )
    return BurstRecipe(network, (pairs, validation), config)
