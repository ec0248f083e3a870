"""How the window looks and is reached: contrast, dark and light, narrow windows, names, and the keyboard alone."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QAccessible, QColor, QDragEnterEvent, QDropEvent, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QWidget

from app.status import Notice, Preview, StageTimes, Stats, Status
from app.ui import theme
from app.ui.colours import DARK, LIGHT, Colours
from app.ui.help import shortcuts_dialog
from app.ui.notices import DETAIL_LINES
from app.ui.preview import PILL_ROW
from app.ui.tray import Tray
from matting_core.pictures import write_image
from tests.app.ui.conftest import Desk

pytestmark = pytest.mark.gui
TEXTS = (
    ("text", "window"),
    ("text", "card"),
    ("text", "hover"),
    ("muted", "window"),
    ("muted", "card"),
    ("muted", "field"),
    ("on_accent", "accent"),
    ("on_accent", "error"),
    ("accent", "accent_soft"),
    ("text", "error_card"),
    ("text", "warning_card"),
    ("text", "info_card"),
)
SHAPES = (("track", "card"), ("accent", "card"), ("accent", "window"), ("error", "window"), ("warning", "warning_card"))


def contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio of two colours."""

    def luminance(name: str) -> float:
        parts = QColor(name).redF(), QColor(name).greenF(), QColor(name).blueF()
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def focusable(root: QWidget) -> list[QWidget]:
    return [
        widget
        for widget in root.findChildren(QWidget)
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and not widget.objectName().startswith("qt_")
        and widget.window() is root
    ]


def busy(desk: Desk) -> None:
    """Bring every control on show: notices with details, the split view, scenes, colours, open sections."""
    desk.window.store.change(split_view=True, background="color:#0047bb")
    desk.window.store.save_scene("Work")
    panel = desk.window.panel
    for section in (panel.scenes, panel.edges, panel.quality, panel.format, panel.output):
        section.header.setChecked(True)
    picture = np.zeros((90, 160, 3), np.uint8)
    desk.pipeline.next_preview = Preview(picture, (160, 90), picture)
    desk.until(lambda: desk.window.preview.has_picture)
    notice = Notice("camera", "error", "The camera is gone.", "Plug it in.", "Traceback\n" * 100)
    desk.pipeline.now = dataclasses.replace(desk.pipeline.now, notices=(notice,))
    desk.window.show_status(desk.pipeline.now)
    desk.window.notices.cards[0].details_button.click()
    QTest.qWait(20)


@pytest.fixture
def themed(application: QApplication) -> Iterator[QApplication]:
    """The application in the window's own colours, which a test may change."""
    palette, style = application.palette(), application.styleSheet()
    yield application
    application.setStyleSheet(style)
    application.setPalette(palette)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_texts_and_shapes_stand_out_as_wcag_asks(colours: Colours) -> None:
    for pairs, least in ((TEXTS, 4.5), (SHAPES, 3.0)):
        for one, other in pairs:
            assert contrast(getattr(colours, one), getattr(colours, other)) >= least, (one, other)


@pytest.mark.parametrize(("dark", "colours"), [(False, LIGHT), (True, DARK)], ids=["light", "dark"])
def test_the_window_follows_the_system_while_it_is_open(
    desk: Desk, themed: QApplication, monkeypatch: pytest.MonkeyPatch, dark: bool, colours: Colours
) -> None:
    theme.apply(themed, LIGHT if dark else DARK)
    monkeypatch.setattr(theme, "is_dark", lambda _: dark)
    theme.follow_system(themed)
    theme.apply(themed, LIGHT if dark else DARK)
    themed.styleHints().colorSchemeChanged.emit(Qt.ColorScheme.Dark if dark else Qt.ColorScheme.Light)
    assert themed.palette().color(QPalette.ColorRole.Window).name() == colours.window
    assert desk.window.grab().toImage().pixelColor(4, desk.window.height() - 4).name() == colours.window
    icon = desk.window.actions_.snapshot.icon().pixmap(20, 20).toImage()
    inks = {icon.pixelColor(x, y).name() for x in range(20) for y in range(20) if icon.pixelColor(x, y).alpha() == 255}
    assert colours.text in inks


def test_everything_that_takes_the_focus_has_a_name_for_a_screen_reader(desk: Desk) -> None:
    busy(desk)
    widgets = focusable(desk.window)
    assert len(widgets) > 40
    # As a screen reader gets it: the accessible name, or the text of a button that has one.
    heard = [(widget, QAccessible.queryAccessibleInterface(widget).text(QAccessible.Text.Name)) for widget in widgets]
    assert [widget for widget, name in heard if not name.strip()] == []
    preset = desk.window.panel.quality.preset
    preset.showPopup()
    assert preset.view().accessibleName() == "Preset"
    preset.hidePopup()


def test_tab_alone_reaches_every_control_and_comes_round(desk: Desk) -> None:
    busy(desk)
    desk.window.activateWindow()
    desk.window.panel.camera.camera.setFocus()
    first = desk.window.focusWidget()
    reached: list[QWidget] = []
    while first not in reached and len(reached) < 200:
        QTest.keyClick(desk.window.focusWidget(), Qt.Key.Key_Tab)
        reached.append(desk.window.focusWidget())
    wanted = {widget for widget in focusable(desk.window) if widget.isVisible() and widget.isEnabled()}
    # An exclusive group is one stop for Tab; the arrow keys go on inside it.
    swatches = set(desk.window.panel.gallery.options.swatches.buttons())
    assert {*wanted} - {*reached} <= swatches
    assert swatches & {*reached}
    assert len(reached) == len(set(reached))


