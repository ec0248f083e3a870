"""The window: every control reaches its setting, failures are told, and closing stops the pipeline."""

import json
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QApplication, QComboBox, QLabel, QLineEdit, QListWidget

from app.settings import settings_path
from app.status import Notice, Preview, Status
from app.ui.preview import PreviewWidget
from matting_core.fit import within
from matting_core.pictures import write_image
from tests.app.ui.conftest import Desk

pytestmark = pytest.mark.gui


@pytest.mark.parametrize(
    ("section", "control", "field", "choice", "expected"),
    [
        ("edges", "shift", "edge_shift", -4, -4),
        ("edges", "feather", "edge_feather", 6, 6),
        ("edges", "light_wrap", "light_wrap", 50, 0.5),
        ("edges", "decontaminate", "decontaminate", None, False),
        ("edges", "smoothing", "smoothing", "ofd", "ofd"),
        ("quality", "preset", "preset", "quality", "quality"),
        ("quality", "engine", "engine", "cpu", "cpu"),
        ("quality", "fps_cap", "fps_cap", 20, 20),
        ("quality", "load_limit", "load_limit", 40, 40),
        ("format", "frame_size", "camera_size", "640x480", "640x480"),
        ("format", "rate", "camera_fps", 60, 60),
        ("format", "mjpeg", "camera_mjpeg", None, False),
        ("output", "frame_size", "output_size", "1920x1080", "1920x1080"),
        ("output", "rate", "output_fps", 24, 24),
        ("output", "rest", "rest_unwatched", None, False),
        ("virtual_camera", "switch", "virtual_camera", None, True),
    ],
)
def test_each_control_changes_its_setting(
    desk: Desk, section: str, control: str, field: str, choice: object, expected: object
) -> None:
    widget = getattr(getattr(desk.window.panel, section), control)
    if isinstance(widget, QComboBox):
        index = widget.findData(choice)
        assert index >= 0
        widget.setCurrentIndex(index)
        widget.activated.emit(index)
    elif isinstance(widget, QAbstractSlider):
        assert isinstance(choice, int)
        widget.setValue(choice)
    else:
        widget.click()
    assert getattr(desk.settings, field) == expected
    assert getattr(desk.pipeline.applied[-1], field) == expected


def test_controls_follow_a_setting_that_was_changed_elsewhere(desk: Desk) -> None:
    desk.window.store.change(edge_shift=7, preset="fast", mirror=True)
    assert desk.window.panel.edges.shift.value() == 7
    assert desk.window.panel.quality.preset.currentData() == "fast"
    assert desk.window.actions_.mirror.isChecked()


def test_a_change_is_saved_soon(desk: Desk) -> None:
    desk.window.store.change(edge_feather=3)
    desk.until(settings_path().exists)
    assert json.loads(settings_path().read_text(encoding="utf-8"))["edge_feather"] == 3


def test_a_scene_is_saved_recalled_and_deleted(desk: Desk) -> None:
    scenes = desk.window.panel.scenes
    scenes.name.setText("Work")
    scenes.save_button.click()
    desk.window.store.change(background="blur:80")
    scenes.recall_buttons["Work"].click()
    assert desk.settings.background == "color:#102030"
    delete = scenes.delete_buttons["Work"]
    assert isinstance(delete, QAbstractButton)
    delete.click()
    assert desk.settings.scenes == {}


def test_a_scene_saved_while_the_room_is_seen_blurs_it_and_says_so(desk: Desk) -> None:
    scenes = desk.window.panel.scenes
    desk.window.store.change(background="none")
    scenes.name.setText("Open")
    scenes.save_button.click()
    assert desk.settings.scenes["Open"].background == "blur"
    assert "never shows your room" in desk.window.board.notices[-1].problem
    scenes.recall_buttons["Open"].click()
    assert not desk.settings.shows_the_room


def test_a_notice_says_what_and_how_and_can_be_put_away(desk: Desk) -> None:
    notice = Notice("camera", "error", "The camera is gone.", "Plug it in.", "Traceback")
    desk.window.show_status(Status(notices=(notice,)))
    (card,) = desk.window.notices.cards
    texts = " ".join(label.text() for label in card.findChildren(QLabel))
    assert "The camera is gone." in texts
    assert "Plug it in." in texts
    desk.window.show_status(Status())
    desk.until(lambda: not desk.window.notices.cards)


def test_a_dropped_picture_joins_the_gallery_and_is_remembered(desk: Desk, tmp_path: Path) -> None:
    picture = tmp_path / "beach.png"
    write_image(picture, np.full((90, 160, 3), 120, np.uint8))
    desk.window.panel.gallery.add_files([picture])
    desk.until(lambda: desk.settings.background.endswith("beach.png"))
    kept = Path(desk.settings.background)
    assert kept != picture
    assert kept.read_bytes() == picture.read_bytes()


def test_each_dropped_file_that_is_no_picture_is_told(desk: Desk, tmp_path: Path) -> None:
    broken = [tmp_path / "broken.png", tmp_path / "letter.txt"]
    for path in broken:
        path.write_bytes(b"nothing")
    desk.window.panel.gallery.add_files(broken)
    desk.until(lambda: len(desk.window.board.notices) == 2)
    for path, notice in zip(broken, desk.window.board.notices, strict=True):
        assert path.name in notice.problem
    assert desk.settings.background == "color:#102030"


def test_the_buttons_reach_the_pipeline(desk: Desk) -> None:
    for action in ("pause", "snapshot", "restart"):
        getattr(desk.window.actions_, action).trigger()
    assert "pause True" in desk.pipeline.calls
    assert "snapshot .png" in desk.pipeline.calls
    assert "restart" in desk.pipeline.calls


