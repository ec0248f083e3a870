"""What scripts/measure_quality.py makes of mattes before it measures them."""

import numpy as np

from matting_core.stabilise import make_stabiliser
from scripts.measure_quality import smoothed


def test_what_is_measured_is_what_each_frame_was_answered() -> None:
    guide = np.full((32, 48, 3), 90, np.uint8)
    mattes = [(np.full((32, 48), level, np.float32), guide) for level in (0.1, 0.9, 0.2, 0.8, 0.3, 0.7)]
    stabiliser = make_stabiliser("motion")
    for index, (alpha, picture) in enumerate(mattes):
        answer = stabiliser.push(alpha, picture, index)
        assert answer is not None
        np.testing.assert_array_equal(smoothed("motion", mattes)[index], answer[0])
