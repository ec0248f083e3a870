"""The gallery by keyboard and mouse: what is chosen, what is shown, and what is removed."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from matting_core.pictures import write_image
from tests.app.ui.conftest import Desk

pytestmark = pytest.mark.gui


def test_arrow_keys_choose_a_background_and_the_menus_have_mnemonics(desk: Desk) -> None:
    tiles = desk.window.panel.gallery.tiles
    tiles.setCurrentRow(0)
    QTest.keyClick(tiles, Qt.Key.Key_Right)
    assert desk.settings.background.startswith("color:")
    QTest.keyClick(tiles, Qt.Key.Key_Right)
    assert desk.settings.background == "transparent"
    assert all("&" in action.text() for action in desk.window.menuBar().actions())


def test_only_a_click_or_enter_shows_the_room(desk: Desk) -> None:
    tiles, actions = desk.window.panel.gallery.tiles, desk.window.actions_
    none = tiles.item(tiles.count() - 1)
    seen = set()
    for action in (actions.next_background, actions.previous_background):
        for _ in range(2 * tiles.count()):
            action.trigger()
            seen.add(desk.settings.background)
    assert len(seen) == tiles.count() - 1
    assert "none" not in seen
    tiles.setFocus()
    before = desk.settings.background
    QTest.keyClick(tiles, Qt.Key.Key_End)
    assert (tiles.currentItem(), desk.settings.background) == (none, before)
    actions.next_background.trigger()
    assert desk.settings.background != before, "it goes on from what is chosen"
    actions.previous_background.trigger()
    assert desk.settings.background == before
    QTest.keyClick(tiles, Qt.Key.Key_End)
    QTest.keyClick(tiles, Qt.Key.Key_Return)
    assert desk.settings.background == "none"
    desk.window.show_status(desk.pipeline.now)
    assert "Your room is visible" in desk.window.preview.accessibleDescription()
    desk.window.show_status(dataclasses.replace(desk.pipeline.now, paused=True))
    assert "Your room is visible" not in desk.window.preview.accessibleDescription()
    actions.next_background.trigger()
    assert desk.settings.background.startswith("blur")
    QTest.mouseClick(tiles.viewport(), Qt.MouseButton.LeftButton, pos=tiles.visualItemRect(none).center())
    assert desk.settings.background == "none"


def test_delete_takes_what_is_chosen_and_not_what_the_keyboard_is_on(desk: Desk, tmp_path: Path) -> None:
    picture = tmp_path / "mine.png"
    write_image(picture, np.full((90, 160, 3), 90, np.uint8))
    gallery = desk.window.panel.gallery
    gallery.add_files([picture])
    desk.until(lambda: desk.settings.background.endswith("mine.png"))
    kept = Path(desk.settings.background)
    QTest.keyClick(gallery.tiles, Qt.Key.Key_End)
    QTest.keyClick(gallery.tiles, Qt.Key.Key_Delete)
    QTest.qWait(50)
    assert kept.exists()
    assert desk.settings.background == str(kept)
    QTest.keyClick(gallery.tiles, Qt.Key.Key_Left)
    QTest.keyClick(gallery.tiles, Qt.Key.Key_Delete)
    desk.until(lambda: not kept.exists())
    assert desk.settings.background.startswith("blur")
