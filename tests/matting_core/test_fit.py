"""fit.py: crops, bars, averages and sizes against their definitions."""

import numpy as np
import pytest

from matting_core.fit import fit_frame, fit_image, largest, within


def halves(height: int, width: int) -> np.ndarray:
    """Left half 40, right half 200."""
    image = np.full((height, width, 3), 40, np.uint8)
    image[:, width // 2 :] = 200
    return image


def test_cover_crops_the_centre_and_keeps_proportions() -> None:
    image = np.zeros((100, 300, 3), np.uint8)
    image[:, 100:200] = 255  # the centred square
    assert (fit_image(image, 50, 50) == 255).all()


def test_contain_shows_the_whole_picture_between_bars() -> None:
    image = np.full((100, 300, 3), 255, np.uint8)
    fitted = fit_image(image, 90, 90, "contain", border=(1, 2, 3))
    assert (fitted[30:60] == 255).all()
    assert (fitted[:30] == (1, 2, 3)).all()
    assert (fitted[60:] == (1, 2, 3)).all()


def test_stretch_uses_every_column() -> None:
    fitted = fit_image(halves(10, 40), 20, 30, "stretch")
    assert (fitted[:, :9] == 40).all()
    assert (fitted[:, 11:] == 200).all()


def test_shrinking_averages_instead_of_skipping() -> None:
    checks = (np.indices((64, 64)).sum(0) % 2 * 200).astype(np.uint8)
    image = np.repeat(checks[:, :, None], 3, 2)
    assert (fit_image(image, 16, 16, "stretch") == 100).all()


def test_an_axis_that_shrinks_is_averaged_even_where_the_other_grows() -> None:
    stripes = np.zeros((2, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (fit_image(stripes, 8, 16, "stretch") == 100).all()


@pytest.mark.parametrize("mode", ["cover", "contain", "stretch"])
@pytest.mark.parametrize("size", [(1, 1), (1, 997), (997, 1), (3, 5), (721, 1279), (1080, 1920)])
@pytest.mark.parametrize("target", [(1, 1), (37, 91), (640, 360)])
def test_every_size_keeps_a_flat_colour(mode: str, size: tuple[int, int], target: tuple[int, int]) -> None:
    image = np.full((*size, 3), (10, 120, 250), np.uint8)
    fitted = fit_image(image, *target, mode, border=(10, 120, 250))
    assert fitted.shape == (target[1], target[0], 3)
    assert fitted.flags.c_contiguous
    assert (fitted == (10, 120, 250)).all()


def test_8k_comes_down() -> None:
    image = np.full((4320, 7680, 3), 77, np.uint8)
    assert (fit_image(image, 1280, 720) == 77).all()


def test_out_is_filled_and_returned() -> None:
    out = np.zeros((8, 6, 3), np.uint8)
    assert fit_image(halves(4, 4), 6, 8, out=out) is out
    assert out.any()


def test_the_source_is_left_alone_and_never_shared() -> None:
    image = halves(4, 4)
    image.flags.writeable = False
    fitted = fit_image(image, 4, 4)
    assert not np.shares_memory(fitted, image)
    assert (fitted == image).all()


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 4), (4, 4, 4)])
def test_what_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="cannot fit"):
        fit_image(np.zeros(shape, np.uint8), 4, 4)


def test_a_wrong_mode_or_out_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown fit"):
        fit_image(halves(4, 4), 4, 4, "zoom")
    with pytest.raises(ValueError, match="out is"):
        fit_image(halves(4, 4), 4, 4, out=np.zeros((4, 5, 3), np.uint8))


def test_a_frame_that_fits_is_passed_through() -> None:
    frame = halves(4, 6)
    assert fit_frame(frame, 6, 4, mirror=False) is frame


def test_a_mirrored_frame_is_new_flipped_and_read_only() -> None:
    frame = halves(4, 6)
    flipped = fit_frame(frame, 6, 4, mirror=True)
    assert (flipped == frame[:, ::-1]).all()
    assert not flipped.flags.writeable
    assert frame.flags.writeable
    assert not fit_frame(frame, 3, 2, mirror=False).flags.writeable


def test_a_camera_too_high_loses_more_below_than_above_where_the_head_is() -> None:
    frame = np.repeat(np.arange(200, dtype=np.uint8), 100).reshape(200, 100, 1).repeat(3, axis=2)
    rows = fit_frame(frame, 100, 100, mirror=False)[:, 50, 0]
    assert (rows[0], rows[-1]) == (20, 119)
    wide = frame.transpose(1, 0, 2)
    columns = fit_frame(np.ascontiguousarray(wide), 100, 100, mirror=False)[50, :, 0]
    assert (columns[0], columns[-1]) == (50, 149)


def test_a_glance_is_a_copy_no_larger_than_asked_for() -> None:
    image = halves(60, 100)
    small = within(image, (50, 90))
    assert small.shape == (30, 50, 3)
    assert (small[:, :24] == 40).all()
    assert (small[:, 26:] == 200).all()
    same = within(image, (100, 200))
    assert (same == image).all()
    assert not np.shares_memory(same, image)
    assert within(halves(1, 100), (10, 10)).shape == (1, 10, 3)
    assert within(image, (70, 20)).shape == (20, 33, 3)


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (640, 480), (1, 1000)])
def test_the_largest_in_a_space_touches_it_and_keeps_its_proportions(size: tuple[int, int]) -> None:
    for space in ((770, 503), (1, 1), (333, 1000), (1281, 719)):
        width, height = largest(size, space)
        assert 1 <= width <= space[0] and 1 <= height <= space[1]
        assert width == space[0] or height == space[1]
        assert abs(width - height * size[0] / size[1]) <= max(1.0, size[0] / size[1]) or 1 in (width, height)
