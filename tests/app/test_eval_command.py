"""`eval` end to end through the command line: it measures what `process` makes, in each layout, and shows it."""

import base64
import json
import re
import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from app.cli import main
from app.eval_report import MISSING_BGR, PANELS, TOO_MUCH_BGR, Case, Worst, difference_picture
from matting_core.metrics import METRICS, Scores, score
from matting_core.pictures import write_image
from tests.support.commands import last_json
from tests.support.room import HEIGHT, WIDTH, GreenEngine, room_picture

PICTURES = {name: room_picture(12 * index) for index, name in enumerate("abc")}


def engine_of_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both commands get the made-up engine that finds the green person."""
    for command in ("process", "eval"):
        monkeypatch.setattr(f"app.{command}_command.create_engine", lambda name, model: GreenEngine())


@pytest.fixture
def green(monkeypatch: pytest.MonkeyPatch) -> None:
    engine_of_the_room(monkeypatch)


@pytest.fixture(scope="module")
def mattes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What `process` itself makes of PICTURES."""
    folder = tmp_path_factory.mktemp("mattes")
    for name, picture in PICTURES.items():
        write_image(folder / f"in/{name}.png", picture)
    with pytest.MonkeyPatch.context() as monkeypatch:
        engine_of_the_room(monkeypatch)
        assert main(["process", str(folder / "in"), "--alpha", str(folder / "out"), "--preset", "fast"]) == 0
    return {name: cv2.imread(str(folder / f"out/{name}.png"), cv2.IMREAD_GRAYSCALE) for name in PICTURES}


def run(*arguments: object) -> int:
    return main(["eval", *map(str, arguments), "--preset", "fast"])


def data_set(folder: Path, truths: dict[str, np.ndarray], image: str = "image", matte: str = "matte") -> Path:
    for name, truth in truths.items():
        write_image(folder / image / f"{name}.png", PICTURES[name])
        write_image(folder / matte / f"{name}.png", truth)
    return folder


