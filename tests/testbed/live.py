"""The real `run` from camera to virtual camera, read back by a second program."""

import os
from typing import Any

from app.camera_list import list_cameras
from tests.testbed import checks
from tests.testbed.app_run import BACKGROUND_BGR, SIZE, App, go_live, is_matted, is_slate, near, no_room
from tests.testbed.picture import BARS_BGR
from tests.testbed.rig import CAMERA, EXCLUSIVE, PLAIN, Rig, check, control
from tests.testbed.scenario import Scenario

KEPT_BARS = [sum(colour) > 3 * 127.5 for colour in BARS_BGR]
"""Which of vivid's bars are brighter than mid-grey, and so the person for the tiny network."""


def played_room(rig: Rig) -> dict[str, Any]:
    """A made-up room through `run`: the matte is right, the order holds, nothing is torn, the room is never seen."""
    _, app, reader, seen = go_live(rig, "--fps", 8)
    matted: list[dict[str, Any]] = []
    while len(matted) < 40:
        matted.append(reader.json())
    no_room([*seen, *matted])
    checks.check_size(matted, SIZE)
    check(all(is_matted(each) for each in matted), "the picture went away in between")
    facts = {**checks.check_order([each["counts"] for each in matted], 8), "reader": checks.intervals(matted)}
    report = app.stop()
    last = reader.rest()
    no_room(last)
    return {**facts, "run": _brief(report)}


def vivid_unplugged(rig: Rig) -> dict[str, Any]:
    """vivid through `run`; unplugged, the slate shows; plugged in again, the picture comes back by itself."""
    names = [camera.name for camera in list_cameras() if not camera.virtual]
    control(CAMERA, "osd_text_mode=1")  # a running counter: bars that stand still would be told to be frozen
    app = App(rig, "auto", EXCLUSIVE)
    app.wait_open()
    reader = rig.reader(EXCLUSIVE)
    seen = reader.until(_bars_are_matted, "vivid's bars with a new background", 120.0)
    last = seen[-1]
    for bar, kept, sent in zip(last["bars"], KEPT_BARS, BARS_BGR, strict=True):
        wanted = sent if kept else BACKGROUND_BGR
        check(near(bar, wanted, 16), f"a bar is {bar}, should be {wanted}: all are {last['bars']}")
    # vivid comes back when the last program has let go of it: a handle of our own keeps it away.
    held = os.open(CAMERA, os.O_RDWR | os.O_NONBLOCK)
    control(CAMERA, "disconnect=1")
    app.wait_said("stopped sending pictures")
    reader.until(is_slate, "the slate after the unplugging")
    gone = [reader.json() for _ in range(10)]
    check(all(is_slate(each) for each in gone), "a picture came without a camera")
    os.close(held)
    reader.until(_bars_are_matted, "the picture after plugging in again", 120.0)
    report = app.stop()
    check("vivid" in report["source"], f"the source was {report['source']}")
    return {"cameras": names, "said": app.said(), "run": _brief(report)}


def shipped_network(rig: Rig) -> dict[str, Any]:
    """`run --preset fast` with the network that ships, on vivid: as a user has it, only slower."""
    app = App(rig, "auto", PLAIN, "--preset", "fast")
    app.wait_open()
    reader = rig.reader(PLAIN)
    reader.until(lambda each: not is_slate(each), "a picture that is no slate", 200.0)
    report = app.stop()
    check(report["shown"] > 0 and report["model"] == "mattecam_fast", f"unexpected: {_brief(report)}")
    return {"run": _brief(report), "provider": report["provider"], "input": report["input_size"]}


def _bars_are_matted(seen: dict[str, Any]) -> bool:
    return near(seen["bars"][7], BACKGROUND_BGR, 16) and near(seen["bars"][0], (255, 255, 255), 16)


def _brief(report: dict[str, Any]) -> dict[str, Any]:
    names = ("source", "outputs", "model", "fps", "captured", "matted", "failed", "shown", "repeated", "slates")
    return {name: report[name] for name in (*names, "dropped", "latency_ms")}


SCENARIOS = (
    Scenario("run on a made-up room", played_room, short=True, limit_s=300.0),
    Scenario("run on vivid, unplugged and back", vivid_unplugged, short=True, limit_s=300.0),
    Scenario("run with the shipped network", shipped_network, limit_s=400.0),
)
