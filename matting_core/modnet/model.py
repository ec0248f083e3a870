"""MODNet as one class: as released (squeeze-excitation), as in the paper (e-ASPP), or slim, by a small config.

The branches below are the released ones; the others are in `slim.py`. Shapes at the default config, for
an image N×3×H×W:

| stage | module | result |
| --- | --- | --- |
| backbone | MobileNetV2 | N×16×H/2×W/2, N×24×H/4×W/4, N×1280×H/32×W/32 |
| context | `lr_branch.se_block` | N×1280×H/32×W/32 |
| semantic branch | 5×5 at 1/16 (96), 5×5 at 1/8 (32) | N×32×H/8×W/8 |
| semantic head (training) | 3×3 stride 2, sigmoid | N×1×H/16×W/16 |
| detail branch | 1/2 tap and image to 1/4 (32), with the 1/4 tap (64), with semantics and image (32) | N×32×H/4×W/4 |
| | back to 1/2, with the 1/2 tap | N×32×H/2×W/2 |
| detail head (training) | to full size, with the image, sigmoid | N×1×H×W |
| fusion branch | semantics to 1/2, with detail (32); to full size, with the image (16) | N×16×H×W |
| matte | 1×1, sigmoid | N×1×H×W |
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from matting_core.errors import UsageError
from matting_core.modnet.backbone import Backbone, TapChannels, Taps, tap_channels
from matting_core.modnet.blocks import ConvBlock, EfficientASPP, SqueezeExcite, resize
from matting_core.modnet.slim import SlimDetailBranch, SlimFusionBranch, SlimSemanticBranch
from matting_core.preprocess import MULTIPLE

CONTEXTS: dict[str, type[nn.Module]] = {"se": SqueezeExcite, "easpp": EfficientASPP}
IMAGE = 3
HEADS = ("lr_branch.conv_lr.", "hr_branch.conv_hr.")
"""The training heads' names; an ONNX file has none of them."""


@dataclass(frozen=True, slots=True)
class ModnetConfig:
    """What tells one MODNet from another; the defaults are the released network, with 6.487 M parameters.

    context: 'se' as released, 'easpp' as in the paper. detail_width: channels of the detail and fusion branches,
    even. backbone_width: MobileNetV2's width multiplier. branches: 'slim' for those of `slim.py`. Raises UsageError for
    a value that makes no network.
    """

    context: Literal["se", "easpp"] = "se"
    detail_width: int = 32
    backbone_width: float = 1.0
    branches: Literal["released", "slim"] = "released"

    def __post_init__(self) -> None:
        if self.context not in CONTEXTS:
            raise UsageError(f"There is no context module '{self.context}'.", f"Choose one of: {', '.join(CONTEXTS)}.")
        if self.branches not in BRANCHES:
            raise UsageError(f"There are no branches '{self.branches}'.", f"Choose one of: {', '.join(BRANCHES)}.")
        if not 2 <= self.detail_width <= 512 or self.detail_width % 2:
            raise UsageError(
                f"A detail width of {self.detail_width} makes no network.", "Choose an even number, 2–512."
            )
        if not 0.1 <= self.backbone_width <= 4:
            raise UsageError(f"A backbone width of {self.backbone_width} makes no network.", "Choose from 0.1 to 4.")


class Prediction(NamedTuple):
    """All values in [0, 1]: semantic N×1×H/16×W/16, detail N×1×H×W (of use in the boundary only), matte N×1×H×W."""

    semantic: Tensor
    detail: Tensor
    matte: Tensor


class SemanticBranch(nn.Module):
    """Low-resolution branch S: where the person is (paper, section 3.2). 1/32 features to 1/8 features."""

    def __init__(self, context: nn.Module, channels: TapChannels) -> None:
        super().__init__()
        # The released checkpoints call this place se_block, so both modules stand in it.
        self.se_block = context
        self.conv_lr16x = ConvBlock(channels.last, channels.sixteenth, 5)
        self.conv_lr8x = ConvBlock(channels.sixteenth, channels.eighth, 5)
        self.conv_lr = ConvBlock(channels.eighth, 1, 3, stride=2, head=True)

    def forward(self, last: Tensor) -> Tensor:
        """N×c₅×H/32×W/32 to N×c₃×H/8×W/8."""
        x = self.conv_lr16x(resize(self.se_block(last), 2))
        semantic: Tensor = self.conv_lr8x(resize(x, 2))
        return semantic

    def head(self, semantic: Tensor) -> Tensor:
        """The semantic map s_p, N×1×H/16×W/16 in [0, 1]; training only."""
        return torch.sigmoid(self.conv_lr(semantic))


