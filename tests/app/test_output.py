"""The outputs' registry, the null output, and the watch that notices a file or node that went away."""

import subprocess
import sys

import numpy as np
import pytest

from app import output
from app.output import OUTPUTS, NodeWatch, NullOutput, open_output
from matting_core.errors import OutputError, UsageError

CANVAS = np.zeros((48, 64, 3), np.uint8)


def test_null_takes_canvases_of_its_size_only():
    null = open_output("null", (64, 48), 30)
    assert null.name == "null"
    null.send(CANVAS, None, 0.0)
    with pytest.raises(ValueError, match="64×48"):
        null.send(CANVAS[:, :-1], None, 0.0)
    with pytest.raises(ValueError, match="float"):
        null.send(CANVAS.astype(np.float32), None, 0.0)
    null.close()
    null.close()


def test_what_a_command_calls_an_output_reaches_its_factory(monkeypatch, tmp_path):
    made = []

    def factory(kind):
        def make(target, size, fps):
            made.append((kind, target, size, fps))
            return NullOutput(size)

        return make

    for kind in OUTPUTS:
        monkeypatch.setitem(OUTPUTS, kind, factory(kind))
    for spec in ("null", "virtual", "virtual:/dev/video10", "out.mp4", "file:odd.mp4", "C:/clips/a.mp4"):
        open_output(spec, (64, 48), 30)
    assert [each[:2] for each in made] == [
        ("null", ""),
        ("virtual", ""),
        ("virtual", "/dev/video10"),
        ("file", "out.mp4"),
        ("file", "file:odd.mp4"),
        ("file", "C:/clips/a.mp4"),
    ]
    assert {each[2:] for each in made} == {((64, 48), 30)}


def test_a_file_output_records(tmp_path):
    recording = open_output(str(tmp_path / "a.mp4"), (64, 48), 30)
    recording.send(CANVAS, None, 0.0)
    recording.close()
    assert (tmp_path / "a.mp4").stat().st_size > 0
    with pytest.raises(OutputError, match=r"a\.mp4 already exists"):
        open_output(str(tmp_path / "a.mp4"), (64, 48), 30)


def test_a_file_of_another_kind_is_wrong_use(tmp_path):
    with pytest.raises(UsageError, match=r"a\.avi"):
        open_output(str(tmp_path / "a.avi"), (64, 48), 30)
    assert not list(tmp_path.iterdir())


def test_the_watch_sees_a_file_removed_or_replaced(monkeypatch, tmp_path):
    monkeypatch.setattr(output, "LOOK_EVERY_S", 0.0)
    path = tmp_path / "node"
    path.write_text("one")
    watch = NodeWatch(path)
    assert not watch.is_gone()
    (tmp_path / "other").write_text("two")
    (tmp_path / "other").replace(path)
    assert watch.is_gone()
    path.unlink()
    assert watch.is_gone()


def test_the_watch_does_not_look_at_every_frame(tmp_path):
    path = tmp_path / "node"
    path.write_text("one")
    watch = NodeWatch(path)
    path.unlink()
    assert not watch.is_gone()  # asked again within LOOK_EVERY_S


def test_pyvirtualcam_is_not_loaded_before_a_virtual_camera_is_opened():
    code = "import sys, app.output, app.virtual_camera, app.recorder; sys.exit('pyvirtualcam' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
