"""The network in the form that a processor computes fastest in integers: the same mattes out of other sums.

Only `quantise` uses it; what is trained and exported keeps the paper's form. docs/speed.md has what each step won.

| of the released network | becomes |
| --- | --- |
| a convolution and its IBNorm | a convolution for either half of the channels |
| S: the 5×5 convolution over 1280 enlarged channels | 25 of 1×1 at 1/32, then enlarged and summed in their places |
| F: all that is done at full size | its four phases, as channels at 1/2 |

Each half of an IBNorm then has a range of its own, and one of the two never leaves the integers. The second is exact: a
1×1 convolution and an enlargement may change places. The third takes the statistics of each phase for those of the
whole, and sees zeros beyond the border instead of the enlarged edge: at 512 alpha moves by less than 4 × 10⁻⁵ on the
mean, nearly all of it within two pixels of the border, where it may be by a tenth.

| of the slim network | becomes |
| --- | --- |
| D: the 3×3 convolution over two maps at 1/4, the 1×1 over three at 1/2 | one for each and a sum |
| F: the 3×3 convolution over two maps at 1/2 | one for each and a sum |
| of these, what reads a map enlarged by 2 | a transposed convolution of the map before |
| F: what reads the semantics enlarged by 4 | a 3×3 convolution, a pixel shuffle, a transposed convolution |

All of that is exact.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from matting_core.modnet.backbone import Taps
from matting_core.modnet.blocks import ConvBlock, IBNorm, resize
from matting_core.modnet.model import IMAGE, FusionBranch, MODNet, SemanticBranch
from matting_core.modnet.slim import FOLD, SlimDetailBranch, SlimFusionBranch

PHASES = FOLD**2


def int8_form(model: MODNet) -> MODNet:
    """Rewrite a network whose batch norms are folded, in place; gives `model`. For inference only."""
    for name in ("lr_branch", "hr_branch", "f_branch"):
        branch = getattr(model, name)
        if type(branch) in _FORMS:
            setattr(model, name, _FORMS[type(branch)](branch))
    for block in [module for module in model.modules() if isinstance(module, ConvBlock)]:
        convolution, *rest = block.layers
        if rest:
            block.layers = nn.Sequential(_Halves(convolution, rest[0]), *rest[1:])
    return model


class _Halves(nn.Module):
    """A convolution and the IBNorm behind it, computed by halves of the channels."""

    def __init__(self, convolution: nn.Conv2d, norm: IBNorm) -> None:
        super().__init__()
        padding = convolution.padding[0]
        weight, bias = convolution.weight.detach(), convolution.bias.detach()
        self.first, self.second = (
            _convolution(weight[part], bias[part], convolution.stride, padding) for part in _halves(norm.split)
        )
        self.norm = norm.inorm

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.first(x), self.norm(self.second(x))), dim=1)


class _EnlargedTaps(nn.Module):
    """A ConvBlock of odd kernel k over the map enlarged by 2: k² 1×1 convolutions before that, summed after it."""

    def __init__(self, block: ConvBlock) -> None:
        super().__init__()
        convolution, self.norm, self.relu = block.layers
        weight = convolution.weight.detach()
        self.outputs, inputs, self.kernel, _ = weight.shape
        # In the order of a tap's column, its row and the output, so that each sum takes what lies together.
        taps = weight.permute(3, 2, 0, 1).reshape(-1, inputs, 1, 1)
        self.taps = _convolution(taps, None)
        self.bias = nn.Parameter(convolution.bias.detach().reshape(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """N×c×h×w to N×c'×2h×2w."""
        reach = self.kernel // 2
        x = functional.interpolate(self.taps(x), scale_factor=(1, 2), mode="bilinear")
        x = functional.pad(x, (reach, reach, 0, 0))
        column = self.kernel * self.outputs
        x = sum(x[:, t * column : (t + 1) * column, :, _shifted(t, reach)] for t in range(self.kernel))  # type: ignore[assignment]
        x = functional.interpolate(x, scale_factor=(2, 1), mode="bilinear")
        x = functional.pad(x, (0, 0, reach, reach))
        rows = (x[:, t * self.outputs : (t + 1) * self.outputs, _shifted(t, reach)] for t in range(self.kernel))
        y: Tensor = self.relu(self.norm(sum(rows) + self.bias))
        return y


def _shifted(tap: int, reach: int) -> slice:
    """What a tap sees of an axis padded by `reach`. Its end counts from behind, so that no graph holds a size."""
    return slice(tap, tap - 2 * reach or None)


class _Semantic(nn.Module):
    """SemanticBranch without its largest convolution at 1/16."""

    def __init__(self, branch: SemanticBranch) -> None:
        super().__init__()
        self.se_block = branch.se_block
        self.conv_lr16x = _EnlargedTaps(branch.conv_lr16x)
        self.conv_lr8x = branch.conv_lr8x

    def forward(self, last: Tensor) -> Tensor:
        semantic: Tensor = self.conv_lr8x(resize(self.conv_lr16x(self.se_block(last)), 2))
        return semantic