def test_the_shipped_model_finds_the_astronaut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The real network, against what `process` writes with it, and against a rough outline drawn by hand."""
    portrait = cv2.resize(np.ascontiguousarray(astronaut()[..., ::-1]), (160, 160), interpolation=cv2.INTER_AREA)
    write_image(tmp_path / "image/a.png", portrait)
    assert main(["process", str(tmp_path / "image"), "--alpha", str(tmp_path / "mask"), "--preset", "fast"]) == 0
    capsys.readouterr()
    assert run(tmp_path, "--json") == 0
    result = last_json(capsys)
    assert result["layout"] == "pairs"
    assert (result["model"], result["input_size"]) == ("mattecam_fast", "512x512")
    assert (result["metrics"]["mad"], result["metrics"]["iou"]) == (0, 1)
    head_and_suit = np.zeros((160, 160), np.uint8)
    cv2.ellipse(head_and_suit, (70, 36), (24, 34), 0, 0, 360, 255, -1)
    cv2.fillPoly(head_and_suit, [np.array([(48, 62), (90, 62), (140, 100), (150, 160), (0, 160), (10, 90)])], 255)
    write_image(tmp_path / "mask/a.png", head_and_suit)
    assert run(tmp_path, "--json") == 0
    assert 0.6 < last_json(capsys)["metrics"]["iou"] < 1


@pytest.mark.usefixtures("green")
def test_what_process_makes_is_what_is_measured(
    mattes: dict[str, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data_set(tmp_path / "set", mattes), "--json") == 0
    result = last_json(capsys)
    assert result["frames"] == 3
    assert result["layout"] == "ppm100"
    assert result["input_size"] == "512x320"
    assert result["preset"] == "fast"
    assert 3 / result["fps"] == pytest.approx(result["seconds"], abs=0.0006), "seconds are rounded to milliseconds"
    assert result["skipped"] == []
    exact = {**dict.fromkeys(METRICS, 0.0), "iou": 1.0, "dtssd": None}
    assert result["metrics"] == pytest.approx(exact, abs=1e-9)


@pytest.mark.usefixtures("green")
def test_every_picture_counts_once(
    mattes: dict[str, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truths = {"a": np.roll(mattes["a"], 6, axis=1), "b": mattes["b"], "c": np.zeros_like(mattes["c"])}
    folder = data_set(tmp_path / "set", truths, "original_image", "mask")
    assert run(folder, "--layout", "p3m", "--json") == 0
    result = last_json(capsys)
    expected = {name: score(mattes[name], truths[name]).as_dict() for name in truths}
    for image in result["images"]:
        for key, value in expected[image["name"]].items():
            assert image[key] == (None if value is None else pytest.approx(value, rel=1e-6, abs=1e-9)), key
    for key in set(METRICS) - {"dtssd", "boundary_mad"}:
        assert result["metrics"][key] == pytest.approx(sum(one[key] for one in expected.values()) / 3)
    bands = [expected[name]["boundary_mad"] for name in "ab"]  # an empty truth has no edge
    assert result["metrics"]["boundary_mad"] == pytest.approx(sum(bands) / 2)
    assert run(folder, "--layout", "p3m") == 0
    *rows, mean, last = capsys.readouterr().out.strip().splitlines()
    assert [row.split()[0] for row in rows[2:]] == ["b", "a", "c"]
    assert mean.split()[1] == f"{result['metrics']['mad'] * 1000:.2f}"
    assert last.startswith("3 frames in ")


@pytest.mark.usefixtures("green")
def test_made_up_ppm100_and_amd(
    mattes: dict[str, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Small sets in the layouts of sets that cannot come along: mirrors of PPM-100, and AMD composited or not."""
    mirror = data_set(tmp_path / "ppm", mattes, "val/fg", "val/alpha")
    assert run(mirror, "--layout", "ppm100", "--json") == 0
    assert last_json(capsys)["metrics"]["mad"] == 0
    amd = data_set(tmp_path / "amd", {"a": mattes["a"]}, "fg", "alpha")
    for index, level in enumerate((30, 220)):
        write_image(amd / f"bg/{index}.png", np.full((90, 60, 3), level, np.uint8))
    assert run(amd, "--layout", "amd", "--json") == 0
    over = last_json(capsys)
    assert [image["name"] for image in over["images"]] == ["a_0", "a_1"]
    alpha = mattes["a"][..., None] / 255
    for index, level in enumerate((30, 220)):
        composite = np.rint(alpha * PICTURES["a"] + (1 - alpha) * level).astype(np.uint8)
        write_image(amd / f"merged/a_{index}.png", composite)
    assert run(amd, "--layout", "amd", "--json") == 0
    merged = last_json(capsys)
    assert merged["metrics"]["mad"] == pytest.approx(over["metrics"]["mad"], rel=0.02)
    assert merged["metrics"]["iou"] > 0.9


@pytest.mark.usefixtures("green")
def test_a_clip_is_matted_as_process_does_and_measured_over_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film, truth = tmp_path / "image/walk.mkv", tmp_path / "matte/walk.mkv"
    film.parent.mkdir()
    truth.parent.mkdir()
    with av.open(str(film), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "bgr0"
        for index in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(room_picture(3 * index), format="bgr24")))
        container.mux(stream.encode(None))
    assert main(["process", str(film), "--alpha", str(truth), "--preset", "fast"]) == 0
    capsys.readouterr()
    page = tmp_path / "r.html"
    assert run(tmp_path, "--json", "--report", page) == 0
    result = last_json(capsys)
    assert result["frames"] == 5
    assert result["images"][0]["frames"] == 5
    assert (result["metrics"]["mad"], result["metrics"]["dtssd"], result["metrics"]["iou"]) == (0, 0, 1)
    assert "dtSSD" in page.read_text("utf-8")
    shutil.rmtree(truth.parent)
    for index in range(5):
        write_image(tmp_path / f"matte/walk/{index}.png", np.full((HEIGHT, WIDTH), 40 * index, np.uint8))
    assert run(tmp_path, "--json") == 0
    assert last_json(capsys)["metrics"]["dtssd"] > 40 / 255 * 0.9


