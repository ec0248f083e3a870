"""The teacher of a slim network: the released one, whose eyes it is given and whose mattes it learns.

A slim network has its teacher's backbone and semantic branch (`sight.py`), and in training they stay as they are: they
know more pictures than anybody has to train on here. What is learnt is to read the teacher's matte out of the same
features with far less work. The matte is the teacher's of the very sample, faults of the webcam included; a true matte
would ask for what these features do not hold, and then the detail branch learns to mistrust them.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from matting_core.errors import ModelError
from matting_core.modnet.backbone import Taps
from matting_core.modnet.losses import dilate, odd_side
from matting_core.modnet.model import MODNet
from matting_core.modnet.teacher_openvino import CompiledTeacher
from matting_core.modnet.weights import load_network

BAND_SHARE = 0.04
"""The band around the teacher's edge has this share of the mean side, half on either side."""
MIXED = 0.05
"""A place is in the band if mattes around it differ by more than this."""


class Lesson(NamedTuple):
    """Of a batch: the backbone's features, the semantic branch's (N×c₃×H/8×W/8), the matte α (N×1×H×W in [0, 1]), its
    trimap of 0, 0.5 and 1.
    """

    taps: Taps
    semantic: Tensor
    matte: Tensor
    trimap: Tensor


class Teacher:
    """A released network on `device`, which does not learn; name: its file's.

    precision: of a processor's arithmetic in lessons, as of OpenVinoEngine; elsewhere autocast's counts. Raises
    ModelError as `load_network` does, and for a network with other branches.
    """

    def __init__(self, path: Path, device: torch.device, precision: str = "f32") -> None:
        model = load_network(path).model.requires_grad_(False)
        if model.config.branches != "released":
            raise ModelError(f"{path.name} has {model.config.branches} branches.", "Choose a released MODNet.")
        self.name = path.name
        self.network = model.to(device, memory_format=torch.channels_last)
        on_processor = device.type == "cpu"
        self._by = CompiledTeacher(self.network, precision) if on_processor else TorchTeacher(self.network)

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Lesson:
        """image: as `MODNet.forward` takes it. The answer is float32."""
        taps, semantic, matte = self._by(image)
        return Lesson(taps, semantic, matte, _trimap(matte))

    @torch.no_grad()
    def hint(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """A lesson's last tap N×c₅×H/32×W/32 and its semantic features alone, float32, for much less work."""
        return self._by.hint(image)


class TorchTeacher:
    """A network's lessons and hints by PyTorch, where the network is. The answers are float32."""

    def __init__(self, model: MODNet) -> None:
        self._network = model

    def __call__(self, image: Tensor) -> tuple[Taps, Tensor, Tensor]:
        """image: as `MODNet.forward` takes it. Its taps, the semantic branch's features N×c₃×H/8×W/8, and the matte
        N×1×H×W.
        """
        taps: Taps = self._network.backbone(image)
        matte, semantic = self._network.matte_and_semantics(image, taps)
        return Taps(*(tap.float() for tap in taps)), semantic.float(), matte.float()

    def hint(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The last tap and the semantic branch's features alone, as a call gives them."""
        last = self._network.backbone(image).last
        return last.float(), self._network.lr_branch(last).float()


def _trimap(matte: Tensor) -> Tensor:
    """N×1×H×W in [0, 1] to the same of 0, 0.5 and 1."""
    side = odd_side(matte, BAND_SHARE)
    mixed = dilate(matte, side) + dilate(-matte, side) > MIXED
    return torch.where(mixed, 0.5, matte.round())
