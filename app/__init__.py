"""The desktop program: devices, threads, commands and (under app/ui) the window."""

import matting_core  # noqa: F401 first of all: it bounds what OpenCV decodes
