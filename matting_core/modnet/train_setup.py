"""What a training run is set up with: checks of its config, Accelerate, the optimiser and its rate.

Several processes share each batch. On GPUs batch normalisation is then synchronised over them; on CPUs PyTorch cannot,
so norms must be frozen there. Instance normalisation is per picture anyway.
"""

import math
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration

from matting_core.engine_openvino import processor_precisions
from matting_core.errors import UsageError
from matting_core.modnet.model import MODNet, ModnetConfig
from matting_core.modnet.train_config import NetworkConfig, OptimiserConfig, TrainConfig


def check_teacher(network: NetworkConfig, steadiness: float, fresh: bool) -> None:
    """Raise UsageError unless teacher, branches, steadiness and, of a fresh run, weights go together."""
    if steadiness and not network.teacher:
        raise UsageError(
            "Steadiness needs a teacher, which knows the matte of a moment later.",
            "Set network.teacher, or steadiness = 0.",
        )
    if (network.teacher is not None) != (network.branches == "slim"):
        raise UsageError(
            "A slim network needs a teacher, and no other network takes one.",
            "Set network.branches = 'slim' and network.teacher, or neither.",
        )
    if network.teacher and network.backbone:
        raise UsageError("A slim network takes its teacher's backbone.", "Leave network.backbone out.")
    if fresh and network.teacher and not network.weights:
        raise UsageError(
            "A slim network begins with its teacher's sight, so network.weights is missing.",
            "Make them with python -m matting_core.modnet.begin.",
        )


def wanted_network(network: NetworkConfig) -> ModnetConfig:
    """What the config asks for."""
    return ModnetConfig(network.context, network.detail_width, network.backbone_width, network.branches)


def check_norms(weights: Path, norms: str, instead: str) -> None:
    """Raise UsageError where norms are to learn that a file has folded."""
    if weights.suffix.lower() == ".onnx" and norms == "train":
        raise UsageError(
            f"{weights.name} has its norms folded into its convolutions, so they cannot learn.",
            f"Set network.norms = '{instead}'.",
        )


def make_accelerator(config: TrainConfig) -> Accelerator:
    """Accelerate on the config's device and precision, and in the processes it was started in."""
    gpu = config.device == "auto" and torch.cuda.is_available()
    precision = config.precision
    if precision == "fp16" and not gpu:
        raise UsageError("Half precision (fp16) needs a GPU.", "Set precision = 'auto'.")
    if precision == "auto":
        precision = "fp32" if not gpu else "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return Accelerator(
        mixed_precision="no" if precision == "fp32" else precision,
        cpu=not gpu,
        dataloader_config=DataLoaderConfiguration(split_batches=True),
    )


def teacher_precision(config: TrainConfig, device: torch.device) -> str:
    """What a processor computes a teacher's lessons in: bf16 where it has that, unless float32 is asked for."""
    halved = device.type == "cpu" and config.precision != "fp32" and "bf16" in processor_precisions()
    return "bf16" if halved else "f32"


def check_processes(config: TrainConfig, accelerator: Accelerator) -> None:
    """Raise UsageError unless the processes can share the config's batches and norms."""
    count = accelerator.num_processes
    if config.batch % count:
        raise UsageError(
            f"A batch of {config.batch} cannot be shared by {count} processes.", f"Set a multiple of {count}."
        )
    if count > 1 and config.network.norms != "frozen" and accelerator.device.type == "cpu":
        raise UsageError(
            "Several processes cannot share batch statistics on the CPU.",
            "Set network.norms = 'frozen', or use one process.",
        )


def make_optimiser(model: MODNet, rule: OptimiserConfig) -> torch.optim.Optimizer:
    """The config's optimiser of all weights that learn: up to two groups, each with its `share` of the rate."""
    learning = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
    backbone = [value for name, value in learning if name.startswith("backbone.")]
    branches = [value for name, value in learning if not name.startswith("backbone.")]
    groups: list[dict[str, Any]] = [{"params": backbone, "share": rule.backbone_share}] if backbone else []
    groups.append({"params": branches, "share": 1.0})
    if rule.name == "adam":
        return torch.optim.AdamW(groups, rule.learning_rate, weight_decay=rule.weight_decay)
    return torch.optim.SGD(groups, rule.learning_rate, rule.momentum, weight_decay=rule.weight_decay)


def learning_rate(rule: OptimiserConfig, step: int, total: int) -> float:
    """The rate of the step number `step` (from 0) of `total`."""
    done = step / total
    fall = {"quarters": 0.1 ** int(4 * done), "cosine": (1 + math.cos(math.pi * done)) / 2, "constant": 1.0}
    rise = min(1.0, (step + 1) / rule.warmup_steps) if rule.warmup_steps else 1.0
    return rule.learning_rate * rise * fall[rule.schedule]
