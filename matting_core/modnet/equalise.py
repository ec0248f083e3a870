"""Channels of the same size, so that rounding them to 8 bits loses least: the same mattes out of other weights.

In int8 a map of features has one range for all of its channels, so those with small values are rounded coarsely. If a
channel is written times s and read times 1/s, the network stays the same: exactly behind a ReLU or none, and behind a
ReLU6 while the channel keeps below 6, for which HEADROOM is left. But a reading weight times 1/s may in turn become
coarse beside the others of its output.

This is cross-layer equalisation (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019, section 4.1) but for its measure. There s gives both layers' weights the same ranges; here both
roundings, of the map and of the weights that read it, are to change what is read by the least share of its variance.

Equalised are the maps that `links` lists. Not among them are those that depth-wise convolutions read, which have a
range for every channel, the backbone's last, what is normalised per picture, and a stage whose first block is added to
what comes before it. A stage's blocks are added up, so their channels have their factors in common; in int8 each sum
has a range of its own, but here one range and one power stand for them all.
"""

import contextlib
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from matting_core.modnet.backbone import HALF_TAP, QUARTER_TAP, InvertedResidual
from matting_core.modnet.model import MODNet
from matting_core.modnet.slim import SlimDetailBranch, SlimFusionBranch, SlimSemanticBranch
from matting_core.preprocess import Blob

CEILING = 6.0
"""Of a ReLU6."""
HEADROOM = 1.1
"""A channel behind a ReLU6 may grow until the largest value seen, times this, is at the ceiling."""
LARGEST = 50.0
"""No channel is made more than this many times as large, or as small."""
LEVELS, WEIGHT_LEVELS = 255, 127
"""What a map's range, from 0 or its smallest value to its largest, and an output's largest weight are divided into."""
STEPS, RATE = 400, 0.03
"""Of the descent to the factors, by Adam."""


class Link(NamedTuple):
    """A map of features between convolutions. shown_by: the modules that give it and, of a sum, what is added up."""

    shown_by: tuple[nn.Module, ...]
    writers: tuple[nn.Conv2d, ...]
    readers: tuple["Reader", ...]


class Reader(NamedTuple):
    """A convolution that reads the map, as its input channels from `first` on."""

    convolution: nn.Conv2d
    first: int = 0


class _Seen:
    """What samples showed of a map's channels, or of a convolution's outputs: float tensors, one value for each."""

    def __init__(self) -> None:
        self.most = self.least = self._squares = self._values = torch.zeros(1)
        self._count = 0

    def add(self, x: Tensor) -> None:
        """One more sample's map, N×C×H×W."""
        axes = (0, 2, 3)
        self.most, self.least = torch.maximum(self.most, x.amax(axes)), torch.minimum(self.least, x.amin(axes))
        self._squares, self._values = self._squares + x.square().mean(axes), self._values + x.mean(axes)
        self._count += 1

    @property
    def square(self) -> Tensor:
        """The mean of the squares."""
        return self._squares / self._count

    @property
    def variance(self) -> Tensor:
        """Of the values."""
        return self.square - (self._values / self._count).square()


def equalise(model: MODNet, samples: Sequence[Blob]) -> MODNet:
    """Rewrite a network whose batch norms are folded, in place; gives `model`. For its matte only: the heads are lost.

    samples: blobs like those that it will see, of any size. Where another picture makes a channel larger than HEADROOM
    foresees, a ReLU6 cuts it off, and the matte is not quite the same.
    """
    found = links(model)
    maps, outputs = _watched(model, found, samples)
    for link, seen in zip(found, maps, strict=True):
        read = [(_weights(reader, len(seen.most)), outputs[reader.convolution]) for reader in link.readers]
        factors = _factors(seen, read, any(isinstance(module, nn.ReLU6) for module in link.shown_by))
        with torch.no_grad():
            for writer in link.writers:
                writer.weight *= factors[:, None, None, None]
                if writer.bias is not None:
                    writer.bias *= factors
            for weights, _ in read:
                weights.div_(factors[:, None, None])
    return model


def links(model: MODNet) -> list[Link]:
    """What `equalise` equalises, in the network's order."""
    return [*_backbone_links(model), *_slim_links(model)]


def _backbone_links(model: MODNet) -> Iterator[Link]:
    features = list(model.backbone.model.features)
    taps = {HALF_TAP: model.hr_branch.tohr_enc2x, QUARTER_TAP: model.hr_branch.tohr_enc4x}
    stage: list[int] = []
    for index, block in enumerate(features):
        if not isinstance(block, InvertedResidual):
            continue
        *_, filtered, projection = _convolutions(block)
        last = [module for module in block.conv if isinstance(module, nn.ReLU6)][-1]
        yield Link((last,), (filtered,), (Reader(projection),))
        # Blocks whose results are added up have their channels in common.
        stage.append(index)
        follower = features[index + 1]
        if isinstance(follower, InvertedResidual) and follower.residual:
            continue
        if not features[stage[0]].residual:  # or what comes before the stage is added up as well
            reading = [features[later + 1] for later in stage] + [taps[at] for at in stage if at in taps]
            yield Link(
                tuple(itertools.chain.from_iterable((features[at], features[at].conv) for at in stage)),
                tuple(_convolutions(features[at])[-1] for at in stage),
                tuple(Reader(_convolutions(module)[0]) for module in reading),
            )
        stage = []