def test_the_picture_is_shown(desk: Desk) -> None:
    image = np.full((90, 160, 3), (0, 255, 0), np.uint8)
    desk.pipeline.next_preview = Preview(image, (160, 90))
    desk.until(lambda: desk.window.preview.has_picture)
    shown = desk.window.preview.grab().toImage()
    middle = shown.pixelColor(shown.width() // 2, shown.height() // 2)
    assert (middle.red(), middle.green(), middle.blue()) == (0, 255, 0)


@pytest.mark.parametrize("shape", [(720, 1280), (1280, 720)])
def test_a_preview_made_for_its_space_is_drawn_pixel_by_pixel(desk: Desk, shape: tuple[int, int]) -> None:
    """Whatever the window's size: resampling it once more would take time and blur it."""
    canvas = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    for size in ((1180, 740), (803, 521), (900, 1000), (1400, 546)):
        desk.window.resize(*size)
        QTest.qWait(20)
        preview = desk.window.preview
        image = within(canvas, preview.space)
        desk.pipeline.next_preview = Preview(image, shape[::-1])
        desk.until(lambda: desk.pipeline.next_preview is None)
        assert desk.pipeline.preview_space == preview.space
        shown = preview.grab(preview.picture_area().toRect()).toImage().convertToFormat(QImage.Format.Format_BGR888)
        assert (shown.width(), shown.height()) == (image.shape[1], image.shape[0])
        pixels = np.frombuffer(shown.constBits(), np.uint8).reshape(image.shape[0], -1)[:, : 3 * image.shape[1]]
        inside = (slice(60, -60), slice(3 * 60, -3 * 60))  # no corner and no badge
        np.testing.assert_array_equal(pixels[inside], image.reshape(image.shape[0], -1)[inside])


@pytest.mark.parametrize("ratio", [1.0, 1.25, 1.5, 2.0])
@pytest.mark.parametrize("canvas", [(1280, 720), (720, 1280), (1920, 1080)])
def test_the_area_of_a_picture_is_whole_pixels_of_the_screen_within_the_widget(
    application: QApplication, monkeypatch: pytest.MonkeyPatch, ratio: float, canvas: tuple[int, int]
) -> None:
    """And as many as a preview made for it has, so that neither depends on the picture before."""
    monkeypatch.setattr(PreviewWidget, "devicePixelRatioF", lambda _: ratio)
    widget = PreviewWidget()
    picture = np.zeros((canvas[1], canvas[0], 3), np.uint8)
    for width in range(320, 820, 7):
        widget.resize(width, 180 + width * 5 % 417)
        space = widget.space
        image = within(picture, space)
        widget.show_preview(Preview(image, canvas))
        assert widget.space == space
        area = widget.picture_area()
        for side in (area.left(), area.top(), area.width(), area.height()):
            assert side * ratio == pytest.approx(round(side * ratio), abs=1e-6)
        assert area.left() >= 0 and area.top() >= 0
        assert area.right() <= widget.width() and area.bottom() <= widget.height()
        if max(image.shape) < max(canvas):
            assert (image.shape[1], image.shape[0]) == pytest.approx((area.width() * ratio, area.height() * ratio))


def test_a_window_out_of_sight_asks_for_no_preview_and_so_lets_the_camera_close(desk: Desk) -> None:
    image = np.full((90, 160, 3), 7, np.uint8)
    desk.window.hide()
    desk.pipeline.next_preview = Preview(image, (160, 90))
    QTest.qWait(200)
    assert desk.pipeline.next_preview is not None
    desk.window.show()
    desk.until(lambda: desk.pipeline.next_preview is None)
    desk.window.show_status(Status(capture="resting", matting="running", output="running"))
    assert "Resting: nobody is watching" in desk.window.status_label.text()


def test_the_split_shows_the_camera_on_the_left(desk: Desk) -> None:
    after, before = np.full((90, 160, 3), (0, 255, 0), np.uint8), np.full((90, 160, 3), (0, 0, 255), np.uint8)
    desk.window.store.change(split_view=True)
    desk.pipeline.next_preview = Preview(after, (160, 90), before)
    desk.until(lambda: desk.window.preview.has_picture)
    shown = desk.window.preview.grab().toImage()
    left = shown.pixelColor(shown.width() // 4, shown.height() // 2)
    right = shown.pixelColor(3 * shown.width() // 4, shown.height() // 2)
    assert (left.red(), left.green(), right.red(), right.green()) == (255, 0, 0, 255)


def test_shortcuts_are_unique_and_every_control_has_a_name(desk: Desk) -> None:
    keys = [action.shortcut().toString() for action in desk.window.actions_.all() if not action.shortcut().isEmpty()]
    assert len(keys) == len(set(keys)) > 10
    controls = [
        widget
        for kind in (QAbstractButton, QAbstractSlider, QComboBox, QLineEdit, QListWidget)
        for widget in desk.window.findChildren(kind)
        if not widget.objectName().startswith("qt_") and widget.focusPolicy() != Qt.FocusPolicy.NoFocus
    ]
    assert len(controls) > 20
    nameless = [widget for widget in controls if not (widget.accessibleName() or getattr(widget, "text", str)())]
    assert nameless == []


def test_closing_stops_the_pipeline(desk: Desk) -> None:
    ended: list[bool] = []
    desk.window.ended.connect(lambda: ended.append(True))
    desk.window.close()
    desk.until(lambda: bool(ended))
    assert desk.pipeline.stopped


def test_the_tab_key_walks_from_control_to_control(desk: Desk) -> None:
    desk.window.activateWindow()
    desk.window.panel.camera.camera.setFocus()
    seen = set()
    for _ in range(12):
        focus = desk.window.focusWidget()
        seen.add(focus)
        QTest.keyClick(focus, Qt.Key.Key_Tab)
    assert len(seen) > 6
