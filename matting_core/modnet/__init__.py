"""MODNet in PyTorch: the network, its weights, objectives and export. torch lives in this package and nowhere else.

Importing the package itself loads no torch: whoever needs it imports one of its modules where it is needed, after
`require_train_extra`. Paper: Ke et al., "MODNet: Real-Time Trimap-Free Portrait Matting via Objective Decomposition",
AAAI 2022.
"""

import importlib.util

from matting_core.errors import ModelError
from matting_core.own_command import PIP

EXTRA = ("torch", "onnx", "onnxscript", "kornia", "accelerate", "tensorboard")
"""The packages of the extra `train` without which nothing in this package works."""


def require_train_extra(purpose: str) -> None:
    """Raise ModelError, which says how to get it, unless the extra `train` is installed.

    purpose: what needs it, as the sentence's subject ('Importing room.ckpt').
    """
    missing = [name for name in EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(
            f"{purpose} needs the `train` extra, but {', '.join(missing)} cannot be found.",
            f'In Mattecam\'s folder, install it (several GB on Linux) with: {PIP} install -e ".[train]"',
        )