class _Fusion(nn.Module):
    """FusionBranch with nothing computed at full size: each of its pixels is one of PHASES of a pixel at 1/2."""

    def __init__(self, branch: FusionBranch) -> None:
        super().__init__()
        self.conv_lr4x, self.conv_f2x = branch.conv_lr4x, branch.conv_f2x
        block, head = branch.conv_f
        convolution, norm, self.relu = block.layers
        last = head.layers[0]
        self.fold = _fold()
        weight, bias = _in_phases(convolution.weight.detach()), convolution.bias.detach().repeat_interleave(PHASES)
        out = torch.kron(last.weight.detach()[:, :, 0, 0], torch.eye(PHASES))[:, :, None, None]
        split = norm.split * PHASES
        self.first, self.second = (_convolution(weight[part], bias[part], padding=1) for part in _halves(split))
        self.norm = nn.InstanceNorm2d(len(weight) - split)
        self.out_first = _convolution(out[:, :split], last.bias.detach().repeat(PHASES))
        self.out_second = _convolution(out[:, split:], None)

    def forward(self, image: Tensor, semantic: Tensor, detail: Tensor) -> Tensor:
        x = resize(self.conv_lr4x(resize(semantic, 2)), 2)
        x = self.conv_f2x(torch.cat((x, detail), dim=1))
        x = torch.cat((x, self.fold(image)), dim=1)
        first, second = self.relu(self.first(x)), self.relu(self.norm(self.second(x)))
        return torch.sigmoid(functional.pixel_shuffle(self.out_first(first) + self.out_second(second), FOLD))


class _SlimDetail(nn.Module):
    """SlimDetailBranch whose maps never lie side by side."""

    def __init__(self, branch: SlimDetailBranch) -> None:
        super().__init__()
        self.tohr_enc2x, self.tohr_enc4x = branch.tohr_enc2x, branch.tohr_enc4x
        (join, _, self.relu), *rest = branch.conv_hr4x
        self.conv_hr4x = nn.Sequential(*rest)
        near, semantic = _split(join.weight.detach(), self.tohr_enc4x[0].out_channels)
        self.join_enc4x = _convolution(near, join.bias.detach(), padding=1)
        self.join_semantic = _enlarging(semantic)
        (join, _, _), self.conv_hr2x = branch.conv_hr2x
        detail, rest_weight = _split(join.weight.detach(), len(join.weight))
        half, image = _split(rest_weight, self.tohr_enc2x[0].out_channels)
        self.join_hr4x = _enlarging(detail)
        self.join_enc2x = _convolution(half, join.bias.detach())
        folded = torch.einsum("of,fcyx->ocyx", image[:, :, 0, 0], branch.fold.weight.detach())
        self.join_image = _convolution(folded, None, FOLD)

    def forward(self, image: Tensor, taps: Taps, semantic: Tensor) -> Tensor:
        x = self.join_enc4x(self.tohr_enc4x(taps.quarter)) + self.join_semantic(_edged(semantic))
        x = self.join_hr4x(_edged(self.conv_hr4x(self.relu(x))))
        x = x + self.join_enc2x(self.tohr_enc2x(taps.half)) + self.join_image(image)
        detail: Tensor = self.conv_hr2x(self.relu(x))
        return detail


class _SlimFusion(nn.Module):
    """SlimFusionBranch whose semantics grow twice by convolutions, the second of which joins them with the detail."""

    def __init__(self, branch: SlimFusionBranch) -> None:
        super().__init__()
        self.conv_lr8x, self.conv_f = branch.conv_lr8x, branch.conv_f
        join, _, self.relu = branch.conv_f2x
        near, semantic = _split(join.weight.detach(), join.out_channels)
        self.join_detail = _convolution(near, join.bias.detach(), padding=1)
        channels = torch.eye(semantic.shape[1])
        rows = _bilinear(FOLD * FOLD)
        weight = torch.einsum("oc,py,qx->pqocyx", channels, rows, rows)
        # A phase of the enlargement is a coarse one, for the pixel shuffle, and a fine one, for `_unfolding`.
        weight = weight.reshape(FOLD, FOLD, FOLD, FOLD, *weight.shape[2:]).permute(1, 3, 4, 0, 2, 5, 6, 7)
        self.enlarge = _convolution(weight.reshape(-1, len(channels), 3, 3), None)
        self.join_semantic = _unfolding(semantic)

    def forward(self, image: Tensor, semantic: Tensor, detail: Tensor) -> Tensor:
        del image
        x = functional.pixel_shuffle(self.enlarge(_edged(self.conv_lr8x(semantic))), FOLD)
        x = self.relu(self.join_detail(detail) + self.join_semantic(_edged(x)))
        return torch.sigmoid(functional.pixel_shuffle(self.conv_f(x), FOLD))


