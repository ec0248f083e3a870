"""The blend: exact where it can be, and every edge control does what it says."""

import tracemalloc

import cv2
import numpy as np
import pytest

from matting_core.background import BlurBackground
from matting_core.composite import Compositor, Edges
from matting_core.frames import Alpha, Frame, Image, MattedFrame
from matting_core.preprocess import halve

PLAIN = Edges(decontaminate=False)
HEIGHT, WIDTH = 720, 960  # edge controls are in pixels of a picture 720 high
PERSON, ROOM, BEHIND = (30, 60, 200), (250, 250, 250), (90, 40, 10)


def noise(height: int, width: int, seed: int) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def matted(image: Image, alpha: Alpha) -> MattedFrame:
    return MattedFrame(Frame(image, 0.0, 0), alpha)


def block(soft: int = 0) -> MattedFrame:
    """A person of one colour who fills columns 320 to 639, with a rim that many pixels wide, in a white room."""
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[200:520, 320:640] = 255
    if soft:
        alpha = cv2.blur(alpha, (soft, soft))
    share = alpha[..., None] / 255
    return matted(np.rint(share * PERSON + (1 - share) * ROOM).astype(np.uint8), alpha)


def render(item: MattedFrame, behind: Image | None, edges: Edges) -> tuple[Image, Alpha]:
    height, width = item.alpha.shape
    canvas = np.full((height, width, 3), 99, np.uint8)
    alpha = Compositor(width, height).render(item, behind, edges, canvas)
    return canvas, alpha


def behind_block() -> Image:
    return np.full((HEIGHT, WIDTH, 3), BEHIND, np.uint8)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (7, 1), (3, 5), (37, 53), (72, 128)])
@pytest.mark.parametrize("level", [0, 1, 128, 254, 255])
def test_the_blend_is_the_definition_to_a_level(height: int, width: int, level: int) -> None:
    image, behind = noise(height, width, 1), noise(height, width, 2)
    canvas, alpha = render(matted(image, np.full((height, width), level, np.uint8)), behind, PLAIN)
    share = level / 255
    true = share * image.astype(float) + (1 - share) * behind
    assert np.abs(canvas - true).max() <= (0 if level in (0, 255) else 1)
    assert (alpha == level).all()


def test_every_alpha_at_once_is_blended_each_with_its_own() -> None:
    image, behind = noise(64, 256, 1), noise(64, 256, 2)
    alpha = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    canvas, _ = render(matted(image, alpha), behind, PLAIN)
    share = alpha[..., None] / 255.0
    assert np.abs(canvas - (share * image + (1 - share) * behind)).max() <= 1


def test_sure_pixels_stay_exact_with_decontamination() -> None:
    item, behind = block(soft=9), noise(HEIGHT, WIDTH, 2)
    canvas, _ = render(item, behind, Edges())
    np.testing.assert_array_equal(canvas[item.alpha == 255], item.frame.image[item.alpha == 255])
    np.testing.assert_array_equal(canvas[item.alpha == 0], behind[item.alpha == 0])


def test_the_old_room_leaves_no_bright_rim() -> None:
    item = block(soft=15)
    share = item.alpha[..., None] / 255
    true = share * PERSON + (1 - share) * BEHIND
    rim = (item.alpha > 0) & (item.alpha < 255)
    error = {
        on: np.abs(render(item, behind_block(), Edges(decontaminate=on))[0] - true)[rim].mean() for on in (False, True)
    }
    assert error[False] > 15
    assert error[True] < error[False] / 2


def test_without_a_background_come_the_persons_own_colours_unblended() -> None:
    item = block(soft=9)
    canvas, alpha = render(item, None, Edges())
    assert (canvas[alpha == 0] == 0).all()
    wrong = {name: np.abs(x.astype(int) - PERSON)[(alpha > 0) & (alpha < 255)].mean() for name, x in
             (("ours", canvas), ("camera", item.frame.image))}  # fmt: skip
    assert wrong["ours"] < wrong["camera"] / 2, "no white rim"
    assert (canvas[alpha == 255] == PERSON).all()
    np.testing.assert_array_equal(alpha, item.alpha)


@pytest.mark.parametrize("pixels", [-12, -3, 4, 10])
def test_the_matte_shrinks_and_grows_by_that_many_pixels(pixels: int) -> None:
    canvas, alpha = render(block(), behind_block(), Edges(shift=pixels))
    row = np.flatnonzero(alpha[360])
    assert (row[0], row[-1]) == (320 - pixels, 639 + pixels)
    column = np.flatnonzero(alpha[:, 480])
    assert (column[0], column[-1]) == (200 - pixels, 519 + pixels)
    inside = canvas[360, 320 - pixels : 640 + pixels].astype(int)
    assert np.abs(inside - PERSON).max() <= 6, "what is grown has the person's colour, not the room's"
    assert (canvas[alpha == 0] == BEHIND).all()


def test_a_shift_scales_with_the_height() -> None:
    alpha = np.zeros((360, 480), np.uint8)
    alpha[100:260, 160:320] = 255
    _, grown = render(
        matted(np.zeros((360, 480, 3), np.uint8), alpha), np.zeros((360, 480, 3), np.uint8), Edges(shift=8)
    )
    assert np.flatnonzero(grown[180])[0] == 160 - 4


