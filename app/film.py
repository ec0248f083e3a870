"""Film: a recording as somebody wants to watch it, from the first picture of the person to the last."""

from app.output import Output
from matting_core.frames import Alpha, Image


class Film:
    """Feeds a recording. A slate before the first picture is left out, and so is one after which nothing comes.

    A recording that was shown slates alone gets the last of them, so that it plays. Used on one thread.
    """

    def __init__(self, output: Output) -> None:
        self.name = output.name
        self._output = output
        self._begun = False
        self._slate: tuple[Image, float] | None = None

    def send(self, canvas: Image, alpha: Alpha | None, at_s: float) -> None:
        """Take a picture; see Output.send."""
        if self._begun:
            self._write_slate()
        self._begun, self._slate = True, None
        self._output.send(canvas, alpha, at_s)

    def send_slate(self, slate: Image, at_s: float) -> None:
        """Take a slate, which must not change until the next call. Raises OutputLost."""
        if self._begun:
            self._write_slate()
        self._slate = (slate, at_s)

    def close(self) -> None:
        """Finish the recording; see Output.close."""
        try:
            if not self._begun:
                self._write_slate()
        finally:
            self._slate = None
            self._output.close()

    def _write_slate(self) -> None:
        if self._slate is not None:
            slate, at_s = self._slate
            self._output.send(slate, None, at_s)
