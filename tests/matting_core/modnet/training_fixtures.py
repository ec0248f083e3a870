"""Made-up people and a tiny network to train on them, for the tests of training."""

from pathlib import Path

import cv2
import numpy as np
import torch

from matting_core.modnet.model import MODNet, ModnetConfig
from matting_core.modnet.sight import give_sight
from matting_core.modnet.teacher import Teacher
from matting_core.modnet.train_config import TrainConfig, load_config
from matting_core.modnet.train_data import load_data
from matting_core.modnet.train_setup import make_accelerator
from matting_core.modnet.trainer import Outcome, Trainer
from matting_core.modnet.weights import save_checkpoint
from matting_core.pictures import write_image

TINY = """
batch = 2
epochs = 2
seed = 3
device = "cpu"
samples = 1
validate_every = 4
checkpoint_every = 2
log_every = 1

[data]
size = "96x64"
workers = 0

[network]
detail_width = 8
backbone_width = 0.1

[optimiser]
learning_rate = 0.01
schedule = "cosine"
"""

RELEASED = ModnetConfig(detail_width=8, backbone_width=0.1)
PUPIL = ModnetConfig(detail_width=8, backbone_width=0.1, branches="slim")
CPU = torch.device("cpu")


def make_released(file: Path) -> Path:
    """A random network whose norms have statistics that are not the identity's, as a checkpoint."""
    torch.manual_seed(0)
    model = MODNet(RELEASED).train()
    with torch.no_grad():
        model(torch.rand(2, 3, 64, 96) * 2 - 1)
    save_checkpoint(file, model.eval())
    return file


def random_pictures(count: int) -> list[torch.Tensor]:
    """Noise as the network takes it, 1×3×64×96 each."""
    torch.manual_seed(1)
    return [torch.rand(1, 3, 64, 96) * 2 - 1 for _ in range(count)]


def taught_by(released: Path) -> tuple[str, ...]:
    """The settings of a run that teaches a slim network, whose sight is made beside `released`."""
    torch.manual_seed(2)
    pupil, file = MODNet(PUPIL), released.with_name(f"{released.stem}_sight.ckpt")
    give_sight(Teacher(released, CPU), pupil, random_pictures(3))
    save_checkpoint(file, pupil)
    return ("network.branches=slim", f"network.teacher={released}", f"network.weights={file}")


def make_people(folder: Path, count: int) -> Path:
    """Red people, each of another build, before blue rooms, with their mattes; in the layout `pairs`."""
    for number in range(count):
        matte = np.zeros((70, 90), np.uint8)
        cv2.ellipse(matte, (30 + 6 * number % 31, 40), (14 + number % 5, 30), 0, 0, 360, 255, -1)
        matte = cv2.GaussianBlur(matte, (0, 0), 2)
        alpha = matte[..., None] / 255
        image = np.rint(alpha * (20, 40, 200 - 9 * number) + (1 - alpha) * np.array((200, 60 + 5 * number, 20)))
        write_image(folder / f"image/{number:02}.png", image.astype(np.uint8))
        write_image(folder / f"matte/{number:02}.png", matte)
    return folder


def write_config(folder: Path, people: Path) -> Path:
    """A config of a tiny run on these people, which gives figures in seconds."""
    file = folder / "tiny.toml"
    places = f"data.train = '{people}'\ndata.validation = '{people}'\n"
    text = TINY.replace("[data]\n", "[data]\n" + places.replace("data.", ""))
    file.write_text(f"output = '{folder / 'run'}'\n{text}")
    return file


def trainer(config: TrainConfig, resume: bool = False) -> Trainer:
    return Trainer(config, load_data(config), make_accelerator(config), resume)


def train(file: Path, *overrides: str, resume: bool = False) -> Outcome:
    """One run from beginning to end, on one thread: so small a network only waits for a second one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return trainer(load_config(str(file), overrides), resume).run()
    finally:
        torch.set_num_threads(threads)
