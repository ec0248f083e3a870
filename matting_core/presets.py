"""The named trade-offs between speed and detail: one table for the commands, the window and the engines."""

from dataclasses import dataclass

from matting_core.errors import UsageError

RELEASED = "modnet_photographic"
FAST = "mattecam_fast"
AUTO_MODEL = "auto"


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


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("fast", 512, model=FAST),
        Preset("balanced", 512),
        Preset("quality", 640),
        Preset("ultra", 768, int8=False),
    )
}
DEFAULT_PRESET = "balanced"


def find_preset(name: str) -> Preset:
    """The preset of that name; UsageError names the choices."""
    try:
        return PRESETS[name]
    except KeyError:
        raise UsageError(f"There is no preset '{name}'.", f"Choose one of: {', '.join(PRESETS)}.") from None
