"""The kernel prediction network of Mildenhall et al., Burst Denoising with Kernel Prediction Networks, CVPR 2018.

Layers follow the released code (google/burst-denoising: kpn_arch.py, convolve_net2): three 3x3 convolutions a stage,
2x2 means down, bilinear up, no skip from full resolution, 5x5 kernels for each of eight frames at half resolution. The
released script stops at a quarter of the resolution (``levels`` 2), the paper's figure goes to a sixteenth (4).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from viewfinder.train.networks.kernels import KernelApplication

FRAMES = 8
WIDTHS = (64, 128, 256, 512, 512)
"""Channels of the stages at full, half, ..., a sixteenth of the resolution."""


class KPN(nn.Module):
    """``frames [B, 8, H, W]`` and the reference's ``deviation [B, 1, H, W]`` to one picture ``[B, 1, H, W]``.

    All in linear light where white is 1, not clipped; frame 0 is the reference. H and W are multiples of ``2^levels``.
    """

    def __init__(self, levels: int = 2, *, separable: bool = False, blind: bool = False) -> None:
        """Build the stages.

        Args:
            levels: how often the resolution is halved: 2 (released script) or 4 (paper).
            separable: kernels are a column times a row: 80 channels for 200.
            blind: no noise map; ``forward(frames)`` alone.
        """
        super().__init__()
        self.apply_kernels = KernelApplication(FRAMES, separable=separable)
        self.levels, self.blind = levels, blind
        inputs = (FRAMES if blind else FRAMES + 1, *WIDTHS[:levels])
        self.encoders = nn.ModuleList(stage(i, o) for i, o in zip(inputs, WIDTHS[: levels + 1], strict=True))
        self.decoders = nn.ModuleList(
            stage((WIDTHS[level + 1] if level + 1 == levels else _decoded(level + 1)) + WIDTHS[level], _decoded(level))
            for level in range(levels - 1, 1, -1)
        )
        below = WIDTHS[2] if levels == 2 else _decoded(2)
        channels = self.apply_kernels.channels
        self.head = stage(below + WIDTHS[1], channels)
        del self.head[-1]  # the last convolution is linear
        self._start_at_the_mean()

    def _start_at_the_mean(self) -> None:
        """Start as the mean of the frames: small kernels plus 1/8 on every centre tap.

        The released script starts at random, which takes some hundred thousand steps to leave.
        """
        last = self.head[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.normal_(last.weight, std=1e-4)
        nn.init.zeros_(last.bias)
        with torch.no_grad():
            for number, (first, end) in enumerate(self.apply_kernels.centres):
                last.bias[first:end] = 1.0 / FRAMES if number == 0 else 1.0

    def forward(self, frames: Tensor, *deviation: Tensor) -> Tensor:
        """Denoise the reference frame."""
        return self.combine(self.kernels(frames, *deviation), frames, *deviation)

    def kernels(self, frames: Tensor, *deviation: Tensor) -> Tensor:
        """Predict ``[B, 200, H/2, W/2]`` (80 if separable), tap-major (`KernelApplication`)."""
        features, kept = torch.cat([frames, *deviation], 1), []
        for level, encoder in enumerate(self.encoders):
            features = encoder(F.avg_pool2d(features, 2) if level else features)
            kept.append(features)
        for level, decoder in zip(range(self.levels - 1, 1, -1), self.decoders, strict=True):
            features = decoder(torch.cat([_enlarged(features), kept[level]], 1))
        predicted: Tensor = self.head(torch.cat([_enlarged(features), kept[1]], 1))
        return predicted

    def combine(self, kernels: Tensor, frames: Tensor, *deviation: Tensor) -> Tensor:  # noqa: ARG002 inputs of forward
        """Apply kernels to the frames and add them up."""
        result: Tensor = self.apply_kernels(kernels, frames)
        return result


def _decoded(level: int) -> int:
    """Channels of the decoder's stage at ``2^-level`` of the resolution."""
    return WIDTHS[level]


def _enlarged(features: Tensor) -> Tensor:
    """Enlarge bilinearly by 2."""
    return F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)


def stage(inputs: int, outputs: int) -> nn.Sequential:
    """Return three 3x3 convolutions, each with ReLU, from He's normal weights."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs, outputs):
        convolution = nn.Conv2d(channels, outputs, 3, padding=1)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        assert convolution.bias is not None
        nn.init.zeros_(convolution.bias)
        layers += [convolution, nn.ReLU()]
    return nn.Sequential(*layers)