@pytest.mark.usefixtures("green")
def test_what_cannot_be_read_is_named_and_skipped(
    mattes: dict[str, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = data_set(tmp_path / "set", mattes)
    (folder / "matte/b.png").write_bytes(b"broken")
    assert run(folder, "--json", "--report", tmp_path / "r.html") == 1
    captured = capsys.readouterr()
    result = json.loads(captured.out.strip().splitlines()[-1])
    assert (result["frames"], result["skipped"]) == (2, ["b"])
    assert "1 skipped." in captured.err
    assert str(folder / "matte" / "b.png") in captured.err
    assert "Not read: b" in (tmp_path / "r.html").read_text("utf-8")
    write_image(folder / "matte/b.png", mattes["b"][:, :-2])
    assert run(folder, "--json") == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out.strip().splitlines()[-1])["skipped"] == ["b"], "one that does not fit, likewise"
    assert "but its matte" in captured.err
    (folder / "matte/b.png").write_bytes(b"broken")
    for name in "ac":
        (folder / f"image/{name}.png").write_bytes(b"broken")
    assert run(folder, "--json") == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out.strip().splitlines()[-1])["metrics"] is None
    assert "Nothing was measured." in captured.err


@pytest.mark.usefixtures("green")
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("gone",), 2, "gone does not exist"),
        (("empty",), 2, "does not have the folders of any known layout"),
        (("set", "--layout", "amd"), 2, "merged/ + alpha/"),
        (("lonely",), 2, "a.png has no matte"),
        (("sizes",), 2, "its matte"),
        (("set", "--model", "nobody"), 2, "no model 'nobody'"),
        (("set", "--report", "empty"), 2, "not a file name for an HTML page"),
        (("set", "--report", "page.pdf"), 2, "page.pdf"),
        (("set", "--report", "file/page.html"), 1, "page.html cannot be written"),
    ],
)
def test_wrong_use_is_one_sentence(
    arguments: tuple[str, ...],
    code: int,
    words: str,
    mattes: dict[str, np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    data_set(tmp_path / "set", {"a": mattes["a"]})
    (data_set(tmp_path / "lonely", {"a": mattes["a"]}) / "matte/a.png").unlink()
    data_set(tmp_path / "sizes", {"a": mattes["a"][:, :-2]})
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert run(*arguments) == code
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("mattecam: ")
    assert words in error


@pytest.mark.usefixtures("green")
def test_the_report_holds_everything_and_the_worst_first(
    mattes: dict[str, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truths = {"a": np.roll(mattes["a"], 6, axis=1), "b": mattes["b"], "c": 255 - mattes["c"]}
    folder = data_set(tmp_path / "a <b> & c", truths)
    page = tmp_path / "pages" / "report.html"
    assert run(folder, "--report", page, "--json") == 0
    result = last_json(capsys)
    html = page.read_text("utf-8")
    assert "<h1>a &lt;b&gt; &amp; c: matting accuracy</h1>" in html
    assert not re.findall(r'(?:src|href)="(?!data:)', html)
    assert "http" not in html
    assert re.findall(r"<h3>(\w)</h3>", html) == ["c", "a", "b"]
    images = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    assert len(images) == 3 * len(PANELS)
    pictures = [cv2.imdecode(np.frombuffer(base64.b64decode(one), np.uint8), cv2.IMREAD_COLOR) for one in images]
    assert {picture.shape for picture in pictures} == {(HEIGHT, WIDTH, 3)}
    picture, truth, matte, _ = pictures[:4]
    for shown, true in ((picture, PICTURES["c"]), (truth, truths["c"][..., None]), (matte, mattes["c"][..., None])):
        assert np.abs(shown.astype(int) - true).mean() < 5
    assert METRICS["iou"].show(result["metrics"]["iou"]) in html
    assert len(re.findall(r'<th scope="row">', html)) == 3


def test_the_worst_are_kept_and_no_more() -> None:
    worst = Worst(limit=2)
    picture, matte = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)
    for name, mad in (("w", 0.1), ("x", 0.4), ("y", 0.2), ("z", 0.4)):
        worst.offer(Case(name, Scores(mad, 0, 0, 0, 0, 1)), picture, matte, matte)
    assert [strip.case.name for strip in worst.strips()] == ["x", "z"]


def test_the_difference_says_which_way() -> None:
    picture = np.full((1, 3, 3), 100, np.uint8)
    truth, alpha = np.array([[0, 255, 128]], np.uint8), np.array([[255, 0, 128]], np.uint8)
    shown = difference_picture(picture, truth, alpha)
    assert shown.tolist() == [[list(TOO_MUCH_BGR), list(MISSING_BGR), [30, 30, 30]]]
