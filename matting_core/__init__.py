"""The matting library: frames and mattes in, composited pictures out. No Qt, no devices, no threads."""

import os

LARGEST_PICTURE = 1 << 27
"""Pixels of a picture that is still decoded, about 134 million. A file of some kilobytes can unfold to far more."""

# ONNX Runtime reads this when it is loaded. Without it, it reports to Microsoft from Linux, too, and keeps an id and a
# queue in the user's cache folder; `disable_telemetry_events` comes too late. Nothing of Mattecam's talks to anybody.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# OpenCV reads these once, when it is loaded, so they stand where everything of ours passes first. What it writes to the
# terminal about a file or a camera is said in our own words.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(LARGEST_PICTURE))
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
