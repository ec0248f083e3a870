"""The engines by name, and in which order they are tried. Light to import, so that menus and --help stay quick."""

import sys
from pathlib import Path

from matting_core.errors import UsageError

AUTO_ORDER = ("cuda", "openvino", "cpu")
MEND_MODEL = "Choose another engine, or check the model files with: models verify"
ENGINE_NAMES = ("auto", "cuda", "tensorrt", "coreml", "directml", "openvino", "openvino-gpu", "cpu")
PROCESSOR_ENGINES = ("openvino", "cpu")
GPU_ENGINES = ("cuda", "tensorrt", "coreml", "directml", "openvino-gpu")


def fallback_order(name: str) -> tuple[str, ...]:
    """The engines to try for the user's choice: `auto` means AUTO_ORDER; a named engine first, then the CPU ones.

    A named engine that cannot *start* is an error and is not replaced; the rest of the order serves an engine that
    started and broke later. UsageError for an unknown name.
    """
    if name == "auto":
        return AUTO_ORDER
    if name not in ENGINE_NAMES:
        raise UsageError(f"There is no engine '{name}'.", f"Choose one of: {', '.join(ENGINE_NAMES)}.")
    return (name, *(other for other in AUTO_ORDER[1:] if other != name))


def has_render_node() -> bool:
    """Whether Linux has a graphics device that can compute; elsewhere, whether there may be one."""
    return not sys.platform.startswith("linux") or any(Path("/dev/dri").glob("renderD*"))


def engines_for(platform: str, nvidia: bool, graphics: bool) -> tuple[str, ...]:
    """Those that may work on such a machine. platform: as `sys.platform`. nvidia: whether its driver is there.
    graphics: whether there may be a graphics device (`has_render_node`).

    Whether OpenVINO finds a GPU shows only when it loads that GPU's driver.
    """
    impossible = {
        "cuda": not nvidia,
        "tensorrt": not nvidia,
        "coreml": platform != "darwin",
        "directml": platform != "win32",
        "openvino-gpu": platform == "darwin" or not graphics,
    }
    return tuple(name for name in ENGINE_NAMES if not impossible.get(name, False))
