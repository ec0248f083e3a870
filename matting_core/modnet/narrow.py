"""The released semantic branch with less work: what a network has that sees with its teacher's eyes (`teacher.py`).

`ModnetConfig(branches="narrow")` joins it with the slim detail and fusion branches.
"""

from torch import Tensor, nn

from matting_core.modnet.backbone import TapChannels
from matting_core.modnet.blocks import ConvBlock, resize

NARROW = 128
"""Channels that the 5×5 convolution reads instead of 1280: of what its taps make of 81 portraits, each taken alone,
1.2 % of the mean square is lost."""


class NarrowSemanticBranch(nn.Module):
    """Low-resolution branch S whose 1280 channels are narrowed first. 1/32 features to 1/8 features.

    The weights are the released branch's under its names, but for those of `narrow` and `conv_lr16x`, its factors.
    """

    def __init__(self, context: nn.Module, channels: TapChannels) -> None:
        super().__init__()
        self.se_block = context
        self.narrow = nn.Conv2d(channels.last, NARROW, 1, bias=False)
        self.conv_lr16x = ConvBlock(NARROW, channels.sixteenth, 5)
        self.conv_lr8x = ConvBlock(channels.sixteenth, channels.eighth, 5)
        self.conv_lr = ConvBlock(channels.eighth, 1, 3, stride=2, head=True)

    def forward(self, last: Tensor) -> Tensor:
        """N×c₅×H/32×W/32 to N×c₃×H/8×W/8."""
        x = self.conv_lr16x(resize(self.narrow(self.se_block(last)), 2))
        semantic: Tensor = self.conv_lr8x(resize(x, 2))
        return semantic

    def head(self, semantic: Tensor) -> Tensor:
        """The semantic map s_p, N×1×H/16×W/16 in [0, 1]; training only."""
        return self.conv_lr(semantic).sigmoid()
