"""Box: a rectangle of whole pixels in a picture."""

from dataclasses import dataclass

from matting_core.frames import Array


@dataclass(frozen=True, slots=True)
class Box:
    """Rows from `top` to before `bottom`, and columns from `left` to before `right`."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    def of(self, picture: Array) -> Array:
        """That part of a picture (H×W or H×W×C), a view."""
        return picture[self.top : self.bottom, self.left : self.right]

    def grown(self, reach: int, step: int, whole: "Box") -> "Box":
        """Larger by `reach` on every side and on to a multiple of `step`, but not beyond `whole`, which begins at 0.

        Along a side of `whole` that is no multiple of `step`, all of it.
        """
        return Box(
            *_grown(self.top, self.bottom, reach, step, whole.bottom),
            *_grown(self.left, self.right, reach, step, whole.right),
        )

    def halved(self) -> "Box":
        """Where it lies in `preprocess.halve` of the picture; its top and left are even."""
        return Box(self.top // 2, (self.bottom + 1) // 2, self.left // 2, (self.right + 1) // 2)


def _grown(start: int, stop: int, reach: int, step: int, length: int) -> tuple[int, int]:
    if length % step:
        return 0, length
    return max(0, start - reach) // step * step, min(length, -(-(stop + reach) // step) * step)