def test_a_long_detail_scrolls_within_a_few_lines(desk: Desk) -> None:
    busy(desk)
    detail = desk.window.notices.cards[0].detail
    assert detail.isVisible()
    assert detail.height() <= (DETAIL_LINES + 3) * detail.fontMetrics().lineSpacing()
    assert detail.verticalScrollBar().maximum() > 0


def test_a_narrow_window_drops_the_texts_of_buttons_and_a_wide_one_brings_them_back(desk: Desk) -> None:
    record = next(button for button in desk.window.buttons.findChildren(QWidget) if button.objectName() == "record")
    desk.window.resize(1180, 740)
    QTest.qWait(20)
    wide = record.width()
    desk.window.resize(desk.window.minimumSize())
    desk.window.show_status(dataclasses.replace(desk.pipeline.now, source="A camera with a very long name " * 4))
    QTest.qWait(20)
    assert record.width() < wide / 2
    assert record.accessibleName() == "Record"
    assert desk.window.status_label.text().endswith("…")
    assert desk.window.width() == desk.window.minimumWidth()
    desk.window.resize(1180, 740)
    QTest.qWait(20)
    assert record.width() == wide


@pytest.mark.parametrize("size", [(760, 480), (1180, 740), (1920, 1060)])
def test_the_statistics_stay_inside_the_picture(desk: Desk, size: tuple[int, int]) -> None:
    desk.window.resize(*size)
    QTest.qWait(20)
    names = (
        "capture",
        "fit",
        "preprocess",
        "infer",
        "stabilise",
        "alpha",
        "whole",
        "place",
        "background",
        "composite",
        "send",
        "preview",
    )
    stats = Stats(stages=dict.fromkeys(names, StageTimes(100.0, 999.9)))
    desk.pipeline.now = Status(provider="OpenVINO CPU", input_size="512x288", stats=stats)
    desk.window.store.change(show_statistics=True)
    preview = desk.window.preview
    for paused in (False, True):
        desk.window.show_status(dataclasses.replace(desk.pipeline.now, paused=paused))
        assert preview.overlay.isVisible()
        free = preview.picture_area().toRect().adjusted(0, PILL_ROW if paused else 0, 0, 0)
        assert free.contains(preview.overlay.geometry())


def test_a_long_notice_is_read_whole_in_the_smallest_window(desk: Desk) -> None:
    desk.window.resize(desk.window.minimumSize())
    notice = Notice("long", "error", "Nobody sees you.", "Install it with this command. " * 12, "a detail")
    desk.window.show_status(dataclasses.replace(desk.pipeline.now, notices=(notice,)))
    QTest.qWait(20)
    card = desk.window.notices.cards[0]
    for label in (card.problem, card.mend):
        assert label.height() >= label.heightForWidth(label.width())
    assert card.details_button.isVisible()


def test_the_shortcuts_window_lists_only_what_works_and_is_not_cut_off(desk: Desk) -> None:
    desk.window.store.save_scene("Work")
    dialog = shortcuts_dialog(desk.window.actions_.all(), desk.window)
    dialog.show()
    QTest.qWait(20)
    labels = dialog.findChildren(QLabel)
    text = " ".join(label.text() for label in labels)
    assert "Scene: Work" in text
    assert "Scene 2" not in text
    assert all(label.height() >= label.heightForWidth(label.width()) for label in labels)
    dialog.close()


def test_a_button_says_what_a_click_does(desk: Desk) -> None:
    pause = desk.window.actions_.pause
    assert pause.iconText().strip() == "Hide me"
    pause.trigger()
    assert pause.iconText().strip() == "Show me"
    assert pause.text() == "Hide me", "the menu has a tick instead"


# Qt 6.12 has a successor that Qt 6.7 does not know.
@pytest.mark.filterwarnings("ignore:.*QDragEnterEvent:DeprecationWarning")
def test_files_are_dropped_on_the_window(desk: Desk, tmp_path: Path) -> None:
    picture = tmp_path / "garden.png"
    write_image(picture, np.full((90, 160, 3), 90, np.uint8))
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(picture))])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(50, 50), Qt.DropAction.CopyAction, data, buttons, keys)
    desk.window.dragEnterEvent(enter)
    assert enter.isAccepted()
    assert desk.window.drop_hint.isVisible()
    desk.window.dropEvent(QDropEvent(QPointF(50, 50), Qt.DropAction.CopyAction, data, buttons, keys))
    assert not desk.window.drop_hint.isVisible()
    desk.until(lambda: desk.settings.background.endswith("garden.png"))


def test_the_tray_hides_shows_and_pauses(desk: Desk) -> None:
    tray = Tray(desk.window, desk.window.actions_)
    tray.toggle_window()
    assert not desk.window.isVisible()
    tray.toggle_window()
    assert desk.window.isVisible()
    tray.say("Live")
    assert tray.toolTip() == "Mattecam: Live"
    assert desk.window.actions_.pause in tray.contextMenu().actions()


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (Status(capture="starting"), "Opening…"),
        (Status(capture="waiting"), "Waiting for the camera"),
        (Status(), "Not running"),
        (Status(capture="running", source="Webcam, 640×480 at 30 fps"), "Webcam, 640×480 at 30\u00a0fps"),
    ],
)
def test_the_camera_says_what_it_gives_or_why_nothing(desk: Desk, status: Status, line: str) -> None:
    desk.window.show_status(status)
    assert desk.window.panel.camera.source.text() == line
    assert desk.window.panel.camera.source.isVisible()
