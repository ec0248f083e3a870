"""`process` end to end through the command line: pictures, folders and videos, and what it refuses."""

import json
import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from app.cli import main
from matting_core.pictures import read_image, write_image

PORTRAIT = cv2.resize(np.ascontiguousarray(astronaut()[..., ::-1]), (256, 256), interpolation=cv2.INTER_AREA)
FRAMES = 8


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    path = tmp_path / "portrait.png"
    write_image(path, PORTRAIT)
    return path


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A film of the portrait with a tone, its last frames twice as long as the others."""
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width = video.height = 256
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=48000)
        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.roll(PORTRAIT, index, axis=1), format="bgr24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        samples = np.sin(np.arange(48000 * FRAMES // 10) / 20).astype(np.float32)[None]
        tone = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        tone.rate = 48000
        container.mux(audio.encode(tone))
        container.mux(audio.encode(None))
    return path


def run(*arguments: object) -> int:
    return main(["process", *map(str, arguments), "--preset", "fast"])


def last_json(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert isinstance(found, dict)
    return found


def read_video(path: Path) -> tuple[list[np.ndarray], list[float], int]:
    with av.open(str(path)) as container:
        sound = sum(packet.size for packet in container.demux(audio=0)) if container.streams.audio else 0
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return (
        [frame.to_ndarray(format="bgr24") for frame in frames],
        [round(float(frame.time), 3) for frame in frames],
        sound,
    )


def test_a_picture_gets_its_background_and_its_matte(
    portrait: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, alpha = tmp_path / "new" / "out.png", tmp_path / "alpha.png"
    assert run(portrait, "--output", out, "--alpha", alpha, "--background", "color:#0000ff", "--json") == 0
    report = last_json(capsys)
    assert report["frames"] == 1
    assert report["input_size"] == "512x512"
    assert {"seconds", "fps", "provider", "model"} <= set(report)
    matte = cv2.imread(str(alpha), cv2.IMREAD_UNCHANGED)
    picture = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert matte.shape == (256, 256)
    assert matte.dtype == np.uint8
    assert (picture[matte == 0] == (255, 0, 0)).all()
    assert (picture[matte == 255] == PORTRAIT[matte == 255]).all()


def test_a_result_that_shows_the_room_says_so(
    portrait: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for background, says in (("none", True), ("blur", False)):
        assert run(portrait, "--output", tmp_path / "out.png", "--background", background) == 0
        assert ("The room is shown as it is." in capsys.readouterr().out) == says


def test_transparent_is_a_png_with_straight_alpha(portrait: Path, tmp_path: Path) -> None:
    assert run(portrait, "--output", tmp_path / "out.png", "--background", "transparent") == 0
    picture = cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (256, 256, 4)
    solid = picture[..., 3] == 255
    assert solid.any()
    assert (picture[..., 3] == 0).any()
    assert (picture[solid][:, :3] == PORTRAIT[solid]).all()


def test_a_folder_made_transparent_becomes_png_where_its_format_has_no_alpha(tmp_path: Path) -> None:
    write_image(tmp_path / "in" / "a.jpg", PORTRAIT)
    write_image(tmp_path / "in" / "b.webp", PORTRAIT)
    assert run(tmp_path / "in", "--output", tmp_path / "out", "--background", "transparent") == 0
    written = {path.name: cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (tmp_path / "out").iterdir()}
    assert {name: picture.shape for name, picture in written.items()} == {
        "a.png": (256, 256, 4),
        "b.webp": (256, 256, 4),
    }


def test_a_folder_keeps_its_names_and_names_what_it_skips(
    portrait: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    write_image(folder / "a.jpg", PORTRAIT)
    write_image(folder / "b.png", PORTRAIT[:200])
    (folder / "c.png").write_bytes(b"broken")
    (folder / "notes.txt").write_text("not a picture")
    assert run(folder, "--alpha", tmp_path / "mattes", "--output", tmp_path / "out", "--json") == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out.strip().splitlines()[-1])["skipped"] == ["c.png"]
    assert "c.png" in captured.err
    assert sorted(path.name for path in (tmp_path / "mattes").iterdir()) == ["a.png", "b.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg", "b.png"]


def test_a_video_keeps_its_times_and_its_sound(film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, alpha = tmp_path / "out.mp4", tmp_path / "alpha.mkv"
    assert run(film, "--output", out, "--alpha", alpha, "--background", "color:#00ff00", "--json") == 0
    assert last_json(capsys)["frames"] == FRAMES
    _, times, sound = read_video(film)
    pictures, new_times, new_sound = read_video(out)
    mattes, matte_times, _ = read_video(alpha)
    assert new_times == times == matte_times
    assert sound == new_sound > 0
    corner = pictures[3][8:40, 8:40].reshape(-1, 3).astype(int)
    assert np.abs(corner - (0, 255, 0)).max() < 12
    with av.open(str(alpha)) as container:
        assert container.streams.video[0].codec_context.name == "ffv1"
        assert container.streams.video[0].codec_context.pix_fmt == "gray"
    assert mattes[0].min() == 0
    assert mattes[0].max() == 255


def test_a_transparent_webm_carries_alpha(film: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.webm"
    assert run(film, "--output", out, "--background", "transparent") == 0
    with av.open(str(out)) as container:
        decoder = av.CodecContext.create("libvpx-vp9", "r")
        frames = [frame for packet in container.demux(video=0) for frame in decoder.decode(packet)]
    alpha = frames[0].to_ndarray(format="bgra")[..., 3]
    assert (alpha.min(), alpha.max()) == (0, 255)


@pytest.mark.parametrize("rate", [22050, 44100])
def test_sound_that_opus_does_not_take_as_it_is_gets_another_rate(tmp_path: Path, rate: int) -> None:
    source, out = tmp_path / "talk.mp4", tmp_path / "out.webm"
    with av.open(str(source), "w") as container:
        video, audio = container.add_stream("libx264", rate=10), container.add_stream("aac", rate=rate)
        video.width, video.height, video.pix_fmt = 256, 256, "yuv420p"
        for _ in range(5):
            container.mux(video.encode(av.VideoFrame.from_ndarray(PORTRAIT, format="bgr24")))
        container.mux(video.encode(None))
        samples = np.sin(np.arange(rate // 2) / 20).astype(np.float32)[None]
        tone = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        tone.rate = rate
        container.mux(audio.encode(tone))
        container.mux(audio.encode(None))
    assert run(source, "--output", out) == 0
    with av.open(str(out)) as container:
        heard = list(container.decode(audio=0))
    assert heard[0].rate == 48000
    assert sum(frame.samples for frame in heard) / 48000 == pytest.approx(0.5, abs=0.1)


def test_a_video_background_and_blur_work_on_files(film: Path, tmp_path: Path) -> None:
    assert run(film, "--output", tmp_path / "a.mp4", "--background", film) == 0
    assert run(film, "--output", tmp_path / "b.mp4", "--background", "blur:40") == 0
    assert len(read_video(tmp_path / "a.mp4")[0]) == len(read_video(tmp_path / "b.mp4")[0]) == FRAMES


def test_the_input_is_never_overwritten(portrait: Path, film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (portrait, film):
        before = path.read_bytes()
        assert run(path, "--output", path) == 2
        assert "would be overwritten" in capsys.readouterr().err
        assert path.read_bytes() == before


def test_the_background_is_never_overwritten(
    portrait: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, video = tmp_path / "out" / "a.png", tmp_path / "behind.mp4"
    write_image(picture, np.full((40, 40, 3), 90, np.uint8))
    shutil.copy(film, video)
    write_image(tmp_path / "in" / "a.png", read_image(portrait)[::8, ::8])
    before = picture.read_bytes(), video.read_bytes()
    for arguments in (
        (portrait, "--output", picture, "--background", picture),
        (portrait, "--output", tmp_path / "x.png", "--alpha", picture, "--background", picture),
        (film, "--output", video, "--background", video),
        (tmp_path / "in", "--output", picture.parent, "--background", picture),
    ):
        assert run(*arguments) == 2
        assert "The background" in (error := capsys.readouterr().err)
        assert "would be overwritten" in error
    assert (picture.read_bytes(), video.read_bytes()) == before


def test_pictures_of_a_folder_that_would_become_one_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.jpg", "a.png"):
        write_image(tmp_path / "in" / name, np.full((40, 40, 3), 90, np.uint8))
    for arguments in (("--alpha", tmp_path / "out"), ("--output", tmp_path / "out", "--background", "transparent")):
        assert run(tmp_path / "in", *arguments) == 2
        assert "a.jpg and a.png would both become" in capsys.readouterr().err
    assert run(tmp_path / "in", "--output", tmp_path / "out") == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.jpg", "a.png"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("missing.png", "--output", "x.png"), 2, "missing.png does not exist"),
        (("{portrait}",), 2, "nothing to write"),
        (("{portrait}", "--output", "x.png", "--background", "blur:900"), 2, "not a blur"),
        (("{portrait}", "--output", "{portrait}/x.png"), 1, "x.png"),
        (("{portrait}", "--output", "x.png", "--background", "gone.jpg"), 2, "The background gone.jpg does not exist"),
        (("{portrait}", "--output", "x.png", "--background", "."), 2, "The background . is a folder"),
        (("{broken}", "--output", "x.mp4"), 1, "broken.mp4"),
        (("{broken}", "--output", "x.gif"), 2, "Mattecam does not write a video as '.gif'"),
        (("{broken}", "--output", "x.mp4", "--background", "transparent"), 2, "'x.mp4' cannot be transparent"),
        (("{portrait}", "--output", "x.mp4"), 2, "Mattecam does not write a picture as '.mp4'"),
        (("{portrait}", "--alpha", "."), 2, ". is a folder"),
        (("{portrait}", "--output", "x.jpg", "--background", "transparent"), 2, "'x.jpg' cannot be transparent"),
        ((".", "--output", "{broken}"), 2, "is a folder, but"),
        ((".", "--output", "x.jpg"), 2, "Give a folder for the results"),
        (("{notes}", "--output", "x.jpg"), 1, "notes.txt is not a readable picture or video"),
    ],
)
def test_wrong_input_is_one_sentence(
    arguments: tuple[str, ...],
    code: int,
    words: str,
    portrait: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    notes = tmp_path / "notes.txt"
    notes.write_text("no picture")
    names = {"portrait": portrait, "broken": broken, "notes": notes}
    assert run(*(argument.format(**names) for argument in arguments)) == code
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("mattecam: ")
    assert words in error
    assert not list(tmp_path.glob("*.part*"))
    assert not list(tmp_path.glob(".*.part*"))


def test_a_film_that_breaks_off_leaves_no_half_result(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matting_core import predictor

    calls = iter(range(100))
    good = predictor.checked_predict

    def breaks(*arguments: object) -> object:
        if next(calls) == 4:
            raise KeyboardInterrupt
        return good(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(predictor, "checked_predict", breaks)
    out = tmp_path / "out.mp4"
    out.write_bytes(b"an older result")
    assert run(film, "--output", out) == 130
    assert out.read_bytes() == b"an older result"
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []
