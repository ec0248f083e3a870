"""A live predictor whose graph for whole frames runs on the processor, and frames for it."""

from pathlib import Path

import numpy as np

from matting_core.engine_recorded import CHECK_FIRST, RecordedEngine
from matting_core.frames import Behind, Frame, Image, MattedFrame
from matting_core.predictor import Predictor
from matting_core.presets import Preset
from matting_core.whole_frame import PROOF_FRAMES, WholeFrame
from tests.support.plain_networks import red_frame

SIZE, NETWORK = (96, 128), (96, 128)
PRESET = Preset("made up", 128)


def picture(seed: int) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)


def filmed(index: int) -> Frame:
    """A person on the left, with a soft edge that trembles."""
    matte = np.tile(np.clip(255 - 12 * np.abs(np.arange(SIZE[1]) - 40.0), 0, 255), (SIZE[0], 1))
    grain = np.random.default_rng(index).normal(0, 0.7, (*SIZE, 3))
    seen = np.clip(red_frame(np.rint(matte).astype(np.uint8), 3) + grain, 0, 255).astype(np.uint8)
    return Frame(seen, index / 30, index)


class Live:
    """A predictor with a WholeFrame on the processor, and frames for it."""

    def __init__(self, network: Path) -> None:
        self.whole = WholeFrame("cpu", network)
        self.predictor = Predictor(RecordedEngine("cpu", network), PRESET, "motion", self.whole)
        self.index = 0

    def next(self, behind: Behind | None) -> MattedFrame:
        self.index += 1
        matted = self.predictor.predict(filmed(self.index), behind=behind)
        assert matted is not None
        return matted

    def prepare(self, behind: Behind) -> None:
        self.predictor.prepare(*SIZE, self.predictor.whole_spec(SIZE, behind))

    def settle(self, behind: Behind) -> MattedFrame:
        """The frame by which the whole has taken over, if it is to."""
        self.prepare(behind)
        for _ in range(CHECK_FIRST + PROOF_FRAMES - 1):
            assert self.next(behind).laid is None, "nothing is used before its proof"
        return self.next(behind)
