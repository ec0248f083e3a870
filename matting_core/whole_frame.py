"""WholeFrame: all stages of a live frame in one run on an NVIDIA GPU, on one still picture or on the blurred room.

Other backgrounds, edge controls and OFD go stage by stage (`predictor.py`, `composite.py`).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from matting_core.buffers import Recycler
from matting_core.composite import Compositor, Edges
from matting_core.engine_fused import FusedEngine
from matting_core.engine_onnxruntime import NVIDIA
from matting_core.engine_recorded import ALONE, CHECKED, FARTHEST, Tries, distance
from matting_core.errors import InferenceFailed, first_line
from matting_core.foreground import blurred_room
from matting_core.frames import Behind, FloatAlpha, Frame, Image, Laid, MattedFrame
from matting_core.fused_spec import FusedSpec
from matting_core.preprocess import restore_alpha

log = logging.getLogger(__name__)

SMOOTHING = {"off": False, "motion": True}
"""What the graph can do of `stabilise.STABILISERS`, and how that is asked for."""
CANVAS_LEVELS = 0.5
"""By how many levels a canvas may differ from the Compositor's on average."""
BLUR_LEVELS = 4
"""By how many it may differ where the blurred room is all there is to see. A picture has to be there exactly."""


@dataclass(slots=True)
class _Ready:
    engine: FusedEngine
    tries: Tries = field(default_factory=Tries)
    proven: bool = False
    behind: Behind | None = None
    """What its engine lays frames on."""


class WholeFrame:
    """By 'cuda' or, to check it, 'cpu'. It gives nothing until what `prepare` made has passed `prove`.

    All but `prepare` is used on one thread. Once something has failed it gives nothing any more.
    """

    def __init__(self, name: str, model: Path) -> None:
        self._name = name
        self._model = model
        self._ready: _Ready | None = None
        self._over = False
        self._fresh = True
        self._arrays = Recycler()

    def spec(self, size: tuple[int, int], network: tuple[int, int], behind: Behind, smoothing: str) -> FusedSpec | None:
        """What `prepare` is to make for such frames; None where they go stage by stage.

        size: their (height, width), and network: that of the network's input for them.
        """
        if smoothing not in SMOOTHING:
            return None
        return FusedSpec(
            size,
            network,
            behind.decontaminate,
            half=self._name in NVIDIA,
            smooth=SMOOTHING[smoothing],
            matte=True,
            blur=behind.blur,
        )

    def prepare(self, spec: FusedSpec) -> None:
        """Get ready for frames like that, instead of any before; slow, unless it is ready. On any thread."""
        with ALONE:
            if self._over or (self._ready is not None and self._ready.engine.spec == spec):
                return
            try:
                self._ready = _Ready(FusedEngine(self._name, self._model, spec, slots=1))
            except Exception as error:  # of ONNX, of its runtime, of memory: frames go on stage by stage
                self._give_up(error)
            if self._over:
                self._ready = None

    def compose(self, frame: Frame, behind: Behind, spec: FusedSpec) -> MattedFrame | None:
        """The frame with its alpha and its composite; None where what is ready is not for such frames, or failed."""
        ready = self._ready
        if ready is None or ready.engine.spec != spec or not ready.proven:
            return None
        try:
            return self._run(ready, frame, behind)
        except InferenceFailed as error:
            self._give_up(error)
            return None

    def prove(
        self, frame: Frame, behind: Behind, spec: FusedSpec, alpha: FloatAlpha, of_mirrored: Callable[[], FloatAlpha]
    ) -> None:
        """Try now and then whether what is ready makes of this frame what the stages make, one by one.

        alpha: the network's, float32 h×w, not smoothed. of_mirrored: gives that of the frame's mirror image, which what
        is stuck would not tell apart.
        """
        ready = self._ready
        if ready is None or ready.engine.spec != spec or ready.proven or not ready.tries.due():
            return
        if ALONE.locked():
            return
        expected = (alpha, of_mirrored())
        if not ALONE.acquire(blocking=False):
            return
        mirrored = Frame(np.ascontiguousarray(frame.image[:, ::-1]), frame.captured_at, frame.index)
        try:
            ready.tries.tried()
            if distance(*expected) < 3 * FARTHEST:
                return
            for seen, wanted in tuple(zip((frame, mirrored), expected, strict=True)) * (CHECKED // 2):
                self.reset()
                _check(self._run(ready, seen, behind), wanted)
            ready.proven = True
        except InferenceFailed as error:
            self._give_up(error)
        finally:
            ALONE.release()
        self.reset()

    def reset(self) -> None:
        """Forget earlier frames."""
        self._fresh = True

    def close(self) -> None:
        """Free the GPU. What is being prepared is dropped once it is ready. Safe to call twice."""
        self._over = True
        self._ready = None

    def _run(self, ready: _Ready, frame: Frame, behind: Behind) -> MattedFrame:
        """Raises InferenceFailed."""
        engine = ready.engine
        if self._fresh:
            engine.reset()
            self._fresh = False
        if behind.picture is not None and ready.behind is not behind:
            engine.set_background(behind.picture)
            ready.behind = behind
        slot = engine.load(frame.image)
        assert slot is not None, "its only user gives it back"
        try:
            engine.compose(slot)
            composite = engine.collect(slot)
            assert composite.matte is not None, "the graph was made to give it"
            canvas, alpha = (self._copy(values) for values in (composite.canvas, composite.matte))
        finally:
            engine.release(slot)
        return MattedFrame(frame, alpha, laid=Laid(canvas, behind))

    def _copy(self, values: Image) -> Image:
        copied = self._arrays.new(values.shape)
        np.copyto(copied, values)
        copied.flags.writeable = False
        return copied

    def _give_up(self, error: Exception) -> None:
        log.warning("%s is not run as a whole: %s", self._model.name, first_line(error))
        self.close()


def _check(matted: MattedFrame, alpha: FloatAlpha) -> None:
    """Raise InferenceFailed unless this is what the stages would make of the frame with that alpha."""
    assert matted.laid is not None, "it was made by a WholeFrame"
    canvas, behind = matted.laid.canvas, matted.laid.behind
    height, width = matted.alpha.shape
    off = float(np.abs(matted.alpha - restore_alpha(alpha, height, width).astype(np.float32)).mean()) / 255
    picture, most = behind.picture, 0
    if picture is None:
        picture, most = blurred_room(matted.frame.image, matted.alpha, behind.blur), BLUR_LEVELS
    expected = np.empty_like(canvas)
    Compositor(width, height).render(matted, picture, Edges(decontaminate=behind.decontaminate), expected)
    levels = cv2.absdiff(canvas, expected)
    nobody = np.where(matted.alpha[..., None] == 0, levels, 0)
    if off > FARTHEST or float(levels.mean()) > CANVAS_LEVELS or int(nobody.max()) > most:
        raise InferenceFailed(
            f"Its mattes are {off:.3f} from those made stage by stage, its canvases {levels.mean():.1f} levels, and up "
            f"to {nobody.max()} where nobody is."
        )