_FORMS = {
    SemanticBranch: _Semantic,
    FusionBranch: _Fusion,
    SlimDetailBranch: _SlimDetail,
    SlimFusionBranch: _SlimFusion,
}


def _bilinear(factor: int) -> Tensor:
    """factor×3: what each new pixel takes of the old one before, of its own and of the one after (`blocks.resize`)."""
    at = (torch.arange(factor) + 0.5) / factor - 0.5
    return torch.stack(((-at).clamp(min=0), 1 - at.abs(), at.clamp(min=0)), dim=1)


def _enlarging(weight: Tensor) -> nn.ConvTranspose2d:
    """A convolution behind a bilinear enlargement by FOLD, as one transposed convolution of what `_edged` gives.

    weight: c'×c×k×k, k odd, of a convolution that sees the enlarged edge go on beyond the border.
    """
    kernel = weight.shape[2]
    rise = torch.tensor([0.25, 0.75, 0.75, 0.25])
    taps = torch.stack([functional.pad(rise, (kernel - 1 - tap, tap)) for tap in range(kernel)])
    return _transposed(torch.einsum("ockl,ky,lx->coyx", weight, taps, taps), FOLD + (FOLD + kernel - 1) // 2)


def _unfolding(weight: Tensor) -> nn.ConvTranspose2d:
    """A 3×3 convolution behind an unfolding of FOLD² phases, the first index of the channels, likewise as one."""
    # The new pixel 2c + s takes by its tap k the phase p = s + k − 1 of the pixel c.
    taps = torch.zeros(FOLD, 3, 4)
    for phase in range(FOLD):
        for tap in range(3):
            taps[phase, tap, phase - tap + 2] = 1
    weight = torch.einsum("ockl,pky,qlx->pqcoyx", weight, taps, taps)
    return _transposed(weight.reshape(-1, *weight.shape[3:]), FOLD + 1)


def _transposed(weight: Tensor, padding: int) -> nn.ConvTranspose2d:
    inputs, outputs, kernel, _ = weight.shape
    convolution = nn.ConvTranspose2d(inputs, outputs, kernel, FOLD, padding, bias=False)
    convolution.weight = nn.Parameter(weight.clone())
    return convolution


def _edged(x: Tensor) -> Tensor:
    return functional.pad(x, (1, 1, 1, 1), mode="replicate")


def _in_phases(weight: Tensor) -> Tensor:
    """A 3×3 convolution of features enlarged by FOLD, and of the image, as one at the features' own size.

    weight: c'×(c + 3)×3×3, the image last. The result: 4c'×(c + 12)×3×3, phases innermost, as `_fold` and pixel_shuffle
    have them; zeros lie beyond the features' border, not the enlarged edge.
    """
    enlarged = torch.zeros(FOLD, 3, 3)  # phase of the result, pixel at 1/2 that is taken, tap of the old kernel
    image = torch.zeros(FOLD, 3, FOLD, 3)  # the same with the phase of the pixel that is taken
    rows = _bilinear(FOLD)
    for phase in range(FOLD):
        for tap in range(3):
            pixel, seen = divmod(phase + tap - 1, FOLD)
            for share, value in enumerate(rows[seen]):
                if value:
                    enlarged[phase, pixel + share, tap] += value
            image[phase, pixel + 1, seen, tap] = 1
    features = weight.shape[1] - IMAGE
    of_features = torch.einsum("pyk,qxl,ockl->opqcyx", enlarged, enlarged, weight[:, :features])
    of_image = torch.einsum("pyuk,qxvl,ockl->opqcuvyx", image, image, weight[:, features:])
    outputs = len(weight) * PHASES
    return torch.cat(
        (of_features.reshape(outputs, features, 3, 3), of_image.reshape(outputs, IMAGE * PHASES, 3, 3)), dim=1
    )


def _fold() -> nn.Conv2d:
    """The image as PHASES channels of each colour at 1/2. A convolution: a reshape would put a size into the graph."""
    return _convolution(torch.eye(IMAGE * PHASES).reshape(-1, IMAGE, FOLD, FOLD), None, FOLD)


def _split(weight: Tensor, inputs: int) -> tuple[Tensor, Tensor]:
    """What a convolution takes of its first channels, and of the others."""
    return weight[:, :inputs], weight[:, inputs:]


def _halves(split: int) -> tuple[slice, slice]:
    return slice(None, split), slice(split, None)


def _convolution(weight: Tensor, bias: Tensor | None, stride: int | tuple[int, ...] = 1, padding: int = 0) -> nn.Conv2d:
    """A convolution of these weights, which are copied."""
    outputs, inputs, kernel, _ = weight.shape
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias is not None)
    convolution.weight = nn.Parameter(weight.clone())
    if bias is not None:
        convolution.bias = nn.Parameter(bias.clone())
    return convolution
