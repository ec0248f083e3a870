"""What a training run is: one validated, frozen tree of settings, read from TOML. Loads no torch.

The defaults are the paper's: SGD 0.01, momentum 0.9, batch 16, 40 epochs, the rate ÷10 each quarter, sides of 512.
`configs/` holds presets, which a command may name instead of a file.
"""

import difflib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from matting_core.atomic import write_atomically
from matting_core.errors import UsageError
from matting_core.preprocess import MULTIPLE

PRESETS = Path(__file__).parent / "configs"
LAST, BEST = "last.ckpt", "best.ckpt"
"""A run's networks, in its output folder (`run_state.py`)."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class DataConfig(_Section):
    """Where pictures come from and how they are shown; paths are relative to the working directory."""

    train: Path = Field(description="a folder of pictures and true mattes in one of the layouts of `eval`")
    validation: Path = Field(description="another one, on which every validation is measured")
    layout: str = "auto"
    backgrounds: Path | None = Field(None, description="a folder of pictures that people are laid on")
    camera: float = Field(1.0, ge=0, le=1, description="the share of the samples that get a webcam's faults")
    size: str = Field("512x512", pattern=r"^\d+x\d+$", description="WIDTHxHEIGHT, multiples of 32")
    workers: int = Field(2, ge=0, le=256, description="processes that prepare samples, for each training process")

    @field_validator("size")
    @classmethod
    def _size_fits_the_network(cls, value: str) -> str:
        if any(not side or side % MULTIPLE for side in map(int, value.split("x"))):
            raise ValueError(f"the network takes sides that are multiples of {MULTIPLE}")
        return value

    @property
    def size_hw(self) -> tuple[int, int]:
        """(height, width) of the training samples."""
        width, height = map(int, self.size.split("x"))
        return height, width


class NetworkConfig(_Section):
    """The network and what it starts from. norms: whether batch normalisation learns or keeps what it has.

    With 'branches' it learns in the branches alone: a backbone out of an .onnx has its norms folded. A slim network
    does not begin from scratch but from what `begin` makes, and the sight that it has of its teacher never learns.
    """

    weights: Path | None = Field(None, description="a checkpoint or a released .onnx; without it, from scratch")
    backbone: Path | None = Field(None, description="likewise, but only its backbone is taken")
    teacher: Path | None = Field(None, description="likewise; a slim network has its sight, and learns its mattes")
    context: Literal["se", "easpp"] = "se"
    detail_width: int = 32
    backbone_width: float = 1.0
    branches: Literal["released", "slim"] = "released"
    norms: Literal["train", "branches", "frozen"] = "train"


class OptimiserConfig(_Section):
    """How weights move. schedule: 'quarters' divides the rate by 10 after each quarter of the run."""

    name: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = Field(0.01, gt=0, le=10)
    backbone_share: float = Field(1.0, ge=0, le=10, description="the backbone learns at this multiple of the rate")
    momentum: float = Field(0.9, ge=0, lt=1, description="SGD's; Adam keeps (0.9, 0.999)")
    weight_decay: float = Field(0.0, ge=0, le=1)
    schedule: Literal["quarters", "cosine", "constant"] = "quarters"
    warmup_steps: int = Field(0, ge=0, description="the rate rises linearly over so many steps")
    gradient_clip: float = Field(0.0, ge=0, description="largest norm of the gradient; 0: any")


class TrainConfig(_Section):
    """One run. Intervals are in steps; validation and checkpoint also come at the very end."""

    output: Path = Field(description="a folder of this run's own")
    seed: int = Field(0, ge=0)
    epochs: int = Field(40, ge=1, le=1_000_000)
    batch: int = Field(16, ge=1, le=65536, description="over all processes together")
    weighting: Literal["paper", "released"] = "paper"
    steadiness: float = Field(
        0.0, ge=0, le=1000, description="weight of the objective that a matte holds still (moment.py); 0: none"
    )
    ema_decay: float = Field(0.999, ge=0, lt=1, description="of the averaged weights, which are what is kept")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto: bf16 or fp16 on a GPU; fp32 on a CPU, but bf16 for a teacher where it has that"
    )
    device: Literal["auto", "cpu"] = "auto"
    validate_every: int = Field(500, ge=1)
    checkpoint_every: int = Field(100, ge=1)
    log_every: int = Field(10, ge=1)
    samples: int = Field(4, ge=0, le=64, description="validation pictures whose mattes go to TensorBoard")
    data: DataConfig
    network: NetworkConfig = NetworkConfig()
    optimiser: OptimiserConfig = OptimiserConfig()

    def deciding(self) -> dict[str, Any]:
        """The settings that decide what the weights become, flat and plain: a resumed run must have the same.

        Left out: places, how often something is written, and on what it is computed.
        """
        left_out = {"output", "precision", "device", "validate_every", "checkpoint_every", "log_every", "samples"}
        left_out |= {"data.train", "data.validation", "data.backgrounds", "data.workers"}
        left_out |= {"network.weights", "network.backbone", "network.teacher"}
        return {key: value for key, value in _flat(self.model_dump(mode="json")).items() if key not in left_out}


class Override(NamedTuple):
    """KEY=VALUE of the command line: 'optimiser.learning_rate=1e-3'; a value that is no TOML is a string."""

    keys: tuple[str, ...]
    value: Any

    @classmethod
    def parse(cls, text: str) -> "Override":
        """Raises UsageError for a text without a key or an equals sign."""
        key, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"\w+(\.\w+)*", key):
            raise UsageError(f"'{text}' sets nothing.", "Write --set KEY=VALUE, for example --set epochs=10.")
        try:
            parsed = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            parsed = value
        return cls(tuple(key.split(".")), parsed)


def load_config(source: str, overrides: Sequence[str] = ()) -> TrainConfig:
    """The config in a TOML file, or in the preset of that name, with KEY=VALUE overrides.

    Raises UsageError that names the file that cannot be read, or the key that is unknown, missing or wrong.
    """
    content = _read(source)
    for text in overrides:
        keys, value = Override.parse(text)
        section = content
        for key in keys[:-1]:
            section = section.setdefault(key, {})
            if not isinstance(section, dict):
                raise UsageError(f"{'.'.join(keys)} cannot be set: {key} is not a section.", "See docs/research.md.")
        section[keys[-1]] = value
    try:
        return TrainConfig.model_validate(content)
    except ValidationError as error:
        raise _explained(source, error) from error


def _read(source: str) -> dict[str, Any]:
    presets = {path.stem: path for path in sorted(PRESETS.glob("*.toml"))}
    path = presets.get(source, Path(source))
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            f"There is no config {source}.", f"Give a TOML file, or one of: {', '.join(presets)}."
        ) from error
    except OSError as error:
        raise UsageError(f"The config {source} cannot be read ({error.strerror}).", "Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The config {source} is not valid TOML ({error}).", "Fix that line.") from error


def _explained(source: str, error: ValidationError) -> UsageError:
    """The first of pydantic's complaints as one sentence."""
    first = error.errors()[0]
    keys = [str(part) for part in first["loc"]]
    name = ".".join(keys)
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, _known_keys(), n=1, cutoff=0.5)
        return UsageError(
            f"{source}: there is no key {name}.", f"Did you mean {near[0]}?" if near else "See docs/research.md."
        )
    if first["type"] == "missing":
        return UsageError(f"{source}: the key {name} is missing.", f"Write it there, or add --set {name}=…")
    reason = first["msg"].removeprefix("Value error, ")
    return UsageError(f"{source}: {name} cannot be {first['input']!r}: {reason}.", "See docs/research.md.")


def _known_keys() -> list[str]:
    sections: dict[str, type[BaseModel]] = {"data": DataConfig, "network": NetworkConfig, "optimiser": OptimiserConfig}
    inner = [f"{name}.{key}" for name, section in sections.items() for key in section.model_fields]
    return [*TrainConfig.model_fields, *inner]


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return flat


def write_note(config: TrainConfig) -> None:
    """Write the config beside its results; the first write there, so that a folder that takes none is known now.

    Raises UsageError for such a folder.
    """
    try:
        data = tomli_w.dumps(config.model_dump(mode="json", exclude_none=True)).encode()
        write_atomically(config.output / "config.toml", data)
    except OSError as error:
        raise UsageError(
            f"The output folder {config.output} cannot be written ({error.strerror}).", "Set another output."
        ) from error
