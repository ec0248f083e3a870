"""Mattecam itself, as a user runs it: `main.py run` in a home of its own, with a network small enough for emulation."""

import json
import signal
import sys
from pathlib import Path
from typing import Any, NamedTuple

from app.settings import Settings, save
from matting_core.model_store import ModelStore
from tests.support.tiny_onnx import write_network
from tests.testbed.rig import PLAIN, PLAYED, ROOT, Program, Rig, check, wait_until

SIZE = (320, 192)
BACKGROUND_BGR = (96, 64, 32)
MODEL = "bright"
STOP_LIMIT_S = 60.0
"""Two seconds are the rule on a real machine; here the interpreter alone takes long to end."""


def home(folder: Path, device: str, **changes: Any) -> dict[str, str]:
    """A home with settings and the tiny network, as environment variables.

    The network says 1 where a pixel is brighter than mid-grey and 0 elsewhere, so every matte is known in advance.
    """
    store = ModelStore(user=folder / "data/mattecam/models")
    if MODEL not in {entry.name for entry in store.list()}:
        folder.mkdir(parents=True, exist_ok=True)
        store.add(write_network(folder / "bright.onnx", ("ReduceMean", "Sign", "Relu")), MODEL, "the testbed")
    width, height = SIZE
    usual = {
        "virtual_camera_device": device,
        "output_size": f"{width}x{height}",
        "output_fps": 15,
        "camera_size": "320x180",
        "camera_fps": 15,
        "smoothing": "off",
        "fit": "stretch",
    }
    save(Settings().changed(**{**usual, **changes}), folder / "config/mattecam/settings.json")
    return {"HOME": str(folder), "XDG_CONFIG_HOME": f"{folder}/config", "XDG_DATA_HOME": f"{folder}/data"}


class App:
    """A running `run`. output: the device that it feeds."""

    def __init__(self, rig: Rig, camera: str, output: str, *arguments: str, **changes: Any) -> None:
        self.output = output
        background = "#{2:02x}{1:02x}{0:02x}".format(*BACKGROUND_BGR)
        words = [sys.executable, "-B", str(ROOT / "main.py"), "run", "--camera", camera, "--output", "virtual"]
        words += ["--background", f"color:{background}", "--json"]
        words += arguments or ("--model", MODEL, "--preset", "fast", "--engine", "cpu")
        self.program: Program = rig.program(words, home(rig.folder / "home", output, **changes))

    def wait_open(self) -> None:
        """Wait until it feeds its virtual camera."""
        fed = Path("/sys/devices/virtual/video4linux", Path(self.output).name, "format")

        def is_open() -> bool:
            check(self.program.process.poll() is None, f"run ended early: {self.said()}")
            return bool(fed.read_text(encoding="ascii").strip())

        wait_until(is_open, f"run opening {self.output}")

    def said(self) -> str:
        """All that it wrote to standard error, but for its regular line of figures."""
        return " ".join(line.strip() for line in self.program.errors if " → " not in line)

    def wait_said(self, words: str) -> None:
        """Wait until it has said this on standard error."""
        wait_until(lambda: words in self.said(), f"run saying '{words}'")

    def stop(self, number: int = signal.SIGTERM) -> dict[str, Any]:
        """End it in order; its report. Raises CheckFailed if it does not end well."""
        code = self.program.end(number, STOP_LIMIT_S)
        check(code == 0, f"run ended with {code}: {self.said()}")
        report: dict[str, Any] = json.loads(self.program.lines[-1])
        return report

    def refused(self) -> str:
        """Wait until it has ended by itself with exit code 1 and one sentence; what it said."""
        code = self.program.wait()
        check(code == 1, f"run ended with {code}, not 1: {self.said()}")
        check("Traceback" not in self.said(), f"run ended with a traceback: {self.said()}")
        return self.said()


class Live(NamedTuple):
    """A played camera, `run` that mattes it, a program that reads the result, and what that has read so far."""

    player: Program
    app: App
    reader: Program
    seen: list[dict[str, Any]]


def go_live(rig: Rig, *playing: object) -> Live:
    """Play the room into PLAYED, run from there to PLAIN, and read there up to the first matted picture.

    playing: options of the player.
    """
    player = rig.player(*playing)
    app = App(rig, PLAYED, PLAIN)
    app.wait_open()
    reader = rig.reader(PLAIN)
    return Live(player, app, reader, reader.until(is_matted, "a matted picture", 120.0))


def no_room(seen: list[dict[str, Any]]) -> None:
    """The privacy rule: no picture that was read shows the room."""
    leaks = [each["room"] for each in seen if each.get("room")]
    check(not leaks, f"{len(leaks)} of {len(seen)} pictures show the room, {max(leaks, default=0)} pixels at most")


def is_matted(seen: dict[str, Any]) -> bool:
    """A picture of the made-up room with the person kept and the room replaced."""
    return near(seen["corner"], BACKGROUND_BGR) and near(seen["person"], (150, 235, 150))


def near(colour: list[int], wanted: tuple[int, int, int], levels: int = 12) -> bool:
    """Whether a colour is within some levels of another in every channel."""
    return all(abs(a - b) <= levels for a, b in zip(colour, wanted, strict=True))


def is_slate(seen: dict[str, Any]) -> bool:
    """A picture with neither person nor background: dark all over, as the slate is."""
    return max(*seen["corner"], *seen["person"]) < 75 and not near(seen["corner"], BACKGROUND_BGR, 8)
