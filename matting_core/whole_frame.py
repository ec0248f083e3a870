"""WholeFrame: all stages of a live frame in one run on an NVIDIA GPU, on one still picture or on the blurred room.

Other backgrounds, edge controls, OFD and a camera that is turned go stage by stage (`predictor.py`, `composite.py`).
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
from matting_core.engine_recorded import ALONE, FARTHEST, Tries, distance
from matting_core.errors import InferenceFailed, first_line
from matting_core.foreground import blurred_room
from matting_core.frames import Behind, FloatAlpha, Frame, Image, Laid, MattedFrame
from matting_core.fused_spec import SMALLEST, FusedSpec
from matting_core.preprocess import restore_alpha
from matting_core.stabilise import Stabiliser, make_stabiliser

log = logging.getLogger(__name__)

SMOOTHING = {"off": False, "motion": True}
"""What the graph can do of `stabilise.STABILISERS`, and how that is asked for."""
PROOF_FRAMES = 6
"""Frames in a row that are run both ways. Smoothing begins with the third; ONNX Runtime has recorded by then."""
SEEN, ROOM_SHARE = 64, 0.001
"""So much of the picture may have at least that alpha where by the stages it has none."""
CANVAS_LEVELS = 0.5
"""By how many levels a canvas may differ from the Compositor's on average."""
BLUR_LEVELS = 4
"""By how many it may differ where the blurred room is all there is to see. A picture has to be there exactly."""


@dataclass(slots=True)
class _Ready:
    """A graph for one kind of frames. behind: what it lays them on. proven: it may be used.

    proved: how many frames in a row have matched so far, and shadow: the stabiliser of what the stages made of them.
    """

    engine: FusedEngine
    tries: Tries = field(default_factory=Tries)
    behind: Behind | None = None
    proven: bool = False
    proved: int = 0
    shadow: Stabiliser | None = None


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
        if smoothing not in SMOOTHING or min(size) < SMALLEST:
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
            self._ready = None  # a GPU may have no room for both
            try:
                self._ready = _Ready(FusedEngine(self._name, self._model, spec, slots=1))
            except Exception as error:  # of ONNX, of its runtime, of memory: frames go on stage by stage
                self._give_up(error)
            if self._over:
                self._ready = None

    def compose(self, frame: Frame, behind: Behind | None, spec: FusedSpec | None) -> MattedFrame | None:
        """The frame with its alpha and its composite; None where what is ready is not for such frames, or failed.

        spec: as `spec` gives it for such frames, or None where they go stage by stage.
        """
        ready = self._ready
        if ready is None or behind is None or ready.engine.spec != spec or not ready.proven:
            return None
        try:
            return self._run(ready, frame, behind)
        except Exception as error:  # of the device, of memory: the stages may still work
            self._give_up(error)
            return None

    def prove(
        self,
        frame: Frame,
        small: Image,
        behind: Behind | None,
        spec: FusedSpec | None,
        alpha: FloatAlpha,
        of_mirrored: Callable[[], FloatAlpha],
    ) -> None:
        """Now and then try whether what is ready makes of a few frames what the stages make, one by one.

        Called for each frame that went through the stages. behind, spec: as of `compose`. small: the frame at the
        network's size, uint8 h×w×3 BGR. alpha: the network's, float32 h×w, not smoothed. of_mirrored: gives that of the
        frame's mirror image; a graph that is stuck gives both the same.
        """
        ready = self._ready
        if ready is None or behind is None or ready.engine.spec != spec or ready.proven:
            self.reset()  # this frame is none that it has seen
            return
        try:
            if not ready.proved and not (
                ready.tries.due() and self._mirrored(ready, frame, behind, alpha, of_mirrored)
            ):
                return
            made = self._alone(ready, frame, behind)
            if made is None or ready.shadow is None:
                self.reset()
                return
            smoothed = ready.shadow.push(alpha, small, frame)
            assert smoothed is not None, "what the graph can do answers for this very frame"
            _check_alpha(made, smoothed[0])
            if ready.proved and ready.engine.spec.smooth and smoothed[0] is alpha:
                self.reset()  # after a cut there is no smoothing to be seen
                return
            ready.proved += 1
            if ready.proved == PROOF_FRAMES:
                _check_canvas(made)
                ready.proven = True
        except Exception as error:  # of the device, of memory: the stages may still work
            self._give_up(error)

    def reset(self) -> None:
        """Forget earlier frames."""
        self._fresh = True
        ready = self._ready
        if ready is not None:
            ready.proved = 0

    def close(self) -> None:
        """Free the GPU. What is being prepared is dropped once it is ready. Safe to call twice."""
        self._over = True
        self._ready = None

    def _mirrored(
        self, ready: _Ready, frame: Frame, behind: Behind, alpha: FloatAlpha, of_mirrored: Callable[[], FloatAlpha]
    ) -> bool:
        """Whether the frame's mirror image is another and has passed; then the row of frames may begin."""
        if ALONE.locked():
            return False
        ready.tries.tried()
        expected = of_mirrored()
        self._fresh = True
        if distance(alpha, expected) < 3 * FARTHEST:
            return False
        mirrored = Frame(np.ascontiguousarray(frame.image[:, ::-1]), frame.captured_at, frame.index)
        made = self._alone(ready, mirrored, behind)
        if made is None:
            return False
        _check_alpha(made, expected)
        _check_canvas(made)
        self._fresh = True
        ready.shadow = make_stabiliser("motion" if ready.engine.spec.smooth else "off")
        return True

    def _alone(self, ready: _Ready, frame: Frame, behind: Behind) -> MattedFrame | None:
        """Run it while nobody else lays out memory, since it may be recorded; None where somebody does."""
        if not ALONE.acquire(blocking=False):
            return None
        try:
            return self._run(ready, frame, behind)
        finally:
            ALONE.release()

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


def _check_alpha(matted: MattedFrame, alpha: FloatAlpha) -> None:
    """Raise InferenceFailed unless this is alpha at the frame's size."""
    expected = restore_alpha(alpha, *matted.alpha.shape)
    off = float(cv2.absdiff(matted.alpha, expected).mean()) / 255
    room = float(((matted.alpha >= SEEN) & (expected == 0)).mean())
    if off > FARTHEST or room > ROOM_SHARE:
        raise InferenceFailed(
            f"Its mattes are {off:.3f} from those that are made stage by stage, and take {room:.2%} of the picture for "
            "the person that is not."
        )


def _check_canvas(matted: MattedFrame) -> None:
    """Raise InferenceFailed unless the Compositor would make the same of the frame and its alpha."""
    assert matted.laid is not None, "it was made by a WholeFrame"
    canvas, behind = matted.laid.canvas, matted.laid.behind
    height, width = matted.alpha.shape
    picture, most = behind.picture, 0
    if picture is None:
        picture, most = blurred_room(matted.frame.image, matted.alpha, behind.blur), BLUR_LEVELS
    expected = np.empty_like(canvas)
    Compositor(width, height).render(matted, picture, Edges(decontaminate=behind.decontaminate), expected)
    levels = cv2.absdiff(canvas, expected)
    nobody = int(np.max(levels, axis=2)[matted.alpha == 0].max(initial=0))
    if levels.mean() > CANVAS_LEVELS or nobody > most:
        raise InferenceFailed(
            f"Its canvases are {levels.mean():.1f} levels from those that are made stage by stage, and up to {nobody} "
            "where nobody is."
        )
