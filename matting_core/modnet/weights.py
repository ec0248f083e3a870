"""Weights in and out: released checkpoints, our own, and released ONNX files. Nothing read here can run code."""

import io
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from matting_core.atomic import write_atomically
from matting_core.errors import ModelError, UsageError
from matting_core.modnet.model import HEADS, MODNet, ModnetConfig
from matting_core.modnet.onnx_weights import read_onnx

FORMAT, VERSION = "mattecam-modnet", 1
# The released module is registered twice, in the network and in its first branch; so is nn.DataParallel's prefix.
DUPLICATE = "lr_branch.backbone."
WRAPPER = "module."
# What PyTorch says of a pickle that names a function or a class, and of a TorchScript archive, which is a program.
RUNS_CODE = ("Unsupported global", "unsupported GLOBAL", "Unsupported class", "TorchScript")


class Loaded(NamedTuple):
    """A network in inference mode, on the CPU.

    has_heads: whether the file held the training heads; without them only `matte` means anything, and SOC must fit
    the heads first. training: what `save_checkpoint` was given, else empty.
    """

    model: MODNet
    has_heads: bool
    training: dict[str, Any]


def load_network(path: Path, config: ModnetConfig | None = None) -> Loaded:
    """The network of a .ckpt, .pt or .pth checkpoint or of an .onnx (released or ours), by its suffix.

    config: what a file without one holds, by default the released network, or the slim one that an export of ours
    shows itself to be. Raises ModelError if the file is missing, damaged, does not fit, or would run code.
    """
    training: dict[str, Any] = {}
    if path.suffix.lower() == ".onnx":
        model, state = read_onnx(path, config)
        has_heads = _fill(model, state, path.name)
    else:
        content = read_checkpoint(path)
        state = content
        if content.get("format") == FORMAT:
            config, state, training = _config_of(content, path.name), content["model"], content["training"]
        elif isinstance(content.get("state_dict"), dict):
            state = content["state_dict"]
        model = MODNet(config)
        has_heads = _fill(model, _plain(state), path.name)
    return Loaded(model.eval(), has_heads, training)


def take_backbone(path: Path, model: MODNet) -> None:
    """Give `model`, in place, the backbone of a file that `load_network` reads.

    Raises ModelError as that does, and if the backbones differ.
    """
    try:
        model.backbone.load_state_dict(load_network(path).model.backbone.state_dict())
    except RuntimeError as error:  # PyTorch's, of shapes
        raise ModelError(f"{path.name} has a different backbone.", "Set network.backbone_width to its own.") from error


def save_checkpoint(path: Path, model: MODNet, training: Mapping[str, Any] | None = None) -> None:
    """Write config and weights (and what training needs to resume), beside and renamed.

    training: tensors, numbers, strings, lists and dicts only, or it could not be read back. Raises ModelError.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "config": asdict(model.config),
        "model": {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()},
        "training": dict(training or {}),
    }
    data = io.BytesIO()
    torch.save(content, data)
    try:
        write_atomically(path, data.getvalue())
    except OSError as error:
        raise ModelError(
            f"The checkpoint {path} cannot be written ({error.strerror}).",
            "Free up disk space, or choose another folder.",
        ) from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The raw content of a checkpoint file, tensors on the CPU. Raises ModelError, also for a file that holds code."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of old formats on the way to reading or refusing them
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"The checkpoint {path} cannot be read ({error.strerror}).", "Check the file.") from error
    except Exception as error:  # the readers of PyTorch's formats raise whatever their input makes them
        if any(words in str(error) for words in RUNS_CODE):
            raise ModelError(
                f"{path.name} holds more than weights: it asks to run code while it is read, so it was refused.",
                "Get a file saved with torch.save(model.state_dict(), …) from a source that you trust.",
            ) from error
        raise ModelError(
            f"{path.name} is damaged or is not a PyTorch checkpoint.", "Download the file again."
        ) from error
    if not isinstance(content, dict) or not content:
        raise ModelError(f"{path.name} does not hold the weights of a network.", "Choose a MODNet checkpoint.")
    return content


def _config_of(content: Mapping[str, Any], name: str) -> ModnetConfig:
    """The config of one of our own checkpoints, whose parts are looked at first."""
    parts = (content.get("config"), content.get("model"), content.get("training"))
    try:
        if content.get("version") == VERSION and all(isinstance(part, dict) for part in parts):
            return ModnetConfig(**content["config"])
    except (TypeError, UsageError) as error:
        raise _of_another_version(name) from error
    raise _of_another_version(name)


def _of_another_version(name: str) -> ModelError:
    return ModelError(f"{name} was written by another version of Mattecam.", "Use the version that wrote it.")


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """Without the prefix of nn.DataParallel and without the backbone's second copy."""
    plain = {str(name).removeprefix(WRAPPER): value for name, value in state.items()}
    return {name: value for name, value in plain.items() if not name.startswith(DUPLICATE)}


def _fill(model: MODNet, state: Mapping[str, Any], name: str) -> bool:
    """Copy the weights in; whether the heads were among them. Raises ModelError that names the first misfit."""
    expected = model.state_dict()
    # Counts how often a norm was trained; nothing reads it, and an ONNX file has no place for it.
    missing = [key for key in expected if key not in state and not key.endswith(".num_batches_tracked")]
    missing_heads = [key for key in missing if key.startswith(HEADS)]
    has_heads = not missing_heads
    heads = [key for key in expected if key.startswith(HEADS) and not key.endswith(".num_batches_tracked")]
    odd = [key for key, value in state.items() if not _fits(value, expected.get(key))]
    odd += [key for key in missing if key not in missing_heads or missing_heads != heads]
    if odd:
        raise ModelError(
            f"{name} holds a network other than MODNet with {model.config} ('{odd[0]}' does not fit).",
            "Choose a released MODNet, or a checkpoint that Mattecam wrote.",
        )
    if not all(torch.isfinite(value).all() for value in state.values()):
        raise ModelError(f"{name} holds weights that are not numbers.", "Download the file again.")
    model.load_state_dict(dict(state), strict=False)
    return has_heads


def _fits(value: Any, place: Tensor | None) -> bool:
    return place is not None and isinstance(value, Tensor) and value.shape == place.shape
