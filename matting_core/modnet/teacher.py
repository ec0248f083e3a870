"""The teacher of a slim network: the released one, whose eyes it is given and whose mattes it learns.

A slim network has its teacher's backbone and semantic branch, and they stay as they are: they know more pictures than
anybody has to train on here. What is learnt is to read the teacher's matte out of the same features with far less
work. The matte is the teacher's of the very sample, faults of the webcam included; a true matte would ask for what
these features do not hold, and then the detail branch learns to mistrust them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from matting_core.errors import ModelError, UsageError
from matting_core.modnet.backbone import Taps
from matting_core.modnet.blocks import resize
from matting_core.modnet.losses import dilate, odd_side
from matting_core.modnet.model import MODNet
from matting_core.modnet.teacher_openvino import CompiledTeacher
from matting_core.modnet.weights import load_network

BAND_SHARE = 0.04
"""The band around the teacher's edge has this share of the mean side, half on either side."""
MIXED = 0.05
"""A place is in the band if mattes around it differ by more than this."""


class Lesson(NamedTuple):
    """Of a batch: the backbone's features, the matte α (N×1×H×W in [0, 1]), its trimap of 0, 0.5 and 1."""

    taps: Taps
    matte: Tensor
    trimap: Tensor


class Teacher:
    """A released network on `device`, which does not learn.

    precision: of a processor's arithmetic in lessons, as of OpenVinoEngine; elsewhere autocast's counts. Raises
    ModelError as `load_network` does, and for a network with other branches.
    """

    def __init__(self, path: Path, device: torch.device, precision: str = "f32") -> None:
        self._name = path.name
        model = load_network(path).model.requires_grad_(False)
        if model.config.branches != "released":
            raise ModelError(f"{path.name} has {model.config.branches} branches.", "Choose a released MODNet.")
        self._model = model.to(device, memory_format=torch.channels_last)
        self._seen = CompiledTeacher(self._model, precision) if device.type == "cpu" else self._seen_by_torch

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Lesson:
        """image: as `MODNet.forward` takes it. The answer is float32."""
        taps, matte = self._seen(image)
        return Lesson(taps, matte, _trimap(matte))

    @torch.no_grad()
    def give_sight(self, pupil: MODNet, pictures: Sequence[Tensor]) -> None:
        """Copy backbone and semantic branch into `pupil`, a slim network; `hold_sight` keeps them.

        pictures: at least one, each N×3×H×W as `MODNet.forward` takes it, on the teacher's device. Either convolution
        that the pupil narrows is parted into two factors by the truncated singular value decomposition of W·C^½, C the
        features' second moments: of all such factors they change what the teacher's taps make of the pictures, each
        taken alone, the least in the mean square. Raises ModelError if the two have other backbones or contexts.
        """
        given, taken = self._model.lr_branch, pupil.lr_branch
        state = given.state_dict()
        for scale, moments in zip(("lr16x", "lr8x"), self._moments(pictures), strict=True):
            weight = state[f"conv_{scale}.layers.0.weight"]
            few = getattr(taken, f"narrow_{scale}").out_channels
            state[f"narrow_{scale}.weight"], state[f"conv_{scale}.layers.0.weight"] = _parted(weight, moments, few)
        try:
            pupil.backbone.load_state_dict(self._model.backbone.state_dict())
            taken.load_state_dict(state)
        except RuntimeError as error:  # PyTorch's, of shapes
            raise ModelError(
                f"{self._name} has a different backbone or context from the network to train.",
                "Set network.backbone_width and network.context to its own.",
            ) from error

    def check_sight(self, pupil: MODNet) -> None:
        """Raise UsageError if `pupil` has its backbone from another teacher: it would learn what it cannot see."""
        given = self._model.backbone.state_dict()
        if any(not torch.equal(value, given[name]) for name, value in pupil.backbone.state_dict().items()):
            raise UsageError(f"The network did not get its sight from {self._name}.", "Set network.teacher to its own.")

    def _seen_by_torch(self, image: Tensor) -> tuple[Taps, Tensor]:
        taps: Taps = self._model.backbone(image)
        return Taps(*(tap.float() for tap in taps)), self._model.matte(image, taps).float()

    def _moments(self, pictures: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """C of what the teacher's two 5×5 convolutions read, before it is enlarged, over all places."""
        branch, places = self._model.lr_branch, [0, 0]
        totals: list[Tensor | float] = [0.0, 0.0]
        for picture in pictures:
            last = branch.se_block(self._model.backbone(picture).last)
            for number, features in enumerate((last, branch.conv_lr16x(resize(last, 2)))):
                flat = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1]).double()
                totals[number] = flat.T @ flat + totals[number]
                places[number] += len(flat)
        first, second = (torch.as_tensor(total) / count for total, count in zip(totals, places, strict=True))
        return first, second


def hold_sight(pupil: MODNet) -> None:
    """Keep what `give_sight` gave from learning, its norms included; call it after each `train()`."""
    for module in (pupil.backbone, pupil.lr_branch):
        module.eval().requires_grad_(False)
    pupil.lr_branch.conv_lr.requires_grad_(True)  # the training head, which a released file lacks


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


def _trimap(matte: Tensor) -> Tensor:
    """N×1×H×W in [0, 1] to the same of 0, 0.5 and 1."""
    side = odd_side(matte, BAND_SHARE)
    mixed = dilate(matte, side) + dilate(-matte, side) > MIXED
    return torch.where(mixed, 0.5, matte.round())
