"""The slim branches: the released MODNet with far less work. `ModnetConfig(branches="slim")` chooses them.

What differs from the released branches, and why:

- the semantic branch narrows the features before its 5×5 convolutions, the first of which was half of all work; the
  backbone and the context before it are the released network's, and it learns that one's features, so that a slim
  network sees what that one sees (`sight.py`);
- detail and fusion have batch normalisation only: it folds into the convolutions, so that nothing but integers is left
  to compute;
- nothing is computed at full size: the image comes in as 12 channels at 1/2, each a sum over 2×2 pixels, and the matte
  goes out as four channels at 1/2 that are unfolded, as in sub-pixel convolution (Shi et al., CVPR 2016).

Shapes for an image N×3×H×W, width w, backbone width 1:

| stage | result |
| --- | --- |
| backbone | N×16×H/2×W/2, N×24×H/4×W/4, N×1280×H/32×W/32 |
| semantic: context, 1×1 to 64; 5×5 at 1/16 (96); 1×1 to 48; 5×5 at 1/8 (32) | N×32×H/8×W/8 |
| semantic head (training) | N×1×H/16×W/16 |
| detail: 1/4 tap and semantics (2w, 2w, w); to 1/2 with the 1/2 tap and the folded image (w, w) | N×w×H/2×W/2 |
| detail head (training) | N×1×H×W |
| fusion: semantics to 1/2 (4) with detail (w); 1×1 to 4, unfolded | N×1×H×W |
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from matting_core.modnet.backbone import TapChannels, Taps
from matting_core.modnet.blocks import ConvBlock, resize

IMAGE = 3
FOLD = 2
FOLDED_IMAGE = IMAGE * FOLD**2
NARROW_16X, NARROW_8X = 64, 48
"""Channels that the 5×5 convolutions read instead of 1280 and 96: of what their taps make of 120 samples, each taken
alone, 3.9 and 1.9 % of the mean square are lost, before the narrowed ones learn (`sight.py`)."""


class SlimSemanticBranch(nn.Module):
    """Low-resolution branch S whose convolutions read narrowed features. 1/32 features to 1/8 features.

    It begins with the released branch's weights under their names, but each convolution is parted into two factors,
    `narrow…` and its own; these, and the norms' factors, then learn.
    """

    def __init__(self, context: nn.Module, channels: TapChannels) -> None:
        super().__init__()
        self.se_block = context
        few_16x, few_8x = min(channels.last, NARROW_16X), min(channels.sixteenth, NARROW_8X)
        self.narrow_lr16x = nn.Conv2d(channels.last, few_16x, 1, bias=False)
        self.conv_lr16x = ConvBlock(few_16x, channels.sixteenth, 5)
        self.narrow_lr8x = nn.Conv2d(channels.sixteenth, few_8x, 1, bias=False)
        self.conv_lr8x = ConvBlock(few_8x, channels.eighth, 5)
        self.conv_lr = ConvBlock(channels.eighth, 1, 3, stride=2, head=True)

    def forward(self, last: Tensor) -> Tensor:
        """N×c₅×H/32×W/32 to N×c₃×H/8×W/8."""
        x = self.conv_lr16x(resize(self.narrow_lr16x(self.se_block(last)), 2))
        semantic: Tensor = self.conv_lr8x(resize(self.narrow_lr8x(x), 2))
        return semantic

    def head(self, semantic: Tensor) -> Tensor:
        """The semantic map s_p, N×1×H/16×W/16 in [0, 1]; training only."""
        return self.conv_lr(semantic).sigmoid()


class SlimDetailBranch(nn.Module):
    """High-resolution branch D, at 1/4 and 1/2."""

    def __init__(self, width: int, channels: TapChannels) -> None:
        super().__init__()
        self.tohr_enc2x = _normed(channels.half, width, 1)
        self.tohr_enc4x = _normed(channels.quarter, width, 1)
        self.fold = nn.Conv2d(IMAGE, FOLDED_IMAGE, FOLD, stride=FOLD, bias=False)
        self.conv_hr4x = nn.Sequential(
            _normed(width + channels.eighth, 2 * width, 3, padding=0),
            _normed(2 * width, 2 * width, 3),
            _normed(2 * width, width, 3),
        )
        self.conv_hr2x = nn.Sequential(
            _normed(2 * width + FOLDED_IMAGE, width, 1),
            _normed(width, width, 3),
        )
        self.conv_hr = nn.Conv2d(width, FOLD**2, 1)

    def forward(self, image: Tensor, taps: Taps, semantic: Tensor) -> Tensor:
        """Image, taps and semantic features (1/8) to detail features N×width×H/2×W/2."""
        x = self.conv_hr4x(_joined(self.tohr_enc4x(taps.quarter), resize(semantic, 2)))
        half = (resize(x, 2), self.tohr_enc2x(taps.half), self.fold(image))
        detail: Tensor = self.conv_hr2x(torch.cat(half, dim=1))
        return detail

    def head(self, image: Tensor, detail: Tensor) -> Tensor:
        """The detail map d_p, N×1×H×W in [0, 1]; training only. The image is in the features already."""
        del image
        return _unfolded(self.conv_hr(detail))


class SlimFusionBranch(nn.Module):
    """Fusion branch F: semantics and detail to alpha, at 1/2."""

    def __init__(self, width: int, channels: TapChannels) -> None:
        super().__init__()
        self.conv_lr8x = _normed(channels.eighth, FOLD**2, 1)
        self.conv_f2x = _normed(width + FOLD**2, width, 3, padding=0)
        self.conv_f = nn.Conv2d(width, FOLD**2, 1)

    def forward(self, image: Tensor, semantic: Tensor, detail: Tensor) -> Tensor:
        """The matte α_p, N×1×H×W in [0, 1]."""
        del image
        x = _joined(detail, resize(self.conv_lr8x(semantic), 4))
        return _unfolded(self.conv_f(self.conv_f2x(x)))


def _joined(near: Tensor, enlarged: Tensor) -> Tensor:
    """Both maps for a 3×3 convolution: around `near` lies a border of zeros, beyond `enlarged` its edge goes on.

    Then the enlargement and the convolution can be one (`int8_form.py`).
    """
    border = (1, 1, 1, 1)
    return torch.cat((functional.pad(near, border), functional.pad(enlarged, border, mode="replicate")), dim=1)


def _unfolded(logits: Tensor) -> Tensor:
    """N×4×H/2×W/2 to N×1×H×W in [0, 1]."""
    return torch.sigmoid(functional.pixel_shuffle(logits, FOLD))


def _normed(channels_in: int, channels_out: int, kernel: int, padding: int | None = None) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2 if padding is None else padding, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )
