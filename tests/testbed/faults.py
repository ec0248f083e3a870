"""What goes wrong with real devices, and what Mattecam must do then: a plain sentence, no room, no hang."""

import signal
from typing import Any

from tests.testbed.app_run import App, is_matted, is_slate, no_room
from tests.testbed.rig import CAMERA, PLAIN, PLAYED, Rig, check
from tests.testbed.scenario import Scenario


def nothing_there(rig: Rig) -> dict[str, Any]:
    """No camera, then no virtual camera at the start: exit code 1 and one sentence that says which."""
    rig.unload("vivid")
    camera = App(rig, CAMERA, PLAIN).refused()
    check(f"There is no camera at {CAMERA}" in camera, f"unclear: {camera}")
    rig.plug_in()
    rig.unload("v4l2loopback")
    output = App(rig, CAMERA, "").refused()
    check("There is no virtual camera on this computer" in output, f"unclear: {output}")
    return {"camera": camera, "virtual_camera": output}


def busy(rig: Rig) -> dict[str, Any]:
    """A virtual camera that another program feeds, a camera that another program reads: said so, exit code 1."""
    rig.player("--fps", 5)
    output = App(rig, CAMERA, PLAYED).refused()
    check("is in use" in output, f"unclear: {output}")
    rig.reader(CAMERA).json()
    camera = App(rig, CAMERA, PLAIN).refused()
    check("in use by another program" in camera, f"unclear: {camera}")
    return {"virtual_camera": output, "camera": camera}


def readers_come_and_go(rig: Rig) -> dict[str, Any]:
    """A reader ends, another is killed in the middle; a third one gets the picture all the same."""
    rig.player("--fps", 8)
    app = App(rig, PLAYED, PLAIN)
    app.wait_open()
    seen = []
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        reader = rig.reader(PLAIN)
        seen += reader.until(is_matted, "a matted picture", 120.0)
        reader.end(number)
    no_room(seen)
    report = app.stop()
    return {"shown": report["shown"], "failed": report["failed"]}


def killed(rig: Rig) -> dict[str, Any]:
    """kill -9: the last picture is the end of it, and a new start feeds the plain device again."""
    rig.player("--fps", 8)
    first = App(rig, PLAYED, PLAIN)
    first.wait_open()
    reader = rig.reader(PLAIN)
    seen = reader.until(is_matted, "a matted picture", 120.0)
    first.program.end(signal.SIGKILL)
    reader.kill()
    second = App(rig, PLAYED, PLAIN)
    second.wait_open()
    seen += rig.reader(PLAIN).until(is_matted, "a matted picture after the new start", 120.0)
    no_room([*seen, *reader.rest()])
    second.stop()
    return {"pictures": len(seen)}


def silent_camera(rig: Rig) -> dict[str, Any]:
    """A camera that goes silent, stopped for a while: the slate shows, and the picture comes back by itself."""
    player = rig.player("--fps", 8)
    app = App(rig, PLAYED, PLAIN)
    app.wait_open()
    reader = rig.reader(PLAIN)
    seen = reader.until(is_matted, "a matted picture", 120.0)
    player.process.send_signal(signal.SIGSTOP)
    seen += reader.until(is_slate, "the slate")
    player.process.send_signal(signal.SIGCONT)
    seen += reader.until(is_matted, "the picture after the silence", 120.0)
    no_room(seen)
    app.stop(signal.SIGINT)
    return {"pictures": len(seen), "said": app.said()}


def damaged_jpeg(rig: Rig) -> dict[str, Any]:
    """Every fourth JPEG is cut short: the picture goes on, and no room shows in what the damage leaves."""
    rig.player("--fps", 8, "--format", "MJPG", "--damage-every", 4)
    app = App(rig, PLAYED, PLAIN)
    app.wait_open()
    reader = rig.reader(PLAIN)
    seen = reader.until(is_matted, "a matted picture", 120.0)
    seen += [reader.json() for _ in range(40)]
    no_room(seen)
    check(sum(map(is_matted, seen)) >= 10, "hardly a picture came through")
    report = app.stop()
    return {"captured": report["captured"], "shown": report["shown"], "said": app.said()}


SCENARIOS = (
    Scenario("nothing there at the start", nothing_there),
    Scenario("devices in use", busy),
    Scenario("readers come, go and crash", readers_come_and_go, limit_s=300.0),
    Scenario("Mattecam killed and started again", killed, limit_s=300.0),
    Scenario("camera silent for a while", silent_camera, limit_s=300.0),
    Scenario("damaged JPEGs", damaged_jpeg, limit_s=300.0),
)