def test_the_feather_fades_outwards_only() -> None:
    item = block()
    canvas, alpha = render(item, behind_block(), Edges(feather=16))
    assert (alpha >= item.alpha).all()
    ramp = alpha[360, 290:321].astype(int)
    assert (np.diff(ramp) >= 0).all()
    assert np.diff(ramp).max() <= 255 / 16 * 2.5, "a step, not a fade"
    fading = (ramp > 0) & (ramp < 255)
    assert 8 <= fading.sum() <= 18
    assert ramp[0] == 0
    outside = canvas[360, 304:320].astype(int)
    share = alpha[360, 304:320, None] / 255
    assert np.abs(outside - (share * PERSON + (1 - share) * BEHIND)).max() <= 5, "the room shows in the feather"


def test_light_wrap_brightens_the_rim_by_the_backgrounds_light_and_leaves_the_middle() -> None:
    item, bright = block(soft=5), np.full((HEIGHT, WIDTH, 3), 240, np.uint8)
    plain, half, full = (render(item, bright, Edges(light_wrap=strength))[0].astype(int) for strength in (0, 0.5, 1))
    solid = item.alpha == 255
    assert (half[solid] >= plain[solid]).all()
    assert (full[solid] >= half[solid]).all()
    edge = (360, 324)
    assert full[edge].sum() > half[edge].sum() > plain[edge].sum()
    np.testing.assert_array_equal(full[360, 480], plain[360, 480])
    black = np.zeros_like(bright)
    np.testing.assert_array_equal(
        render(item, black, Edges(light_wrap=1))[0], render(item, black, Edges())[0], "darkness sheds no light"
    )


def test_the_canvas_may_be_the_background_itself() -> None:
    item = block(soft=9)
    behind = noise(HEIGHT, WIDTH, 4)
    apart, _ = render(item, behind, Edges(light_wrap=0.5))
    Compositor(WIDTH, HEIGHT).render(item, behind, Edges(light_wrap=0.5), behind)
    np.testing.assert_array_equal(behind, apart)


@pytest.mark.parametrize("edges", [Edges(), Edges(shift=2, feather=6), Edges(light_wrap=0.5)])
def test_a_frame_leaves_nothing_behind_for_the_next(edges: Edges) -> None:
    compositor, canvas = Compositor(WIDTH, HEIGHT), np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    nobody = matted(noise(HEIGHT, WIDTH, 5), np.zeros((HEIGHT, WIDTH), np.uint8))
    compositor.render(block(soft=9), behind_block(), edges, canvas)
    compositor.render(nobody, behind_block(), edges, canvas)
    assert (canvas == BEHIND).all()
    compositor.render(block(soft=9), behind_block(), edges, canvas)
    np.testing.assert_array_equal(canvas, render(block(soft=9), behind_block(), edges)[0])


def test_the_frame_and_its_matte_are_only_read() -> None:
    item = block(soft=9)
    image, alpha = item.frame.image.copy(), item.alpha.copy()
    item.frame.image.flags.writeable = item.alpha.flags.writeable = False
    render(item, behind_block(), Edges(shift=-3, feather=4, light_wrap=1))
    np.testing.assert_array_equal(item.frame.image, image)
    np.testing.assert_array_equal(item.alpha, alpha)


@pytest.mark.parametrize(
    ("edges", "mattes"), [(Edges(), 0.1), (Edges(shift=-2, feather=6, light_wrap=0.5), 1.2)], ids=["plain", "all edges"]
)
def test_no_picture_is_allocated_for_a_frame(edges: Edges, mattes: float) -> None:
    compositor, behind = Compositor(WIDTH, HEIGHT), behind_block()
    canvas, alpha = np.empty_like(behind), np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[100:200, 100:200] = 255
    item = matted(noise(HEIGHT, WIDTH, 3), cv2.blur(alpha, (9, 9)))
    first = compositor.render(item, behind, edges, canvas)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        second = compositor.render(item, behind, edges, canvas)
        after, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert second is first
    assert after - before < 10_000
    assert most - before < HEIGHT * WIDTH * mattes  # OpenCV copies a matte that it filters in place


def test_a_picture_of_another_size_is_refused() -> None:
    compositor, item = Compositor(WIDTH, HEIGHT), block()
    with pytest.raises(ValueError, match="in a compositor of"):
        compositor.render(item, behind_block()[:-1], Edges(), behind_block())
    with pytest.raises(ValueError, match="in a compositor of"):
        compositor.render(item, None, Edges(), behind_block()[:, 1:])


def test_the_half_picture_that_comes_along_is_the_one_that_is_used() -> None:
    """A black one stands for it: the rim's colours, and the blurred room, are then made of black."""
    item = block(soft=15)
    halves = [halve(item.frame.image), np.zeros((HEIGHT // 2, WIDTH // 2, 3), np.uint8)]
    same, black = (MattedFrame(item.frame, item.alpha, half) for half in halves)
    behind = behind_block()
    np.testing.assert_array_equal(render(same, behind, Edges())[0], render(item, behind, Edges())[0])
    assert not np.array_equal(render(black, behind, Edges())[0], render(item, behind, Edges())[0])
    blur, canvas = BlurBackground(30, HEIGHT), behind_block()
    np.testing.assert_array_equal(blur.render(same, 0.0, canvas).copy(), blur.render(item, 0.0, canvas))
    assert not blur.render(black, 0.0, canvas).any()


def test_a_half_of_another_size_is_refused() -> None:
    item = block()
    with pytest.raises(ValueError, match="not half of the frame"):
        MattedFrame(item.frame, item.alpha, item.frame.image)
