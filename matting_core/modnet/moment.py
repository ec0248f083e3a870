"""A moment later: a training sample as the next frame of a webcam shows it, and the objective that a matte holds still.

Where hardly anything moves, flicker is a matte that errs now this way and now that. So a network is shown each sample
twice, and what it gets wrong must be wrong alike.
"""

import torch
from torch import Tensor
from torch.nn import functional

from matting_core.modnet.losses import BAND_WEIGHT, unknown_band

STILL_SHARE = 0.5
"""So many of the samples do not move at all; noise and contrast are others."""
SHIFT_PX = 1.0
SCALE = 0.003
LEVEL = 2 / 255  # of 8 bits, in [−1, 1]
NOISE_LEVELS = 1.0
CONTRAST = 0.01
GRAINS = (1, 1, 2, 4)
"""Sides of the noise's grains in pixels; a compressed picture has coarse ones."""


def a_moment_later(image: Tensor, seed: int) -> Tensor:
    """The samples, moved by up to SHIFT_PX and scaled by up to SCALE, with a little more or less
    contrast and other noise.

    image: float N×3×H×W, RGB in [−1, 1]. New, alike, in the 256 levels that a webcam's pictures have. The seed and the
    kind of device decide alone; torch's own generators are left as they were.
    """
    random = torch.Generator().manual_seed(seed)
    on_cpu = image.device.type == "cpu"
    # For a GPU the processor would need longer than the training step.
    grainy = random if on_cpu else torch.Generator(image.device).manual_seed(seed)
    count, _, height, width = image.shape

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=random) * 2 - 1

    motion = torch.eye(2, 3).repeat(count, 1, 1)
    moves = (torch.rand(count, generator=random) >= STILL_SHARE).float()[:, None]
    motion[:, :, 2] += moves * uniform(count, 2) * SHIFT_PX * 2 / torch.tensor([width, height])
    motion[:, [0, 1], [0, 1]] += moves * uniform(count, 2) * SCALE
    grid = functional.affine_grid(motion.to(image), list(image.shape), align_corners=False)
    moved = functional.grid_sample(image, grid, padding_mode="border", align_corners=False)
    grain = GRAINS[int(torch.randint(len(GRAINS), (1,), generator=random))]
    noise = torch.randn(count, 3, height // grain, width // grain, generator=grainy, device=image.device)
    if grain > 1:
        noise = functional.interpolate(noise, size=(height, width), mode="bilinear", align_corners=False)
    noise *= (uniform(count, 1, 1, 1).to(noise) + 1) * NOISE_LEVELS * LEVEL
    seen = moved * (1 + CONTRAST * uniform(count, 1, 1, 1).to(image)) + noise.to(image)
    return ((seen.clamp(-1, 1) + 1) / LEVEL).round() * LEVEL - 1


def steadiness_loss(matte: Tensor, target: Tensor, trimap: Tensor) -> Tensor:
    """|(α_p − α_g) now − the same a moment later|, the band of either counted BAND_WEIGHT times more, the mean.

    matte, target, trimap: 2N×1×H×W, the samples and then each of them a moment later.
    """
    band = torch.maximum(*unknown_band(trimap).chunk(2))
    before, after = (matte - target).chunk(2)
    return ((1 + BAND_WEIGHT * band) * (before - after).abs()).mean()
