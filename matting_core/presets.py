"""The named trade-offs between speed and detail: one table for the commands, the window and the engines."""

from collections.abc import Iterable
from dataclasses import dataclass

from matting_core.errors import UsageError

RELEASED = "modnet_photographic"
FAST = "mattecam_fast"
AUTO_MODEL = "auto"
AUTO_PRESET = "auto"
"""Live only: moves between the presets so that the camera's rate is held (`governor.py`)."""
FAST_SIDE = 512
RELEASED_COST, FLOAT_COST = 3.0, 2.5
"""What a frame costs with the released network instead of the fast one, at one size, and in float32 instead of int8."""
RUNG = 1.25
"""A preset must cost this many times the one before to be a rung of its own."""


@dataclass(frozen=True, slots=True)
class Preset:
    """name; long_side: the network input's longer side in pixels, a multiple of 32.

    int8: quantised, where the engine can and the model has such a form. model: which network, if the user chose none.
    """

    name: str
    long_side: int
    int8: bool = True
    model: str = RELEASED

    def model_for(self, chosen: str | None) -> str:
        """The model's name: the user's own choice, or with AUTO_MODEL or none the preset's."""
        return self.model if chosen in (None, AUTO_MODEL) else chosen

    def relative_cost(self, chosen: str | None = None) -> float:
        """Roughly what a frame costs on a processor, as a multiple of the preset fast; a guess until it has run.

        chosen: the user's own model, which has no int8 form.
        """
        own = chosen not in (None, AUTO_MODEL, RELEASED, FAST)
        network = 1.0 if self.model_for(chosen) == FAST else RELEASED_COST
        return network * (self.long_side / FAST_SIDE) ** 2 * (1.0 if self.int8 and not own else FLOAT_COST)


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("fast", FAST_SIDE, model=FAST),
        Preset("balanced", 512),
        Preset("quality", 640),
        Preset("ultra", 768, int8=False),
    )
}
DEFAULT_PRESET = "balanced"
LIVE_PRESETS = (AUTO_PRESET, *PRESETS)


def find_preset(name: str) -> Preset:
    """The preset of that name; UsageError names the choices."""
    return _find(name, PRESETS)


def live_preset(name: str) -> Preset:
    """The preset that a live picture begins with: for AUTO_PRESET the lightest, so that no frame is lost meanwhile.

    UsageError names the choices.
    """
    if name == AUTO_PRESET:
        return next(iter(PRESETS.values()))
    return _find(name, LIVE_PRESETS)


def ladder(chosen: str | None = None) -> tuple[Preset, ...]:
    """The presets that AUTO_PRESET moves between, the lightest first.

    chosen: the user's own model; presets that would run it at nearly the size of the one before are left out.
    """
    rungs: list[Preset] = []
    for preset in PRESETS.values():
        if not rungs or preset.relative_cost(chosen) >= RUNG * rungs[-1].relative_cost(chosen):
            rungs.append(preset)
    return tuple(rungs)


def _find(name: str, choices: Iterable[str]) -> Preset:
    try:
        return PRESETS[name]
    except KeyError:
        raise UsageError(f"There is no preset '{name}'.", f"Choose one of: {', '.join(choices)}.") from None
