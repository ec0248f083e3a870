"""Predictor: one frame in, the same frame with its alpha out. Preprocess, network, stabiliser and inverse in a row."""

from collections.abc import Callable

import numpy as np

from matting_core.buffers import Recycler
from matting_core.engine import MattingEngine, checked_predict, try_empty
from matting_core.frames import Alpha, Behind, FloatAlpha, Frame, Image, MattedFrame
from matting_core.fused_spec import FusedSpec
from matting_core.preprocess import Blob, first_half, network_size, restore_alpha, shrink, to_blob
from matting_core.presets import Preset
from matting_core.stabilise import make_stabiliser
from matting_core.whole_frame import WholeFrame

STILL_SCALES = (1.0, 1.25)
"""A single picture has time: its matte is the mean over the preset's size and one a quarter larger."""

Lap = Callable[[str], None]
"""Called with a stage's name when that stage is done."""


def no_lap(_stage: str) -> None:
    """A Lap that measures nothing."""


class Predictor:
    """Mattes a sequence of frames with one engine and preset. Used on one thread.

    whole: what runs all stages of a frame at once, where the engine's device can.
    """

    def __init__(
        self, engine: MattingEngine, preset: Preset, smoothing: str = "off", whole: WholeFrame | None = None
    ) -> None:
        self.engine = engine
        self._whole = whole
        self._prepared: tuple[int, int] | None = None
        self.preset = preset
        self.smoothing = smoothing
        self._stabiliser = make_stabiliser(smoothing)
        self._arrays = Recycler()
        self.warm: tuple[int, int] | None = None
        """The (height, width) of the frames that it was last warmed for."""

    def warm_up(self, height: int, width: int) -> None:
        """Run `try_empty` at the size that frames of height × width will need, so that the first is not slow."""
        try_empty(self.engine, network_size(height, width, self.preset.long_side))
        self.warm = (height, width)

    def prepare(self, height: int, width: int, spec: FusedSpec | None = None) -> None:
        """`MattingEngine.prepare` for frames of height × width, and `WholeFrame.prepare`; on any one thread."""
        if self._prepared != (height, width):
            self._prepared = (height, width)
            self.engine.prepare(network_size(height, width, self.preset.long_side))
        if spec is not None and self._whole is not None:
            self._whole.prepare(spec)

    def whole_spec(self, size: tuple[int, int], behind: Behind | None) -> FusedSpec | None:
        """What is to be prepared for frames of size (height, width) on that to be run as a whole; None: they cannot."""
        if self._whole is None or behind is None:
            return None
        return self._whole.spec(size, network_size(*size, self.preset.long_side), behind, self.smoothing)

    def set_smoothing(self, smoothing: str) -> None:
        """Change the stabiliser; the new one starts without a past."""
        if smoothing != self.smoothing:
            self.smoothing = smoothing
            self._stabiliser = make_stabiliser(smoothing)

    def reset(self) -> None:
        """Forget earlier frames, after a gap or a cut."""
        self._stabiliser.reset()
        if self._whole is not None:
            self._whole.reset()

    def close(self) -> None:
        """Close the engine. Safe to call twice."""
        self.engine.close()
        if self._whole is not None:
            self._whole.close()

    def predict(self, frame: Frame, lap: Lap = no_lap, behind: Behind | None = None) -> MattedFrame | None:
        """The frame with its alpha; with OFD the previous frame with its own, and None for the first.

        behind: of the frame's size, what it is likely to be laid on, so that it may be `MattedFrame.laid` already.
        Raises InferenceFailed, after which earlier frames are forgotten.
        """
        height, width = frame.image.shape[:2]
        spec = self.whole_spec((height, width), behind)
        laid = None if self._whole is None else self._whole.compose(frame, behind, spec)
        if laid is not None:
            self._stabiliser.reset()
            lap("whole")
            return laid
        size = network_size(height, width, self.preset.long_side)
        half = first_half(frame.image, size, self._arrays)
        small = shrink(frame.image if half is None else half, size, self._arrays)
        blob = to_blob(small, self._arrays.new((1, 3, *size), np.float32))
        lap("preprocess")
        try:
            alpha = checked_predict(self.engine, blob)
        except Exception:
            self.reset()
            raise
        lap("infer")
        settled = self._stabiliser.push(alpha, small, (frame, half))
        lap("stabilise")
        if self._whole is not None:
            self._whole.prove(frame, small, behind, spec, alpha, lambda: self._alpha_of_mirrored(blob))
        if settled is None:
            return None
        smoothed, (owner, half) = settled
        height, width = owner.image.shape[:2]
        matted = MattedFrame(owner, restore_alpha(smoothed, height, width, self._arrays), half)
        lap("alpha")
        return matted

    def _alpha_of_mirrored(self, blob: Blob) -> FloatAlpha:
        return checked_predict(self.engine, np.ascontiguousarray(blob[..., ::-1]))


def matte_still(engine: MattingEngine, preset: Preset, image: Image) -> Alpha:
    """Alpha of a single picture, uint8 H×W, averaged over STILL_SCALES. Raises InferenceFailed.

    Rounded down: what one scale takes for the person and the other for the room falls just below a half.
    """
    height, width = image.shape[:2]
    total = np.zeros((height, width), np.float32)
    for scale in STILL_SCALES:
        size = network_size(height, width, round(preset.long_side * scale))
        alpha = checked_predict(engine, to_blob(shrink(image, size)))
        total += restore_alpha(alpha, height, width)
    return (total / len(STILL_SCALES)).astype(np.uint8)
