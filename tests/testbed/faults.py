"""What goes wrong with real devices, and what Mattecam must do then: a plain sentence, no room, no hang."""

import signal
import time
from typing import Any

from tests.testbed.app_run import SIZE, App, go_live, is_matted, is_slate, no_room
from tests.testbed.checks import check_size
from tests.testbed.rig import CAMERA, PLAIN, PLAYED, Rig, check, control
from tests.testbed.scenario import Scenario

MOVING, STILL = "horizontal_movement=6", "horizontal_movement=3"
"""Of vivid's bars."""


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
    _, first, reader, seen = go_live(rig, "--fps", 8)
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
    player, app, reader, seen = go_live(rig, "--fps", 8)
    player.process.send_signal(signal.SIGSTOP)
    seen += reader.until(is_slate, "the slate")
    player.process.send_signal(signal.SIGCONT)
    seen += reader.until(is_matted, "the picture after the silence", 120.0)
    no_room(seen)
    app.stop(signal.SIGINT)
    return {"pictures": len(seen), "said": app.said()}


def damaged_jpeg(rig: Rig) -> dict[str, Any]:
    """Every fourth JPEG is cut short: the picture goes on, and no room shows in what the damage leaves."""
    _, app, reader, seen = go_live(rig, "--fps", 8, "--format", "MJPG", "--damage-every", 4)
    seen += [reader.json() for _ in range(40)]
    no_room(seen)
    check(sum(map(is_matted, seen)) >= 10, "hardly a picture came through")
    report = app.stop()
    return {"captured": report["captured"], "shown": report["shown"], "said": app.said()}


def dark(rig: Rig) -> dict[str, Any]:
    """A camera whose lid closes and opens again: told, and nobody is shown meanwhile."""
    player, app, reader, seen = go_live(rig, "--fps", 8, "--fault", "black")
    player.process.send_signal(signal.SIGUSR1)
    app.wait_said("sends a black picture")
    seen += reader.rest()
    check(not is_matted(seen[-1]), "the person is shown in the dark")
    player.process.send_signal(signal.SIGUSR2)
    seen += reader.until(is_matted, "the picture after the dark", 120.0)
    no_room(seen)
    report = app.stop()
    return {"captured": report["captured"], "shown": report["shown"], "said": app.said()}


def frozen(rig: Rig) -> dict[str, Any]:
    """vivid's bars without noise are one picture for ever: told, and a slate until they move.

    A loopback device would not do for the camera: a virtual one may stand still on purpose.
    """
    control(CAMERA, MOVING)  # until somebody reads
    app = App(rig, CAMERA, PLAIN)
    app.wait_open()
    reader = rig.reader(PLAIN)
    reader.until(lambda each: not is_slate(each), "the bars with a new background", 120.0)
    control(CAMERA, STILL)
    app.wait_said("the same picture again and again")
    reader.until(is_slate, "the slate instead of the frozen picture")
    control(CAMERA, MOVING)
    reader.until(lambda each: not is_slate(each), "the picture after the frost", 120.0)
    report = app.stop()
    return {"captured": report["captured"], "shown": report["shown"], "said": app.said()}


def another_size(rig: Rig) -> dict[str, Any]:
    """JPEGs of half the size in mid-stream: the picture goes on, in the size that was promised to the readers."""
    player, app, reader, seen = go_live(rig, "--fps", 8, "--format", "MJPG", "--fault", "half")
    player.process.send_signal(signal.SIGUSR1)
    for _ in range(20):  # what was under way
        seen.append(reader.json())
    smaller = [reader.json() for _ in range(10)]
    player.process.send_signal(signal.SIGUSR2)
    for _ in range(20):
        seen.append(reader.json())
    seen += reader.until(is_matted, "the picture afterwards", 120.0)
    no_room([*seen, *smaller])
    check_size([*seen, *smaller], SIZE)
    check(all(map(is_matted, smaller)), f"{sum(map(is_matted, smaller))} of {len(smaller)} smaller pictures are matted")
    report = app.stop()
    return {"shown": report["shown"], "said": app.said()}


def stopped_and_continued(rig: Rig) -> dict[str, Any]:
    """SIGSTOP and SIGCONT, as a laptop that sleeps: the picture goes on, nobody is blamed, no room shows."""
    _, app, reader, seen = go_live(rig, "--fps", 8)
    app.program.process.send_signal(signal.SIGSTOP)
    time.sleep(15.0)  # longer than a call that hangs may take
    seen += reader.rest()
    reader.kill()  # OpenCV has lost its patience meanwhile
    reader = rig.reader(PLAIN)
    app.program.process.send_signal(signal.SIGCONT)
    seen += reader.until(is_matted, "the picture afterwards", 120.0)
    no_room(seen)
    report = app.stop()
    check("given up" not in app.said(), f"something was blamed: {app.said()}")
    return {"shown": report["shown"], "said": app.said()}


SCENARIOS = (
    Scenario("nothing there at the start", nothing_there),
    Scenario("devices in use", busy),
    Scenario("readers come, go and crash", readers_come_and_go, limit_s=300.0),
    Scenario("Mattecam killed and started again", killed, limit_s=300.0),
    Scenario("camera silent for a while", silent_camera, limit_s=300.0),
    Scenario("damaged JPEGs", damaged_jpeg, limit_s=300.0),
    Scenario("camera dark", dark, limit_s=300.0),
    Scenario("camera frozen", frozen, limit_s=300.0),
    Scenario("pictures of another size", another_size, limit_s=300.0),
    Scenario("Mattecam stopped and continued", stopped_and_continued, limit_s=300.0),
)
