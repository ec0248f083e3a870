"""The training config: the presets are valid, values come from file and command line, wrong ones give one sentence."""

from pathlib import Path

import pytest

from matting_core.errors import UsageError
from matting_core.modnet.train_config import PRESETS, TrainConfig, load_config

PLACES = ("output=out", "data.train=t", "data.validation=v")


@pytest.mark.parametrize("preset", sorted(path.stem for path in PRESETS.glob("*.toml")))
def test_every_preset_needs_the_places_only(preset: str) -> None:
    assert load_config(preset, PLACES).data.train == Path("t")


def test_the_defaults_are_the_papers() -> None:
    config = load_config("paper", PLACES)
    assert (config.batch, config.epochs, config.weighting) == (16, 40, "paper")
    rule = config.optimiser
    assert (rule.name, rule.learning_rate, rule.momentum, rule.schedule) == ("sgd", 0.01, 0.9, "quarters")
    assert config.data.size_hw == (512, 512)
    assert config.network.context == "easpp"
    bare = TrainConfig.model_validate({"output": "out", "data": {"train": "t", "validation": "v"}})
    assert bare.optimiser == rule


def test_a_file_is_read_and_the_command_line_goes_over_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('output = "o"\nbatch = 4\n[data]\ntrain = "t"\nvalidation = "v"\nsize = "96x160"\n')
    config = load_config(str(file), ["batch=2", "optimiser.schedule=cosine", "optimiser.learning_rate=1e-4"])
    assert (config.batch, config.optimiser.schedule, config.optimiser.learning_rate) == (2, "cosine", 1e-4)
    assert config.data.size_hw == (160, 96)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("data.size=500x512", "paper: data.size cannot be '500x512': the network takes sides that are multiples"),
        ("data.size=32x0", "multiples of 32"),
        ("data.size=big", "data.size cannot be 'big'"),
        ("batch=0", "batch cannot be 0: Input should be greater than or equal to 1."),
        ("optimiser.learning_rate=fast", "optimiser.learning_rate cannot be 'fast': Input should be a valid number"),
        ("optimiser.learnin_rate=1", "there is no key optimiser.learnin_rate. Did you mean optimiser.learning_rate?"),
        ("seeed=1", "there is no key seeed. Did you mean seed?"),
        ("batch", "'batch' sets nothing."),
        ("batch.size=1", "batch.size cannot be set: batch is not a section."),
        ("optimiser.name=rmsprop", "should be 'sgd' or 'adam'"),
    ],
)
def test_a_wrong_key_or_value_is_named_in_a_sentence(override: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_config("paper", [*PLACES, override])
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(UsageError, match=r"the key data\.validation is missing.*--set data\.validation="):
        load_config("finetune", PLACES[:2])


def test_a_config_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no config nowhere"):
        load_config("nowhere")
    file = tmp_path / "bad.toml"
    file.write_text("batch = = 3")
    with pytest.raises(UsageError, match=r"bad\.toml is not valid TOML .*line 1"):
        load_config(str(file))
    with pytest.raises(UsageError, match="cannot be read"):
        load_config(str(tmp_path))


def test_places_and_intervals_do_not_decide_what_is_learnt() -> None:
    one = load_config("paper", PLACES)
    elsewhere = load_config("paper", [*PLACES, "output=b", "data.train=c", "validate_every=7", "data.workers=0"])
    other = load_config("paper", [*PLACES, "optimiser.learning_rate=0.02"])
    assert one.deciding() == elsewhere.deciding()
    assert one.deciding() != other.deciding()