class DetailBranch(nn.Module):
    """High-resolution branch D: the boundary's detail (paper, section 3.3)."""

    def __init__(self, width: int, channels: TapChannels) -> None:
        super().__init__()
        self.tohr_enc2x = ConvBlock(channels.half, width, 1)
        self.conv_enc2x = ConvBlock(width + IMAGE, width, 3, stride=2)
        self.tohr_enc4x = ConvBlock(channels.quarter, width, 1)
        self.conv_enc4x = ConvBlock(2 * width, 2 * width, 3)
        self.conv_hr4x = nn.Sequential(
            ConvBlock(2 * width + channels.eighth + IMAGE, 2 * width, 3),
            ConvBlock(2 * width, 2 * width, 3),
            ConvBlock(2 * width, width, 3),
        )
        self.conv_hr2x = nn.Sequential(
            ConvBlock(2 * width, 2 * width, 3),
            ConvBlock(2 * width, width, 3),
            ConvBlock(width, width, 3),
            ConvBlock(width, width, 3),
        )
        self.conv_hr = nn.Sequential(ConvBlock(width + IMAGE, width, 3), ConvBlock(width, 1, 1, head=True))

    def forward(self, image: Tensor, taps: Taps, semantic: Tensor) -> Tensor:
        """Image, taps and semantic features (1/8) to detail features N×width×H/2×W/2."""
        half = self.tohr_enc2x(taps.half)
        x = self.conv_enc2x(torch.cat((resize(image, 1 / 2), half), dim=1))
        x = self.conv_enc4x(torch.cat((x, self.tohr_enc4x(taps.quarter)), dim=1))
        x = self.conv_hr4x(torch.cat((x, resize(semantic, 2), resize(image, 1 / 4)), dim=1))
        detail: Tensor = self.conv_hr2x(torch.cat((resize(x, 2), half), dim=1))
        return detail

    def head(self, image: Tensor, detail: Tensor) -> Tensor:
        """The detail map d_p, N×1×H×W in [0, 1]; training only."""
        return torch.sigmoid(self.conv_hr(torch.cat((resize(detail, 2), image), dim=1)))


class FusionBranch(nn.Module):
    """Fusion branch F: semantics and detail to alpha (paper, section 3.4)."""

    def __init__(self, width: int, channels: TapChannels) -> None:
        super().__init__()
        self.conv_lr4x = ConvBlock(channels.eighth, width, 5)
        self.conv_f2x = ConvBlock(2 * width, width, 3)
        self.conv_f = nn.Sequential(ConvBlock(width + IMAGE, width // 2, 3), ConvBlock(width // 2, 1, 1, head=True))

    def forward(self, image: Tensor, semantic: Tensor, detail: Tensor) -> Tensor:
        """The matte α_p, N×1×H×W in [0, 1]."""
        x = resize(self.conv_lr4x(resize(semantic, 2)), 2)
        x = self.conv_f2x(torch.cat((x, detail), dim=1))
        return torch.sigmoid(self.conv_f(torch.cat((resize(x, 2), image), dim=1)))


BRANCHES: dict[str, tuple[type[Any], type[Any], type[Any]]] = {
    "released": (SemanticBranch, DetailBranch, FusionBranch),
    "slim": (SlimSemanticBranch, SlimDetailBranch, SlimFusionBranch),
}


class MODNet(nn.Module):
    """The network. Weights start random; `weights.load_network` brings released ones. State names as released."""

    def __init__(self, config: ModnetConfig | None = None) -> None:
        super().__init__()
        self.config = config or ModnetConfig()
        channels = tap_channels(self.config.backbone_width)
        semantic, detail, fusion = BRANCHES[self.config.branches]
        self.backbone = Backbone(self.config.backbone_width)
        self.lr_branch = semantic(CONTEXTS[self.config.context](channels.last), channels)
        self.hr_branch = detail(self.config.detail_width, channels)
        self.f_branch = fusion(self.config.detail_width, channels)
        self.apply(_initialise)

    def forward(self, image: Tensor, taps: Taps | None = None) -> Prediction:
        """All three predictions, for training. image: float N×3×H×W, RGB in [−1, 1], sides multiples of 32.

        taps: the backbone's of the image, where they are known. Raises ValueError for another shape.
        """
        semantic, detail = self._features(image, taps)
        return Prediction(
            self.lr_branch.head(semantic),
            self.hr_branch.head(image, detail),
            self.f_branch(image, semantic, detail),
        )

    def matte(self, image: Tensor, taps: Taps | None = None) -> Tensor:
        """The matte alone, N×1×H×W in [0, 1]: the training heads are not computed. Otherwise as `forward`."""
        return self.matte_and_semantics(image, taps)[0]

    def matte_and_semantics(self, image: Tensor, taps: Taps | None = None) -> tuple[Tensor, Tensor]:
        """The matte as `matte` gives it, and the semantic branch's features N×c₃×H/8×W/8 that it was read from."""
        semantic, detail = self._features(image, taps)
        return self.f_branch(image, semantic, detail), semantic

    def freeze_norms(self, backbone_only: bool = False) -> None:
        """Put every batch normalisation into inference mode, as SOC asks; call it after each `train()`."""
        for module in (self.backbone if backbone_only else self).modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()

    def _features(self, image: Tensor, taps: Taps | None = None) -> tuple[Tensor, Tensor]:
        if image.ndim != 4 or image.shape[1] != IMAGE or image.shape[2] % MULTIPLE or image.shape[3] % MULTIPLE:
            raise ValueError(f"MODNet takes N×3×H×W with sides multiples of {MULTIPLE}, not {tuple(image.shape)}.")
        taps = self.backbone(image) if taps is None else taps
        semantic: Tensor = self.lr_branch(taps.last)
        return semantic, self.hr_branch(image, taps, semantic)


def _initialise(module: nn.Module) -> None:
    """He initialisation of every convolution; PyTorch's own of the rest."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_uniform_(module.weight, mode="fan_in", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
