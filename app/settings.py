"""The one settings schema: frozen, validated, versioned; loaded and saved as JSON in the platform's config folder."""

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from app.shipped_backgrounds import found_again
from matting_core.atomic import write_atomically
from matting_core.background_spec import parse_spec
from matting_core.errors import SettingsError, UsageError
from matting_core.inputs import read_bounded
from matting_core.presets import AUTO_MODEL, AUTO_PRESET, LIVE_PRESETS, live_preset

log = logging.getLogger(__name__)

VERSION = 1
LEAST_LOAD, NO_LIMIT = 10, 100
SLOWEST_CAP = 5
OUT_OF_BOUNDS = ("greater_than_equal", "less_than_equal")
"""What pydantic calls a number beyond its field's bounds; such a field here has both."""
SIZE_RULE = "WIDTHxHEIGHT, each from 16 to 7680, for example 1280x720"
LARGEST = 1 << 20
"""Bytes of a settings file that are read at most; a full one has a few thousand."""


class Scene(BaseModel):
    """What a named scene recalls: the looks, not the devices."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    background: str = "blur"
    fit: Literal["cover", "contain", "stretch"] = "cover"
    mirror: bool = False
    edge_shift: int = Field(0, ge=-20, le=20, description="pixels at 720p: below 0 shrinks, above 0 grows")
    edge_feather: int = Field(0, ge=0, le=20, description="pixels at 720p")
    light_wrap: float = Field(0.0, ge=0.0, le=1.0)
    decontaminate: bool = True
    smoothing: Literal["off", "ofd", "motion"] = "motion"

    @field_validator("background")
    @classmethod
    def _background_is_a_spec(cls, value: str) -> str:
        try:
            parse_spec(value)
        except UsageError as error:
            raise ValueError(str(error)) from error
        return value.strip()

    @property
    def shows_the_room(self) -> bool:
        return self.background == "none"


_HIDDEN = {"background": Scene().background}


class Settings(Scene):
    """One immutable snapshot of everything a user can set. Threads read it by reference, once a frame."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    camera: str = Field("auto", min_length=1, description="'auto', an index, a name, a device path, a file, or 'demo'")
    camera_size: str = "1280x720"
    camera_fps: int = Field(30, ge=1, le=240)
    camera_mjpeg: bool = True
    engine: str = "auto"
    preset: str = Field(AUTO_PRESET, description=f"one of {', '.join(LIVE_PRESETS)}")
    model: str = Field(AUTO_MODEL, description="'auto': the preset's, or one of `models list`")
    output_size: str = "1280x720"
    output_fps: int = Field(60, ge=1, le=240, description="the most that is sent; a slower camera sets the pace")
    fps_cap: int = Field(0, ge=0, le=240, description="the most frames that are matted in a second; 0: no cap")
    load_limit: int = Field(NO_LIMIT, ge=LEAST_LOAD, le=NO_LIMIT, description="% of the processor or GPU used at most")
    virtual_camera: bool = True
    virtual_camera_device: str = ""
    rest_unwatched: bool = Field(True, description="close the camera while nobody watches; see app.demand")
    show_statistics: bool = False
    split_view: bool = False
    scenes: dict[str, Scene] = Field(default_factory=dict)

    @field_validator("preset")
    @classmethod
    def _preset_exists(cls, value: str) -> str:
        try:
            live_preset(value)
        except UsageError as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("camera_size", "output_size")
    @classmethod
    def _size_is_one(cls, value: str, field: ValidationInfo) -> str:
        try:
            width, height = parse_size(value)
        except UsageError as error:
            raise ValueError(f"it must be {SIZE_RULE}") from error
        if field.field_name == "output_size":
            width, height = even(width, height)
        return f"{width}x{height}"

    @field_validator("scenes")
    @classmethod
    def _scenes_hide_the_room(cls, scenes: dict[str, Scene]) -> dict[str, Scene]:
        return {
            name: scene.model_copy(update=_HIDDEN) if scene.shows_the_room else scene for name, scene in scenes.items()
        }

    @field_validator("fps_cap")
    @classmethod
    def _cap_is_live(cls, value: int) -> int:
        if 0 < value < SLOWEST_CAP:
            raise ValueError(f"it must be 0 for no limit, or at least {SLOWEST_CAP}")
        return value

    def changed(self, names: Mapping[str, str] | None = None, /, **changes: Any) -> "Settings":
        """A validated copy with these fields changed; UsageError names the one that does not fit.

        names: what the user calls fields, if not by their own names.
        """
        try:
            return Settings.model_validate({**self.model_dump(), **changes})
        except ValidationError as error:
            first = error.errors()[0]
            place = [str(part) for part in first["loc"]]
            reason = _reason(place, first["type"], first["msg"])
            name = (names or {}).get(".".join(place), f"The setting {'.'.join(place)}")
            raise UsageError(f"{name} cannot be {first['input']!r}: {reason}.") from error

    def scene(self) -> Scene:
        """The part that a named scene stores: never 'none', so that no key shows the room."""
        looks = {name: getattr(self, name) for name in Scene.model_fields}
        if self.shows_the_room:
            del looks["background"]
        return Scene(**looks)


RESTART_FIELDS = frozenset({"camera", "camera_size", "camera_fps", "camera_mjpeg", "engine", "model"})
"""Changing one of these restarts capture and matting; every other field is read live. output_size, output_fps and
the virtual camera's device hold until the app is started again: a closed loopback device may not open again."""


