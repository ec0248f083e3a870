"""What a slim network sees with: its teacher's backbone and semantic branch, narrowed; in training they stay.

They know more pictures than anybody has to train on here. Only the two 5×5 convolutions of the semantic branch read
narrowed features. First they are parted so that little is lost of what each tap makes of its input (`give_sight`). What
the branch hands on then still misses some percent of the teacher's, and much of a slim network's flicker comes from
that. So they learn that one's features, as hints (`fit_sight`), which takes minutes: a batch's features, once known,
serve many steps.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from matting_core.errors import ModelError, UsageError
from matting_core.modnet.blocks import resize
from matting_core.modnet.model import MODNet
from matting_core.modnet.teacher import Teacher
from matting_core.modnet.train_config import OptimiserConfig
from matting_core.modnet.train_setup import learning_rate, make_optimiser

STEPS = 4
"""So many steps follow each new batch."""
BATCHES = 2
"""A step takes so many of the batches kept, at random."""
KEPT = 1024
"""The batches of so many samples are kept, in half precision: half a GB at 512×288."""
MEASURED = 8
"""So many batches, the first ones, are not learnt from but show what is missed. Of their photos other views are."""
LEAST_VARIANCE = 1e-3


class Missed(NamedTuple):
    """The mean square by which the semantic features miss the teacher's, as a share of each channel's variance.

    The mean over the channels and the batches held out.
    """

    before: float
    after: float


class _Hint(NamedTuple):
    """The backbone's last features, and what the teacher's semantic branch makes of them; in half precision."""

    last: Tensor
    semantic: Tensor


@torch.no_grad()
def give_sight(teacher: Teacher, pupil: MODNet, pictures: Sequence[Tensor]) -> None:
    """Copy backbone and semantic branch into `pupil`, a slim network; `hold_sight` keeps them.

    pictures: at least one, each N×3×H×W as `MODNet.forward` takes it, on the teacher's device. Either convolution
    that the pupil narrows is parted into two factors by the truncated singular value decomposition of W·C^½, C the
    features' second moments: of all such factors they change what the teacher's taps make of the pictures, each
    taken alone, the least in the mean square. Raises ModelError if the two have other backbones or contexts.
    """
    given, taken = teacher.network.lr_branch, pupil.lr_branch
    state = given.state_dict()
    for scale, moments in zip(("lr16x", "lr8x"), _moments(teacher.network, pictures), strict=True):
        weight = state[f"conv_{scale}.layers.0.weight"]
        few = getattr(taken, f"narrow_{scale}").out_channels
        state[f"narrow_{scale}.weight"], state[f"conv_{scale}.layers.0.weight"] = _parted(weight, moments, few)
    try:
        pupil.backbone.load_state_dict(teacher.network.backbone.state_dict())
        taken.load_state_dict(state)
    except RuntimeError as error:  # PyTorch's, of shapes
        raise ModelError(
            f"{teacher.name} has a different backbone or context from the network to train.",
            "Set network.backbone_width and network.context to its own.",
        ) from error


def fit_sight(teacher: Teacher, pupil: MODNet, images: Iterable[Tensor], count: int, rule: OptimiserConfig) -> Missed:
    """Let the semantic branch of `pupil`, which `give_sight` gave it, learn the teacher's features; in place.

    The hint of Romero et al., "FitNets", ICLR 2015, equation 3, each channel counted by its variance. images: batches
    as `MODNet.forward` takes them, on the teacher's device, all of one shape; MEASURED and then `count` are taken. The
    norms keep their statistics. Leaves the pupil in inference mode. On a processor the same images, with as many
    threads, give the same network.
    """
    batches = iter(images)
    pupil.eval().requires_grad_(False)
    branch = pupil.lr_branch
    for part in (branch.narrow_lr16x, branch.conv_lr16x, branch.narrow_lr8x, branch.conv_lr8x):
        part.requires_grad_(True)
    optimiser = make_optimiser(pupil, rule)
    held_out = [_hint(teacher, image) for image in islice(batches, MEASURED)]
    before = _mean_missed(pupil, held_out)
    kept: deque[_Hint] = deque()
    random = np.random.default_rng(0)
    for done, image in enumerate(islice(batches, count)):
        kept.append(_hint(teacher, image))
        if len(kept) * len(image) > KEPT:
            kept.popleft()
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(rule, done, count)
        for _ in range(STEPS):
            chosen = [kept[index] for index in random.integers(len(kept), size=BATCHES)]
            optimiser.zero_grad(set_to_none=True)
            _missed(pupil, _Hint(*map(torch.cat, zip(*chosen, strict=True)))).backward()
            if rule.gradient_clip:
                nn.utils.clip_grad_norm_(pupil.parameters(), rule.gradient_clip)
            optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    pupil.requires_grad_(True)
    return Missed(before, _mean_missed(pupil, held_out))


def check_sight(teacher: Teacher, pupil: MODNet) -> None:
    """Raise UsageError if `pupil` has its backbone from another teacher: it would learn what it cannot see."""
    given = teacher.network.backbone.state_dict()
    if any(not torch.equal(value, given[name]) for name, value in pupil.backbone.state_dict().items()):
        raise UsageError(f"The network did not get its sight from {teacher.name}.", "Set network.teacher to its own.")


def hold_sight(pupil: MODNet) -> None:
    """Keep what `give_sight` and `fit_sight` made from learning, its norms included; call it after each `train()`."""
    for module in (pupil.backbone, pupil.lr_branch):
        module.eval().requires_grad_(False)
    pupil.lr_branch.conv_lr.requires_grad_(True)  # the training head, which a released file lacks


def _hint(teacher: Teacher, image: Tensor) -> _Hint:
    last, semantic = teacher.hint(image)
    return _Hint(last.half(), semantic.half())


def _missed(pupil: MODNet, hint: _Hint) -> Tensor:
    expected, places = hint.semantic.float(), (0, 2, 3)
    error = (pupil.lr_branch(hint.last.float()) - expected).square().mean(places)
    return (error / expected.var(places).clamp(min=LEAST_VARIANCE)).mean()


@torch.no_grad()
def _mean_missed(pupil: MODNet, hints: Sequence[_Hint]) -> float:
    return float(torch.stack([_missed(pupil, hint) for hint in hints]).mean())


def _moments(network: MODNet, pictures: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """C of what the network's two 5×5 convolutions read, before it is enlarged, over all places."""
    branch, places = network.lr_branch, [0, 0]
    totals: list[Tensor | float] = [0.0, 0.0]
    for picture in pictures:
        last = branch.se_block(network.backbone(picture).last)
        for number, features in enumerate((last, branch.conv_lr16x(resize(last, 2)))):
            flat = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1]).double()
            totals[number] = flat.T @ flat + totals[number]
            places[number] += len(flat)
    first, second = (torch.as_tensor(total) / count for total, count in zip(totals, places, strict=True))
    return first, second


def _parted(weight: Tensor, moments: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """A 1×1 convolution to so many channels and one like `weight` of those, whose chain is nearest to `weight`."""
    outputs, inputs, kernel, _ = weight.shape
    rows = weight.double().permute(0, 2, 3, 1).reshape(-1, inputs)
    directions = torch.linalg.svd(rows @ _root(moments), full_matrices=False).U[:, :channels]
    narrow = directions.T @ rows
    scale = narrow.norm(dim=1, keepdim=True)
    factor = (directions * scale.T).reshape(outputs, kernel, kernel, -1).permute(0, 3, 1, 2)
    return (narrow / scale)[:, :, None, None].float(), factor.float()


def _root(moments: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(moments)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T
