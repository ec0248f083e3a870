"""The matting library: frames and mattes in, composited pictures out. No Qt, no devices, no threads."""

import os

LARGEST_PICTURE = 1 << 27
"""Pixels of a picture that is still decoded, about 134 million. A file of some kilobytes can unfold to far more."""

# OpenCV reads this once, when it is loaded, so it stands where everything of ours passes first.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(LARGEST_PICTURE))