def _slim_links(model: MODNet) -> Iterator[Link]:
    semantic, detail, fusion = model.lr_branch, model.hr_branch, model.f_branch
    if isinstance(semantic, SlimSemanticBranch):
        for narrow, wide in (
            (semantic.narrow_lr16x, semantic.conv_lr16x),
            (semantic.narrow_lr8x, semantic.conv_lr8x),
        ):
            yield Link((narrow,), (narrow,), (Reader(_convolutions(wide)[0]),))
    if isinstance(detail, SlimDetailBranch) and isinstance(fusion, SlimFusionBranch):
        first, second, third = detail.conv_hr4x
        joined, last = detail.conv_hr2x
        maps = (
            (detail.tohr_enc4x, Reader(first[0])),
            (first, Reader(second[0])),
            (second, Reader(third[0])),
            (third, Reader(joined[0])),
            (detail.tohr_enc2x, Reader(joined[0], third[0].out_channels)),
            (joined, Reader(last[0])),
            (last, Reader(fusion.conv_f2x[0])),
            (fusion.conv_f2x, Reader(fusion.conv_f)),
        )
        for block, reader in maps:
            yield Link((block,), (block[0],), (reader,))


def _factors(seen: _Seen, read: Sequence[tuple[Tensor, _Seen]], under_ceiling: bool) -> Tensor:
    """s of each channel, by descent on the logarithm of the expected error.

    A value that is rounded in steps of d is off by a mean square of d²/12; errors of different channels and weights are
    taken for independent. under_ceiling: whether a ReLU6 gives the map. A channel of which nothing was seen keeps 1.
    """
    peak = torch.maximum(seen.most, -seen.least)
    if not peak.any():
        return torch.ones_like(peak)
    largest = torch.full_like(peak, math.log(LARGEST))
    least = -largest
    if under_ceiling:
        room = torch.log(CEILING / (HEADROOM * peak).clamp(min=1e-6))
        largest, least = torch.minimum(largest, room.clamp(min=0)), torch.zeros_like(least)
    largest, least = largest * (peak > 0), least * (peak > 0)
    logarithm = torch.zeros_like(peak, requires_grad=True)
    descent = torch.optim.Adam([logarithm], lr=RATE)
    for _ in range(STEPS):
        descent.zero_grad()
        torch.log(_error(torch.exp(logarithm.clamp(least, largest)), seen, read)).backward()
        descent.step()
    return torch.exp(logarithm.detach().clamp(least, largest))


def _error(factors: Tensor, seen: _Seen, read: Sequence[tuple[Tensor, _Seen]]) -> Tensor:
    """What rounding with these factors is expected to change of the readers' outputs, ×12, as a share of variance."""
    step = ((factors * seen.most).max() - (factors * seen.least).min()) / LEVELS
    power = (factors.square() * seen.square).sum()
    total = torch.zeros(())
    for weights, output in read:
        scaled = weights / factors[:, None, None]
        of_map = step**2 * scaled.square().sum((1, 2, 3))
        of_weights = (scaled.abs().amax((1, 2, 3)) / WEIGHT_LEVELS) ** 2 * weights[0, 0].numel() * power
        total = total + ((of_map + of_weights) / output.variance.clamp(min=1e-8)).mean()
    return total


def _watched(
    model: MODNet, found: Sequence[Link], samples: Sequence[Blob]
) -> tuple[list[_Seen], dict[nn.Conv2d, _Seen]]:
    """What the samples show of each link's map, and of all that its readers give."""
    maps = [_Seen() for _ in found]
    outputs = {reader.convolution: _Seen() for link in found for reader in link.readers}
    watched = [(module, seen) for link, seen in zip(found, maps, strict=True) for module in link.shown_by]
    with contextlib.ExitStack() as hooks, torch.no_grad():
        for module, seen in (*watched, *outputs.items()):
            hook = module.register_forward_hook(lambda _module, _given, result, seen=seen: seen.add(result))
            hooks.callback(hook.remove)
        for sample in samples:
            model.matte(torch.from_numpy(sample))
    return maps, outputs


def _weights(reader: Reader, count: int) -> Tensor:
    """A view of those of a reader's weights that read the map: c'×count×k×k."""
    return reader.convolution.weight.detach()[:, reader.first : reader.first + count]


def _convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [part for part in module.modules() if isinstance(part, nn.Conv2d)]
