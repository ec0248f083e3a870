"""A run killed in the middle of an epoch, and one shared by two processes: both come out as if nothing had been."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training_fixtures import make_people, train, write_config

from matting_core.modnet.model import MODNet, ModnetConfig
from matting_core.modnet.run_state import training_part
from matting_core.modnet.weights import read_checkpoint

ROOT = Path(__file__).parents[3]
PATIENCE_S = 240
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "matting_core.modnet.train", *arguments]


def step_of(checkpoint: Path) -> int:
    return int(training_part(checkpoint)["step"]) if checkpoint.exists() else 0


def losses(run: Path) -> dict[int, float]:
    log = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    return {event.step: event.value for event in log.Scalars("train/loss")}


def assert_equal(one: Any, other: Any, place: str = "") -> None:
    """Bit for bit, tensors and all."""
    assert type(one) is type(other), place
    if isinstance(one, dict):
        assert one.keys() == other.keys(), place
        for key in one:
            assert_equal(one[key], other[key], f"{place}.{key}")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), place
    else:
        assert one == other, place


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
def test_a_run_killed_within_an_epoch_resumes_to_the_same_bits(tmp_path: Path) -> None:
    people = make_people(tmp_path / "people", 7)
    whole, killed = (tmp_path / name for name in ("whole", "killed"))
    for folder in (whole, killed):
        folder.mkdir()
        write_config(folder, people)
    settings = ("batch=1", "epochs=5", "checkpoint_every=5", "validate_every=10")
    total, epoch = 35, 7
    process = subprocess.Popen(
        command(str(killed / "tiny.toml"), *(word for setting in settings for word in ("--set", setting))),
        cwd=ROOT,
        env={**os.environ, **ONE_THREAD},
        stderr=subprocess.DEVNULL,
    )
    last = killed / "run/last.ckpt"
    deadline = time.monotonic() + PATIENCE_S
    while step_of(last) < 5 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert 5 <= step_of(last) < total
    assert step_of(last) % epoch
    resumed = train(killed / "tiny.toml", *settings, resume=True)
    outcome = train(whole / "tiny.toml", *settings)
    assert resumed == outcome
    assert outcome.steps == total
    assert_equal(read_checkpoint(last), read_checkpoint(whole / "run/last.ckpt"))
    assert_equal(read_checkpoint(killed / "run/best.ckpt"), read_checkpoint(whole / "run/best.ckpt"))
    assert losses(killed / "run") == losses(whole / "run")


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    """The same global batch; with frozen norms, which is all that CPUs can share.

    Sums over two processes round otherwise, and a network from scratch makes more of that with every step: the more,
    the higher the rate, and how much depends on the processor.
    """
    file = write_config(tmp_path, make_people(tmp_path / "people", 7))
    settings = ["network.norms=frozen", "epochs=3", "optimiser.learning_rate=0.0001", "checkpoint_every=9"]
    alone, together = tmp_path / "alone", tmp_path / "run"
    one = train(file, *settings, f"output={alone}")
    done = launch(2, str(file), *(word for setting in settings for word in ("--set", setting)))
    assert done.returncode == 0, done.stderr
    two = json.loads(done.stdout.splitlines()[-1])
    assert two["steps"] == one.steps == 9
    assert two["before"] == pytest.approx(one.before, rel=1e-5)
    assert losses(together) == pytest.approx(losses(alone), rel=1e-4)
    assert two["after"]["loss"] == pytest.approx(one.after["loss"], rel=1e-4)
    torch.manual_seed(3)
    start = dict(MODNet(ModnetConfig("se", 8, 0.1)).named_parameters())
    learnt, shared = (training_part(run / "last.ckpt")["weights"] for run in (alone, together))
    moved = sum(float((learnt[name] - start[name]).detach().abs().sum()) for name in start)
    apart = sum(float((learnt[name] - shared[name]).abs().sum()) for name in start)
    assert apart < 0.01 * moved


def launch(processes: int, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Start the command as torchrun does."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.run(
        [sys.executable, *torchrun, "-m", "matting_core.modnet.train", *arguments],
        cwd=ROOT,
        env={**os.environ, **ONE_THREAD},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
