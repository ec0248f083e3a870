"""Film: a recording as somebody wants to watch it, from the first picture of the person to the last."""

from app.output import Output
from matting_core.frames import Alpha, Image

LONGEST_GAP = 20
"""Slates between two pictures that are kept at most: they are all written at once when the next picture comes."""


class Film:
    """Feeds a recording. The slates before the first picture and after the last are left out.

    A recording that was shown slates alone gets the last of them, so that it plays. Used on one thread.
    """

    def __init__(self, output: Output) -> None:
        self.name = output.name
        self._output = output
        self._begun = False
        self._gap: list[tuple[Image, float]] = []

    @property
    def shows_a_picture(self) -> bool:
        """Whether anything but slates has come."""
        return self._begun

    def send(self, canvas: Image, alpha: Alpha | None, at_s: float) -> None:
        """Take a picture; see Output.send."""
        gap, self._gap = self._gap, []
        if self._begun:
            for slate, slate_s in gap:
                self._output.send(slate, None, slate_s)
        self._begun = True
        self._output.send(canvas, alpha, at_s)

    def send_slate(self, slate: Image, at_s: float) -> None:
        """Take a slate, which must not change any more. Of those with the same words the first and last are kept."""
        if len(self._gap) > 1 and self._gap[-1][0] is slate and self._gap[-2][0] is slate:
            self._gap.pop()
        self._gap.append((slate, at_s))
        if len(self._gap) > LONGEST_GAP:
            del self._gap[LONGEST_GAP // 2]

    def close(self) -> None:
        """Finish the recording; see Output.close."""
        try:
            if self._gap and not self._begun:
                slate, at_s = self._gap[-1]
                self._output.send(slate, None, at_s)
        finally:
            self._gap = []
            self._output.close()
