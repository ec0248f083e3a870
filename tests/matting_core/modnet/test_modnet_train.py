"""Training: each step is the one that the definitions ask for, and what goes wrong is said in one sentence."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training_fixtures import make_people, train, write_config

from matting_core.errors import UsageError
from matting_core.metrics import score
from matting_core.modnet import train as command
from matting_core.modnet.data import ValidationDataset
from matting_core.modnet.losses import PAPER, supervised_losses
from matting_core.modnet.model import MODNet, ModnetConfig
from matting_core.modnet.run_state import RunState, averaged, training_part
from matting_core.modnet.train_config import OptimiserConfig, load_config
from matting_core.modnet.train_data import load_data
from matting_core.modnet.train_setup import learning_rate
from matting_core.modnet.validation import measure, summary
from matting_core.modnet.weights import load_network
from matting_core.pairs import find_pairs


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_people(tmp_path_factory.mktemp("people"), 7)


@pytest.fixture
def tiny(tmp_path: Path, people: Path) -> Path:
    return write_config(tmp_path, people)


@pytest.fixture
def fresh_accelerate() -> Iterator[None]:
    """Accelerate takes one precision for the life of a process; here it may take another."""
    yield
    AcceleratorState._reset_state()


def events(run: Path) -> EventAccumulator:
    return EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "images": 0}).Reload()


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("quarters", [1.0, 1.0, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001]),
        ("cosine", [(1 + math.cos(math.pi * step / 8)) / 2 for step in range(8)]),
        ("constant", [1.0] * 8),
    ],
)
def test_the_rate_falls_as_its_schedule_says(schedule: str, rates: list[float]) -> None:
    rule = OptimiserConfig(learning_rate=2.0, schedule=schedule)
    assert [learning_rate(rule, step, 8) for step in range(8)] == pytest.approx([2 * rate for rate in rates])


def test_the_rate_rises_over_the_warm_up() -> None:
    rule = OptimiserConfig(learning_rate=1.0, schedule="constant", warmup_steps=4)
    assert [learning_rate(rule, step, 8) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_the_average_follows_the_weights() -> None:
    model = MODNet(ModnetConfig(detail_width=8, backbone_width=0.1))
    state = RunState(model, averaged(model), None, step=89)
    name = "f_branch.conv_f2x.layers.0.bias"
    count = "f_branch.conv_f2x.layers.1.bnorm.num_batches_tracked"
    start = state.average.state_dict()[name].clone()
    with torch.no_grad():
        model.state_dict()[name].add_(1)
        model.state_dict()[count].add_(5)
    state.follow(0.75)
    assert torch.allclose(state.average.state_dict()[name], start + 0.25)
    assert state.average.state_dict()[count] == 5
    state.follow(0.99)  # young: (1 + 89) / (10 + 89) is kept instead
    assert torch.allclose(state.average.state_dict()[name], start + 1 - 0.75 * 90 / 99)


def test_two_steps_are_sgd_on_the_papers_objective(tiny: Path) -> None:
    config = load_config(str(tiny), ["epochs=1", "batch=3", "network.norms=frozen"])
    torch.manual_seed(config.seed)
    # As training has it: another layout rounds otherwise, and each ReLU and |x| may turn a rounding into a step.
    model = MODNet(ModnetConfig("se", 8, 0.1)).to(memory_format=torch.channels_last)
    model.train()
    model.freeze_norms()
    data = load_data(config)
    order = list(data.sampler)
    speeds = [torch.zeros_like(weight) for weight in model.parameters()]
    for step in range(2):
        samples = [data.training[key] for key in order[3 * step : 3 * step + 3]]
        image, matte, trimap = (torch.stack(parts) for parts in zip(*samples, strict=True))
        loss = supervised_losses(model(image), matte, trimap, image, PAPER).total
        rate = 0.01 * (1 + math.cos(math.pi * step / 2)) / 2
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for weight, speed, gradient in zip(model.parameters(), speeds, gradients, strict=True):
                speed.mul_(0.9).add_(gradient)
                weight.sub_(rate * speed)
    outcome = train(tiny, "epochs=1", "batch=3", "network.norms=frozen")
    assert outcome.steps == 2
    assert outcome.loss == pytest.approx(loss.item(), rel=1e-5)
    learnt = training_part(config.output / "last.ckpt")["weights"]
    for name, weight in model.named_parameters():
        torch.testing.assert_close(learnt[name], weight.detach(), rtol=1e-4, atol=1e-6)


def test_the_config_says_how_many_samples_get_a_webcams_faults(tiny: Path) -> None:
    none, some, every = (load_data(load_config(str(tiny), [f"data.camera={share}"])).training for share in (0, 0.5, 1))
    keys = [(epoch, index) for epoch in range(8) for index in range(len(none))]
    spared = [torch.equal(some[key].image, none[key].image) for key in keys]
    assert 0.2 < sum(spared) / len(keys) < 0.8
    assert not any(torch.equal(every[key].image, none[key].image) for key in keys[:4])


def test_training_lowers_the_loss_and_keeps_the_best_network(tiny: Path, people: Path) -> None:
    outcome = train(tiny, "epochs=12", "ema_decay=0.8", "data.camera=false")
    assert outcome.after["loss"] < 0.7 * outcome.before["loss"]
    run = tiny.parent / "run"
    best = load_network(run / "best.ckpt")
    pairs = find_pairs(people).pairs
    pictures = ValidationDataset(pairs, 96)
    mads = []
    for image, matte, _ in (pictures[index] for index in range(len(pictures))):
        alpha = best.model.matte(image[None])[0, 0].detach().numpy()
        mads.append(float(np.abs(alpha - matte[0].numpy()).mean()))
    assert outcome.best_mad == pytest.approx(np.mean(mads), rel=1e-4)
    assert best.training["scores"]["mad"] == pytest.approx(outcome.best_mad)
    scalars = [event.value for event in events(run).Scalars("validation/mad")]
    assert outcome.best_mad == pytest.approx(min(scalars), rel=1e-6)


def test_tensorboard_gets_curves_and_sample_mattes(tiny: Path) -> None:
    outcome = train(tiny)
    log = events(tiny.parent / "run")
    assert [event.step for event in log.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
    assert [event.step for event in log.Scalars("validation/iou")] == [0, 4, 6]
    assert log.Scalars("train/loss")[-1].value == pytest.approx(outcome.loss)
    rates = [event.value for event in log.Scalars("train/learning_rate")]
    assert rates == pytest.approx([0.01 * (1 + math.cos(math.pi * step / 6)) / 2 for step in range(6)])
    images = log.Images("sample/0")
    assert [image.step for image in images] == [0, 4, 6]
    assert (images[0].width, images[0].height) == (3 * 96, 64)


def test_validation_means_are_over_pictures_in_whatever_parts(people: Path) -> None:
    model = MODNet(ModnetConfig(detail_width=8, backbone_width=0.1)).eval()
    pictures = ValidationDataset(find_pairs(people).pairs, 96)
    device = torch.device("cpu")
    whole = summary(measure(model, pictures, PAPER, device, (0, 1)))
    parts = [row for part in (1, 0) for row in measure(model, pictures, PAPER, device, (part, 2))]
    assert summary(parts) == whole
    image, matte, trimap = (part[None] for part in pictures[2])
    with torch.no_grad():
        prediction = model(image)
    row = measure(model, pictures, PAPER, device, (0, 1))[2]
    assert row.losses[3] == pytest.approx(float(supervised_losses(prediction, matte, trimap, image).total))
    assert row.scores.mad == score(prediction.matte[0, 0].numpy(), matte[0, 0].numpy()).mad
    assert whole["loss"] == pytest.approx(whole["loss_semantic"] + whole["loss_detail"] + whole["loss_matte"])


def test_the_released_network_starts_as_it_is_and_keeps_its_norms(tiny: Path, shipped_model: Path) -> None:
    options = ("network.backbone_width=1.0", "network.detail_width=32", "data.size=64x64", "epochs=1", "batch=7")
    weights = f"network.weights={shipped_model}"
    released = load_network(shipped_model).model
    train(tiny, *options, weights, "network.norms=frozen")
    learnt = load_network(tiny.parent / "run/last.ckpt").model.state_dict()
    heads = ("lr_branch.conv_lr.", "hr_branch.conv_hr.")
    moved = 0
    for name, tensor in released.state_dict().items():
        if name.startswith(heads) or name.endswith("num_batches_tracked"):
            continue
        if "running" in name:
            assert torch.equal(learnt[name], tensor), name
        moved += not torch.equal(learnt[name], tensor)
    assert moved
    with pytest.raises(UsageError, match="norms folded"):
        train(tiny, *options, weights, f"output={tiny.parent / 'other'}")


def test_a_finished_run_has_nothing_left_to_do(tiny: Path) -> None:
    outcome = train(tiny)
    again = train(tiny, resume=True)
    assert again == outcome._replace(loss=None)


def test_the_command_says_what_came_of_it(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(tiny)]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["steps"] == 6
    assert answer["output"] == str(tiny.parent / "run")
    assert load_config(str(tiny.parent / "run/config.toml")) == load_config(str(tiny))
    assert command.main([str(tiny)]) == 2
    assert "already holds a run. Add --resume" in capsys.readouterr().err
    assert command.main([str(tiny), "--set", "batch=8"]) == 2


@pytest.mark.usefixtures("fresh_accelerate")
def test_half_precision_computes_and_keeps_full_weights(tiny: Path) -> None:
    full = train(tiny, "epochs=1", f"output={tiny.parent / 'full'}")
    AcceleratorState._reset_state()
    half = train(tiny, "epochs=1", "precision=bf16")
    assert half.before == full.before  # validation is in full precision
    assert half.loss != full.loss
    assert half.loss == pytest.approx(full.loss, rel=0.05)
    kept = training_part(tiny.parent / "run/last.ckpt")["weights"]
    assert {tensor.dtype for tensor in kept.values()} == {torch.float32, torch.int64}
