"""MobileNetV2 without its classifier, tapped where the branches of MODNet need it."""

from typing import NamedTuple

from torch import Tensor, nn

STAGES = (  # expansion, channels, blocks, stride of the first block
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM = 32
LAST = 1280
HALF_TAP, QUARTER_TAP = 1, 3
"""Indices in `features` of the last block at 1/2 and at 1/4 of the input's size."""


class Taps(NamedTuple):
    """Features at three scales: half N×c₁×H/2×W/2, quarter N×c₂×H/4×W/4, last N×c₅×H/32×W/32."""

    half: Tensor
    quarter: Tensor
    last: Tensor


class TapChannels(NamedTuple):
    """Channels at 1/2, 1/4, 1/8, 1/16 and 1/32; at width 1.0 these are 16, 24, 32, 96 and 1280.

    MODNet reads the features at 1/2, 1/4 and 1/32; the other two only give its semantic branch its widths.
    """

    half: int
    quarter: int
    eighth: int
    sixteenth: int
    last: int


class InvertedResidual(nn.Module):
    """Expand by a 1×1, filter by a depth-wise 3×3, project by a linear 1×1; added to the input where shapes allow."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels_in * expansion
        expand = [] if expansion == 1 else _conv(channels_in, hidden, 1)
        self.conv = nn.Sequential(
            *expand,
            *_conv(hidden, hidden, 3, stride=stride, groups=hidden),
            nn.Conv2d(hidden, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.residual = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×C'×H/stride×W/stride."""
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """The layers, in one list `features` whose names the released checkpoints share."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        channels = scaled(STEM, width)
        layers: list[nn.Module] = [nn.Sequential(*_conv(3, channels, 3, stride=2))]
        for expansion, base, blocks, stride in STAGES:
            for block in range(blocks):
                out = scaled(base, width)
                layers.append(InvertedResidual(channels, out, stride if block == 0 else 1, expansion))
                channels = out
        layers.append(nn.Sequential(*_conv(channels, tap_channels(width).last, 1)))
        self.features = nn.Sequential(*layers)


class Backbone(nn.Module):
    """An encoder for MODNet. forward: image N×3×H×W in [−1, 1], sides multiples of 32, to Taps."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.model = MobileNetV2(width)

    def forward(self, image: Tensor) -> Taps:
        """See the class."""
        features = self.model.features
        half: Tensor = features[: HALF_TAP + 1](image)
        quarter: Tensor = features[HALF_TAP + 1 : QUARTER_TAP + 1](half)
        return Taps(half, quarter, features[QUARTER_TAP + 1 :](quarter))


def tap_channels(width: float) -> TapChannels:
    """The channels of the five scales for a width multiplier; the last layer is never narrower than 1280."""
    half, quarter, eighth, sixteenth = (scaled(STAGES[stage][1], width) for stage in (0, 1, 2, 4))
    return TapChannels(half, quarter, eighth, sixteenth, scaled(LAST, max(1.0, width)))


def scaled(channels: int, width: float) -> int:
    """channels × width as a multiple of 8, never more than 10 % below it (MobileNetV2's rule)."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def _conv(channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU6(inplace=True),
    ]
