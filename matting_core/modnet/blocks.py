"""The building blocks of MODNet's branches: IBNorm, the convolution block, and the two context modules."""

import functools
import operator

import torch
from torch import Tensor, nn
from torch.nn import functional

REDUCTION = 4
RATES = (1, 2, 4, 8)
"""Atrous rates of e-ASPP. The paper does not give them; on a 1/32 map of 16×9 larger ones would see padding only."""


class IBNorm(nn.Module):
    """Batch normalisation (affine) of the first half of the channels, instance normalisation (plain) of the rest.

    The instance half keeps no running statistics: it is computed per picture, at inference too. N×C×H×W to the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.split = channels // 2
        self.bnorm = nn.BatchNorm2d(self.split)
        self.inorm = nn.InstanceNorm2d(channels - self.split, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return torch.cat((self.bnorm(x[:, : self.split]), self.inorm(x[:, self.split :])), dim=1)


class ConvBlock(nn.Module):
    """Convolution with bias, IBNorm, ReLU; size kept at stride 1. `head=True` leaves the convolution alone."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, *, stride: int = 1, head: bool = False
    ) -> None:
        super().__init__()
        convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2)
        rest = [] if head else [IBNorm(channels_out), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(convolution, *rest)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×C'×H/stride×W/stride."""
        y: Tensor = self.layers(x)
        return y


class SqueezeExcite(nn.Module):
    """Each channel is weighed by a gate in (0, 1) computed from all channels' means: the released network's context."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // REDUCTION
        self.fc = nn.Sequential(
            nn.Linear(channels, hidden, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """N×C×h×w to the same."""
        gate: Tensor = self.fc(x.mean(dim=(2, 3)))
        return x * gate[:, :, None, None]


class EfficientASPP(nn.Module):
    """e-ASPP (paper, section "Efficient ASPP"): multi-scale context at about a hundredth of ASPP's cost.

    | step | shape |
    | --- | --- |
    | channels reduced by 4, 1×1 | N×C/4×h×w |
    | depth-wise 3×3 at each of RATES | 4 × N×C/4×h×w |
    | inter-channel fusion, one 1×1 shared by the scales | 4 × N×C/4×h×w |
    | multi-scale fusion inside each channel: a weighted sum | N×C/4×h×w |
    | channels recovered, 1×1 | N×C×h×w |

    Batch normalisation only: an instance norm here would erase what the picture as a whole says.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // REDUCTION
        self.reduce = _normed(nn.Conv2d(channels, hidden, 1, bias=False))
        self.atrous = nn.ModuleList(
            _normed(nn.Conv2d(hidden, hidden, 3, padding=rate, dilation=rate, groups=hidden, bias=False))
            for rate in RATES
        )
        self.across_channels = nn.Conv2d(hidden, hidden, 1, bias=False)
        self.across_scales = nn.Parameter(torch.full((len(RATES), hidden, 1, 1), 1 / len(RATES)))
        self.fused = nn.Sequential(nn.BatchNorm2d(hidden), nn.ReLU(inplace=True))
        self.recover = _normed(nn.Conv2d(hidden, channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """N×C×h×w to the same."""
        x = self.reduce(x)
        scales = [self.across_channels(atrous(x)) for atrous in self.atrous]
        weighted = [weight * scale for weight, scale in zip(self.across_scales, scales, strict=True)]
        total = functools.reduce(operator.add, weighted)
        recovered: Tensor = self.recover(self.fused(total))
        return recovered


def _normed(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU(inplace=True))


def resize(x: Tensor, factor: float) -> Tensor:
    """Bilinear, corners not aligned, no anti-aliasing: N×C×H×W to N×C×H·factor×W·factor."""
    return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
