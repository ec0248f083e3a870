"""Supervised training (paper, section 3): the loop. Several processes and mixed precision are Accelerate's."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from matting_core.errors import MediaError, OutputError, UsageError
from matting_core.modnet import losses as objectives
from matting_core.modnet.data import Sample
from matting_core.modnet.heads import fit_heads
from matting_core.modnet.losses import Losses, supervised_losses
from matting_core.modnet.model import MODNet
from matting_core.modnet.moment import a_moment_later, steadiness_loss
from matting_core.modnet.run_state import RunState, averaged, diverged, holds_run
from matting_core.modnet.sight import check_sight, hold_sight
from matting_core.modnet.teacher import Teacher
from matting_core.modnet.train_config import TrainConfig
from matting_core.modnet.train_data import TrainData, told_by_worker
from matting_core.modnet.train_setup import (
    check_norms,
    check_processes,
    check_teacher,
    learning_rate,
    make_optimiser,
    teacher_precision,
    wanted_network,
)
from matting_core.modnet.validation import measure, sample_strip, summary
from matting_core.modnet.weights import load_network, take_backbone

WEIGHTINGS = {"paper": objectives.PAPER, "released": objectives.RELEASED}
HEAD_PICTURES = 24
LOGS = "tensorboard"

Figures = dict[str, float | None]


class Outcome(NamedTuple):
    """A run that has ended: steps done, the last batch's loss, validation before the first step and now, best MAD.

    loss: of this process's last step, mean over all processes; None if a resumed run had nothing left to do.
    """

    steps: int
    loss: float | None
    before: Figures
    after: Figures
    best_mad: float


class Trainer:
    """One run. Raises UsageError for a config that fits neither its weights nor the machine, or no run to resume."""

    def __init__(self, config: TrainConfig, data: TrainData, accelerator: Accelerator, resume: bool) -> None:
        self._config, self._data, self._engine = config, data, accelerator
        self._weighting = WEIGHTINGS[config.weighting]
        self._total = config.epochs * data.steps
        self._identity = {**config.deciding(), "pictures": data.fingerprint}
        check_processes(config, accelerator)
        resumes = resume and holds_run(config.output)
        check_teacher(config.network, config.steadiness, fresh=not resumes)
        torch.manual_seed(config.seed)
        teacher = config.network.teacher
        device = accelerator.device
        self._teacher = Teacher(teacher, device, teacher_precision(config, device)) if teacher else None
        model = self._start(fresh=not resumes)
        average = averaged(model)
        optimiser = make_optimiser(model, config.optimiser)
        loader = data.loader(config, pinned=accelerator.device.type == "cuda")
        self._model, optimiser, self._loader = accelerator.prepare(model, optimiser, loader)
        self._state = RunState(model, average, optimiser, accelerator.scaler)
        if resumes:
            self._state.resume(config.output, self._identity)
        if self._teacher:
            check_sight(self._teacher, average)

    def run(self) -> Outcome:
        """Train to the end. Raises OutputError or ModelError if something cannot be written or the loss diverges."""
        state, config, after, loss = self._state, self._config, None, None
        log = self._log()
        try:
            if not state.step:
                state.before = self._validate(log)
            with self._bar() as bar:
                for batch in self._batches():
                    loss = self._step(batch)
                    done = state.step == self._total
                    if state.step % config.log_every == 0 or done:
                        bar.set_postfix(loss=f"{self._write(log, loss):.4f}")
                    if state.step % config.validate_every == 0 or done:
                        after = self._validate(log)
                        bar.set_postfix(mad=f"{after['mad']:.4f}")
                    if state.step % config.checkpoint_every == 0 or done:
                        self._save()
                    bar.update()
        except OSError as error:  # TensorBoard's
            raise OutputError(
                f"{config.output} cannot be written ({error.strerror}).",
                "Free up disk space, or fix the folder's permissions.",
            ) from error
        finally:
            if log:
                log.close()
        last = None if loss is None else self._mean(loss)["loss"]
        return Outcome(state.step, last, state.before, after or self._measure(), state.best)

    def _start(self, fresh: bool) -> MODNet:
        """The network before the first step, on the device, in the mode it learns in."""
        config, device = self._config, self._engine.device
        network = config.network
        wanted = wanted_network(network)
        model = MODNet(wanted).to(device, memory_format=torch.channels_last)
        if network.weights and fresh:
            check_norms(network.weights, network.norms, "frozen")
            loaded = load_network(network.weights, wanted)
            model = loaded.model.to(device, memory_format=torch.channels_last)
            if model.config != wanted:
                raise UsageError(f"{network.weights.name} is {model.config}.", f"The config asks for {wanted}.")
            if not loaded.has_heads:
                fit_heads(model, self._pictures(HEAD_PICTURES))
        elif network.backbone and fresh:
            check_norms(network.backbone, network.norms, "branches")
            take_backbone(network.backbone, model)
        if network.norms != "frozen" and self._engine.num_processes > 1:
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        model.train()
        if network.norms != "train":
            model.freeze_norms(backbone_only=network.norms == "branches")
        if self._teacher:
            hold_sight(model)
        return model

    def _pictures(self, most: int) -> list[Tensor]:
        """The first training samples of the first epoch, each a batch of its own on the device."""
        training, device = self._data.training, self._engine.device
        return [training[(0, index)].image[None].to(device) for index in range(min(most, len(training)))]

    def _batches(self) -> Iterator[Sample]:
        """This process's share of every batch that is left."""
        while self._state.step < self._total:
            self._data.start_at(self._state.step, self._config.batch)
            try:
                yield from self._loader
            except MediaError as error:
                raise told_by_worker(error) from error

    def _step(self, batch: Sample) -> Losses:
        state, rule = self._state, self._config.optimiser
        for group in state.optimiser.param_groups:
            group["lr"] = learning_rate(rule, state.step, self._total) * group["share"]
        image, matte, trimap = batch
        taps, steady = None, self._config.steadiness
        if steady:
            image = torch.cat((image, a_moment_later(image, self._moment())))
        if self._teacher:
            with self._engine.autocast():
                taps, _, matte, trimap = self._teacher(image)
        prediction = self._model(image, taps)
        losses = supervised_losses(prediction, matte, trimap, image, self._weighting)
        if steady:
            losses = losses._replace(total=losses.total + steady * steadiness_loss(prediction.matte, matte, trimap))
        state.optimiser.zero_grad(set_to_none=True)
        self._engine.backward(losses.total)
        if rule.gradient_clip:
            self._engine.clip_grad_norm_(self._model.parameters(), rule.gradient_clip)
        state.optimiser.step()
        state.step += 1
        state.follow(self._config.ema_decay)
        return losses

    def _moment(self) -> int:
        """The seed of what changes a moment later in this step's samples of this process."""
        entropy = (self._config.seed, self._state.step, self._engine.process_index)
        return int(np.random.default_rng(entropy).integers(2**62))

    def _mean(self, losses: Losses) -> dict[str, float]:
        """The objectives by name, mean over the processes. Raises ModelError where they are no numbers."""
        values = self._engine.reduce(torch.stack([part.detach() for part in losses]), "mean").tolist()
        if not all(map(math.isfinite, values)):
            raise diverged(self._state.step)
        return dict(zip(("loss_semantic", "loss_detail", "loss_matte", "loss"), values, strict=True))

    def _write(self, log: SummaryWriter | None, losses: Losses) -> float:
        values = self._mean(losses)
        if log:
            for name, value in values.items():
                log.add_scalar(f"train/{name}", value, self._state.step)
            log.add_scalar("train/learning_rate", self._state.optimiser.param_groups[-1]["lr"], self._state.step)
        return values["loss"]

    def _measure(self) -> Figures:
        engine = self._engine
        part = (engine.process_index, engine.num_processes)
        rows = measure(self._state.average, self._data.validation, self._weighting, engine.device, part)
        return summary(gather_object(rows))

    def _validate(self, log: SummaryWriter | None) -> Figures:
        """Measure the averaged weights, show them in TensorBoard, keep them if they are the best. Raises ModelError."""
        state, figures = self._state, self._measure()
        mad = figures["mad"] or 0.0  # never None: every picture has one
        if not math.isfinite(mad):
            raise diverged(state.step)
        better = mad < state.best
        state.best = min(mad, state.best)
        if log:
            for name, value in figures.items():
                if value is not None:
                    log.add_scalar(f"validation/{name}", value, state.step)
            for index in range(min(self._config.samples, len(self._data.validation))):
                strip = sample_strip(state.average, self._data.validation, index, self._engine.device)
                log.add_image(f"sample/{index}", strip, state.step)
            log.flush()
            if better:
                state.save_best(self._config.output, figures)
        return figures

    def _save(self) -> None:
        if self._engine.is_main_process:
            self._state.save(self._config.output, self._identity)
        self._engine.wait_for_everyone()

    def _log(self) -> SummaryWriter | None:
        """TensorBoard's writer in the first process; what it was told after the step that is resumed is dropped."""
        if not self._engine.is_main_process:
            return None
        step = self._state.step
        return SummaryWriter(str(self._config.output / LOGS), purge_step=step + 1 if step else None)

    def _bar(self) -> Any:
        hidden = not self._engine.is_main_process
        return tqdm(total=self._total, initial=self._state.step, unit="step", disable=hidden, dynamic_ncols=True)