def _reason(place: list[str], kind: str, message: str) -> str:
    """What is wrong with the value of the setting that `place` ends with; kind and message are pydantic's."""
    field = Settings.model_fields.get(place[-1])
    if field is None or kind not in OUT_OF_BOUNDS:
        return message.removeprefix("Value error, ").removesuffix(".")
    marks = {type(mark).__name__: mark for mark in field.metadata}
    return f"it must be a number from {marks['Ge'].ge:g} to {marks['Le'].le:g}"


def parse_size(text: str) -> tuple[int, int]:
    """'1280x720' → (1280, 720), width first; UsageError for anything else."""
    width, _, height = text.lower().partition("x")
    if (
        width.isdecimal()
        and height.isdecimal()
        and len(text) < 12
        and 16 <= int(width) <= 7680
        and 16 <= int(height) <= 7680
    ):
        return int(width), int(height)
    raise UsageError(f"'{text}' is not a size.", f"Write {SIZE_RULE}.")


def even(width: int, height: int) -> tuple[int, int]:
    """The size of a canvas: video has half as many colours as pixels each way, so no odd sides."""
    return width - width % 2, height - height % 2


def settings_path() -> Path:
    """The settings file in the platform's config folder."""
    return platformdirs.user_config_path("mattecam", appauthor=False) / "settings.json"


def load(path: Path | None = None, *, keep_aside: bool = True) -> tuple[Settings, list[str]]:
    """Read settings; never fails on their content.

    That the room was shown is not remembered: somebody who starts again days later would show it unawares.

    Returns the settings and the notices to show. An unknown key is noted and left out, a bad value falls back to
    that field's default with a notice, an unreadable or newer file is noted and, with keep_aside, copied beside it.
    """
    path = path or settings_path()

    def kept(why: str) -> str:
        return _set_aside(path, why) if keep_aside else "Values that cannot be used fall back to the defaults."

    try:
        raw = json.loads(read_bounded(path, LARGEST))
        if not isinstance(raw, dict):
            raise TypeError("it is not a list of settings")  # noqa: TRY301
    except FileNotFoundError:
        return Settings(), []
    except (OSError, TypeError, ValueError, RecursionError) as error:
        return Settings(), [f"The settings file {path} cannot be read ({error}). {kept('unreadable')}"]
    notices = []
    version = raw.pop("version", VERSION)
    if isinstance(version, int) and version > VERSION:
        notices.append(f"The settings file {path} is from a newer Mattecam. {kept('newer')}")
    for key in sorted(set(raw) - set(Settings.model_fields)):
        notices.append(f"The settings file has an unknown setting '{key}'; it is ignored.")
        del raw[key]
    while True:
        try:
            return _found_again(_with_the_room_hidden(Settings.model_validate(raw))), notices
        except ValidationError as error:
            taken = _take_out(raw, error)
            for name, why in taken.items():
                notices.append(f"The setting {name} is not usable ({why}); its default is used.")
            if not taken:
                raw.clear()  # so that this loop ends


def _with_the_room_hidden(settings: Settings) -> Settings:
    return settings.model_copy(update=_HIDDEN) if settings.shows_the_room else settings


def _found_again(settings: Settings) -> Settings:
    """These settings with the backgrounds that come along where they lie now, those of the scenes, too."""
    scenes = {
        name: scene.model_copy(update={"background": found_again(scene.background)})
        for name, scene in settings.scenes.items()
    }
    return settings.model_copy(update={"background": found_again(settings.background), "scenes": scenes})


def save(settings: Settings, path: Path | None = None) -> None:
    """Write settings beside the file and rename, so that a crash leaves the old or the new, never a part."""
    path = path or settings_path()
    kept = _with_the_room_hidden(settings).model_dump()
    data = json.dumps({"version": VERSION, **kept}, indent=2, ensure_ascii=False)
    try:
        # Half a surrogate pair, which JSON can hold and UTF-8 cannot, is written as JSON's own escape.
        write_atomically(path, data.encode(errors="backslashreplace") + b"\n")
    except OSError as error:
        raise SettingsError(
            f"The settings cannot be saved to {path} ({error.strerror}).",
            "Free up disk space, or fix the folder's permissions.",
        ) from error


def _take_out(raw: dict[str, Any], error: ValidationError) -> dict[str, str]:
    """Remove from `raw`, in place, each value that an error is about: its name and what is wrong with it.

    Where the place named is no key (a scene's name that is no text), what holds it goes.
    """
    taken: dict[str, str] = {}
    for item in error.errors():
        parent, place = raw, [str(part) for part in item["loc"]]
        for depth, part in enumerate(place):
            below = parent.get(part)
            if isinstance(below, dict) and depth + 1 < len(place) and place[depth + 1] in below:
                parent = below
                continue
            if part in parent:
                del parent[part]
                taken[".".join(place[: depth + 1])] = _reason(place, item["type"], item["msg"])
            break
    return taken


def _set_aside(path: Path, why: str) -> str:
    kept = path.with_name(f"{path.stem}.{why}{path.suffix}")
    number = 1
    try:
        data = read_bounded(path, LARGEST)
        while os.path.lexists(kept) and not _holds(kept, data):
            number += 1
            kept = path.with_name(f"{path.stem}.{why}-{number}{path.suffix}")
        if not os.path.lexists(kept):
            write_atomically(kept, data)
    except OSError:
        return "Defaults are used."
    return f"It is kept as {kept.name}; values that cannot be used fall back to the defaults."


def _holds(path: Path, data: bytes) -> bool:
    try:
        return read_bounded(path, LARGEST) == data
    except OSError:
        return False
