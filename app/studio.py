"""Studio: lays pictures of one size on a background, one after the other, on the caller's thread."""

import numpy as np

from app.settings import Scene
from matting_core.background import open_background
from matting_core.background_spec import BackgroundSpec
from matting_core.buffers import Recycler
from matting_core.composite import Compositor, Edges
from matting_core.frames import Array, Image, MattedFrame


class Studio:
    """Used by the commands that are in no hurry. size: (width, height).

    Raises MediaError where the background's file cannot be shown.
    """

    def __init__(self, background: BackgroundSpec, size: tuple[int, int]) -> None:
        self.size = size
        self._background = open_background(background, *size)
        self._as_it_is = background.kind == "none"
        self._compositor = Compositor(*size)
        self._arrays = Recycler()
        looks = Scene()
        self._edges = Edges(looks.edge_shift, looks.edge_feather, looks.light_wrap, looks.decontaminate)

    def compose(self, matted: MattedFrame, at_s: float) -> Image:
        """The picture on its background at that time: uint8 H×W×3 BGR, not written to while it is held.

        On the background `none` it is the frame's own.
        """
        if self._as_it_is:
            return matted.frame.image
        canvas = self._new_canvas()
        behind = self._background.render(matted, at_s, canvas)
        self._compositor.render(matted, behind, self._edges, canvas)
        return canvas

    def cut_out(self, matted: MattedFrame) -> Array:
        """The person alone, in their own colours, with straight alpha: uint8 H×W×4 BGRA, new."""
        canvas = self._new_canvas()
        alpha = self._compositor.render(matted, None, self._edges, canvas)
        return np.dstack([canvas, alpha])

    def close(self) -> None:
        """Free the background."""
        self._background.close()

    def _new_canvas(self) -> Image:
        return self._arrays.new((self.size[1], self.size[0], 3))
